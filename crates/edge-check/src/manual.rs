//! The parts of the manual page that `--help` does not have.

use edge_host::manual::Manual;

/// Files, environment and related pages.
pub const MANUAL: Manual = Manual {
    section: 8,
    files: &[
        ("/etc/kubeedge/config/edgecore.yaml", "The addresses of cloudcore, the key pair of the node and its ports"),
        ("/etc/kubeedge/config/cloudcore.yaml", "The ports of cloudcore, and the key pair of its stream server"),
    ],
    environment: &[],
    see_also: &["kubectl(1)", "ss(8)", "edge-conf(8)", "edge-redirect(8)", "edge-certgen(8)"],
};
