//! Machine and required libraries of an ELF file.

use std::fmt;

use anyhow::{Context, Result, bail};
use object::read::elf::{Dyn, ElfFile, ElfFile32, ElfFile64, FileHeader, ProgramHeader};
use object::{Endianness, FileKind, elf};

/// An ELF file's machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Machine {
    Amd64,
    Arm64,
    /// ARMv7 with hardware floating point.
    Armv7,
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Machine::Amd64 => "x86-64",
            Machine::Arm64 => "AArch64",
            Machine::Armv7 => "ARM",
        })
    }
}

/// The properties of a program file.
#[derive(Debug)]
pub(crate) struct Kind {
    pub(crate) machine: Machine,
    pub(crate) pie: bool,
    /// The dynamic loader and the shared libraries that it needs: none in a static program.
    pub(crate) needs: Vec<String>,
}

/// Reads the headers of an ELF file.
pub(crate) fn parse(bytes: &[u8]) -> Result<Kind> {
    match FileKind::parse(bytes)? {
        FileKind::Elf32 => kind(&ElfFile32::<Endianness>::parse(bytes)?, bytes),
        FileKind::Elf64 => kind(&ElfFile64::<Endianness>::parse(bytes)?, bytes),
        other => bail!("not ELF but {other:?}"),
    }
}

fn kind<H: FileHeader<Endian = Endianness>>(file: &ElfFile<'_, H>, bytes: &[u8]) -> Result<Kind> {
    let header = file.elf_header();
    let endian = file.endian();
    let machine = match header.e_machine(endian) {
        elf::EM_X86_64 => Machine::Amd64,
        elf::EM_AARCH64 => Machine::Arm64,
        elf::EM_ARM => Machine::Armv7,
        other => bail!("unknown machine {other}"),
    };
    let mut needs = Vec::new();
    for segment in file.elf_program_headers() {
        if let Some(loader) = segment.interpreter(endian, bytes).context("bad PT_INTERP")? {
            needs.push(format!("the loader {}", String::from_utf8_lossy(loader)));
        }
        let entries = segment.dynamic(endian, bytes).context("bad PT_DYNAMIC")?;
        for entry in entries.unwrap_or_default() {
            if entry.d_tag(endian) == elf::DT_NEEDED {
                needs.push("a shared library".to_owned());
            }
        }
    }
    Ok(Kind { machine, pie: header.e_type(endian) == elf::ET_DYN, needs })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parse_finds_that_this_program_is_dynamic() {
        let me = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let kind = parse(&me).unwrap();
        assert!(kind.needs.iter().any(|need| need.starts_with("the loader /lib")));
        assert!(kind.needs.iter().any(|need| need == "a shared library"));
    }

    #[test]
    fn program_without_headers_needs_nothing() {
        let kind = parse(&header(elf::EM_AARCH64)).unwrap();
        assert_eq!(kind.machine, Machine::Arm64);
        assert!(!kind.pie);
        assert!(kind.needs.is_empty());
    }

    #[test]
    fn parse_refuses_other_machines_and_other_files() {
        assert!(parse(&header(elf::EM_RISCV)).is_err());
        assert!(parse(b"#!/bin/sh\n").is_err());
        assert!(parse(&header(elf::EM_AARCH64)[..40]).is_err());
    }

    /// Only the header of a little-endian ELF64 executable.
    fn header(machine: elf::Machine) -> Vec<u8> {
        let mut bytes = vec![0; 64];
        bytes[..7].copy_from_slice(&[0x7f, b'E', b'L', b'F', 2, 1, 1]);
        bytes[16..18].copy_from_slice(&elf::ET_EXEC.0.to_le_bytes());
        bytes[18..20].copy_from_slice(&machine.0.to_le_bytes());
        bytes[20] = 1;
        bytes[52] = 64;
        bytes
    }
}
