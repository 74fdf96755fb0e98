//! What on this host would keep edgecore from starting: names, processes, ports, control groups, and KubeEdge's files.

use std::path::{Path, PathBuf};

use edge_host::{Error, Result, Root, Socket, processes, sockets};
use edge_kubeedge::paths::{CA_DIR, CERT_DIR, CONFIG_DIR, EDGECORE_YAML, ETC};
use edge_kubeedge::{Kind, Minor, VersionSource, unit, version};
use edge_pki::cert::Certificate;
use edge_systemd::startup;
use edge_yaml::Value;

const HOSTS: &str = "/etc/hosts";
const NSSWITCH: &str = "/etc/nsswitch.conf";
/// Present where systemd-resolved runs, which knows the name of its host.
const RESOLVED: &str = "/run/systemd/resolve/io.systemd.Resolve";
const CONTROLLERS: &str = "/sys/fs/cgroup/cgroup.controllers";
/// On a hybrid host.
const UNIFIED_CONTROLLERS: &str = "/sys/fs/cgroup/unified/cgroup.controllers";
const CGROUPS: &str = "/proc/cgroups";
/// edgecore ends where a process has one of these names.
const IN_THE_WAY: [&str; 2] = ["kubelet", "kube-proxy"];

/// What was read of this host.
#[derive(Debug)]
pub struct HostFacts {
    /// The name of this host.
    pub name: String,
    /// Whether that name resolves without DNS.
    pub is_resolved: bool,
    /// kubelet, kube-proxy and edgecore that run, with their process IDs.
    pub processes: Vec<(String, u32)>,
    /// The main process of edgecore's unit; none if it does not run.
    pub unit_pid: Option<u32>,
    /// The sockets that listen.
    pub listening: Vec<Socket>,
    /// Whether the memory cgroup is on; none if that is unknown.
    pub has_memory_cgroup: Option<bool>,
    /// edgecore's configuration.
    pub config: Config,
    /// What is in KubeEdge's directory, of which a join makes nothing.
    pub foreign: Vec<PathBuf>,
    /// The certificate of the node, if there is one, or why it cannot be read.
    pub certificate: Option<std::result::Result<Certificate, String>>,
    /// The CA that is installed, if there is one that can be read.
    pub ca: Option<Certificate>,
}

/// edgecore's configuration.
#[derive(Debug)]
pub struct Config {
    /// Its path.
    pub path: PathBuf,
    /// What it contains; null if there is none.
    pub document: Value,
    /// Whether there is such a file.
    pub exists: bool,
    /// Which version of KubeEdge reads it.
    pub version: Option<Minor>,
    /// The version of the installed program.
    pub installed: VersionSource,
}

/// Reads everything. `given` is the version that the user names.
///
/// # Errors
/// Something that exists cannot be read.
pub fn read(root: &Root, given: Option<Minor>) -> Result<HostFacts> {
    let name = host_name()?;
    let processes = running(root)?;
    let has_edgecore = processes.iter().any(|(name, _)| name == Kind::EdgeCore.program());
    let is_asked = has_edgecore && edge_systemd::is_running(root)?;
    Ok(HostFacts {
        is_resolved: resolves(root, &name)?,
        unit_pid: is_asked.then(|| startup::state(Kind::EdgeCore.unit())).transpose()?.and_then(|state| state.main_pid),
        processes,
        listening: sockets(root)?.into_iter().filter(|one| one.listens_on(one.local.port())).collect(),
        has_memory_cgroup: memory_cgroup(root)?,
        config: config(root, given)?,
        foreign: foreign(root)?,
        certificate: certificate(root, &Path::new(CERT_DIR).join("server.crt"))?,
        ca: certificate(root, &Path::new(CA_DIR).join("rootCA.crt"))?.and_then(std::result::Result::ok),
        name,
    })
}

/// The name of this host, as the kernel has it.
///
/// # Errors
/// It is not text.
pub fn host_name() -> Result<String> {
    let name = nix::unistd::gethostname().map_err(|errno| Error::io("read", "the name of this host", &errno.into()))?;
    name.into_string().map_err(|_| Error::cannot("read", "the name of this host", "it is not UTF-8 text"))
}

