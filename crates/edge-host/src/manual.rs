//! What a manual page says beyond `--help`: files, environment, related pages. Data, next to each command line.

/// The parts of a utility's page that its command line does not hold.
#[derive(Debug, Clone, Copy)]
pub struct Manual {
    /// Section: 8 for administration of a host, 1 for a filter.
    pub section: u8,
    /// Files that it reads or writes, and what for.
    pub files: &'static [(&'static str, &'static str)],
    /// Variables that it reads, and what for.
    pub environment: &'static [(&'static str, &'static str)],
    /// Related pages, such as `modprobe(8)`.
    pub see_also: &'static [&'static str],
}

/// Files of every utility that changes a host.
pub const FILES: &[(&str, &str)] = &[
    (
        "/var/lib/edgeutils/journal/",
        "One file for each run: the previous state of everything that it changed, for undo",
    ),
    ("/var/lib/edgeutils/lock", "Held while a utility changes this host or the tree below --root"),
    (
        "$XDG_STATE_HOME/edgeutils/",
        "Journal and lock of a user other than root, who edits files of their own; default ~/.local/state/edgeutils",
    ),
];

/// Variables of every utility.
pub const ENVIRONMENT: &[(&str, &str)] = &[
    (
        "XDG_STATE_HOME, HOME",
        "The directory of the journal and the lock of a user other than root; not used with --root",
    ),
    (
        "http_proxy, https_proxy, HTTPS_PROXY, no_proxy, NO_PROXY, HOME, TERM",
        "Passed on to the programs that it runs, which start with no other variable of the caller",
    ),
];
