//! The memory cgroup on ten systems: the right file alone is edited, once, and restored byte for byte.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use edgeutils_tests::systems::{self, AMD64_GRUB, DEBIAN_RASPI, RASPBERRY_PI_OS_12};
use edgeutils_tests::tool::{Ran, Tool};
use edgeutils_tests::tree::{Tree, assert_same};

const TOKEN: &str = "cgroup_enable=memory";
const OLD: &str = ".edgeutils-old";
const DROP_IN: &str = "etc/default/grub.d/90-edgeutils.cfg";
const APPLY: [&str; 3] = ["apply", "--memory-cgroup", "on"];

fn prep(tree: &Tree, args: &[&str]) -> Ran {
    Tool::new("edge-prep").arg("--root").arg(tree.path()).args(args).run()
}

fn dry_run(tree: &Tree) -> Ran {
    prep(tree, &["-n", "apply", "--memory-cgroup", "on"])
}

#[test]
fn systems_are_changed_and_restored() {
    for (name, tree) in systems::all() {
        let start = tree.snapshot();
        let Some(file) = systems::command_line(name) else {
            // Generic kernels have it on: only the request is stored for `check`.
            prep(&tree, &APPLY).expect(0);
            assert_same(&tree.snapshot(), &start, name);
            prep(&tree, &["check", "--memory-cgroup", "on"]).expect(0);
            continue;
        };
        let before = tree.read(file);
        dry_run(&tree).expect(3);
        assert_same(&tree.snapshot(), &start, name);
        prep(&tree, &["check", "--memory-cgroup", "on"]).expect(3);

        let ran = prep(&tree, &APPLY).expect(0);
        assert!(ran.stdout.contains(&format!("/{file}")), "{name}: {}", ran.stdout);
        let words = before.trim_end_matches('\n');
        let mut expected = start.clone();
        let entry = expected.get_mut(std::path::Path::new(file)).unwrap();
        *entry = entry.replace(words, &format!("{words} {TOKEN}"));
        if name != DEBIAN_RASPI {
            let old = start[std::path::Path::new(file)].clone();
            expected.insert(format!("{file}{OLD}").into(), old);
        }
        assert_same(&tree.snapshot(), &expected, name);

        let again = prep(&tree, &APPLY).expect(0);
        assert!(again.stdout.contains("already up to date"), "{name}: {}", again.stdout);
        dry_run(&tree).expect(0);
        prep(&tree, &["check", "--memory-cgroup", "on"]).expect(0);
        assert_same(&tree.snapshot(), &expected, name);
        prep(&tree, &["undo"]).expect(0);
        assert_same(&tree.snapshot(), &start, name);
    }
}

#[test]
fn undo_removes_our_token_and_keeps_later_changes() {
    for (name, tree) in systems::all() {
        let Some(file) = systems::command_line(name) else { continue };
        prep(&tree, &APPLY).expect(0);
        let start = tree.read(file).replace(&format!(" {TOKEN}"), "");
        tree.write(file, format!("{} quiet2\n", tree.read(file).trim_end()));
        prep(&tree, &["undo"]).expect(0);
        assert_eq!(tree.read(file), format!("{} quiet2\n", start.trim_end()), "{name}");
        assert!(!tree.at(&format!("{file}{OLD}")).exists(), "{name}");
    }
}

