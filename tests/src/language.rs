//! The phrases that CONTRIBUTING.md bans, and where a text contains one.

/// The lines around the list.
const BEGIN: &str = "```text banned";
const END: &str = "```";

/// The list in the text of CONTRIBUTING.md, in lower case.
pub fn phrases(guide: &str) -> Vec<String> {
    let list = guide.lines().skip_while(|line| *line != BEGIN).skip(1).take_while(|line| *line != END);
    list.map(str::to_lowercase).collect()
}

/// Line and phrase, by line: in whole words, in any case and across the end of a line.
pub fn find<'a>(text: &str, phrases: &'a [String]) -> Vec<(usize, &'a str)> {
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
        for (at, _) in flat.match_indices(phrase.as_str()) {
            let (before, after) = (&flat[..at], &flat[at + phrase.len()..]);
            if !is_part(before.chars().next_back()) && !is_part(after.chars().next()) {
                found.push((starts.partition_point(|start| *start <= at), phrase.as_str()));
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
        assert_eq!(list, ["is no", "eof while"]);
        assert_eq!(phrases("no list"), Vec::<String>::new());
    }

    #[test]
    fn find_sees_every_case_and_the_ends_of_lines() {
        let phrases = ["is no", "mend"].map(str::to_owned);
        let text = "//! It is no\n//! riddle.\nfn mend() {}\n\"it Is \\\n    No b\" // mend\n  # is\n  # no";
        assert_eq!(find(text, &phrases), [(1, "is no"), (3, "mend"), (4, "is no"), (5, "mend"), (6, "is no")]);
        assert_eq!(find("this notice amends is_no, is not", &phrases), []);
    }
}
