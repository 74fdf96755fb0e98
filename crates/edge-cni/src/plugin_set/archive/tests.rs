//! Archives of releases, damaged ones and hostile ones.

use std::fs::File;
use std::io::Write as _;

use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use tar::{Builder, EntryType, Header};

use super::*;

fn listed(path: &Path) -> Result<Vec<PackedPlugin>> {
    let mut archive = Archive::open(path)?;
    let sum = archive.checksum(&|| Ok(()))?;
    list(&mut archive, &sum, &|| Ok(()))
}

/// The smallest header of a static program.
fn tiny(bits: u8, machine: u8) -> Vec<u8> {
    let mut head = vec![0; if bits == 64 { 64 } else { 52 }];
    head[..7].copy_from_slice(&[0x7f, b'E', b'L', b'F', if bits == 64 { 2 } else { 1 }, 1, 1]);
    (head[16], head[18], head[20]) = (2, machine, 1);
    head
}

fn header(kind: EntryType, size: usize) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_size(size as u64);
    header.set_mode(0o4777);
    header.set_uid(1001);
    header
}

/// An archive with these entries; names go in as they are, whatever the library thinks of them.
fn packed(entries: &[(&str, EntryType, &[u8])]) -> tempfile::TempPath {
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut builder = Builder::new(GzEncoder::new(file.reopen().unwrap(), flate2::Compression::fast()));
    for (name, kind, bytes) in entries {
        let mut header = header(*kind, bytes.len());
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        if *kind == EntryType::Symlink || *kind == EntryType::Link {
            header.set_link_name("bridge").unwrap();
        }
        header.set_cksum();
        builder.append(&header, *bytes).unwrap();
    }
    builder.into_inner().unwrap().finish().unwrap().flush().unwrap();
    file.into_temp_path()
}

#[test]
fn list_has_the_plugins_of_a_release() {
    let (one, two) = (tiny(64, 62), [tiny(64, 62), vec![7; 9000]].concat());
    let archive = packed(&[
        ("./", EntryType::Directory, b""),
        ("./LICENSE", EntryType::Regular, b"text"),
        ("./README.md", EntryType::Regular, b"text"),
        ("./bridge", EntryType::Regular, &one),
        ("portmap", EntryType::Regular, &two),
    ]);
    let list = listed(&archive).unwrap();
    assert_eq!(list.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["bridge", "portmap"]);
    let mut unpacker = Unpacker::of(Archive::open(&archive).unwrap());
    // In order, again, and backwards.
    for index in [0, 1, 1, 0] {
        let (mut got, want) = (Vec::new(), [&one, &two][index]);
        unpacker.copy(&list[index], &mut got).unwrap();
        assert!(got == *want && list[index].sha256 == sum_of(&mut want.as_slice()).unwrap().0, "{index}");
    }
}

#[test]
fn list_refuses_what_is_not_a_plugin() {
    let valid = tiny(64, 62);
    for (name, kind, bytes) in [
        ("../bridge", EntryType::Regular, valid.as_slice()),
        ("/bridge", EntryType::Regular, &valid),
        ("bin/bridge", EntryType::Regular, &valid),
        ("bin/", EntryType::Directory, b""),
        ("bridge", EntryType::Symlink, b""),
        ("bridge", EntryType::Link, b""),
        ("bridge", EntryType::Char, b""),
        ("bridge", EntryType::Fifo, b""),
        (".hidden", EntryType::Regular, &valid),
        ("bridge", EntryType::Regular, b"#!/bin/sh\n"),
        ("README.md", EntryType::Symlink, b""),
        ("README.md", EntryType::Regular, b"and nothing else"),
    ] {
        let error = listed(&packed(&[(name, kind, bytes)])).unwrap_err();
        assert_eq!(error.exit(), edge_host::Exit::Refused, "{name} {kind:?}: {error}");
    }
    let twice = packed(&[("bridge", EntryType::Regular, &valid), ("./bridge", EntryType::Regular, &valid)]);
    assert!(listed(&twice).unwrap_err().message().ends_with(": ./bridge is in the archive twice"));
}

