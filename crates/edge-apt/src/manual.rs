//! The parts of the manual page that `--help` does not have.

use edge_host::manual::Manual;

/// Files, environment and related pages.
pub const MANUAL: Manual = Manual {
    section: 8,
    files: &[(
        "/var/lib/dpkg/lock-frontend, /var/lib/dpkg/lock, /var/lib/apt/lists/lock, /var/cache/apt/archives/lock",
        "The locks of apt and dpkg",
    )],
    environment: &[],
    see_also: &["apt-get(8)", "dpkg(1)"],
};
