//! Reads settings as KubeEdge does: without regard to letter case, with spellings merged and defaults applied.

use edge_yaml::Value;

use crate::schema::{Table, yaml_1_1_bool};
use crate::spelling::spellings;
use crate::{Kind, Minor};

/// The value in a document that takes effect at a path in KubeEdge's own spelling (`modules.edged.nodeIP`).
///
/// None where it is not set, or `null` in every spelling: that leaves the default as it is.
#[must_use]
pub fn written<'a>(document: &'a Value, path: &str) -> Option<&'a Value> {
    let steps: Vec<&str> = path.split('.').collect();
    effective(document, &steps)
}

/// A value of another type than its setting has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistyped {
    /// Its keys, as they are written; none for the document itself.
    pub path: Vec<String>,
    /// What is there: `a list`.
    pub is: &'static str,
    /// What its setting has: `text`.
    pub want: &'static str,
}

/// The text that takes effect at a path, for a reader to which a value of another type is not an absent one.
///
/// # Errors
/// The value, or one of the sections above it, is of another type.
pub fn text_at<'a>(document: &'a Value, path: &str) -> Result<Option<&'a str>, Mistyped> {
    let want = "text";
    let found = checked(document, &path.split('.').collect::<Vec<_>>(), &mut Vec::new())?;
    found.map(|(value, path)| value.as_str().ok_or(Mistyped { path, is: type_of(value), want })).transpose()
}

/// The texts in a list, read the same way; a single text is a list of one.
///
/// # Errors
/// As [`text_at`].
pub fn texts_at<'a>(document: &'a Value, path: &str) -> Result<Vec<&'a str>, Mistyped> {
    let want = "a list of texts";
    let found = checked(document, &path.split('.').collect::<Vec<_>>(), &mut Vec::new())?;
    let Some((value, path)) = found else { return Ok(Vec::new()) };
    let all = match value {
        Value::Sequence(all) => all.iter().map(Value::as_str).collect(),
        value => value.as_str().map(|text| vec![text]),
    };
    all.ok_or(Mistyped { path, is: type_of(value), want })
}

/// A value that takes effect, and its path as it is written.
type Found<'a> = (&'a Value, Vec<String>);

fn checked<'a>(value: &'a Value, steps: &[&str], path: &mut Vec<String>) -> Result<Option<Found<'a>>, Mistyped> {
    let Some((step, rest)) = steps.split_first().filter(|_| !value.is_null()) else {
        return Ok(Some((value, path.clone())).filter(|_| !value.is_null()));
    };
    let mistyped = || Mistyped { path: path.clone(), is: type_of(value), want: "a section" };
    let mapping = value.as_mapping().ok_or_else(mistyped)?;
    for spelling in spellings(mapping, step) {
        let Some(inner) = value.get(spelling) else { continue };
        path.push(spelling.to_owned());
        let found = checked(inner, rest, path)?;
        path.pop();
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "empty",
        Value::Bool(_) => "a truth value",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Sequence(_) => "a list",
        Value::Mapping(_) => "a section",
        Value::Tagged(_) => "a value with a tag",
    }
}

/// The texts in a list; empty where it is not set.
pub fn texts<'a>(document: &'a Value, path: &str) -> impl Iterator<Item = &'a str> {
    written(document, path).and_then(Value::as_sequence).into_iter().flatten().filter_map(Value::as_str)
}

/// The settings of a configuration, with the defaults of the version that reads it.
#[derive(Debug, Clone, Copy)]
pub struct Settings<'a> {
    table: Table,
    version: Minor,
    document: &'a Value,
}

impl<'a> Settings<'a> {
    /// The settings in a document. An unknown version has the defaults of the newest one.
    #[must_use]
    pub fn new(kind: Kind, version: Option<Minor>, document: &'a Value) -> Self {
        let table = Table::of(kind);
        let version = version.map_or_else(|| table.newest(), |version| version.max(Table::OLDEST));
        Self { table, version, document }
    }

