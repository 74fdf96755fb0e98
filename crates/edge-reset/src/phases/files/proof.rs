//! Proofs that need more than a name.

use std::ffi::OsStr;
use std::io::Read;
use std::path::Path;

use edge_host::{EntryKind, Host, Program, Result, ResultExt, State};
use edge_kubeedge::program;
use edge_yaml::Value;
use serde::Deserialize;

use super::finder::Finder;
use crate::phases::units::owned::{OwnedUnit, Standing};
use crate::phases::units::package::Packages;

/// Where the links of /var/log/containers point.
const POD_LOGS: &str = "/var/log/pods";
/// What k3s' scripts and program contain.
const K3S: &[u8] = b"k3s";
const K3S_MODULE: &[u8] = b"github.com/k3s-io/k3s";
const K3S_PROGRAM: &str = "k3s";
/// How much of a script is read.
const BEGINNING: usize = 4096;
const BLOCK: usize = 1 << 20;
/// Deepest tree of empty directories that is looked through.
const MAX_DEPTH: usize = 8;
const MANIFESTS: [&str; 4] = ["yaml", "yml", "json", "manifest"];

/// A proof that the data names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Proof {
    /// A directory `NAMESPACE_POD_UID`.
    PodLog,
    /// A link to such a log.
    PodLogLink,
    /// A manifest of kind Pod.
    PodManifest,
    /// A directory with nothing but directories in it.
    EmptyDirectories,
    /// It belongs to root.
    Root,
    /// A unit runs it, or it is KubeEdge's by its build information.
    KubeedgeProgram,
    /// A unit runs it, or it is k3s by its build information.
    K3sProgram,
    /// A link to k3s.
    K3sLink,
    /// A text that names k3s.
    K3sText,
}

impl Proof {
    /// Whether one of the entries of a directory is what its creators make.
    pub(super) fn of_child(self, host: &Host, path: &Path) -> Result<bool> {
        let root = &host.root;
        Ok(match self {
            Proof::PodLog => is_pod_log(path.file_name().unwrap_or_default()),
            Proof::PodLogLink => match root.find_link(path)?.state {
                State::Link { target } => Path::new(&target).starts_with(POD_LOGS),
                _ => false,
            },
            Proof::PodManifest => is_pod(host, path)?,
            // Decided by the whole.
            Proof::EmptyDirectories => true,
            _ => false,
        })
    }

    /// What proves an entry; none if nothing does.
    pub(super) fn of_entry(self, finder: &Finder<'_>, packages: &mut Packages, path: &Path) -> Result<Option<String>> {
        let root = &finder.host.root;
        let is_file = |state: &State| matches!(state, State::File { .. });
        let found = root.find_large(path)?.state;
        Ok(match self {
            Proof::Root => match found {
                State::File { uid: 0, .. } | State::Directory { uid: 0, .. } => Some("owned by root".to_owned()),
                _ => None,
            },
            Proof::K3sLink => match found {
                State::Link { target } if Path::new(&target).file_name() == Some(OsStr::new(K3S_PROGRAM)) => {
                    Some(format!("a link to {target}"))
                }
                _ => None,
            },
            Proof::K3sText if is_file(&found) => contains_early(finder.host, path)?.then(|| "it names k3s".to_owned()),
            Proof::KubeedgeProgram | Proof::K3sProgram if is_file(&found) => {
                if packages.own(finder.host, path)? {
                    return Ok(None);
                }
                let runs_it =
                    |unit: &&OwnedUnit| unit.program.as_deref() == Some(path) && unit.standing == Standing::Owned;
                if let Some(unit) = finder.units.iter().find(runs_it) {
                    return Ok(Some(format!("{} runs it", unit.name)));
                }
                self.of_program(finder.host, path)?
            }
            _ => None,
        })
    }

    /// What its build information says.
    pub(super) fn of_program(self, host: &Host, path: &Path) -> Result<Option<String>> {
        let Some(mut file) = host.root.open(path)? else { return Ok(None) };
        let shown = host.root.display(path);
        if self == Proof::KubeedgeProgram {
            let version = program::from_elf(&mut file).on("read", &shown)?;
            return Ok(version.map(|version| format!("KubeEdge {}", version.text)));
        }
        if Program::read(&mut file).is_none() {
            return Ok(None);
        }
        Ok(contains(file, K3S_MODULE).on("read", &shown)?.then(|| "a program of k3s".to_owned()))
    }
}

