//! From a wish to an edit: the key's true place, its spelling in this file, its type.
//!
//! KubeEdge drops what it does not know without a word, so a wish for it is refused here.

use edge_host::{Error, Result};
use edge_yaml::{Edit, Path, Step, Value};

use crate::schema::{Found, Kind, Lookup, Minor, Table, TypeError, winner};
use crate::wish::{Given, Wish};

/// What to do with a wish that KubeEdge would ignore or reject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// Refuse it, and say where it belongs.
    Strict,
    /// Do it all the same.
    Force,
}

/// Against what wishes are checked.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// Which component reads the file.
    pub kind: Kind,
    /// Its version; none checks against all.
    pub version: Option<Minor>,
    /// What to do with what it would ignore.
    pub policy: Policy,
}

/// Makes the edits for wishes in a document with this value.
pub fn resolve(document: &Value, rules: Rules, wishes: &[Wish]) -> Result<Vec<Edit>> {
    wishes.iter().map(|wish| one(document, rules, wish)).collect()
}

fn one(document: &Value, rules: Rules, wish: &Wish) -> Result<Edit> {
    let steps = texts(wish.path());
    let steps: Vec<&str> = steps.iter().map(String::as_str).collect();
    let found = Table::of(rules.kind).lookup(&steps, rules.version);
    let canonical = match &found {
        Lookup::Known(found) | Lookup::Dead { found, .. } => found.path.clone(),
        _ => steps.iter().map(|step| (*step).to_owned()).collect(),
    };
    let path = spelled(document, &canonical).unwrap_or_else(|| wish.path().clone());
    let Wish::Set { value, .. } = wish else { return Ok(Edit::Unset { path }) };
    let value = match (found, rules.policy) {
        (Lookup::Known(found), policy) => typed(wish, &found, value).or_else(|error| forced(policy, error, value))?,
        (Lookup::Dead { found, .. }, Policy::Force) => {
            typed(wish, &found, value).or_else(|error| forced(Policy::Force, error, value))?
        }
        (_, Policy::Force) => loose(value),
        (other, Policy::Strict) => return Err(misplaced(wish, rules, &other)),
    };
    Ok(Edit::Set { path, value })
}

fn typed(wish: &Wish, found: &Found, value: &Given) -> Result<Value> {
    match value {
        Given::Text(text) => found.typed(text),
        Given::Value(value) => found.check(value).map(|()| value.clone()),
    }
    .map_err(|error| type_error(wish, &error))
}

fn type_error(wish: &Wish, error: &TypeError) -> Error {
    let refused = Error::refused(format!("cannot set {}: it {error}", wish.path()));
    match error.right_form() {
        Some(form) => refused.hint(form),
        None => refused.hint("--force sets it all the same"),
    }
}

fn forced(policy: Policy, error: Error, value: &Given) -> Result<Value> {
    match policy {
        Policy::Force => Ok(loose(value)),
        Policy::Strict => Err(error),
    }
}

/// A value without a type: whatever YAML says it is.
fn loose(value: &Given) -> Value {
    match value {
        Given::Text(text) => serde_yaml::from_str(text).unwrap_or_else(|_| Value::from(text.as_str())),
        Given::Value(value) => value.clone(),
    }
}

fn misplaced(wish: &Wish, rules: Rules, found: &Lookup) -> Error {
    let path = wish.path();
    let program = rules.kind.program();
    let version = rules.version.map(|version| format!(" {version}")).unwrap_or_default();
    let force = "--force sets it all the same";
    let (why, hint) = match found {
        Lookup::Known(_) => (String::new(), String::new()),
        Lookup::Dead { by, .. } => {
            (format!("{program}{version} reads it without effect"), format!("what counts is {by}; {force}"))
        }
        Lookup::WrongPlace { belongs } => {
            (format!("{program} ignores it there"), format!("it belongs at {belongs}; {force}"))
        }
        Lookup::WrongKind { kind, path } => (
            format!("it is a setting of {}, and {program} ignores it", kind.file_name()),
            format!("edge-conf --file …/{} set {path}=…; {force}", kind.file_name()),
        ),
        Lookup::NotYet { first, instead, .. } => (
            format!("{program}{version} does not have it: it came with {first}"),
            other_place(instead.as_deref(), force),
        ),
        Lookup::Gone { last, now, .. } => (
            format!("{program}{version} does not have it any more: {last} was the last"),
            other_place(now.as_deref(), force),
        ),
        Lookup::Unknown { closest } => (
            format!("no version of {program} knows it"),
            closest.as_ref().map_or(force.to_owned(), |closest| format!("did you mean {closest}? {force}")),
        ),
    };
    Error::refused(format!("cannot set {path}: {why}")).hint(hint)
}

