//! The parts of the manual page that `--help` does not have.

use edge_host::manual::Manual;

/// Files, environment and related pages.
pub const MANUAL: Manual = Manual {
    section: 8,
    files: &[
        ("/etc/fstab", "Swap entries"),
        (
            "/boot/firmware/cmdline.txt, /etc/default/grub.d/90-edgeutils.cfg, /boot/extlinux/extlinux.conf",
            "The boot command line, by boot layout",
        ),
        ("cmdline.txt.edgeutils-old", "The previous boot command line, for a rescue with a card reader"),
        ("/etc/modules-load.d/90-edgeutils.conf", "Kernel modules to load at boot"),
        ("/etc/sysctl.d/90-edgeutils.conf", "Kernel values to set at boot"),
        (
            "/etc/sysctl.d/zz-edgeutils.conf",
            "With --override, kernel values that another file sets later; named after that file if it sorts after this",
        ),
        ("/var/lib/edgeutils/edge-prep.json", "What apply requested, for check"),
        (
            "/run/reboot-required, /run/reboot-required.pkgs",
            "Written where a reboot is needed, unless --no-reboot-flag is given",
        ),
    ],
    environment: &[],
    see_also: &["fstab(5)", "modules-load.d(5)", "sysctl.d(5)", "swapon(8)", "modprobe(8)"],
};
