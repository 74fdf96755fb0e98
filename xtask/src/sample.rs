//! The edge node that bench and demo work on: default configurations, made from edge-conf's key table.

use anyhow::Result;

/// The default edgecore.yaml of a KubeEdge release, as `keadm` or `edgecore --defaultconfig` leaves it.
pub(crate) fn edgecore_yaml(version: &str) -> Result<String> {
    let server = if version == "1.8" { "10000" } else { "10002" };
    Ok(DEFAULTS.replace("@PORT@", server))
}

/// Stands in for `edge_conf::schema::render`.
const DEFAULTS: &str = "\
apiVersion: edgecore.config.kubeedge.io/v1alpha1
kind: EdgeCore
modules:
  edgeHub:
    enable: true
    heartbeat: 15
    websocket:
      enable: true
      server: 127.0.0.1:@PORT@
  edgeStream:
    enable: false
    handshakeTimeout: 30
    server: 127.0.0.1:10004
  metaManager:
    contextSendGroup: hub
    metaServer:
      enable: false
      server: 127.0.0.1:10550
  edged:
    enable: true
";

/// A unit as `keadm join` installs it.
pub(crate) const EDGECORE_UNIT: &str = "\
[Unit]
Description=edgecore.service

[Service]
Type=simple
ExecStart=/usr/local/bin/edgecore
Restart=always
RestartSec=10
Environment=DEPLOY_MQTT_CONTAINER=true

[Install]
WantedBy=multi-user.target
";

/// What the node says it is.
pub(crate) const OS_RELEASE: &str = "\
PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"
NAME=\"Debian GNU/Linux\"
VERSION_ID=\"12\"
ID=debian
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_releases_differ_and_hold_what_is_set_in_them() {
        let [old, new] = ["1.8", "1.23"].map(|version| edgecore_yaml(version).unwrap());
        assert_ne!(old, new);
        for text in [old, new] {
            for key in ["  edgeStream:\n", "    metaServer:\n"] {
                assert!(text.contains(key), "no {key:?} in:\n{text}");
            }
        }
    }
}