fn text(root: &Root, path: &str) -> Result<Option<String>> {
    Ok(root.read(Path::new(path))?.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
}

/// In /etc/hosts, or by a module of the C library that knows the own name.
fn resolves(root: &Root, name: &str) -> Result<bool> {
    if text(root, HOSTS)?.is_some_and(|hosts| is_in_hosts(&hosts, name)) {
        return Ok(true);
    }
    let modules = text(root, NSSWITCH)?.unwrap_or_default();
    let has_resolved = || root.entry_kind(Path::new(RESOLVED)).map(|kind| kind.is_some());
    Ok(has_module(&modules, "myhostname") || (has_module(&modules, "resolve") && has_resolved()?))
}

fn is_in_hosts(hosts: &str, name: &str) -> bool {
    let plain = |line: &str| line.split('#').next().unwrap_or_default().to_owned();
    hosts.lines().any(|line| plain(line).split_whitespace().skip(1).any(|other| other.eq_ignore_ascii_case(name)))
}

/// Whether `hosts:` of nsswitch.conf names a module.
fn has_module(nsswitch: &str, module: &str) -> bool {
    let lines = nsswitch.lines().filter_map(|line| line.trim().strip_prefix("hosts:"));
    lines.flat_map(str::split_whitespace).any(|word| word == module)
}

fn running(root: &Root) -> Result<Vec<(String, u32)>> {
    let edgecore = Kind::EdgeCore.program();
    let all = processes(root)?;
    let mut found = Vec::new();
    for process in &all {
        let Some(name) = process.name() else { continue };
        // That of a node in a container is not of this host.
        let is_own = || process.shares_pids() != Some(false);
        if IN_THE_WAY.contains(&name.as_str()) || (name == edgecore && is_own()) {
            found.push((name, process.pid()));
        }
    }
    Ok(found)
}

fn memory_cgroup(root: &Root) -> Result<Option<bool>> {
    if let Some(controllers) = text(root, CONTROLLERS)? {
        return Ok(Some(has_memory(&controllers)));
    }
    let unified = text(root, UNIFIED_CONTROLLERS)?.unwrap_or_default();
    Ok(memory_v1(&unified, &text(root, CGROUPS)?.unwrap_or_default()))
}

fn has_memory(controllers: &str) -> bool {
    controllers.split_whitespace().any(|name| name == "memory")
}

/// Where each controller has a hierarchy of its own, and those in the other hierarchy of a hybrid host are in `unified`. In
/// the table, `memory 0 100 1`, the last number is whether it is on; a kernel without the v1 controller has no such row,
/// although the v2 controller works.
fn memory_v1(unified: &str, table: &str) -> Option<bool> {
    let mut rows = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let row = rows.find(|row| row.first() == Some(&"memory"));
    let is_on = row.and_then(|row| row.get(3).map(|on| *on == "1"));
    if has_memory(unified) { Some(true) } else { is_on }
}

fn config(root: &Root, given: Option<Minor>) -> Result<Config> {
    let path = unit::config_in_use(root, Kind::EdgeCore)?.path;
    let shown = root.display(&path);
    let bytes = root.read(&path)?;
    let exists = bytes.is_some();
    let document = match bytes {
        Some(bytes) => edge_yaml::read(&String::from_utf8_lossy(&bytes)).map_err(|why| {
            Error::cannot("read", &shown, why.to_string())
                .hint(format!("check it: edge-conf check --file {}", shown.display()))
        })?,
        None => Value::Null,
    };
    let installed = version(root, None, Kind::EdgeCore, &Value::Null, Some(Path::new(EDGECORE_YAML)))?;
    let read_by = version(root, given, Kind::EdgeCore, &document, Some(&path))?;
    Ok(Config { path, document, exists, version: read_by.version(), installed })
}

/// Entries of KubeEdge's directories that a join does not make, and that neither edgecore nor `keadm backup` and
/// `keadm upgrade` make on a node.
fn foreign(root: &Root) -> Result<Vec<PathBuf>> {
    let mut all = Vec::new();
    for (dir, known) in [
        (ETC, &["backup", "ca", "certs", "config", "dmi.sock", "edgecore", "manifests", "upgrade_report.json"][..]),
        (CA_DIR, &["rootCA.crt"]),
        (CERT_DIR, &["server.crt", "server.key"]),
        (CONFIG_DIR, &["edgecore.yaml"]),
    ] {
        let names = root.list(Path::new(dir))?;
        all.extend(
            names
                .iter()
                .filter(|name| !known.iter().any(|one| name.to_str() == Some(*one)))
                .map(|name| Path::new(dir).join(name)),
        );
    }
    Ok(all)
}

fn certificate(root: &Root, path: &Path) -> Result<Option<std::result::Result<Certificate, String>>> {
    Ok(root.read(path)?.map(|bytes| Certificate::from_pem(&bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_name_is_found_in_hosts_as_a_whole_word() {
        let hosts = "127.0.0.1 localhost\n127.0.1.1\tedge.example Edge1 # edge2\n#127.0.0.1 edge3\n";
        for (name, want) in
            [("edge1", true), ("edge.example", true), ("edge2", false), ("edge3", false), ("edge", false)]
        {
            assert_eq!(is_in_hosts(hosts, name), want, "{name}");
        }
        assert!(has_module("passwd: files\nhosts: files myhostname dns\n", "myhostname"));
        assert!(!has_module("hosts: files dns\npasswd: myhostname\n", "myhostname"));
    }

    #[test]
    fn memory_cgroup_is_off_only_where_the_kernel_says_so() {
        let head = "#subsys_name\thierarchy\tnum_cgroups\tenabled\n";
        let (on, off) = (format!("{head}cpu\t0\t1\t1\nmemory\t0\t1\t1\n"), format!("{head}memory\t0\t1\t0\n"));
        assert_eq!((memory_v1("", &on), memory_v1("cpu", &on)), (Some(true), Some(true)));
        assert_eq!(memory_v1("", &off), Some(false));
        // A hybrid host whose v2 hierarchy has it, on a kernel with or without the v1 controller.
        assert_eq!((memory_v1("cpu memory pids", head), memory_v1("memory", &off)), (Some(true), Some(true)));
        assert_eq!((memory_v1("", head), memory_v1("cpu", ""), memory_v1("", "memory")), (None, None, None));
        assert!(has_memory("cpuset cpu io memory") && !has_memory("cpu hugememory"));
    }
}
