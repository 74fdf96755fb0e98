//! The answers of programs, good and bad.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use super::*;

fn ended(code: i32, stdout: &str) -> Answer {
    let status = ExitStatus::from_raw(code << 8);
    let output = Output { status, stdout: stdout.to_owned(), stderr: "edge-x: words".to_owned() };
    Answer::of(Ran { name: "edge-x".to_owned(), end: End::Ended(output) })
}

fn finding(severity: &str, text: &str) -> String {
    format!(
        "{{\"v\":1,\"type\":\"finding\",\"severity\":\"{severity}\",\"file\":\"/a\",\"line\":7,\"path\":\"b.c\",\"text\":\"{text}\",\"hint\":null}}\n"
    )
}

fn result(code: i32) -> String {
    format!("{{\"v\":1,\"type\":\"result\",\"exit\":{code},\"changed\":false,\"reboot\":false,\"run\":null}}\n")
}

#[test]
fn answer_is_the_worst_finding_with_its_place() {
    let all =
        [finding("note", "n"), finding("warning", "w"), finding("error", "e1"), finding("error", "e2"), result(3)];
    let answer = ended(3, &all.concat());
    assert_eq!(
        (answer.state, answer.text.as_str(), answer.source.as_deref(), answer.found, answer.exit),
        ("error", "b.c: e1; and 1 error, 1 warning more", Some("/a:7"), (2, 1), Exit::Differs)
    );
    assert_eq!(answer.records.len(), 4, "all but the result");
    let answer = ended(0, &[finding("warning", "w"), result(0)].concat());
    assert_eq!((answer.state, answer.text.as_str(), answer.exit), ("warning", "b.c: w", Exit::Done));
    let answer = ended(0, &[finding("note", "n"), result(0)].concat());
    assert_eq!((answer.state, answer.found), ("ok", (0, 0)));
    assert_eq!(ended(0, &result(0)).state, "ok");
    let error = "{\"v\":1,\"type\":\"error\",\"exit\":4,\"text\":\"cannot read /x: why\",\"hint\":null}\n";
    let answer = ended(4, &format!("{error}{}", result(4)));
    assert_eq!((answer.state, answer.text.as_str(), answer.exit), ("refused", "cannot read /x: why", Exit::Refused));
}

#[test]
fn answer_that_is_not_understood_is_never_ok() {
    for (code, stdout, why) in [
        (0, "no problems found\n".to_owned(), "its output is not understood: \"no problems found\""),
        (0, String::new(), "it has printed nothing (exit status: 0): \"edge-x: words\""),
        (0, finding("note", "n"), "its output is incomplete (exit status: 0)"),
        (3, result(0), "it has reported exit code 0, and ended with exit status: 3"),
        (0, result(0).replace("\"v\":1", "\"v\":2"), "its records are not of version 1"),
        (0, "[]\n".to_owned(), "its output is not understood: \"[]\""),
        (0, "{\"v\":1}\n".to_owned(), "it has printed a record without a type"),
        (7, result(7), "it has ended with the unknown exit code 7"),
        (2, result(2), "it does not know this call: is it of another version?"),
    ] {
        let answer = ended(code, &stdout);
        assert_eq!((answer.state, answer.text.as_str(), answer.exit), ("unknown", why, Exit::Failed), "{stdout}");
        assert_eq!(answer.found, (1, 0));
    }
    // A severity of a later version is not harmless.
    assert_eq!(ended(3, &[finding("fatal", "f"), result(3)].concat()).state, "error");
    assert_eq!(ended(3, &result(3)).state, "error");
}

#[test]
fn program_that_is_absent_or_hangs_is_its_own_answer() {
    let of = |end| Answer::of(Ran { name: "edge-x".to_owned(), end });
    let answer = of(End::Absent(Absent::Subject("CRI-O is not installed".to_owned())));
    assert_eq!((answer.state, answer.exit, answer.found), ("skipped", Exit::Done, (0, 0)));
    let answer = of(End::Absent(Absent::Program("cannot find it".to_owned())));
    assert_eq!((answer.state, answer.exit, answer.found), ("missing", Exit::Failed, (1, 0)));
    let answer = of(End::Failed("still running after 1 s".to_owned()));
    assert_eq!((answer.state, answer.exit), ("failed", Exit::Failed));
}
