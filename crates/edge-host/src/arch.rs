//! Processor architectures: their names in Go, Debian, the kernel and ELF headers.
//!
//! It is here and not in a library of its own because it is about files and the running kernel, and because
//! libraries of the same layer need it.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use nix::sys::utsname::uname;
use object::Endianness::{self, Big, Little};
use object::elf;
use serde::{Deserialize, Serialize};

use crate::program::Program;
use crate::root::Root;

/// Programs that every system has: they show whether a 64-bit kernel runs a 32-bit system.
const SAMPLES: [&str; 5] = ["/usr/bin/dpkg", "/usr/bin/env", "/bin/sh", "/sbin/init", "/bin/busybox"];

/// An architecture, by Go's name for it where Go has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Arch {
    /// x86-64.
    Amd64,
    /// AArch64.
    Arm64,
    /// 32-bit ARM, version 7 and newer with a floating-point unit.
    Arm,
    /// 32-bit ARM, version 6: Raspberry Pi 1 and Zero.
    Armv6,
    /// 32-bit ARM, version 5, without a floating-point unit.
    Armel,
    /// 32-bit x86.
    I386,
    /// 64-bit RISC-V.
    Riscv64,
    /// 64-bit PowerPC, little-endian.
    Ppc64le,
    /// IBM Z.
    S390x,
}

impl Arch {
    /// All of them. ELF headers do not distinguish the versions of 32-bit ARM; the first one represents all.
    pub const ALL: [Arch; 9] = [
        Arch::Amd64,
        Arch::Arm64,
        Arch::Arm,
        Arch::Armv6,
        Arch::Armel,
        Arch::I386,
        Arch::Riscv64,
        Arch::Ppc64le,
        Arch::S390x,
    ];

    /// Its name in messages, options and records.
    pub fn name(self) -> &'static str {
        match self {
            Arch::Armv6 => "armv6",
            Arch::Armel => "armel",
            Arch::I386 => "i386",
            other => other.goarch(),
        }
    }

    /// Other names that are read as this one: Debian's and those of `uname -m`.
    pub fn aliases(self) -> &'static [&'static str] {
        match self {
            Arch::Amd64 => &["x86_64"],
            Arch::Arm64 => &["aarch64"],
            Arch::Arm => &["armv7", "armhf", "armv7l", "armv8l"],
            Arch::Armv6 => &["armv6l"],
            Arch::Armel => &["armv5tel", "armv5tejl"],
            Arch::I386 => &["386", "i486", "i586", "i686"],
            Arch::Ppc64le => &["ppc64el"],
            Arch::Riscv64 | Arch::S390x => &[],
        }
    }

    /// GOARCH.
    pub fn goarch(self) -> &'static str {
        match self {
            Arch::Amd64 => "amd64",
            Arch::Arm64 => "arm64",
            Arch::Arm | Arch::Armv6 | Arch::Armel => "arm",
            Arch::I386 => "386",
            Arch::Riscv64 => "riscv64",
            Arch::Ppc64le => "ppc64le",
            Arch::S390x => "s390x",
        }
    }

    /// GOARM, where there is one.
    pub fn goarm(self) -> Option<&'static str> {
        match self {
            Arch::Arm => Some("7"),
            Arch::Armv6 => Some("6"),
            Arch::Armel => Some("5"),
            _ => None,
        }
    }

    /// What dpkg calls it; Raspberry Pi OS calls version 6 `armhf`.
    pub fn debian(self) -> &'static str {
        match self {
            Arch::Arm | Arch::Armv6 => "armhf",
            Arch::Ppc64le => "ppc64el",
            other => other.name(),
        }
    }

    /// Whether it is any version of 32-bit ARM.
    pub fn is_arm32(self) -> bool {
        self.goarch() == "arm"
    }

    /// The architecture of the running kernel; none where it is not one of these.
    pub fn of_kernel() -> Option<Arch> {
        uname().ok()?.machine().to_str()?.parse().ok()
    }

    /// The architecture of the programs of a host or image; none where no program can be read.
    pub fn of_programs(root: &Root) -> Option<Arch> {
        // If one cannot be read or leads out of the image, the next one is tried.
        let samples = SAMPLES.iter().filter_map(|path| root.open(Path::new(path)).ok().flatten());
        samples.filter_map(Program::read).next().and_then(Program::arch)
    }

    /// The architecture of the running kernel, or of the programs of an image.
    pub fn of_host(root: &Root) -> Option<Arch> {
        if root.is_live() { Arch::of_kernel() } else { Arch::of_programs(root) }
    }

    /// Whether this architecture runs what is built for another.
    pub fn runs(self, other: Arch) -> bool {
        self == other || (self, other) == (Arch::Arm, Arch::Armv6)
    }

    /// Whether a program is for it, as far as the header tells.
    pub fn is_of(self, program: Program) -> bool {
        self.header() == program.header()
    }

    /// Whether this architecture's kernel may run a program: two of the 64-bit ones also run 32-bit programs.
    pub fn may_run(self, program: Program) -> bool {
        let small = match self {
            Arch::Amd64 => Some(Arch::I386),
            Arch::Arm64 => Some(Arch::Arm),
            _ => None,
        };
        self.is_of(program) || small.is_some_and(|small| small.is_of(program))
    }

    /// Bits, machine and byte order of an ELF header.
    fn header(self) -> (u8, elf::Machine, Endianness) {
        match self {
            Arch::Amd64 => (64, elf::EM_X86_64, Little),
            Arch::Arm64 => (64, elf::EM_AARCH64, Little),
            Arch::Arm | Arch::Armv6 | Arch::Armel => (32, elf::EM_ARM, Little),
            Arch::I386 => (32, elf::EM_386, Little),
            Arch::Riscv64 => (64, elf::EM_RISCV, Little),
            Arch::Ppc64le => (64, elf::EM_PPC64, Little),
            Arch::S390x => (64, elf::EM_S390, Big),
        }
    }
}

