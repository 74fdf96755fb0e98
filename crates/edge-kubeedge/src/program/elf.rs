//! Where the sections of an ELF file are, in 32 and 64 bits and both byte orders.

use std::io::{self, Read, Seek, SeekFrom};

use object::read::elf::{FileHeader, SectionHeader};
use object::{Endianness, FileKind, ReadCache, elf};

/// No Go program has as many sections.
const MAX_SECTIONS: u16 = 1024;
/// Longest header, that of a 64-bit file.
const HEADER: u64 = 64;

/// A section that has bytes in the file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Section {
    pub(super) name: String,
    pub(super) address: u64,
    pub(super) offset: u64,
    pub(super) size: u64,
}

/// The sections of a file; none if it is not an ELF file, or one without sound section headers.
pub(super) fn sections<R: Read + Seek>(file: &mut R) -> io::Result<Vec<Section>> {
    let mut header = Vec::new();
    file.seek(SeekFrom::Start(0))?;
    file.by_ref().take(HEADER).read_to_end(&mut header)?;
    let mut file = Watched { inner: file, failed: None };
    let cache = ReadCache::new(&mut file);
    let sections = match FileKind::parse(header.as_slice()) {
        Ok(FileKind::Elf32) => sections_of::<elf::FileHeader32<Endianness>, _>(&cache),
        Ok(FileKind::Elf64) => sections_of::<elf::FileHeader64<Endianness>, _>(&cache),
        _ => None,
    };
    drop(cache);
    // The library does not tell a file that cannot be read from one without sections.
    match file.failed {
        Some(cause) => Err(cause),
        None => Ok(sections.unwrap_or_default()),
    }
}

/// Keeps the first error of a reader.
struct Watched<'r, R> {
    inner: &'r mut R,
    failed: Option<io::Error>,
}

impl<R> Watched<'_, R> {
    fn keep<T>(&mut self, result: io::Result<T>) -> io::Result<T> {
        result.map_err(|cause| {
            let kind = cause.kind();
            // A damaged header has an offset that no file has.
            if !matches!(kind, io::ErrorKind::Interrupted | io::ErrorKind::InvalidInput) {
                self.failed.get_or_insert(cause);
            }
            kind.into()
        })
    }
}

impl<R: Read> Read for Watched<'_, R> {
    fn read(&mut self, piece: &mut [u8]) -> io::Result<usize> {
        let result = self.inner.read(piece);
        self.keep(result)
    }
}

impl<R: Seek> Seek for Watched<'_, R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let result = self.inner.seek(to);
        self.keep(result)
    }
}

fn sections_of<H: FileHeader<Endian = Endianness>, R: Read + Seek>(file: &ReadCache<R>) -> Option<Vec<Section>> {
    let header = H::parse(file).ok()?;
    let order = header.endian().ok()?;
    // 0 is for more sections than the field can count.
    if !(1..=MAX_SECTIONS).contains(&header.e_shnum(order)) {
        return None;
    }
    let sections = header.sections(order, file).ok()?;
    let section = |section: &H::SectionHeader| {
        let (offset, size) = section.file_range(order)?;
        let name = String::from_utf8_lossy(sections.section_name(order, section).ok()?).into_owned();
        Some(Section { name, address: section.sh_addr(order).into(), offset, size })
    };
    Some(sections.iter().filter_map(section).collect())
}
