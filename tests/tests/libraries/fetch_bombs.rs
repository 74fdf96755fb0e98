//! Archives that unpack to far more than their size are refused by both utilities that read archives: at once, with
//! the cause, in a few megabytes of memory.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use edgeutils_tests::cni::{ARM64, image_for, sha256, tiny};
use edgeutils_tests::tool::{self, Ran, Tool};
use edgeutils_tests::tree::{Tree, assert_same};
use flate2::Compression;
use flate2::write::GzEncoder;
use tar::{EntryType, Header};

/// In KiB: what the program needs to start, and a little more.
const MEMORY: u64 = 200 << 10;
const WITHIN: Duration = Duration::from_secs(20);
const GIB: u64 = 1 << 30;

fn header(name: &str, kind: u8, size: u64) -> Vec<u8> {
    let mut header = Header::new_gnu();
    header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
    header.set_entry_type(EntryType::new(kind));
    header.set_mode(0o755);
    header.set_size(size);
    if matches!(kind, b'1' | b'2') {
        header.set_link_name("/etc/shadow").unwrap();
    }
    header.set_cksum();
    header.as_bytes().to_vec()
}

fn member(bytes: &[u8]) -> Vec<u8> {
    let mut file = GzEncoder::new(Vec::new(), Compression::best());
    file.write_all(bytes).unwrap();
    file.finish().unwrap()
}

/// These bytes, and then a piece so many times, each as a gzip member of its own: gigabytes are made in no time.
fn repeated(begin: &[u8], piece: &[u8], times: u64) -> Vec<u8> {
    let (mut all, piece) = (member(begin), member(piece));
    (0..times).for_each(|_| all.extend(&piece));
    all
}

/// A valid first entry for either utility.
fn valid() -> Vec<u8> {
    let program = tiny(ARM64, "x");
    let mut tar = header("bridge", b'0', program.len() as u64);
    tar.extend(&program);
    tar.resize(tar.len().next_multiple_of(512), 0);
    tar
}

fn limited(name: &str) -> Tool {
    let program = tool::path(name);
    let script = format!("ulimit -v {MEMORY}; exec \"$0\" \"$@\"");
    Tool::program(Path::new("/bin/sh")).arg("-c").arg(script).arg(program)
}

fn image() -> Tree {
    let tree = Tree::with(&[("etc/os-release", "ID=debian\nVERSION_ID=12\n"), ("usr/bin/apt-get", "")]);
    image_for(&tree, ARM64);
    tree.write("usr/bin/dpkg", tiny(ARM64, ""));
    tree
}