#[test]
fn line_endings_and_other_tokens_are_kept() {
    let tree = systems::by_name(RASPBERRY_PI_OS_12);
    let file = "boot/firmware/cmdline.txt";
    for (before, after) in [
        ("a b", "a b cgroup_enable=memory"),
        ("a b\r\n", "a b cgroup_enable=memory\r\n"),
        ("cgroup_memory=1 a cgroup_memory=1\n", "cgroup_memory=1 a cgroup_memory=1 cgroup_enable=memory\n"),
        ("cgroup_disable=memory a\n", "cgroup_disable=memory a cgroup_enable=memory\n"),
        (
            "cgroup_enable=memory cgroup_disable=memory\n",
            "cgroup_enable=memory cgroup_disable=memory cgroup_enable=memory\n",
        ),
        ("a -- b\n", "a cgroup_enable=memory -- b\n"),
    ] {
        tree.write(file, before);
        prep(&tree, &APPLY).expect(0);
        assert_eq!(tree.read(file), after);
        assert_eq!(tree.read(&format!("{file}{OLD}")), before);
        prep(&tree, &["undo"]).expect(0);
        assert_eq!(tree.read(file), before);
    }
    for already in ["cgroup_enable=memory a cgroup_enable=memory\n", "cgroup_enable=cpuset cgroup_enable=cpu,memory a"]
    {
        tree.write(file, already);
        prep(&tree, &APPLY).expect(0);
        assert_eq!(tree.read(file), already);
        assert!(!tree.at(&format!("{file}{OLD}")).exists());
    }
}

#[test]
fn older_rescue_copy_is_restored_by_undo() {
    let tree = systems::by_name(RASPBERRY_PI_OS_12);
    let old = "boot/firmware/cmdline.txt.edgeutils-old";
    tree.write(old, "root=/dev/gone\n");
    let start = tree.snapshot();
    prep(&tree, &APPLY).expect(0);
    assert!(tree.read(old).contains("root=PARTUUID=0ddba11c-02"), "the copy has the previous command line");
    prep(&tree, &["undo"]).expect(0);
    assert_same(&tree.snapshot(), &start, "undo");
}

/// A damaged or unexpected boot partition: this exit code and text, a hint, and no change.
#[track_caller]
fn refused(tree: &Tree, code: i32, words: &str) {
    let start = tree.snapshot();
    for args in [vec!["-n", "apply", "--memory-cgroup", "on"], APPLY.to_vec()] {
        let ran = prep(tree, &args).expect(code);
        let stderr = ran.stderr.replace(tree.path().to_str().unwrap(), "DIR");
        assert!(stderr.contains(words), "{stderr}");
        assert!(stderr.contains("hint: "), "{stderr}");
    }
    assert_same(&tree.snapshot(), &start, words);
    // Status does not fail because of it.
    prep(tree, &["status"]).expect(0);
}

#[test]
fn damaged_command_line_is_not_edited() {
    let file = "boot/firmware/cmdline.txt";
    let long = "a".repeat(4097);
    for (bytes, words) in [
        (b"a b\nc d\n".as_slice(), "it has 2 lines, and only the first one is read at boot"),
        (b"\na b\n", "it has 2 lines"),
        (b"a\0\0\0", "it contains NUL bytes"),
        (b"", "it is empty"),
        (b"\n", "it is empty"),
        (b"a\xff\xfe", "it is not UTF-8 text"),
        (b"a=\"b", "it has an unclosed quotation mark"),
        (long.as_bytes(), "it has 4097 bytes"),
    ] {
        let tree = systems::by_name(RASPBERRY_PI_OS_12);
        tree.write(file, bytes);
        refused(&tree, 4, &format!("cannot edit DIR/{file}: {words}"));
    }
    let tree = systems::by_name(RASPBERRY_PI_OS_12);
    std::fs::remove_file(tree.at(file)).unwrap();
    refused(&tree, 4, "cannot edit DIR/boot/firmware/cmdline.txt: it does not exist");
    std::fs::create_dir(tree.at(file)).unwrap();
    let ran = dry_run(&tree).expect(1);
    assert!(ran.stderr.contains("it is a directory, not a file"), "{}", ran.stderr);
}

#[test]
fn unmounted_boot_partition_is_reported() {
    // The stub in /boot is never edited instead.
    let tree = systems::by_name(RASPBERRY_PI_OS_12);
    std::fs::remove_dir_all(tree.at("boot/firmware")).unwrap();
    refused(&tree, 4, "DIR/boot/firmware is empty, expected PARTUUID=0ddba11c-01 mounted there");
    std::fs::create_dir(tree.at("boot/firmware")).unwrap();
    refused(&tree, 4, "mount the image's boot partition too: mount PARTITION DIR/boot/firmware");
    tree.write("etc/fstab", "");
    refused(&tree, 4, "DIR/boot/cmdline.txt is a stub, and DIR/boot/firmware does not contain the file");

    let tree = systems::by_name(systems::RASPBERRY_PI_OS_10);
    std::fs::remove_dir_all(tree.at("boot")).unwrap();
    refused(&tree, 4, "DIR/boot is empty, expected PARTUUID=5a1c0de5-01 mounted there");
}

