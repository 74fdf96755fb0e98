//! What the manual page contains beyond `--help`.

use edge_host::manual::Manual;

/// Files, environment and related pages.
pub const MANUAL: Manual = Manual {
    section: 8,
    files: &[
        ("/etc/apt/sources.list.d/kubernetes.sources", "The repository of one minor version of Kubernetes"),
        ("/etc/apt/keyrings/kubernetes.asc", "Its key"),
        ("/etc/apt/preferences.d/kubernetes", "The pin on the requested version"),
        (
            "/etc/containerd/config.toml",
            "containerd's configuration, unless its unit names another file; only the requested keys are set",
        ),
        (
            "/etc/containerd/certs.d/HOST/hosts.toml",
            "The mirrors of a registry, unless config_path names another directory",
        ),
        (
            "/etc/docker/daemon.json",
            "Docker's configuration, unless a flag names another file; only the requested keys are set",
        ),
        (
            "/etc/apt/sources.list.d/docker.sources",
            "Docker's repository, with --version; its key and pin are named docker too",
        ),
    ],
    environment: &[],
    see_also: &["edge-apt(8)", "edge-conf(8)", "apt_preferences(5)", "apt-mark(8)"],
};
