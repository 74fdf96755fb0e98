//! Allowed differences of a machine that was prepared and reverted. The shorter, the better.

use super::look::{Allowed, Because};

/// Of every machine after an undo.
pub(super) const JOURNAL: &[Allowed] =
    &[allowed("file", "var/lib/edgeutils*", "the journal remembers what was done and undone")];

/// Of an edge node after cloud-init, undo and the purge of the package.
pub(super) const LEFT: &[Allowed] = &[
    allowed("file", "var/cache/edgeutils*", "the user-data keeps the package that it has installed"),
    allowed("file", "etc/edgeutils*", "the user-data writes node.env"),
    allowed("file", "var/lib/cloud/*", "cloud-init keeps a directory for each first boot"),
    allowed("file", "etc/sudoers.d/90-cloud-init-users", "cloud-init writes the time of the first boot into it"),
    allowed("file", "etc/crio*", "the package is removed and not purged, as its user may want its configuration again"),
    allowed("file", "var/lib/dpkg/info/cri-o.list", "as above"),
    allowed("file", "var/lib/dpkg/status*", "as above"),
    allowed("file", "var/lib/apt/lists/*", "apt drops the lists of a source that is gone at its next update"),
    allowed("file", "var/cache/apt/*", "apt keeps what it has downloaded, and an index of its lists"),
    allowed("file", "var/cache/debconf/*-old", "cloud-init answers debconf at each first boot"),
];

/// After edge-reset.
pub(super) const RESET_LEFT: &[Allowed] = &[
    allowed("file", "var/lib/edgeutils*", "the journal remembers what was done and undone"),
    allowed("file", "srv/data/pod", "a pod wrote it into the site's directory"),
    allowed("file", "srv/nfs/pod", "a pod wrote it to the file server"),
    allowed("file", "var/lib/containerd/*/meta.db", "the runtime's own record of containers"),
    allowed("file", "var/lib/containerd/io.containerd.runtime.v2.task/k8s.io", "a directory of the runtime, empty"),
    allowed("file", "var/lib/containerd/io.containerd.grpc.v1.cri", "a directory of the runtime, with two empty ones"),
    allowed("file", "var/lib/containerd/io.containerd.grpc.v1.cri/containers", "as above"),
    allowed("file", "var/lib/containerd/io.containerd.grpc.v1.cri/sandboxes", "as above"),
];

/// After edge-reset and before its purge: beside each directory or file that was removed.
pub(super) const RESET_TRASH: &[Allowed] = &[
    allowed("file", "etc/.edgeutils-trash-*", "/etc/kubeedge"),
    allowed("file", "etc/cni/net.d/.edgeutils-trash-*", "the network of the pods"),
    allowed("file", "etc/systemd/system/.edgeutils-trash-*", "edgecore.service"),
    allowed("file", "usr/local/bin/.edgeutils-trash-*", "edgecore"),
    allowed("file", "var/lib/.edgeutils-trash-*", "databases, pods, leases"),
];

/// After a join and edge-reset, compared with the prepared node.
pub(super) const JOIN_RESET: &[Allowed] = &[
    allowed("file", "etc/kubeedge*", "the reset removes the configuration that was there before the join, too"),
    allowed("file", "etc/.edgeutils-trash-*", "/etc/kubeedge, until edge-reset purge"),
    allowed("file", "etc/systemd/system/.edgeutils-trash-*", "edgecore.service, as above"),
    allowed("file", "usr/local/bin/.edgeutils-trash-*", "edgecore, as above"),
    allowed("file", "var/lib/edgeutils*", "the journal remembers what was done"),
    // Loaded or not by the moment of the hard reset before; swap itself is compared.
    volatile("unit", "swap.target"),
    volatile("unit", "system-systemd\\x2dzram*"),
];

/// What a runtime and a file server change by themselves, and modules, which stay loaded, with their settings.
pub(super) const RESET_VOLATILE: &[Allowed] = &[
    // At each boot.
    volatile("file", "var/lib/cloud/*"),
    volatile("file", "var/lib/containerd/io.containerd.snapshotter.v1.overlayfs/*"),
    // Empty directories of tasks that a power cut ended.
    volatile("file", "var/lib/containerd/io.containerd.runtime.v2.task/k8s.io/*"),
    volatile("file", "var/lib/nfs/*"),
    volatile("module", "*"),
    volatile("sysctl", "fs.nfs.*"),
    // The link of a module, which gets these settings when it is up for the first time.
    volatile("sysctl", "net.ipv6.conf.tunl0.*"),
    volatile("sysctl", "net.ipv6.neigh.tunl0.*"),
    volatile("sysctl", "net.netfilter.nf_conntrack_count"),
    // How often quotas were written to a disk.
    volatile("sysctl", "fs.quota.syncs"),
];

