//! Sources of swap in image trees: turned off, turned off again, and restored byte for byte.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use edgeutils_tests::tool::{Ran, Tool};
use edgeutils_tests::tree::{Tree, assert_same};

const ETC: &str = "etc/systemd/system";
const LIB: &str = "usr/lib/systemd/system";
const SERVICE: &str = "[Service]\nType=oneshot\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n";

fn prep(tree: &Tree, args: &[&str]) -> Ran {
    Tool::new("edge-prep").arg("--root").arg(tree.path()).args(args).run()
}

fn off(tree: &Tree) -> Ran {
    prep(tree, &["apply", "--swap", "off"])
}

/// Turns swap off; then a second call changes nothing, a check finds nothing, and undo restores every byte.
#[track_caller]
fn off_and_undo(tree: &Tree, check: impl Fn(&Tree)) {
    let before = tree.snapshot();
    let planned = prep(tree, &["apply", "--swap", "off", "-n"]).expect(3);
    assert_same(&tree.snapshot(), &before, "a dry run");
    let findings = prep(tree, &["check", "--swap", "off"]).expect(3);
    assert!(findings.stdout.contains("swap is enabled at boot: "), "{}", findings.stdout);

    let done = off(tree).expect(0);
    assert_eq!(planned.stdout.replace("would write", "wrote").lines().count(), done.stdout.lines().count());
    check(tree);
    let after = tree.snapshot();
    let again = off(tree).expect(0);
    assert_eq!(again.stdout, "already up to date\n");
    assert_same(&tree.snapshot(), &after, "a second apply");
    prep(tree, &["check", "--swap", "off"]).expect(0);

    prep(tree, &["undo"]).expect(0);
    assert_same(&tree.snapshot(), &before, "undo");
}

/// Only the request is written, for check.
#[track_caller]
fn changes_nothing(tree: &Tree) {
    let before = tree.snapshot();
    let ran = off(tree).expect(0);
    let is_record =
        |line: &str| line.contains("/var/lib/edgeutils/") || line == "1 change" || line == "already up to date";
    assert!(ran.stdout.lines().all(is_record), "{}", ran.stdout);
    assert_same(&tree.snapshot(), &before, "no changes");
}

#[test]
fn fstab_entries_are_commented_out_and_nothing_else_changes() {
    let fstab = "# swap was on /dev/sda5\n\
        UUID=1-2 / ext4 errors=remount-ro 0 1\r\n\
        \tUUID=aa\tnone\tswap\tsw\t0\t0\r\n\
        LABEL=my\\040swap none swap sw 0 0\n\
        PARTUUID=3 none swap\n\
        PARTLABEL=s none swap defaults,pri=5\n\
        /swap.img swap swap sw\n\
        /dev/sdz none swap noauto 0 0\n\
        /dev/sdb1 /mnt/swap ext4 defaults 0 0\n\
        tmpfs /tmp tmpfs noswap 0 0\n\
        /two none\n\
        /swapfile none swap sw 0 0";
    let tree = Tree::with(&[("etc/fstab", fstab)]);
    off_and_undo(&tree, |tree| {
        let mut expected = fstab.to_owned();
        for line in ["\tUUID=aa", "LABEL=my", "PARTUUID=3", "PARTLABEL=s", "/swap.img", "/swapfile"] {
            expected = expected.replace(line, &format!("# edge-prep: {line}"));
        }
        assert_eq!(tree.read("etc/fstab"), expected);
    });
}

#[test]
fn symlinked_fstab_is_edited_in_place() {
    let tree = Tree::with(&[("data/fstab", "/a none swap\n")]);
    tree.link("etc/fstab", "../data/fstab");
    off_and_undo(&tree, |tree| {
        assert!(tree.at("etc/fstab").is_symlink());
        assert_eq!(tree.read("data/fstab"), "# edge-prep: /a none swap\n");
    });
}

#[test]
fn undo_removes_the_comments_in_a_changed_fstab() {
    let tree = Tree::with(&[("etc/fstab", "/a none swap sw\n/b none swap\n")]);
    off(&tree).expect(0);
    tree.write("etc/fstab", "/new /new ext4\n# edge-prep: /b none swap\n# edge-prep: /a none swap sw\n");
    let ran = prep(&tree, &["undo"]).expect(0);
    assert!(ran.stdout.contains("reverted the edit of /etc/fstab"), "{}", ran.stdout);
    assert_eq!(tree.read("etc/fstab"), "/new /new ext4\n/b none swap\n/a none swap sw\n");

    off(&tree).expect(0);
    tree.write("etc/fstab", "# edge-prep: /b none swap\n");
    let ran = prep(&tree, &["undo"]).expect(4);
    assert!(ran.stderr.contains("the line \"# edge-prep: /a none swap sw\" is no longer there"), "{}", ran.stderr);
    assert_eq!(tree.read("etc/fstab"), "# edge-prep: /b none swap\n");
}

