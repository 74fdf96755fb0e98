//! The parts of the manual page that `--help` does not have.

use edge_host::manual::Manual;

/// Files, environment and related pages.
pub const MANUAL: Manual = Manual {
    section: 8,
    files: &[
        ("/etc/kubeedge/ca/rootCA.crt", "The CA of cloudcore"),
        ("/etc/kubeedge/certs/server.crt, server.key", "The certificate of the node and its private key"),
        ("/etc/kubeedge/config/edgecore.yaml", "The configuration of edgecore"),
        ("/etc/hosts", "Where the name of this host must be, unless DNS can always answer"),
    ],
    environment: &[],
    see_also: &["edge-token(8)", "edge-conf(8)", "systemctl(1)"],
};
