//! A join where cloudcore, or what is there in its place, answers something else: nothing is changed, and one line says why.

use std::time::{Duration, Instant};

use super::machine::{JOIN, Machine};

#[test]
fn apply_changes_nothing_where_the_answer_is_not_that_of_cloudcore() {
    let Some(machine) = Machine::boot("apply_changes_nothing_where_the_answer_is_not_that_of_cloudcore") else {
        return;
    };
    let before = machine.tree();
    for (options, why) in [
        ("--version 1.8 --mode sign-fails", "cloudcore's answer is empty: it cannot sign with its CA"),
        ("--version 1.23 --mode empty", "cloudcore's answer is empty: it cannot sign with its CA"),
        ("--version 1.23 --mode sign-fails", "cloudcore failed: failed to sign certs for edgenode edge1"),
        ("--version 1.23 --mode garbage", "cloudcore's answer is something that is not a certificate"),
        ("--version 1.23 --mode other-key", "it is for another private key"),
        ("--mode redirect", "GET /ca.crt is answered with a redirect (302)"),
        ("--mode redirect,only-edge", "the answer is a redirect (302)"),
        ("--mode html", "GET /ca.crt is answered with a page for browsers (200)"),
        ("--mode html,only-edge", "cloudcore's answer is a page for browsers"),
        ("--mode stall", "no answer in time, during the TLS handshake"),
        ("--mode stall-answer", "no answer in time, before the answer was complete"),
        ("--mode stall-answer,only-edge", "no answer in time, before the answer was complete"),
        ("--mode endless,only-edge", "the answer is larger than 65536 bytes"),
        ("--mode drip,only-edge", "no answer in time, before the answer was complete"),
    ] {
        machine.serve(options);
        let began = Instant::now();
        let ran = machine.sh(&format!("{JOIN} --token /run/cloud/token")).expect(1);
        assert!(began.elapsed() < Duration::from_secs(15), "{options}: {:?}", began.elapsed());
        let is_other = |line: &str| {
            ["warning", "hint", "note"].iter().any(|kind| line.starts_with(&format!("edge-join: {kind}: ")))
        };
        let causes: Vec<&str> = ran.stderr.lines().filter(|line| !is_other(line)).collect();
        let [cause, hint] = causes[..] else { panic!("{options}: {}", ran.stderr) };
        assert!(cause.starts_with("edge-join: cannot ") && cause.contains(why), "{options}: {}", ran.stderr);
        assert!(hint.starts_with("hint: "), "{options}: {}", ran.stderr);
        assert_eq!(machine.tree(), before, "{options}");
        machine.has_no_token(&[&ran]);
    }
}