fn other_place(place: Option<&str>, force: &str) -> String {
    place.map_or(force.to_owned(), |place| format!("there it is {place}; {force}"))
}

/// The steps of a path as the key table takes them: `[n]` for an index.
pub fn texts(path: &Path) -> Vec<String> {
    path.steps()
        .iter()
        .map(|step| match step {
            Step::Key(key) => key.clone(),
            Step::Index(index) => format!("[{index}]"),
        })
        .collect()
}

/// The path as this document spells it: a key that stands there in other capitals is the same key
/// to KubeEdge, and a second spelling beside it would be a trap.
pub fn spelled(document: &Value, canonical: &[String]) -> Option<Path> {
    let mut at = Some(document);
    let mut steps = Vec::new();
    for step in canonical {
        let index = step.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).and_then(|rest| rest.parse().ok());
        if let (Some(index), Some(Value::Sequence(_)) | None) = (index, at) {
            at = at.and_then(|value| value.get(index));
            steps.push(Step::Index(index));
            continue;
        }
        let key = at.and_then(|value| own_spelling(value, step)).unwrap_or(step);
        steps.push(Step::Key(key.to_owned()));
        at = at.and_then(|value| value.get(key));
    }
    Path::new(steps)
}

fn own_spelling<'v>(mapping: &'v Value, key: &str) -> Option<&'v str> {
    let spellings = mapping.as_mapping()?.keys().filter_map(Value::as_str);
    let same: Vec<&str> = spellings.filter(|spelling| spelling.eq_ignore_ascii_case(key)).collect();
    winner(&same)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wish::parse_setting;

    fn edit(document: &str, version: Option<u16>, setting: &str) -> Result<Edit> {
        let document: Value = serde_yaml::from_str(document).unwrap();
        let rules = Rules { kind: Kind::EdgeCore, version: version.map(Minor::new), policy: Policy::Strict };
        one(&document, rules, &parse_setting(setting).unwrap())
    }

    fn refusal(version: Option<u16>, setting: &str) -> String {
        let error = edit("{}", version, setting).unwrap_err();
        format!("{} {error}\n{}", error.exit().code(), error.hint_text().unwrap_or_default())
    }

    #[test]
    fn a_key_is_edited_in_the_spelling_that_the_file_has() {
        for (document, want) in [
            ("modules: {edgestream: {Enable: false}}", "modules.edgestream.Enable"),
            ("modules: {edgeStream: {Enable: true, enable: false}}", "modules.edgeStream.enable"),
            ("modules: {}", "modules.edgeStream.enable"),
            ("{}", "modules.edgeStream.enable"),
        ] {
            let edit = edit(document, Some(8), "MODULES.edgestream.ENABLE=true").unwrap();
            assert_eq!(edit.path().to_string(), want, "{document}");
        }
    }

    #[test]
    fn what_kubeedge_would_ignore_is_refused_with_its_place() {
        const FORCE: &str = "--force sets it all the same";
        for (version, setting, why, hint) in [
            (8, "edgeStream.enable=true", "edgecore ignores it there", "it belongs at modules.edgeStream.enable; "),
            (
                8,
                "modules.dynamicController.enable=true",
                "it is a setting of cloudcore.yaml, and edgecore ignores it",
                "edge-conf --file …/cloudcore.yaml set modules.dynamicController.enable=…; ",
            ),
            (
                23,
                "modules.edged.cgroupDriver=systemd",
                "edgecore 1.23 does not have it any more: 1.11 was the last",
                "there it is modules.edged.tailoredKubeletConfig.cgroupDriver; ",
            ),
            (
                8,
                "modules.edged.tailoredKubeletConfig.cgroupDriver=systemd",
                "edgecore 1.8 does not have it: it came with 1.12",
                "there it is modules.edged.cgroupDriver; ",
            ),
            (
                8,
                "modules.edgeStream.enabel=true",
                "no version of edgecore knows it",
                "did you mean modules.edgeStream.enable? ",
            ),
            (8, "modules.edgeStream.enable=perhaps", "it must be true or false, not \"perhaps\"", ""),
            (
                16,
                "modules.edged.remoteRuntimeEndpoint=unix:///x",
                "edgecore 1.16 reads it without effect",
                "what counts is modules.edged.tailoredKubeletConfig.containerRuntimeEndpoint; ",
            ),
        ] {
            let path = setting.split('=').next().unwrap();
            assert_eq!(refusal(Some(version), setting), format!("4 cannot set {path}: {why}\n{hint}{FORCE}"));
        }
    }
}
