//! Reads the ELF header of a program: its machine, and whether it is static.

use std::io::Read;

use object::read::elf::{FileHeader, ProgramHeader};
use object::{Endianness, FileKind, elf};

/// A program file, by its header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Program {
    /// 32 or 64.
    pub(crate) bits: u8,
    pub(crate) machine: elf::Machine,
    order: Endianness,
    /// Whether it needs neither a loader nor libraries of the host.
    pub is_static: bool,
}

impl Program {
    /// How many bytes of a file are read: Go and the usual linkers put all program headers into the first page.
    pub const HEAD: usize = 4096;

    /// Reads the first bytes of a file; none where it is not an ELF program.
    pub fn parse(head: &[u8]) -> Option<Program> {
        match FileKind::parse(head).ok()? {
            FileKind::Elf32 => of_header::<elf::FileHeader32<Endianness>>(head, 32),
            FileKind::Elf64 => of_header::<elf::FileHeader64<Endianness>>(head, 64),
            _ => None,
        }
    }

    /// The same of a file; none where it cannot be read either.
    pub fn read(file: impl Read) -> Option<Program> {
        let mut head = Vec::with_capacity(Program::HEAD);
        file.take(Program::HEAD as u64).read_to_end(&mut head).ok()?;
        Program::parse(&head)
    }

    pub(crate) fn header(self) -> (u8, elf::Machine, Endianness) {
        (self.bits, self.machine, self.order)
    }
}

fn of_header<H: FileHeader<Endian = Endianness>>(head: &[u8], bits: u8) -> Option<Program> {
    let header = H::parse(head).ok()?;
    let order = header.endian().ok()?;
    let has_loader = |headers: &[H::ProgramHeader]| headers.iter().any(|one| one.p_type(order) == elf::PT_INTERP);
    let is_static = !header.program_headers(order, head).ok().is_some_and(has_loader);
    Some(Program { bits, machine: header.e_machine(order), order, is_static })
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
    fn program_needs_a_whole_header() {
        for bad in [b"".as_slice(), b"#!/bin/sh\n", b"\x7fELF", &tiny(64, 62)[..40], &[b'#'; 64]] {
            assert_eq!(Program::parse(bad), None);
        }
    }

    #[test]
    fn program_with_a_loader_is_not_static() {
        assert!(!Program::read(std::fs::File::open("/bin/sh").unwrap()).unwrap().is_static);
        assert!(Program::parse(&tiny(64, 62)).unwrap().is_static);
    }
}
