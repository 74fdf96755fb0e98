//! The container runtime and cgroup driver that edgecore uses.
//!
//! The settings moved twice: in v1alpha2 (1.12) the cgroup driver, and in 1.16 the sockets, became settings of the
//! kubelet inside edgecore. edgecore reads a setting only at the path of its version and ignores it elsewhere.

use edge_yaml::Value;

use crate::schema::Table;
use crate::settings::{Settings, written};
use crate::{Kind, Minor};

/// The first version whose edgecore reads its file as v1alpha2 (kubeedge v1.12
/// `pkg/apis/componentconfig/edgecore/v1alpha2/types.go`).
pub const V1ALPHA2: Minor = Minor::new(12);
/// The last version that reads v1alpha1.
const LAST_V1ALPHA1: Minor = Minor::new(11);
/// The socket settings moved to the kubelet's section; the old ones stayed without effect up to 1.17.
const SOCKET_MOVED: Minor = Minor::new(16);
const OLD_SOCKET_REMOVED: Minor = Minor::new(18);

const TYPE: &str = "modules.edged.containerRuntime";
const ENDPOINT: &str = "modules.edged.tailoredKubeletConfig.containerRuntimeEndpoint";
const IMAGE_ENDPOINT: &str = "modules.edged.tailoredKubeletConfig.imageServiceEndpoint";
const CGROUP_DRIVER: &str = "modules.edged.tailoredKubeletConfig.cgroupDriver";
const OLD_TYPE: &str = "modules.edged.runtimeType";
const OLD_ENDPOINT: &str = "modules.edged.remoteRuntimeEndpoint";
const OLD_CGROUP_DRIVER: &str = "modules.edged.cgroupDriver";

/// The runtime type with which edgecore uses docker without the CRI.
const DOCKER: &str = "docker";

/// /var/run is a link to /run.
const RUN: &str = "/run/";
const VAR_RUN: &str = "/var/run/";

/// Whether two settings name the same socket: with and without unix://, below /run or /var/run.
#[must_use]
pub fn is_same_socket(one: &str, other: &str) -> bool {
    fn path(socket: &str) -> String {
        let path = socket.strip_prefix("unix:").unwrap_or(socket);
        let path = path.strip_prefix("//").unwrap_or(path);
        path.strip_prefix(VAR_RUN).map_or_else(|| path.to_owned(), |rest| format!("{RUN}{rest}"))
    }
    path(one) == path(other)
}

/// The keys at which one version of edgecore reads its runtime settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keys {
    /// docker or remote (a CRI socket); none from 1.18 on, which has the CRI only.
    pub runtime_type: Option<String>,
    /// The runtime's CRI socket.
    pub endpoint: String,
    /// The socket of the CRI's image service.
    pub image_endpoint: String,
    /// cgroupfs or systemd.
    pub cgroup_driver: String,
}

impl Keys {
    /// The keys of a version.
    #[must_use]
    pub fn of(version: Minor) -> Self {
        let home = |path: &str| Table::of(Kind::EdgeCore).home(path, version);
        let or_newest = |path: &str| home(path).unwrap_or_else(|| path.to_owned());
        Self {
            runtime_type: home(TYPE),
            endpoint: or_newest(ENDPOINT),
            image_endpoint: or_newest(IMAGE_ENDPOINT),
            cgroup_driver: or_newest(CGROUP_DRIVER),
        }
    }
}

/// The container runtime that edgecore uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Runtime {
    /// The keys of its version.
    pub keys: Keys,
    /// cgroupfs or systemd: the value in the file, else the default.
    pub cgroup_driver: String,
    /// The runtime's socket in the file; none where the default of the version applies.
    pub endpoint: Option<String>,
    /// It uses docker without the CRI: the default up to 1.12, possible up to 1.13.
    pub uses_docker: bool,
    /// The file names docker, and this version cannot use it: 1.14 and 1.15 do not start, 1.16 and 1.17 ignore it.
    pub names_removed_docker: bool,
}

/// Whether a version of edgecore can use docker without the CRI.
///
/// Its kubelet has dockershim up to Kubernetes 1.23 (kubeedge v1.13 `go.mod`); that of v1.14 refuses every other
/// runtime than remote (`ValidateKubeletFlags`).
#[must_use]
pub fn accepts_docker(version: Minor) -> bool {
    let version = version.max(Table::OLDEST);
    let accepts = |path: String| {
        let mut rules = Table::of(Kind::EdgeCore).rules(&path);
        rules.any(|rule| rule.is_in(version) && rule.kind.check(DOCKER).is_ok())
    };
    Keys::of(version).runtime_type.is_some_and(accepts)
}

