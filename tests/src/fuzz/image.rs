//! Saved container images, from which one file is taken. The first byte of an input decides whether the rest is used
//! unchanged, or is a tar whose checksums are put right first; and whether it is compressed.

use std::fs::File;
use std::io::{Seek, Write};

use edge_fetch::image::{Image, is_image};

use super::Target;
use super::archive::{self, gzipped, with_sums};

pub(super) const TARGET: Target = Target {
    name: "image",
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
        "0000644\u{0}",
        "manifest.json",
        "index.json",
        "blobs/sha256/",
        "layer.tar",
        "Layers",
        "manifests",
        "digest",
        "usr/local/bin/edgecore",
        "usr/local/bin/.wh.edgecore",
        ".wh..wh..opq",
        "../",
        "\u{28}",
        "7zXZ",
    ],
    growing: &[
        ("\u{1}", "\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}", ""),
        ("\u{1}", "layer.tar", ""),
        ("\u{0}", "\u{1f}", ""),
    ],
};

const PATH: &str = "usr/local/bin/edgecore";

fn seeds() -> Vec<Vec<u8>> {
    let lower = tar(&[(PATH, b"old"), ("etc/x", b"x")]);
    let upper = tar(&[("usr/local/bin/.wh.other", b""), (PATH, b"new")]);
    let hiding = tar(&[("usr/local/bin/.wh.edgecore", b"")]);
    let list = br#"[{"Config":"c","Layers":["a/layer.tar","b/layer.tar"]}]"#.as_slice();
    let docker = |last: &[u8]| tar(&[("a/layer.tar", &lower), ("b/layer.tar", last), ("manifest.json", list)]);
    let index = br#"{"manifests":[{"digest":"sha256:aa","platform":{"os":"linux","architecture":"amd64"}}]}"#;
    let manifest = br#"{"config":{"digest":"sha256:cc"},"layers":[{"digest":"sha256:bb"}]}"#;
    let layout = tar(&[
        ("oci-layout", b"{}"),
        ("blobs/sha256/bb", &gzipped(&upper)),
        ("blobs/sha256/aa", manifest),
        ("index.json", index),
    ]);
    let all = [docker(&upper), docker(&gzipped(&upper)), docker(&hiding), layout];
    (0..4).flat_map(|first| all.iter().map(move |tar| [&[first], tar.as_slice()].concat())).collect()
}

fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
    archive::tar(&files.iter().map(|(path, bytes)| (*path, *bytes, 0o644)).collect::<Vec<_>>())
}

/// How the rest is read, by the first byte.
fn bytes(data: &[u8]) -> Vec<u8> {
    let Some((first, rest)) = data.split_first() else { return Vec::new() };
    match first % 4 {
        0 => rest.to_vec(),
        1 => with_sums(rest),
        2 => gzipped(rest),
        _ => gzipped(&with_sums(rest)),
    }
}

/// The content that is taken, if there is one; nothing where the image is refused.
fn taken(bytes: &[u8]) -> Option<Option<Vec<u8>>> {
    let stop = || Ok(());
    let file = || -> File {
        let mut file = tempfile::tempfile().expect("a temporary file");
        file.write_all(bytes).expect("a temporary file");
        file.rewind().expect("a temporary file");
        file
    };
    if !is_image(&mut file(), "image", &stop, &|_| false).ok()? {
        return None;
    }
    let image = Image::read(file(), "image", &stop).ok()?;
    let mut content = Vec::new();
    let found = image.file(PATH, "amd64", &stop, &mut |from, size| {
        let read = from.read_to_end(&mut content);
        assert!(read.map_or(true, |_| content.len() as u64 == size), "it is shorter than it says");
        Ok(())
    });
    Some(found.ok()?.then_some(content))
}

fn read(data: &[u8]) {
    let _ = taken(&bytes(data));
}

fn check(data: &[u8]) {
    let bytes = bytes(data);
    let Some(found) = taken(&bytes) else { return };
    assert_eq!(taken(&bytes), Some(found.clone()), "another result the second time");
    // Whether the image as a whole is compressed makes no difference.
    if !bytes.starts_with(b"\x1f\x8b") {
        assert_eq!(taken(&gzipped(&bytes)), Some(found));
    }
}
