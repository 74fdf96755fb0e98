//! The operating system and the architecture that CRI-O is installed on.

use std::path::Path;

use edge_host::{Arch, Error, Host, Result};

const OS_RELEASE: [&str; 2] = ["/etc/os-release", "/usr/lib/os-release"];
const APT: &str = "/usr/bin/apt-get";
const SQV: &str = "/usr/bin/sqv";
const LINK_DIRS: &str = "/etc/sysconfig";

/// The properties that decide which sources are available.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct System {
    /// ID of os-release, `debian`.
    pub id: String,
    /// VERSION_ID of os-release, `12`.
    pub version: String,
    /// PRETTY_NAME of os-release.
    pub name: String,
    /// The architecture, if it could be read from a program.
    pub arch: Option<Arch>,
    /// apt-get is installed.
    pub has_apt: bool,
    /// apt verifies with sqv, which rejects old kinds of signatures.
    pub has_sqv: bool,
    /// Environment files of services are in /etc/sysconfig, not in /etc/default.
    pub has_sysconfig: bool,
    /// This is an image (`--root`), for which apt is not run.
    pub is_image: bool,
}

impl System {
    /// Reads them from the host.
    pub fn read(host: &Host) -> Result<System> {
        let mut system = System { is_image: !host.root.is_live(), ..System::default() };
        for file in OS_RELEASE {
            if let Some(bytes) = host.root.read(Path::new(file))? {
                system.take(&String::from_utf8_lossy(&bytes));
                break;
            }
        }
        system.has_apt = host.root.find_link(Path::new(APT))?.exists();
        system.has_sqv = host.root.find_link(Path::new(SQV))?.exists();
        system.has_sysconfig = host.root.find(Path::new(LINK_DIRS))?.exists();
        // Not the kernel's: a 64-bit kernel may run a 32-bit system.
        system.arch = Arch::of_programs(&host.root);
        Ok(system)
    }

    /// The architecture. Fails if it is unknown.
    pub fn arch(&self) -> Result<Arch> {
        self.arch.ok_or_else(|| {
            Error::failed("cannot determine the architecture: cannot read any program of this system")
                .hint("--root must be a complete root file system, with /usr/bin/dpkg, /usr/bin/env or /bin/sh")
        })
    }

    fn take(&mut self, os_release: &str) {
        for line in os_release.lines() {
            let Some((key, value)) = line.split_once('=') else { continue };
            let value = value.trim().trim_matches(['"', '\'']).to_owned();
            match key.trim() {
                "ID" => self.id = value,
                "VERSION_ID" => self.version = value,
                "PRETTY_NAME" => self.name = value,
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn system_is_read_from_os_release() {
        let mut system = System::default();
        system.take("PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nID=debian\nVERSION_ID='12'\n# x\njunk\n");
        assert_eq!((system.id.as_str(), system.version.as_str()), ("debian", "12"));
        assert_eq!(system.name, "Debian GNU/Linux 12 (bookworm)");
    }
}
