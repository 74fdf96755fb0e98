//! The parts of the manual page that `--help` does not have.

use edge_host::manual::Manual;

/// Files, environment and related pages.
pub const MANUAL: Manual = Manual {
    section: 1,
    files: &[(
        "/usr/bin/kubectl-edge_manifest",
        "A link to edge-manifest, by which kubectl finds it: kubectl edge-manifest check FILE",
    )],
    environment: &[],
    see_also: &["kubectl(1)", "helm(1)"],
};
