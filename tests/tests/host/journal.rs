//! The journal: formats, damage, order, what is kept, and its owner.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::PathBuf;

use edgeutils_tests::image::Image;
use edgeutils_tests::journal::{as_format_1, reseal};
use edgeutils_tests::{is_root, skip};

const FIXTURE: &str = env!("CARGO_BIN_EXE_edge-fixture");

fn journal(image: &Image, name: &str) -> PathBuf {
    image.tree.at("var/lib/edgeutils/journal").join(name)
}

fn first_run(image: &Image) -> PathBuf {
    journal(image, "000001-edge-fixture.jsonl")
}

/// One file, changed once.
fn changed_once() -> Image {
    let image = Image::with(FIXTURE, &[("etc/a", "one\n")]);
    image.apply(r#"[{"write": "/etc/a", "text": "two\n"}]"#).expect(0);
    image
}

fn names(image: &Image) -> Vec<String> {
    let entries = fs::read_dir(journal(image, "")).unwrap();
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn unknown_format_is_refused() {
    let image = changed_once();
    let text = fs::read_to_string(first_run(&image)).unwrap();
    // Whatever else a later format may hold.
    let later = text.replace("\"format\":2", "\"format\":3");
    assert_ne!(text, later);
    fs::write(first_run(&image), reseal(&later)).unwrap();
    image.undo().says(
        4,
        "edge-fixture: cannot read the journal DIR/var/lib/edgeutils/journal/000001-edge-fixture.jsonl: this version does not support record format 3
         hint: use the version that wrote it, or a newer one",
    );
    assert_eq!(image.tree.read("etc/a"), "two\n");
    // A closed run does not block other calls.
    image.apply(r#"[{"write": "/etc/b", "text": "two\n"}]"#).says(0, "");
}

#[test]
fn damaged_journal_is_refused_with_the_line() {
    for (from, to, says) in [
        ("\"record\":\"intent\"", "\"record\":\"intend\"", "line 2: it is not a valid record"),
        ("\"record\":\"done\"", "\"record\":\0\0\0", "line 3: it is not a valid record"),
        ("\"seq\":0,\"why\"", "\"seq\":1,\"why\"", "line 2: the record is out of place"),
        ("\"format\":2,", "", "line 1: it has no format number"),
        ("\"format\":2,", "\"format\":1,", "line 1: the format number does not match the content"),
        ("\"record\":\"done\",\"seq\":0", "\"record\":\"done\",\"seq\":9", "line 3: the record is out of place"),
        ("\"is\":\"file\"", "\"is\":\"pipe\"", "line 2: it is not a valid record"),
    ] {
        // As a program would write it that is wrong, and as a disk returns it that is broken.
        for (sealed, says) in [(true, says), (false, &format!("{}: the checksum does not match", &says[..6]))] {
            let image = changed_once();
            let text = fs::read_to_string(first_run(&image)).unwrap();
            assert!(text.contains(from), "{from} in {text}");
            let text = text.replacen(from, to, 1);
            fs::write(first_run(&image), if sealed { reseal(&text) } else { text }).unwrap();
            let ran = image.undo();
            let want =
                "edge-fixture: cannot read the journal DIR/var/lib/edgeutils/journal/000001-edge-fixture.jsonl: ";
            assert!(ran.stderr.starts_with(&format!("{want}{says}")), "{from}: {}", ran.stderr);
            let hint = "hint: it cannot be undone; to ignore it: edge-fixture --root DIR undo --skip --id 1\n";
            assert!(ran.stderr.ends_with(hint), "{}", ran.stderr);
            assert_eq!((ran.code, image.tree.read("etc/a")), (4, "two\n".into()));
            // It blocks nothing, is listed, and can be set aside as the hint says.
            image.apply(r#"[{"write": "/etc/b", "text": "two\n"}]"#).expect(0);
            image.undo().expect(0);
            assert!(image.run(&["undo", "--list"]).expect(0).stdout.contains("   1                        damaged"));
            image.run(&["undo", "--skip", "-n"]).expect(3);
            let set_aside = "set aside run 1 as DIR/var/lib/edgeutils/journal/000001-edge-fixture.jsonl.damaged\n";
            assert_eq!(image.run(&["undo", "--skip", "--id", "1"]).expect(0).stdout, set_aside);
            assert_eq!(image.undo().expect(0).stdout, "nothing to undo\n");
        }
    }
}

#[test]
fn file_under_another_runs_name_is_refused() {
    let image = changed_once();
    fs::rename(first_run(&image), journal(&image, "000007-edge-fixture.jsonl")).unwrap();
    image.undo().says(
        4,
        "edge-fixture: cannot read the journal DIR/var/lib/edgeutils/journal/000007-edge-fixture.jsonl: it contains run 1 of edge-fixture
         hint: restore its file name, or move it away",
    );
}

#[test]
fn incomplete_record_of_a_power_cut_is_ignored() {
    let image = changed_once();
    let whole = fs::read(first_run(&image)).unwrap();
    let intents = whole.split_inclusive(|byte| *byte == b'\n').take(2).map(<[u8]>::len).sum::<usize>();
    // From the end of the intents, which were durable before the file was changed, to the last byte.
    for cut in (intents..whole.len()).step_by(2) {
        image.tree.write("etc/a", "two\n");
        fs::write(first_run(&image), &whole[..cut]).unwrap();
        image.undo().expect(0);
        assert_eq!(image.tree.read("etc/a"), "one\n", "cut at {cut}");
        let text = fs::read_to_string(first_run(&image)).unwrap();
        assert!(text.lines().all(|line| line.starts_with('{') && line.ends_with('}')), "cut at {cut}: {text}");
        assert!(text.ends_with("\"record\":\"reverted\"}\n"), "cut at {cut}: {text}");
        assert_eq!(reseal(&text), text, "cut at {cut}");
    }
    // Incomplete before anything could be changed: there is nothing to undo.
    for cut in (0..intents).step_by(7) {
        fs::write(first_run(&image), &whole[..cut]).unwrap();
        let ran = image.undo().expect(0);
        assert_eq!((ran.stdout.as_str(), image.tree.read("etc/a")), ("nothing to undo\n", "one\n".into()), "{cut}");
    }
}

#[test]
fn order_is_by_number_and_the_clock_is_a_label() {
    let image = changed_once();
    image.apply(r#"[{"write": "/etc/a", "text": "three\n"}]"#).expect(0);
    // The board's clock was ahead at the first run, and starts in 1970 at the second.
    let second = journal(&image, "000002-edge-fixture.jsonl");
    for (path, time) in [(first_run(&image), "2099-01-01T00:00:00Z"), (second, "1970-01-01T00:00:07Z")] {
        let text = fs::read_to_string(&path).unwrap();
        let (before, rest) = text.split_once("\"time\":\"").unwrap();
        let (_, after) = rest.split_once('"').unwrap();
        fs::write(path, reseal(&format!("{before}\"time\":\"{time}\"{after}"))).unwrap();
    }
    let list = image.run(&["undo", "--list"]).expect(0).stdout;
    assert_eq!(
        list,
        "   1  2099-01-01T00:00:00Z  done        edge-fixture --root DIR apply --plan PLANS/plan.json: /etc/a
   2  1970-01-01T00:00:07Z  done        edge-fixture --root DIR apply --plan PLANS/plan.json: /etc/a
"
    );
    image.undo().says(0, "");
    assert_eq!(image.tree.read("etc/a"), "two\n");
    image.undo().says(0, "");
    assert_eq!(image.tree.read("etc/a"), "one\n");
    let list = image.run(&["undo", "--list"]).expect(0).stdout;
    assert_eq!(list.matches("undone").count(), 2, "{list}");
}

#[test]
fn last_twenty_runs_and_the_first_state_of_each_path_are_kept() {
    let image = Image::with(FIXTURE, &[("etc/a", "the first\n")]);
    for run in 1..=20 {
        let plan =
            format!(r#"[{{"write": "/etc/a", "text": "{run}\n"}}, {{"write": "/etc/only-{run}", "text": "x"}}]"#);
        image.apply(&plan).expect(0);
    }
    assert_eq!(names(&image).len(), 20, "{:?}", names(&image));
    for run in 21..=25 {
        image.apply(&format!(r#"[{{"write": "/etc/a", "text": "{run}\n"}}]"#)).expect(0);
        // A crash may leave half a record; its run still exists at that time.
        let first = journal(&image, "first.jsonl");
        let mut text = fs::read(&first).unwrap();
        text.extend(b"{\"record\":\"inte");
        fs::write(&first, text).unwrap();
    }
    let names = names(&image);
    assert_eq!((names.len(), names[0].as_str()), (21, "000006-edge-fixture.jsonl"));
    assert_eq!((names[19].as_str(), names[20].as_str()), ("000025-edge-fixture.jsonl", "first.jsonl"));
    let first = fs::read_to_string(journal(&image, "first.jsonl")).unwrap();
    let whole: Vec<&str> = first.lines().filter(|line| line.ends_with('}')).collect();
    let paths: Vec<String> = whole
        .iter()
        .map(|line| {
            let record: serde_json::Value = serde_json::from_str(line).unwrap();
            record["change"]["write"]["path"].as_str().unwrap().to_owned()
        })
        .collect();
    assert_eq!(paths, ["etc/a", "etc/only-1", "etc/only-2", "etc/only-3", "etc/only-4", "etc/only-5"]);
    assert!(whole[0].contains("the first\\n"), "{first}");
    for _ in 0..20 {
        image.undo().expect(0);
    }
    assert_eq!(image.tree.read("etc/a"), "5\n");
    assert_eq!(image.undo().expect(0).stdout, "nothing to undo\n");
}

#[test]
fn journal_is_private_and_one_that_is_writable_by_others_is_refused() {
    let image = changed_once();
    let mode = |path: PathBuf| fs::metadata(path).unwrap().mode() & 0o7777;
    assert_eq!((mode(journal(&image, "")), mode(first_run(&image))), (0o700, 0o600));
    let refused =
        "edge-fixture: cannot use DIR/var/lib/edgeutils/journal: it belongs to another user or is writable by others
                   hint: check who created it; edgeutils creates it owned by the caller with mode 0700";
    fs::set_permissions(journal(&image, ""), fs::Permissions::from_mode(0o777)).unwrap();
    image.undo().says(4, refused);
    image.run(&["undo", "--list"]).says(4, refused);
    image.apply(r#"[{"write": "/etc/a", "text": "three\n"}]"#).says(4, refused);
    assert_eq!(image.tree.read("etc/a"), "two\n");
    if !is_root() {
        return skip("host_journal owner", "files of another user need root");
    }
    fs::set_permissions(journal(&image, ""), fs::Permissions::from_mode(0o700)).unwrap();
    chown(journal(&image, ""), Some(65534), Some(65534)).unwrap();
    image.undo().says(4, refused);
    // A link to another directory.
    fs::rename(journal(&image, ""), image.beside("journal")).unwrap();
    std::os::unix::fs::symlink(image.beside("journal"), journal(&image, "").to_str().unwrap().trim_end_matches('/'))
        .unwrap();
    image.undo().says(
        4,
        "edge-fixture: cannot use DIR/var/lib/edgeutils/journal: it is a symbolic link, not a directory
         hint: check who created it, remove it and run again",
    );
    assert_eq!(image.tree.read("etc/a"), "two\n");
}

#[test]
fn run_of_format_1_is_read_gone_on_with_and_undone() {
    let image = changed_once();
    let text = as_format_1(&fs::read_to_string(first_run(&image)).unwrap());
    fs::write(first_run(&image), &text).unwrap();
    image.undo().says(0, "");
    assert_eq!(image.tree.read("etc/a"), "one\n");
    let undone = fs::read_to_string(first_run(&image)).unwrap();
    assert!(undone.starts_with(&text) && undone.ends_with("\n{\"record\":\"reverted\"}\n"), "{undone}");
    // Nothing is restored from content with another checksum, although the records have no sums.
    for (from, to) in
        [("\"text\":\"one\\n\"", "\"text\":\"onf\\n\""), ("{\"text\":\"one\\n\"}", "{\"base64\":\"b25l?\"}")]
    {
        let image = changed_once();
        let text = as_format_1(&fs::read_to_string(first_run(&image)).unwrap());
        assert!(text.contains(from), "{text}");
        fs::write(first_run(&image), text.replacen(from, to, 1)).unwrap();
        image.undo().says(4, "edge-fixture: cannot restore DIR/etc/a: its copy in the journal is damaged\nhint: to keep the run: edge-fixture --root DIR undo --id 1 --skip");
        assert_eq!(image.tree.read("etc/a"), "two\n");
    }
}

#[test]
fn journal_of_any_size_is_read_in_bounded_memory() {
    let image = changed_once();
    fs::OpenOptions::new().append(true).open(first_run(&image)).unwrap().set_len(3 << 30).unwrap();
    let says = "edge-fixture: warning: cannot read the journal DIR/var/lib/edgeutils/journal/000001-edge-fixture.jsonl: it is larger than 32 MiB; run 1 is ignored
                edge-fixture: cannot read the journal DIR/var/lib/edgeutils/journal/000001-edge-fixture.jsonl: it is larger than 32 MiB
                hint: it cannot be undone; to ignore it: edge-fixture --root DIR undo --skip --id 1";
    let argv = image.argv(&["undo"]).join(" ");
    let limited =
        std::process::Command::new("sh").arg("-c").arg(format!("ulimit -v 200000; exec {argv}")).output().unwrap();
    image.named(&edgeutils_tests::tool::Ran::of(&limited)).says(4, says);
    assert_eq!(image.tree.read("etc/a"), "two\n");
}
