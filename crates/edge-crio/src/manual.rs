//! What the manual page contains beyond `--help`.

use edge_host::manual::Manual;

/// Files, environment and related pages.
pub const MANUAL: Manual = Manual {
    section: 8,
    files: &[
        ("/etc/crio/crio.conf.d/20-edgeutils.conf", "CRI-O settings made by install"),
        ("/etc/containers/registries.conf.d/20-edgeutils.conf", "Registry mirrors set by install"),
        ("/etc/systemd/system/crio.service.d/20-edgeutils.conf", "The proxy of crio.service"),
        ("/var/lib/edgeutils/edge-crio.json", "Files installed from a bundle, read by the next install and by remove"),
        ("/var/lib/edgeutils/edge-crio/", "Downloads and unpacked files while install runs"),
    ],
    environment: &[("http_proxy, https_proxy, no_proxy", "The proxy for downloads, unless --proxy is given")],
    see_also: &["crio(8)", "crio.conf(5)", "systemctl(1)"],
};
