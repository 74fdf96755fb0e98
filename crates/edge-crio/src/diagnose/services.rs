//! Compares CRI-O's cgroup driver and socket with the other services that depend on them: edgecore, kubelet, Docker.

use edge_kubeedge::runtime::{Runtime, is_same_socket};
use edge_yaml::Value;
use serde_json::Value as Json;

use super::{Finding, Severity};

/// The settings of the other services.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OtherServices {
    /// edgecore's file, and the runtime that it configures.
    pub edgecore: Option<(String, Runtime)>,
    /// kubelet's file and cgroup driver.
    pub kubelet: Option<(String, String)>,
    /// Docker's file and cgroup driver.
    pub docker: Option<(String, String)>,
    /// Set if kubelet is active: `is running` or `is enabled`.
    pub kubelet_active: Option<String>,
    /// The sockets of container runtimes that exist.
    pub sockets: Vec<String>,
}

/// kubelet's default.
const DEFAULT_DRIVER: &str = "cgroupfs";

/// The cgroup driver in kubelet's configuration, cgroupfs by default.
///
/// Errors: the text is not valid YAML.
pub fn kubelet_driver(text: &str) -> Result<Option<String>, String> {
    let document = edge_yaml::read(text).map_err(|cause| cause.to_string())?;
    let driver = document.get("cgroupDriver").and_then(Value::as_str).filter(|driver| !driver.is_empty());
    Ok(Some(driver.unwrap_or(DEFAULT_DRIVER).to_owned()))
}

/// The cgroup driver in Docker's daemon.json, if it is set.
///
/// Errors: the text is not valid JSON.
pub fn docker_driver(text: &str) -> Result<Option<String>, String> {
    let document: Json = serde_json::from_str(text)
        .map_err(|cause| format!("not valid JSON at line {}, column {}", cause.line(), cause.column()))?;
    let options = document.get("exec-opts").and_then(Json::as_array);
    let mut options = options.into_iter().flatten().rev().filter_map(Json::as_str);
    Ok(options.find_map(|option| option.strip_prefix("native.cgroupdriver=")).map(str::to_owned))
}

