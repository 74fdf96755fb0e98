//! Rules about README.md, docs/ and the other pages: links lead somewhere, and commands exist with these options.

use std::collections::BTreeMap;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Command, CommandFactory};
use edgeutils_tests::pages::{self, Kind, Page};

use super::{Tree, Violation};
use crate::Cli;
use crate::utilities::utilities;

/// The pages of the workspace by path.
fn pages(tree: &Tree) -> BTreeMap<&str, Page> {
    let pages = tree.files.iter().filter(|file| file.path.ends_with(".md"));
    pages.map(|file| (file.path.as_str(), pages::read(&file.text))).collect()
}

/// A link inside the workspace is to a file or directory, and to a heading of that page.
pub(super) fn links(tree: &Tree) -> Vec<Violation> {
    let pages = pages(tree);
    let exists = |path: &str| {
        let below = format!("{path}/");
        tree.files.iter().any(|file| file.path == path || file.path.starts_with(&below))
    };
    let mut violations = Vec::new();
    for (from, page) in &pages {
        for (line, link) in page.links.iter().filter(|(_, link)| !link.contains(':')) {
            let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if path.is_empty() { (*from).to_owned() } else { resolved(from, path) };
            let has_anchor = |page: &Page| anchor.is_empty() || page.anchors.iter().any(|found| found == anchor);
            if !exists(&target) {
                violations.push(Violation::new(from, *line, format!("{target} does not exist")));
            } else if !pages.get(target.as_str()).is_none_or(has_anchor) {
                violations.push(Violation::new(from, *line, format!("{target} has no heading #{anchor}")));
            }
        }
    }
    violations
}

