//! What the manual page says beyond `--help`.

use edge_host::manual::Manual;

/// Files, environment and related pages.
pub const MANUAL: Manual = Manual {
    section: 8,
    files: &[
        ("/etc/kubeedge/config/edgecore.yaml, /etc/kubeedge/config/cloudcore.yaml", "The configurations that it edits"),
        ("/etc/systemd/system/UNIT.d/20-edgeutils.conf", "What env sets"),
    ],
    environment: &[],
    see_also: &["systemd.exec(5)", "systemctl(1)"],
};
