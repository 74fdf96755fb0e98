//! Files of all forms, made here.

use edge_host::Exit;
use flate2::Compression;
use flate2::write::GzEncoder;
use tar::{Builder, EntryType, Header};

use super::*;

const ELF: &[u8] = b"\x7fELF and the rest of a program";
const TOP: &str = "kubeedge-v1.23.1-linux-amd64";

fn tar(entries: &[(&str, EntryType, &[u8])]) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for (name, entry_type, content) in entries {
        let mut header = Header::new_gnu();
        header.set_entry_type(*entry_type);
        header.set_mode(0o755);
        header.set_size(0);
        if *entry_type == EntryType::Symlink {
            builder.append_link(&mut header, name, std::str::from_utf8(content).unwrap()).unwrap();
        } else {
            header.set_size(content.len() as u64);
            builder.append_data(&mut header, name, *content).unwrap();
        }
    }
    builder.into_inner().unwrap()
}

fn zipped(bytes: &[u8]) -> Vec<u8> {
    let mut gz = GzEncoder::new(Vec::new(), Compression::fast());
    gz.write_all(bytes).unwrap();
    gz.finish().unwrap()
}

fn release(extra: &[(&str, EntryType, &[u8])]) -> Vec<u8> {
    let (version, cloud) = (format!("{TOP}/version"), format!("{TOP}/cloud/cloudcore/cloudcore"));
    let mut entries = vec![
        (TOP, EntryType::Directory, b"".as_slice()),
        (cloud.as_str(), EntryType::Regular, b"cloud"),
        (version.as_str(), EntryType::Regular, b"v1.23.1\n"),
    ];
    entries.extend_from_slice(extra);
    zipped(&tar(&entries))
}

fn taken(bytes: &[u8]) -> Result<(Taken, Vec<u8>)> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    let mut to = Vec::new();
    let taken = take(&mut file, "x", Arch::Amd64, &|| Ok(()), &mut to)?;
    assert_eq!(file.stream_position().unwrap(), 0, "rewound");
    Ok((taken, to))
}

fn edgecore(place: &str) -> (String, Vec<u8>) {
    (format!("{TOP}/{place}"), ELF.to_vec())
}

#[test]
fn take_finds_edgecore_in_every_form() {
    let (name, content) = edgecore("edge/edgecore");
    let layer = tar(&[(IN_IMAGE, EntryType::Regular, ELF)]);
    let list = b"[{\"Layers\":[\"l/layer.tar\"]}]".as_slice();
    let image = tar(&[("l/layer.tar", EntryType::Regular, &layer), ("manifest.json", EntryType::Regular, list)]);
    for (bytes, kind, version) in [
        (ELF.to_vec(), "edgecore itself", None),
        (release(&[(&name, EntryType::Regular, &content)]), "release archive", Some("v1.23.1")),
        (image.clone(), "saved image", None),
        (zipped(&image), "saved image", None),
    ] {
        let (taken, copied) = taken(&bytes).unwrap();
        assert_eq!((taken.kind, taken.version.as_deref(), taken.size), (kind, version, ELF.len() as u64));
        assert!(copied == ELF && taken.head == ELF && taken.sha256 == edge_fetch::sha256(ELF), "{kind}");
    }
}

#[test]
fn take_refuses_two_programs_and_links() {
    let (name, content) = edgecore("edge/edgecore");
    let other = format!("{TOP}/other/edgecore");
    for (extra, why) in [
        (
            vec![(name.as_str(), EntryType::Regular, content.as_slice()), (&other, EntryType::Regular, b"x")],
            "it has two programs edgecore",
        ),
        (vec![(name.as_str(), EntryType::Symlink, b"/bin/sh")], "is a link"),
        (vec![(name.as_str(), EntryType::Regular, content.as_slice()), (&name, EntryType::Regular, b"x")], "twice"),
    ] {
        let error = taken(&release(&extra)).unwrap_err();
        assert!(error.exit() == Exit::Refused && error.message().contains(why), "{error}");
    }
}

#[test]
fn take_explains_files_without_edgecore() {
    let (name, content) = edgecore("edge/edgecore");
    let whole = release(&[(&name, EntryType::Regular, &content)]);
    for (bytes, why) in [
        (b"".to_vec(), "it is empty"),
        (b"<!DOCTYPE html><html><body>login</body></html>".to_vec(), "it is an HTML page"),
        (b"\x28\xb5\x2f\xfd....".to_vec(), "compressed by zstd"),
        (vec![0; 2000], "of an unknown format"),
        (release(&[]), "it does not contain edgecore"),
        (release(&[(&name, EntryType::Regular, b"")]), "its edgecore is empty"),
        (whole[..whole.len() - 20].to_vec(), "it is truncated"),
        (tar(&[("a/b", EntryType::Regular, b"x")]), "it is a tar, but not a saved image"),
        (
            tar(&[("manifest.json", EntryType::Regular, b"[{\"Layers\":[]}]")]),
            "does not contain /usr/local/bin/edgecore",
        ),
    ] {
        let error = taken(&bytes).unwrap_err();
        assert!(error.exit() == Exit::Failed && error.message().contains(why), "{why}: {error}");
        assert!(error.hint_text().is_some(), "{why}");
    }
}
