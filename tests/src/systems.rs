//! Root trees of ten systems with the files that matter for swap and booting.
//!
//! The trees hold both the root and the boot partition, as a mounted image does.

use crate::tree::Tree;

/// Raspberry Pi OS 10 (Buster).
pub const RASPBERRY_PI_OS_10: &str = "Raspberry Pi OS 10";
/// Raspberry Pi OS 11 (Bullseye).
pub const RASPBERRY_PI_OS_11: &str = "Raspberry Pi OS 11";
/// Raspberry Pi OS 12 (Bookworm), the first with stubs in /boot.
pub const RASPBERRY_PI_OS_12: &str = "Raspberry Pi OS 12";
/// Raspberry Pi OS 13 (Trixie), the first with rpi-swap.
pub const RASPBERRY_PI_OS_13: &str = "Raspberry Pi OS 13";
/// Ubuntu 18.04 for Raspberry Pi.
pub const UBUNTU_18_04: &str = "Ubuntu 18.04 Raspberry Pi";
/// Ubuntu 20.04 for Raspberry Pi.
pub const UBUNTU_20_04: &str = "Ubuntu 20.04 Raspberry Pi";
/// Ubuntu 24.04 for Raspberry Pi.
pub const UBUNTU_24_04: &str = "Ubuntu 24.04 Raspberry Pi";
/// Ubuntu 25.10 for Raspberry Pi, the first with folders to boot from by turns.
pub const UBUNTU_25_10: &str = "Ubuntu 25.10 Raspberry Pi";
/// Debian's own image for Raspberry Pi.
pub const DEBIAN_RASPI: &str = "Debian 12 raspi-firmware";
/// A PC with Debian and GRUB.
pub const AMD64_GRUB: &str = "Debian 12 amd64 GRUB";

/// All ten, by name.
pub fn all() -> Vec<(&'static str, Tree)> {
    vec![
        (RASPBERRY_PI_OS_10, raspberry_pi_os("10", "buster")),
        (RASPBERRY_PI_OS_11, raspberry_pi_os("11", "bullseye")),
        (RASPBERRY_PI_OS_12, raspberry_pi_os_12()),
        (RASPBERRY_PI_OS_13, raspberry_pi_os_13()),
        (UBUNTU_18_04, ubuntu_18_04()),
        (UBUNTU_20_04, ubuntu("20.04", "focal")),
        (UBUNTU_24_04, ubuntu("24.04", "noble")),
        (UBUNTU_25_10, ubuntu_25_10()),
        (DEBIAN_RASPI, debian_raspi()),
        (AMD64_GRUB, amd64_grub()),
    ]
}

/// One of them.
pub fn by_name(name: &str) -> Tree {
    all().into_iter().find(|(other, _)| *other == name).unwrap().1
}

/// The file that a token for the kernel belongs into; none where generic kernels need no such token.
pub fn command_line(name: &str) -> Option<&'static str> {
    match name {
        RASPBERRY_PI_OS_10 | RASPBERRY_PI_OS_11 => Some("boot/cmdline.txt"),
        UBUNTU_18_04 => Some("boot/firmware/nobtcmd.txt"),
        UBUNTU_25_10 => Some("boot/firmware/current/cmdline.txt"),
        DEBIAN_RASPI => Some("etc/default/raspi-extra-cmdline"),
        AMD64_GRUB => None,
        _ => Some("boot/firmware/cmdline.txt"),
    }
}

fn os_release(id: &str, like: &str, version: &str, codename: &str) -> String {
    format!("ID={id}\nID_LIKE={like}\nVERSION_ID=\"{version}\"\nVERSION_CODENAME={codename}\n")
}

/// Enables a service as its package does.
fn enable(tree: &Tree, unit: &str) {
    tree.write(
        &format!("lib/systemd/system/{unit}"),
        "[Unit]\nDescription=Makes swap\n[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/usr/sbin/make-swap\n\
         [Install]\nWantedBy=multi-user.target\n",
    );
    tree.link(&format!("etc/systemd/system/multi-user.target.wants/{unit}"), &format!("/lib/systemd/system/{unit}"));
}

fn dphys_swapfile(tree: &Tree) {
    tree.write("etc/dphys-swapfile", "# where it is, and how many MiB\n#CONF_SWAPFILE=/var/swap\nCONF_SWAPSIZE=100\n");
    enable(tree, "dphys-swapfile.service");
}

