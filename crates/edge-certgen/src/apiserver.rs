//! The options of an apiserver: in the manifest of its static pod, or in a list of arguments.

use std::path::{Path, PathBuf};

use edge_yaml::Value;

/// The CAs with which an apiserver checks the certificates of nodes; without it, it does not.
pub const AUTHORITY: &str = "kubelet-certificate-authority";
const PROGRAM: &str = "kube-apiserver";
/// MicroK8s writes paths with it.
const SNAP_DATA: (&str, &str) = ("${SNAP_DATA}", "/var/snap/microk8s/current");

/// How an apiserver reaches a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dials {
    /// By its address.
    Address,
    /// By its name.
    Name,
    /// One of both.
    Either,
}

/// The options of an apiserver.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Flags {
    arguments: Vec<String>,
    /// Directories of its container, and where they are on the host.
    mounts: Vec<(PathBuf, PathBuf)>,
}

impl Flags {
    /// The options in the manifest of a static pod.
    ///
    /// Errors: why it cannot be parsed.
    pub fn of_manifest(text: &str) -> Result<Flags, String> {
        let pod = edge_yaml::read(text).map_err(|cause| cause.to_string())?;
        let spec = pod.get("spec");
        let list = |value: Option<&Value>, key: &str| -> Vec<Value> {
            value.and_then(|value| value.get(key)).and_then(Value::as_sequence).cloned().unwrap_or_default()
        };
        let words = |container: &Value| -> Vec<String> {
            let all = [list(Some(container), "command"), list(Some(container), "args")].concat();
            all.iter().filter_map(Value::as_str).flat_map(split).collect()
        };
        let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
        let is_apiserver = |container: &&Value| {
            text(container, "name").as_deref() == Some(PROGRAM)
                || words(container).iter().any(|word| word.rsplit('/').next() == Some(PROGRAM))
        };
        let containers = list(spec, "containers");
        let Some(container) = containers.iter().find(is_apiserver) else {
            return Err(format!("it has no container {PROGRAM}"));
        };
        let volumes = list(spec, "volumes");
        let volume_mounts = list(Some(container), "volumeMounts");
        let mounts = volume_mounts.iter().filter_map(|mount| {
            let name = text(mount, "name")?;
            let volume = volumes.iter().find(|volume| text(volume, "name").as_ref() == Some(&name))?;
            let host = text(volume.get("hostPath")?, "path")?;
            Some((text(mount, "mountPath")?.into(), host.into()))
        });
        Ok(Flags { arguments: words(container), mounts: mounts.collect() })
    }

    /// The options in a list of arguments, one a line.
    pub fn of_list(text: &str) -> Flags {
        let lines = text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
        let bare = |word: &str| word.replace(['"', '\''], "").replace(SNAP_DATA.0, SNAP_DATA.1);
        Flags { arguments: lines.flat_map(str::split_whitespace).map(bare).collect(), mounts: Vec::new() }
    }

    /// The value of an option, the last one where it is set twice. As in the apiserver, `_` is the same as `-`.
    pub fn value(&self, option: &str) -> Option<&str> {
        let mut found = None;
        for (index, argument) in self.arguments.iter().enumerate() {
            let Some(rest) = argument.strip_prefix("--") else { continue };
            let (name, value) = rest.split_once('=').map_or((rest, None), |(name, value)| (name, Some(value)));
            if name.replace('_', "-") == option {
                found = value.or_else(|| self.arguments.get(index + 1).map(String::as_str));
            }
        }
        found
    }

    /// A path of its container, as it is on the host.
    pub fn host_path(&self, path: &Path) -> PathBuf {
        let below = self.mounts.iter().filter(|(inside, _)| path.starts_with(inside));
        let longest = below.max_by_key(|(inside, _)| inside.components().count());
        match longest.and_then(|(inside, outside)| Some((path.strip_prefix(inside).ok()?, outside))) {
            Some((rest, outside)) if rest.as_os_str().is_empty() => outside.clone(),
            Some((rest, outside)) => outside.join(rest),
            None => path.to_path_buf(),
        }
    }

    /// How it reaches nodes: edge nodes have an InternalIP and a Hostname, and no other addresses.
    pub fn dials(&self) -> Dials {
        // kubernetes v1.34, cmd/kube-apiserver/app/options: Hostname comes first by default.
        let types = self.value("kubelet-preferred-address-types").unwrap_or("Hostname");
        types
            .split(',')
            .map(str::trim)
            .find_map(|kind| match kind {
                "Hostname" => Some(Dials::Name),
                "InternalIP" => Some(Dials::Address),
                _ => None,
            })
            .unwrap_or(Dials::Either)
    }
}

/// The words of an argument: a command of a shell has several.
fn split(argument: &str) -> Vec<String> {
    if !argument.contains(" --") {
        return vec![argument.to_owned()];
    }
    argument.split_whitespace().map(|word| word.trim_matches(['"', '\'', '\\']).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const POD: &str = "\
kind: Pod
spec:
  containers:
  - name: sidecar
    command: [x, --kubelet-certificate-authority=/no]
  - name: kube-apiserver
    command:
    - kube-apiserver
    - --advertise-address=192.0.2.1
    - --kubelet-certificate-authority=/first.crt
    args: [--kubelet_certificate_authority, /pki/ca.crt, '--kubelet-preferred-address-types=ExternalIP,InternalIP,Hostname']
    volumeMounts:
    - {name: all, mountPath: /}
    - {name: pki, mountPath: /pki}
    - {name: none, mountPath: /pki/deeper}
  volumes:
  - {name: all, hostPath: {path: /all}}
  - {name: pki, hostPath: {path: /etc/kubernetes/ssl}}
  - {name: none, emptyDir: {}}
";

    #[test]
    fn manifest_has_options_and_mounts() {
        let flags = Flags::of_manifest(POD).unwrap();
        assert_eq!(
            (flags.value("advertise-address"), flags.value(AUTHORITY)),
            (Some("192.0.2.1"), Some("/pki/ca.crt"))
        );
        assert_eq!(flags.host_path(Path::new("/pki/ca.crt")), Path::new("/etc/kubernetes/ssl/ca.crt"));
        assert_eq!(flags.host_path(Path::new("/pkix/ca.crt")), Path::new("/all/pkix/ca.crt"));
        assert_eq!((flags.dials(), flags.value("v")), (Dials::Address, None));
        let shell = "spec: {containers: [{name: api, command: [/bin/sh, -c, 'exec /usr/bin/kube-apiserver --v=2 --kubelet-certificate-authority=/ca.crt 2>&1']}]}";
        let flags = Flags::of_manifest(shell).unwrap();
        assert_eq!((flags.value(AUTHORITY), flags.dials()), (Some("/ca.crt"), Dials::Name));
        assert!(Flags::of_manifest("a: [").unwrap_err().contains("not valid YAML"));
        assert!(Flags::of_manifest("spec: {}").unwrap_err().contains("no container"));
        assert_eq!(
            Flags::of_list("# --v=3\n--v=2\n--ca=\"${SNAP_DATA}/x\"\n").value("ca"),
            Some("/var/snap/microk8s/current/x")
        );
    }

    proptest::proptest! {
        #[test]
        fn flags_do_not_panic(text in "(spec|containers|command|name|kube-apiserver|--[a-z]{1,4}|[:=,{}\\[\\]'\" \n-]|\\PC){0,60}") {
            let flags = Flags::of_list(&text);
            let _ = (flags.value("a"), flags.dials(), flags.host_path(Path::new(&text)), Flags::of_manifest(&text));
        }
    }
}
