//! What the configurations of the node agents on this host, edgecore and kubelet, set: CRI sockets and cgroup roots.

use std::path::{Path, PathBuf};

use edge_host::{Error, Host, Result};
use edge_kubeedge::runtime::{Keys, V1ALPHA2};
use edge_kubeedge::schema::Table;
use edge_kubeedge::{Kind, Minor};
use edge_systemd::{Scope, Units};

use crate::configuration::Configuration;
use crate::phases::Renamed;
use crate::roots::configs;

const KUBELET_YAML: &str = "/var/lib/kubelet/config.yaml";
const KUBELET_UNIT: &str = "kubelet.service";
const SOCKET_FLAG: &str = "--container-runtime-endpoint";
const CGROUP_FLAG: &str = "--cgroup-root";
const CONFIG_FLAG: &str = "--config";
const SCHEME: &str = "unix:";
/// Where edgecore read the cgroup root, before and since KubeEdge 1.12.
const CGROUP_KEYS: [&str; 2] = ["modules.edged.cgroupRoot", "modules.edged.tailoredKubeletConfig.cgroupRoot"];
/// /var/run is a link to /run.
const RUN: &str = "/run";
const VAR_RUN: &str = "/var/run";

/// A value, and what sets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Configured {
    pub(crate) path: PathBuf,
    pub(crate) source: String,
}

/// What they set.
#[derive(Debug, Default)]
pub(crate) struct Agents {
    /// The CRI sockets, below /run rather than /var/run.
    pub(crate) sockets: Vec<Configured>,
    /// Control groups that have those of pods in them.
    pub(crate) cgroup_roots: Vec<Configured>,
    /// Configurations that cannot be read: what they set is unknown.
    pub(crate) unknown: Vec<Error>,
}

impl Agents {
    /// Reads the configurations.
    ///
    /// Errors: units that cannot be read.
    pub(crate) fn read(host: &Host, renamed: &[Renamed]) -> Result<Agents> {
        let mut found = Agents::default();
        let units = Units::read(&host.root, Scope::Now)?;
        let keys = [Minor::new(1), V1ALPHA2, Table::of(Kind::EdgeCore).newest()].map(|minor| Keys::of(minor).endpoint);
        for edgecore in configs(host, &units, renamed, Kind::EdgeCore)? {
            found.file(host, &edgecore.path, &keys, &CGROUP_KEYS.map(str::to_owned));
        }
        for name in Renamed::names(&[KUBELET_UNIT], renamed, "kubelet") {
            let mut kubelet = PathBuf::from(KUBELET_YAML);
            let unit = units.find(name)?;
            if unit.exists() && !unit.is_masked() {
                let settings = units.settings(&unit)?;
                let words = settings.exec_start_words(&settings.whole_environment(&host.root)?);
                let words: Vec<String> = words.into_iter().map(|word| word.text).collect();
                if let Some(path) = flag(&words, CONFIG_FLAG) {
                    kubelet = PathBuf::from(path);
                }
                found.socket(flag(&words, SOCKET_FLAG), name);
                found.cgroup_root(flag(&words, CGROUP_FLAG), name);
            }
            found.file(host, &kubelet, &["containerRuntimeEndpoint".to_owned()], &["cgroupRoot".to_owned()]);
        }
        Ok(found)
    }

    fn file(&mut self, host: &Host, path: &Path, sockets: &[String], roots: &[String]) {
        let read = self.settings(host, path, sockets, roots);
        self.unknown.extend(read.err());
    }

    fn settings(&mut self, host: &Host, path: &Path, sockets: &[String], roots: &[String]) -> Result<()> {
        let Some(found) = Configuration::read(host, path)? else { return Ok(()) };
        let source = found.shown().display().to_string();
        for key in sockets {
            self.socket(found.text(key)?, &source);
        }
        for key in roots {
            self.cgroup_root(found.text(key)?, &source);
        }
        Ok(())
    }

    fn socket(&mut self, text: Option<&str>, source: &str) {
        let path = text.map(|text| text.strip_prefix(SCHEME).unwrap_or(text)).filter(|path| path.starts_with('/'));
        if let Some(path) = path {
            add(&mut self.sockets, below_run(Path::new(path)), source);
        }
    }

    fn cgroup_root(&mut self, text: Option<&str>, source: &str) {
        let path = text.map(|text| PathBuf::from(text.trim_start_matches('/')));
        if let Some(path) = path.filter(|path| !path.as_os_str().is_empty()) {
            add(&mut self.cgroup_roots, path, source);
        }
    }
}

fn add(to: &mut Vec<Configured>, path: PathBuf, source: &str) {
    if !to.iter().any(|other| other.path == path) {
        to.push(Configured { path, source: source.to_owned() });
    }
}

/// One spelling for each socket.
fn below_run(path: &Path) -> PathBuf {
    // Without doubled slashes.
    let path: PathBuf = path.components().collect();
    path.strip_prefix(VAR_RUN).map(|rest| Path::new(RUN).join(rest)).unwrap_or(path)
}

/// The value of a flag, `--x=y` or `--x y`; the last one counts.
fn flag<'w>(words: &'w [String], name: &str) -> Option<&'w str> {
    let at = |(at, word): (usize, &'w String)| match word.strip_prefix(name)? {
        "" => words.get(at + 1).map(String::as_str),
        rest => rest.strip_prefix('='),
    };
    words.iter().enumerate().filter_map(at).next_back()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flag_is_the_last_of_both_spellings() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let all = words("kubelet --cgroup-root /a --config=/c --cgroup-root=/b --cgroup-root-x=/d");
        assert_eq!(flag(&all, CGROUP_FLAG), Some("/b"));
        assert_eq!(flag(&all, CONFIG_FLAG), Some("/c"));
        assert_eq!(flag(&all, SOCKET_FLAG), None);
        assert_eq!(flag(&words("kubelet --config"), CONFIG_FLAG), None);
    }

    #[test]
    fn socket_has_one_spelling() {
        let mut agents = Agents::default();
        for text in
            ["unix:///var/run/crio/crio.sock", "/run/crio/crio.sock", "unix:/run//crio/crio.sock", "tcp://x", ""]
        {
            agents.socket(Some(text), "a");
        }
        agents.cgroup_root(Some("/"), "a");
        agents.cgroup_root(Some("/kube/let"), "a");
        let paths = |of: &[Configured]| of.iter().map(|one| one.path.display().to_string()).collect::<Vec<_>>();
        assert_eq!(paths(&agents.sockets), ["/run/crio/crio.sock"]);
        assert_eq!(paths(&agents.cgroup_roots), ["kube/let"]);
    }
}
