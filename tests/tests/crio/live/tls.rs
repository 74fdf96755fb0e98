//! Downloads over TLS from openssl, with a CA of the test that is only trusted in a mount namespace.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use edgeutils_tests::pki::{Pki, shell};
use edgeutils_tests::standin::{ARM64, bundle};
use edgeutils_tests::tool::{self, Ran};
use edgeutils_tests::tree::{Tree, assert_same};
use edgeutils_tests::{live, skip};

const NAME: &str = "cri-o.arm64.v1.30.4.tar.gz";
const PROGRAM: &[u8] = ARM64;
/// The host's list of trusted CAs, over which the test mounts its own.
const AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// An openssl server with one certificate; it is stopped when the value is dropped.
struct Server {
    child: Child,
    port: u16,
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have exited already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// HTTP responses, one file each, and certificates for the servers.
struct Site {
    pki: Pki,
    files: Tree,
    archive: Vec<u8>,
    sum: String,
    to: Tree,
}

impl Site {
    fn new() -> Site {
        let dir = tempfile::tempdir().unwrap();
        let (archive, sum) = bundle(dir.path(), "1.30.4", "arm64", PROGRAM);
        let site = Site {
            pki: Pki::usual("ca"),
            files: Tree::new(),
            archive: std::fs::read(archive).unwrap(),
            sum,
            to: Tree::new(),
        };
        // The same name with another key.
        site.pki.authority("namesake", "openssl ecparam -name prime256v1 -genkey -noout");
        let stranger = ["key", "crt"].map(|kind| site.pki.at(&format!("stranger.{kind}")));
        shell(&format!(
            "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout {} -out {} -subj /CN=stranger 2>&1",
            stranger[0], stranger[1]
        ));
        site.answer("good", &format!("200 OK\r\nContent-Length: {}", site.archive.len()), &site.archive);
        site.answer("cut", &format!("200 OK\r\nContent-Length: {}", site.archive.len()), &site.archive[..900]);
        // Without a length, only TLS shows the end of the body.
        site.answer("open", "200 OK", &site.archive);
        site
    }

    fn answer(&self, how: &str, head: &str, body: &[u8]) {
        let head = format!("HTTP/1.1 {head}\r\nConnection: close\r\n\r\n");
        self.files.write(&format!("{how}/{NAME}"), [head.as_bytes(), body].concat());
    }

    /// Makes a certificate of this CA for these names, with this validity.
    fn certify(&self, name: &str, ca: &str, alternatives: &str, from: &str, until: &str) {
        let at = |file: &str| self.pki.at(file);
        let config = format!(
            "[ca]\ndefault_ca=c\n[c]\ndatabase={0}\nnew_certs_dir={1}\nrand_serial=yes\npolicy=p\ndefault_md=sha256\n\
             x509_extensions=x\n[p]\ncommonName=supplied\n[x]\nsubjectAltName={alternatives}\n\
             extendedKeyUsage=serverAuth\nbasicConstraints=CA:FALSE\n",
            at(&format!("{name}.db")),
            at("."),
        );
        std::fs::write(at(&format!("{name}.cnf")), config).unwrap();
        std::fs::write(at(&format!("{name}.db")), "").unwrap();
        let (key, csr, crt) = (at(&format!("{name}.key")), at(&format!("{name}.csr")), at(&format!("{name}.crt")));
        shell(&format!("openssl ecparam -name prime256v1 -genkey -noout -out {key}"));
        shell(&format!("openssl req -new -key {key} -subj /CN={name} -out {csr}"));
        shell(&format!(
            "openssl ca -batch -notext -config {} -cert {} -keyfile {} -startdate {from} -enddate {until} -in {csr} -out {crt} 2>&1",
            at(&format!("{name}.cnf")),
            at(&format!("{ca}.crt")),
            at(&format!("{ca}.key"))
        ));
    }

