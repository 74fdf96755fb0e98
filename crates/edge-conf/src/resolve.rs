//! From a wish to an edit: the key's true place, its spelling in this file, its type.
//!
//! KubeEdge drops what it does not know without a word, so a wish for it is refused here.

use edge_host::{Error, Result};
use edge_kubeedge::schema::{Found, Lookup, Table, TypeError};
use edge_kubeedge::spelling::{all_spelled, spelled, texts};
use edge_kubeedge::{Kind, Minor};
use edge_yaml::{Document, Edit, Path, Step, Value};

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
///
/// An index means the item that has it before the call, so items are removed from the last on.
pub fn resolve(document: &Value, rules: Rules, wishes: &[Wish]) -> Result<Vec<Edit>> {
    let mut edits = Vec::new();
    for wish in wishes {
        match wish {
            Wish::Set { value, .. } => edits.push(set(document, rules, wish, value)?),
            Wish::Unset { path } => edits.extend(unset(document, path)),
        }
    }
    let removes_item = |edit: &Edit| matches!(edit, Edit::Unset { path } if path.steps().iter().any(|step| matches!(step, Step::Index(_))));
    let (mut items, mut rest): (Vec<Edit>, Vec<Edit>) = edits.into_iter().partition(removes_item);
    items.sort_by(|a, b| order(b.path()).cmp(&order(a.path())));
    items.dedup();
    rest.extend(items);
    Ok(rest)
}

/// By keys, then by number.
fn order(path: &Path) -> Vec<(&str, usize)> {
    let steps = path.steps().iter();
    steps
        .map(|step| match step {
            Step::Key(key) => (key.as_str(), 0),
            Step::Index(index) => ("", *index),
        })
        .collect()
}

/// Removes a key in all spellings it has: the one that is left would count.
fn unset(document: &Value, path: &Path) -> Vec<Edit> {
    let wanted = texts(path);
    let mut paths = all_spelled(document, &wanted);
    if paths.is_empty() {
        paths.push(spelled(document, &wanted).unwrap_or_else(|| path.clone()));
    }
    paths.into_iter().map(|path| Edit::Unset { path }).collect()
}

fn set(document: &Value, rules: Rules, wish: &Wish, value: &Given) -> Result<Edit> {
    let steps = texts(wish.path());
    let steps: Vec<&str> = steps.iter().map(String::as_str).collect();
    let found = Table::of(rules.kind).lookup(&steps, rules.version);
    let canonical = match &found {
        Lookup::Known(found) | Lookup::Dead { found, .. } => found.path.clone(),
        _ => steps.iter().map(|step| (*step).to_owned()).collect(),
    };
    let path = spelled(document, &canonical).unwrap_or_else(|| wish.path().clone());
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

/// What there is to say of settings that shall go, are not there, and are no settings.
pub fn unknown(document: &Document<'_>, rules: Rules, wishes: &[Wish]) -> Vec<String> {
    let absent = |wish: &&Wish| matches!(wish, Wish::Unset { path } if document.get(path).is_none());
    let say = |wish: &Wish| {
        let steps = texts(wish.path());
        let steps: Vec<&str> = steps.iter().map(String::as_str).collect();
        let why = match Table::of(rules.kind).lookup(&steps, None) {
            Lookup::Unknown { closest: None } => format!("no version of {} knows it", rules.kind.program()),
            Lookup::Unknown { closest: Some(closest) } => {
                format!("no version of {} knows it, did you mean {closest}?", rules.kind.program())
            }
            Lookup::WrongPlace { belongs } => format!("it belongs at {belongs}"),
            Lookup::WrongKind { kind, .. } => format!("it is a setting of {}", kind.file_name()),
            _ => return None,
        };
        Some(format!("{} is not set: {why}", wish.path()))
    };
    wishes.iter().filter(absent).filter_map(say).collect()
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
        _ if error.is_nothing() => refused.hint(format!("to have the default: edge-conf unset {}", wish.path())),
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
        Given::Text(text) => edge_yaml::value(text).unwrap_or_else(|_| Value::from(text.as_str())),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wish::parse_setting;

    fn edit(document: &str, version: Option<u16>, setting: &str) -> Result<Edit> {
        let document: Value = serde_yaml::from_str(document).unwrap();
        let rules = Rules { kind: Kind::EdgeCore, version: version.map(Minor::new), policy: Policy::Strict };
        resolve(&document, rules, &[parse_setting(setting).unwrap()]).map(|mut edits| edits.remove(0))
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
    fn the_users_own_keys_are_not_spelled_otherwise() {
        let labels = "modules: {edged: {NodeLabels: {App: a, app: b}}}";
        for (setting, want) in [
            ("modules.edged.nodeLabels.App=x", "modules.edged.NodeLabels.App"),
            ("modules.edged.nodeLabels.app=x", "modules.edged.NodeLabels.app"),
            ("modules.edged.nodeLabels.APP=x", "modules.edged.NodeLabels.APP"),
        ] {
            assert_eq!(edit(labels, Some(12), setting).unwrap().path().to_string(), want);
        }
    }

    fn removed(document: &str, paths: &[&str]) -> Vec<String> {
        let document: Value = serde_yaml::from_str(document).unwrap();
        let rules = Rules { kind: Kind::EdgeCore, version: None, policy: Policy::Strict };
        let wishes: Vec<Wish> = paths.iter().map(|path| Wish::Unset { path: path.parse().unwrap() }).collect();
        resolve(&document, rules, &wishes).unwrap().iter().map(|edit| edit.path().to_string()).collect()
    }

    #[test]
    fn a_key_is_removed_in_all_its_spellings() {
        let document = "modules: {edgestream: {Enable: true, enable: false}, edgeStream: {ENABLE: true}}";
        assert_eq!(
            removed(document, &["modules.edgeStream.enable"]),
            ["modules.edgestream.enable", "modules.edgestream.Enable", "modules.edgeStream.ENABLE"]
        );
        assert_eq!(
            removed("modules: {edged: {nodeLabels: {App: a, app: b}}}", &["modules.edged.nodeLabels.App"]),
            ["modules.edged.nodeLabels.App"]
        );
        assert_eq!(removed("{}", &["a.b"]), ["a.b"]);
    }

    #[test]
    fn items_are_removed_by_the_indexes_they_had() {
        let list = "l: [a, b, c]";
        assert_eq!(removed(list, &["l[0]", "x", "l[2]", "l[0]"]), ["x", "l[2]", "l[0]"]);
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
