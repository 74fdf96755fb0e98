//! The parts of the manual page that are not in `--help`.

use edge_host::manual::Manual;

/// Files, environment and related pages.
pub const MANUAL: Manual = Manual {
    section: 8,
    files: &[
        ("/opt/cni/bin/", "The plugins"),
        ("/etc/cni/net.d/", "Network configurations"),
        (
            "/etc/containerd/config.toml",
            "The directories of containerd, which check compares with those that it examines",
        ),
        ("/var/lib/edgeutils/edge-cni.json", "The plugins and networks that edge-cni installed, for remove"),
    ],
    environment: &[
        (
            "GOPROXY, GOFLAGS, GOENV, GOSUMDB, GONOSUMDB, GOPRIVATE, GONOPROXY, GOINSECURE, GOAUTH, GOPATH, GOMODCACHE, GOCACHE, GOTMPDIR, GOTOOLCHAIN",
            "Settings of go(1) that build keeps",
        ),
        ("GOGC, GOMEMLIMIT", "Memory limit of the Go compiler; by default derived from the free memory"),
        ("NETRC, SSL_CERT_FILE, SSL_CERT_DIR, HTTP_PROXY, XDG_CONFIG_HOME, XDG_CACHE_HOME", "Passed on to go by build"),
        ("SUDO_UID, SUDO_GID", "The user that build runs as under sudo"),
        ("PATH", "Searched for go by build"),
    ],
    see_also: &["ip(8)", "bridge(8)"],
};
