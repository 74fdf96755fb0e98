//! The parts of the manual page that `--help` does not have.

use edge_host::manual::Manual;

/// Files, environment and related pages.
pub const MANUAL: Manual = Manual {
    section: 8,
    files: &[
        (
            "/etc/kubeedge/config/edgecore.yaml, /etc/kubeedge/config/cloudcore.yaml",
            "The configuration files of edgecore and cloudcore",
        ),
        ("/etc/systemd/system/UNIT.d/20-edgeutils.conf", "The variables that edge-conf env sets"),
        ("/etc/systemd/system/cloudcore.service, edgecore.service", "The units that edge-conf unit writes"),
    ],
    environment: &[],
    see_also: &["systemd.exec(5)", "systemctl(1)"],
};
