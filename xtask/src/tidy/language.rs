//! The rule that no text contains a phrase that CONTRIBUTING.md bans.
//!
//! Strings, comments and names are searched alike, as all of them are read; tests in a directory of their own are not.

use edgeutils_tests::language;

use super::{File, Offence, Tree};

const GUIDE: &str = "CONTRIBUTING.md";

/// What ships or explains it, by the beginning of its path.
const SEARCHED: &[&str] = &["crates/", "docs/", "scripts/", "xtask/", "README.md", "SECURITY.md"];

/// Each banned phrase in what ships, and in what explains it.
pub(super) fn banned(tree: &Tree) -> Vec<Offence> {
    let phrases = tree.file(GUIDE).map(|guide| language::phrases(&guide.text)).unwrap_or_default();
    if phrases.is_empty() {
        return vec![Offence::new(GUIDE, 1, "has no list of banned phrases")];
    }
    let is_searched = |file: &&File| SEARCHED.iter().any(|start| file.path.starts_with(start));
    let found_in = |file: &File| -> Vec<Offence> {
        let found = language::find(&file.text, &phrases);
        found.into_iter().map(|(line, phrase)| Offence::new(&file.path, line, format!("\"{phrase}\""))).collect()
    };
    tree.files.iter().filter(is_searched).flat_map(found_in).collect()
}

#[cfg(test)]
mod tests {
    use super::super::testing::offences;
    use super::*;

    #[test]
    fn planted_phrase_is_found_where_users_and_developers_read() {
        let guide = "```text banned\nriddle me\n```\n";
        for path in SEARCHED {
            let path = if path.ends_with('/') { format!("{path}a.rs") } else { (*path).to_owned() };
            let found = offences(banned, &[(GUIDE, guide), (&path, "//! Fine\n// Riddle me this\n")]);
            assert_eq!(found, [format!("{path}:2 \"riddle me\"")]);
        }
        assert!(offences(banned, &[(GUIDE, guide), ("CHANGELOG.md", "riddle me"), ("tests/a.rs", "riddle me")]).is_empty());
        assert_eq!(offences(banned, &[(GUIDE, "no list")]), ["CONTRIBUTING.md:1 has no list of banned phrases"]);
    }
}
