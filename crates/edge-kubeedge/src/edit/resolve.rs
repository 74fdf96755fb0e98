//! Turns requests into edits: finds the key of each, its spelling in this file and its type.
//!
//! KubeEdge silently ignores unknown settings, so they are refused here.

use crate::schema::{Lookup, Match, Table, TypeError};
use crate::spelling::{all_spelled, spelled, texts};
use crate::{Kind, Minor};
use edge_host::{Error, Result};
use edge_yaml::{Document, Edit, Path, Step, Value};

use super::request::{Request, RequestedValue};

/// The rules that requests are checked against.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// The component that reads the file.
    pub kind: Kind,
    /// Its version; with none, a setting of any version is accepted.
    pub version: Option<Minor>,
    /// Set even what it would ignore or reject.
    pub force: bool,
}

/// The edits that carry out the requests in a document with this value.
///
/// An index names an item by its position before the call, so items are removed from the last to the first.
pub fn resolve(document: &Value, rules: Rules, requests: &[Request]) -> Result<Vec<Edit>> {
    let mut edits = Vec::new();
    for request in requests {
        match request {
            Request::Set { value, .. } => edits.push(set(document, rules, request, value)?),
            Request::Unset { path } => edits.extend(unset(document, path)),
        }
    }
    let removes_item = |edit: &Edit| matches!(edit, Edit::Unset { path } if path.steps().iter().any(|step| matches!(step, Step::Index(_))));
    let (mut items, mut rest): (Vec<Edit>, Vec<Edit>) = edits.into_iter().partition(removes_item);
    items.sort_by(|a, b| order(b.path()).cmp(&order(a.path())));
    items.dedup();
    rest.extend(items);
    Ok(rest)
}

/// Sorts paths by keys, then by index.
fn order(path: &Path) -> Vec<(&str, usize)> {
    let steps = path.steps().iter();
    steps
        .map(|step| match step {
            Step::Key(key) => (key.as_str(), 0),
            Step::Index(index) => ("", *index),
        })
        .collect()
}

/// Removes a key in all its spellings: KubeEdge would read any that remains.
fn unset(document: &Value, path: &Path) -> Vec<Edit> {
    let requested = texts(path);
    let mut paths = all_spelled(document, &requested);
    if paths.is_empty() {
        paths.push(spelled(document, &requested).unwrap_or_else(|| path.clone()));
    }
    paths.into_iter().map(|path| Edit::Unset { path }).collect()
}

fn set(document: &Value, rules: Rules, request: &Request, value: &RequestedValue) -> Result<Edit> {
    let steps = texts(request.path());
    let steps: Vec<&str> = steps.iter().map(String::as_str).collect();
    let found = Table::of(rules.kind).lookup(&steps, rules.version);
    let canonical = match &found {
        Lookup::Known(found) | Lookup::Dead { found, .. } => found.path.clone(),
        _ => steps.iter().map(|step| (*step).to_owned()).collect(),
    };
    let path = spelled(document, &canonical).unwrap_or_else(|| request.path().clone());
    let value = match found {
        Lookup::Known(found) => match typed(request, &found, value) {
            Err(error) if !rules.force => return Err(error),
            typed => typed.unwrap_or_else(|_| untyped(value)),
        },
        Lookup::Dead { found, .. } if rules.force => typed(request, &found, value).unwrap_or_else(|_| untyped(value)),
        _ if rules.force => untyped(value),
        other => return Err(misplaced(request, rules, &other)),
    };
    Ok(Edit::Set { path, value })
}

/// Notes on settings to remove that are absent and not settings of this component.
pub fn notes_on_absent(document: &Document<'_>, rules: Rules, requests: &[Request]) -> Vec<String> {
    let absent = |request: &&Request| matches!(request, Request::Unset { path } if document.get(path).is_none());
    let describe = |request: &Request| {
        let steps = texts(request.path());
        let steps: Vec<&str> = steps.iter().map(String::as_str).collect();
        let why = match Table::of(rules.kind).lookup(&steps, None) {
            Lookup::Unknown { closest: None } => format!("it is not a known setting of {}", rules.kind.program()),
            Lookup::Unknown { closest: Some(closest) } => {
                format!("it is not a known setting of {}; did you mean {closest}?", rules.kind.program())
            }
            Lookup::WrongPlace { belongs } => format!("move it to {belongs}"),
            Lookup::WrongKind { kind, .. } => format!("it is a setting of {}", kind.file_name()),
            _ => return None,
        };
        Some(format!("{} is not set: {why}", request.path()))
    };
    requests.iter().filter(absent).filter_map(describe).collect()
}

fn typed(request: &Request, found: &Match, value: &RequestedValue) -> Result<Value> {
    match value {
        RequestedValue::Text(text) => found.typed(text),
        RequestedValue::Value(value) => found.check(value).map(|()| value.clone()),
    }
    .map_err(|error| type_error(request, &error))
}

fn type_error(request: &Request, error: &TypeError) -> Error {
    let refused = Error::refused(format!("cannot set {}: it {error}", request.path()));
    match error.right_form() {
        _ if error.is_empty() => refused.hint(format!("to use the default: edge-conf unset {}", request.path())),
        Some(form) => refused.hint(form),
        None => refused.hint("--force sets it anyway"),
    }
}

