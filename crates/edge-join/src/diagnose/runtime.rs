//! Whether edgecore can work with the container runtime: the version of the CRI, and the cgroup driver.

use edge_host::Finding;
use edge_kubeedge::Minor;

use crate::facts::runtime::RuntimeFacts;

/// KubeEdge up to this version speaks only CRI v1alpha2, and from the other one on only v1, as the kubelets of Kubernetes
/// 1.22 and 1.26 in them.
const LAST_V1ALPHA2_ONLY: Minor = Minor::new(12);
const FIRST_V1_ONLY: Minor = Minor::new(15);
const V1ALPHA2: &str = "v1alpha2";
/// The first releases without v1alpha2.
const WITHOUT_V1ALPHA2: [(&str, u32, u32); 2] = [("containerd", 2, 0), ("cri-o", 1, 26)];

/// What is wrong with the runtime.
pub fn runtime(facts: &RuntimeFacts, version: Option<Minor>) -> Vec<Finding> {
    let socket = &facts.socket;
    let answer = match &facts.answer {
        Ok(answer) => answer,
        Err(error) => {
            let hint = match facts.other {
                Some(other) => {
                    let line = format!("{}=unix://{other}", facts.setting.keys.endpoint);
                    format!("use the runtime at {other}: {}", set(facts, &line))
                }
                None => format!("install and start a container runtime: {}", install(version)),
            };
            let why = if error.io_kind() == Some(std::io::ErrorKind::NotFound) {
                "no container runtime runs here: this socket does not exist".to_owned()
            } else {
                format!("the container runtime does not answer: {}", error.message())
            };
            return vec![Finding::error(socket, why).hint(hint)];
        }
    };
    let name = format!("{} {}", answer.name, answer.version);
    let mut all = Vec::new();
    if let Some(version) = version {
        if version >= FIRST_V1_ONLY && answer.api == V1ALPHA2 {
            all.push(
                Finding::error(socket, format!("{name} has only CRI v1alpha2, and KubeEdge {version} needs v1"))
                    .hint("install a newer container runtime: containerd 1.6 or later, CRI-O 1.20 or later"),
            );
        }
        if version <= LAST_V1ALPHA2_ONLY && lacks_v1alpha2(&answer.name, &answer.version) {
            all.push(
                Finding::error(socket, format!("{name} no longer has CRI v1alpha2, which KubeEdge {version} needs"))
                    .hint("install containerd 1.7 or CRI-O 1.25, or KubeEdge 1.13 or later"),
            );
        }
    }
    let wanted = &facts.setting.cgroup_driver;
    if let Some(driver) = answer.driver.filter(|driver| driver != wanted) {
        let line = format!("{}={driver}", facts.setting.keys.cgroup_driver);
        let text = format!("its cgroup driver is {driver}, and edgecore's is {wanted}: pods cannot start");
        all.push(
            Finding::error(socket, text)
                .at(&facts.setting.keys.cgroup_driver)
                .hint(format!("set that of edgecore: {}", set(facts, &line))),
        );
    }
    if !answer.runtime_ready.is_met {
        let why = &answer.runtime_ready.message;
        all.push(
            Finding::error(socket, format!("{name} is not ready: {why}"))
                .hint("see its log: journalctl -u containerd -u crio"),
        );
    } else if !answer.network_ready.is_met {
        let why = &answer.network_ready.message;
        all.push(
            Finding::warning(socket, format!("{name} has no network for pods: {why}"))
                .hint("write a network configuration: edge-cni conf bridge --help"),
        );
    }
    all
}

/// How a setting gets into edgecore.yaml: before the first join there is none that edge-conf could edit.
fn set(facts: &RuntimeFacts, line: &str) -> String {
    match facts.has_config {
        true => format!("edge-conf set {line}"),
        false => format!("echo {line} > FILE, and join with --settings FILE"),
    }
}

/// A runtime that works with this version.
fn install(version: Option<Minor>) -> &'static str {
    match version {
        Some(version) if version <= LAST_V1ALPHA2_ONLY => "edge-crio install --version 1.25",
        _ => "edge-crio install --version 1.34, or edge-pkg install containerd",
    }
}

