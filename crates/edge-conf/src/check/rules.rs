//! Checks settings against each other: KubeEdge's own validation, and its pitfalls.

use super::{SettingFinding, Severity};
use edge_kubeedge::address::Address;
use edge_kubeedge::hub::{self, Hub, NoHub};
use edge_kubeedge::runtime::{Keys, V1ALPHA2, accepts_docker, is_same_socket};
use edge_kubeedge::settings::{Settings, written};
use edge_kubeedge::stream::TUNNEL_PORT;
use edge_kubeedge::value::ValueKind;
use edge_kubeedge::{Kind, Minor};
use serde_yaml::Value;

/// `kind:` and `apiVersion:`. KubeEdge reads neither; they state what the file was written for.
pub(super) fn head(kind: Kind, version: Option<Minor>, doc: &Value, findings: &mut Vec<SettingFinding>) {
    let values = Settings::new(kind, version, doc);
    if let Some(text) = values.text("kind") {
        if text.parse() == Ok(kind.other()) {
            let (other, program) = (kind.other().program(), kind.program());
            let message = format!("is {text}: the file is for {other}, and {program} ignores most of it");
            findings.push(SettingFinding::new(Severity::Error, &["kind"], message));
        } else if text != kind.name() {
            let message = format!("is \"{text}\"; KubeEdge does not read it, but other tools do");
            findings.push(SettingFinding::new(Severity::Warning, &["kind"], message).hint(format!("set it to {kind}")));
        }
    }
    if let Some(text) = values.text("apiVersion") {
        findings.extend(api_version(kind, version, text));
    }
}

/// Whether the file is for the other component, so that no setting in it means anything.
pub(super) fn is_of_other_kind(kind: Kind, doc: &Value) -> bool {
    written(doc, "kind").and_then(Value::as_str).is_some_and(|text| text.parse() == Ok(kind.other()))
}

fn api_version(kind: Kind, version: Option<Minor>, text: &str) -> Option<SettingFinding> {
    let found = |severity, message| Some(SettingFinding::new(severity, &["apiVersion"], message));
    let group = format!("{}.config.kubeedge.io/", kind.program());
    let Some(api) = text.strip_prefix(&group) else {
        return found(
            Severity::Warning,
            format!("is not an API version of {}; KubeEdge does not read it", kind.program()),
        )
        .map(|finding| finding.hint(format!("it must begin with {group}")));
    };
    match (kind, api, version) {
        (Kind::EdgeCore, "v1alpha1", Some(version)) if version >= V1ALPHA2 => found(
            Severity::Error,
            format!(
                "is v1alpha1, but edgecore {version} reads the file as v1alpha2: cgroupDriver and the \
                 container runtime's socket are silently ignored (cgroupfs and the default socket are used)"
            ),
        )
        .map(|finding| finding.hint("move the settings to modules.edged.tailoredKubeletConfig and set v1alpha2")),
        (Kind::EdgeCore, "v1alpha2", Some(version)) if version < V1ALPHA2 => found(
            Severity::Error,
            format!("is v1alpha2, but edgecore {version} reads the file as v1alpha1 and ignores its new keys"),
        ),
        (Kind::EdgeCore, "v1alpha1" | "v1alpha2", _) | (Kind::CloudCore, "v1alpha1", _) => None,
        (Kind::CloudCore, "v1alpha2", _) => found(
            Severity::Note,
            "is v1alpha2, which cloudcore does not have; cloudcore does not read this key".to_owned(),
        ),
        _ => found(
            Severity::Warning,
            format!("is \"{api}\", which is not a known API version; KubeEdge does not read it"),
        ),
    }
}

/// The rules of edgecore.
pub(super) fn edgecore(version: Option<Minor>, doc: &Value, findings: &mut Vec<SettingFinding>) {
    let values = Settings::new(Kind::EdgeCore, version, doc);
    disabled_modules(&values, findings);
    edge_hub(&values, findings);
    super::cloud::servers(&values, findings);
    edge_stream(&values, findings);
    edge_mesh(version, &values, findings);
    if values.is_on("modules.edged.enable") {
        sockets(version, &values, findings);
        image_thresholds(&values, findings);
    }
}

