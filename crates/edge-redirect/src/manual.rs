//! The parts of the manual page that `--help` does not have.

use edge_host::manual::Manual;

/// Files, environment and related pages.
pub const MANUAL: Manual = Manual {
    section: 8,
    files: &[
        ("/etc/edgeutils/redirect.toml", "The redirects that restore applies"),
        ("/etc/systemd/system/edge-redirect.service", "The unit that runs restore at boot"),
        ("/etc/kubeedge/config/cloudcore.yaml", "Whether cloudcore manages the chain TUNNEL-PORT itself"),
    ],
    environment: &[],
    see_also: &["iptables(8)", "iptables-restore(8)", "nft(8)"],
};