#[test]
fn services_are_disabled_and_their_files_are_kept() {
    for (unit, extra) in [
        ("dphys-swapfile.service", ("etc/dphys-swapfile", "CONF_SWAPFILE=/data/swap\n")),
        ("zramswap.service", ("etc/default/zramswap", "PERCENT=50\n")),
        ("zram-config.service", ("usr/bin/init-zram-swapping", "#!/bin/sh\n")),
        ("nvzramconfig.service", ("etc/systemd/nvzramconfig.sh", "#!/bin/sh\n")),
    ] {
        for dir in [LIB, ETC] {
            let file = format!("{dir}/{unit}");
            let tree = Tree::with(&[(&file, SERVICE), extra]);
            let link = format!("{ETC}/multi-user.target.wants/{unit}");
            tree.link(&link, &format!("/{file}"));
            tree.link("lib", "usr/lib");
            off_and_undo(&tree, |tree| {
                assert!(!tree.at(&link).is_symlink());
                assert_eq!((tree.read(&file), tree.read(extra.0)), (SERVICE.to_owned(), extra.1.to_owned()));
            });
        }
    }
}

#[test]
fn dphys_swapfile_with_size_0_is_off() {
    let unit = format!("{LIB}/dphys-swapfile.service");
    let tree = Tree::with(&[(&unit, SERVICE), ("etc/dphys-swapfile", "CONF_SWAPSIZE=0\n")]);
    tree.link(&format!("{ETC}/multi-user.target.wants/dphys-swapfile.service"), &format!("/{unit}"));
    changes_nothing(&tree);
    prep(&tree, &["check", "--swap", "off"]).expect(0);
    let status = prep(&tree, &["status"]).expect(0).stdout;
    let line = format!("disabled: dphys-swapfile: CONF_SWAPSIZE=0 in {}", tree.at("etc/dphys-swapfile").display());
    assert!(status.contains(&line), "{status}");
}

#[test]
fn service_that_cannot_be_disabled_is_masked() {
    // Enabled by its package below /usr.
    let tree = Tree::with(&[(&format!("{LIB}/zramswap.service"), SERVICE)]);
    tree.link(&format!("{LIB}/multi-user.target.wants/zramswap.service"), "../zramswap.service");
    let masked = |tree: &Tree, unit: &str| {
        assert_eq!(std::fs::read_link(tree.at(&format!("{ETC}/{unit}"))).unwrap().to_str(), Some("/dev/null"));
    };
    off_and_undo(&tree, |tree| masked(tree, "zramswap.service"));

    // An init script without a unit.
    let tree = Tree::with(&[("etc/init.d/dphys-swapfile", "#!/bin/sh\n")]);
    tree.link("etc/rc3.d/S01dphys-swapfile", "../init.d/dphys-swapfile");
    off_and_undo(&tree, |tree| masked(tree, "dphys-swapfile.service"));

    // An init script that is not enabled.
    let tree = Tree::with(&[("etc/init.d/dphys-swapfile", "#!/bin/sh\n")]);
    changes_nothing(&tree);
}

#[test]
fn swap_unit_of_a_vendor_is_masked_and_of_an_administrator_disabled() {
    let unit = "[Swap]\nWhat=/data/swap\n[Install]\nWantedBy=swap.target\n";
    let name = "data-swap.swap";
    let tree = Tree::with(&[(&format!("{LIB}/{name}"), unit)]);
    tree.link("lib", "usr/lib");
    off_and_undo(&tree, |tree| {
        assert_eq!(std::fs::read_link(tree.at(&format!("{ETC}/{name}"))).unwrap().to_str(), Some("/dev/null"));
    });

    let own = format!("{ETC}/{name}");
    let tree = Tree::with(&[(&own, unit)]);
    let link = format!("{ETC}/swap.target.wants/{name}");
    tree.link(&link, &format!("/{own}"));
    off_and_undo(&tree, |tree| {
        assert!(!tree.at(&link).is_symlink());
        assert_eq!(tree.read(&own), unit);
    });

    // A masked one, and one in /etc that is not enabled.
    let tree = Tree::with(&[(&format!("{LIB}/{name}"), unit), (&format!("{ETC}/x.swap"), unit)]);
    tree.link(&own, "/dev/null");
    changes_nothing(&tree);
}

