//! Files that are too large for memory: replaced, removed, and restored byte for byte.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use edgeutils_tests::image::Image;
use edgeutils_tests::tree::assert_same;
use edgeutils_tests::{live, skip};

const FIXTURE: &str = env!("CARGO_BIN_EXE_edge-fixture");
const KEPT: &str = "var/lib/edgeutils/journal/kept";
/// 17 MiB of one text, where 16 MiB is the most that is read.
const TIMES: usize = (17 << 20) / 8;

fn big(text: &str) -> String {
    text.repeat(TIMES)
}

fn journal_bytes(image: &Image) -> u64 {
    let files = fs::read_dir(image.tree.at("var/lib/edgeutils/journal")).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.is_file()).map(|path| fs::metadata(path).unwrap().len()).sum()
}

fn kept(image: &Image) -> Vec<fs::DirEntry> {
    fs::read_dir(image.tree.at(KEPT)).map_or_else(|_| Vec::new(), |dir| dir.map(Result::unwrap).collect())
}

#[test]
fn large_file_is_replaced_and_removed_and_restored_with_mode_and_attributes() {
    let image = Image::with(FIXTURE, &[("opt/a", &big("old one\n")), ("opt/b", &big("old two\n"))]);
    fs::set_permissions(image.tree.at("opt/a"), fs::Permissions::from_mode(0o4711)).unwrap();
    xattr::set(image.tree.at("opt/a"), "user.edgeutils", b"kept").unwrap();
    let before = image.tree.snapshot();
    let plan = format!(
        r#"[{{"large": "/opt/a", "text": "new one\n", "times": {TIMES}}}, {{"large": "/opt/new", "text": "x", "times": 9}},
            {{"remove large": "/opt/b"}}]"#
    );
    let done = image.apply(&plan).says(0, "");
    assert_eq!(done.stdout.matches("[undo: exact]").count(), 3, "{}", done.stdout);
    assert!(image.tree.read("opt/a") == big("new one\n") && !image.tree.at("opt/b").exists());
    assert_eq!(fs::metadata(image.tree.at("opt/a")).unwrap().mode() & 0o7777, 0o755, "the new one's own");
    assert_eq!(xattr::get(image.tree.at("opt/a"), "user.edgeutils").unwrap(), None, "the new one's own");
    assert_eq!(kept(&image).len(), 2);
    assert!(journal_bytes(&image) < 4096, "no copy of them is in the journal");
    assert_eq!(image.apply(&plan).says(0, "").stdout, "already up to date\n");

    image.undo().says(0, "");
    assert_same(&image.tree.snapshot(), &before, "undone");
    assert_eq!(xattr::get(image.tree.at("opt/a"), "user.edgeutils").unwrap().as_deref(), Some(b"kept".as_slice()));
    assert_eq!(kept(&image).len(), 0, "nothing refers to them any more");
    assert_eq!(image.undo().says(0, "").stdout, "nothing to undo\n");
}

#[test]
fn link_in_place_of_a_large_file_is_replaced_itself() {
    let image = Image::with(FIXTURE, &[("opt/multi", "all in one\n")]);
    image.tree.link("opt/a", "multi");
    let before = image.tree.snapshot();
    image.apply(r#"[{"large": "/opt/a", "text": "its own"}]"#).says(0, "");
    assert_eq!((image.tree.read("opt/a").as_str(), image.tree.read("opt/multi").as_str()), ("its own", "all in one\n"));
    image.undo().says(0, "");
    assert_same(&image.tree.snapshot(), &before, "undone");
}

#[test]
fn large_file_with_another_checksum_is_refused() {
    let image = Image::with(FIXTURE, &[("opt/a", "old")]);
    let before = image.tree.snapshot();
    let ran = image.apply(r#"[{"large": "/opt/a", "text": "forged", "sum": "true"}]"#);
    assert_eq!(ran.code, 1);
    assert!(ran.stderr.starts_with("edge-fixture: cannot write DIR/opt/a: its checksum is "), "{ran:?}");
    assert_same(&image.tree.snapshot(), &before, "nothing was put in place");
}

#[test]
fn kept_content_that_has_changed_is_refused() {
    let image = Image::with(FIXTURE, &[("opt/a", "old")]);
    image.apply(r#"[{"large": "/opt/a", "text": "new"}]"#).says(0, "");
    fs::write(kept(&image)[0].path(), "damaged").unwrap();
    let ran = image.undo();
    assert_eq!((ran.code, image.tree.read("opt/a").as_str()), (4, "new"));
    assert!(ran.stderr.contains(" was changed"), "{}", ran.stderr);
}

#[test]
fn large_file_that_was_changed_since_is_not_restored() {
    let image = Image::with(FIXTURE, &[("opt/a", "old")]);
    image.apply(r#"[{"large": "/opt/a", "text": "new"}]"#).says(0, "");
    image.tree.write("opt/a", "someone else's");
    assert_eq!((image.undo().code, image.tree.read("opt/a").as_str()), (4, "someone else's"));
}

#[test]
fn kept_content_stays_as_long_as_its_run() {
    let image = Image::with(FIXTURE, &[("opt/a", "old")]);
    image.apply(r#"[{"large": "/opt/a", "text": "new"}]"#).says(0, "");
    // The journal keeps twenty runs; the first is among them for nineteen more.
    for round in 0..20 {
        assert_eq!(kept(&image).len(), 1, "{round}");
        image.apply(&format!(r#"[{{"write": "/etc/x", "text": "{round}"}}]"#)).says(0, "");
    }
    assert_eq!(kept(&image).len(), 0);
}

#[test]
fn large_file_on_another_file_system_or_in_use_is_replaced() {
    if !live::can_unshare() {
        return skip("host_large live", "namespaces cannot be made");
    }
    live::transcript(
        FIXTURE,
        r#"
        cp /bin/sleep /mnt/program
        /mnt/program 30 &
        for nth in $(seq 500); do [ "$(readlink /proc/$!/exe)" != /mnt/program ] || break; sleep 0.02; done
        plan '[{"large": "/mnt/program", "text": "new"}]'
        apply
        cat /mnt/program; echo
        stat -c %h /var/lib/edgeutils/journal/kept/*
        edge undo
        cmp /bin/sleep /mnt/program && echo same
        kill $!
        "#,
        "wrote /mnt/program: a program  [undo: exact]
         1 change
         exit 0
         new
         1
         restored /mnt/program: previous content
         reverted run 1
         exit 0
         same",
    );
}
