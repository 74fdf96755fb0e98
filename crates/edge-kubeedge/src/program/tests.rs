//! Versions in ELF files that the tests build byte by byte.

use super::*;
use proptest::prelude::*;
use std::io::Cursor;

const WIDE: u8 = 2;
const NARROW: u8 = 1;

/// An ELF file with these sections, each at an offset and address that are a multiple of 64.
fn elf(class: u8, sections: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let wide = class == WIDE;
    let mut file = vec![0; 64];
    let mut headers = vec![(0u32, 0u32, 0u64, 0u64)];
    let mut names = vec![0];
    let names_section = (".shstrtab", Vec::new());
    for (name, content) in sections.iter().chain([&names_section]) {
        file.resize(file.len().next_multiple_of(64), 0);
        let start = names.len();
        names.extend(name.bytes().chain([0]));
        let content = if *name == ".shstrtab" { &names } else { content };
        headers.push((start as u32, 1, file.len() as u64, content.len() as u64));
        file.extend(content);
    }
    file.resize(file.len().next_multiple_of(64), 0);
    let table = file.len() as u64;
    for (name, kind, offset, size) in &headers {
        let mut entry = Vec::new();
        entry.extend(name.to_le_bytes());
        entry.extend(kind.to_le_bytes());
        for number in [0, 0x40_0000 + offset, *offset, *size] {
            if wide { entry.extend(number.to_le_bytes()) } else { entry.extend((number as u32).to_le_bytes()) }
        }
        entry.resize(if wide { 64 } else { 40 }, 0);
        file.extend(entry);
    }
    file[..7].copy_from_slice(&[0x7f, b'E', b'L', b'F', class, 1, 1]);
    let (offset_at, shorts_at) = if wide { (0x28, 0x3a) } else { (0x20, 0x2e) };
    file[offset_at..offset_at + 4].copy_from_slice(&(table as u32).to_le_bytes());
    let shorts = [if wide { 64 } else { 40 }, headers.len() as u16, headers.len() as u16 - 1];
    for (position, short) in shorts.iter().enumerate() {
        file[shorts_at + 2 * position..][..2].copy_from_slice(&short.to_le_bytes());
    }
    file
}

/// A disk with a fault behind the first bytes.
struct Faulty(Cursor<Vec<u8>>, u64);

impl std::io::Read for Faulty {
    fn read(&mut self, piece: &mut [u8]) -> std::io::Result<usize> {
        match self.0.position() >= self.1 {
            true => Err(std::io::Error::from_raw_os_error(5)),
            false => self.0.read(piece),
        }
    }
}

impl std::io::Seek for Faulty {
    fn seek(&mut self, to: std::io::SeekFrom) -> std::io::Result<u64> {
        self.0.seek(to)
    }
}

#[test]
fn program_that_cannot_be_read_is_an_error() {
    let file = elf(WIDE, &[(".go.buildinfo", vec![0; 64])]);
    let mut faulty = Faulty(Cursor::new(file), 64);
    assert_eq!(from_elf(&mut faulty).unwrap_err().raw_os_error(), Some(5));
}

fn version(file: Vec<u8>) -> Option<String> {
    from_elf(&mut Cursor::new(file)).unwrap().map(|version| version.text)
}

fn buildinfo(flags: &str) -> Vec<u8> {
    let mut info = b"\xff Go buildinf:\x08\x02\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0".to_vec();
    info.extend(format!("go1.21.0\tbuild\t-ldflags=\"{flags}\"\nbuild\tCGO_ENABLED=1\n").bytes());
    info
}

/// Read-only data as Go's linker lays it: `-X` texts by size, then code's texts in one heap.
fn rodata(texts: &[&str]) -> Vec<u8> {
    let mut data = vec![0x7f; 16];
    for text in texts {
        let align = if text.len() + 1 < 8 { 4 } else { 8 };
        data.resize(data.len().next_multiple_of(align), 0);
        data.extend(text.bytes().chain([0]));
    }
    data.resize(data.len().next_multiple_of(4), 0);
    data.extend(b"\x01v1.19.3v0.22.6v1.22.6-kubeedge1v1.0.0\0v1.0.0/x.go\0");
    data
}

#[test]
fn flags_of_the_build_take_precedence() {
    let flags = "-s -w -X github.com/kubeedge/kubeedge/pkg/version.buildDate=2025-01-01T00:00:00Z \
        -X github.com/kubeedge/kubeedge/pkg/version.gitVersion=v1.23.1 \
        -X github.com/kubeedge/kubeedge/pkg/version.gitMajor=1";
    for class in [WIDE, NARROW] {
        let file = elf(class, &[(".rodata", rodata(&["v1.2.3"])), (".go.buildinfo", buildinfo(flags))]);
        assert_eq!(version(file).as_deref(), Some("v1.23.1"));
    }
}

#[test]
fn text_of_the_linker_is_found_without_the_flags() {
    for class in [WIDE, NARROW] {
        for text in ["v1.8.2", "v1.12.7", "v1.9.0-beta.0.12+0123456789abcd", "v1.10.0-dirty"] {
            let file = elf(class, &[(".text", vec![0x90; 99]), (".rodata", rodata(&["1", "8", "clean", text]))]);
            assert_eq!(version(file).as_deref(), Some(text));
        }
    }
}

#[test]
fn candidates_that_differ_are_no_version() {
    assert_eq!(version(elf(WIDE, &[(".rodata", rodata(&["v1.8.2", "v1.9.0"]))])), None);
    let same = elf(WIDE, &[(".rodata", rodata(&["v1.8.2", "v1.8.2"]))]);
    assert_eq!(version(same).as_deref(), Some("v1.8.2"));
}

#[test]
fn texts_of_the_code_are_not_candidates() {
    assert_eq!(version(elf(WIDE, &[(".rodata", rodata(&[]))])), None);
    let master = rodata(&["v0.0.0-master+$Format:%h$", "v2.0.1", "v1.8", "1.8.2"]);
    assert_eq!(version(elf(WIDE, &[(".rodata", master)])), None);
}

#[test]
fn text_across_two_blocks_is_found() {
    for before in BLOCK - 80..BLOCK + 220 {
        let mut data = vec![1; before / 8 * 8];
        data.extend(b"v1.23.1\0");
        data.extend([1; 300]);
        assert_eq!(version(elf(WIDE, &[(".rodata", data)])).as_deref(), Some("v1.23.1"), "{before}");
        let mut info = vec![b' '; before];
        info.extend(buildinfo("-X github.com/kubeedge/kubeedge/pkg/version.gitVersion=v1.8.2"));
        info.extend([b' '; 300]);
        assert_eq!(version(elf(NARROW, &[(".go.buildinfo", info)])).as_deref(), Some("v1.8.2"), "{before}");
    }
}

#[test]
fn file_that_is_not_elf_has_no_version() {
    assert_eq!(version(Vec::new()), None);
    assert_eq!(version(b"#!/bin/sh\necho v1.8.2\n".to_vec()), None);
    let mut cut = elf(WIDE, &[(".rodata", rodata(&["v1.8.2"]))]);
    cut.truncate(100);
    assert_eq!(version(cut), None);
}

proptest! {
    #[test]
    fn from_elf_never_panics(damage in prop::collection::vec((0usize..900, any::<u8>()), 0..12)) {
        let mut file = elf(WIDE, &[(".rodata", rodata(&["v1.8.2"])), (".go.buildinfo", buildinfo(""))]);
        for (at, byte) in damage {
            if let Some(place) = file.get_mut(at) {
                *place = byte;
            }
        }
        let _ = from_elf(&mut Cursor::new(file));
    }
}
