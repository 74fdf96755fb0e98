//! The rule that no text contains a phrase that CONTRIBUTING.md bans.
//!
//! Strings, comments and names are searched alike, as all of them are read; tests in a directory of their own are not.

use edgeutils_tests::language;

use super::{File, Tree, Violation};

const GUIDE: &str = "CONTRIBUTING.md";

/// Paths of source and documentation, by prefix.
const SEARCHED: &[&str] = &["crates/", "docs/", "scripts/", "xtask/", "README.md", "SECURITY.md"];

/// Reports each banned phrase in source and documentation.
pub(super) fn banned(tree: &Tree) -> Vec<Violation> {
    let phrases = tree.file(GUIDE).map(|guide| language::phrases(&guide.text)).unwrap_or_default();
    if phrases.is_empty() {
        return vec![Violation::new(GUIDE, 1, "has no list of banned phrases")];
    }
    let is_searched = |file: &&File| SEARCHED.iter().any(|start| file.path.starts_with(start));
    let found_in = |file: &File| -> Vec<Violation> {
        let found = language::find(&file.text, &phrases);
        found.into_iter().map(|(line, phrase)| Violation::new(&file.path, line, format!("\"{phrase}\""))).collect()
    };
    tree.files.iter().filter(is_searched).flat_map(found_in).collect()
}

#[cfg(test)]
mod tests {
    use super::super::testing::violations;
    use super::*;

    #[test]
    fn planted_phrase_is_found_where_users_and_developers_read() {
        let guide = "```text banned\nriddle me\n```\n";
        for path in SEARCHED {
            let path = if path.ends_with('/') { format!("{path}a.rs") } else { (*path).to_owned() };
            let found = violations(banned, &[(GUIDE, guide), (&path, "//! Fine\n// Riddle me this\n")]);
            assert_eq!(found, [format!("{path}:2 \"riddle me\"")]);
        }
        assert!(
            violations(banned, &[(GUIDE, guide), ("CHANGELOG.md", "riddle me"), ("tests/a.rs", "riddle me")])
                .is_empty()
        );
        assert_eq!(violations(banned, &[(GUIDE, "no list")]), ["CONTRIBUTING.md:1 has no list of banned phrases"]);
    }
}
