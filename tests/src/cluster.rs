//! A real Kubernetes API server with its controllers, without nodes: nothing runs, but every object is validated, stored
//! and acted on. Built by Go once into the user's cache (tests/go/kubetest), with etcd of Debian.

use std::fs::{self, File};
use std::io::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};

use nix::fcntl::{Flock, FlockArg};
use sha2::{Digest, Sha256};

use crate::debian;
use crate::tool::Ran;

const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/go/kubetest");
/// The version in go.mod: without it in the program, kubectl cannot parse the version of the server.
const VERSION: (&str, &str, &str) = ("v1.34.4", "1", "34");
const TOKEN: &str = "test-token";
/// It takes 5 to 8 seconds on two idle cores.
const STARTS_WITHIN: Duration = Duration::from_secs(180);
const CONTROLLERS: &str = "daemonset-controller,serviceaccount-controller,serviceaccount-token-controller,\
namespace-controller,garbage-collector-controller,root-ca-certificate-publisher-controller";

/// A running cluster. Its processes end with the test program.
#[derive(Debug)]
pub struct Cluster {
    program: PathBuf,
    kubeconfig: PathBuf,
    /// Keeps the thread that has started the processes, with which they end.
    _alive: Sender<()>,
    _dir: tempfile::TempDir,
}

/// The cluster of this test program, started by the first test that needs it. Errors: why it cannot be done here.
pub fn shared() -> Result<&'static Cluster, String> {
    static CLUSTER: OnceLock<Result<Cluster, String>> = OnceLock::new();
    CLUSTER.get_or_init(Cluster::start).as_ref().map_err(Clone::clone)
}

/// The same, for a test that is skipped without one.
pub fn for_test(test: &str) -> Option<&'static Cluster> {
    shared().map_err(|why| crate::skip(test, &why)).ok()
}

/// API server, controller manager and kubectl in one program: that of the cache, or a new one. A cold build takes ten
/// minutes of a processor. Errors: why it cannot be built on this machine.
pub fn program() -> Result<PathBuf, String> {
    let version = Command::new("go").arg("version").output().map_err(|cause| format!("cannot run go: {cause}"))?;
    let mut hash = Sha256::new();
    hash.update(&version.stdout);
    for file in ["go.mod", "go.sum", "main.go"] {
        hash.update(fs::read(Path::new(SOURCE).join(file)).map_err(|cause| cause.to_string())?);
    }
    let key: String = hash.finalize().iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    let dir = debian::cache()?;
    fs::create_dir_all(&dir).map_err(|cause| cause.to_string())?;
    let built = dir.join(format!("kubetest-{key}"));
    // Of several test programs at the same time one builds it.
    let lock = File::create(dir.join(format!("kubetest-{key}.lock"))).map_err(|cause| cause.to_string())?;
    let _held = Flock::lock(lock, FlockArg::LockExclusive).map_err(|(_, errno)| errno.to_string())?;
    if built.exists() {
        return Ok(built);
    }
    let stamp = |name: &str, value: &str| format!("-X k8s.io/component-base/version.git{name}={value}");
    let (version, major, minor) = VERSION;
    let flags = format!("-s -w {} {} {}", stamp("Version", version), stamp("Major", major), stamp("Minor", minor));
    let fresh = dir.join(format!("kubetest-{key}.new"));
    let output = Command::new("go")
        // One package at a time, as other tests run meanwhile; with a lower priority, they would wait for it in the end.
        .args(["build", "-p", "1", "-trimpath", "-buildvcs=false", "-ldflags", &flags, "-o"])
        .arg(&fresh)
        .arg(".")
        .current_dir(SOURCE)
        .env("CGO_ENABLED", "0")
        .env("GOFLAGS", "-mod=readonly")
        .output()
        .map_err(|cause| format!("cannot run go: {cause}"))?;
    if !output.status.success() {
        return Err(format!("cannot build the API server: {}", String::from_utf8_lossy(&output.stderr).trim_end()));
    }
    fs::rename(&fresh, &built).map_err(|cause| cause.to_string())?;
    Ok(built)
}

