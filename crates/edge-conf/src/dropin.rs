//! Sets environment variables of a unit in a drop-in.
//!
//! The unit file itself may be a hard link, belong to a package, or be replaced by the next version.

use edge_host::{Editor, Error, Result, STRUCK, is_secret_name, redact};
use edge_systemd::{Assignment, is_unit_name, parse, quoted_variable, variables};
use serde_json::{Value, json};

use edge_kubeedge::edit::sum;

/// The kind of [`EnvironmentEditor`] in the journal.
pub const EDITOR: &str = "unit-environment";
const SECTION: &str = "[Service]";
const KEY: &str = "Environment";
const HEADER: &str = "# Written by edge-conf env; `edge-conf undo` reverts it.\n";

/// An environment variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
}

impl Variable {
    /// `NAME=VALUE` as given on the command line.
    pub fn parse(text: &str) -> Result<Variable> {
        // Only the name: the value may be a secret.
        let shown = text.split(['=', ' ', ':']).next().unwrap_or_default();
        let bad = |why: &str| Error::usage(format!("cannot use variable {shown:?}: {why}"));
        let (name, value) = text.split_once('=').ok_or_else(|| bad("expected NAME=VALUE"))?;
        let first = |byte: &u8| byte.is_ascii_alphabetic() || *byte == b'_';
        let is_valid = name.as_bytes().first().is_some_and(first)
            && name.bytes().all(|byte| first(&byte) || byte.is_ascii_digit());
        if !is_valid {
            return Err(bad("a name consists of letters, digits and _ and does not begin with a digit"));
        }
        if value.contains(char::is_control) {
            return Err(bad("the value contains a line break or another control character"));
        }
        Ok(Variable { name: name.to_owned(), value: value.to_owned() })
    }

    /// Its line in a unit file, quoted for systemd.
    fn line(&self) -> String {
        format!("{KEY}={}", quoted_variable(&self.name, &self.value))
    }
}

/// Variables whose values are not secret.
const HARMLESS: &str = include_str!("../data/harmless.txt");

/// Whether every user of the host may read all that a drop-in sets.
pub fn is_harmless(text: &str) -> bool {
    let is_own = |one: &&Assignment| one.key == KEY;
    let all = parse(text.as_bytes());
    // Users can also read lines that systemd ignores, after a line that it cannot parse.
    let mentions = text.lines().filter(|line| line.trim_start().starts_with(KEY)).count();
    mentions == all.iter().filter(is_own).count()
        && all.iter().filter(is_own).all(|one| {
            let value = one.value.as_str();
            let quoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
            let bare = quoted.unwrap_or(value);
            let name = bare.split('=').next().unwrap_or_default();
            let known = HARMLESS.lines().filter(|line| !line.starts_with('#')).any(|line| line.trim() == name);
            // Without quotes, white space separates variables.
            let alone = quoted.is_some() || !bare.contains(char::is_whitespace);
            bare.is_empty() || (known && alone && !bare.contains(['"', '\'', '@', '\\']))
        })
}

/// A valid name of a service unit, as it becomes part of a path.
pub fn unit_name(text: &str) -> Result<&str> {
    if is_unit_name(text) && text.ends_with(".service") && !text.starts_with('.') {
        Ok(text)
    } else {
        Err(Error::usage(format!("cannot use unit {text:?}: expected a name such as edgecore.service")))
    }
}

/// An edited drop-in.
#[derive(Debug, Clone, PartialEq)]
pub struct Edited {
    /// The new text.
    pub text: String,
    /// A line for each variable that changed.
    pub details: Vec<String>,
    /// The record for the journal.
    pub inverse: Value,
    /// Names of the variables that changed.
    pub names: Vec<String>,
}

/// Sets variables in the text of a drop-in, which may be empty; every other line stays. Of a variable that
/// is given twice, the last value is set.
pub fn set(text: &str, variables: &[Variable]) -> Edited {
    let mut lines: Vec<String> = text.split_inclusive('\n').map(str::to_owned).collect();
    let mut edited = Edited { text: String::new(), details: Vec::new(), inverse: json!([]), names: Vec::new() };
    let mut records = Vec::new();
    for (given, variable) in variables.iter().enumerate() {
        if variables[given + 1..].iter().any(|later| later.name == variable.name) {
            continue;
        }
        let new = variable.line();
        let at = position(&lines, &variable.name);
        let before = at.map(|at| lines[at].trim_end().to_owned());
        if before.as_deref() == Some(new.as_str()) {
            continue;
        }
        let show = |line: &str| match is_secret_name(&variable.name) {
            true => format!("Environment=\"{}={STRUCK}\"", variable.name),
            false => redact(line),
        };
        let shown = show(&new);
        edited.details.push(before.as_deref().map_or(shown.clone(), |was| format!("{} -> {shown}", show(was))));
        // Only the checksum of the new value, which may be a secret.
        records.push(json!({"name": variable.name, "before": before, "after_sha256": sum(&new)}));
        edited.names.push(variable.name.clone());
        put_line(&mut lines, at, &new);
    }
    edited.text = lines.concat();
    edited.inverse = json!({"variables": records});
    edited
}

