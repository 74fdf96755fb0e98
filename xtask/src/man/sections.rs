//! The parts of a help text that come after its options, as a manual page names them.

use clap::Command;
use edge_host::manual::{ENVIRONMENT, FILES, Manual};

/// The end of a help text: exit codes, examples, and other notes.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct After {
    /// Code and meaning.
    pub(crate) exit: Vec<(String, String)>,
    pub(crate) notes: String,
    pub(crate) examples: String,
}

/// Takes a command's last paragraphs apart.
pub(crate) fn after(command: &Command) -> After {
    let text = command.get_after_long_help().or(command.get_after_help());
    let text = text.map(ToString::to_string).unwrap_or_default();
    let mut after = After::default();
    for part in text.trim_end().split("\n\n") {
        if let Some(codes) = part.strip_prefix("Exit codes: ") {
            let codes = codes.split_whitespace().collect::<Vec<_>>().join(" ");
            after.exit = codes.trim_end_matches('.').split("; ").filter_map(exit_code).collect();
        } else if part.starts_with("Example") || (!after.examples.is_empty() && part.starts_with("  ")) {
            add(&mut after.examples, part);
        } else {
            add(&mut after.notes, part);
        }
    }
    after
}

/// `4 refused, nothing touched`.
fn exit_code(text: &str) -> Option<(String, String)> {
    let (code, meaning) = text.split_once(' ').unwrap_or((text, ""));
    code.parse::<u8>().ok()?;
    Some((code.to_owned(), meaning.to_owned()))
}

fn add(to: &mut String, part: &str) {
    if !to.is_empty() {
        to.push_str("\n\n");
    }
    to.push_str(part);
}

/// Titles and rows of the tables that come from the utility's `manual.rs`.
pub(crate) fn tables(manual: &Manual) -> [(&'static str, Vec<(&'static str, &'static str)>); 2] {
    // A filter changes no host, and has no journal.
    let common = if manual.section == 1 { &[] } else { FILES };
    [("Files", [manual.files, common].concat()), ("Environment", [manual.environment, ENVIRONMENT].concat())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_tells_exit_codes_examples_and_notes_apart() {
        let text = "Exit codes: 0 done; 2 usage; 5 interrupted,\nrun again.\n\nA note.\n\nExamples:\n  edge-x go\n\n  edge-x stop";
        let found = after(&Command::new("edge-x").after_help(text));
        let exit = [("0", "done"), ("2", "usage"), ("5", "interrupted, run again")];
        assert_eq!(found.exit, exit.map(|(code, meaning)| (code.to_owned(), meaning.to_owned())));
        assert_eq!(found.notes, "A note.");
        assert_eq!(found.examples, "Examples:\n  edge-x go\n\n  edge-x stop");
    }
}
