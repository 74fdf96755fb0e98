//! The parts of the manual page that `--help` does not have.

use edge_host::manual::Manual;

/// Files, environment and related pages.
pub const MANUAL: Manual = Manual {
    section: 8,
    files: &[
        ("/etc/edgeutils/reset.d/*.toml", "What else belongs to whom, added to the built-in data"),
        ("DIR/.edgeutils-trash-RUN/", "What run RUN has moved out of DIR, until undo or purge"),
        (
            "/var/lib/edgeutils/edge-reset/*.save",
            "Rules, tables, sets and virtual services as they were read, until purge, or until an undo finds all rules again",
        ),
    ],
    environment: &[],
    see_also: &["systemctl(1)", "umount(8)", "ip-link(8)", "iptables(8)", "nft(8)", "ipset(8)", "ipvsadm(8)"],
};