impl Program {
    /// The architecture that it is for; none where it is not a known one.
    pub fn arch(self) -> Option<Arch> {
        Arch::ALL.into_iter().find(|arch| arch.is_of(self))
    }

    /// The machine's name for messages.
    pub fn machine(self) -> String {
        match self.arch() {
            Some(arch) => arch.to_string(),
            None => format!("machine {} with {} bits", self.machine.0, self.bits),
        }
    }
}

impl fmt::Display for Arch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Arch {
    type Err = String;

    fn from_str(text: &str) -> Result<Arch, String> {
        let is_it = |arch: &Arch| arch.name() == text || arch.aliases().contains(&text);
        Arch::ALL.into_iter().find(is_it).ok_or_else(|| {
            let names = Arch::ALL.map(Arch::name).join(", ");
            format!("{text:?} is not a valid architecture: expected one of {names}")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::tests::tiny;

    #[test]
    fn arch_is_read_by_every_name_it_has() {
        for arch in Arch::ALL {
            let names = [arch.name(), arch.debian(), &arch.to_string()].map(|name| name.parse::<Arch>());
            // Raspberry Pi OS's armhf is read as Debian's.
            let first = if arch == Arch::Armv6 { Ok(Arch::Arm) } else { Ok(arch) };
            assert_eq!(names, [Ok(arch), first, Ok(arch)]);
            for alias in arch.aliases() {
                assert_eq!(alias.parse(), Ok(arch), "{alias}");
            }
            assert_eq!(serde_json::to_value(arch).unwrap(), arch.name());
        }
        assert_eq!("armv8l".parse(), Ok(Arch::Arm));
        for bad in ["", "mips", "../x", "AMD64"] {
            assert!(bad.parse::<Arch>().unwrap_err().contains("expected one of amd64, arm64,"), "{bad}");
        }
    }

    #[test]
    fn arch_of_a_program_is_read_from_its_header() {
        for (head, want) in [(tiny(64, 62), Arch::Amd64), (tiny(64, 183), Arch::Arm64), (tiny(32, 40), Arch::Arm)] {
            assert_eq!(Program::parse(&head).unwrap().arch(), Some(want));
        }
        assert_eq!(Program::parse(&tiny(32, 8)).unwrap().machine(), "machine 8 with 32 bits");
        assert_eq!(Program::parse(&tiny(32, 183)).unwrap().arch(), None);
        let shell = Program::read(std::fs::File::open("/bin/sh").unwrap()).unwrap();
        assert_eq!(shell.arch(), Arch::of_kernel());
    }

    #[test]
    fn arch_runs_its_own_and_older_programs() {
        let arm = Program::parse(&tiny(32, 40)).unwrap();
        assert!(Arch::Arm64.may_run(arm) && !Arch::Arm64.is_of(arm) && !Arch::Amd64.may_run(arm));
        assert!(Arch::Amd64.may_run(Program::parse(&tiny(32, 3)).unwrap()));
        assert!(Arch::Arm.runs(Arch::Armv6) && !Arch::Armv6.runs(Arch::Arm) && !Arch::Arm64.runs(Arch::Arm));
        // Without a floating-point unit there is another convention for calls.
        assert!(!Arch::Arm.runs(Arch::Armel) && !Arch::Armel.runs(Arch::Armv6));
    }

    #[test]
    fn arch_of_an_image_is_that_of_its_first_program() {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::image(dir.path()).unwrap();
        std::fs::create_dir_all(dir.path().join("usr/bin")).unwrap();
        std::fs::create_dir(dir.path().join("bin")).unwrap();
        assert_eq!(Arch::of_programs(&root), None);
        std::fs::write(dir.path().join("usr/bin/env"), "#!/bin/sh\n").unwrap();
        std::fs::write(dir.path().join("bin/sh"), tiny(64, 183)).unwrap();
        assert_eq!((Arch::of_programs(&root), Arch::of_host(&root)), (Some(Arch::Arm64), Some(Arch::Arm64)));
        assert!(Arch::of_kernel().is_some());
    }
}
