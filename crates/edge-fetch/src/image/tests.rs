//! Images that the tests make, in the forms of docker and of OCI layouts.

use std::io::{Seek, Write};

use flate2::Compression;
use flate2::write::GzEncoder;
use tar::{Builder, EntryType, Header};

use super::*;

const PATH: &str = "usr/local/bin/edgecore";

/// An entry: name, type, and content or target.
type Made<'m> = (&'m str, EntryType, &'m [u8]);

fn tar(entries: &[Made<'_>]) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for (name, entry_type, content) in entries {
        let mut header = Header::new_ustar();
        header.set_entry_type(*entry_type);
        header.set_mode(0o755);
        if matches!(entry_type, EntryType::Symlink | EntryType::Link) {
            header.set_size(0);
            let target = std::str::from_utf8(content).unwrap();
            builder.append_link(&mut header, name, target).unwrap();
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

fn file<'m>(name: &'m str, content: &'m [u8]) -> Made<'m> {
    (name, EntryType::Regular, content)
}

/// As `docker save` writes it, with the list at the end.
fn docker(layers: &[Vec<u8>]) -> Vec<u8> {
    let names: Vec<String> = (0..layers.len()).map(|at| format!("{at}/layer.tar")).collect();
    let list = serde_json::json!([{"Config": "c.json", "RepoTags": ["a:b"], "Layers": names}]).to_string();
    let mut entries: Vec<Made<'_>> = names.iter().zip(layers).map(|(name, layer)| file(name, layer)).collect();
    entries.push(file(DOCKER, list.as_bytes()));
    tar(&entries)
}

fn opened(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file.rewind().unwrap();
    file
}

/// The content of the program; none if there is none.
fn taken(bytes: &[u8], arch: &str) -> Result<Option<Vec<u8>>> {
    let stop = || Ok(());
    assert!(is_image(&mut opened(bytes), "x.tar", &stop, &|_| false)?);
    let image = Image::read(opened(bytes), "x.tar", &stop)?;
    let mut content = Vec::new();
    let found = image.file(PATH, arch, &stop, &mut |from, size| {
        from.read_to_end(&mut content).unwrap();
        assert_eq!(content.len() as u64, size);
        Ok(())
    })?;
    Ok(found.then_some(content))
}

#[test]
fn file_is_taken_from_the_last_layer_that_has_it() {
    let lower = tar(&[file("./usr/local/bin/edgecore", b"old"), ("bin", EntryType::Symlink, b"usr/bin")]);
    let upper = tar(&[("usr/local/", EntryType::Directory, b""), file(PATH, b"new")]);
    let last = tar(&[file("etc/passwd", b"x"), ("dev/null", EntryType::Char, b"")]);
    for layers in [
        [lower.clone(), upper.clone(), last.clone()],
        [zipped(&lower), zipped(&upper), zipped(&last)],
        [last, lower, upper],
    ] {
        let image = docker(&layers);
        assert_eq!(taken(&image, "amd64").unwrap().as_deref(), Some(b"new".as_slice()));
        assert_eq!(taken(&zipped(&image), "amd64").unwrap().as_deref(), Some(b"new".as_slice()), "gzipped");
    }
}

#[test]
fn file_that_a_later_layer_deletes_is_absent() {
    let has = tar(&[file(PATH, b"x")]);
    for hides in [
        "usr/local/bin/.wh.edgecore",
        "usr/local/.wh.bin",
        ".wh.usr",
        "usr/local/bin/.wh..wh..opq",
        "usr/.wh..wh..opq",
        ".wh..wh..opq",
    ] {
        let hiding = tar(&[file(hides, b"")]);
        assert_eq!(taken(&docker(&[has.clone(), hiding.clone()]), "arm").unwrap(), None, "{hides}");
        // A whiteout is about the layers below.
        let both = tar(&[file(hides, b""), file(PATH, b"y"), file("usr/local/bin/.wh.other", b"")]);
        assert_eq!(taken(&docker(&[has.clone(), both]), "arm").unwrap().as_deref(), Some(b"y".as_slice()), "{hides}");
        assert!(taken(&docker(&[hiding, has.clone()]), "arm").unwrap().is_some(), "{hides}");
    }
    assert_eq!(taken(&docker(&[tar(&[file("usr/local/bin/edgecore.old", b"x")])]), "arm").unwrap(), None);
}

#[test]
fn links_and_duplicates_in_the_way_are_refused() {
    for (entries, why) in [
        (vec![(PATH, EntryType::Symlink, b"/bin/sh".as_slice())], "is a link in it"),
        (vec![(PATH, EntryType::Link, b"bin/sh")], "is a link in it"),
        (vec![(PATH, EntryType::Directory, b"")], "is not a regular file in it"),
        (vec![("usr/local", EntryType::Symlink, b"/tmp"), file(PATH, b"x")], "usr/local is not a directory in it"),
        (vec![file(PATH, b"x"), file(PATH, b"y")], "is in one layer twice"),
    ] {
        let error = taken(&docker(&[tar(&[file(PATH, b"low")]), tar(&entries)]), "arm64").unwrap_err();
        assert!(error.exit() == Exit::Refused && error.message().contains(why), "{error}");
    }
}

#[test]
fn layers_of_other_compression_are_an_error() {
    let error = taken(&docker(&[b"\x28\xb5\x2f\xfd rest of it".to_vec()]), "amd64").unwrap_err();
    assert_eq!(error.message(), "cannot use x.tar: its layers are compressed by zstd, which is not supported");
    assert!(error.hint_text().is_some_and(|hint| hint.contains("skopeo copy")));
}

/// An OCI layout with one image for each architecture; of those that are not saved only the manifest is there.
fn layout(images: &[(&str, &[u8], bool)], nested: bool) -> Vec<u8> {
    let name = |what: &str, at: usize| format!("blobs/sha256/{what}{at}");
    let digest = |what: &str, at: usize| format!("sha256:{what}{at}");
    let (mut files, mut list) = (Vec::new(), Vec::new());
    for (at, (arch, content, is_saved)) in images.iter().enumerate() {
        let manifest = serde_json::json!({"schemaVersion": 2, "config": {"digest": digest("c", at)},
            "layers": [{"digest": digest("l", at), "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip"}]});
        files.push((name("m", at), manifest.to_string().into_bytes()));
        files.push((name("c", at), serde_json::json!({"architecture": arch}).to_string().into_bytes()));
        if *is_saved {
            files.push((name("l", at), zipped(&tar(&[file(PATH, content)]))));
        }
        list.push(serde_json::json!({"digest": digest("m", at), "platform": {"os": "linux", "architecture": arch}}));
    }
    list.push(serde_json::json!({"digest": "sha256:00", "platform": {"os": "unknown", "architecture": "unknown"}}));
    let mut index = serde_json::json!({"schemaVersion": 2, "manifests": list});
    if nested {
        files.push((name("i", 0), index.to_string().into_bytes()));
        index = serde_json::json!({"manifests": [{"digest": digest("i", 0)}]});
    }
    files.push((INDEX.to_owned(), index.to_string().into_bytes()));
    files.push(("oci-layout".to_owned(), b"{\"imageLayoutVersion\":\"1.0.0\"}".to_vec()));
    let entries: Vec<Made<'_>> = files.iter().map(|(name, bytes)| file(name, bytes)).collect();
    tar(&entries)
}

#[test]
fn oci_layout_is_read_for_the_architecture() {
    let all = [("amd64", b"intel".as_slice(), true), ("arm64", b"arm", true)];
    for nested in [false, true] {
        let image = layout(&all, nested);
        assert_eq!(taken(&image, "arm64").unwrap().as_deref(), Some(b"arm".as_slice()));
        assert_eq!(taken(&image, "amd64").unwrap().as_deref(), Some(b"intel".as_slice()));
        let error = taken(&image, "arm").unwrap_err();
        assert!(error.message().contains("it contains 2 images: expected one"), "{error}");
    }
    // An index lists all platforms, and the layers of one were saved.
    let one = layout(&[("amd64", b"intel", false), ("arm64", b"arm", true)], true);
    assert_eq!(taken(&one, "arm64").unwrap().as_deref(), Some(b"arm".as_slice()));
    assert_eq!(taken(&one, "amd64").unwrap().as_deref(), Some(b"arm".as_slice()), "its machine is checked later");
}

#[test]
fn layer_that_is_a_link_to_another_is_followed() {
    let layer = tar(&[file(PATH, b"x")]);
    let list = serde_json::json!([{"Layers": ["a/layer.tar", "b/layer.tar"]}]).to_string();
    let made = tar(&[
        file("a/layer.tar", &layer),
        ("b/layer.tar", EntryType::Symlink, b"../a/layer.tar"),
        file(DOCKER, list.as_bytes()),
    ]);
    assert_eq!(taken(&made, "amd64").unwrap().as_deref(), Some(b"x".as_slice()));
}

#[test]
fn damaged_images_are_errors() {
    let whole = docker(&[tar(&[file(PATH, &[7; 5000])])]);
    for (bytes, why) in [
        (zipped(&whole)[..60].to_vec(), "truncated"),
        (tar(&[file(DOCKER, b"[{]")]), "its manifest.json is not valid JSON"),
        (tar(&[file(DOCKER, b"[]")]), "it contains 0 images"),
        (tar(&[file(DOCKER, b"[{\"Layers\":[\"gone\"]}]")]), "its layer gone is missing"),
        (tar(&[file("blobs/x", b"")]), "it is not a saved image"),
        (tar(&[file(INDEX, b"{\"manifests\":[{\"digest\":\"../x\"}]}")]), "a digest in it is not valid"),
        (docker(&[whole[..700].to_vec()]), "truncated"),
    ] {
        let error = taken(&bytes, "amd64").unwrap_err();
        assert!(error.exit() == Exit::Failed && error.message().contains(why), "{why}: {error}");
    }
}