#[test]
fn config_txt_names_the_file_or_it_is_refused() {
    let tree = systems::by_name(RASPBERRY_PI_OS_12);
    let config = "boot/firmware/config.txt";
    tree.write("boot/firmware/other.txt", "a\n");
    tree.write(config, "[pi4]\ncmdline=other.txt\n");
    refused(&tree, 4, "config.txt:2: cmdline=other.txt is in a section that may or may not match this board");
    tree.write(config, "cmdline=../../etc/passwd\n");
    let ran = dry_run(&tree).expect(4);
    assert!(ran.stderr.contains("is not a file beside it"), "{}", ran.stderr);
    tree.write(config, "include a.txt\n");
    tree.write("boot/firmware/a.txt", "include config.txt\n");
    refused(&tree, 4, "includes itself");
    // Includes outside the partition are not read.
    tree.write(config, "include ../../etc/a.txt\ninclude /etc/a.txt\ninclude gone.txt\n");
    tree.write("etc/a.txt", "cmdline=other.txt\n");
    prep(&tree, &APPLY).expect(0);
    assert!(tree.read("boot/firmware/cmdline.txt").contains(TOKEN));
    prep(&tree, &["undo"]).expect(0);
    tree.write(config, "[pi5]\ncmdline=cmdline.txt\n[tryboot]\ncmdline=gone.txt\n[all]\ncmdline=other.txt\n");
    prep(&tree, &APPLY).expect(0);
    assert_eq!(tree.read("boot/firmware/other.txt"), "a cgroup_enable=memory\n");
}

#[test]
fn grub_gets_a_drop_in_where_an_option_disables_it() {
    let tree = systems::by_name(AMD64_GRUB);
    let grub = tree.read("etc/default/grub").replace("quiet", "quiet cgroup_disable=memory");
    tree.write("etc/default/grub", &grub);
    let menu = tree.read("boot/grub/grub.cfg");
    tree.write("boot/grub/grub.cfg", menu.replace("quiet", "quiet cgroup_disable=memory"));
    let start = tree.snapshot();
    let root = tree.path().display().to_string();
    let step = format!(
        "{root}/boot/grub/grub.cfg:2 disables the memory cgroup until it is generated again; manual step: \
         chroot {root} update-grub\n"
    );
    prep(&tree, &["apply", "--memory-cgroup", "on", "-n"]).expect(3);
    let ran = prep(&tree, &APPLY).expect(3);
    assert!(ran.stderr.contains(&step), "{}", ran.stderr);
    assert!(ran.stdout.contains("etc/default/grub:3"), "{}", ran.stdout);
    let text = tree.read(DROP_IN);
    assert!(text.contains("cgroup_enable=memory"), "{text}");
    let found = prep(&tree, &["check", "--memory-cgroup", "on"]).expect(3);
    let line = format!("{root}/boot/grub/grub.cfg:2: error: the memory cgroup will be off after a reboot: ");
    assert!(found.stdout.contains(&line), "{}", found.stdout);
    assert!(found.stdout.contains(&format!("hint: chroot {root} update-grub\n")), "{}", found.stdout);
    let again = prep(&tree, &APPLY).expect(3);
    assert!(again.stderr.contains(&step), "{}", again.stderr);
    assert_eq!(again.stdout, "no changes, manual step required\n");
    assert!(prep(&tree, &["status"]).expect(0).stdout.contains("boot/grub/grub.cfg:2"));
    prep(&tree, &["undo"]).expect(0);
    assert_same(&tree.snapshot(), &start, "undo");

    // With the menu generated again, it is on.
    prep(&tree, &APPLY).expect(3);
    tree.write("boot/grub/grub.cfg", menu.replace("quiet", "quiet cgroup_enable=memory"));
    prep(&tree, &["check", "--memory-cgroup", "on"]).expect(0);
    assert!(prep(&tree, &APPLY).expect(0).stdout.contains("already up to date"));
    let status = prep(&tree, &["status"]).expect(0).stdout;
    let line = status.lines().find(|line| line.contains("GRUB")).unwrap();
    assert!(line.contains("90-edgeutils.cfg") && line.contains("turns the memory cgroup on"), "{line}");
    prep(&tree, &["undo"]).expect(0);
    tree.write("boot/grub/grub.cfg", &menu);
}

