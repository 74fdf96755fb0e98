//! docs/<utility>.md: the same help as a page on the web.

use std::fmt::Write;

use clap::{Arg, Command};

use edge_host::manual::Manual;

use super::sections::tables;
use super::{shown_args, verbs};

/// The page of one utility.
pub(crate) fn page(command: &Command, manual: &Manual) -> String {
    let mut page = format!("# {}\n\n", command.get_name());
    page.push_str(&section(command));
    page.push_str(&table("Option", shown_args(command)));
    if verbs(command).next().is_some() {
        page.push_str("\n## Verbs\n");
        for verb in verbs(command) {
            page.push_str(&verb_page(verb));
        }
    }
    for (title, rows) in tables(manual) {
        let _ = write!(page, "\n## {title}\n\n| {title} | |\n|---|---|\n");
        for (name, text) in rows {
            let names: Vec<String> = name.split(", ").map(|name| format!("`{name}`")).collect();
            let _ = writeln!(page, "| {} | {text} |", names.join(", "));
        }
    }
    page.push_str("\n---\nMade by `cargo xtask man` from the program's own help; edit it there.\n");
    page
}

fn verb_page(verb: &Command) -> String {
    let path = verb.get_bin_name().unwrap_or(verb.get_name());
    let mut page = format!("\n### {path}\n\n{}", section(verb));
    let own = shown_args(verb).filter(|arg| !arg.is_global_set() && arg.get_id() != "help");
    page.push_str(&table("Argument", own));
    for inner in verbs(verb) {
        page.push_str(&verb_page(inner));
    }
    page
}

/// About, usage and examples.
fn section(command: &Command) -> String {
    let about = command.get_long_about().or(command.get_about());
    let usage = command.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ");
    let mut text = String::new();
    if let Some(about) = about {
        text.push_str(&paragraphs(&about.to_string()));
    }
    let _ = write!(text, "```text\n{}\n```\n", unindented(usage));
    let after = command.get_after_long_help().or(command.get_after_help());
    if let Some(after) = after {
        let after = after.to_string();
        let _ = write!(text, "\n{}", examples(after.trim_end()));
    }
    text
}

/// Prose as it is; indented runs as code blocks.
fn paragraphs(text: &str) -> String {
    format!("{}\n", examples(text.trim_end()))
}

fn examples(text: &str) -> String {
    let mut out = String::new();
    let mut in_code = false;
    for line in text.lines() {
        let is_code = line.starts_with("  ") || (in_code && line.is_empty());
        match (in_code, is_code) {
            (false, true) => {
                out.push_str(if out.is_empty() || out.ends_with("\n\n") { "```sh\n" } else { "\n```sh\n" })
            }
            (true, false) => out.push_str("```\n\n"),
            _ => {}
        }
        in_code = is_code;
        // Two columns are the mark of code; what is more is its own, as in a table.
        out.push_str(if is_code { line.strip_prefix("  ").unwrap_or(line) } else { line });
        out.push('\n');
    }
    if in_code {
        out.push_str("```\n");
    }
    out.replace("\n\n```\n", "\n```\n")
}

fn unindented(text: &str) -> String {
    text.lines().map(str::trim).collect::<Vec<_>>().join("\n")
}

fn table<'a>(title: &str, args: impl Iterator<Item = &'a Arg>) -> String {
    let rows: Vec<String> = args.map(row).collect();
    if rows.is_empty() {
        return String::new();
    }
    format!("\n| {title} | |\n|---|---|\n{}", rows.concat())
}

fn row(arg: &Arg) -> String {
    let name = match (arg.get_short(), arg.get_long()) {
        (Some(short), Some(_)) => format!("-{short}, {arg}"),
        _ => arg.to_string(),
    };
    format!("| `{}` | {} |\n", name.replace('|', "\\|"), help(arg).replace('|', "\\|").replace('<', "&lt;"))
}

/// An argument's help on one line, with its default and its possible values.
pub(super) fn help(arg: &Arg) -> String {
    let help = arg.get_long_help().or(arg.get_help());
    let mut help = help.map(ToString::to_string).unwrap_or_default();
    let defaults = arg.get_default_values();
    if !defaults.is_empty() && !arg.is_hide_default_value_set() && arg.get_action().takes_values() {
        let shown: Vec<_> = defaults.iter().map(|value| value.to_string_lossy()).collect();
        let _ = write!(help, " [default: {}]", shown.join(" "));
    }
    let values: Vec<String> = arg
        .get_possible_values()
        .iter()
        .filter(|value| !value.is_hide_set())
        .map(|value| value.get_name().to_owned())
        .collect();
    if !values.is_empty() && arg.get_action().takes_values() && !arg.is_hide_possible_values_set() {
        let _ = write!(help, " [one of: {}]", values.join(", "));
    }
    help.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_holds_usage_options_verbs_and_examples() {
        let mut command = Command::new("edge-x")
            .about("Do x")
            .after_help("Example:\n  edge-x go")
            .arg(Arg::new("root").long("root").value_name("DIR").default_value("/").global(true).help("Work in a|b"))
            .subcommand(Command::new("go").about("Go there"));
        command.build();
        let manual = Manual { section: 8, files: &[("/etc/x", "Settings")], environment: &[], see_also: &[] };
        let page = page(&command, &manual);
        for wanted in [
            "# edge-x\n\nDo x\n\n```text\nedge-x [OPTIONS] [COMMAND]\n```\n",
            "Example:\n\n```sh\nedge-x go\n```\n",
            "| `--root <DIR>` | Work in a\\|b [default: /] |\n",
            "### edge-x go\n\nGo there\n",
            "## Files\n\n| Files | |\n|---|---|\n| `/etc/x` | Settings |\n",
        ] {
            assert!(page.contains(wanted), "no {wanted:?} in:\n{page}");
        }
        let verb = page.split("### edge-x go").nth(1).and_then(|rest| rest.split("\n## ").next()).unwrap();
        assert!(!verb.contains("--root"), "{page}");
    }
}