/// Reports services that use another cgroup driver or socket than CRI-O.
pub fn services(driver: &str, socket: &str, others: &OtherServices) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some((file, edgecore)) = &others.edgecore {
        if edgecore.uses_docker {
            findings.push(
                Finding::error(file, "edgecore uses Docker instead of CRI-O")
                    .hint("configure edgecore: edge-crio settings | edge-conf enable crio -"),
            );
        } else if edgecore.cgroup_driver != driver {
            let text = format!(
                "edgecore uses the cgroup driver {}, but CRI-O uses {driver}: pods cannot start",
                edgecore.cgroup_driver
            );
            findings.push(
                Finding::error(file, text)
                    .at(&edgecore.keys.cgroup_driver)
                    .hint("configure edgecore: edge-crio settings | edge-conf enable crio -"),
            );
        }
        let elsewhere = match edgecore.endpoint.as_deref() {
            Some(other) if is_same_socket(other, socket) => None,
            Some(other) => Some(format!("edgecore uses the container runtime at {other} instead of CRI-O")),
            // The default is containerd's socket, or dockershim's in old versions.
            None => Some("is not set, and the default is the socket of another container runtime".to_owned()),
        };
        if let Some(text) = elsewhere.filter(|_| !edgecore.uses_docker) {
            findings.push(
                Finding::error(file, text)
                    .at(&edgecore.keys.endpoint)
                    .hint("configure edgecore: edge-crio settings | edge-conf enable crio -"),
            );
        }
        if let Some(how) = &others.kubelet_active {
            findings.push(
                Finding::error(
                    "kubelet.service",
                    format!("kubelet {how} besides edgecore: both use this container runtime and port 10250"),
                )
                .hint("disable it on an edge node: systemctl disable --now kubelet.service"),
            );
        }
    }
    if let Some((file, other)) = others.kubelet.as_ref().filter(|(_, other)| other != driver) {
        let severity = if others.edgecore.is_some() { Severity::Note } else { Severity::Error };
        findings.push(
            Finding::new(severity, file, format!("kubelet uses the cgroup driver {other}, but CRI-O uses {driver}"))
                .at("cgroupDriver")
                .hint(format!(
                    "set cgroupDriver: {driver} there, or change that of CRI-O: edge-crio install --version V --cgroup-driver {other}"
                )),
        );
    }
    if let Some((file, other)) = others.docker.as_ref().filter(|(_, other)| other != driver) {
        findings.push(
            Finding::new(
                Severity::Note,
                file,
                format!(
                    "Docker uses the cgroup driver {other}, but CRI-O uses {driver}: the host has two cgroup managers"
                ),
            )
            .at("exec-opts"),
        );
    }
    for other in others.sockets.iter().filter(|other| !is_same_socket(other, socket)) {
        findings.push(
            Finding::warning(other, "this is the socket of another container runtime, which keadm and crictl may use")
                .hint(format!("specify the socket: keadm join --remote-runtime-endpoint=unix://{socket}")),
        );
    }
    findings
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
    fn kubelet_and_docker_drivers_are_read() {
        let (kubelet_driver, docker_driver) =
            (|text| kubelet_driver(text).unwrap(), |text| docker_driver(text).unwrap());
        assert_eq!(kubelet_driver("cgroupDriver: systemd\n").as_deref(), Some("systemd"));
        assert_eq!(kubelet_driver("kind: KubeletConfiguration\n").as_deref(), Some("cgroupfs"));
        let docker = r#"{"exec-opts": ["a=b", "native.cgroupdriver=systemd"]}"#;
        assert_eq!(docker_driver(docker).as_deref(), Some("systemd"));
        let twice = r#"{"exec-opts": ["native.cgroupdriver=cgroupfs", "native.cgroupdriver=systemd"]}"#;
        assert_eq!(docker_driver(twice).as_deref(), Some("systemd"), "the last one takes precedence");
        assert_eq!(docker_driver("{}"), None);
        assert!(super::docker_driver("{").unwrap_err().starts_with("not valid JSON at line 1, column "));
        assert!(super::kubelet_driver("a: [").unwrap_err().starts_with("not valid YAML at line 1, "));
    }

    #[test]
    fn services_reports_each_difference() {
        let others = OtherServices {
            edgecore: edgecore(
                "modules: {edged: {tailoredKubeletConfig: {cgroupDriver: cgroupfs, containerRuntimeEndpoint: 'unix:///run/containerd/containerd.sock'}}}",
            ),
            kubelet: Some(("k".to_owned(), "cgroupfs".to_owned())),
            docker: Some(("d".to_owned(), "cgroupfs".to_owned())),
            kubelet_active: Some("is running".to_owned()),
            sockets: vec!["/run/crio/crio.sock".to_owned(), "/run/containerd/containerd.sock".to_owned()],
        };
        let shown: Vec<String> = services("systemd", "/var/run/crio/crio.sock", &others)
            .iter()
            .map(|finding| format!("{} {} {}: {}", finding.severity.word(), finding.file, finding.path, finding.text))
            .collect();
        insta::assert_snapshot!(shown.join("\n"));
        let same = OtherServices {
            edgecore: edgecore(
                "modules: {edged: {runtimeType: remote, cgroupDriver: systemd, remoteRuntimeEndpoint: /run/crio/crio.sock}}",
            ),
            sockets: vec!["/run/crio/crio.sock".to_owned()],
            ..OtherServices::default()
        };
        assert_eq!(services("systemd", "/var/run/crio/crio.sock", &same), []);
        let unset = OtherServices {
            edgecore: edgecore("modules: {edged: {tailoredKubeletConfig: {cgroupDriver: systemd}}}"),
            ..OtherServices::default()
        };
        let found = services("systemd", "/var/run/crio/crio.sock", &unset);
        assert_eq!(found[0].text, "is not set, and the default is the socket of another container runtime");
        assert_eq!(found.len(), 1);
    }
}
