//! The help of every verb and the manual pages contain no phrase that CONTRIBUTING.md bans.

use edgeutils_tests::language;
use edgeutils_tests::tool::Tool;
use walkdir::WalkDir;

use crate::{generated, help};

const GUIDE: &str = include_str!("../../../CONTRIBUTING.md");

fn must_be_plain(name: &str, text: &str, violations: &mut Vec<String>) {
    let phrases = language::phrases(GUIDE);
    assert!(phrases.len() > 10, "{phrases:?}");
    violations.extend(language::find(text, &phrases).iter().map(|(line, phrase)| format!("{name}:{line}: {phrase}")));
}

#[test]
fn help_of_every_verb_uses_plain_words() {
    let mut violations = Vec::new();
    for help in help::all() {
        let call = help.call.join(" ");
        must_be_plain(&format!("{call} --help"), &help.text, &mut violations);
        let short = Tool::new(&help.call[0]).args(&help.call[1..]).arg("-h").run().expect(0).stdout;
        must_be_plain(&format!("{call} -h"), &short, &mut violations);
    }
    assert!(violations.is_empty(), "{violations:#?}");
}

#[test]
fn manual_pages_use_plain_words() {
    let mut violations = Vec::new();
    for entry in WalkDir::new(generated::dir().join("man")) {
        let entry = entry.unwrap();
        if entry.file_type().is_file() {
            let text = std::fs::read_to_string(entry.path()).unwrap().replace("\\-", "-");
            must_be_plain(&entry.path().display().to_string(), &text, &mut violations);
        }
    }
    assert!(violations.is_empty(), "{violations:#?}");
}
