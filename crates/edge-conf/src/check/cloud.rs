//! Whether edgecore's hub and certificate server are addresses of cloudcore: the default is the node's own address.

use super::rules::error;
use super::{SettingFinding, Severity};
use edge_kubeedge::address::{host_of, is_loopback};
use edge_kubeedge::hub;
use edge_kubeedge::settings::{Settings, plain};
use edge_kubeedge::stream::HTTPS_PORT;
use edge_kubeedge::value::ValueKind;

const CERTIFICATES: &str = "modules.edgeHub.httpServer";
/// A host of an example.
const EXAMPLE: &str = "192.0.2.1";

/// Checks the servers of the hub in use.
pub(super) fn servers(values: &Settings<'_>, findings: &mut Vec<SettingFinding>) {
    let Ok(hub) = hub::in_use(values) else { return };
    let certificates = values.written(CERTIFICATES).and_then(plain);
    let certificate_host = certificates.as_deref().and_then(https_host);
    let is_absent = |path: &str| values.written(path).is_none();
    let certificates_at = |host: &str| format!("{CERTIFICATES}=https://{host}:{HTTPS_PORT}");
    let warning = |path: &str, message: String, hint: String| {
        SettingFinding { severity: Severity::Warning, ..error(path, message) }.hint(hint)
    };
    if is_absent(hub.path) {
        let message = "is not set: edgecore uses the address of this host, so cloudcore must run here".to_owned();
        let port = hub.usual_port;
        let hint = match certificate_host.filter(|host| !is_loopback(host)) {
            Some(host) => format!("edge-conf set {}={host}:{port}", hub.path),
            None => {
                let more =
                    if is_absent(CERTIFICATES) { format!(" {}", certificates_at(EXAMPLE)) } else { String::new() };
                format!(
                    "otherwise, set the address of cloudcore, such as: edge-conf set {}={EXAMPLE}:{port}{more}",
                    hub.path
                )
            }
        };
        findings.push(warning(hub.path, message, hint));
        return;
    }
    // An address that is not valid is reported as such.
    let Ok(Some(cloudcore)) = hub.address() else { return };
    if cloudcore.is_loopback() {
        let (host, port) = (cloudcore.host, cloudcore.port);
        let message = format!("is {host}:{port}: edgecore connects to this host, so cloudcore must run here too");
        findings.push(warning(hub.path, message, "otherwise, set it to the address of cloudcore".to_owned()));
        return;
    }
    let hint = format!("edge-conf set {}", certificates_at(cloudcore.host));
    if is_absent(CERTIFICATES) {
        let message = "is not set: edgecore requests its certificates at the address of this host, not at cloudcore";
        findings.push(warning(CERTIFICATES, message.to_owned(), hint));
    } else if certificate_host.is_some_and(is_loopback) {
        let server = certificates.as_deref().unwrap_or_default();
        let message = format!("is {server}: edgecore requests its certificates at this host, not at cloudcore");
        findings.push(warning(CERTIFICATES, message, hint));
    }
}

/// The host of a valid address of cloudcore's certificate server.
fn https_host(server: &str) -> Option<&str> {
    ValueKind::Https(HTTPS_PORT).check(server).ok()?;
    let (_, host) = server.split_once("://")?;
    let host = host.strip_suffix('/').unwrap_or(host);
    let is_alone = host.ends_with(']') || !host.contains(':');
    if is_alone { Some(host) } else { host_of(host) }
}
