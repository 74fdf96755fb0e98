//! The manual pages: one for each utility, a section for each verb, and edgeutils(7) as the overview.

use std::fmt::Write;

use clap::{Arg, Command};
use edge_host::manual::Manual;

use super::sections::{after, tables};
use super::{shown_args, verbs};

/// The longest line of roff, unless a word is longer.
const WIDTH: usize = 78;

/// The page of one utility; `others` are the utilities, for SEE ALSO.
pub(crate) fn page(command: &Command, manual: &Manual, others: &[(&str, u8)]) -> String {
    let name = command.get_name();
    let mut page = Page::new(name, manual.section, command.get_version().unwrap_or_default());
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    page.section("Name");
    page.raw(&format!("{} \\- {}", escaped(name), escaped(&about)));
    page.section("Synopsis");
    page.synopsis(command);
    page.section("Description");
    page.prose(&command.get_long_about().map_or(about, ToString::to_string));
    let described = after(command);
    page.prose(&described.notes);
    page.options("Options", shown_args(command));
    for verb in verbs(command) {
        page.verb(verb);
    }
    page.table("Exit status", &described.exit);
    for (title, rows) in tables(manual) {
        page.table(title, &rows);
    }
    page.examples(".SH EXAMPLES", command);
    page.section("See also");
    let others =
        others.iter().filter(|(other, _)| *other != name).map(|(other, section)| format!("{other}({section})"));
    let pages = others.chain(["edgeutils(7)".to_owned()]).chain(manual.see_also.iter().map(|page| (*page).to_owned()));
    page.references(&pages.collect::<Vec<_>>());
    page.text
}

/// edgeutils(7): what the utilities are, and what they have in common.
pub(crate) fn overview(utilities: &[(&Command, u8)]) -> String {
    let version = utilities.first().and_then(|(command, _)| command.get_version()).unwrap_or_default();
    let mut page = Page::new("edgeutils", 7, version);
    page.section("Name");
    page.raw("edgeutils \\- utilities that prepare a Linux host for KubeEdge");
    page.section("Description");
    page.prose(
        "Each utility does one step of preparing a host. With --dry-run it prints what it would change, \
         a second run changes nothing, and its verb undo reverts what a run changed.",
    );
    page.section("Utilities");
    for (command, section) in utilities {
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        page.item(&format!("\\fB{}\\fR({section})", escaped(command.get_name())), &about);
    }
    page.section("Common options");
    if let Some((command, _)) = utilities.first() {
        let common = shown_args(command).filter(|arg| arg.is_global_set());
        for arg in common.filter(|arg| utilities.iter().all(|(other, _)| has(other, arg))) {
            page.option(arg);
        }
    }
    page.table(
        "Exit status",
        &[
            ("0", "Done as requested, changed or not"),
            ("1", "Could not be done or found out"),
            ("2", "The command line is not valid"),
            ("3", "Not in the requested state: a dry run found changes, a check found problems"),
            ("4", "Refused for safety; nothing was changed"),
            ("5", "Interrupted; run the same command again to resume"),
        ],
    );
    page.table("Files", edge_host::manual::FILES);
    page.table("Environment", edge_host::manual::ENVIRONMENT);
    page.section("See also");
    let pages: Vec<String> =
        utilities.iter().map(|(command, section)| format!("{}({section})", command.get_name())).collect();
    page.references(&pages);
    page.text
}

fn has(command: &Command, arg: &Arg) -> bool {
    command.get_arguments().any(|other| other.get_id() == arg.get_id() && other.get_help() == arg.get_help())
}

/// True for an argument of this verb alone.
fn is_own(arg: &Arg) -> bool {
    !arg.is_global_set() && arg.get_id() != "help"
}

struct Page {
    text: String,
}

impl Page {
    fn new(name: &str, section: u8, version: &str) -> Page {
        let title = escaped(&name.to_uppercase());
        Page { text: format!(".TH {title} {section} \"\" \"edgeutils {version}\" \"KubeEdge host utilities\"\n") }
    }