#[test]
fn grub_menu_decides_what_boots() {
    let tree = systems::by_name(AMD64_GRUB);
    let root = tree.path().display().to_string();
    // A plain image: the drop-in does not exist, and nothing is wrong.
    let status = prep(&tree, &["status"]).expect(0).stdout;
    assert!(status.contains("boot/grub/grub.cfg") && !status.contains("90-edgeutils.cfg"), "{status}");
    assert!(prep(&tree, &APPLY).expect(0).stderr.is_empty());

    // The option was removed from the configuration, and the menu still has it.
    let menu = tree.read("boot/grub/grub.cfg");
    for path in ["boot/grub/grub.cfg", "boot/grub2/grub.cfg"] {
        std::fs::remove_file(tree.at("boot/grub/grub.cfg")).unwrap();
        tree.write(path, menu.replace("quiet", "cgroup_disable=memory"));
        let found = prep(&tree, &["check", "--memory-cgroup", "on"]).expect(3);
        assert!(found.stdout.contains(&format!("{root}/{path}:2: error: ")), "{}", found.stdout);
        let ran = prep(&tree, &APPLY).expect(3);
        assert!(ran.stderr.contains(&format!("manual step: chroot {root} update-grub\n")), "{}", ran.stderr);
        assert!(!tree.at(DROP_IN).exists());
    }

    // The menu is not known: the configuration decides.
    let tree = systems::by_name(AMD64_GRUB);
    std::fs::remove_file(tree.at("boot/grub/grub.cfg")).unwrap();
    let status = prep(&tree, &["status"]).expect(0).stdout;
    assert!(status.contains("etc/default/grub") && !status.contains("90-edgeutils.cfg"), "{status}");
    let grub = tree.read("etc/default/grub").replace("quiet", "quiet cgroup_disable=memory");
    tree.write("etc/default/grub", &grub);
    let ran = prep(&tree, &APPLY).expect(0);
    assert!(ran.stderr.contains("run update-grub on the machine"), "{}", ran.stderr);
    assert!(prep(&tree, &APPLY).expect(0).stdout.contains("already up to date"));
    prep(&tree, &["undo"]).expect(0);
}

#[test]
fn grub_is_refused_where_a_drop_in_cannot_help() {
    let tree = systems::by_name(AMD64_GRUB);
    let grub = tree.read("etc/default/grub").replace("quiet", "quiet cgroup_disable=memory");
    tree.write("etc/default/grub", &grub);
    // A later file takes precedence.
    tree.write("etc/default/grub.d/99-mine.cfg", "GRUB_CMDLINE_LINUX=\"$GRUB_CMDLINE_LINUX cgroup_disable=memory\"\n");
    refused(&tree, 4, "99-mine.cfg:1 turns it off and takes precedence over a drop-in");
    std::fs::remove_file(tree.at("etc/default/grub.d/99-mine.cfg")).unwrap();
    tree.write("boot/config-6.1.0-18-amd64", "# CONFIG_MEMCG is not set\n");
    refused(&tree, 1, "every kernel in /boot was built without CONFIG_MEMCG");
}