/// etcd of Debian: that of the cache, or a new one. The package is not installed, as that would start its service.
fn etcd() -> Result<PathBuf, String> {
    let dir = debian::cache()?;
    fs::create_dir_all(&dir).map_err(|cause| cause.to_string())?;
    let program = dir.join("etcd");
    let lock = File::create(dir.join("etcd.lock")).map_err(|cause| cause.to_string())?;
    let _held = Flock::lock(lock, FlockArg::LockExclusive).map_err(|(_, errno)| errno.to_string())?;
    if program.exists() {
        return Ok(program);
    }
    let place = tempfile::Builder::new().prefix("etcd-").tempdir_in(&dir).map_err(|cause| cause.to_string())?;
    let script = "apt-get -q download etcd-server && dpkg-deb --extract etcd-server_*.deb . && mv usr/bin/etcd \"$1\"";
    let output = Command::new("sh").args(["-c", script, "sh"]).arg(&program).current_dir(place.path()).output();
    let output = output.map_err(|cause| format!("cannot run sh: {cause}"))?;
    if !output.status.success() {
        return Err(format!("cannot download etcd-server: {}", String::from_utf8_lossy(&output.stderr).trim_end()));
    }
    Ok(program)
}

impl Cluster {
    fn start() -> Result<Cluster, String> {
        let etcd_program = etcd()?;
        let program = program()?;
        let dir = tempfile::Builder::new().prefix("edgeutils-cluster-").tempdir().map_err(|cause| cause.to_string())?;
        let [client, peer, secure] = free_ports()?;
        let at = |name: &str| dir.path().join(name).to_string_lossy().into_owned();
        let kubeconfig = PathBuf::from(at("kubeconfig"));
        let write = |name: &str, text: &str| fs::write(dir.path().join(name), text).map_err(|cause| cause.to_string());
        write("tokens.csv", &format!("{TOKEN},admin,admin,system:masters\n"))?;
        write("kubeconfig", &configuration(secure))?;
        let key = Command::new("openssl").args(["genrsa", "-out", &at("accounts.key"), "2048"]).output();
        if !key.map_err(|cause| format!("cannot run openssl: {cause}"))?.status.success() {
            return Err("openssl makes no key".to_owned());
        }
        let (etcd, peers) = (format!("http://127.0.0.1:{client}"), format!("http://127.0.0.1:{peer}"));
        let calls: [(PathBuf, Vec<String>, String); 3] = [
            (
                etcd_program,
                words(&format!(
                    "--data-dir={} --listen-client-urls={etcd} --advertise-client-urls={etcd} --listen-peer-urls={peers} \
                     --initial-advertise-peer-urls={peers} --initial-cluster=default={peers} --unsafe-no-fsync",
                    at("etcd")
                )),
                at("etcd.log"),
            ),
            (
                program.clone(),
                words(&format!(
                    "kube-apiserver --etcd-servers={etcd} --cert-dir={} --secure-port={secure} --bind-address=127.0.0.1 \
                     --service-account-issuer=https://kubernetes.default.svc --service-account-key-file={key} \
                     --service-account-signing-key-file={key} --service-cluster-ip-range=10.96.0.0/16 \
                     --authorization-mode=RBAC --allow-privileged=true --token-auth-file={}",
                    at("certs"),
                    at("tokens.csv"),
                    key = at("accounts.key"),
                )),
                at("kube-apiserver.log"),
            ),
            (
                program.clone(),
                words(&format!(
                    "kube-controller-manager --kubeconfig={} --leader-elect=false --controllers={CONTROLLERS} \
                     --service-account-private-key-file={} --root-ca-file={} --secure-port=0",
                    at("kubeconfig"),
                    at("accounts.key"),
                    at("certs/apiserver.crt"),
                )),
                at("kube-controller-manager.log"),
            ),
        ];
        let alive = run_all(calls, dir.path().to_path_buf())?;
        let cluster = Cluster { program, kubeconfig, _alive: alive, _dir: dir };
        cluster.wait_until_ready()?;
        Ok(cluster)
    }

