//! What the manual page says beyond `--help`.

use edge_host::manual::Manual;

/// Files, environment and related pages.
pub const MANUAL: Manual = Manual {
    section: 8,
    files: &[
        ("/etc/crio/crio.conf.d/20-edgeutils.conf", "Settings of CRI-O"),
        ("/etc/containers/registries.conf.d/20-edgeutils.conf", "Registry mirrors"),
        ("/etc/systemd/system/crio.service.d/20-edgeutils.conf", "The proxy of the crio unit"),
        (
            "/var/lib/edgeutils/edge-crio.json",
            "What install put in place from a bundle, for the next install and for remove",
        ),
        ("/var/lib/edgeutils/edge-crio/", "A download while install works"),
    ],
    environment: &[("http_proxy, https_proxy, no_proxy", "The proxy for downloads unless --proxy is given")],
    see_also: &["crio(8)", "crio.conf(5)", "systemctl(1)"],
};