/// The kubelet in edgecore refuses a low threshold that is not below the high one (`ValidateKubeletConfiguration`).
fn image_thresholds(values: &Settings<'_>, findings: &mut Vec<SettingFinding>) {
    let path = |key: &str| format!("modules.edged.tailoredKubeletConfig.imageGC{key}ThresholdPercent");
    let in_force = |key: &str| values.in_force(&path(key)).and_then(|text| text.parse::<i64>().ok());
    if let (Some(low), Some(high)) = (in_force("Low"), in_force("High"))
        && low >= high
    {
        let message =
            format!("is {low}, and must be less than {}, which is {high}; edgecore does not start", path("High"));
        findings.push(error(&path("Low"), message));
    }
}

/// The built-in edgeMesh is enabled by default (kubeedge v1.4 to v1.7 `default.go`).
fn edge_mesh(version: Option<Minor>, values: &Settings<'_>, findings: &mut Vec<SettingFinding>) {
    let path = "modules.edgeMesh.enable";
    if version.is_some() && values.written(path).is_none() && values.is_on(path) {
        let message = "is not set, and enabled by default: the built-in edgeMesh listens on docker0 and adds iptables \
                       rules, which conflicts with EdgeMesh and does not work without Docker";
        findings.push(
            SettingFinding { severity: Severity::Warning, ..error(path, message) }
                .hint(format!("if it is not used: edge-conf set {path}=false")),
        );
    }
}

/// Two sockets that differ: images are pulled by another runtime than the one that runs the pods.
fn sockets(version: Option<Minor>, values: &Settings<'_>, findings: &mut Vec<SettingFinding>) {
    let Some(version) = version else { return };
    let keys = Keys::of(version);
    let in_force = |path: &str| values.in_force(path).filter(|socket| !socket.is_empty());
    let is_docker = keys.runtime_type.as_deref().and_then(in_force).as_deref() == Some("docker");
    let (Some(runtime), Some(images)) = (in_force(&keys.endpoint), in_force(&keys.image_endpoint)) else { return };
    let is_valid = |socket: &str| ValueKind::Cri.check(socket).err().is_none_or(|bad| bad.is_tolerated());
    let is_by_socket = !is_docker || !accepts_docker(version);
    if is_by_socket && is_valid(&runtime) && is_valid(&images) && !is_same_socket(&runtime, &images) {
        let (path, other) = (&keys.image_endpoint, &keys.endpoint);
        let message = format!("is {images}, but {other} is {runtime}: images are pulled by another runtime");
        findings.push(
            SettingFinding { severity: Severity::Warning, ..error(path, message) }
                .hint(format!("edge-conf set {path}={runtime}")),
        );
    }
}

/// Modules that are disabled: `--minconfig` of 1.7 and newer writes `enable: false` for modules that are enabled by default.
fn disabled_modules(values: &Settings<'_>, findings: &mut Vec<SettingFinding>) {
    let hub_is_off = values.is_turned_off("modules.edgeHub.enable");
    if hub_is_off {
        findings.push(
            error("modules.edgeHub.enable", "is false: the node never connects to cloudcore")
                .hint("set it to true; --minconfig of KubeEdge 1.7 and newer writes false"),
        );
    }
    let severity = if hub_is_off { Severity::Warning } else { Severity::Note };
    for (path, effect) in [
        ("modules.edged.enable", "the node runs no pods"),
        ("modules.deviceTwin.enable", "device twins are not synchronized"),
        ("modules.eventBus.enable", "MQTT is not available"),
    ] {
        if values.is_turned_off(path) {
            let severity = if path == "modules.edged.enable" { Severity::Warning } else { severity };
            findings.push(
                SettingFinding { severity, ..error(path, format!("is false: {effect}")) }
                    .hint("the default is true; --minconfig of KubeEdge 1.7 and newer writes false"),
            );
        }
    }
}

fn edge_hub(values: &Settings<'_>, findings: &mut Vec<SettingFinding>) {
    let state = match hub::in_use(values) {
        Err(NoHub::Both) => "enabled",
        Err(NoHub::Neither) => "disabled",
        Ok(_) | Err(NoHub::Off) => return,
    };
    findings.push(
        error("modules.edgeHub", format!("websocket and quic are both {state}; edgecore does not start"))
            .hint("enable exactly one of them"),
    );
}

