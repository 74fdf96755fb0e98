//! The parts of the manual page that `--help` does not have.

use edge_host::manual::Manual;

/// Files, environment and related pages.
pub const MANUAL: Manual = Manual {
    section: 8,
    files: &[
        ("/etc/kubernetes/pki/ca.crt", "The CA certificates that ca-hash reads by default"),
        ("/etc/kubernetes/admin.conf", "The kubeconfig that is copied by default"),
        ("~/.kube/config", "The kubeconfig of the user"),
        ("/etc/passwd", "The home directory, user and group of the user"),
    ],
    environment: &[],
    see_also: &["kubectl(1)", "openssl(1)"],
};