/// The runtime that a configuration of edgecore names, for the version that reads it.
///
/// An unknown version is derived from the keys of the file, as far as that matters. None where edgecore runs no pods
/// (`modules.edged.enable: false`), or the document is not a configuration.
#[must_use]
pub fn runtime(document: &Value, version: Option<Minor>) -> Option<Runtime> {
    if !matches!(document, Value::Null | Value::Mapping(_)) {
        return None;
    }
    let assumed = version.unwrap_or_else(|| assumed(document));
    let settings = Settings::new(Kind::EdgeCore, Some(assumed), document);
    if settings.is_turned_off("modules.edged.enable") {
        return None;
    }
    let keys = Keys::of(assumed);
    let set = |path: &str| settings.text(path).filter(|text| !text.is_empty()).map(str::to_owned);
    // The default changed from docker to remote in 1.13, and an assumed 1.12 may be any later version.
    let is_default_known = version.is_some() || assumed < V1ALPHA2;
    let runtime_type = keys
        .runtime_type
        .as_deref()
        .and_then(|path| set(path).or_else(|| is_default_known.then(|| settings.in_force(path)).flatten()));
    Some(Runtime {
        cgroup_driver: set(&keys.cgroup_driver).or_else(|| settings.default(&keys.cgroup_driver).map(str::to_owned))?,
        endpoint: set(&keys.endpoint),
        uses_docker: runtime_type.as_deref() == Some(DOCKER) && accepts_docker(assumed),
        names_removed_docker: runtime_type.as_deref() == Some(DOCKER) && !accepts_docker(assumed),
        keys,
    })
}

/// A version that has the runtime keys of this file; none where the file is ambiguous.
#[must_use]
pub fn implied_version(document: &Value) -> Option<Minor> {
    let is_set = |path| written(document, path).is_some();
    if api_version(document).ends_with("/v1alpha1") {
        Some(LAST_V1ALPHA1)
    } else if is_set(ENDPOINT) {
        // Only 1.18 and newer write it without the old keys.
        Some(if is_set(TYPE) { SOCKET_MOVED } else { OLD_SOCKET_REMOVED })
    } else {
        is_set(OLD_ENDPOINT).then_some(V1ALPHA2)
    }
}

/// The version that this file was most likely written for: sufficient for reading it, not for editing it.
fn assumed(document: &Value) -> Minor {
    let has_old_keys = [OLD_CGROUP_DRIVER, OLD_TYPE].iter().any(|path| written(document, path).is_some());
    if has_old_keys && !api_version(document).ends_with("/v1alpha2") {
        return LAST_V1ALPHA1;
    }
    implied_version(document).unwrap_or_else(|| Table::of(Kind::EdgeCore).newest())
}