#[test]
fn rpi_swap_gets_a_drop_in() {
    const GENERATOR: &str = "usr/lib/systemd/system-generators/rpi-swap-generator";
    const OURS: &str = "etc/rpi/swap.conf.d/90-edgeutils.conf";
    let with = |files: &[(&str, &str)]| {
        let tree = Tree::with(files);
        tree.write(GENERATOR, "#!/bin/sh\n");
        tree
    };
    let set = "[Main]\nMechanism=swapfile\n";
    for files in
        [&[][..], &[("etc/rpi/swap.conf", "[Main]\n#Mechanism=auto\n")], &[("etc/rpi/swap.conf.d/80-x.conf", set)]]
    {
        off_and_undo(&with(files), |tree| assert!(tree.read(OURS).ends_with("[Main]\nMechanism=none\n")));
    }
    // Already off; then on in a file that takes precedence over ours.
    changes_nothing(&with(&[("etc/rpi/swap.conf", "[Main]\nMechanism=none\n")]));
    let tree = with(&[("etc/rpi/swap.conf.d/99-x.conf", set)]);
    let ran = off(&tree).expect(3);
    assert!(
        ran.stderr.contains("/etc/rpi/swap.conf.d/99-x.conf, which takes precedence over a drop-in"),
        "{}",
        ran.stderr
    );
    assert!(!tree.at(OURS).exists());
    let ran = prep(&tree, &["check", "--swap", "off"]).expect(3);
    assert!(
        ran.stdout.contains("/etc/rpi/swap.conf.d/99-x.conf: error: ") && ran.stdout.contains("(rpi-swap: "),
        "{}",
        ran.stdout
    );
}

#[test]
fn zram_generator_gets_a_drop_in_for_swap_alone() {
    const GENERATOR: &str = "usr/lib/systemd/system-generators/zram-generator";
    const OURS: &str = "etc/systemd/zram-generator.conf.d/zz-edgeutils.conf";
    let tree = Tree::with(&[
        (GENERATOR, ""),
        ("usr/lib/systemd/zram-generator.conf", "[zram0]\n"),
        ("etc/systemd/zram-generator.conf", "# mine\n[zram1]\nzram-size = ram / 2\n"),
        ("usr/lib/systemd/zram-generator.conf.d/20-tmp.conf", "[zram2]\nmount-point = /var/tmp\n[zram3]\n"),
    ]);
    off_and_undo(&tree, |tree| {
        let text = tree.read(OURS);
        assert!(text.ends_with("[zram1]\nhost-memory-limit = 0\n[zram3]\nhost-memory-limit = 0\n"), "{text}");
    });
    let masked = Tree::with(&[(GENERATOR, ""), ("usr/lib/systemd/zram-generator.conf", "[zram0]\n")]);
    masked.link("etc/systemd/zram-generator.conf", "/dev/null");
    changes_nothing(&masked);
}

#[test]
fn manual_steps_are_reported_with_their_line() {
    let tree = Tree::with(&[
        ("etc/crypttab", "# x\ncswap /dev/sda2 /dev/urandom swap\n"),
        ("etc/cloud/cloud.cfg.d/50-swap.cfg", "#cloud-config\nswap:\n  filename: /swap.img\n"),
        ("etc/waagent.conf", "ResourceDisk.Format=y\nResourceDisk.EnableSwap=y\n"),
        ("etc/initramfs-tools/conf.d/resume", "RESUME=UUID=1\n"),
        ("etc/default/armbian-zram-config", "ENABLED=true\nSWAP=true\n"),
        (&format!("{LIB}/armbian-zram-config.service"), SERVICE),
    ]);
    tree.link(
        &format!("{ETC}/sysinit.target.wants/armbian-zram-config.service"),
        "/usr/lib/systemd/system/armbian-zram-config.service",
    );
    let before = tree.snapshot();
    let ran = off(&tree).expect(3);
    assert_same(&tree.snapshot(), &before, "manual steps");
    assert!(ran.stdout.ends_with("\n1 change, manual step required\n"), "{}", ran.stdout);
    assert_eq!(off(&tree).expect(3).stdout, "no changes, manual step required\n");
    let root = tree.path().display();
    for text in [
        "DIR/etc/crypttab:2",
        "remove `swap:` from DIR/etc/cloud/cloud.cfg.d/50-swap.cfg:2",
        "set ResourceDisk.EnableSwap=n in DIR/etc/waagent.conf:2",
        "echo RESUME=none > DIR/etc/initramfs-tools/conf.d/resume && chroot DIR update-initramfs -u",
        "set SWAP=false in DIR/etc/default/armbian-zram-config",
    ] {
        let text = &text.replace("DIR", &root.to_string());
        assert!(ran.stderr.contains(text), "{text}: {}", ran.stderr);
        assert!(prep(&tree, &["status"]).expect(0).stdout.contains(text), "{text}");
    }
    let findings = prep(&tree, &["check", "--swap", "off"]).expect(3).stdout;
    assert_eq!(findings.matches("error: ").count(), 3, "{findings}");
    assert_eq!(ran.stderr.matches("manual step: ").count(), 3, "{}", ran.stderr);
}

