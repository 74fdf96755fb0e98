//! Reads the ELF header of a program: its machine, and whether it is static.

use std::io::{self, Read, Seek, SeekFrom};
use std::path::PathBuf;

use object::read::elf::{FileHeader, ProgramHeader};
use object::{Endianness, FileKind, elf};

/// PATH_MAX of Linux.
const MAX_LOADER: u64 = 4096;

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

/// The loader that a dynamic program needs, such as `/lib64/ld-linux-x86-64.so.2`; none if it is static. Errors: it is not an
/// ELF program, its headers are damaged, or it cannot be read.
pub fn loader(file: &mut (impl Read + Seek)) -> io::Result<Option<PathBuf>> {
    let mut head = Vec::with_capacity(Program::HEAD);
    file.rewind()?;
    file.by_ref().take(Program::HEAD as u64).read_to_end(&mut head)?;
    let damaged = || io::Error::new(io::ErrorKind::InvalidData, "its program headers are damaged");
    let place = match FileKind::parse(head.as_slice()) {
        Ok(FileKind::Elf32) => interpreter::<elf::FileHeader32<Endianness>>(&head),
        Ok(FileKind::Elf64) => interpreter::<elf::FileHeader64<Endianness>>(&head),
        _ => return Err(io::Error::new(io::ErrorKind::InvalidData, "it is not an ELF program")),
    };
    let Some((offset, size)) = place.ok_or_else(damaged)? else { return Ok(None) };
    if !(2..=MAX_LOADER).contains(&size) {
        return Err(damaged());
    }
    file.seek(SeekFrom::Start(offset)).map_err(|_| damaged())?;
    let mut text = Vec::new();
    file.take(size).read_to_end(&mut text)?;
    let path = text.strip_suffix(&[0]).filter(|path| path.len() as u64 + 1 == size && path.starts_with(b"/"));
    let path = path.and_then(|path| std::str::from_utf8(path).ok()).filter(|path| !path.contains('\0'));
    path.map(|path| Some(PathBuf::from(path))).ok_or_else(damaged)
}

/// Where the path of the loader is in the file, if there is one; none where the headers cannot be read.
fn interpreter<H: FileHeader<Endian = Endianness>>(head: &[u8]) -> Option<Option<(u64, u64)>> {
    let header = H::parse(head).ok()?;
    let order = header.endian().ok()?;
    let headers = header.program_headers(order, head).ok()?;
    let found = headers.iter().find(|one| one.p_type(order) == elf::PT_INTERP);
    Some(found.map(|one| (one.p_offset(order).into(), one.p_filesz(order).into())))
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
    fn loader_is_the_path_that_the_program_names() {
        let mut shell = std::fs::File::open("/bin/sh").unwrap();
        let path = loader(&mut shell).unwrap().unwrap();
        assert!(path.is_absolute() && path.exists(), "{}", path.display());
        assert_eq!(loader(&mut io::Cursor::new(tiny(64, 62))).unwrap(), None);
        for bad in [b"".to_vec(), b"#!/bin/sh\n".to_vec(), tiny(64, 62)[..40].to_vec()] {
            assert!(loader(&mut io::Cursor::new(bad)).is_err());
        }
        // A header that points behind the end of the file, and one whose path is not terminated.
        let whole = std::fs::read("/bin/sh").unwrap();
        let at =
            whole.windows(path.as_os_str().len()).position(|text| text == path.as_os_str().as_encoded_bytes()).unwrap();
        assert!(loader(&mut io::Cursor::new(whole[..at + 3].to_vec())).is_err());
        let mut open = whole;
        open[at + path.as_os_str().len()] = b'x';
        assert!(loader(&mut io::Cursor::new(open)).is_err());
    }

    #[test]
    fn program_with_a_loader_is_not_static() {
        assert!(!Program::read(std::fs::File::open("/bin/sh").unwrap()).unwrap().is_static);
        assert!(Program::parse(&tiny(64, 62)).unwrap().is_static);
    }
}
