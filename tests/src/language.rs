//! The phrases that CONTRIBUTING.md bans, and where a text contains one.

use std::sync::OnceLock;

/// The page with the list.
const GUIDE: &str = include_str!("../../CONTRIBUTING.md");

/// The lines around the list.
const BEGIN: &str = "```text banned";
const END: &str = "```";

/// What separates a phrase from the longer ones that are right although they contain it.
const EXCEPT: &str = " except: ";

/// A phrase that no text may have, in lower case.
#[derive(Debug)]
pub struct Phrase {
    text: String,
    /// Each contains `text`.
    except: Vec<String>,
}

impl Phrase {
    fn parse(line: &str) -> Phrase {
        let line = line.to_lowercase();
        let (text, except) = line.split_once(EXCEPT).unwrap_or((&line, ""));
        let except = except.split(", ").filter(|longer| longer.contains(text)).map(str::to_owned).collect();
        Phrase { text: text.to_owned(), except }
    }

    /// Whether what begins at this byte of the text is part of a longer phrase that is right.
    fn is_excepted(&self, flat: &str, at: usize) -> bool {
        let begins = |longer: &String| {
            longer
                .find(&self.text)
                .and_then(|within| at.checked_sub(within))
                .is_some_and(|start| flat.get(start..).is_some_and(|rest| rest.starts_with(longer.as_str())))
        };
        self.except.iter().any(begins)
    }
}

/// The list in the text of CONTRIBUTING.md.
pub fn phrases(guide: &str) -> Vec<Phrase> {
    let list = guide.lines().skip_while(|line| *line != BEGIN).skip(1).take_while(|line| *line != END);
    list.map(Phrase::parse).collect()
}

/// Each banned phrase in a text, with its line: `NAME:LINE: PHRASE`.
pub fn violations(name: &str, text: &str) -> Vec<String> {
    static PHRASES: OnceLock<Vec<Phrase>> = OnceLock::new();
    let phrases = PHRASES.get_or_init(|| phrases(GUIDE));
    assert!(phrases.len() > 10, "{phrases:?}");
    find(text, phrases).iter().map(|(line, phrase)| format!("{name}:{line}: {phrase}")).collect()
}

/// Line and phrase, by line: in whole words, in any case and across the end of a line.
pub fn find<'a>(text: &str, phrases: &'a [Phrase]) -> Vec<(usize, &'a str)> {
    // One line of lower-case text without the marks of comments, and where each line begins in it.
    let mut flat = String::new();
    let mut starts = Vec::new();
    for line in text.lines() {
        starts.push(flat.len());
        let line = line.trim_start().trim_start_matches(['/', '!', '#']).trim().trim_end_matches('\\').trim_end();
        flat.push_str(&line.to_lowercase());
        flat.push(' ');
    }
    let is_part = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    let mut found = Vec::new();
    for phrase in phrases {
        let text = phrase.text.as_str();
        for (at, _) in flat.match_indices(text) {
            let (before, after) = (&flat[..at], &flat[at + text.len()..]);
            let is_whole = !is_part(before.chars().next_back()) && !is_part(after.chars().next());
            if is_whole && !phrase.is_excepted(&flat, at) {
                found.push((starts.partition_point(|start| *start <= at), text));
            }
        }
    }
    found.sort_unstable();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phrases_are_those_of_the_marked_list() {
        let list = phrases("# Guide\n\n```text\nother\n```\n```text banned\nis no\nEOF while\n```\n\nis not in it\n");
        assert_eq!(list.iter().map(|phrase| phrase.text.as_str()).collect::<Vec<_>>(), ["is no", "eof while"]);
        assert!(phrases("no list").is_empty());
    }

    #[test]
    fn find_sees_every_case_and_the_ends_of_lines() {
        let phrases = ["is no except: there is no, is no longer", "mend"].map(Phrase::parse);
        let text = "//! It is no\n//! riddle.\nfn mend() {}\n\"it Is \\\n    No b\" // mend\n  # is\n  # no";
        assert_eq!(find(text, &phrases), [(1, "is no"), (3, "mend"), (4, "is no"), (5, "mend"), (6, "is no")]);
        assert_eq!(find("this notice amends is_no, is not", &phrases), []);
        assert_eq!(find("There is no\nriddle, it is no longer. Is no", &phrases), [(2, "is no")]);
    }
}
