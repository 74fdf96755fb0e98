//! Who else must agree with CRI-O: edgecore, kubelet, docker.

use edge_kubeedge::runtime::Runtime;
use edge_yaml::Value;
use serde_json::Value as Json;

use super::{Finding, Severity};

/// Who says what.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Neighbours {
    /// edgecore's file, and the runtime that it uses by it.
    pub edgecore: Option<(String, Runtime)>,
    /// kubelet's file, and its driver.
    pub kubelet: Option<(String, String)>,
    /// docker's file, and its driver.
    pub docker: Option<(String, String)>,
    /// kubelet runs, or starts at boot.
    pub kubelet_active: Option<String>,
    /// Sockets of runtimes that are there.
    pub sockets: Vec<String>,
}

const VAR: &str = "/var";
const RUN: &str = "/run/";
/// kubelet's own default.
const DEFAULT_DRIVER: &str = "cgroupfs";

/// kubelet's driver, from its configuration: cgroupfs unless set.
pub fn kubelet_driver(text: &str) -> Option<String> {
    let document = edge_yaml::read(text).ok()?;
    let driver = document.get("cgroupDriver").and_then(Value::as_str).filter(|driver| !driver.is_empty());
    Some(driver.unwrap_or(DEFAULT_DRIVER).to_owned())
}

/// docker's driver, where daemon.json sets it.
pub fn docker_driver(text: &str) -> Option<String> {
    let document: Json = serde_json::from_str(text).ok()?;
    let options = document.get("exec-opts")?.as_array()?;
    let driver =
        options.iter().rev().filter_map(Json::as_str).find_map(|option| option.strip_prefix("native.cgroupdriver="));
    driver.map(str::to_owned)
}

/// Where they do not agree with CRI-O's driver and socket.
pub fn agreement(driver: &str, socket: &str, others: &Neighbours) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some((file, edgecore)) = &others.edgecore {
        if edgecore.uses_docker {
            findings.push(
                Finding::error(file, "edgecore uses docker, and not CRI-O")
                    .hint("edge-crio settings | edge-conf enable crio -"),
            );
        } else if edgecore.cgroup_driver != driver {
            let text =
                format!("edgecore makes cgroups by {}, and CRI-O by {driver}: no pod starts", edgecore.cgroup_driver);
            findings.push(
                Finding::error(file, text)
                    .at(&edgecore.keys.cgroup_driver)
                    .hint("edge-crio settings | edge-conf enable crio -"),
            );
        }
        let elsewhere = match edgecore.endpoint.as_deref() {
            Some(other) if is_same_socket(other, socket) => None,
            Some(other) => Some(format!("edgecore asks the runtime at {other}, and not CRI-O")),
            // containerd's, and dockershim's of old.
            None => Some("edgecore is given no socket, and its default is another runtime's".to_owned()),
        };
        if let Some(text) = elsewhere.filter(|_| !edgecore.uses_docker) {
            findings.push(
                Finding::error(file, text)
                    .at(&edgecore.keys.endpoint)
                    .hint("edge-crio settings | edge-conf enable crio -"),
            );
        }
        if let Some(how) = &others.kubelet_active {
            findings.push(
                Finding::error(
                    "kubelet.service",
                    format!("kubelet {how} beside edgecore: both want this runtime and port 10250"),
                )
                .hint("systemctl disable --now kubelet.service, on an edge node"),
            );
        }
    }
    if let Some((file, other)) = others.kubelet.as_ref().filter(|(_, other)| other != driver) {
        let severity = if others.edgecore.is_some() { Severity::Note } else { Severity::Error };
        findings.push(
            Finding::new(severity, file, format!("kubelet makes cgroups by {other}, and CRI-O by {driver}"))
                .at("cgroupDriver")
                .hint(format!("cgroupDriver: {driver} there, or edge-crio install --cgroup-driver {other}")),
        );
    }
    if let Some((file, other)) = others.docker.as_ref().filter(|(_, other)| other != driver) {
        findings.push(
            Finding::new(
                Severity::Note,
                file,
                format!("docker makes cgroups by {other}, and CRI-O by {driver}: two managers on one host"),
            )
            .at("exec-opts"),
        );
    }
    let more: Vec<&str> =
        others.sockets.iter().map(String::as_str).filter(|other| !is_same_socket(other, socket)).collect();
    if !more.is_empty() {
        findings.push(
            Finding::warning(
                more.join(", "),
                "another container runtime listens here as well: keadm and crictl may take that one",
            )
            .hint(format!("name this one to them: --remote-runtime-endpoint=unix://{socket}")),
        );
    }
    findings
}

