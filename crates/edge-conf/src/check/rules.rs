//! Checks settings against each other: KubeEdge's own validation, and its pitfalls.

use super::{SettingFinding, Severity};
use edge_kubeedge::address::{host_of, is_loopback};
use edge_kubeedge::runtime::V1ALPHA2;
use edge_kubeedge::settings::Settings;
use edge_kubeedge::stream::TUNNEL_PORT;
use edge_kubeedge::{Kind, Minor};
use serde_yaml::Value;

/// The first version that checks the node's name.
const NAMES_CHECKED: Minor = Minor::new(8);

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
    edge_stream(&values, findings);
    if !values.is_on("modules.edged.enable") {
        return;
    }
    if version.is_none_or(|version| version >= NAMES_CHECKED)
        && let Some(name) = values.text("modules.edged.hostnameOverride").filter(|name| !is_dns_name(name))
    {
        let message = format!(
            "\"{name}\" is not a valid node name (lower-case letters, digits, - and .); edgecore does not start"
        );
        findings.push(error("modules.edged.hostnameOverride", message));
    }
    if version == Some(Minor::new(4)) && values.text("modules.edged.nodeIP") == Some("") {
        findings.push(error("modules.edged.nodeIP", "is empty; edgecore 1.4 does not start"));
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
    if !values.is_on("modules.edgeHub.enable") {
        return;
    }
    let (websocket, quic) = ("modules.edgeHub.websocket.enable", "modules.edgeHub.quic.enable");
    if values.is_on(websocket) == values.is_on(quic) {
        let state = if values.is_on(quic) { "both enabled" } else { "both disabled" };
        findings.push(
            error("modules.edgeHub", format!("websocket and quic are {state}; edgecore does not start"))
                .hint("enable exactly one of them"),
        );
    }
    for path in ["modules.edgeHub.messageQPS", "modules.edgeHub.messageBurst"] {
        if is_below(values.written(path), 0) {
            findings.push(error(path, "must not be negative; edgecore does not start"));
        }
    }
}

fn edge_stream(values: &Settings<'_>, findings: &mut Vec<SettingFinding>) {
    let path = "modules.edgeStream.server";
    let hub = if values.is_on("modules.edgeHub.quic.enable") {
        "modules.edgeHub.quic.server"
    } else {
        "modules.edgeHub.websocket.server"
    };
    let Some(cloudcore) = values.text(hub).and_then(host_of).filter(|host| !is_loopback(host)) else {
        return;
    };
    let server = values.in_force(path).unwrap_or_default();
    if values.is_on("modules.edgeStream.enable") && (server.is_empty() || host_of(&server).is_some_and(is_loopback)) {
        let message =
            format!("is {server}: the tunnel for kubectl logs and exec connects to this host, not to cloudcore");
        findings.push(error(path, message).hint(format!("edge-conf set {path}={cloudcore}:{TUNNEL_PORT}")));
    }
}

/// The rules of cloudcore.
pub(super) fn cloudcore(version: Option<Minor>, doc: &Value, findings: &mut Vec<SettingFinding>) {
    let values = Settings::new(Kind::CloudCore, version, doc);
    let relative = "kubeAPIConfig.kubeConfig";
    if values.text(relative).is_some_and(|path| !path.is_empty() && !path.starts_with('/')) {
        findings.push(error(relative, "is not an absolute path; cloudcore does not start"));
    }
    if values.is_on("modules.edgeController.enable") {
        positive("modules.edgeController.nodeUpdateFrequency", &values, findings);
    }
    if values.is_turned_off("modules.cloudHub.enable") {
        findings.push(
            error("modules.cloudHub.enable", "is false: no node can connect")
                .hint("set it to true; --minconfig of KubeEdge 1.7 and newer writes false"),
        );
        return;
    }
    positive("modules.cloudHub.tokenRefreshDuration", &values, findings);
    for server in ["https", "websocket", "quic"] {
        let path = format!("modules.cloudHub.{server}.port");
        if is_below(values.written(&path), 1) || is_above(values.written(&path), 65535) {
            findings.push(error(&path, "must be a port from 1 to 65535; cloudcore does not start"));
        }
    }
    let socket = "modules.cloudHub.unixsocket.address";
    if values.text(socket).is_some_and(|address| !address.to_ascii_lowercase().starts_with("unix://")) {
        findings.push(error(socket, "must begin with unix://; cloudcore does not start"));
    }
}

fn positive(path: &str, values: &Settings<'_>, findings: &mut Vec<SettingFinding>) {
    if is_below(values.written(path), 1) {
        findings.push(error(path, "must be greater than 0; cloudcore does not start"));
    }
}

fn error(path: &str, message: impl Into<String>) -> SettingFinding {
    let steps: Vec<&str> = path.split('.').collect();
    SettingFinding::new(Severity::Error, &steps, message)
}

fn is_below(value: Option<&Value>, least: i64) -> bool {
    value.and_then(Value::as_i64).is_some_and(|number| number < least)
}

fn is_above(value: Option<&Value>, most: i64) -> bool {
    value.and_then(Value::as_i64).is_some_and(|number| number > most)
}

/// Whether it is a DNS-1123 subdomain, as Kubernetes requires of a node's name.
fn is_dns_name(name: &str) -> bool {
    let letter = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let label = |label: &str| {
        let bytes = label.as_bytes();
        bytes.first().is_some_and(letter)
            && bytes.last().is_some_and(letter)
            && bytes.iter().all(|byte| letter(byte) || *byte == b'-')
    };
    name.len() <= 253 && name.split('.').all(label)
}