#[test]
fn fstab_that_cannot_be_edited_is_not_changed() {
    // The journal keeps no copy of such a large file.
    let large = format!("/a none swap\n{}", "# x\n".repeat(10 << 18));
    let tree = Tree::with(&[("etc/fstab", &large)]);
    let ran = off(&tree).expect(3);
    assert!(
        ran.stderr.contains("/etc/fstab, which edge-prep does not edit: it is larger than 1 MiB"),
        "{}",
        ran.stderr
    );
    assert!(tree.read("etc/fstab") == large);
    let larger = format!("/a none swap\n{}", "# x\n".repeat(17 << 18));
    tree.write("etc/fstab", &larger);
    let ran = off(&tree).expect(1);
    assert!(ran.stderr.contains("it is larger than 16 MiB"), "{}", ran.stderr);

    let tree = Tree::new();
    std::fs::create_dir_all(tree.at("etc/fstab")).unwrap();
    let ran = off(&tree).expect(1);
    assert!(ran.stderr.contains("/etc/fstab: it is a directory, not a file"), "{}", ran.stderr);

    // Bytes that are not UTF-8, and NUL, are kept.
    let odd = b"\xff\xfe # \0\n/a none swap sw\n/\xff none swap\n".to_vec();
    let tree = Tree::new();
    tree.write("etc/fstab", &odd);
    off(&tree).expect(0);
    let expected = [b"\xff\xfe # \0\n# edge-prep: /a none swap sw\n# edge-prep: /\xff none swap\n".as_slice()].concat();
    assert_eq!(std::fs::read(tree.at("etc/fstab")).unwrap(), expected);
    prep(&tree, &["undo"]).expect(0);
    assert_eq!(std::fs::read(tree.at("etc/fstab")).unwrap(), odd);
}

#[test]
fn keep_and_limited_change_nothing_and_note_the_settings() {
    let tree = Tree::with(&[("etc/fstab", "/a none swap\n")]);
    let before = tree.snapshot();
    let ran = prep(&tree, &["apply", "--swap", "keep", "-n"]);
    assert!(ran.stderr.contains("swap is not changed (unknown in an image)"), "{}", ran.stderr);
    assert!(ran.stderr.contains("failSwapOn: false"), "{}", ran.stderr);
    let ran = prep(&tree, &["apply", "--swap", "limited", "-n"]);
    for text in
        ["LimitedSwap needs cgroup v2", "1.28", "1.34", "Linux 6.3", "the cgroup version of this host is unknown"]
    {
        assert!(ran.stderr.contains(text), "{text}: {}", ran.stderr);
    }
    assert_same(&tree.snapshot(), &before, "keep and limited");
    assert_eq!(prep(&tree, &["check", "--swap", "keep"]).expect(0).stdout, "no problems found\n");
}

#[test]
fn image_is_read_without_the_live_host() {
    let tree = Tree::with(&[
        ("proc/swaps", "Filename Type Size Used Priority\n/dev/sda2 partition 9 9 -2\n"),
        ("run/systemd/generator.late/dev-sda2.swap", "# by systemd-gpt-auto-generator\n[Swap]\nWhat=/dev/sda2\n"),
        ("run/systemd/system/x", ""),
    ]);
    changes_nothing(&tree);
    let ran = prep(&tree, &["status"]).expect(0);
    assert!(ran.stdout.contains("swap now: unknown: no kernel runs in an image"), "{}", ran.stdout);
    assert!(!ran.stdout.contains("sda2"), "{}", ran.stdout);
}
