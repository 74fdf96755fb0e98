//! The operating system and the architecture that CRI-O is wanted for.

use std::path::Path;

use edge_host::{Arch, Error, Host, Result};

const OS_RELEASE: [&str; 2] = ["/etc/os-release", "/usr/lib/os-release"];
const APT: &str = "/usr/bin/apt-get";
const SQV: &str = "/usr/bin/sqv";
const LINK_DIRS: &str = "/etc/sysconfig";

/// What the sources depend on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct System {
    /// ID of os-release, `debian`.
    pub id: String,
    /// VERSION_ID of os-release, `12`.
    pub version: String,
    /// PRETTY_NAME of os-release.
    pub name: String,
    /// Where it could be told.
    pub arch: Option<Arch>,
    /// apt is there.
    pub has_apt: bool,
    /// apt verifies with sqv, which is strict about old signatures.
    pub has_sqv: bool,
    /// Environment files of services lie in /etc/sysconfig, not in /etc/default.
    pub has_sysconfig: bool,
    /// An image, for which apt is not run.
    pub is_image: bool,
}

impl System {
    /// Reads the host's.
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
        // Of its programs, not of the kernel: a 64-bit kernel may run a 32-bit system.
        system.arch = Arch::of_programs(&host.root);
        Ok(system)
    }

    /// The architecture, or what to do where it cannot be told.
    pub fn arch(&self) -> Result<Arch> {
        self.arch.ok_or_else(|| {
            Error::failed("cannot tell the architecture: no program of this system could be read")
                .hint("--root must name a whole root file system: /usr/bin/dpkg, /usr/bin/env or /bin/sh in it tells")
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
    fn os_release_is_read() {
        let mut system = System::default();
        system.take("PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nID=debian\nVERSION_ID='12'\n# x\njunk\n");
        assert_eq!((system.id.as_str(), system.version.as_str()), ("debian", "12"));
        assert_eq!(system.name, "Debian GNU/Linux 12 (bookworm)");
    }
}
