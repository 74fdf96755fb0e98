//! What a change preserves: mode, owner, attributes, links, any bytes; and private keys, which others must not read.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;

use edgeutils_tests::image::Image;
use edgeutils_tests::tool::Ran;
use edgeutils_tests::tree::assert_same;
use edgeutils_tests::{is_root, skip};

const FIXTURE: &str = env!("CARGO_BIN_EXE_edge-fixture");
/// A POSIX ACL as the kernel keeps it: version 2, then tag, permissions and id of each entry:
/// owner rw-, user 4242 r--, group r--, mask r--, other ---.
const ACL: [u8; 44] = [
    2, 0, 0, 0, 1, 0, 6, 0, 255, 255, 255, 255, 2, 0, 4, 0, 0x92, 0x10, 0, 0, 4, 0, 4, 0, 255, 255, 255, 255, 16, 0, 4,
    0, 255, 255, 255, 255, 32, 0, 0, 0, 255, 255, 255, 255,
];

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().mode() & 0o7777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn mode_owner_set_id_bits_and_attributes_stay_through_apply_and_undo() {
    if !is_root() {
        return skip("host_kept owner", "files of another user need root");
    }
    let image = Image::with(FIXTURE, &[("etc/a", "one\n"), ("etc/acl", "one\n"), ("etc/linked", "one\n")]);
    chown(image.tree.at("etc/a"), Some(4242), Some(4343)).unwrap();
    set_mode(&image.tree.at("etc/a"), 0o6751);
    chown(image.tree.at("etc/linked"), Some(4242), Some(4343)).unwrap();
    set_mode(&image.tree.at("etc/linked"), 0o6751);
    fs::hard_link(image.tree.at("etc/linked"), image.tree.at("etc/linked-too")).unwrap();
    xattr::set(image.tree.at("etc/a"), "user.edgeutils", b"kept").unwrap();
    xattr::set(image.tree.at("etc/a"), "trusted.edgeutils", b"\0\xff").unwrap();
    xattr::set(image.tree.at("etc/acl"), "system.posix_acl_access", &ACL).unwrap();
    let before = image.tree.snapshot();
    let acl_mode = mode(&image.tree.at("etc/acl"));
    let attributes = || {
        let of = |name, attribute| xattr::get(image.tree.at(name), attribute).unwrap();
        assert_eq!(of("etc/a", "user.edgeutils").as_deref(), Some(b"kept".as_slice()));
        assert_eq!(of("etc/a", "trusted.edgeutils").as_deref(), Some(b"\0\xff".as_slice()));
        assert_eq!(of("etc/acl", "system.posix_acl_access").as_deref(), Some(ACL.as_slice()));
        assert_eq!(mode(&image.tree.at("etc/acl")), acl_mode);
        for name in ["etc/a", "etc/linked"] {
            let meta = fs::metadata(image.tree.at(name)).unwrap();
            assert_eq!((meta.mode() & 0o7777, meta.uid(), meta.gid()), (0o6751, 4242, 4343), "{name}");
        }
    };
    let plan = r#"[{"write": "/etc/a", "text": "two\n"}, {"line": "/etc/acl", "text": "two"},
                   {"write": "/etc/linked", "text": "two\n"}]"#;
    image.apply(plan).says(0, "");
    assert_eq!((image.tree.read("etc/a"), image.tree.read("etc/linked-too")), ("two\n".into(), "two\n".into()));
    attributes();
    image.undo().says(0, "");
    attributes();
    assert_same(&image.tree.snapshot(), &before, "after the undo");
}

#[test]
fn undo_keeps_a_mode_that_was_changed_since() {
    let image = Image::with(FIXTURE, &[("etc/a", "one\n")]);
    image.apply(r#"[{"write": "/etc/a", "text": "two\n"}]"#).expect(0);
    set_mode(&image.tree.at("etc/a"), 0o600);
    let note = "edge-fixture: note: DIR/etc/a: its mode, owner or attributes were changed since and are kept";
    image.undo().says(0, note);
    assert_eq!((image.tree.read("etc/a"), mode(&image.tree.at("etc/a"))), ("one\n".into(), 0o600));
}

#[test]
fn modes_do_not_depend_on_the_umask() {
    for umask in ["000", "077"] {
        let image = Image::with(FIXTURE, &[("etc/a", "one\n"), ("etc/key", "old")]);
        image.plan(
            "plan.json",
            r#"[{"write": "/etc/a", "text": "two\n"}, {"write": "/etc/new/b", "text": "x"}, {"key": "/etc/key", "text": "k"},
                {"key": "/etc/new/key", "text": "k"}]"#,
        );
        let argv = image.argv(&["apply", "--plan", "PLANS/plan.json"]);
        let mut shell = std::process::Command::new("sh");
        shell.args(["-c", "umask $0; exec \"$@\"", umask]).args(argv);
        Ran::of(&shell.output().unwrap()).expect(0);
        for (path, want) in [
            ("etc/a", 0o644),
            ("etc/new", 0o755),
            ("etc/new/b", 0o644),
            ("etc/key", 0o600),
            ("etc/key.old", 0o600),
            ("etc/new/key", 0o600),
            ("var/lib", 0o755),
            ("var/lib/edgeutils", 0o755),
            ("var/lib/edgeutils/journal", 0o700),
            ("var/lib/edgeutils/lock", 0o600),
            ("var/lib/edgeutils/journal/000001-edge-fixture.jsonl", 0o600),
        ] {
            let got = mode(&image.tree.at(path));
            assert_eq!(got, want, "{path} is {got:o} under umask {umask}");
        }
    }
}