fn put_line(lines: &mut Vec<String>, at: Option<usize>, text: &str) {
    let line = format!("{text}\n");
    if let Some(at) = at {
        lines[at] = line;
        return;
    }
    if lines.is_empty() {
        lines.push(HEADER.to_owned());
    }
    if let Some(last) = lines.last_mut().filter(|last| !last.ends_with('\n')) {
        last.push('\n');
    }
    // At the end of the section, so that it takes precedence.
    let section = lines.iter().rposition(|line| line.trim() == SECTION);
    let Some(section) = section else {
        lines.push(format!("{SECTION}\n"));
        lines.push(line);
        return;
    };
    let end = lines[section + 1..]
        .iter()
        .position(|line| line.starts_with('['))
        .map_or(lines.len(), |next| section + 1 + next);
    lines.insert(end, line);
}

/// The line that sets only this variable and takes precedence: systemd uses the last assignment, and an empty
/// one resets all before it.
fn position(lines: &[String], name: &str) -> Option<usize> {
    let all = parse(lines.concat().as_bytes());
    let own: Vec<&Assignment> = all.iter().filter(|one| &*one.section == "Service" && one.key == KEY).collect();
    let last = own.iter().rposition(|one| variables(&one.value).iter().any(|(other, _)| other == name))?;
    let value = own[last].value.as_str();
    let alone = match value.strip_prefix('"') {
        Some(quoted) => is_one_quoted(quoted),
        None => !value.contains(|char: char| char.is_whitespace() || "\"'\\".contains(char)),
    };
    let is_reset = own[last..].iter().any(|later| later.value.is_empty());
    let at = own[last].line - 1;
    // A lone carriage return ends a line for systemd, but not here.
    let is_there = lines.get(at).is_some_and(|line| line.contains(value));
    (alone && !is_reset && is_there && own[last].line == own[last].last_line).then_some(at)
}

/// Whether the open quote is closed by the last character.
fn is_one_quoted(text: &str) -> bool {
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        match char {
            '\\' => drop(chars.next()),
            '"' => return chars.as_str().is_empty(),
            _ => {}
        }
    }
    false
}

/// Undoes changes of single variables.
#[derive(Debug, Clone, Copy)]
pub struct EnvironmentEditor;