#[test]
fn list_refuses_a_plugin_that_is_too_large() {
    let mut builder = Builder::new(GzEncoder::new(Vec::new(), flate2::Compression::fast()));
    let mut large = header(EntryType::Regular, usize::try_from(LARGEST + 1).unwrap());
    large.set_path("bridge").unwrap();
    large.set_cksum();
    builder.append(&large, tiny(64, 62).as_slice()).unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().write_all(&builder.into_inner().unwrap().finish().unwrap()).unwrap();
    let error = listed(file.path()).unwrap_err();
    assert_eq!(error.exit(), edge_host::Exit::Refused);
    assert!(error.message().ends_with(": bridge is larger than any plugin"), "{error}");
}

#[test]
fn list_counts_skipped_entries() {
    let many: Vec<(&str, EntryType, &[u8])> = vec![("./", EntryType::Directory, b""); LIMITS.entries + 1];
    let error = listed(&packed(&many)).unwrap_err();
    assert_eq!(error.exit(), edge_host::Exit::Refused);
    assert!(error.message().ends_with(" exceeds the 256 entries of any release"), "{error}");
    // A header that promises more than there is.
    let mut builder = Builder::new(GzEncoder::new(Vec::new(), flate2::Compression::fast()));
    let mut huge = header(EntryType::Regular, usize::try_from(LIMITS.bytes + 1).unwrap());
    huge.set_path("README.md").unwrap();
    huge.set_cksum();
    builder.append(&huge, b"".as_slice()).unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), builder.into_inner().unwrap().finish().unwrap()).unwrap();
    assert!(listed(file.path()).unwrap_err().message().ends_with(" makes it larger than any release"));
}

#[test]
fn list_refuses_a_truncated_archive() {
    let archive = packed(&[("bridge", EntryType::Regular, &[tiny(64, 62), vec![7; 90000]].concat())]);
    let bytes = std::fs::read(&archive).unwrap();
    let whole = Archive::open(&archive).unwrap().checksum(&|| Ok(())).unwrap();
    let error =
        list(&mut Archive::open(&archive).unwrap(), &whole.replace(|_: char| true, "0"), &|| Ok(())).unwrap_err();
    assert!(error.message().ends_with("it was changed while it was being read"), "{error}");
    for end in [0, 1, 20, bytes.len() / 2, bytes.len() - 9] {
        std::fs::write(&archive, &bytes[..end]).unwrap();
        assert!(listed(&archive).is_err(), "{end} of {}", bytes.len());
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]

    /// What is copied is what was listed.
    #[test]
    fn copy_survives_any_damage(damage in proptest::collection::vec((0usize..3584, 0u8..=255), 0..6)) {
        let archive = packed(&[
            ("./", EntryType::Directory, b""),
            ("./bridge", EntryType::Regular, &tiny(64, 62)),
            ("portmap", EntryType::Regular, &[tiny(64, 62), vec![7; 600]].concat()),
        ]);
        let mut bytes = Vec::new();
        MultiGzDecoder::new(File::open(&archive).unwrap()).read_to_end(&mut bytes).unwrap();
        for (at, byte) in damage {
            bytes[at] = byte;
        }
        let mut file = GzEncoder::new(File::create(&archive).unwrap(), flate2::Compression::fast());
        file.write_all(&bytes).unwrap();
        file.finish().unwrap();
        let mut unpacker = Unpacker::of(Archive::open(&archive).unwrap());
        for plugin in listed(&archive).unwrap_or_default() {
            let mut copied = Vec::new();
            unpacker.copy(&plugin, &mut copied).unwrap();
            assert_eq!(sum_of(&mut copied.as_slice()).unwrap(), (plugin.sha256, plugin.size));
        }
    }
}