#[test]
fn key_is_kept_as_old_and_never_in_the_journal() {
    let image = Image::with(FIXTURE, &[("etc/key", "OLD-SECRET"), ("etc/key.old", "OLDER-SECRET")]);
    set_mode(&image.tree.at("etc/key"), 0o640);
    image
        .apply(r#"[{"key": "/etc/key", "text": "NEW-SECRET"}, {"key": "/etc/other", "text": "NEW-SECRET"}]"#)
        .says(0, "");
    assert_eq!(
        (image.tree.read("etc/key"), image.tree.read("etc/key.old")),
        ("NEW-SECRET".into(), "OLD-SECRET".into())
    );
    assert_eq!((mode(&image.tree.at("etc/key")), mode(&image.tree.at("etc/key.old"))), (0o600, 0o600));
    let secret_free = || {
        let journal = String::from_utf8_lossy(&image.journal()).into_owned();
        assert!(journal.contains("etc/key") && !journal.contains("SECRET"), "{journal}");
        // OLD-SEC and NEW-SEC in base64.
        assert!(!journal.contains("T0xELVNFQ") && !journal.contains("TkVXLVNFQ"), "{journal}");
    };
    secret_free();
    image.undo().says(0, "");
    secret_free();
    assert_eq!((image.tree.read("etc/key"), mode(&image.tree.at("etc/key"))), ("OLD-SECRET".into(), 0o640));
    assert!(!image.tree.at("etc/key.old").exists() && !image.tree.at("etc/other").exists());
}

#[test]
fn key_behind_a_link_is_restored_at_its_target() {
    let image = Image::with(FIXTURE, &[("data/real.key", "OLD-SECRET")]);
    image.tree.link("etc/key", "/data/real.key");
    let before = image.tree.snapshot();
    image.apply(r#"[{"key": "/etc/key", "text": "NEW-SECRET"}]"#).says(0, "");
    assert_eq!(image.tree.read("data/real.key.old"), "OLD-SECRET");
    image.undo().says(0, "");
    assert_same(&image.tree.snapshot(), &before, "after the undo");
    // If the copy was replaced by another key, it is not restored.
    image.apply(r#"[{"key": "/etc/key", "text": "NEW-SECRET"}]"#).says(0, "");
    image.tree.write("data/real.key.old", "ANOTHER");
    image.undo().says(4, "edge-fixture: cannot undo DIR/etc/key: DIR/data/real.key.old is not the previous key\nhint: to keep the run: edge-fixture --root DIR undo --id 2 --skip");
    assert_eq!(image.tree.read("data/real.key"), "NEW-SECRET");
}

#[test]
fn binary_files_and_removed_entries_are_restored() {
    let image = Image::with(FIXTURE, &[("etc/empty", "")]);
    image.tree.write("etc/binary", b"\0\xff\xfe\r\n\x1b[2J");
    image.tree.write("etc/removed", b"\xff");
    image.tree.link("etc/dangling", "../../nowhere");
    fs::create_dir(image.tree.at("etc/dir")).unwrap();
    set_mode(&image.tree.at("etc/dir"), 0o1770);
    set_mode(&image.tree.at("etc/removed"), 0o4711);
    let before = image.tree.snapshot();
    let plan = r#"[{"write": "/etc/binary", "text": "x"}, {"write": "/etc/empty", "text": "x"}, {"remove": "/etc/removed"},
                   {"remove": "/etc/dangling"}, {"remove": "/etc/dir"}, {"link": "/etc/link", "target": "x"}]"#;
    image.apply(plan).says(0, "");
    let left: Vec<_> = fs::read_dir(image.tree.at("etc")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    // With the os-release of the tree.
    assert_eq!(left.len(), 4, "{left:?}");
    image.undo().says(0, "");
    assert_same(&image.tree.snapshot(), &before, "after the undo");
}