#[test]
fn extlinux_is_edited_in_the_default_entry() {
    let text = "TIMEOUT 30\nDEFAULT a\nLABEL b\n  APPEND root=/dev/b cgroup_disable=memory\nLABEL a\n  LINUX /Image\n  APPEND root=/dev/a WORD rw\n";
    let file = "boot/extlinux/extlinux.conf";
    let tree = Tree::with(&[(file, &text.replace(" WORD", ""))]);
    prep(&tree, &APPLY).expect(0);
    assert_eq!(tree.read(file), text.replace(" WORD", ""), "generic kernels have it on");
    tree.write(file, text.replace("WORD", "cgroup_disable=memory"));
    let start = tree.snapshot();
    prep(&tree, &APPLY).expect(0);
    assert_eq!(tree.read(file), text.replace("WORD", TOKEN));
    assert!(tree.at(&format!("{file}{OLD}")).exists());
    prep(&tree, &["undo"]).expect(0);
    assert_same(&tree.snapshot(), &start, "undo");
    prep(&tree, &APPLY).expect(0);
    tree.write(file, tree.read(file).replace("rw", "ro"));
    prep(&tree, &["undo"]).expect(0);
    assert_eq!(tree.read(file), text.replace("WORD", "cgroup_disable=memory").replace("rw", "ro"));
}

#[test]
fn unedited_boot_configuration_is_reported_with_the_manual_step() {
    let off = "cgroup_disable=memory";
    for (files, words) in [
        (
            vec![("boot/armbianEnv.txt", "verbosity=1\nextraargs=cgroup_disable=memory\n")],
            "from the line extraargs= in DIR/boot/armbianEnv.txt",
        ),
        (vec![("boot/uEnv.txt", "cmdline=cgroup_disable=memory\n")], "from the line cmdline= in DIR/boot/uEnv.txt"),
        (
            vec![("etc/kernel/cmdline", "root=x cgroup_disable=memory\n")],
            "remove cgroup_disable=memory from DIR/etc/kernel/cmdline",
        ),
        (
            vec![("etc/default/grub", "GRUB_CMDLINE_LINUX=\"cgroup_disable=memory\"\n")],
            "grubby --update-kernel=ALL --remove-args=cgroup_disable=memory",
        ),
        (
            vec![
                ("boot/extlinux/extlinux.conf", "# made by u-boot-update\nLABEL a\nAPPEND cgroup_disable=memory\n"),
                ("etc/default/u-boot", "U_BOOT_PARAMETERS=\"quiet cgroup_disable=memory\"\n"),
            ],
            "remove cgroup_disable=memory from the line U_BOOT_PARAMETERS= in DIR/etc/default/u-boot",
        ),
    ] {
        let tree = Tree::with(&files);
        refused(&tree, 4, words);
        // Without the option, a generic kernel has it on.
        let (file, text) = files[0];
        tree.write(file, text.replace(off, "quiet"));
        prep(&tree, &APPLY).expect(0);
        assert_eq!(tree.read(file), text.replace(off, "quiet"));
    }
}

#[test]
fn unreadable_partition_is_an_error() {
    if !edgeutils_tests::is_root() {
        let tree = systems::by_name(RASPBERRY_PI_OS_12);
        let dir = tree.at("boot/firmware");
        let mode = |mode| std::fs::set_permissions(&dir, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
        mode(0o000);
        let ran = dry_run(&tree);
        mode(0o755);
        assert!(ran.expect(1).stderr.contains("Permission denied"));
        return;
    }
    // Root reads everything: a loop of links is as unreadable as a broken disk.
    let tree = systems::by_name(RASPBERRY_PI_OS_12);
    std::fs::remove_dir_all(tree.at("boot/firmware")).unwrap();
    tree.link("boot/firmware", "/boot/firmware");
    let ran = dry_run(&tree).expect(1);
    assert!(ran.stderr.contains("boot/firmware/config.txt"), "{}", ran.stderr);
}

#[test]
fn status_names_the_file_and_its_option() {
    for (name, tree) in systems::all() {
        let ran = prep(&tree, &["status"]).expect(0);
        let file = systems::command_line(name).unwrap_or(DROP_IN);
        let line = ran.stdout.lines().find(|line| line.starts_with("boot command line: unset: ")).unwrap();
        assert!(line.contains(&format!("/{file}")), "{name}: {line}");
        assert!(ran.stdout.contains("memory cgroup: unknown: no kernel runs in an image"), "{name}");
    }
}
