//! Where edgecore is from: every form of file, what is refused, checksums, downloads and offline directories.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;

use edgeutils_tests::tool::{Ran, Tool};
use edgeutils_tests::tree::assert_same;
use sha2::{Digest, Sha512};
use tar::EntryType;

use crate::made::{
    AMD64, ARCHIVE, ARM64, INSTALLED, apply, apply_file, beside, elf, image, program, release, system, tar, zipped,
};

const STAGE: &str = "var/lib/edgeutils/edge-join";

fn sha512(bytes: &[u8]) -> String {
    Sha512::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn says(ran: &Ran, text: &str) {
    assert!(ran.stdout.contains(text) || ran.stderr.contains(text), "{text}:\n{}{}", ran.stdout, ran.stderr);
}

#[test]
fn edgecore_is_taken_from_every_form_whatever_its_name() {
    let new = program(AMD64, "v1.23.1");
    let layer = |content: &[u8]| tar(&[("usr/local/bin/edgecore", EntryType::Regular, content)]);
    let image = image(&[layer(b"older"), zipped(&layer(&new)), tar(&[("etc/x", EntryType::Symlink, b"/y")])]);
    for (name, bytes, kind) in [
        ("a.iso", new.clone(), "(edgecore itself)"),
        ("b.txt", release(&new, "v1.23.1"), "(release archive)"),
        ("c.tar.gz", image.clone(), "(saved image)"),
        ("d.elf", zipped(&image), "(saved image)"),
    ] {
        let (tree, dir) = (system(), tempfile::tempdir().unwrap());
        let file = beside(dir.path(), name, &bytes);
        let ran = apply_file(&tree, &file, &[]).expect(0);
        says(&ran, kind);
        says(&ran, &format!("{} is used without a known checksum; its SHA-512 is {}", file.display(), sha512(&bytes)));
        assert_eq!(std::fs::read(tree.at(INSTALLED)).unwrap(), new, "{name}");
        assert!(!tree.at(STAGE).exists(), "{name}");
        // A second run compares the whole file.
        says(&apply_file(&tree, &file, &[]).expect(0), "already up to date");
        std::fs::write(tree.at(INSTALLED), program(AMD64, "v1.23.1").iter().chain(b"x").copied().collect::<Vec<_>>())
            .unwrap();
        apply_file(&tree, &file, &[]).expect(0);
        assert_eq!(std::fs::read(tree.at(INSTALLED)).unwrap(), new, "{name}: it was damaged");
    }
}

#[test]
fn edgecore_that_cannot_be_used_changes_nothing() {
    let good = program(AMD64, "v1.23.1");
    let (missing, own) = (Some("/lib/ld-none.so.1"), Some("/lib/ld-own.so.1"));
    let info = good[128..].to_vec();
    let dynamic = |loader| elf(AMD64, loader, &[(".go.buildinfo", &info)]);
    let two =
        zipped(&tar(&[("k/edge/edgecore", EntryType::Regular, &good), ("k/x/edgecore", EntryType::Regular, b"x")]));
    let link = zipped(&tar(&[
        ("k/version", EntryType::Regular, b"v1.23.1"),
        ("k/edge/edgecore", EntryType::Symlink, b"/bin/sh"),
    ]));
    let linked = image(&[tar(&[("usr/local/bin/edgecore", EntryType::Symlink, b"/bin/sh")])]);
    let whole = release(&good, "v1.23.1");
    for (bytes, code, why) in [
        (program(ARM64, "v1.23.1"), 4, "it is for arm64, but this system is amd64"),
        (release(&program(AMD64, "v1.22.0"), "v1.22.0"), 4, "it is v1.22.0, and v1.23.1 is requested"),
        (elf(AMD64, None, &[]), 4, "it has no version of KubeEdge"),
        (dynamic(missing), 4, "it needs the loader /lib/ld-none.so.1, which this system does not have"),
        (release(b"#!/bin/sh\n", "v1.23.1"), 1, "it is not a program (ELF)"),
        (two, 4, "it has two programs edgecore"),
        (link, 4, "k/edge/edgecore is a link"),
        (linked, 4, "usr/local/bin/edgecore is a link in it"),
        (whole[..whole.len() / 2].to_vec(), 1, "truncated"),
        (b"<!DOCTYPE html><html></html>".to_vec(), 1, "it is an HTML page"),
        (image(&[b"\x28\xb5\x2f\xfd".to_vec()]), 1, "compressed by zstd"),
        (image(&[tar(&[("bin/sh", EntryType::Regular, b"x")])]), 1, "does not contain /usr/local/bin/edgecore"),
        (Vec::new(), 1, "it is empty"),
    ] {
        let (tree, dir) = (system(), tempfile::tempdir().unwrap());
        let file = beside(dir.path(), "file", &bytes);
        let before = tree.snapshot();
        let ran = apply_file(&tree, &file, &[]).expect(code);
        says(&ran, why);
        assert_same(&tree.snapshot(), &before, why);
        assert!(!tree.at(STAGE).exists(), "{why}");
        // A dry run sees what can be seen without unpacking, and writes nothing.
        assert!([3, code].contains(&apply_file(&tree, &file, &["-n"]).code), "{why}");
        assert_same(&tree.snapshot(), &before, why);
    }
    // With its loader the same program is installed.
    let (tree, dir) = (system(), tempfile::tempdir().unwrap());
    tree.write("lib/ld-own.so.1", "loader");
    apply_file(&tree, &beside(dir.path(), "file", &dynamic(own)), &[]).expect(0);
}

#[test]
fn checksum_is_verified_before_anything_is_taken() {
    let (tree, dir) = (system(), tempfile::tempdir().unwrap());
    let bytes = release(&program(AMD64, "v1.23.1"), "v1.23.1");
    let file = beside(dir.path(), ARCHIVE, &bytes);
    let before = tree.snapshot();
    let ran = apply_file(&tree, &file, &["--sha512", &"0".repeat(128)]).expect(4);
    says(&ran, &format!("its SHA-512 is {}, expected 000", sha512(&bytes)));
    assert_same(&tree.snapshot(), &before, "a wrong checksum");
    says(&apply_file(&tree, &file, &["--sha512", "abc"]).expect(2), "expected 128 hexadecimal digits");
    apply_file(&tree, &file, &["--sha512", &sha512(&bytes).to_uppercase()]).expect(0);
}

/// Serves files of a release at any path that ends with their name. Ends with the test.
fn serve(files: Vec<(String, Vec<u8>)>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let files = Arc::new(files);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let files = Arc::clone(&files);
            std::thread::spawn(move || answer(&stream, &files).ok());
        }
    });
    port
}

