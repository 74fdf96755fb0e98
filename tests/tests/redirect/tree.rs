//! edge-redirect with --root: the files for the next boot, to the byte, and their undo.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use edgeutils_tests::is_root;
use edgeutils_tests::tool::{Ran, Tool};
use edgeutils_tests::tree::{Tree, assert_same};

pub(crate) const FILE: &str = "etc/edgeutils/redirect.toml";
pub(crate) const UNIT: &str = "etc/systemd/system/edge-redirect.service";
pub(crate) const LINK: &str = "etc/systemd/system/multi-user.target.wants/edge-redirect.service";

pub(crate) fn redirect(tree: &Tree, args: &[&str]) -> Ran {
    Tool::new("edge-redirect").arg("--root").arg(tree.path()).args(args).run()
}

/// An image with the program in it.
pub(crate) fn image() -> Tree {
    let tree = Tree::with(&[("usr/bin/edge-redirect", "\u{7f}ELF")]);
    std::fs::set_permissions(tree.at("usr/bin/edge-redirect"), std::fs::Permissions::from_mode(0o755)).unwrap();
    // A temporary directory with the mode of a root file system.
    std::fs::set_permissions(tree.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    tree
}

#[test]
fn files_for_boot_are_written_once_and_undone() {
    let tree = image();
    let before = tree.snapshot();
    let add = ["add", "10351=192.0.2.1:10003", "10351=[2001:db8::1]:10003", "--from", "forward", "--persist"];
    redirect(&tree, &[&add[..], &["-n"]].concat()).expect(3);
    assert_same(&tree.snapshot(), &before, "a dry run");
    let ran = redirect(&tree, &add).expect(0);
    assert_eq!(ran.stderr, "edge-redirect: note: with --root no live rules are read or changed\n");
    assert!(tree.read(FILE).ends_with(
        "redirect = [\n    \"10351=192.0.2.1:10003\",\n    \"10351=[2001:db8::1]:10003\",\n]\nfrom = \"forward\"\nbackend = \"auto\"\n"
    ));
    let unit = tree.read(UNIT);
    assert!(unit.contains("\nExecStart=/usr/bin/edge-redirect restore\n"), "{unit}");
    let target = std::fs::read_link(tree.at(LINK)).unwrap();
    assert_eq!(target.to_str(), Some("/etc/systemd/system/edge-redirect.service"));

    let after = tree.snapshot();
    let ran = redirect(&tree, &add).expect(0);
    assert_eq!(ran.stdout, "already up to date\n");
    assert_same(&tree.snapshot(), &after, "a second run");
    let ran = redirect(&tree, &["status"]).expect(0);
    assert_eq!(
        ran.stdout,
        "redirect 10351 to 192.0.2.1:10003: stored  (/etc/edgeutils/redirect.toml)\n\
         redirect 10351 to [2001:db8::1]:10003: stored  (/etc/edgeutils/redirect.toml)\n\
         unit edge-redirect.service: enabled: it restores the redirects at boot  (/etc/edgeutils/redirect.toml)\n"
    );
    redirect(&tree, &["undo"]).expect(0);
    assert_same(&tree.snapshot(), &before, "undo");
}

#[test]
fn comments_in_the_file_are_kept_when_ports_change() {
    let tree = image();
    redirect(&tree, &["add", "10351=192.0.2.1:10003", "--persist"]).expect(0);
    let noted = tree.read(FILE).replace("from = \"output\"", "from = \"output\" # the API server is not a pod");
    tree.write(FILE, &noted);
    redirect(&tree, &["add", "10352=192.0.2.2:10003", "10351=192.0.2.9:10003", "--persist"]).expect(0);
    let text = tree.read(FILE);
    let list = "redirect = [\n    \"10351=192.0.2.9:10003\",\n    \"10352=192.0.2.2:10003\",\n]\n";
    assert!(text.contains(list) && text.contains("# the API server is not a pod"), "{text}");
    let ran = redirect(&tree, &["remove", "10352", "7"]).expect(0);
    assert!(ran.stderr.contains("note: port 7 is not redirected"), "{}", ran.stderr);
    assert!(!tree.read(FILE).contains("10352"));
    // Removing the last redirect removes everything.
    let whole = tree.snapshot();
    redirect(&tree, &["remove", "10351"]).expect(0);
    assert!(!tree.at(FILE).exists() && !tree.at(UNIT).exists() && !tree.at(LINK).exists());
    assert!(!tree.at("etc/edgeutils").exists(), "the empty directory was not removed");
    assert_eq!(redirect(&tree, &["remove"]).expect(0).stdout, "already up to date\n");
    redirect(&tree, &["undo"]).expect(0);
    assert_same(&tree.snapshot(), &whole, "undo of a removal");
}

#[test]
fn remove_keeps_a_directory_with_other_files() {
    let tree = image();
    tree.write("etc/edgeutils/node.env", "CLOUDCORE=192.0.2.1\n");
    let before = tree.snapshot();
    redirect(&tree, &["add", "10351=192.0.2.1:10003", "--persist"]).expect(0);
    let ran = redirect(&tree, &["remove"]).expect(0);
    assert!(!ran.stdout.contains("removed /etc/edgeutils:"), "{}", ran.stdout);
    assert_eq!(tree.read("etc/edgeutils/node.env"), "CLOUDCORE=192.0.2.1\n");
    redirect(&tree, &["undo"]).expect(0);
    redirect(&tree, &["undo"]).expect(0);
    assert_same(&tree.snapshot(), &before, "all undone");
}

#[test]
fn traffic_and_backend_are_kept_until_others_are_named() {
    let tree = image();
    redirect(&tree, &["add", "10351=192.0.2.1:10003", "--persist", "--from", "forward", "--backend", "legacy"])
        .expect(0);
    redirect(&tree, &["add", "10352=192.0.2.2:10003", "--persist"]).expect(0);
    assert!(
        tree.read(FILE).ends_with("10003\",\n]\nfrom = \"forward\"\nbackend = \"legacy\"\n"),
        "{}",
        tree.read(FILE)
    );
    redirect(&tree, &["add", "10352=192.0.2.2:10003", "--persist", "--from", "output", "--backend", "nft"]).expect(0);
    assert!(tree.read(FILE).ends_with("from = \"output\"\nbackend = \"nft\"\n"), "{}", tree.read(FILE));
}

#[test]
fn remove_removes_links_and_keeps_their_targets() {
    let tree = image();
    redirect(&tree, &["add", "10351=192.0.2.1:10003", "--persist"]).expect(0);
    for (path, elsewhere) in [(FILE, "srv/redirect.toml"), (UNIT, "srv/edge-redirect.service")] {
        tree.write(elsewhere, tree.read(path));
        std::fs::remove_file(tree.at(path)).unwrap();
        std::os::unix::fs::symlink(Path::new("/").join(elsewhere), tree.at(path)).unwrap();
    }
    redirect(&tree, &["add", "10352=192.0.2.2:10003"]).expect(4);
    redirect(&tree, &["add", "10352=192.0.2.2:10003", "--persist"]).expect(0);
    assert!(tree.read("srv/redirect.toml").contains("10352") && tree.at(FILE).is_symlink());
    let whole = tree.snapshot();
    redirect(&tree, &["remove"]).expect(0);
    assert!([FILE, UNIT, LINK].iter().all(|path| !tree.at(path).is_symlink()) && !tree.at("etc/edgeutils").exists());
    assert!(tree.read("srv/redirect.toml").contains("10352"), "the target of a link was changed");
    assert_eq!(redirect(&tree, &["remove"]).expect(0).stdout, "already up to date\n");
    redirect(&tree, &["undo"]).expect(0);
    assert_same(&tree.snapshot(), &whole, "undo of a removal");
}

#[test]
fn masked_unit_stays_masked() {
    let tree = image();
    let mask = || {
        std::fs::create_dir_all(tree.at("etc/systemd/system")).unwrap();
        let _ = std::fs::remove_file(tree.at(UNIT));
        std::os::unix::fs::symlink("/dev/null", tree.at(UNIT)).unwrap();
    };
    mask();
    let masked = tree.snapshot();
    let ran = redirect(&tree, &["add", "10351=192.0.2.1:10003", "--persist"]).expect(4);
    let said = "edge-redirect: cannot enable edge-redirect.service: it is masked\nhint: unmask it and run again: systemctl --root ";
    assert!(ran.stderr.contains(said), "{}", ran.stderr);
    assert_eq!(redirect(&tree, &["remove"]).expect(0).stdout, "already up to date\n");
    assert_same(&tree.snapshot(), &masked, "a masked unit was changed");

    std::fs::remove_file(tree.at(UNIT)).unwrap();
    redirect(&tree, &["add", "10351=192.0.2.1:10003", "10352=192.0.2.2:10003", "--persist"]).expect(0);
    mask();
    let ran = redirect(&tree, &["remove", "10352"]).expect(0);
    assert!(
        ran.stderr.contains("edge-redirect.service is masked: the redirects are not restored at boot"),
        "{}",
        ran.stderr
    );
    assert!(!tree.read(FILE).contains("10352"));
    let status = redirect(&tree, &["status"]).expect(0).stdout;
    assert!(status.contains("unit edge-redirect.service: masked: the redirects are not restored at boot"), "{status}");
    redirect(&tree, &["remove"]).expect(0);
    assert!(!tree.at(FILE).exists() && !tree.at(LINK).is_symlink());
    assert_eq!(std::fs::read_link(tree.at(UNIT)).unwrap(), Path::new("/dev/null"));
}

#[test]
fn add_refuses_a_program_that_other_users_can_replace() {
    let add = ["add", "10351=192.0.2.1:10003", "--persist"];
    for (path, mode) in
        [("usr/bin/edge-redirect", 0o757), ("usr/bin/edge-redirect", 0o775), ("usr/bin", 0o777), ("usr", 0o1777)]
    {
        let tree = image();
        std::fs::set_permissions(tree.at(path), std::fs::Permissions::from_mode(mode)).unwrap();
        let before = tree.snapshot();
        let ran = redirect(&tree, &add).expect(4);
        let shown = tree.at(path);
        assert!(
            ran.stderr.contains(&format!("{} is writable by users other than root", shown.display())),
            "{}",
            ran.stderr
        );
        assert!(
            ran.stderr.contains("\nhint: install it for root and run /usr/local/bin/edge-redirect: install -o root"),
            "{}",
            ran.stderr
        );
        assert_same(&tree.snapshot(), &before, path);
    }
    if is_root() {
        let tree = image();
        std::os::unix::fs::chown(tree.at("usr/bin"), Some(1000), None).unwrap();
        let ran = redirect(&tree, &add).expect(4);
        assert!(ran.stderr.contains("usr/bin is not owned by root"), "{}", ran.stderr);
    }
    // A missing program is only noted.
    let tree = Tree::new();
    let ran = redirect(&tree, &add).expect(0);
    assert!(
        ran.stderr.contains("usr/local/bin/edge-redirect does not exist yet: install it, as the unit starts it"),
        "{}",
        ran.stderr
    );
    assert!(tree.read(UNIT).contains("ExecStart=/usr/local/bin/edge-redirect restore"));
}

#[test]
fn render_prints_documents_for_other_programs() {
    let tree = image();
    let ran = redirect(&tree, &["render", "iptables-restore", "10351=192.0.2.1:10003", "--from", "forward"]).expect(0);
    let jump = "-p tcp -m addrtype ! --dst-type LOCAL -m comment --comment \"edgeutils: kubectl logs and exec\" -j EDGEUTILS-STREAM";
    assert_eq!(
        ran.stdout,
        format!(
            "*nat\n:EDGEUTILS-STREAM - [0:0]\n-A EDGEUTILS-STREAM -p tcp -m tcp --dport 10351 -j DNAT --to-destination 192.0.2.1:10003\n-A PREROUTING {jump}\n-A OUTPUT {jump}\nCOMMIT\n"
        )
    );
    let ran = redirect(&tree, &["render", "systemd"]).expect(0);
    redirect(&tree, &["add", "10351=192.0.2.1:10003", "--persist"]).expect(0);
    assert_eq!(ran.stdout, tree.read(UNIT));
    let stored = redirect(&tree, &["render", "iptables-restore"]).expect(0);
    assert!(stored.stdout.contains("--dport 10351"), "{}", stored.stdout);
    let both = ["render", "iptables-restore", "1=192.0.2.1:1", "1=[2001:db8::1]:1"];
    for (args, cause) in [
        (&["render", "iptables-restore", "--json"][..], "cannot render as JSON"),
        (&["render", "systemd", "1=192.0.2.1:1"], "cannot render the unit for single ports"),
        (&both, "cannot render IPv4 and IPv6 together"),
    ] {
        let ran = redirect(&tree, args).expect(2);
        assert!(ran.stderr.contains(cause) || ran.stdout.contains(cause), "{}{}", ran.stdout, ran.stderr);
    }
    let empty = Tree::new();
    let ran = redirect(&empty, &["render", "iptables-restore"]).expect(1);
    assert!(ran.stderr.contains("cannot render: /etc/edgeutils/redirect.toml does not exist"), "{}", ran.stderr);
}
