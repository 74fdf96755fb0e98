//! A damaged journal: an undo restores the previous state, or refuses and changes nothing.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;

use edgeutils_tests::image::Image;
use edgeutils_tests::tree::{Snapshot, assert_same};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestCaseError, TestRunner};

const FIXTURE: &str = env!("CARGO_BIN_EXE_edge-fixture");
const RUN: &str = "var/lib/edgeutils/journal/000001-edge-fixture.jsonl";
/// Shared by the two threads that run them.
const FLIPS: u32 = 10_000;

/// A change of every kind that an image can have, one of them in place.
fn changed() -> (Image, Snapshot, Snapshot) {
    let image = Image::with(
        FIXTURE,
        &[
            ("etc/fstab", "/dev/sda1 / ext4 defaults 0 1\n"),
            ("etc/gone", "gone\n"),
            ("etc/key", "THE KEY\n"),
            ("usr/bin/program", "of any size\n"),
            ("boot/cmdline.txt", "root=/dev/mmcblk0p2\n"),
        ],
    );
    image.tree.write("etc/binary", [0xff, 0, 1, 2, 3, 0x80]);
    fs::hard_link(image.tree.at("etc/fstab"), image.tree.at("etc/fstab.second")).unwrap();
    let before = image.tree.snapshot();
    image
        .apply(
            r#"[{"write": "/etc/fstab", "text": "none\n"}, {"write": "/etc/new/file", "text": "new\n"},
                {"write": "/etc/binary", "text": "text\n"}, {"remove": "/etc/gone"},
                {"key": "/etc/key", "text": "ANOTHER\n"}, {"large": "/usr/bin/program", "text": "other\n", "times": 3},
                {"line": "/boot/cmdline.txt", "text": "a=b"}, {"link": "/etc/link", "target": "fstab"}]"#,
        )
        .expect(0);
    let after = image.tree.snapshot();
    (image, before, after)
}

/// Undoes with the damaged run: all or nothing.
fn undo(image: &Image, before: &Snapshot, after: &Snapshot, what: &str) -> Result<bool, TestCaseError> {
    let ran = image.undo();
    let now = image.tree.snapshot();
    match ran.code {
        0 => assert_same(&now, before, &format!("{what}: {}", ran.stdout)),
        4 => assert_same(&now, after, &format!("{what}: {}", ran.stderr)),
        code => return Err(TestCaseError::fail(format!("{what}: exit {code}: {}", ran.stderr))),
    }
    Ok(ran.code == 0)
}

fn flips(count: u32) {
    let (mut image, mut before, mut after) = changed();
    let mut whole = fs::read(image.tree.at(RUN)).unwrap();
    let mut runner = TestRunner::new(Config { cases: count, failure_persistence: None, ..Config::default() });
    let bits = prop::num::u64::ANY;
    for _ in 0..count {
        let bit = usize::try_from(bits.new_tree(&mut runner).unwrap().current() % (8 * whole.len() as u64)).unwrap();
        let mut flipped = whole.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        fs::write(image.tree.at(RUN), &flipped).unwrap();
        let undone =
            undo(&image, &before, &after, &format!("bit {bit} of {}", String::from_utf8_lossy(&whole))).unwrap();
        if undone {
            // Only the end of the last line may be missing: as if it had been interrupted there.
            assert_eq!(bit / 8, whole.len() - 1, "bit {bit}");
            (image, before, after) = changed();
            whole = fs::read(image.tree.at(RUN)).unwrap();
        }
    }
}

#[test]
fn flipped_bit_in_a_run_never_leads_to_a_wrong_undo() {
    std::thread::scope(|scope| {
        scope.spawn(|| flips(FLIPS / 2));
        flips(FLIPS / 2);
    });
}

#[test]
fn journal_cut_off_is_an_interruption_and_a_gap_is_damage() {
    let (mut image, mut before, mut after) = changed();
    let whole = fs::read(image.tree.at(RUN)).unwrap();
    let lines: Vec<&[u8]> = whole.split_inclusive(|byte| *byte == b'\n').collect();
    let intents = lines.iter().take_while(|line| !line.windows(15).any(|at| at == b"\"record\":\"done\"")).count();
    // Before the end of the intents nothing was done; they are durable before the first change.
    for cut in intents..=lines.len() {
        fs::write(image.tree.at(RUN), lines[..cut].concat()).unwrap();
        assert!(undo(&image, &before, &after, &format!("{cut} lines")).unwrap());
        (image, before, after) = changed();
    }
    for missing in 0..lines.len() - 1 {
        let rest: Vec<u8> =
            lines.iter().enumerate().filter(|(at, _)| *at != missing).flat_map(|(_, line)| line.to_vec()).collect();
        fs::write(image.tree.at(RUN), rest).unwrap();
        assert!(!undo(&image, &before, &after, &format!("without line {missing}")).unwrap());
    }
}

#[test]
fn damaged_kept_file_prevents_the_undo_of_its_run() {
    let (image, before, after) = changed();
    let kept = fs::read_dir(image.tree.at("var/lib/edgeutils/journal/kept")).unwrap().next().unwrap().unwrap().path();
    let good = fs::read(&kept).unwrap();
    fs::write(&kept, "of any sizf\n").unwrap();
    let ran = image.undo();
    assert_eq!(ran.code, 4, "{}", ran.stderr);
    assert_same(&image.tree.snapshot(), &after, "found before the first change");
    fs::write(&kept, good).unwrap();
    image.undo().expect(0);
    assert_same(&image.tree.snapshot(), &before, "undone in the end");
}