/// After the undo of edge-pkg's runs: packages are removed and not purged, as their user may want them again.
pub(super) const RUNTIMES_LEFT: &[Allowed] = &[
    allowed("file", "etc/containerd*", "a package is removed and not purged: its configuration"),
    allowed("file", "etc/default/docker", "as above"),
    allowed("file", "etc/docker*", "as above, and the key of this dockerd"),
    allowed("file", "etc/group*", "as above: the group docker"),
    allowed("file", "etc/gshadow*", "as above"),
    allowed("file", "etc/init.d/docker", "as above"),
    allowed("file", "etc/rc*docker", "as above"),
    allowed("file", "etc/systemd/system/*.wants/containerd.service", "as above: whether it is enabled"),
    allowed("file", "etc/systemd/system/multi-user.target.wants/docker.service", "as above"),
    allowed("file", "etc/systemd/system/sockets.target.wants/docker.socket", "as above"),
    allowed("file", "var/lib/apt/extended_states", "apt drops its marks of removed packages with its next change"),
    allowed("file", "var/lib/cni*", "leases of the pod that the reboot ended"),
    allowed("file", "var/lib/containerd*", "images and containers are kept"),
    allowed("file", "var/lib/docker*", "as above"),
    allowed("file", "var/lib/dpkg/*", "packages are removed and not purged"),
    allowed("file", "var/cache/apt/*", "apt keeps what it has downloaded"),
];

/// What containers and their runtimes make in the kernel, which keeps it until the next boot.
pub(super) const RUNTIMES_VOLATILE: &[Allowed] = &[
    volatile("address", "*"),
    volatile("cgroup", "*"),
    volatile("file", "opt/*"),
    volatile("file", "var/lib/systemd/deb-systemd-helper-enabled/*"),
    volatile("link", "*"),
    volatile("module", "*"),
    volatile("mount", "*"),
    volatile("route", "*"),
    volatile("rule", "*"),
    volatile("rules", "*"),
    volatile("sysctl", "*"),
    volatile("unit", "*"),
];

/// After a power cut and a boot, compared with a machine that had none. Kernel and services are verified by themselves.
pub(super) const CUT_VOLATILE: &[Allowed] = &[
    volatile("cgroup", "*"),
    volatile("module", "*"),
    volatile("mount", "*"),
    volatile("sysctl", "*"),
    volatile("unit", "*"),
    // apt's indexes of its lists, which it makes anew after an interruption.
    volatile("file", "var/cache/apt/pkgcache.bin"),
    volatile("file", "var/cache/apt/srcpkgcache.bin"),
    // Each run makes new ones.
    volatile("file", "etc/kubeedge/certs/stream.*"),
    volatile("file", "var/lib/edgeutils*"),
];

/// Changes that a running machine makes by itself.
pub(super) const VOLATILE: &[Allowed] = &[
    volatile("file", "tmp/systemd-private-*"),
    // The name of its last holder.
    volatile("file", "var/lib/edgeutils/lock"),
    volatile("file", "var/log/*"),
    volatile("file", "var/tmp/systemd-private-*"),
    volatile("sysctl", "fs.dentry-state"),
    volatile("sysctl", "fs.file-nr"),
    volatile("sysctl", "fs.inode-nr"),
    volatile("sysctl", "fs.inode-state"),
    volatile("sysctl", "kernel.ns_last_pid"),
    volatile("sysctl", "kernel.random.*"),
    // From the memory that is free when the kernel starts.
    volatile("sysctl", "vm.user_reserve_kbytes"),
];

const fn allowed(kind: &'static str, name: &'static str, why: &'static str) -> Allowed {
    Allowed { kind, name, because: Because::Left(why) }
}

const fn volatile(kind: &'static str, name: &'static str) -> Allowed {
    Allowed { kind, name, because: Because::Volatile }
}
