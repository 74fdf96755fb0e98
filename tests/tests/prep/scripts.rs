//! Swap that is turned on by scripts, services, jobs and cloud-init: found by content, and left to the user.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::os::unix::fs::PermissionsExt;

use edgeutils_tests::tool::{Ran, Tool};
use edgeutils_tests::tree::{Tree, assert_same};

const ETC: &str = "etc/systemd/system";
const WANTS: &str = "etc/systemd/system/multi-user.target.wants";
const USER_DATA: &str = "boot/firmware/user-data";

fn prep(tree: &Tree, args: &[&str]) -> Ran {
    Tool::new("edge-prep").arg("--root").arg(tree.path()).args(args).run()
}

/// Files of a system, with the scripts executable and these links.
fn system(files: &[(&str, &str)], links: &[(&str, &str)]) -> Tree {
    let tree = Tree::with(files);
    for (path, text) in files.iter().filter(|(path, text)| text.starts_with("#!") || path.ends_with("rc.local")) {
        assert!(!text.is_empty());
        std::fs::set_permissions(tree.at(path), std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    links.iter().for_each(|(path, target)| tree.link(path, target));
    tree
}

/// `apply` leaves a manual step, `check` finds the place, and nothing is changed.
#[track_caller]
fn is_found(tree: &Tree, place: &str) {
    let before = tree.snapshot();
    let root = tree.path().display();
    for args in [&["apply", "--swap", "off", "-n"] as &[&str], &["apply", "--swap", "off"], &["apply", "--swap", "off"]]
    {
        let ran = prep(tree, args).expect(3);
        assert!(ran.stdout.ends_with("manual step required\n"), "{}", ran.stdout);
        let note = format!("{root}/{place}); manual step: ");
        assert!(ran.stderr.contains(&note), "{place}: {}", ran.stderr);
        // The name of a source is part of a sentence: by cron, by an init script.
        let is_bare = |name| ran.stderr.contains(&format!(" by {name} ("));
        assert!(!["service", "init script", "udev rule", "local.d"].into_iter().any(is_bare), "{}", ran.stderr);
    }
    assert_same(&tree.snapshot(), &before, place);
    let found = prep(tree, &["check"]).expect(3);
    let when = if found.stdout.contains("(cron: run periodically") { "after the boot" } else { "at boot" };
    assert!(found.stdout.contains(&format!("{root}/{place}: error: swap is enabled {when}: ")), "{}", found.stdout);
    assert!(found.stdout.ends_with("1 problem found\n"), "{}", found.stdout);
}

#[track_caller]
fn is_not_found(tree: &Tree, what: &str) {
    let ran = prep(tree, &["apply", "--swap", "off"]).expect(0);
    assert!(!ran.stderr.contains("manual step"), "{what}: {}", ran.stderr);
    let found = prep(tree, &["check", "--swap", "off"]).expect(0);
    assert_eq!(found.stdout, "no problems found\n", "{what}");
}

fn service(command: &str) -> String {
    format!(
        "[Service]\nType=oneshot\nExecStart=/bin/true\nExecStartPost={command}\n[Install]\nWantedBy=multi-user.target\n"
    )
}

#[test]
fn service_is_found_by_what_it_runs() {
    let unit = format!("{ETC}/memory.service");
    let link = (&*format!("{WANTS}/memory.service"), "../memory.service");
    for command in [
        "/sbin/swapon /swapfile",
        "-/usr/sbin/swapon -p 10 /dev/zram0",
        "/bin/sh -c 'mkswap /swapfile && exec swapon /swapfile'",
        "/usr/bin/env bash -c \"for f in /a /b; do swapon $f; done\"",
    ] {
        let tree = system(&[(&unit, &service(command))], &[link]);
        is_found(&tree, &format!("{unit}:4"));
        // The manual step works as printed.
        let ran = prep(&tree, &["check", "--swap", "off"]).expect(3);
        let step = ran.stdout.lines().find_map(|line| line.trim().strip_prefix("hint: ")).unwrap();
        assert_eq!(step, format!("systemctl --root={} disable memory.service", tree.path().display()));
        std::fs::remove_file(tree.at(link.0)).unwrap();
        is_not_found(&tree, "a service that is not enabled");
    }
    for healthy in ["/sbin/swapoff -a", "/sbin/swapon -a", "/bin/sh -c 'swapon --show'", "/bin/echo swapon /x"] {
        is_not_found(&system(&[(&unit, &service(healthy))], &[link]), healthy);
    }
    // A drop-in adds the command; a mask turns it off.
    let conf = format!("{unit}.d/10-swap.conf");
    let dropin = "[Service]\nExecStartPre=/sbin/swapon /swapfile\n";
    let tree = system(&[(&unit, &service("/bin/true")), (&conf, dropin)], &[link]);
    is_found(&tree, &format!("{conf}:2"));
    // A unit that does something else too is not disabled: the command is removed.
    tree.write(&unit, service("/bin/true").replace("/bin/true", "/usr/sbin/sshd -D"));
    is_found(&tree, &format!("{conf}:2"));
    let ran = prep(&tree, &["check", "--swap", "off"]).expect(3);
    let step = format!("hint: remove the command \"/sbin/swapon /swapfile\" from {}", tree.at(&conf).display());
    assert!(ran.stdout.contains(&step) && !ran.stdout.contains("disable"), "{}", ran.stdout);
    std::fs::remove_file(tree.at(&unit)).unwrap();
    tree.link(&unit, "/dev/null");
    is_not_found(&tree, "masked");
}

#[test]
fn service_is_found_by_its_script_and_timer() {
    let script = ("usr/local/sbin/more-memory", "#!/bin/bash\nset -e\n. /usr/local/lib/memory.sh\nmore\n");
    let library = ("usr/local/lib/memory.sh", "#!/bin/bash\nmore() {\n    swapon \"$FILE\"\n}\n");
    let unit = (&*format!("{ETC}/memory.service"), "[Service]\nExecStart=/usr/local/sbin/more-memory\n");
    let timer = (&*format!("{ETC}/later.timer"), "[Timer]\nOnBootSec=1min\nUnit=memory.service\n");
    let link = (&*format!("{ETC}/timers.target.wants/later.timer"), "../later.timer");
    let tree = system(&[script, library, unit, timer], &[link]);
    is_found(&tree, "usr/local/lib/memory.sh:3");
    assert!(prep(&tree, &["status"]).expect(0).stdout.contains("remove the command \"swapon $FILE\" from "));
    let python = ("usr/local/sbin/more-memory", "#!/usr/bin/python3\nrun(['swapon', '/x'])\n");
    is_found(&system(&[python, unit, timer], &[link]), "usr/local/sbin/more-memory:2");
    // An instance of a template.
    let template = (&*format!("{ETC}/swapfile@.service"), "[Service]\nExecStart=/sbin/swapon /data/%i\n");
    let instance = (&*format!("{WANTS}/swapfile@one.service"), "../swapfile@.service");
    is_found(&system(&[template], &[instance]), &format!("{ETC}/swapfile@.service:2"));
    is_not_found(&system(&[template], &[]), "a template without an instance");
    // A program that is not a script, a script that calls itself, and one that is missing.
    for text in ["\x7fELF swapon /x\n", "#!/bin/sh\nexec /usr/local/sbin/more-memory\n"] {
        is_not_found(&system(&[("usr/local/sbin/more-memory", text), unit, timer], &[link]), text);
    }
    is_not_found(&system(&[unit, timer], &[link]), "missing");
}

#[test]
fn boot_scripts_and_jobs_are_found() {
    for (file, text, line, links) in [
        ("etc/rc.local", "#!/bin/sh -e\n# swapon /no\nswapon /swapfile\nexit 0\n", 3, &[][..]),
        ("etc/rc.local", "#!/bin/sh\ntest -f /swapfile && sudo /sbin/swapon /swapfile\nexit 0\n", 2, &[]),
        ("etc/rc.local", "more() {\n  sh -c 'swapon /swapfile'\n}\nmore\nexit 0\n", 2, &[]),
        ("etc/rc.local", "cat >/run/s <<EOF\nswapon /swapfile\nEOF\nsh /run/s\nexit 0\n", 2, &[]),
        ("etc/rc.d/rc.local", "mkswap /dev/zram0; swapon /dev/zram0\n", 1, &[]),
        (
            "etc/init.d/memory",
            "#!/bin/sh\ncase $1 in\nstart) swapon /swapfile ;;\nesac\n",
            3,
            &[("etc/rc3.d/S20memory", "../init.d/memory")],
        ),
        ("etc/local.d/swap.start", "#!/bin/sh\nswapon /swapfile\n", 2, &[]),
        ("etc/cron.d/swap", "SHELL=/bin/sh\n@reboot root /sbin/swapon /swapfile\n", 2, &[]),
        ("etc/crontab", "*/5 * * * * root swapon /swapfile\n", 1, &[]),
        ("var/spool/cron/crontabs/root", "# x\n@reboot sleep 9 && swapon /swapfile\n", 2, &[]),
        ("var/spool/cron/root", "@reboot swapon /swapfile\n", 1, &[]),
        ("etc/cron.hourly/swap", "#!/bin/sh\nswapon /swapfile\n", 2, &[]),
        ("var/lib/cloud/scripts/per-boot/swap", "#!/bin/sh\nswapon /swapfile\n", 2, &[]),
        ("etc/udev/rules.d/99-zram.rules", "KERNEL==\"zram0\", RUN+=\"/sbin/swapon /dev/zram0\"\n", 1, &[]),
    ] {
        is_found(&system(&[(file, text)], links), &format!("{file}:{line}"));
    }
    for (file, text) in [
        ("etc/init.d/memory", "#!/bin/sh\nswapon /swapfile\n"),
        ("etc/cron.d/swap.dpkg-old", "@reboot root swapon /swapfile\n"),
        ("etc/cron.d/swap", "# @reboot root swapon /swapfile\n"),
        ("etc/local.d/swap.start", "swapon /swapfile\n"),
        ("etc/rc.local", "#!/bin/sh\nexit 0\nswapon /swapfile\n"),
        ("etc/rc.local", "#!/bin/sh\ncat >/opt/swap.sh <<EOF\n#!/bin/sh\nswapon /swapfile\nEOF\nexit 0\n"),
        ("etc/rc.local", "#!/bin/sh\nswapoff -a\nswapon --show\nsudo echo swapon /swapfile\n"),
        ("etc/cron.d/swap", "@reboot root grep -q swapon /etc/rc.local && logger 'swapon /swapfile'\n"),
    ] {
        is_not_found(&system(&[(file, text)], &[]), file);
    }
    let tree = system(&[("etc/rc.local", "swapon /swapfile\n")], &[]);
    std::fs::set_permissions(tree.at("etc/rc.local"), std::fs::Permissions::from_mode(0o644)).unwrap();
    is_not_found(&tree, "rc.local that is not executable");
    // Of two files with the same command, each is reported.
    let tree = system(
        &[
            ("etc/rc.local", "#!/bin/sh\n/opt/swap.sh\n"),
            ("opt/swap.sh", "#!/bin/sh\nswapon /s\n"),
            ("etc/crontab", "@reboot root /opt/swap.sh\n"),
        ],
        &[],
    );
    let found = prep(&tree, &["check", "--swap", "off"]).expect(3);
    assert!(
        found.stdout.contains("(rc.local: run at every boot by ")
            && found.stdout.contains("(cron: run at every boot by "),
        "{}",
        found.stdout
    );
}

#[test]
fn swapspace_is_a_manual_step() {
    let unit = "lib/systemd/system/swapspace.service";
    let text = "[Service]\nExecStart=/usr/sbin/swapspace\n[Install]\nWantedBy=multi-user.target\n";
    let link = format!("{WANTS}/swapspace.service");
    let tree = system(&[(unit, text)], &[(&link, "/lib/systemd/system/swapspace.service")]);
    is_found(&tree, unit);
    std::fs::remove_file(tree.at(&link)).unwrap();
    is_not_found(&tree, "not enabled");
}

#[test]
fn cloud_init_is_read_wherever_it_keeps_its_data() {
    let swap = "#cloud-config\nhostname: edge\nswap:\n  filename: /swap.img\n  size: auto\n";
    let mounts =
        "#cloud-config\nhostname: edge\nmounts:\n- [/dev/sda1, /data]\n- [/swapfile, none, swap, sw, '0', '0']\n";
    for (file, text, line) in [
        (USER_DATA, swap, 3),
        ("boot/user-data", swap, 3),
        ("var/lib/cloud/seed/nocloud/user-data", swap, 3),
        ("var/lib/cloud/seed/nocloud-net/vendor-data", mounts, 5),
        ("etc/cloud/cloud.cfg", mounts, 5),
        ("etc/cloud/cloud.cfg.d/90-swap.cfg", "{\"swap\": {\"size\": 1073741824}}", 1),
        (USER_DATA, "#!/bin/sh\nfallocate -l 1G /swapfile\nswapon /swapfile\n", 1),
        (USER_DATA, "#cloud-config\nruncmd:\n- [swapon, /swapfile]\n", 3),
        (USER_DATA, "#cloud-config\nbootcmd:\n- date\n- mkswap /s && swapon /s\n", 4),
    ] {
        let tree = system(&[(file, text)], &[]);
        is_found(&tree, &format!("{file}:{line}"));
        tree.write("etc/cloud/cloud-init.disabled", "");
        is_not_found(&tree, "cloud-init is disabled");
    }
    for healthy in [
        "",
        "#cloud-config\n",
        "#cloud-config\n# swap:\n",
        "#cloud-config\nswap: {size: 0}\n",
        "#cloud-config\nmounts:\n- [/dev/sda1, /swap, ext4]\n",
        "#cloud-config\nruncmd:\n- swapoff -a\n",
        "#cloud-config\nwrite_files:\n- content: 'swap: x'\n",
    ] {
        is_not_found(&system(&[(USER_DATA, healthy)], &[]), healthy);
    }
    // The user data takes precedence over the image's own configuration.
    let tree = system(&[("etc/cloud/cloud.cfg", swap), (USER_DATA, "#cloud-config\nswap: {size: 0}\n")], &[]);
    is_not_found(&tree, "turned off in the user data");
    // What the present instance got is not used again, but for bootcmd.
    let instance = "var/lib/cloud/instance/user-data.txt";
    is_not_found(&system(&[(instance, swap)], &[]), "done for this instance");
    let boot = "#cloud-config\nbootcmd:\n- swapon /s\n";
    is_found(&system(&[(instance, boot)], &[]), &format!("{instance}:3"));
    is_found(&system(&[(instance, boot), (USER_DATA, boot)], &[]), &format!("{USER_DATA}:3"));
    let config = "datasource:\n  NoCloud:\n    seedfrom: file:///srv/seed/\n";
    is_found(
        &system(&[("etc/cloud/cloud.cfg.d/x.cfg", config), ("srv/seed/user-data", swap)], &[]),
        "srv/seed/user-data:3",
    );
}