fn raspberry_pi_os(version: &str, codename: &str) -> Tree {
    let tree = Tree::with(&[
        ("etc/rpi-issue", "Raspberry Pi reference 2021-01-11\n"),
        (
            "etc/fstab",
            "proc            /proc           proc    defaults          0       0\n\
             PARTUUID=5a1c0de5-01  /boot           vfat    defaults          0       2\n\
             PARTUUID=5a1c0de5-02  /               ext4    defaults,noatime  0       1\n\
             # swap comes from dphys-swapfile and not from here\n",
        ),
        (
            "boot/config.txt",
            "# see the documentation\ndtparam=audio=on\n\n[pi4]\ndtoverlay=vc4-fkms-v3d\nmax_framebuffers=2\n\n[all]\n#dtoverlay=vc4-fkms-v3d\n",
        ),
        (
            "boot/cmdline.txt",
            "console=serial0,115200 console=tty1 root=PARTUUID=5a1c0de5-02 rootfstype=ext4 elevator=deadline fsck.repair=yes rootwait\n",
        ),
    ]);
    tree.write("etc/os-release", os_release("raspbian", "debian", version, codename));
    dphys_swapfile(&tree);
    tree
}

fn raspberry_pi_os_12() -> Tree {
    let tree = raspberry_pi_os_firmware("12", "bookworm");
    dphys_swapfile(&tree);
    tree
}

fn raspberry_pi_os_13() -> Tree {
    let tree = raspberry_pi_os_firmware("13", "trixie");
    tree.write("etc/rpi/swap.conf", "[Main]\n#Mechanism=auto\n\n[Zram]\n#MaxSizeMiB=2048\n");
    tree.write("usr/lib/systemd/system-generators/rpi-swap-generator", "#!/bin/sh\nexit 0\n");
    tree
}

/// Since Bookworm the partition is at /boot/firmware, and its old place holds stubs. The firmware
/// package is there as on Debian; its hook copies kernels and writes no command line.
fn raspberry_pi_os_firmware(version: &str, codename: &str) -> Tree {
    let stub = |name: &str| format!("DO NOT EDIT THIS FILE\n\nThe file you want is now /boot/firmware/{name}\n");
    let tree = Tree::with(&[
        ("etc/rpi-issue", "Raspberry Pi reference 2025-05-13\n"),
        (
            "etc/fstab",
            "proc            /proc           proc    defaults          0       0\n\
             PARTUUID=0ddba11c-01  /boot/firmware  vfat    defaults          0       2\n\
             PARTUUID=0ddba11c-02  /               ext4    defaults,noatime  0       1\n",
        ),
        ("etc/default/raspi-firmware", "#KERNEL=\"auto\"\n"),
        ("etc/kernel/postinst.d/z50-raspi-firmware", "#!/bin/sh\ncp \"$2\" /boot/firmware/kernel8.img\n"),
        (
            "boot/firmware/config.txt",
            "dtparam=audio=on\ncamera_auto_detect=1\nauto_initramfs=1\narm_64bit=1\n\n[cm4]\notg_mode=1\n\n[cm5]\ndtoverlay=dwc2,dr_mode=host\n\n[all]\n",
        ),
        (
            "boot/firmware/cmdline.txt",
            "console=serial0,115200 console=tty1 root=PARTUUID=0ddba11c-02 rootfstype=ext4 fsck.repair=yes rootwait quiet\n",
        ),
    ]);
    tree.write("boot/cmdline.txt", stub("cmdline.txt"));
    tree.write("boot/config.txt", stub("config.txt"));
    tree.write("etc/os-release", os_release("debian", "debian", version, codename));
    tree
}

const UBUNTU_FSTAB: &str = "LABEL=writable\t/\text4\tdiscard,errors=remount-ro\t0 1\n\
    LABEL=system-boot       /boot/firmware  vfat    defaults        0       1\n";

/// The name of the command line's file depends on whether Bluetooth is used, and stands in an include.
fn ubuntu_18_04() -> Tree {
    let line = "net.ifnames=0 dwc_otg.lpm_enable=0 console=ttyAMA0,115200 console=tty1 root=LABEL=writable rootfstype=ext4 elevator=deadline rootwait fixrtc";
    let tree = Tree::with(&[
        ("etc/fstab", UBUNTU_FSTAB),
        (
            "boot/firmware/config.txt",
            "[pi4]\nkernel=uboot_rpi_4.bin\nmax_framebuffers=2\n[pi2]\nkernel=uboot_rpi_2.bin\n[pi3]\nkernel=uboot_rpi_3.bin\n\
             [all]\ndevice_tree_address=0x03000000\nenable_uart=1\ncmdline=nobtcmd.txt\ninclude syscfg.txt\ninclude usercfg.txt\n",
        ),
        ("boot/firmware/syscfg.txt", "# made by the system\ninclude nobtcfg.txt\ndtparam=i2c_arm=on\n"),
        ("boot/firmware/usercfg.txt", "# yours\n"),
        ("boot/firmware/nobtcfg.txt", "enable_uart=1\ncmdline=nobtcmd.txt\n"),
        ("boot/firmware/btcfg.txt", "enable_uart=0\ncmdline=btcmd.txt\n"),
    ]);
    tree.write("boot/firmware/nobtcmd.txt", format!("{line}\n"));
    tree.write("boot/firmware/btcmd.txt", format!("{}\n", line.replace("console=ttyAMA0,115200 ", "")));
    tree.write("etc/os-release", os_release("ubuntu", "debian", "18.04", "bionic"));
    tree
}