    fn raw(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    fn section(&mut self, title: &str) {
        self.raw(&format!(".SH {}", title.to_uppercase()));
    }

    fn synopsis(&mut self, command: &Command) {
        let usage = command.clone().render_usage().to_string();
        self.raw(".nf");
        for line in usage.trim_start_matches("Usage:").lines().map(str::trim).filter(|line| !line.is_empty()) {
            self.raw(&escaped(line));
        }
        self.raw(".fi");
    }

    /// Running text, broken into lines; indented lines are kept.
    fn prose(&mut self, text: &str) {
        for part in text.split("\n\n").filter(|part| !part.trim().is_empty()) {
            // A heading begins a paragraph by itself.
            if !self.text.lines().last().is_some_and(|line| line.starts_with(".S")) {
                self.raw(".PP");
            }
            let mut in_code = false;
            for line in part.lines() {
                let is_code = line.starts_with("  ");
                if is_code != in_code {
                    self.raw(if is_code { ".nf" } else { ".fi" });
                    in_code = is_code;
                }
                if is_code { self.raw(&escaped(line)) } else { self.filled(line) }
            }
            if in_code {
                self.raw(".fi");
            }
        }
    }

    fn filled(&mut self, text: &str) {
        let mut line = String::new();
        for word in text.split_whitespace() {
            if !line.is_empty() && line.len() + word.len() >= WIDTH {
                self.raw(&escaped(&line));
                line.clear();
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        if !line.is_empty() {
            self.raw(&escaped(&line));
        }
    }

    /// A hanging item; `tag` is roff already.
    fn item(&mut self, tag: &str, text: &str) {
        self.raw(".TP");
        self.raw(tag);
        self.filled(text);
    }

    fn table(&mut self, title: &str, rows: &[(impl AsRef<str>, impl AsRef<str>)]) {
        if !rows.is_empty() {
            self.section(title);
        }
        for (name, text) in rows {
            self.item(&format!("\\fB{}\\fR", escaped(name.as_ref())), text.as_ref());
        }
    }

    fn options<'a>(&mut self, title: &str, args: impl Iterator<Item = &'a Arg>) {
        let mut args = args.peekable();
        if args.peek().is_some() {
            self.section(title);
        }
        for arg in args {
            self.option(arg);
        }
    }

    fn option(&mut self, arg: &Arg) {
        let short = arg.get_short().map(|short| format!("\\fB\\-{short}\\fR"));
        let long = arg.get_long().map(|long| format!("\\fB\\-\\-{}\\fR", escaped(long)));
        let names: Vec<String> = short.into_iter().chain(long).collect();
        let takes = arg.get_action().takes_values();
        let value = arg.get_value_names().filter(|_| takes).map(|names| names.join(" "));
        let tag = match (names.is_empty(), value) {
            (true, value) => format!("\\fI{}\\fR", escaped(&value.unwrap_or_else(|| arg.get_id().to_string()))),
            (false, Some(value)) => format!("{} \\fI{}\\fR", names.join(", "), escaped(&value)),
            (false, None) => names.join(", "),
        };
        self.item(&tag, &super::markdown::help(arg));
    }

    /// A verb as a section: its usage, its text, its own arguments.
    fn verb(&mut self, verb: &Command) {
        let path = verb.get_bin_name().unwrap_or(verb.get_name());
        self.raw(&format!(".SH {}", escaped(&path.to_uppercase())));
        self.synopsis(verb);
        let about = verb.get_long_about().or(verb.get_about()).map(ToString::to_string).unwrap_or_default();
        self.prose(&about);
        for arg in shown_args(verb).filter(|arg| is_own(arg)) {
            self.option(arg);
        }
        self.prose(&after(verb).notes);
        self.examples(".SS Examples", verb);
        for inner in verbs(verb) {
            self.verb(inner);
        }
    }

    /// Of a utility those of its verbs too.
    fn examples(&mut self, heading: &str, command: &Command) {
        let is_top = heading.starts_with(".SH");
        let own = after(command).examples;
        let of_verbs = verbs(command).filter(|_| is_top).map(|verb| after(verb).examples);
        let lines: Vec<String> = std::iter::once(own)
            .chain(of_verbs)
            .flat_map(|text| text.lines().filter(|line| line.starts_with("  ")).map(str::to_owned).collect::<Vec<_>>())
            .collect();
        if lines.is_empty() {
            return;
        }
        self.raw(heading);
        self.raw(".nf");
        for line in lines {
            self.raw(&escaped(&line));
        }
        self.raw(".fi");
    }

    fn references(&mut self, pages: &[String]) {
        for (number, page) in (1..).zip(pages) {
            let (name, section) = page.split_once('(').unwrap_or((page, "1)"));
            let comma = if number < pages.len() { "," } else { "" };
            self.raw(&format!(".BR {} ({section}{comma}", escaped(name)));
        }
    }
}

/// Text as roff: nothing in it is a request or an escape, and every hyphen can be copied.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    if text.starts_with(['.', '\'']) {
        out.push_str("\\&");
    }
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\e"),
            '-' => out.push_str("\\-"),
            '\'' => out.push_str("\\(aq"),
            '`' => out.push_str("\\(ga"),
            '^' => out.push_str("\\(ha"),
            '~' => out.push_str("\\(ti"),
            // Not in the character set of a system without a locale.
            '…' => out.push_str("..."),
            c if c.is_ascii() => out.push(c),
            c => _ = write!(out, "\\[u{:04X}]", u32::from(c)),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_names_operands_exit_codes_and_examples_of_verbs() {
        let go = Command::new("go").about("Go there").after_help("Example:\n  edge-x go 'a\\b'");
        let go = go.arg(Arg::new("file").value_name("FILE").required(true).help(".hidden files too …"));
        let mut command =
            Command::new("edge-x").about("Do x").after_help("Exit codes: 0 done; 4 refused.").subcommand(go);
        command.build();
        let manual = Manual { section: 1, files: &[], environment: &[], see_also: &["ip(8)"] };
        let page = page(&command, &manual, &[("edge-x", 1), ("edge-y", 8)]);
        for expected in [
            ".TH EDGE\\-X 1 ",
            ".SH EDGE\\-X GO\n.nf\nedge\\-x go <FILE>\n.fi\n.PP\nGo there\n.TP\n\\fIFILE\\fR\n\\&.hidden files too ...\n",
            ".SH EXIT STATUS\n.TP\n\\fB0\\fR\ndone\n.TP\n\\fB4\\fR\nrefused\n",
            ".SH EXAMPLES\n.nf\n  edge\\-x go \\(aqa\\eb\\(aq\n.fi\n",
            ".SH SEE ALSO\n.BR edge\\-y (8),\n.BR edgeutils (7),\n.BR ip (8)\n",
        ] {
            assert!(page.contains(expected), "no {expected:?} in:\n{page}");
        }
    }
}