    fn serve(&self, name: &str, options: &[&str]) -> Server {
        let mut child = Command::new("openssl")
            .args(["s_server", "-accept", "127.0.0.1:0", "-HTTP"])
            .args(["-cert", &self.pki.at(&format!("{name}.crt")), "-key", &self.pki.at(&format!("{name}.key"))])
            .args(options)
            .current_dir(self.files.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = lines.by_ref().map(Result::unwrap).find(|line| line.starts_with("ACCEPT")).unwrap();
        let port = line.trim().rsplit(':').next().unwrap().parse().unwrap();
        // Its output must be read, or it would block.
        std::thread::spawn(move || lines.for_each(drop));
        Server { child, port }
    }

    /// Runs edge-crio on a host that trusts the CA of this name.
    fn crio(&self, trusted: &str, variables: &[(&str, &str)], args: &[&str]) -> Ran {
        let mut command = Command::new("timeout");
        command.args(["--kill-after=1", "60", "unshare", "-m", "--propagation", "private", "--", "sh", "-c"]);
        command.arg(format!("mount --bind {} {AUTHORITIES} && exec \"$@\"", self.pki.at(&format!("{trusted}.crt"))));
        command.arg("sh").arg(tool::path("edge-crio")).args(args);
        command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").envs(variables.iter().copied());
        Ran::of(&command.output().unwrap())
    }

    fn download(&self, trusted: &str, variables: &[(&str, &str)], url: &str) -> Ran {
        let to = self.to.path().to_str().unwrap();
        let args = ["download", "--version", "1.30.4", "--arch", "arm64", "--sha256", &self.sum, "--to", to];
        self.crio(trusted, variables, &[&args[..], &["--bundle-mirror", url]].concat())
    }
}

fn cannot(test: &str) -> bool {
    if !live::can_unshare() {
        skip(test, "no namespaces can be made");
    } else if !Path::new(AUTHORITIES).exists() {
        skip(test, "ca-certificates is not installed");
    } else {
        return false;
    }
    true
}

const LONG_AGO: &str = "20200101000000Z";
const PAST: &str = "20210101000000Z";
const FAR: &str = "20490101000000Z";

#[test]
fn server_with_an_invalid_certificate_is_refused() {
    if cannot("server_with_an_invalid_certificate_is_refused") {
        return;
    }
    let site = Site::new();
    let names = "DNS:localhost,IP:127.0.0.1";
    site.certify("good", "ca", names, LONG_AGO, FAR);
    site.certify("expired", "ca", names, LONG_AGO, PAST);
    site.certify("early", "ca", names, "20480101000000Z", FAR);
    site.certify("other", "ca", "DNS:other.example", LONG_AGO, FAR);
    let empty = site.to.snapshot();
    for (certificate, trusted, host, cause, hint) in [
        ("good", "stranger", "localhost", "is from ", "update-ca-certificates"),
        ("good", "namesake", "localhost", "is from ", "update-ca-certificates"),
        ("expired", "ca", "localhost", "has expired\n", "clock"),
        ("early", "ca", "localhost", "is not valid yet\n", "clock"),
        ("other", "ca", "localhost", "is for another name\n", "address"),
        ("other", "ca", "127.0.0.1", "is for another name\n", "address"),
    ] {
        let server = site.serve(certificate, &[]);
        let url = format!("https://{host}:{}/good/", server.port);
        let ran = site.download(trusted, &[], &url).expect(1);
        let want = format!("edge-crio: cannot download {url}{NAME}: the server's certificate {cause}");
        assert!(ran.stderr.starts_with(&want), "{certificate}: {}", ran.stderr);
        let given = ran.stderr.split_once("\nhint: ").map_or("", |(_, given)| given);
        assert!(given.contains(hint), "{certificate}: {}", ran.stderr);
        assert_same(&site.to.snapshot(), &empty, certificate);
    }
    for (host, options) in [("localhost", &["-tls1_3"][..]), ("127.0.0.1", &["-tls1_2"])] {
        let server = site.serve("good", options);
        site.download("ca", &[], &format!("https://{host}:{}/good/", server.port)).expect(0);
        assert!(std::fs::read(site.to.at(NAME)).unwrap() == site.archive, "{options:?}");
        std::fs::remove_file(site.to.at(NAME)).unwrap();
    }
    let server = site.serve("good", &["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"]);
    let ran = site.download("ca", &[], &format!("https://localhost:{}/good/", server.port)).expect(1);
    assert!(ran.stderr.contains("cannot download https://localhost:"), "{}", ran.stderr);
}

#[test]
fn incomplete_or_redirected_download_is_not_kept() {
    if cannot("incomplete_or_redirected_download_is_not_kept") {
        return;
    }
    let site = Site::new();
    site.certify("good", "ca", "DNS:localhost", LONG_AGO, FAR);
    let server = site.serve("good", &[]);
    let base = format!("https://localhost:{}", server.port);
    site.answer("moved", &format!("302 Found\r\nLocation: {base}/good/{NAME}\r\nContent-Length: 0"), b"");
    site.answer("down", "302 Found\r\nLocation: http://user:secret@localhost:1/x\r\nContent-Length: 0", b"");
    let empty = site.to.snapshot();
    for (how, code, said) in [
        ("cut", 1, "\nhint: run the same command again"),
        ("down", 1, "the server redirects to http://localhost:1/x, which does not use TLS\nhint: "),
    ] {
        let ran = site.download("ca", &[], &format!("{base}/{how}/")).expect(code);
        assert!(ran.stderr.contains(said) && !ran.stderr.contains("secret"), "{how}: {}", ran.stderr);
        assert_same(&site.to.snapshot(), &empty, how);
    }
    // The server sends all of it now.
    site.answer("cut", &format!("200 OK\r\nContent-Length: {}", site.archive.len()), &site.archive);
    for how in ["cut", "moved", "open"] {
        site.download("ca", &[], &format!("{base}/{how}/")).expect(0);
        assert!(std::fs::read(site.to.at(NAME)).unwrap() == site.archive, "{how}");
        std::fs::remove_file(site.to.at(NAME)).unwrap();
    }

    // An install into an image, with the archive's own address.
    let root = Tree::with(&[("etc/os-release", "ID=debian\nVERSION_ID=12\n")]);
    root.write("usr/bin/env", PROGRAM);
    let url = format!("{base}/good/{NAME}");
    let root_dir = root.path().to_str().unwrap();
    let args = ["--root", root_dir, "install", "--version", "1.30.4", "--archive", &url, "--sha256", &site.sum];
    let ran = site.crio("stranger", &[], &args).expect(1);
    assert!(ran.stderr.contains("does not trust"), "{}", ran.stderr);
    assert!(!root.at("usr/local/bin/crio").exists());
    site.crio("ca", &[], &args).expect(0);
    assert!(root.at("usr/local/bin/crio").exists());
}

/// A proxy that tunnels TLS with CONNECT, and the number of connections.
fn proxy() -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (port, count) = (listener.local_addr().unwrap().port(), Arc::new(AtomicUsize::new(0)));
    let counter = Arc::clone(&count);
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            counter.fetch_add(1, Ordering::SeqCst);
            // A client may close the connection.
            std::thread::spawn(move || carry(client).ok());
        }
    });
    (port, count)
}

