//! Machines: their names in Go, in the kernel and in an ELF header.

use std::fmt;

use clap::ValueEnum;
use object::elf;
use object::read::elf::{FileHeader, ProgramHeader};
use object::{Endianness, FileKind};
use serde::{Deserialize, Serialize};

/// A machine that plugins can be built for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Arch {
    /// x86-64.
    #[value(alias = "x86_64")]
    Amd64,
    /// AArch64.
    #[value(alias = "aarch64")]
    Arm64,
    /// 32-bit ARM, version 7 and newer with a floating-point unit.
    #[value(alias = "armv7", alias = "armhf")]
    Arm,
    /// 32-bit ARM, version 6: Raspberry Pi 1 and Zero.
    Armv6,
    /// 64-bit RISC-V.
    Riscv64,
    /// 64-bit PowerPC, little-endian.
    Ppc64le,
    /// IBM Z.
    S390x,
}

/// What an ELF header says of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Program {
    /// 32 or 64.
    bits: u8,
    machine: u16,
    little: Order,
    /// Whether it needs a loader and libraries.
    pub linkage: Linkage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Little,
    Big,
}

/// What a program needs of the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Linkage {
    /// Nothing.
    Static,
    /// Its C library.
    Dynamic,
}

/// As much of a program as is read: Go puts all program headers into its first page.
pub const HEAD: usize = 4096;

impl Arch {
    /// GOARCH.
    pub fn goarch(self) -> &'static str {
        match self {
            Arch::Amd64 => "amd64",
            Arch::Arm64 => "arm64",
            Arch::Arm | Arch::Armv6 => "arm",
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
            _ => None,
        }
    }

    /// What `uname -m` calls it.
    pub fn of_uname(machine: &str) -> Option<Arch> {
        Some(match machine {
            "x86_64" => Arch::Amd64,
            "aarch64" => Arch::Arm64,
            "armv6l" => Arch::Armv6,
            _ if machine.starts_with("armv") => Arch::Arm,
            "riscv64" => Arch::Riscv64,
            "ppc64le" => Arch::Ppc64le,
            "s390x" => Arch::S390x,
            _ => return None,
        })
    }

    /// The one that a program is for; 32-bit ARM's header does not tell which version.
    pub fn of_program(program: Program) -> Option<Arch> {
        Arch::value_variants().iter().copied().find(|arch| arch.header() == program.header())
    }

    /// Whether this machine runs what is built for another.
    pub fn runs(self, other: Arch) -> bool {
        self == other || (self, other) == (Arch::Arm, Arch::Armv6)
    }

    /// Whether a program is for it, as far as the header tells.
    pub fn is_of(self, program: Program) -> bool {
        self.header() == program.header()
    }

    /// Whether this machine's kernel may run a program: 64-bit ones of two kinds also run 32-bit ones.
    pub fn may_run(self, program: Program) -> bool {
        let small = match self {
            Arch::Amd64 => Some((32, elf::EM_386.0, Order::Little)),
            Arch::Arm64 => Some(Arch::Arm.header()),
            _ => None,
        };
        self.is_of(program) || small == Some(program.header())
    }

    fn header(self) -> (u8, u16, Order) {
        match self {
            Arch::Amd64 => (64, elf::EM_X86_64.0, Order::Little),
            Arch::Arm64 => (64, elf::EM_AARCH64.0, Order::Little),
            Arch::Arm | Arch::Armv6 => (32, elf::EM_ARM.0, Order::Little),
            Arch::Riscv64 => (64, elf::EM_RISCV.0, Order::Little),
            Arch::Ppc64le => (64, elf::EM_PPC64.0, Order::Little),
            Arch::S390x => (64, elf::EM_S390.0, Order::Big),
        }
    }
}

impl fmt::Display for Arch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Arch::Armv6 => "armv6",
            other => other.goarch(),
        })
    }
}

impl Program {
    fn header(self) -> (u8, u16, Order) {
        (self.bits, self.machine, self.little)
    }

    /// Reads the first bytes of a file; none where it is no ELF program.
    pub fn parse(head: &[u8]) -> Option<Program> {
        match FileKind::parse(head).ok()? {
            FileKind::Elf32 => of_header::<elf::FileHeader32<Endianness>>(head, 32),
            FileKind::Elf64 => of_header::<elf::FileHeader64<Endianness>>(head, 64),
            _ => None,
        }
    }

    /// The machine's name for messages.
    pub fn machine(self) -> String {
        match Arch::of_program(self) {
            Some(arch) => arch.to_string(),
            None => format!("machine {} with {} bits", self.machine, self.bits),
        }
    }
}

fn of_header<H: FileHeader<Endian = Endianness>>(head: &[u8], bits: u8) -> Option<Program> {
    let header = H::parse(head).ok()?;
    let endian = header.endian().ok()?;
    let interpreted = |headers: &[H::ProgramHeader]| headers.iter().any(|one| one.p_type(endian) == elf::PT_INTERP);
    let dynamic = header.program_headers(endian, head).ok().is_some_and(interpreted);
    Some(Program {
        bits,
        machine: header.e_machine(endian).0,
        little: if endian == Endianness::Little { Order::Little } else { Order::Big },
        linkage: if dynamic { Linkage::Dynamic } else { Linkage::Static },
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// The smallest header of a static program.
    pub(crate) fn tiny(bits: u8, machine: u8) -> Vec<u8> {
        let mut head = vec![0; if bits == 64 { 64 } else { 52 }];
        head[..7].copy_from_slice(&[0x7f, b'E', b'L', b'F', if bits == 64 { 2 } else { 1 }, 1, 1]);
        (head[16], head[18], head[20]) = (2, machine, 1);
        head
    }

    #[test]
    fn headers_tell_the_machine() {
        for (head, want) in [(tiny(64, 62), Arch::Amd64), (tiny(64, 183), Arch::Arm64), (tiny(32, 40), Arch::Arm)] {
            let program = Program::parse(&head).unwrap();
            assert_eq!((Arch::of_program(program), program.linkage), (Some(want), Linkage::Static));
        }
        assert_eq!(Program::parse(&tiny(32, 3)).unwrap().machine(), "machine 3 with 32 bits");
        for bad in [b"".as_slice(), b"#!/bin/sh\n", b"\x7fELF"] {
            assert_eq!(Program::parse(bad), None);
        }
    }

    #[test]
    fn a_program_with_a_loader_is_dynamic() {
        let shell = std::fs::read("/bin/sh").unwrap();
        assert_eq!(Program::parse(&shell[..HEAD]).unwrap().linkage, Linkage::Dynamic);
    }

    #[test]
    fn machines_run_what_they_can() {
        let arm = Program::parse(&tiny(32, 40)).unwrap();
        assert!(Arch::Arm64.may_run(arm) && !Arch::Arm64.is_of(arm) && !Arch::Amd64.may_run(arm));
        assert!(Arch::Arm.runs(Arch::Armv6) && !Arch::Armv6.runs(Arch::Arm) && !Arch::Arm64.runs(Arch::Arm));
        assert_eq!(Arch::of_uname("armv8l"), Some(Arch::Arm));
        assert_eq!(Arch::of_uname("mips"), None);
    }
}
