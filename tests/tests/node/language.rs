//! The manual pages, and the help of every verb, contain no phrase that CONTRIBUTING.md bans.
//!
//! `Tool::run` checks the output of every call of every test in the same way.

use std::path::Path;

use edgeutils_tests::language;
use edgeutils_tests::tool::Tool;
use walkdir::WalkDir;

use crate::{generated, help};

#[test]
fn help_of_every_verb_uses_plain_words() {
    for help in help::all() {
        Tool::new(&help.call[0]).args(&help.call[1..]).arg("-h").run().expect(0);
    }
}

#[test]
#[should_panic(expected = "standard error:1: is no")]
fn output_with_a_banned_phrase_fails_its_test() {
    Tool::program(Path::new("/bin/sh")).args(["-c", "echo edge-x: this is no error >&2"]).run();
}

#[test]
fn manual_pages_use_plain_words() {
    let mut violations = Vec::new();
    for entry in WalkDir::new(generated::dir().join("man")) {
        let entry = entry.unwrap();
        if entry.file_type().is_file() {
            let text = std::fs::read_to_string(entry.path()).unwrap().replace("\\-", "-");
            violations.extend(language::violations(&entry.path().display().to_string(), &text));
        }
    }
    assert!(violations.is_empty(), "{violations:#?}");
}
