//! The operating system and the architecture that CRI-O is wanted for.

use std::fmt;
use std::io::Read;
use std::path::Path;

use edge_host::{Error, Host, Result, ResultExt};

const OS_RELEASE: [&str; 2] = ["/etc/os-release", "/usr/lib/os-release"];
const APT: &str = "/usr/bin/apt-get";
const SQV: &str = "/usr/bin/sqv";
/// Programs whose header says what the system's programs are made for: a 64-bit kernel may carry a
/// 32-bit system.
const PROGRAMS: [&str; 4] = ["/usr/bin/dpkg", "/usr/bin/env", "/bin/sh", "/bin/busybox"];
const LINK_DIRS: &str = "/etc/sysconfig";

/// An architecture, by Debian's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arch(String);

impl Arch {
    /// By Debian's name, or by the kernel's.
    pub fn parse(text: &str) -> Result<Arch, String> {
        let name = match text {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            "armv7" | "armv7l" | "arm" => "armhf",
            "ppc64le" => "ppc64el",
            other => other,
        };
        let known = ["amd64", "arm64", "armhf", "armel", "i386", "ppc64el", "s390x", "riscv64"];
        if known.contains(&name) {
            Ok(Arch(name.to_owned()))
        } else {
            Err(format!("{text:?} is no architecture: {}", known.join(", ")))
        }
    }

    /// Debian's name.
    pub fn debian(&self) -> &str {
        &self.0
    }

    /// Go's name, as in the names of bundles.
    pub fn go(&self) -> &str {
        if self.0 == "ppc64el" { "ppc64le" } else { &self.0 }
    }

    /// A 32-bit ARM.
    pub fn is_arm32(&self) -> bool {
        ["armhf", "armel"].contains(&self.0.as_str())
    }

    /// From the first 20 bytes of a program; none where they are none.
    pub fn of_program(header: &[u8]) -> Option<Arch> {
        let (ident, machine) = (header.get(..6)?, header.get(18..20)?);
        let (class, order) = (ident[4], ident[5]);
        let number = if order == 2 {
            u16::from_be_bytes([machine[0], machine[1]])
        } else {
            u16::from_le_bytes([machine[0], machine[1]])
        };
        let name = match (ident.starts_with(b"\x7fELF"), class, number) {
            (true, 2, 62) => "amd64",
            (true, 2, 183) => "arm64",
            (true, 1, 40) => "armhf",
            (true, 1, 3) => "i386",
            (true, 2, 21) if order == 1 => "ppc64el",
            (true, 2, 22) => "s390x",
            (true, 2, 243) => "riscv64",
            _ => return None,
        };
        Some(Arch(name.to_owned()))
    }
}

impl fmt::Display for Arch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

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
        for program in PROGRAMS {
            if let Some(mut file) = host.root.open(Path::new(program))? {
                let mut header = Vec::new();
                Read::by_ref(&mut file)
                    .take(20)
                    .read_to_end(&mut header)
                    .on("read", host.root.display(Path::new(program)))?;
                system.arch = Arch::of_program(&header);
                if system.arch.is_some() {
                    break;
                }
            }
        }
        Ok(system)
    }

    /// The architecture, or what to do where it cannot be told.
    pub fn arch(&self) -> Result<&Arch> {
        self.arch.as_ref().ok_or_else(|| {
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

    #[test]
    fn an_architecture_is_told_from_a_program() {
        let header = |class: u8, machine: u8| {
            let mut bytes = b"\x7fELF".to_vec();
            bytes.extend([class, 1]);
            bytes.resize(18, 0);
            bytes.extend([machine, 0]);
            bytes
        };
        let of = |class, machine| Arch::of_program(&header(class, machine)).map(|arch| arch.to_string());
        assert_eq!(of(2, 183).as_deref(), Some("arm64"));
        assert_eq!(of(1, 40).as_deref(), Some("armhf"));
        assert_eq!(of(1, 183), None);
        assert_eq!(Arch::of_program(b"\x7fELF"), None);
        assert_eq!(Arch::of_program(&[b'#'; 20]), None);
        assert_eq!(Arch::parse("aarch64").unwrap().debian(), "arm64");
        assert_eq!(Arch::parse("ppc64le").unwrap().go(), "ppc64le");
        assert!(Arch::parse("../x").is_err());
    }
}
