//! The roots of kubelet, edgecore and k3s, and their directories of static pods.

use std::path::Path;

use edge_host::{Error, Host, Result};
use edge_kubeedge::settings::{Settings, texts, written};
use edge_kubeedge::unit::config_in_use;
use edge_kubeedge::{Kind, version};
use edge_systemd::{Units, Word, variables};
use edge_yaml::Value;

use super::{DEFAULT, Roots, add, at_word, option, words};

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
/// Where edgecore reads them; 1.4 to 1.11 had only the second, and the directory itself was fixed.
const EDGE_ROOT: &str = "modules.edged.rootDirectory";
const EDGE_STATIC_PODS: &str = "modules.edged.tailoredKubeletConfig.staticPodPath";

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
pub(super) fn read(host: &Host, units: &Units<'_>, roots: &mut Roots) {
    add(&mut roots.kubelet, KUBELET, DEFAULT, &["edgecore", "kubelet", "k3s"]);
    add(&mut roots.kubelet, EDGED, DEFAULT, EDGECORE);
    add(&mut roots.static_pods, MANIFESTS, DEFAULT, &["kubelet", "kubeadm"]);
    let read = edgecore(host, roots);
    roots.found(read);
    let read = words(host, units, UNIT);
    let of_unit = roots.found(read).unwrap_or_default();
    let read = kubelet(host, &of_unit, roots);
    roots.found(read);
    for unit in K3S_UNITS {
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

/// The value of a file; none if it does not exist.
fn yaml(host: &Host, path: &Path) -> Result<Option<Value>> {
    let Some(bytes) = host.root.read(path)? else { return Ok(None) };
    let shown = host.root.display(path);
    let text = std::str::from_utf8(&bytes).map_err(|_| Error::cannot("read", &shown, "it is not UTF-8"))?;
    edge_yaml::read(text).map(Some).map_err(|error| Error::cannot("read", &shown, error.to_string()))
}

/// `FILE (SETTING)`
fn at(host: &Host, path: &Path, setting: &str) -> String {
    format!("{} ({setting})", host.root.display(path).display())
}

fn edgecore(host: &Host, roots: &mut Roots) -> Result<()> {
    let path = config_in_use(&host.root, Kind::EdgeCore)?.path;
    let Some(document) = yaml(host, &path)? else { return Ok(()) };
    let version = version(&host.root, None, Kind::EdgeCore, &document, Some(&path))?.version();
    // A version without the setting ignores it; of an unknown one, what the file has is taken for read.
    let settings = Settings::new(Kind::EdgeCore, version, &document);
    for (setting, all) in [(EDGE_ROOT, &mut roots.kubelet), (EDGE_STATIC_PODS, &mut roots.static_pods)] {
        if !settings.has(setting) {
            continue;
        }
        if let Some(value) = settings.in_force(setting).filter(|value| !value.is_empty()) {
            let source = if settings.text(setting).is_some() { at(host, &path, setting) } else { DEFAULT.to_owned() };
            add(all, &value, source, EDGECORE);
        }
    }
    Ok(())
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
    if let Some(document) = yaml(host, Path::new(config))?
        && let Some(value) = document.get(STATIC_PODS).and_then(Value::as_str).filter(|value| !value.is_empty())
    {
        add(&mut roots.static_pods, value, at(host, Path::new(config), STATIC_PODS), KUBELETS);
    }
    Ok(())
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
        let Some(document) = yaml(host, path)? else { continue };
        if let Some(value) = written(&document, DATA_DIR).and_then(Value::as_str).filter(|value| !value.is_empty()) {
            add(&mut roots.k3s, value, at(host, path, DATA_DIR), K3S);
        }
        for value in texts(&document, KUBELET_ARG).filter_map(|arg| arg.strip_prefix(K3S_ROOT_DIR)) {
            add(&mut roots.kubelet, value, at(host, path, KUBELET_ARG), K3S);
        }
    }
    Ok(())
}