fn carry(mut client: TcpStream) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        client.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let Some(to) = head.strip_prefix("CONNECT ").and_then(|rest| rest.split(' ').next()) else {
        return client.write_all(b"HTTP/1.1 405 Only CONNECT\r\nContent-Length: 0\r\n\r\n");
    };
    let mut server = TcpStream::connect(to.replace("localhost", "127.0.0.1"))?;
    client.write_all(b"HTTP/1.1 200 Connected\r\n\r\n")?;
    let (mut from, mut into) = (server.try_clone()?, client.try_clone()?);
    std::thread::spawn(move || {
        std::io::copy(&mut from, &mut into).ok();
        into.shutdown(std::net::Shutdown::Write).ok();
    });
    std::io::copy(&mut client, &mut server)?;
    server.shutdown(std::net::Shutdown::Write)
}

#[test]
fn proxy_is_used_unless_no_proxy_excludes_the_host() {
    if cannot("proxy_is_used_unless_no_proxy_excludes_the_host") {
        return;
    }
    let site = Site::new();
    site.certify("good", "ca", "DNS:localhost", LONG_AGO, FAR);
    let server = site.serve("good", &[]);
    let (port, count) = proxy();
    let (address, url) = (format!("http://127.0.0.1:{port}"), format!("https://localhost:{}/good/", server.port));
    let passed = |ran: Ran, want: usize, what: &str| {
        assert_eq!(ran.code, 0, "{what}: {}", ran.stderr);
        assert_eq!(count.swap(0, Ordering::SeqCst), want, "{what}");
        std::fs::remove_file(site.to.at(NAME)).ok();
    };
    passed(site.download("ca", &[], &url), 0, "no proxy");
    passed(site.download("ca", &[("HTTPS_PROXY", &address)], &url), 1, "HTTPS_PROXY");
    passed(site.download("ca", &[("https_proxy", &address), ("NO_PROXY", "localhost")], &url), 0, "NO_PROXY");

    let install = |more: &[&str]| {
        let root = Tree::with(&[("etc/os-release", "ID=debian\nVERSION_ID=12\n")]);
        root.write("usr/bin/env", PROGRAM);
        let (archive, root_dir) = (format!("{url}{NAME}"), root.path().to_str().unwrap().to_owned());
        let args =
            ["--root", &root_dir, "install", "--version", "1.30.4", "--archive", &archive, "--sha256", &site.sum];
        site.crio("ca", &[("HTTPS_PROXY", "http://127.0.0.1:1")], &[&args[..], more].concat())
    };
    passed(install(&["--proxy", &address]), 1, "--proxy");
    passed(install(&["--proxy", &address, "--no-proxy", "10.0.0.0/8,localhost"]), 0, "--no-proxy");
    let ran = install(&[]).expect(1);
    assert!(ran.stderr.contains("hint: check the network and the proxy"), "{}", ran.stderr);
}