    fn wait_until_ready(&self) -> Result<(), String> {
        let until = Instant::now() + STARTS_WITHIN;
        // The service account of a namespace is made by the controllers.
        let calls: [&[&str]; 2] = [&["get", "--raw", "/readyz"], &["get", "serviceaccount", "default"]];
        while calls.iter().any(|call| self.kubectl(call, "").code != 0) {
            if Instant::now() > until {
                let log = fs::read_to_string(self._dir.path().join("kube-apiserver.log")).unwrap_or_default();
                let last: Vec<&str> = log.lines().rev().take(3).collect();
                return Err(format!("the API server is not ready: {}", last.join("; ")));
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        Ok(())
    }

    /// Runs kubectl with this on its standard input.
    pub fn kubectl(&self, args: &[&str], input: &str) -> Ran {
        let mut child = Command::new(&self.program)
            .arg("kubectl")
            .args(args)
            .env("KUBECONFIG", &self.kubeconfig)
            .env("HOME", self._dir.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let input = input.to_owned();
        // Not every call reads it.
        let feed = std::thread::spawn(move || stdin.write_all(input.as_bytes()).is_ok());
        let output = child.wait_with_output().unwrap();
        feed.join().unwrap();
        Ran::of(&output)
    }

    /// The same, for a call that must succeed; its standard output.
    #[track_caller]
    pub fn done(&self, args: &str, input: &str) -> String {
        let ran = self.kubectl(&args.split(' ').collect::<Vec<_>>(), input);
        assert_eq!(ran.code, 0, "kubectl {args}: {}", ran.stderr);
        ran.stdout
    }

    /// Waits until a call prints what is expected of it.
    #[track_caller]
    pub fn eventually(&self, args: &str, expected: impl Fn(&str) -> bool) -> String {
        let until = Instant::now() + Duration::from_secs(60);
        loop {
            let printed = self.done(args, "");
            if expected(&printed) {
                return printed;
            }
            assert!(Instant::now() < until, "kubectl {args} still prints:\n{printed}");
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

/// Starts all of them from a thread that waits for its end: the kernel kills them when it ends, even after a crash. What
/// they have written is removed by a shell that waits for the end of the pipe to it.
fn run_all(calls: [(PathBuf, Vec<String>, String); 3], dir: PathBuf) -> Result<Sender<()>, String> {
    let (alive, ended) = channel::<()>();
    let (started, result) = channel();
    std::thread::spawn(move || {
        let spawn = |(program, args, log): (PathBuf, Vec<String>, String)| {
            let log = File::create(log).map_err(|cause| cause.to_string())?;
            let copy = log.try_clone().map_err(|cause| cause.to_string())?;
            let mut command = Command::new("setpriv");
            command.args(["--pdeathsig", "KILL", "--"]).arg(program).args(args);
            command
                .stdin(Stdio::null())
                .stdout(log)
                .stderr(copy)
                .spawn()
                .map_err(|cause| format!("cannot run setpriv: {cause}"))
        };
        let all: Result<Vec<_>, String> = calls.into_iter().map(spawn).collect();
        let mut cleaner = Command::new("sh");
        cleaner.args(["-c", "read -r _; sleep 1; rm -rf \"$1\"", "sh"]).arg(dir);
        let cleaner = cleaner.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let failed = all.as_ref().err().cloned().or(cleaner.as_ref().err().map(ToString::to_string));
        let _ = started.send(failed);
        // Until the cluster is dropped, or the program ends.
        let _ = ended.recv();
        for mut child in all.into_iter().flatten() {
            let _ = child.kill();
            let _ = child.wait();
        }
    });
    match result.recv().map_err(|cause| cause.to_string())? {
        None => Ok(alive),
        Some(why) => Err(why),
    }
}

fn configuration(port: u16) -> String {
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: test\n\
         clusters: [{{name: test, cluster: {{server: 'https://127.0.0.1:{port}', insecure-skip-tls-verify: true}}}}]\n\
         users: [{{name: test, user: {{token: {TOKEN}}}}}]\n\
         contexts: [{{name: test, context: {{cluster: test, user: test}}}}]\n"
    )
}

/// Ports of the loopback interface that nothing uses.
fn free_ports<const N: usize>() -> Result<[u16; N], String> {
    let mut held = Vec::new();
    let mut ports = [0; N];
    for port in &mut ports {
        let listener = TcpListener::bind("127.0.0.1:0").map_err(|cause| cause.to_string())?;
        *port = listener.local_addr().map_err(|cause| cause.to_string())?.port();
        held.push(listener);
    }
    Ok(ports)
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}
