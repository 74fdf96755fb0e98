//! Completion for bash, from bash's own builtins alone.
//!
//! clap_complete's script finds no verb of a program with a hyphen in its name (clap issue 6421). This one walks
//! the words before the cursor to the verb, skips the values of options, and splits `--option=value` by itself,
//! because bash breaks words at `=` and `:`.

use std::collections::BTreeMap;
use std::fmt::Write;

use clap::{Arg, Command, ValueHint};

use super::shown_args;

/// The common script, with the program's tables for TABLES and its function's name for NAME.
const SCRIPT: &str = include_str!("completion.bash");

/// The script for one utility.
pub(crate) fn script(command: &Command) -> String {
    let name = command.get_name();
    let mut tables = Tables::default();
    tables.add(command, "");
    let script = SCRIPT.replace("NAME", &name.replace('-', "_")).replace("PROGRAM", name);
    script.replace("TABLES_OF_VERBS\n", &tables.verbs).replace("TABLES_OF_VALUES\n", &tables.values())
}

#[derive(Default)]
struct Tables {
    /// Arms of a case: the words that can follow each verb.
    verbs: String,
    /// How to complete a value of `verb option`.
    values: BTreeMap<String, Vec<String>>,
}

impl Tables {
    fn add(&mut self, command: &Command, path: &str) {
        let shown = || command.get_subcommands().filter(|verb| !verb.is_hide_set());
        let names_of = |verb: &'_ Command| -> Vec<String> {
            let aliases = verb.get_visible_aliases();
            std::iter::once(verb.get_name()).chain(aliases).map(str::to_owned).collect()
        };
        let verbs: Vec<String> = shown().flat_map(names_of).collect();
        let (mut options, mut valued) = (Vec::new(), Vec::new());
        for arg in shown_args(command).filter(|arg| !arg.is_positional()) {
            let names = names(arg);
            if arg.get_action().takes_values() {
                valued.extend(names.clone());
                self.add_value(arg, names.iter().map(|name| format!("{path} {name}")));
            }
            options.extend(names);
        }
        for arg in command.get_positionals().filter(|arg| !arg.is_hide_set()) {
            let index = arg.get_index().unwrap_or(1);
            let many = arg.get_num_args().is_some_and(|count| count.max_values() > 1);
            // A repeated operand is completed at every later position too.
            let places = if many { "*".to_owned() } else { index.to_string() };
            self.add_value(arg, std::iter::once(format!("{path} {places}")));
        }
        let _ = writeln!(
            self.verbs,
            "    '{path}') verbs='{}' options='{}' valued=' {} ' ;;",
            verbs.join(" "),
            options.join(" "),
            valued.join(" ")
        );
        for verb in shown() {
            for name in names_of(verb) {
                self.add(verb, &format!("{path}/{name}"));
            }
        }
    }

    fn add_value(&mut self, arg: &Arg, keys: impl Iterator<Item = String>) {
        if let Some(how) = value(arg) {
            self.values.entry(how).or_default().extend(keys);
        }
    }

    fn values(&self) -> String {
        let mut arms = String::new();
        for (how, keys) in &self.values {
            // A place that repeats is a pattern; everything else is literal.
            let quoted = |key: &String| match key.strip_suffix('*') {
                Some(path) => format!("'{path}'[1-9]*"),
                None => format!("'{key}'"),
            };
            let keys: Vec<String> = keys.iter().map(quoted).collect();
            let _ = writeln!(arms, "    {}) {how} ;;", keys.join(" | "));
        }
        arms
    }
}

fn names(arg: &Arg) -> Vec<String> {
    let short = arg.get_short().map(|short| format!("-{short}"));
    short.into_iter().chain(arg.get_long().map(|long| format!("--{long}"))).collect()
}

/// The command that lists a value's candidates; none where nothing is known.
fn value(arg: &Arg) -> Option<String> {
    let possible = arg.get_possible_values();
    let words: Vec<&str> =
        possible.iter().filter(|value| !value.is_hide_set()).map(clap::builder::PossibleValue::get_name).collect();
    if !words.is_empty() {
        return Some(format!("words='{}'", words.join(" ")));
    }
    match arg.get_value_hint() {
        ValueHint::AnyPath | ValueHint::FilePath | ValueHint::ExecutablePath => Some("paths=-f".to_owned()),
        ValueHint::DirPath => Some("paths=-d".to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn script_names_every_verb_with_its_options_and_values() {
        let mut command = Command::new("edge-x").subcommand(
            Command::new("go")
                .arg(Arg::new("pace").long("pace").short('p').value_parser(["fast", "slow"]))
                .arg(Arg::new("hidden").long("hidden").hide(true))
                .arg(Arg::new("file").num_args(1..).value_hint(ValueHint::FilePath)),
        );
        command.build();
        let script = script(&command);
        for expected in [
            "_edge_x() {\n",
            "    '/go') verbs='' options='-p --pace -h --help' valued=' -p --pace ' ;;\n",
            "    '/go -p' | '/go --pace') words='fast slow' ;;\n",
            "    '/go '[1-9]*) paths=-f ;;\n",
            "complete -F _edge_x edge-x\n",
        ] {
            assert!(script.contains(expected), "no {expected:?} in:\n{script}");
        }
        assert!(!script.contains("hidden") && !script.contains("NAME") && !script.contains("TABLES"), "{script}");
    }
}