fn api_version(document: &Value) -> &str {
    written(document, "apiVersion").and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str, version: u16) -> Option<Runtime> {
        runtime(&edge_yaml::read(text).unwrap(), (version > 0).then(|| Minor::new(version)))
    }

    fn shown(text: &str, version: u16) -> String {
        let runtime = of(text, version).unwrap();
        let docker = if runtime.uses_docker { " docker" } else { "" };
        format!("{} {}{docker}", runtime.cgroup_driver, runtime.endpoint.unwrap_or_default())
    }

    #[test]
    fn same_socket_has_several_spellings() {
        for same in ["/run/crio/crio.sock", "/var/run/crio/crio.sock", "unix:/run/crio/crio.sock"] {
            assert!(is_same_socket("unix:///var/run/crio/crio.sock", same), "{same}");
        }
        assert!(!is_same_socket("unix:///run/crio/crio.sock", "unix:///run/containerd/containerd.sock"));
    }

    #[test]
    fn keys_move_with_the_version() {
        let shown = |version| {
            let Keys { runtime_type, endpoint, image_endpoint, cgroup_driver } = Keys::of(Minor::new(version));
            [runtime_type.unwrap_or_default(), endpoint, image_endpoint, cgroup_driver]
                .map(|path| path.replace("modules.edged.", "").replace("tailoredKubeletConfig", "kubelet"))
                .join(" ")
        };
        let old = "remoteRuntimeEndpoint remoteImageEndpoint";
        let new = "kubelet.containerRuntimeEndpoint kubelet.imageServiceEndpoint";
        for version in [1, 4, 11] {
            assert_eq!(shown(version), format!("runtimeType {old} cgroupDriver"), "1.{version}");
        }
        for version in [12, 15] {
            assert_eq!(shown(version), format!("containerRuntime {old} kubelet.cgroupDriver"), "1.{version}");
        }
        for version in [16, 17] {
            assert_eq!(shown(version), format!("containerRuntime {new} kubelet.cgroupDriver"), "1.{version}");
        }
        for version in [18, 23, 40] {
            assert_eq!(shown(version), format!(" {new} kubelet.cgroupDriver"), "1.{version}");
        }
    }

    /// One file with all settings, in letter case that KubeEdge itself does not use.
    const ALL: &str = "MODULES: {EDGED: {CgroupDriver: systemd, REMOTERUNTIMEENDPOINT: unix:///old, RuntimeType: remote, \
                       containerruntime: remote, TailoredKubeletConfig: {CGROUPDRIVER: cgroupfs, \
                       ContainerRuntimeEndpoint: unix:///new}}}";

    #[test]
    fn runtime_is_found_in_any_letter_case_where_its_version_reads_it() {
        for (version, want) in [
            (4, "systemd unix:///old"),
            (11, "systemd unix:///old"),
            (12, "cgroupfs unix:///old"),
            (15, "cgroupfs unix:///old"),
            (16, "cgroupfs unix:///new"),
            (17, "cgroupfs unix:///new"),
            (18, "cgroupfs unix:///new"),
            (23, "cgroupfs unix:///new"),
        ] {
            assert_eq!(shown(ALL, version), want, "1.{version}");
        }
    }

    #[test]
    fn runtime_of_several_spellings_is_the_one_that_wins() {
        let text = "modules: {edged: {tailoredKubeletConfig: {cgroupDriver: systemd, CgroupDriver: cgroupfs, \
                    ContainerRuntimeEndpoint: unix:///a, containerRuntimeEndpoint: null}}}";
        assert_eq!(shown(text, 23), "systemd unix:///a");
    }

    #[test]
    fn runtime_without_settings_is_the_default_of_the_version() {
        for empty in ["", "kind: EdgeCore", "modules: {edged: {remoteRuntimeEndpoint: ''}}"] {
            assert_eq!(shown(empty, 8), "cgroupfs  docker", "{empty}");
            assert_eq!(shown(empty, 12), "cgroupfs  docker", "{empty}");
            assert_eq!(shown(empty, 13), "cgroupfs ", "{empty}");
            assert_eq!(shown(empty, 23), "cgroupfs ", "{empty}");
        }
        assert_eq!(of("modules: {Edged: {Enable: no}}", 8), None);
        assert_eq!(of("[a]", 8), None);
    }

    #[test]
    fn docker_is_used_where_the_runtime_type_is_docker() {
        assert_eq!(shown("modules: {edged: {cgroupDriver: systemd, RuntimeType: docker}}", 0), "systemd  docker");
        let new = "modules: {edged: {containerRuntime: docker, remoteRuntimeEndpoint: unix:///a}}";
        for (version, want, is_removed) in [
            (0, "cgroupfs unix:///a docker", false),
            (13, "cgroupfs unix:///a docker", false),
            (14, "cgroupfs unix:///a", true),
            (17, "cgroupfs ", true),
            (18, "cgroupfs ", false),
        ] {
            assert_eq!(shown(new, version), want, "1.{version}");
            assert_eq!(of(new, version).unwrap().names_removed_docker, is_removed, "1.{version}");
        }
        let accepting: Vec<u16> = (1..=24).filter(|version| accepts_docker(Minor::new(*version))).collect();
        assert_eq!(accepting, (1..=13).collect::<Vec<_>>());
        // The version and so the default are unknown.
        assert_eq!(shown("modules: {edged: {remoteRuntimeEndpoint: unix:///a}}", 0), "cgroupfs unix:///a");
    }

    #[test]
    fn runtime_settings_of_v1alpha1_are_lost_in_v1alpha2() {
        let text = "apiVersion: edgecore.config.kubeedge.io/v1alpha1\n\
                    modules: {edged: {cgroupDriver: systemd, remoteRuntimeEndpoint: unix:///a, runtimeType: remote}}";
        assert_eq!(shown(text, 0), "systemd unix:///a");
        assert_eq!(shown(text, 23), "cgroupfs ");
    }

    #[test]
    fn implied_version_follows_from_the_keys_of_the_file() {
        let api = |version| format!("apiVersion: edgecore.config.kubeedge.io/{version}\n");
        let edged = |keys: &str| format!("modules: {{edged: {{{keys}}}}}");
        let new = "tailoredKubeletConfig: {containerRuntimeEndpoint: unix:///a}";
        for (text, minor) in [
            (api("v1alpha1"), Some(11)),
            (api("v1alpha2"), None),
            (String::new(), None),
            (edged("cgroupDriver: systemd"), None),
            (edged("remoteRuntimeEndpoint: unix:///a"), Some(12)),
            (edged(&format!("containerRuntime: remote, {new}")), Some(16)),
            (edged(new), Some(18)),
        ] {
            assert_eq!(implied_version(&edge_yaml::read(&text).unwrap()), minor.map(Minor::new), "{text}");
        }
        // For reading, less is sufficient.
        assert_eq!(shown(&edged("RUNTIMETYPE: remote, cgroupdriver: systemd"), 0), "systemd ");
        assert_eq!(shown(&(api("v1alpha2") + &edged("cgroupDriver: systemd")), 0), "cgroupfs ");
    }
}