/// `NAMESPACE_POD_UID`: two names of DNS and an identifier.
fn is_pod_log(name: &OsStr) -> bool {
    let parts: Vec<&str> = name.to_str().map(|name| name.split('_').collect()).unwrap_or_default();
    let is_name = |text: &str| {
        !text.is_empty()
            && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte))
    };
    // A static pod's is a hash without dashes.
    let is_uid = |text: &str| {
        text.bytes().filter(u8::is_ascii_hexdigit).count() == 32
            && text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
    };
    matches!(parts[..], [namespace, pod, uid] if is_name(namespace) && is_name(pod) && is_uid(uid))
}

/// Whether a file is a manifest of a pod.
fn is_pod(host: &Host, path: &Path) -> Result<bool> {
    let is_manifest = path.extension().is_some_and(|end| MANIFESTS.iter().any(|one| end == *one));
    if !is_manifest || host.root.entry_kind(path)? != Some(EntryKind::File) {
        return Ok(false);
    }
    let bytes = host.root.read(path)?.unwrap_or_default();
    let document = std::str::from_utf8(&bytes).ok().and_then(|text| edge_yaml::read(text).ok());
    let text = |key: &str| document.as_ref().and_then(|document| document.get(key)?.as_str());
    Ok(text("kind") == Some("Pod") && document.as_ref().and_then(|pod| pod.get("spec")).is_some_and(Value::is_mapping))
}

/// Whether there is nothing but directories below one.
pub(super) fn is_empty_tree(host: &Host, path: &Path) -> Result<bool> {
    let mut waiting = vec![(path.to_path_buf(), 0)];
    while let Some((dir, depth)) = waiting.pop() {
        for name in host.root.list(&dir)? {
            let inner = dir.join(name);
            let is_dir = host.root.entry_kind(&inner)? == Some(EntryKind::Directory);
            if !is_dir || depth == MAX_DEPTH {
                return Ok(false);
            }
            waiting.push((inner, depth + 1));
        }
    }
    Ok(true)
}

fn contains_early(host: &Host, path: &Path) -> Result<bool> {
    let Some(file) = host.root.open(path)? else { return Ok(false) };
    let mut head = Vec::new();
    file.take(BEGINNING as u64).read_to_end(&mut head).on("read", host.root.display(path))?;
    Ok(head.windows(K3S.len()).any(|window| window == K3S))
}

/// Whether a text is in a file of any size.
fn contains(mut file: impl Read, text: &[u8]) -> std::io::Result<bool> {
    let mut block = Vec::with_capacity(BLOCK + text.len());
    loop {
        let read = file.by_ref().take(BLOCK as u64).read_to_end(&mut block)?;
        if block.windows(text.len()).any(|window| window == text) {
            return Ok(true);
        }
        if read == 0 {
            return Ok(false);
        }
        // A text may be in two blocks.
        block.drain(..block.len().saturating_sub(text.len()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pod_log_is_a_namespace_a_pod_and_an_identifier() {
        for own in [
            "default_web-0_0f5e5b0e-4f1c-4a43-9a1e-6c1d5d1c2b3a",
            "kube-system_etcd-node.1_0123456789abcdef0123456789abcdef",
        ] {
            assert!(is_pod_log(OsStr::new(own)), "{own}");
        }
        for other in [
            "default_web-0",
            "a_b_c",
            "my_own_0123456789abcdef0123456789abcdef0",
            "A_b_0123456789abcdef0123456789abcdef",
            "",
        ] {
            assert!(!is_pod_log(OsStr::new(other)), "{other}");
        }
    }

    #[test]
    fn text_is_found_also_across_blocks() {
        let mut bytes = vec![0; BLOCK - 3];
        bytes.extend(K3S_MODULE);
        assert!(contains(bytes.as_slice(), K3S_MODULE).unwrap());
        assert!(!contains(&bytes[..BLOCK + 8], K3S_MODULE).unwrap());
    }
}