fn lacks_v1alpha2(name: &str, version: &str) -> bool {
    let mut numbers = version.trim_start_matches('v').split(['.', '-', '+', '~']).map(str::parse::<u32>);
    let (Some(Ok(major)), Some(Ok(minor))) = (numbers.next(), numbers.next()) else { return false };
    WITHOUT_V1ALPHA2
        .iter()
        .any(|(known, first_major, first_minor)| *known == name && (major, minor) >= (*first_major, *first_minor))
}

#[cfg(test)]
mod tests {
    use edge_cri::{Answer, Condition};
    use edge_kubeedge::runtime::runtime as setting;

    use super::*;

    fn facts(config: &str, version: u16, answer: Answer) -> Vec<String> {
        let version = Some(Minor::new(version));
        let setting = setting(&edge_yaml::read(config).unwrap(), version).unwrap();
        let facts =
            RuntimeFacts { setting, socket: "/s".to_owned(), answer: Ok(answer), has_config: true, other: None };
        runtime(&facts, version).into_iter().map(|finding| finding.text).collect()
    }

    #[test]
    fn runtime_must_have_the_cri_and_the_cgroup_driver_of_edgecore() {
        let met = Condition { is_met: true, message: String::new() };
        let of = |name: &str, version: &str, api: &str| Answer {
            api: api.to_owned(),
            name: name.to_owned(),
            version: version.to_owned(),
            runtime_ready: met.clone(),
            network_ready: met.clone(),
            driver: Some("cgroupfs"),
        };
        assert_eq!(facts("", 23, of("containerd", "2.1.0", "v1")), Vec::<String>::new());
        assert!(
            facts("", 23, of("containerd", "1.5.0", "v1alpha2"))[0]
                .contains("has only CRI v1alpha2, and KubeEdge 1.23 needs v1")
        );
        let old = "modules: {edged: {containerRuntime: remote}}";
        assert!(facts(old, 12, of("containerd", "v2.0.1", "v1"))[0].contains("no longer has CRI v1alpha2"));
        assert!(facts(old, 12, of("cri-o", "1.26.0", "v1"))[0].contains("no longer has CRI v1alpha2"));
        assert_eq!(facts(old, 12, of("containerd", "1.7.2~ds1", "v1")), Vec::<String>::new());
        let systemd = "modules: {edged: {tailoredKubeletConfig: {cgroupDriver: systemd}}}";
        assert!(
            facts(systemd, 23, of("cri-o", "1.34.2", "v1"))[0]
                .contains("its cgroup driver is cgroupfs, and edgecore's is systemd")
        );
        let down = Answer {
            network_ready: Condition { is_met: false, message: "no CNI".into() },
            ..of("cri-o", "1.34.2", "v1")
        };
        assert!(facts("", 23, down)[0].contains("has no network for pods: no CNI"));
    }

    #[test]
    fn hints_are_commands_that_work_before_the_first_join_too() {
        let hint = |has_config, other, version: u16| {
            let version = Some(Minor::new(version));
            let setting = setting(&edge_yaml::Value::Null, version).unwrap();
            let answer = Err(edge_host::Error::failed("x"));
            let facts = RuntimeFacts { setting, socket: "/s".to_owned(), answer, has_config, other };
            runtime(&facts, version).remove(0).hint.unwrap()
        };
        let line = "modules.edged.tailoredKubeletConfig.containerRuntimeEndpoint=unix:///run/crio/crio.sock";
        let other = Some("/run/crio/crio.sock");
        assert!(hint(true, other, 23).ends_with(&format!("edge-conf set {line}")));
        assert!(hint(false, other, 23).ends_with(&format!("echo {line} > FILE, and join with --settings FILE")));
        assert!(hint(false, None, 23).contains("edge-crio install --version 1.34, or edge-pkg install containerd"));
        assert!(hint(false, None, 12).ends_with("edge-crio install --version 1.25"));
    }
}