    /// The value in the file.
    #[must_use]
    pub fn written(&self, path: &str) -> Option<&'a Value> {
        written(self.document, path)
    }

    /// Text in the file.
    #[must_use]
    pub fn text(&self, path: &str) -> Option<&'a str> {
        self.written(path).and_then(Value::as_str)
    }

    /// Whether a switch is on: in the file, or else by default.
    #[must_use]
    pub fn is_on(&self, path: &str) -> bool {
        match self.written(path) {
            Some(Value::Bool(truth)) => *truth,
            Some(Value::String(word)) => yaml_1_1_bool(word).unwrap_or(false),
            _ => self.default(path) == Some("true"),
        }
    }

    /// Whether the version has a setting.
    #[must_use]
    pub fn has(&self, path: &str) -> bool {
        self.table.key(path, self.version).is_some()
    }

    /// Whether the file itself turns a switch off.
    #[must_use]
    pub fn is_turned_off(&self, path: &str) -> bool {
        self.written(path).is_some() && !self.is_on(path)
    }

    /// The value in the file, or else the default, as text.
    #[must_use]
    pub fn in_force(&self, path: &str) -> Option<String> {
        match self.written(path) {
            Some(written) => plain(written),
            None => self.default(path).map(str::to_owned),
        }
    }

    /// The default of the version.
    #[must_use]
    pub fn default(&self, path: &str) -> Option<&'static str> {
        // A switch that is not in the default configuration of an old version is off.
        Some(self.table.key(path, self.version)?.default_in(self.version)?.yaml)
    }
}

/// The value at a path that takes effect; `null` has no effect.
fn effective<'a>(value: &'a Value, steps: &[&str]) -> Option<&'a Value> {
    let Some((step, rest)) = steps.split_first() else {
        return Some(value).filter(|value| !value.is_null());
    };
    let spellings = spellings(value.as_mapping()?, step);
    spellings.into_iter().find_map(|spelling| value.get(spelling).and_then(|value| effective(value, rest)))
}

/// A plain value as text.
#[must_use]
pub fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Value {
        serde_yaml::from_str(text).unwrap()
    }

    #[test]
    fn written_ignores_letter_case_and_merges_spellings() {
        let document =
            read("{MODULES: {edged: {nodeip: a, rootDirectory: r}}, modules: {Edged: {NodeIP: b, nodeIP: null}}}");
        // `modules` is read after `MODULES`, and `nodeIP: null` changes nothing.
        assert_eq!(written(&document, "modules.edged.nodeIP").and_then(Value::as_str), Some("b"));
        assert_eq!(written(&document, "modules.edged.rootDirectory").and_then(Value::as_str), Some("r"));
        assert_eq!(written(&document, "modules.edged.enable"), None);
        assert_eq!(written(&document, "modules.edged.nodeIP.x"), None);
    }

    #[test]
    fn value_of_another_type_is_not_absent() {
        let document =
            read("{Modules: {edged: {rootDirectory: 42, nodeIP: null, b: [x, y], c: z}}, list: [1], t: text}");
        let wrong = |path: &str| text_at(&document, path).map_err(|wrong| (wrong.path.join("."), wrong.is, wrong.want));
        assert_eq!(wrong("modules.edged.rootDirectory").unwrap_err().0, "Modules.edged.rootDirectory");
        assert_eq!(wrong("list.a"), Err(("list".to_owned(), "a list", "a section")));
        assert_eq!(wrong("t.a.b"), Err(("t".to_owned(), "a text", "a section")));
        assert_eq!((wrong("modules.edged.nodeIP"), wrong("modules.edged.x.y")), (Ok(None), Ok(None)));
        assert_eq!((wrong("t"), wrong("modules.edged.c")), (Ok(Some("text")), Ok(Some("z"))));
        assert_eq!(texts_at(&document, "modules.edged.b"), Ok(vec!["x", "y"]));
        assert_eq!(texts_at(&document, "modules.edged.c"), Ok(vec!["z"]));
        assert!(texts_at(&document, "list").is_err() && text_at(&read("[a]"), "t").is_err());
    }

    #[test]
    fn texts_are_those_of_a_list() {
        let document = read("modules: {cloudhub: {AdvertiseAddress: [192.0.2.1, 3, fd00::1]}}");
        let found = |path| texts(&document, path).collect::<Vec<_>>();
        assert_eq!(found("modules.cloudHub.advertiseAddress"), ["192.0.2.1", "fd00::1"]);
        assert!(found("modules.cloudHub.dnsNames").is_empty());
    }

    #[test]
    fn absent_setting_has_the_default_of_its_version() {
        let document = read("modules: {edgehub: {Enable: no}}");
        let of = |version: u16| Settings::new(Kind::EdgeCore, Some(Minor::new(version)), &document);
        let socket = |version| of(version).in_force("modules.edged.remoteRuntimeEndpoint");
        assert_eq!(socket(12).as_deref(), Some("unix:///var/run/dockershim.sock"));
        assert_eq!(socket(13).as_deref(), Some("unix:///run/containerd/containerd.sock"));
        assert_eq!(socket(18), None);
        assert_eq!(socket(2), socket(4), "an older version is taken for the oldest known one");
        assert!(of(8).is_turned_off("modules.edgeHub.enable") && of(8).is_on("modules.edged.enable"));
    }
}
