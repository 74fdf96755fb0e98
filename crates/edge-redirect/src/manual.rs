//! What the manual page says beyond `--help`.

use edge_host::manual::Manual;

/// Files, environment and related pages.
pub const MANUAL: Manual = Manual {
    section: 8,
    files: &[
        ("/etc/edgeutils/redirect.toml", "The redirects that restore applies"),
        ("/etc/systemd/system/edge-redirect.service", "The unit that runs restore at boot"),
        ("/etc/kubeedge/config/cloudcore.yaml", "Read for the ports of cloudcore"),
    ],
    environment: &[],
    see_also: &["iptables(8)", "iptables-restore(8)", "nft(8)"],
};
