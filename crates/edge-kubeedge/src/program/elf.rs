//! Where the sections of an ELF file lie: 32 and 64 bits, both byte orders.

use std::io::{self, Read, Seek, SeekFrom};

/// No Go binary has as many sections, or as long a table of their names.
const MOST_SECTIONS: usize = 1024;
const LONGEST_NAMES: u64 = 64 * 1024;
const NOBITS: u64 = 8;

/// A section that has bytes in the file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Section {
    pub(super) name: String,
    pub(super) address: u64,
    pub(super) offset: u64,
    pub(super) size: u64,
}

/// How the numbers of a file are written.
#[derive(Clone, Copy)]
struct Form {
    wide: Width,
    order: Order,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Width {
    Bits32,
    Bits64,
}

#[derive(Clone, Copy)]
enum Order {
    Little,
    Big,
}

impl Form {
    fn of(ident: &[u8]) -> Option<Self> {
        let wide = match ident.get(4)? {
            1 => Width::Bits32,
            2 => Width::Bits64,
            _ => return None,
        };
        let order = match ident.get(5)? {
            1 => Order::Little,
            2 => Order::Big,
            _ => return None,
        };
        ident.starts_with(b"\x7fELF").then_some(Self { wide, order })
    }

    fn pick<T>(self, narrow: T, wide: T) -> T {
        if self.wide == Width::Bits64 { wide } else { narrow }
    }

    fn number(self, bytes: &[u8], at: usize, length: usize) -> Option<u64> {
        let bytes = bytes.get(at..at.checked_add(length)?)?;
        let add = |sum: u64, byte: &u8| (sum << 8) | u64::from(*byte);
        Some(match self.order {
            Order::Little => bytes.iter().rev().fold(0, add),
            Order::Big => bytes.iter().fold(0, add),
        })
    }

    /// A field as wide as an address.
    fn word(self, bytes: &[u8], narrow: usize, wide: usize) -> Option<u64> {
        self.number(bytes, self.pick(narrow, wide), self.pick(4, 8))
    }
}

/// The sections of a file; none if it is no ELF file, or one without section headers.
pub(super) fn sections<R: Read + Seek>(file: &mut R) -> io::Result<Vec<Section>> {
    let header = bytes(file, 0, 64)?;
    let Some((form, table)) = Form::of(&header).and_then(|form| Some((form, Table::of(form, &header)?))) else {
        return Ok(Vec::new());
    };
    let headers = bytes(file, table.offset, (table.count * table.entry) as u64)?;
    let entries: Vec<Entry> = headers.chunks_exact(table.entry).filter_map(|entry| Entry::of(form, entry)).collect();
    let Some(names) = entries.get(table.names).filter(|names| names.size <= LONGEST_NAMES) else {
        return Ok(Vec::new());
    };
    let names = bytes(file, names.offset, names.size)?;
    Ok(entries
        .iter()
        .filter(|entry| entry.kind != NOBITS)
        .filter_map(|entry| {
            let name = names.get(entry.name..)?.split(|byte| *byte == 0).next()?;
            Some(Section {
                name: String::from_utf8_lossy(name).into_owned(),
                address: entry.address,
                offset: entry.offset,
                size: entry.size,
            })
        })
        .collect())
}

struct Table {
    offset: u64,
    entry: usize,
    count: usize,
    names: usize,
}

impl Table {
    fn of(form: Form, header: &[u8]) -> Option<Self> {
        let short = |narrow, wide| {
            form.number(header, form.pick(narrow, wide), 2).and_then(|number| usize::try_from(number).ok())
        };
        let table = Self {
            offset: form.word(header, 0x20, 0x28)?,
            entry: short(0x2e, 0x3a)?,
            count: short(0x30, 0x3c)?,
            names: short(0x32, 0x3e)?,
        };
        let sound = table.entry >= form.pick(40, 64) && table.entry <= 256 && table.count <= MOST_SECTIONS;
        (sound && table.offset > 0).then_some(table)
    }
}

struct Entry {
    name: usize,
    kind: u64,
    address: u64,
    offset: u64,
    size: u64,
}

impl Entry {
    fn of(form: Form, entry: &[u8]) -> Option<Self> {
        Some(Self {
            name: usize::try_from(form.number(entry, 0, 4)?).ok()?,
            kind: form.number(entry, 4, 4)?,
            address: form.word(entry, 0x0c, 0x10)?,
            offset: form.word(entry, 0x10, 0x18)?,
            size: form.word(entry, 0x14, 0x20)?,
        })
    }
}

/// Bytes of the file: fewer where it ends before.
fn bytes<R: Read + Seek>(file: &mut R, at: u64, length: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // An offset past what a file can have is no offset.
    if i64::try_from(at).is_ok() {
        file.seek(SeekFrom::Start(at))?;
        file.take(length).read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}
