//! The roots of kubelet and k3s, and their directories of static pods.

use std::path::Path;

use edge_host::{Host, Result};
use edge_systemd::{Units, Word, variables};

use super::{DEFAULT, Roots, add, at_word, option, words};
use crate::configuration::Configuration;
use crate::phases::Renamed;

/// What a kubelet uses, and edgecore from KubeEdge 1.20 on.
const KUBELET: &str = "/var/lib/kubelet";
/// What edgecore used up to KubeEdge 1.19; it stays behind when a node is upgraded.
const EDGED: &str = "/var/lib/edged";
/// kubeadm's file of kubelet's configuration, and of its options.
const CONFIG: &str = "/var/lib/kubelet/config.yaml";
const FLAGS: &str = "/var/lib/kubelet/kubeadm-flags.env";
/// kubeadm's directory of static pods.
const MANIFESTS: &str = "/etc/kubernetes/manifests";
const UNIT: &str = "kubelet.service";

const ROOT_DIR: &str = "--root-dir";
const POD_PATH: &str = "--pod-manifest-path";
const STATIC_PODS: &str = "staticPodPath";
const K3S_UNITS: [&str; 2] = ["k3s.service", "k3s-agent.service"];
const K3S_CONFIG: &str = "/etc/rancher/k3s/config.yaml";
/// Files of it apply after it, in the order of their names.
const K3S_DROPINS: &str = "/etc/rancher/k3s/config.yaml.d";
const K3S_DATA: &str = "/var/lib/rancher/k3s";
const DATA_DIR: &str = "data-dir";
/// Options that k3s passes to its kubelet.
const KUBELET_ARG: &str = "kubelet-arg";
const K3S_ROOT_DIR: &str = "root-dir=";

const EDGECORE: &[&str] = &["edgecore"];
const KUBELETS: &[&str] = &["kubelet"];
const K3S: &[&str] = &["k3s"];

/// Reads all of them.
pub(super) fn read(host: &Host, units: &Units<'_>, renamed: &[Renamed], roots: &mut Roots) {
    add(&mut roots.kubelet, KUBELET, DEFAULT, &["edgecore", "kubelet", "k3s"]);
    add(&mut roots.kubelet, EDGED, DEFAULT, EDGECORE);
    add(&mut roots.static_pods, MANIFESTS, DEFAULT, &["kubelet", "kubeadm"]);
    for unit in Renamed::names(&[UNIT], renamed, "kubelet") {
        let read = words(host, units, unit);
        let of_unit = roots.found(read).unwrap_or_default();
        let read = kubelet(host, &of_unit, roots);
        roots.found(read);
    }
    for unit in Renamed::names(&K3S_UNITS, renamed, "k3s") {
        let read = words(host, units, unit);
        let of_unit = roots.found(read).unwrap_or_default();
        k3s_of_words(host, &of_unit, roots);
    }
    let read = k3s(host, roots);
    roots.found(read);
    if roots.k3s.is_empty() {
        add(&mut roots.k3s, K3S_DATA, DEFAULT, K3S);
    }
}

fn kubelet(host: &Host, of_unit: &[Word], roots: &mut Roots) -> Result<()> {
    // Also without the unit, which may have been removed by another program.
    let mut of_flags = Vec::new();
    if let Some(bytes) = host.root.read(Path::new(FLAGS))? {
        for (at, line) in String::from_utf8_lossy(&bytes).lines().enumerate() {
            for (_, value) in variables(line) {
                let word = |text: &str| Word { text: text.to_owned(), file: FLAGS.into(), line: at + 1 };
                of_flags.extend(value.split_whitespace().map(word));
            }
        }
    }
    for words in [of_unit, &of_flags] {
        for (name, all) in [(ROOT_DIR, &mut roots.kubelet), (POD_PATH, &mut roots.static_pods)] {
            if let Some((word, value)) = option(words, &[name]) {
                add(all, value, at_word(host, word, name), KUBELETS);
            }
        }
    }
    let config = option(of_unit, &["--config"]).map_or(CONFIG, |(_, value)| value);
    if let Some(found) = Configuration::read(host, Path::new(config))?
        && let Some(value) = found.path_at(STATIC_PODS)?
    {
        add(&mut roots.static_pods, value, at(&found, STATIC_PODS), KUBELETS);
    }
    Ok(())
}

/// `FILE (SETTING)`
fn at(found: &Configuration, setting: &str) -> String {
    format!("{} ({setting})", found.shown().display())
}

fn k3s_of_words(host: &Host, words: &[Word], roots: &mut Roots) {
    if let Some((word, value)) = option(words, &["--data-dir", "-d"]) {
        add(&mut roots.k3s, value, at_word(host, word, "--data-dir"), K3S);
    }
    let args = words.iter().filter_map(|word| Some((word, word.text.split_once(K3S_ROOT_DIR)?.1)));
    for (word, value) in args {
        add(&mut roots.kubelet, value, at_word(host, word, KUBELET_ARG), K3S);
    }
}

fn k3s(host: &Host, roots: &mut Roots) -> Result<()> {
    let dropins = Path::new(K3S_DROPINS);
    let mut files = vec![Path::new(K3S_CONFIG).to_path_buf()];
    files.extend(host.root.list(dropins)?.iter().map(|name| dropins.join(name)));
    for path in files.iter().filter(|path| path.extension().is_some_and(|end| end == "yaml")) {
        let Some(found) = Configuration::read_any(host, path)? else { continue };
        if let Some(value) = found.path_at(DATA_DIR)? {
            add(&mut roots.k3s, value, at(&found, DATA_DIR), K3S);
        }
        for value in found.texts(KUBELET_ARG)?.into_iter().filter_map(|arg| arg.strip_prefix(K3S_ROOT_DIR)) {
            add(&mut roots.kubelet, value, at(&found, KUBELET_ARG), K3S);
        }
    }
    Ok(())
}
