//! Archives, gzipped tars. The first byte of an input decides whether the rest is used unchanged, or is a tar that
//! is compressed here; and whether the checksums of its headers are put right first.

use std::io::{Read, Write};

use edge_fetch::archive::{Entry, Kind, Limits, read as read_archive};
use edge_host::Error;
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};

use super::Target;

pub(super) const TARGET: Target = Target {
    name: "archive",
    check,
    read,
    seeds,
    tokens: &[
        "ustar",
        "\u{0}",
        "0",
        "1",
        "2",
        "5",
        "7",
        "L",
        "K",
        "x",
        "g",
        "0000644\u{0}",
        "77777777777",
        "../",
        "/",
        "bin/",
        "etc/",
        "path=",
        "18 path=bin/other\n",
        "size=9999999999\n",
        "././@LongLink",
    ],
    growing: &[
        ("\u{1}", "\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}", ""),
        ("\u{1}", "bin/x", ""),
        ("\u{0}", "\u{1f}", ""),
    ],
};

const BLOCK: usize = 512;
/// Where a header has its checksum.
const SUM: std::ops::Range<usize> = 148..156;

/// A file as reader and maker describe it: name, bytes, and whether it is executable.
type Listed = (String, String, bool);

/// What a bundle of this kind has at most.
const LIMITS: Limits = Limits { kind: "bundle", entries: 1000, bytes: 64 << 20 };

/// The one call of the reader; nothing where it refuses the archive.
fn unpacked(bytes: &[u8]) -> Option<Vec<Listed>> {
    let mut files = Vec::new();
    let mut take = |mut entry: Entry<'_>| {
        let mut content = Vec::new();
        entry.read_to_end(&mut content).map_err(|cause| Error::failed(cause.to_string()))?;
        if entry.kind == Kind::File {
            files.push((entry.path.display().to_string(), hex(&content), entry.executable));
        }
        Ok(())
    };
    read_archive(&mut &bytes[..], "archive", LIMITS, &|| Ok(()), &mut take).ok()?;
    Some(files)
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn seeds() -> Vec<Vec<u8>> {
    let long = format!("cri-o/etc/{}/x", "long".repeat(40));
    let all = [
        tar(&[("cri-o/bin/crio", b"\x7fELF", 0o755), ("cri-o/etc/crio.conf", b"[crio]\n", 0o644)]),
        tar(&[("bin/a", &[b'x'; 1500], 0o700), (&long, b"", 0o600), ("etc/b", b"b", 0o644)]),
    ];
    let mut seeds: Vec<Vec<u8>> = all.iter().map(|tar| [&[0], gzipped(tar).as_slice()].concat()).collect();
    for first in 1..3 {
        seeds.extend(all.iter().map(|tar| [&[first], tar.as_slice()].concat()));
    }
    seeds
}

pub(super) fn tar(files: &[(&str, &[u8], u32)]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, bytes, mode) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(*mode);
        tar.append_data(&mut header, path, *bytes).expect("memory");
    }
    tar.into_inner().expect("memory")
}

pub(super) fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut gz = GzEncoder::new(Vec::new(), Compression::fast());
    gz.write_all(bytes).expect("memory");
    gz.finish().expect("memory")
}

/// How the rest is read, by the first byte.
fn file(data: &[u8]) -> Vec<u8> {
    let Some((first, rest)) = data.split_first() else { return Vec::new() };
    match first % 3 {
        0 => rest.to_vec(),
        1 => gzipped(rest),
        _ => gzipped(&with_sums(rest)),
    }
}

/// Puts the checksum right of each block that looks like a header.
pub(super) fn with_sums(tar: &[u8]) -> Vec<u8> {
    let mut tar = tar.to_vec();
    for block in tar.chunks_exact_mut(BLOCK) {
        if block[257..].starts_with(b"ustar") {
            block[SUM].fill(b' ');
            let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
            block[SUM].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        }
    }
    tar
}

fn read(data: &[u8]) {
    let _ = unpacked(&file(data));
}

fn check(data: &[u8]) {
    let bytes = file(data);
    let Some(files) = unpacked(&bytes) else { return };
    assert_eq!(unpacked(&bytes).as_ref(), Some(&files));
    for (name, sum, _) in &files {
        let parts: Vec<&str> = name.split('/').collect();
        assert!(parts.iter().all(|part| !["", ".", ".."].contains(part)), "{name}");
        assert_eq!(sum.len(), 64);
    }
    let mut names: Vec<&str> = files.iter().map(|(name, ..)| name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), files.len(), "a name is in it twice");
    // Each content is somewhere in what it unpacks to, and made into an archive again they are the same.
    let mut inside = Vec::new();
    let _ = flate2::read::MultiGzDecoder::new(bytes.as_slice()).read_to_end(&mut inside);
    let mut contents = tar::Archive::new(inside.as_slice());
    let mut again = Vec::new();
    for entry in contents.entries().expect("it was read before").flatten() {
        let mut entry = entry;
        let mut content = Vec::new();
        if entry.read_to_end(&mut content).is_ok() {
            again.push((hex(&content), content));
        }
    }
    let found: Vec<(&str, &[u8], u32)> = files
        .iter()
        .map(|(name, sum, executable)| {
            let content = again.iter().find(|(other, _)| other == sum);
            let (_, content) = content.expect("the content that was summed is in the archive");
            (name.as_str(), content.as_slice(), if *executable { 0o755 } else { 0o644 })
        })
        .collect();
    assert_eq!(unpacked(&gzipped(&tar(&found))), Some(files.clone()));
}
