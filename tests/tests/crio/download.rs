//! Downloads from servers that work, hang, redirect, fail or send something else.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use edgeutils_tests::standin::{ARM64, bundle};
use edgeutils_tests::tool::{Ran, Tool};
use edgeutils_tests::tree::{Tree, assert_same};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Serves one archive at /good/, and misbehaves at other paths. Ends with the test.
fn serve(archive: Vec<u8>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let archive = Arc::new(archive);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let archive = Arc::clone(&archive);
            // A client may close the connection.
            std::thread::spawn(move || answer(stream, port, &archive).ok());
        }
    });
    port
}

fn answer(mut stream: TcpStream, port: u16, archive: &[u8]) -> std::io::Result<()> {
    let mut line = String::new();
    let mut reader = BufReader::new(stream.try_clone()?);
    reader.read_line(&mut line)?;
    let mut header = String::new();
    while reader.read_line(&mut header)? > 2 {
        header.clear();
    }
    let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
    let length = archive.len();
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
    match path.split('/').nth(1).unwrap_or_default() {
        "good" => {
            stream.write_all(head.as_bytes())?;
            stream.write_all(archive)
        }
        "cut" => {
            stream.write_all(head.as_bytes())?;
            stream.write_all(&archive[..length / 2])
        }
        "silent" => {
            stream.write_all(head.as_bytes())?;
            stream.write_all(&archive[..length / 2])?;
            std::thread::sleep(std::time::Duration::from_secs(20));
            Ok(())
        }
        "moved" => {
            let to = path.replacen("moved", "good", 1);
            write!(stream, "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:{port}{to}\r\nContent-Length: 0\r\n\r\n")
        }
        "round" => write!(stream, "HTTP/1.1 302 Found\r\nLocation: {path}\r\nContent-Length: 0\r\n\r\n"),
        "endless" => {
            write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", 5_u64 << 30)?;
            stream.write_all(archive)
        }
        "down" => write!(stream, "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"),
        _ => write!(stream, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"),
    }
}

struct Site {
    port: u16,
    sum: String,
    to: Tree,
}

impl Site {
    fn new() -> Site {
        let dir = tempfile::tempdir().unwrap();
        let (archive, sum) = bundle(dir.path(), "1.30.4", "arm64", ARM64);
        Site { port: serve(std::fs::read(archive).unwrap()), sum, to: Tree::empty() }
    }

    fn download(&self, how: &str, sum: &str, more: &[&str]) -> Ran {
        let mirror = format!("http://127.0.0.1:{}/{how}/", self.port);
        let tool = Tool::new("edge-crio").args(["download", "--version", "1.30.4", "--arch", "arm64", "--sha256", sum]);
        tool.arg("--bundle-mirror").arg(mirror).arg("--to").arg(self.to.path()).args(more).run()
    }
}

#[test]
fn download_is_what_was_requested_or_nothing() {
    let site = Site::new();
    let empty = site.to.snapshot();
    let wrong = "0".repeat(64);
    let cases = [
        ("good", wrong.as_str(), 4, "its SHA-256 is"),
        ("cut", &site.sum, 1, "cannot download http://127.0.0.1:"),
        ("none", &site.sum, 1, "the server answers 404"),
        ("down", &site.sum, 1, "the server answers 503"),
        ("round", &site.sum, 1, "cannot download http://127.0.0.1:"),
        ("endless", &site.sum, 1, "the file is larger than 2048 MiB"),
        ("good", &site.sum[1..], 2, "expected 64 hexadecimal digits"),
    ];
    for (how, sum, code, said) in cases {
        let ran = site.download(how, sum, &[]);
        assert!(ran.stderr.contains(said), "{how}: {}", ran.stderr);
        ran.expect(code);
        assert_same(&site.to.snapshot(), &empty, how);
    }
    // The cause is the system's, without the words of a library.
    let args = ["download", "--version", "1.30.4", "--arch", "arm64", "--sha256", &site.sum, "--bundle-mirror"];
    let closed =
        Tool::new("edge-crio").args(args).args(["http://127.0.0.1:1/", "--to"]).arg(site.to.path()).run().expect(1);
    assert!(
        closed.stderr.contains(".tar.gz: Connection refused (os error 111)\nhint: check the network"),
        "{}",
        closed.stderr
    );
    let ran = site.download("good", &site.sum, &["-n"]).expect(3);
    assert!(ran.stdout.ends_with("\n1 change would be made\n"), "{}", ran.stdout);
    let records = site.download("good", &site.sum, &["-n", "--json"]).expect(3).stdout;
    assert!(!records.contains("\"type\":\"file\"") && records.contains("\"actions\":1,"), "{records}");
    assert_same(&site.to.snapshot(), &empty, "a dry run");
    for how in ["moved", "good"] {
        let ran = site.download(how, &site.sum, &["--json"]).expect(0);
        let last: serde_json::Value = serde_json::from_str(ran.stdout.lines().last().unwrap()).unwrap();
        assert_eq!(last["changed"], how == "moved", "{}", ran.stdout);
    }
    let name = "cri-o.arm64.v1.30.4.tar.gz";
    assert_eq!(site.to.read("SHA256SUMS"), format!("{}  {name}\n", site.sum));
    let sums = std::process::Command::new("sha256sum").args(["-c", "SHA256SUMS"]).current_dir(site.to.path()).output();
    assert!(sums.unwrap().status.success());
}

#[test]
fn folder_installs_without_a_network() {
    let site = Site::new();
    site.download("good", &site.sum, &[]).expect(0);
    let system = Tree::with(&[("etc/os-release", "ID=debian\nVERSION_ID=12\n")]);
    system.write("usr/bin/env", ARM64);
    let install = |version: &str| {
        let tool = Tool::new("edge-crio").arg("--root").arg(system.path()).args([
            "install",
            "--version",
            version,
            "--offline",
        ]);
        tool.arg(site.to.path()).run()
    };
    let good = site.to.read("SHA256SUMS");
    site.to.write("SHA256SUMS", "none  cri-o.arm64.v1.30.4.tar.gz\n");
    let ran = install("1.30").expect(1);
    let want = "cannot use cri-o.arm64.v1.30.4.tar.gz: its checksum in SHA256SUMS is not valid: \"none\"\nhint: create the list";
    assert!(ran.stderr.contains(want), "{}", ran.stderr);
    // Another archive under the name of a release with a known checksum.
    let known = "cri-o.arm64.v1.34.2.tar.gz";
    site.to.write("SHA256SUMS", format!("{}  {known}\n", site.sum));
    std::fs::copy(site.to.at("cri-o.arm64.v1.30.4.tar.gz"), site.to.at(known)).unwrap();
    let ran = install("1.34").expect(4);
    let want = format!("but SHA256SUMS has {}\nhint: the archive is not upstream's", site.sum);
    assert!(ran.stderr.contains(&want) && !ran.stderr.contains("--sha256"), "{}", ran.stderr);
    std::fs::remove_file(site.to.at(known)).unwrap();
    site.to.write("SHA256SUMS", good);
    let ran = install("1.31").expect(1);
    assert!(ran.stderr.contains("it contains neither a .deb file nor cri-o.arm64.v1.31.tar.gz"), "{}", ran.stderr);
    install("1.30").expect(0);
    assert_eq!(system.read("usr/local/bin/pinns"), "of 1.30.4\n");
    // A damaged copy is detected.
    let archive = site.to.at("cri-o.arm64.v1.30.4.tar.gz");
    let mut bytes = std::fs::read(&archive).unwrap();
    bytes[100] ^= 1;
    std::fs::write(&archive, bytes).unwrap();
    Tool::new("edge-crio").arg("--root").arg(system.path()).arg("remove").run().expect(0);
    let ran = install("1.30").expect(4);
    assert!(ran.stderr.contains("its SHA-256 is"), "{}", ran.stderr);
}

#[test]
fn install_downloads_and_leaves_no_temporary_files() {
    let site = Site::new();
    let system = Tree::with(&[("etc/os-release", "ID=debian\nVERSION_ID=12\n")]);
    system.write("usr/bin/env", ARM64);
    let install = |how: &str, more: &[&str]| {
        let url = format!("http://127.0.0.1:{}/{how}/cri-o.arm64.v1.30.4.tar.gz", site.port);
        let args = ["install", "--version", "1.30.4", "--archive", &url, "--sha256", &site.sum];
        Tool::new("edge-crio").arg("--root").arg(system.path()).args(args).args(more).run()
    };
    let ran = install("good", &["-n"]).expect(3);
    assert!(ran.stdout.contains("would download http://127.0.0.1"), "{}", ran.stdout);
    assert!(ran.stderr.contains("further changes depend on these"), "{}", ran.stderr);
    assert!(!ran.stdout.contains("already up to date"), "{}", ran.stdout);
    install("cut", &[]).expect(1);
    assert!(
        !system.at("var/lib/edgeutils/edge-crio").exists()
            || system.at("var/lib/edgeutils/edge-crio").read_dir().unwrap().count() == 0
    );
    install("good", &[]).expect(0);
    assert!(!system.at("var/lib/edgeutils/edge-crio").exists());
    // An installed bundle needs no server.
    install("none", &[]).expect(0);
}

#[test]
fn interrupted_download_ends_at_once_and_leaves_nothing() {
    let site = Site::new();
    let empty = site.to.snapshot();
    let mirror = format!("http://127.0.0.1:{}/silent/", site.port);
    let args =
        ["download", "--version", "1.30.4", "--arch", "arm64", "--sha256", &site.sum, "--bundle-mirror", &mirror];
    let start = || {
        let mut command = Tool::new("edge-crio").args(args).arg("--to").arg(site.to.path()).into_command();
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // Until its file is there, for ten seconds at most.
        for _ in 0..1000 {
            if site.to.path().read_dir().unwrap().count() > 0 {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        child
    };
    let child = start();
    let asked = Instant::now();
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), Signal::SIGTERM).unwrap();
    let ran = Ran::of(&child.wait_with_output().unwrap()).expect(5);
    assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());
    assert!(ran.stderr.contains("\nhint: run the same command again"), "{}", ran.stderr);
    assert_same(&site.to.snapshot(), &empty, "a download that was stopped");
    // The next run removes what a kill left.
    let mut child = start();
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(site.to.path().read_dir().unwrap().count(), 1);
    site.download("good", &site.sum, &[]).expect(0);
    assert_eq!(site.to.path().read_dir().unwrap().count(), 2, "the archive and its sum");
}