fn answer(mut stream: &std::net::TcpStream, files: &[(String, Vec<u8>)]) -> std::io::Result<()> {
    let (mut line, mut header) = (String::new(), String::new());
    let mut reader = BufReader::new(stream.try_clone()?);
    reader.read_line(&mut line)?;
    while reader.read_line(&mut header)? > 2 {
        header.clear();
    }
    let path = line.split(' ').nth(1).unwrap_or_default();
    match files.iter().find(|(name, _)| path.ends_with(&format!("/{name}"))) {
        Some((_, bytes)) => {
            write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", bytes.len())?;
            stream.write_all(bytes)
        }
        None => write!(stream, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"),
    }
}

fn download(to: &Path, port: u16, args: &[&str]) -> Ran {
    let mirror = format!("http://127.0.0.1:{port}/v{{version}}/");
    let call = ["download", "--version", "1.23.1", "--arch", "amd64", "--mirror", &mirror, "--to"];
    Tool::new("edge-join").args(call).arg(to).args(args).run()
}

#[test]
fn download_fills_a_directory_that_apply_installs_from() {
    let bytes = release(&program(AMD64, "v1.23.1"), "v1.23.1");
    let sum = format!("checksum_{ARCHIVE}.txt");
    let port = serve(vec![(ARCHIVE.to_owned(), bytes.clone()), (sum, format!("{}\n", sha512(&bytes)).into_bytes())]);
    let to = tempfile::tempdir().unwrap();
    says(&download(to.path(), port, &["-n"]).expect(3), "would download http://127.0.0.1:");
    assert_eq!(std::fs::read_dir(to.path()).unwrap().count(), 0);
    let ran = download(to.path(), port, &[]).expect(0);
    says(&ran, "is from the same place as the file: it detects damage, and does not prove the origin");
    let list = std::fs::read_to_string(to.path().join("SHA512SUMS")).unwrap();
    assert_eq!(list, format!("{}  {ARCHIVE}\n", sha512(&bytes)));
    says(&download(to.path(), 1, &[]).expect(0), "already up to date");
    let tree = system();
    let offline = to.path().to_str().unwrap();
    apply(&tree, &["--offline", offline]).expect(0);
    assert!(tree.at(INSTALLED).exists());
    // A damaged copy is refused, and one that is not listed.
    std::fs::write(to.path().join(ARCHIVE), &bytes[1..]).unwrap();
    says(&apply(&system(), &["--offline", offline]).expect(4), "its SHA-512 is ");
    std::fs::write(to.path().join("SHA512SUMS"), "").unwrap();
    says(&apply(&system(), &["--offline", offline]).expect(4), "SHA512SUMS does not list it");
}

#[test]
fn download_of_something_else_is_not_kept() {
    let bytes = release(&program(AMD64, "v1.23.1"), "v1.23.1");
    let sum = format!("checksum_{ARCHIVE}.txt");
    let page = b"<html>login</html>".to_vec();
    for (files, code, why) in [
        (vec![(ARCHIVE.to_owned(), bytes.clone()), (sum.clone(), sha512(b"other").into_bytes())], 4, "its SHA-512 is "),
        (vec![(ARCHIVE.to_owned(), bytes.clone())], 1, "the server answers 404"),
        (vec![(ARCHIVE.to_owned(), bytes.clone()), (sum.clone(), page)], 1, "it is an HTML page"),
        (
            vec![(ARCHIVE.to_owned(), bytes.clone()), (sum.clone(), vec![b'a'; 9000])],
            1,
            "it is too long for a checksum",
        ),
        (vec![(sum, sha512(&bytes).into_bytes())], 1, "the server answers 404"),
    ] {
        let (to, port) = (tempfile::tempdir().unwrap(), serve(files));
        says(&download(to.path(), port, &[]).expect(code), why);
        assert_eq!(std::fs::read_dir(to.path()).unwrap().count(), 0, "{why}");
        // Only what is verified gets the name of the archive, also where that is taken.
        beside(to.path(), ARCHIVE, b"mine");
        says(&download(to.path(), port, &[]).expect(code), why);
        let names: Vec<_> = std::fs::read_dir(to.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, [ARCHIVE], "{why}");
        assert_eq!(std::fs::read(to.path().join(ARCHIVE)).unwrap(), b"mine", "{why}");
        let (tree, mirror) = (system(), format!("http://127.0.0.1:{port}/"));
        let before = tree.snapshot();
        says(&apply(&tree, &["--mirror", &mirror]).expect(code), why);
        assert_same(&tree.snapshot(), &before, why);
    }
}
