//! The double of cloudcore, and the stand-in for edgecore that connects to it: programs in Go's standard library
//! (tests/go/cloudcore), built once and run as daemons that end with their handle.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;

use crate::standin::go_build;

const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/go/cloudcore");
/// What KubeEdge's own build passes for its version.
const VERSION: &str = "github.com/kubeedge/kubeedge/pkg/version.gitVersion";

/// The program of the double; none where Go is not there.
pub fn program() -> Option<PathBuf> {
    static BUILT: OnceLock<Option<PathBuf>> = OnceLock::new();
    BUILT.get_or_init(|| program_for("amd64").ok()).clone()
}

/// The program of the double for an architecture, by Go's name. Errors: why it cannot be built on this machine.
pub fn program_for(arch: &str) -> Result<PathBuf, String> {
    compile("cloudcore", ".", arch, "0.0.0")
}

/// Builds the stand-in for edgecore for an architecture, by Go's name, with a version such as `1.23.1` that is found in it
/// as in a real one. Errors: why it cannot be built on this machine.
pub fn edgecore(arch: &str, version: &str) -> Result<PathBuf, String> {
    compile("edgecore", "./edgecore", arch, version)
}

fn compile(name: &str, package: &str, arch: &str, version: &str) -> Result<PathBuf, String> {
    // It has no modules but Go's own. Not with -trimpath, which leaves the flags out of the program.
    let environment = [("GOPROXY", "off"), ("GOTOOLCHAIN", "local")];
    let variable = format!("{VERSION}=v{version}");
    go_build(Path::new(SOURCE), "cloudcore", [name, package, arch, version], &variable, &environment)
}

/// The CA of a cloudcore, the pair of its server, and a token.
#[derive(Debug)]
pub struct Authority {
    dir: TempDir,
}

impl Authority {
    /// Whose server certificate has these names, separated by commas. None where Go is not there.
    pub fn new(sans: &str) -> Option<Authority> {
        Authority::with(&["--san", sans])
    }

    /// With other options of `cloudcore make`.
    pub fn with(options: &[&str]) -> Option<Authority> {
        let dir = tempfile::Builder::new().prefix("edgeutils-cloud-").tempdir().unwrap();
        let status = Command::new(program()?).arg("make").arg(dir.path()).args(options).status().unwrap();
        assert!(status.success(), "cloudcore make {options:?}");
        Some(Authority { dir })
    }

    /// A file in it: `ca.crt`, `ca.key`, `server.crt`, `server.key`, `token`.
    pub fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Its directory.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Its token, valid for a day.
    pub fn token(&self) -> String {
        fs::read_to_string(self.at("token")).unwrap()
    }

    /// Another token, which expires in this many seconds.
    pub fn token_for(&self, seconds: i64) -> String {
        let mut command = Command::new(program().unwrap());
        let output = command.arg("token").arg(self.path()).args(["--seconds", &seconds.to_string()]).output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }
}

/// What a double is started with.
#[derive(Debug, Default)]
pub struct Settings<'a> {
    /// `1.8`, `1.18`, `1.20` or `1.23`; empty for the newest.
    pub version: &'a str,
    /// Modes, separated by commas (`modes` in main.go).
    pub mode: &'a str,
    /// Seconds that its clock is ahead.
    pub skew: i64,
    /// Its address; 127.0.0.1 if it is empty.
    pub address: &'a str,
    /// Its ports for hub, HTTPS and tunnel; any free ones if it is empty.
    pub ports: &'a str,
    /// Another CA, for the modes that need one.
    pub other: Option<&'a Authority>,
}

/// A double that runs, and ends with this value.
#[derive(Debug)]
pub struct Cloudcore {
    child: Child,
    scratch: TempDir,
    /// The port of the hub; 0 if nothing listens.
    pub hub: u16,
    /// The HTTPS port.
    pub https: u16,
    /// The tunnel port.
    pub tunnel: u16,
}

/// A request that the double has recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// `hub`, `https` or `tunnel`.
    pub port: String,
    /// Request line and headers, byte by byte, without the empty line.
    pub head: String,
    /// The body in base64.
    pub body: String,
}

impl Cloudcore {
    /// Starts one, and waits until its ports listen.
    pub fn start(authority: &Authority, settings: &Settings<'_>) -> Cloudcore {
        let scratch = tempfile::tempdir().unwrap();
        let or = |text: &str, usual: &str| if text.is_empty() { usual.to_owned() } else { text.to_owned() };
        let mut command = Command::new(program().unwrap());
        command.arg("serve").arg(authority.path());
        for (option, value) in [
            ("--version", or(settings.version, "1.23")),
            ("--mode", settings.mode.to_owned()),
            ("--skew", settings.skew.to_string()),
            ("--address", or(settings.address, "127.0.0.1")),
            ("--ports", or(settings.ports, "0,0,0")),
        ] {
            command.args([option, &value]);
        }
        if let Some(other) = settings.other {
            command.arg("--other").arg(other.path());
        }
        command.arg("--record").arg(scratch.path().join("record")).arg("--nodes").arg(scratch.path().join("nodes"));
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ports: Value = serde_json::from_str(&line).expect("the double did not start");
        let port = |name: &str| u16::try_from(ports[name].as_u64().unwrap_or(0)).unwrap();
        let (hub, https, tunnel) = (port("hub"), port("https"), port("tunnel"));
        Cloudcore { child, scratch, hub, https, tunnel }
    }

    /// The options by which a utility finds it; where nothing listens, ports at which nothing does.
    pub fn options(&self) -> Vec<String> {
        let ports = [("--hub-port", self.hub, 1), ("--https-port", self.https, 2), ("--tunnel-port", self.tunnel, 3)];
        let shown = |port: u16, unused: u16| if port == 0 { unused } else { port }.to_string();
        ports.into_iter().flat_map(|(option, port, unused)| [option.to_owned(), shown(port, unused)]).collect()
    }

    /// The nodes that the API server has, beside those that are connected.
    pub fn set_nodes(&self, names: &[&str]) {
        fs::write(self.scratch.path().join("nodes"), names.join("\n")).unwrap();
    }

    /// The requests so far, in order.
    pub fn requests(&self) -> Vec<Recorded> {
        let text = fs::read_to_string(self.scratch.path().join("record")).unwrap_or_default();
        let of = |line: &str| {
            let value: Value = serde_json::from_str(line).unwrap();
            let field = |name: &str| value[name].as_str().unwrap().to_owned();
            Recorded { port: field("port"), head: field("head"), body: field("body") }
        };
        text.lines().map(of).collect()
    }
}

impl Drop for Cloudcore {
    fn drop(&mut self) {
        kill(Pid::from_raw(self.child.id().try_into().unwrap()), Signal::SIGKILL).ok();
        self.child.wait().ok();
    }
}