/// The results of both utilities.
fn installs(tree: &Tree, archive: &Path) -> [(&'static str, Ran); 2] {
    let sum = sha256(&fs::read(archive).unwrap());
    let begin = |name: &'static str| limited(name).arg("--root").arg(tree.path()).arg("install");
    let end = |tool: Tool| tool.arg("--archive").arg(archive).args(["--sha256", &sum]).run();
    [("edge-cni", end(begin("edge-cni"))), ("edge-crio", end(begin("edge-crio").args(["--version", "1.30.4"])))]
}

#[test]
fn archive_that_claims_gigabytes_is_refused_in_little_memory() {
    // Built before anything is timed.
    tool::path("edge-cni");
    let (tree, dir) = (image(), tempfile::tempdir().unwrap());
    let before = tree.snapshot();
    let path = dir.path().join("bomb.tgz");
    let zeros = vec![0; 16 << 20];
    let names = vec![b'n'; 16 << 20];
    let with = |name: &str, kind: u8, size: u64| [valid(), header(name, kind, size)].concat();
    let pax = [with("p", b'x', 512), b"10 path=ab\n".to_vec(), vec![0; 501]].concat();
    let pax_then = |kind: u8| [pax.clone(), header("p", kind, 4 * GIB)].concat();
    let empty: Vec<u8> = (0..4096).flat_map(|_| header("./", b'5', 0)).collect();
    // A hole of 8 GiB, and one block of data.
    let mut hole = Header::from_byte_slice(&header("s", b'S', 512)).clone();
    let gnu = hole.as_gnu_mut().unwrap();
    gnu.sparse[0].offset.copy_from_slice(b"77777777000\0");
    gnu.sparse[0].numbytes.copy_from_slice(b"00000001000\0");
    gnu.realsize.copy_from_slice(b"100000000000");
    hole.set_cksum();
    let sparse = [valid(), hole.as_bytes().to_vec(), vec![0; 512]].concat();
    let cases: [(&str, i32, Vec<u8>); 12] = [
        ("are too long", 1, repeated(&with("L", b'L', 4 * GIB), &names, 256)),
        ("are too long", 1, repeated(&with("K", b'K', 4 * GIB), &names, 256)),
        ("are too long", 1, repeated(&with("x", b'x', 4 * GIB), &zeros, 256)),
        // A header with too small a size: it continues where it should have ended.
        ("", 1, repeated(&with("x", b'x', 7), &names, 256)),
        ("it is not a valid gzipped tar archive", 1, member(&[pax.clone(), pax[valid().len()..].to_vec()].concat())),
        ("are too long", 1, repeated(&pax_then(b'L'), &names, 256)),
        ("are too long", 1, repeated(&valid(), &zeros, 256)),
        ("makes it larger than any", 4, repeated(&with("big", b'0', 4 * GIB), &zeros, 256)),
        ("makes it larger than any", 4, repeated(&with("g", b'g', 4 * GIB), &names, 256)),
        ("entries of any", 4, repeated(&valid(), &empty, 256)),
        ("bridge", 4, repeated(&with("../bridge", b'0', 0), &zeros, 1)),
        ("makes it larger than any", 4, member(&sparse)),
    ];
    for (number, (message, code, bytes)) in cases.into_iter().enumerate() {
        fs::write(&path, bytes).unwrap();
        let begin = Instant::now();
        for (name, ran) in installs(&tree, &path) {
            assert!(ran.stderr.contains(message), "{number} {name}: {}", ran.stderr);
            let lines: Vec<&str> = ran.stderr.lines().collect();
            let [error, hint] = lines[..] else { panic!("{number} {name}: {}", ran.stderr) };
            assert!(error.starts_with(&format!("{name}: cannot unpack ")), "{number} {name}: {error}");
            assert!(error.len() < 500 && hint.starts_with("hint: "), "{number} {name}: {}", ran.stderr);
            assert_eq!(ran.code, code, "{number} {name}: {}", ran.stderr);
        }
        assert!(begin.elapsed() < WITHIN, "{number}: {:?}", begin.elapsed());
        fs::remove_dir_all(tree.at("var")).ok();
        assert_same(&tree.snapshot(), &before, message);
    }
}

#[test]
fn archive_with_odd_entries_is_refused_by_both() {
    let (tree, dir) = (image(), tempfile::tempdir().unwrap());
    let before = tree.snapshot();
    let path = dir.path().join("odd.tgz");
    let deep = "d/".repeat(45) + "f";
    for (message, name, kind) in [
        ("is a link", "loopback", b'2'),
        ("is a link", "loopback", b'1'),
        ("is a device or pipe", "null", b'3'),
        ("is a device or pipe", "disk", b'4'),
        ("is a device or pipe", "pipe", b'6'),
        ("is an absolute path", "/etc/cron.d/x", b'0'),
        ("has .. in its path", "a/../../x", b'0'),
        ("directories deep", deep.as_str(), b'0'),
        ("is in the archive twice", "./bridge", b'0'),
        ("a\\nedge-cni: forged\\u{202e} has invisible characters", "a\nedge-cni: forged\u{202e}", b'0'),
    ] {
        fs::write(&path, member(&[valid(), header(name, kind, 0), vec![0; 1024]].concat())).unwrap();
        for (utility, ran) in installs(&tree, &path) {
            assert!(ran.stderr.contains(message), "{message} {utility}: {}", ran.stderr);
            assert_eq!((ran.code, ran.stderr.lines().count()), (4, 2), "{message} {utility}: {}", ran.stderr);
        }
        fs::remove_dir_all(tree.at("var")).ok();
        assert_same(&tree.snapshot(), &before, message);
    }
}

#[test]
fn checksum_beside_an_archive_that_is_not_a_file_is_refused_and_does_not_hang() {
    let (tree, dir) = (image(), tempfile::tempdir().unwrap());
    let archive = dir.path().join("cni-plugins-linux-arm64-v9.9.9.tgz");
    let bytes = member(&[valid(), vec![0; 1024]].concat());
    fs::write(&archive, &bytes).unwrap();
    let sums = dir.path().join("cni-plugins-linux-arm64-v9.9.9.tgz.sha256");
    let offline = || {
        limited("edge-cni").arg("--root").arg(tree.path()).args(["install", "-n", "--offline"]).arg(dir.path()).run()
    };
    fs::write(&sums, sha256(&bytes)).unwrap();
    offline().expect(3);
    fs::remove_file(&sums).unwrap();
    let fifo = |path: &Path| assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
    let pipe = tree.at("pipe");
    fifo(&pipe);
    let makes: [(&str, &dyn Fn()); 4] = [
        ("it is not a regular file", &|| fifo(&sums)),
        ("it is not a regular file", &|| symlink(&pipe, &sums).unwrap()),
        ("it is not a regular file", &|| symlink("/dev/zero", &sums).unwrap()),
        ("it is larger than", &|| fs::File::create(&sums).unwrap().set_len(8 * GIB).unwrap()),
    ];
    for (message, make) in makes {
        make();
        let ran = offline().expect(4);
        assert!(ran.stderr.contains(message) && ran.stderr.contains("\nhint: "), "{message}: {}", ran.stderr);
        fs::remove_file(&sums).unwrap();
    }
    // The same for every other path that a user names.
    for name in ["edge-cni", "edge-crio"] {
        let tool = limited(name).arg("--root").arg(tree.path()).args(["install", "--archive"]).arg(&pipe);
        let version: &[&str] = if name == "edge-crio" { &["--version", "1.30.4"] } else { &[] };
        let ran = tool.args(["--sha256", &"0".repeat(64)]).args(version).run().expect(1);
        assert!(ran.stderr.contains("it is not a regular file"), "{}", ran.stderr);
    }
    fs::create_dir(dir.path().join("build")).unwrap();
    fifo(&dir.path().join("build/edge-cni.json"));
    let ran = offline().expect(1);
    assert!(ran.stderr.contains("edge-cni.json: it is not a regular file"), "{}", ran.stderr);
}