fn ubuntu(version: &str, codename: &str) -> Tree {
    let tree = Tree::with(&[
        ("etc/fstab", UBUNTU_FSTAB),
        (
            "boot/firmware/config.txt",
            "[pi4]\nmax_framebuffers=2\narm_boost=1\n\n[all]\nkernel=vmlinuz\ncmdline=cmdline.txt\ninitramfs initrd.img followkernel\n\
             dtparam=audio=on\ninclude syscfg.txt\ninclude usercfg.txt\n",
        ),
        ("boot/firmware/syscfg.txt", "enable_uart=1\ncmdline=cmdline.txt\n"),
        ("boot/firmware/usercfg.txt", "\n"),
        // Without a line ending, as such images have it.
        (
            "boot/firmware/cmdline.txt",
            "console=serial0,115200 dwc_otg.lpm_enable=0 console=tty1 root=LABEL=writable rootfstype=ext4 rootwait fixrtc quiet splash",
        ),
    ]);
    tree.write("etc/os-release", os_release("ubuntu", "debian", version, codename));
    tree
}

/// Three folders by turns: what boots, what is tried once, what was before.
fn ubuntu_25_10() -> Tree {
    let tree = ubuntu("25.10", "questing");
    let line = "console=serial0,115200 multipath=off console=tty1 root=LABEL=writable rootfstype=ext4 rootwait fixrtc quiet splash\n";
    tree.write(
        "boot/firmware/config.txt",
        "[all]\nos_check=0\nos_prefix=current/\n\n[tryboot]\nos_prefix=new/\n\n[all]\nkernel=vmlinuz\ncmdline=cmdline.txt\n\
         initramfs initrd.img followkernel\n\n[pi3+]\ndtoverlay=vc4-kms-v3d,cma-128\n\n[all]\n",
    );
    for folder in ["current", "new", "old"] {
        tree.write(&format!("boot/firmware/{folder}/cmdline.txt"), line);
    }
    tree.write("etc/fstab", format!("{UBUNTU_FSTAB}/swap.img none swap sw 0 0\n"));
    tree
}

fn debian_raspi() -> Tree {
    let tree = Tree::with(&[
        ("etc/fstab", "# from the image\nLABEL=RASPIROOT / ext4 rw 0 1\nLABEL=RASPIFIRM /boot/firmware vfat rw 0 2\n"),
        ("etc/default/raspi-firmware", "# read by the hook\n#CMA=64M\nROOTPART=LABEL=RASPIROOT\n"),
        ("etc/default/raspi-extra-cmdline", "net.ifnames=0\n"),
        (
            "etc/kernel/postinst.d/z50-raspi-firmware",
            "#!/bin/sh\nset -e\n. /etc/default/raspi-firmware\n\
             echo \"root=$ROOTPART $(cat /etc/default/raspi-extra-cmdline)\" > /boot/firmware/cmdline.txt\n",
        ),
        ("boot/firmware/config.txt", "# made by the hook\narm_64bit=1\nkernel=vmlinuz-6.1.0-18-arm64\n"),
        (
            "boot/firmware/cmdline.txt",
            "console=tty0 console=ttyS1,115200 root=LABEL=RASPIROOT rw fsck.repair=yes net.ifnames=0 rootwait\n",
        ),
    ]);
    tree.write("etc/os-release", os_release("debian", "", "12", "bookworm"));
    tree
}

fn amd64_grub() -> Tree {
    let tree = Tree::with(&[
        (
            "etc/fstab",
            "# <file system> <mount point> <type> <options> <dump> <pass>\n\
             UUID=0a3407de-014b-458b-b5c1-848e92a327a3 / ext4 errors=remount-ro 0 1\n\
             UUID=7C4E-9A01 /boot/efi vfat umask=0077 0 1\n\
             UUID=b411dc99-f0a0-4c87-9e05-184977be8539 none swap sw 0 0\n",
        ),
        (
            "etc/default/grub",
            "GRUB_DEFAULT=0\nGRUB_TIMEOUT=5\nGRUB_CMDLINE_LINUX_DEFAULT=\"quiet\"\nGRUB_CMDLINE_LINUX=\"\"\n",
        ),
        ("usr/sbin/update-grub", "#!/bin/sh\nexec grub-mkconfig -o /boot/grub/grub.cfg\n"),
        (
            "boot/grub/grub.cfg",
            "menuentry Debian {\n\tlinux /boot/vmlinuz-6.1.0-18-amd64 root=UUID=0a3407de quiet\n}\n",
        ),
        ("boot/config-6.1.0-18-amd64", "CONFIG_CGROUPS=y\nCONFIG_MEMCG=y\nCONFIG_MEMCG_KMEM=y\n"),
    ]);
    tree.write("etc/os-release", os_release("debian", "", "12", "bookworm"));
    tree
}