/// Whether two addresses are one socket: /var/run is /run.
fn is_same_socket(a: &str, b: &str) -> bool {
    fn bare(text: &str) -> &str {
        let text = text.strip_prefix("unix://").unwrap_or(text);
        text.strip_prefix(VAR).filter(|rest| rest.starts_with(RUN)).unwrap_or(text)
    }
    bare(a) == bare(b)
}

#[cfg(test)]
mod tests {
    use super::*;
    use edge_kubeedge::runtime::runtime;

    fn edgecore(text: &str) -> Option<(String, Runtime)> {
        let document = edge_yaml::read(text).unwrap();
        runtime(&document, None).map(|runtime| ("e".to_owned(), runtime))
    }

    #[test]
    fn drivers_are_read() {
        assert_eq!(kubelet_driver("cgroupDriver: systemd\n").as_deref(), Some("systemd"));
        assert_eq!(kubelet_driver("kind: KubeletConfiguration\n").as_deref(), Some("cgroupfs"));
        let docker = r#"{"exec-opts": ["a=b", "native.cgroupdriver=systemd"]}"#;
        assert_eq!(docker_driver(docker).as_deref(), Some("systemd"));
        let twice = r#"{"exec-opts": ["native.cgroupdriver=cgroupfs", "native.cgroupdriver=systemd"]}"#;
        assert_eq!(docker_driver(twice).as_deref(), Some("systemd"), "the last one counts");
        assert_eq!(docker_driver("{}"), None);
        assert_eq!(docker_driver("{"), None);
    }

    #[test]
    fn each_disagreement_is_found() {
        let others = Neighbours {
            edgecore: edgecore(
                "modules: {edged: {tailoredKubeletConfig: {cgroupDriver: cgroupfs, containerRuntimeEndpoint: 'unix:///run/containerd/containerd.sock'}}}",
            ),
            kubelet: Some(("k".to_owned(), "cgroupfs".to_owned())),
            docker: Some(("d".to_owned(), "cgroupfs".to_owned())),
            kubelet_active: Some("runs".to_owned()),
            sockets: vec!["/run/crio/crio.sock".to_owned(), "/run/containerd/containerd.sock".to_owned()],
        };
        let shown: Vec<String> = agreement("systemd", "/var/run/crio/crio.sock", &others)
            .iter()
            .map(|finding| format!("{} {} {}: {}", finding.severity.word(), finding.file, finding.path, finding.text))
            .collect();
        insta::assert_snapshot!(shown.join("\n"));
        let good = Neighbours {
            edgecore: edgecore(
                "modules: {edged: {runtimeType: remote, cgroupDriver: systemd, remoteRuntimeEndpoint: /run/crio/crio.sock}}",
            ),
            sockets: vec!["/run/crio/crio.sock".to_owned()],
            ..Neighbours::default()
        };
        assert_eq!(agreement("systemd", "/var/run/crio/crio.sock", &good), []);
        let silent = Neighbours {
            edgecore: edgecore("modules: {edged: {tailoredKubeletConfig: {cgroupDriver: systemd}}}"),
            ..Neighbours::default()
        };
        let found = agreement("systemd", "/var/run/crio/crio.sock", &silent);
        assert_eq!(found[0].text, "edgecore is given no socket, and its default is another runtime's");
        assert_eq!(found.len(), 1);
    }
}