/// A path that is relative to a page, as one in the workspace.
fn resolved(page: &str, path: &str) -> String {
    let mut parts: Vec<&str> = page.split('/').collect();
    parts.pop();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// Every call of a utility, and of `cargo xtask`, in shell blocks and in prose is one that its command line accepts.
pub(super) fn calls(tree: &Tree) -> Vec<Violation> {
    let mut programs: Vec<(String, Command)> =
        utilities().into_iter().map(|(name, command, _)| (name.to_owned(), command)).collect();
    programs.push(("cargo xtask".to_owned(), Cli::command()));
    let mut violations = Vec::new();
    for (path, page) in pages(tree) {
        for part in page.parts {
            let (shell, is_whole) = match &part.kind {
                Kind::Block(info) if info.starts_with("console") => (typed(&part.text), true),
                Kind::Block(info) if ["", "sh"].contains(&info.as_str()) => (part.text.clone(), true),
                Kind::Inline => (part.text.clone(), false),
                Kind::Block(_) | Kind::Comment => continue,
            };
            for (line, text) in lines(&shell) {
                for call in calls_in(&text) {
                    let wrong = programs.iter().find_map(|(name, command)| error(&call, name, command, is_whole));
                    violations.extend(wrong.map(|wrong| Violation::new(path, part.line + line, wrong)));
                }
            }
        }
    }
    violations
}

/// The commands of a transcript on their lines.
fn typed(transcript: &str) -> String {
    transcript.lines().map(|line| format!("{}\n", line.strip_prefix("$ ").unwrap_or_default())).collect()
}

/// The lines of a shell text with their numbers from 0; one that ends with a backslash continues on the next.
fn lines(text: &str) -> Vec<(usize, String)> {
    let mut lines: Vec<(usize, String)> = Vec::new();
    let mut continues = false;
    for (number, line) in text.lines().enumerate() {
        let piece = line.trim_end_matches('\\');
        match lines.last_mut() {
            Some((_, last)) if continues => last.push_str(piece),
            _ => lines.push((number, piece.to_owned())),
        }
        continues = line.ends_with('\\');
    }
    lines
}

/// The words of each simple command, from its program on.
fn calls_in(line: &str) -> Vec<Vec<String>> {
    let mut calls = vec![Vec::new()];
    // A line of another language, such as text in a heredoc, may have a single quotation mark.
    for word in shlex::split(line).unwrap_or_default() {
        let ends = word.ends_with([';', ')']);
        let is_substitution = word.starts_with("$(");
        let separates = ["|", "||", "&&", "&"].contains(&word.as_str())
            || word.trim_start_matches(char::is_numeric).starts_with(['>', '<'])
            || is_substitution;
        if separates {
            calls.push(Vec::new());
        }
        let word = word.trim_start_matches("$(").trim_end_matches([';', ')']);
        let is_prefix = ["sudo", "if", "while", "until", "!", "do", "then", "$"].contains(&word) || word.contains('=');
        if let Some(call) = calls.last_mut()
            && (!separates || is_substitution)
            && !(call.is_empty() && is_prefix)
        {
            call.push(word.to_owned());
        }
        if ends {
            calls.push(Vec::new());
        }
    }
    calls
}

/// What is wrong with a call, if it is one of this program. In prose a call may be incomplete.
fn error(call: &[String], name: &str, command: &Command, is_whole: bool) -> Option<String> {
    let words: Vec<&str> = name.split(' ').collect();
    let args = call.strip_prefix(words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>().as_slice())?;
    // `…` stands for what the reader adds.
    let is_whole = is_whole && !args.iter().any(|arg| arg.contains('…'));
    let args = args.iter().map(String::as_str).filter(|arg| !arg.contains('…'));
    let error = command.clone().try_get_matches_from(std::iter::once(name).chain(args)).err()?;
    let is_incomplete = match error.kind() {
        ErrorKind::MissingRequiredArgument
        | ErrorKind::MissingSubcommand
        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => true,
        ErrorKind::InvalidValue => error.get(ContextKind::InvalidValue) == Some(&ContextValue::String(String::new())),
        _ => false,
    };
    let is_fine = [ErrorKind::DisplayHelp, ErrorKind::DisplayVersion].contains(&error.kind());
    if is_fine || (is_incomplete && !is_whole) {
        return None;
    }
    let text = error.to_string();
    let reason = text.lines().next().unwrap_or_default().trim_start_matches("error: ");
    Some(format!("`{}`: {reason}", call.join(" ")))
}

#[cfg(test)]
mod tests {
    use super::super::testing::violations;
    use super::*;

    #[test]
    fn broken_link_is_found() {
        let files = [
            ("README.md", "[a](docs/a.md) [b](docs/b.md) [c](docs) [d](https://example.com/x)\n"),
            ("docs/a.md", "# Top\n\n[up](../README.md) [here](#top) [there](a.md#bottom)\n"),
        ];
        assert_eq!(
            violations(links, &files),
            ["README.md:1 docs/b.md does not exist", "docs/a.md:3 docs/a.md has no heading #bottom"]
        );
    }

    #[test]
    fn call_that_does_not_exist_is_found_wherever_it_is() {
        let page = "`edge-prep status`, `edge-prep fly`, `edge-cni build --out`\n\n```sh\nROOT=/x sudo edge-prep apply --for nobody\n\
            edge-apt wait 2> /dev/null && edge-cni build\nkeadm join $(edge-crio settings --form keadm)\n# edge-prep nothing\n\
            edge-crio install --version 1.34 \\\n  --host\n```\n\n```console edge\n$ edge-conf sett a=b\nedge-conf: no\n```\n\n\
            ```text\nedge-conf fly\n```\n\n    cargo xtask fly\n";
        let found: Vec<String> = violations(calls, &[("a.md", page)]);
        let places: Vec<&str> = found.iter().map(|line| line.split(": ").next().unwrap_or_default()).collect();
        let expected = [
            "a.md:1 `edge-prep fly`",
            "a.md:4 `edge-prep apply --for nobody`",
            "a.md:5 `edge-cni build`",
            "a.md:6 `edge-crio settings --form keadm`",
            "a.md:8 `edge-crio install --version 1.34 --host`",
            "a.md:13 `edge-conf sett a=b`",
            "a.md:21 `cargo xtask fly`",
        ];
        assert_eq!(places, expected, "{found:#?}");
    }
}
