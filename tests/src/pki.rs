//! CAs and certificates that were made by openssl and by a Go program.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use tempfile::TempDir;

use crate::tool::Ran;

/// A CA's key, by how it was written.
pub const CA_KEYS: [(&str, &str); 7] = [
    ("rsa-pkcs8", "openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048"),
    ("rsa-pkcs1", "openssl genrsa -traditional 3072"),
    ("p256-sec1", "openssl ecparam -name prime256v1 -genkey -noout"),
    ("p256-parameters", "openssl ecparam -name prime256v1 -genkey"),
    ("p384-sec1", "openssl ecparam -name secp384r1 -genkey -noout"),
    ("p384-pkcs8", "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384"),
    ("ed25519", "openssl genpkey -algorithm ED25519"),
];

/// A directory with CAs.
#[derive(Debug)]
pub struct Pki {
    dir: TempDir,
}

impl Pki {
    /// An empty one.
    pub fn new() -> Pki {
        Pki { dir: tempfile::Builder::new().prefix("edgeutils-pki-").tempdir().unwrap() }
    }

    /// A file in it.
    pub fn at(&self, name: &str) -> String {
        self.dir.path().join(name).to_str().unwrap().to_owned()
    }

    /// Makes a CA with the key that `command` prints: NAME.crt and NAME.key.
    pub fn authority(&self, name: &str, command: &str) {
        let (key, crt) = (self.at(&format!("{name}.key")), self.at(&format!("{name}.crt")));
        shell(&format!("{command} > {key} 2>/dev/null"));
        shell(&format!(
            "openssl req -x509 -new -key {key} -out {crt} -days 3650 -subj /CN=kubernetes -addext keyUsage=critical,keyCertSign"
        ));
    }

    /// The same with a quick key.
    pub fn usual(name: &str) -> Pki {
        let pki = Pki::new();
        pki.authority(name, CA_KEYS[2].1);
        pki
    }

    /// What the program in Go calls odd; none where Go is not there.
    pub fn odd() -> Option<Pki> {
        let pki = Pki::new();
        let ran = go(&["odd", pki.dir.path().to_str().unwrap()])?;
        ran.expect(0);
        Some(pki)
    }
}

impl Default for Pki {
    fn default() -> Pki {
        Pki::new()
    }
}

/// Runs a line of shell that must succeed; what it printed.
#[track_caller]
pub fn shell(line: &str) -> String {
    let output = Command::new("sh").args(["-c", line]).output().unwrap();
    let ran = Ran::of(&output);
    assert_eq!(ran.code, 0, "{line}\n{}{}", ran.stdout, ran.stderr);
    ran.stdout
}

/// What openssl says of a certificate.
#[track_caller]
pub fn x509(file: &Path, option: &str) -> String {
    // By default, versions differ in how they print a name.
    shell(&format!("openssl x509 -noout -nameopt oneline {option} -in {}", file.display()))
}

/// Runs the program in Go; none where Go is not there.
pub fn go(args: &[&str]) -> Option<Ran> {
    static BUILT: OnceLock<Option<PathBuf>> = OnceLock::new();
    let program = BUILT.get_or_init(build).as_ref()?;
    // It ends where it fails, and leaves what it made.
    let scratch = tempfile::tempdir().unwrap();
    Some(Ran::of(&Command::new(program).args(args).env("TMPDIR", scratch.path()).output().unwrap()))
}

fn build() -> Option<PathBuf> {
    let version = Command::new("go").arg("version").output().ok()?;
    if !version.status.success() {
        return None;
    }
    // target/PROFILE/deps/this-test
    let own = std::env::current_exe().unwrap();
    let dir = own.parent().unwrap().parent().unwrap().join("go");
    let (program, building) = (dir.join("certs"), dir.join(format!("certs-{}", std::process::id())));
    let output = Command::new("go")
        .args(["build", "-o"])
        .arg(&building)
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("go/certs.go"))
        .envs([("GOPROXY", "off"), ("GO111MODULE", "off"), ("GOTOOLCHAIN", "local"), ("CGO_ENABLED", "0")])
        .env("GOCACHE", dir.join("cache"))
        .output()
        .unwrap();
    Ran::of(&output).expect(0);
    std::fs::rename(building, &program).unwrap();
    Some(program)
}