/// A value of a key without a known type, read as YAML.
fn untyped(value: &RequestedValue) -> Value {
    match value {
        RequestedValue::Text(text) => edge_yaml::value(text).unwrap_or_else(|_| Value::from(text.as_str())),
        RequestedValue::Value(value) => value.clone(),
    }
}

fn misplaced(request: &Request, rules: Rules, found: &Lookup) -> Error {
    let path = request.path();
    let program = rules.kind.program();
    let version = rules.version.map(|version| format!(" {version}")).unwrap_or_default();
    let force = "--force sets it anyway";
    let (why, hint) = match found {
        Lookup::Known(_) => (String::new(), String::new()),
        Lookup::Dead { by, .. } => {
            (format!("it has no effect in {program}{version}"), format!("set {by} instead; {force}"))
        }
        Lookup::WrongPlace { belongs } => {
            (format!("{program} ignores it there"), format!("set {belongs} instead; {force}"))
        }
        Lookup::WrongKind { kind, path } => (
            format!("it is a setting of {}, and {program} ignores it", kind.file_name()),
            format!("edge-conf --file {} set {path}=VALUE; {force}", kind.config_path().display()),
        ),
        Lookup::NotYet { first, instead, .. } => (
            format!("{program}{version} does not have it: it was added in {first}"),
            other_place(instead.as_deref(), force),
        ),
        Lookup::Gone { last, now, .. } => (
            format!("{program}{version} does not have it: it was removed after {last}"),
            other_place(now.as_deref(), force),
        ),
        Lookup::Unknown { closest } => (
            format!("it is not a known setting of {program}"),
            closest.as_ref().map_or(force.to_owned(), |closest| format!("did you mean {closest}? {force}")),
        ),
    };
    Error::refused(format!("cannot set {path}: {why}")).hint(hint)
}

fn other_place(place: Option<&str>, force: &str) -> String {
    place.map_or(force.to_owned(), |place| format!("set {place} instead; {force}"))
}

#[cfg(test)]
mod tests {
    use super::super::request::parse_setting;
    use super::*;

    fn edit(document: &str, version: Option<u16>, setting: &str) -> Result<Edit> {
        let document: Value = serde_yaml::from_str(document).unwrap();
        let rules = Rules { kind: Kind::EdgeCore, version: version.map(Minor::new), force: false };
        resolve(&document, rules, &[parse_setting(setting).unwrap()]).map(|mut edits| edits.remove(0))
    }

    fn refusal(version: Option<u16>, setting: &str) -> String {
        let error = edit("{}", version, setting).unwrap_err();
        format!("{} {error}\n{}", error.exit().code(), error.hint_text().unwrap_or_default())
    }

    #[test]
    fn resolve_uses_the_spelling_of_the_file() {
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
    fn resolve_keeps_the_letter_case_of_the_users_own_keys() {
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
        let rules = Rules { kind: Kind::EdgeCore, version: None, force: false };
        let requests: Vec<Request> = paths.iter().map(|path| Request::Unset { path: path.parse().unwrap() }).collect();
        resolve(&document, rules, &requests).unwrap().iter().map(|edit| edit.path().to_string()).collect()
    }

    #[test]
    fn unset_removes_a_key_in_all_its_spellings() {
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
    fn unset_removes_items_by_their_indexes_before_the_call() {
        let list = "l: [a, b, c]";
        assert_eq!(removed(list, &["l[0]", "x", "l[2]", "l[0]"]), ["x", "l[2]", "l[0]"]);
    }

    #[test]
    fn set_refuses_what_kubeedge_ignores_and_names_its_place() {
        const FORCE: &str = "--force sets it anyway";
        for (version, setting, why, hint) in [
            (8, "edgeStream.enable=true", "edgecore ignores it there", "set modules.edgeStream.enable instead; "),
            (
                8,
                "modules.dynamicController.enable=true",
                "it is a setting of cloudcore.yaml, and edgecore ignores it",
                "edge-conf --file /etc/kubeedge/config/cloudcore.yaml set modules.dynamicController.enable=VALUE; ",
            ),
            (
                23,
                "modules.edged.cgroupDriver=systemd",
                "edgecore 1.23 does not have it: it was removed after 1.11",
                "set modules.edged.tailoredKubeletConfig.cgroupDriver instead; ",
            ),
            (
                8,
                "modules.edged.tailoredKubeletConfig.cgroupDriver=systemd",
                "edgecore 1.8 does not have it: it was added in 1.12",
                "set modules.edged.cgroupDriver instead; ",
            ),
            (
                8,
                "modules.edgeStream.enabel=true",
                "it is not a known setting of edgecore",
                "did you mean modules.edgeStream.enable? ",
            ),
            (8, "modules.edgeStream.enable=perhaps", "it must be true or false, not \"perhaps\"", ""),
            (
                16,
                "modules.edged.remoteRuntimeEndpoint=unix:///x",
                "it has no effect in edgecore 1.16",
                "set modules.edged.tailoredKubeletConfig.containerRuntimeEndpoint instead; ",
            ),
        ] {
            let path = setting.split('=').next().unwrap();
            assert_eq!(refusal(Some(version), setting), format!("4 cannot set {path}: {why}\n{hint}{FORCE}"));
        }
    }
}