fn edge_stream(values: &Settings<'_>, findings: &mut Vec<SettingFinding>) {
    let path = "modules.edgeStream.server";
    let Ok(hub) = hub::in_use(values) else { return };
    // An address that is not valid is reported as such.
    let Ok(Some(cloudcore)) = hub.address() else { return };
    let server = values.in_force(path).unwrap_or_default();
    if cloudcore.is_loopback() || !values.is_on("modules.edgeStream.enable") {
        return;
    }
    let host = cloudcore.host;
    let is_own = server.is_empty() || Address::parse(&server).is_ok_and(|address| address.is_loopback());
    if is_own {
        let message =
            format!("is {server}: the tunnel for kubectl logs and exec connects to this host, not to cloudcore");
        findings.push(error(path, message).hint(format!("edge-conf set {path}={host}:{TUNNEL_PORT}")));
    } else if cloudcore.port != hub.usual_port && server == format!("{host}:{TUNNEL_PORT}") {
        findings.push(SettingFinding { severity: Severity::Note, ..error(path, mapped(&hub, cloudcore.port)) });
    }
}

/// cloudcore behind a service of type NodePort or a port mapping.
pub(crate) fn mapped(hub: &Hub, port: u16) -> String {
    format!(
        "{} has port {port} instead of {}: cloudcore's ports seem to be mapped (NodePort), and then its tunnel port may \
         not be {TUNNEL_PORT} either",
        hub.path, hub.usual_port
    )
}

/// The rules of cloudcore.
pub(super) fn cloudcore(version: Option<Minor>, doc: &Value, findings: &mut Vec<SettingFinding>) {
    let values = Settings::new(Kind::CloudCore, version, doc);
    if values.is_turned_off("modules.cloudHub.enable") {
        findings.push(
            error("modules.cloudHub.enable", "is false: no node can connect")
                .hint("set it to true; --minconfig of KubeEdge 1.7 and newer writes false"),
        );
        return;
    }
    servers(&values, findings);
    let advertised = "modules.cloudHub.advertiseAddress";
    let addresses = values.written(advertised).and_then(Value::as_sequence);
    if addresses.is_some_and(Vec::is_empty) {
        findings.push(error(advertised, "is empty; cloudcore does not start"));
    }
    let unspecified = |address: &Value| matches!(address.as_str(), Some("0.0.0.0" | "::"));
    if addresses.is_some_and(|addresses| addresses.iter().any(unspecified)) {
        let message = "contains the address of no host: edge nodes cannot verify cloudcore by it";
        findings.push(
            SettingFinding { severity: Severity::Warning, ..error(advertised, message) }
                .hint("list the addresses that edge nodes connect to"),
        );
    }
}

/// Both hubs off, and ports that two servers of cloudcore need (kubeedge v1.4 to v1.23 `cloudhub.go`, `cloudstream.go`).
fn servers(values: &Settings<'_>, findings: &mut Vec<SettingFinding>) {
    let is_on = |section: &str| values.is_on(&format!("{section}.enable"));
    let (hub, stream) = ("modules.cloudHub", "modules.cloudStream");
    if !is_on("modules.cloudHub.websocket") && !is_on("modules.cloudHub.quic") {
        let message = "websocket and quic are both disabled: no node can connect";
        findings.push(error(hub, message).hint("enable at least one of them"));
    }
    // QUIC uses UDP, on which the same port is another one. cloudStream listens on all addresses.
    let tcp = [
        ("modules.cloudHub.websocket.port", is_on("modules.cloudHub.websocket"), "modules.cloudHub.websocket.address"),
        ("modules.cloudHub.https.port", is_on("modules.cloudHub.https"), "modules.cloudHub.https.address"),
        ("modules.cloudStream.streamPort", is_on(stream), ""),
        ("modules.cloudStream.tunnelPort", is_on(stream), ""),
    ];
    let in_use = tcp.iter().filter(|(_, is_on, _)| *is_on);
    let mut known: Vec<(&str, String, String)> = Vec::new();
    for (path, _, address) in in_use {
        let Some(port) = values.in_force(path) else { continue };
        let address = values.in_force(address).unwrap_or_default();
        let is_any = |address: &str| ["", "0.0.0.0", "::", "[::]"].contains(&address);
        let meets = |other: &str| other == address || is_any(other) || is_any(&address);
        if let Some((first, ..)) = known.iter().find(|(_, own, at)| *own == port && meets(at)) {
            let message = format!("is {port}, which is also {first}; cloudcore does not start");
            findings.push(error(path, message).hint("use another port"));
        }
        known.push((path, port, address));
    }
}

pub(super) fn error(path: &str, message: impl Into<String>) -> SettingFinding {
    let steps: Vec<&str> = path.split('.').collect();
    SettingFinding::new(Severity::Error, &steps, message)
}
