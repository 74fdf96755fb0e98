//! The parts of the manual page that `--help` does not have.

use edge_host::manual::Manual;

/// Files, environment and related pages.
pub const MANUAL: Manual = Manual {
    section: 8,
    files: &[
        ("/etc/kubeedge/ca/rootCA.crt", "The CA of cloudcore"),
        ("/etc/kubeedge/certs/server.crt, server.key", "The certificate of the node and its private key"),
        ("/etc/kubeedge/config/edgecore.yaml", "The configuration of edgecore"),
        ("/usr/local/bin/edgecore", "edgecore"),
        ("/etc/systemd/system/edgecore.service", "The unit of edgecore"),
        (
            "/etc/systemd/system/edge-join-first-boot.service",
            "Joins at the first boot of an image, which edge-join apply --root has prepared",
        ),
        (
            "/etc/edgeutils/join-token",
            "The token for the first boot, of root and with mode 0600; deleted after the join or its refusal by cloudcore",
        ),
        ("/var/lib/edgeutils/edge-join/", "Downloads and the unpacked edgecore, while apply runs"),
        ("/etc/hosts", "Where the name of this host must be, unless DNS can always answer"),
    ],
    environment: &[],
    see_also: &["edge-token(8)", "edge-conf(8)", "edge-crio(8)", "edge-reset(8)", "systemctl(1)"],
};