impl Editor for EnvironmentEditor {
    fn kind(&self) -> &'static str {
        EDITOR
    }

    fn revert(&self, now: &[u8], data: &Value) -> Result<Vec<u8>> {
        let text = std::str::from_utf8(now).map_err(|_| Error::refused("it is no longer UTF-8 text"))?;
        let mut lines: Vec<String> = text.split_inclusive('\n').map(str::to_owned).collect();
        for record in data["variables"].as_array().map(Vec::as_slice).unwrap_or_default() {
            let name = record["name"].as_str().unwrap_or_default();
            let before = record["before"].as_str();
            let is_after = |line: &str| match record["after_sha256"].as_str() {
                Some(after) => sum(line) == after,
                // The format of earlier versions.
                None => record["after"].as_str() == Some(line),
            };
            let at = position(&lines, name);
            let own = at.map(|at| lines[at].trim_end().to_owned());
            match (own.as_deref(), before) {
                (own, before) if own == before => {}
                (own, _) if !own.is_some_and(is_after) => {
                    return Err(Error::refused(format!("{name} was set to another value since"))
                        .hint(format!("edge-conf env {name}=VALUE")));
                }
                (_, Some(before)) => put_line(&mut lines, at, before),
                (_, None) => {
                    lines.remove(at.unwrap_or_default());
                }
            }
        }
        Ok(lines.concat().into_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variable(text: &str) -> Variable {
        Variable::parse(text).unwrap()
    }

    #[test]
    fn set_changes_one_line_and_keeps_every_other() {
        let first = set("", &[variable("A=1"), variable("B=50% \"x\\y\"")]);
        assert_eq!(
            first.text,
            format!("{HEADER}[Service]\nEnvironment=\"A=1\"\nEnvironment=\"B=50%% \\\"x\\\\y\\\"\"\n")
        );
        assert!(set(&first.text, &[variable("A=1")]).details.is_empty());
        let theirs = "# mine\n[Unit]\nAfter=x\n[Service]\nEnvironment=A=0\nNice=1\n[Install]\nAlias=y";
        let second = set(theirs, &[variable("A=2"), variable("C=3")]);
        assert_eq!(
            second.text,
            "# mine\n[Unit]\nAfter=x\n[Service]\nEnvironment=\"A=2\"\nNice=1\nEnvironment=\"C=3\"\n[Install]\nAlias=y\n"
        );
        let back = EnvironmentEditor.revert(second.text.as_bytes(), &second.inverse).unwrap();
        assert_eq!(String::from_utf8(back).unwrap(), format!("{theirs}\n"));
        let error = EnvironmentEditor.revert(b"[Service]\nEnvironment=A=9\n", &second.inverse).unwrap_err();
        assert_eq!(error.to_string(), "A was set to another value since");
    }

    #[test]
    fn set_appends_after_a_line_that_sets_more_than_the_variable() {
        for theirs in [
            "Environment=\"A=1\" \"B=2\"",
            "Environment=A=1 B=2",
            "Environment=B=2 A=1",
            "Environment=\"A=1\" \\\n  \"B=2\"",
            "Environment=\"B=2\" \\\n  \"A=1\"",
            "Environment=\"A=1\"\nEnvironment=",
            "Environment='A=1'",
            "Environment=\"A=1\\\"\" \"B=2\"",
        ] {
            let text = format!("[Service]\n{theirs}\n");
            let edited = set(&text, &[variable("A=9")]);
            assert_eq!(edited.text, format!("{text}Environment=\"A=9\"\n"));
            assert!(set(&edited.text, &[variable("A=9")]).details.is_empty(), "{theirs}");
            let back = EnvironmentEditor.revert(edited.text.as_bytes(), &edited.inverse).unwrap();
            assert_eq!(String::from_utf8(back).unwrap(), text);
        }
        // Another name or a comment does not set it.
        let text = "[Service]\nEnvironment=AA=1\n# Environment=\"A=1\"\nEnvironment=\"A=1\"\n";
        assert_eq!(
            set(text, &[variable("A=2")]).text,
            text.replace("\n# Environment=\"A=1\"\nEnvironment=\"A=1", "\n# Environment=\"A=1\"\nEnvironment=\"A=2")
        );
    }

    #[test]
    fn set_uses_the_last_value_of_a_variable_given_twice() {
        let edited = set("", &[variable("A=1"), variable("A=2")]);
        assert_eq!(edited.details, ["Environment=\"A=2\""]);
        assert!(set(&edited.text, &[variable("A=1"), variable("A=2")]).details.is_empty());
    }

    #[test]
    fn is_harmless_accepts_only_known_variables() {
        let text = |variables: &[&str]| set("", &variables.iter().map(|text| variable(text)).collect::<Vec<_>>()).text;
        for harmless in [&["GOGC=50"] as &[&str], &["TZ=UTC", "HTTP_PROXY=http://proxy:3128"], &[]] {
            assert!(is_harmless(&text(harmless)), "{harmless:?}");
        }
        for secret in [&["DB_PASSWORD=x"] as &[&str], &["LEVEL=1"], &["TZ=UTC", "A=1"], &["HTTP_PROXY=http://u:p@h:1"]]
        {
            assert!(!is_harmless(&text(secret)), "{secret:?}");
        }
        assert!(!is_harmless("[Service]\nEnvironment=TZ=UTC \"A=1\"\n"));
        assert!(!is_harmless("[Service]\nEnvironment=TZ=UTC \\\n A=1\n"));
        assert!(!is_harmless("[Service]\n Environment = A=1\n"));
    }

    #[test]
    fn variables_and_unit_names_are_validated() {
        for bad in ["A", "=x", "1A=x", "A B=x", "A=x\ny"] {
            assert!(Variable::parse(bad).is_err(), "{bad}");
        }
        for bad in ["edgecore", "../x.service", ".service", "a/b.service", "..service", "a b.service"] {
            assert!(unit_name(bad).is_err(), "{bad}");
        }
        assert!(unit_name("edgecore@1.service").is_ok());
    }
}
