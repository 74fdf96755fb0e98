//! The boot command line of a live host in a private namespace: boot partitions that are mounted, read-only
//! or missing, and update-grub.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use edgeutils_tests::live::{can_unshare, transcript};
use edgeutils_tests::{skip, tool};

/// A host without cgroups, so that their state is unknown, and with its own /etc and /boot.
const HOST: &str = r#"
umount -R /sys/fs/cgroup 2>/dev/null
for dir in /etc /boot /usr/local/sbin; do mount -t tmpfs -o size=1m,mode=755 tmpfs "$dir" || exit 99; done
echo root=x > /mnt/booted && mount --bind /mnt/booted /proc/cmdline || exit 99
on="apply --memory-cgroup on --no-reboot-flag"
"#;

/// A Raspberry Pi with its boot partition.
const RASPBERRY: &str = r#"
mkdir -p /boot/firmware
echo PARTUUID=1-01 /boot/firmware vfat defaults 0 2 > /etc/fstab
mount -t tmpfs -o size=1m boot /boot/firmware || exit 99
echo '[all]' > /boot/firmware/config.txt
echo root=x > /boot/firmware/cmdline.txt
"#;

fn live(test: &str, host: &str, text: &str, expected: &str) {
    if can_unshare() {
        let prep = tool::path("edge-prep");
        transcript(prep.to_str().unwrap(), &format!("{HOST}{host}{text}"), expected);
    } else {
        skip(&format!("prep_boot_live {test}"), "no mount namespace can be made here");
    }
}

#[test]
fn boot_partition_is_edited_where_it_is_mounted_writable() {
    live(
        "partition",
        RASPBERRY,
        r#"
        edge $on
        cat /boot/firmware/cmdline.txt
        edge $on
        edge undo
        cat /boot/firmware/cmdline.txt; ls /boot/firmware
        mount -o remount,ro,bind boot /boot/firmware
        edge $on
        umount /boot/firmware
        edge $on
        edge check --memory-cgroup on | tail -4
        echo old > /boot/firmware/cmdline.txt
        edge $on; ls /boot/firmware
        "#,
        "wrote /boot/firmware/cmdline.txt.edgeutils-old: previous command line, for a rescue with a card reader  [undo: exact]
        wrote /boot/firmware/cmdline.txt: turns the memory cgroup on at the next boot  [undo: exact]
        + cgroup_enable=memory
        wrote /var/lib/edgeutils/edge-prep.json: for edge-prep check after a reboot  [undo: exact]
        edge-prep: note: reboot, then run: edge-prep check
        3 changes, reboot required
        exit 0
        root=x cgroup_enable=memory
        already up to date
        exit 0
        removed /var/lib/edgeutils/edge-prep.json: it did not exist before
        restored /boot/firmware/cmdline.txt: previous content
        removed /boot/firmware/cmdline.txt.edgeutils-old: it did not exist before
        reverted run 1
        exit 0
        root=x
        cmdline.txt
        config.txt
        edge-prep: cannot edit /boot/firmware/cmdline.txt: /boot/firmware is mounted read-only
        hint: mount -o remount,rw /boot/firmware
        exit 4
        edge-prep: cannot find the boot command line: PARTUUID=1-01 is not mounted at /boot/firmware as in /etc/fstab
        hint: mount /boot/firmware
        exit 4
        error: cannot find the boot command line: PARTUUID=1-01 is not mounted at /boot/firmware as in /etc/fstab
        hint: mount /boot/firmware
        2 problems found
        exit 3
        edge-prep: cannot find the boot command line: PARTUUID=1-01 is not mounted at /boot/firmware as in /etc/fstab
        hint: mount /boot/firmware
        exit 4
        cmdline.txt",
    );
}

#[test]
fn grub_cfg_is_generated_with_the_drop_in_and_by_undo_without_it() {
    live(
        "grub",
        r#"
        mkdir -p /etc/default/grub.d /boot/grub
        echo 'GRUB_CMDLINE_LINUX="cgroup_disable=memory"' > /etc/default/grub
        cat > /usr/local/sbin/update-grub <<'END'
#!/bin/sh
set -e
. /etc/default/grub
for file in /etc/default/grub.d/*.cfg; do [ ! -e "$file" ] || . "$file"; done
echo "linux $GRUB_CMDLINE_LINUX" > /boot/grub/grub.cfg
END
        chmod +x /usr/local/sbin/update-grub; /usr/local/sbin/update-grub
        "#,
        r#"
        edge $on; cat /boot/grub/grub.cfg
        edge $on
        edge undo; cat /boot/grub/grub.cfg; ls /etc/default/grub.d
        echo 'GRUB_CMDLINE_LINUX="quiet"' > /etc/default/grub
        edge $on; cat /boot/grub/grub.cfg
        "#,
        "wrote /etc/default/grub.d/90-edgeutils.cfg: turns the memory cgroup on  [undo: exact]
        - cgroup_disable=memory of /etc/default/grub:1
        + cgroup_enable=memory
        ran update-grub: generates grub.cfg  [undo: inverse]
        wrote /var/lib/edgeutils/edge-prep.json: for edge-prep check after a reboot  [undo: exact]
        edge-prep: note: reboot, then run: edge-prep check
        3 changes, reboot required
        exit 0
        linux cgroup_enable=memory
        already up to date
        exit 0
        removed /var/lib/edgeutils/edge-prep.json: it did not exist before
        removed /etc/default/grub.d/90-edgeutils.cfg: it did not exist before
        ran update-grub
        reverted run 1
        exit 0
        linux cgroup_disable=memory
        ran update-grub: generates grub.cfg  [undo: inverse]
        wrote /var/lib/edgeutils/edge-prep.json: for edge-prep check after a reboot  [undo: exact]
        edge-prep: note: reboot, then run: edge-prep check
        2 changes, reboot required
        exit 0
        linux quiet",
    );
}
