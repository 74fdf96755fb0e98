//! Values as KubeEdge sees them: capitals ignored, spellings merged, defaults in the gaps.

use crate::schema::{Kind, Minor, Table};
use crate::spelling::spellings;
use serde_yaml::Value;

/// The settings that take effect.
pub(super) struct Values<'a> {
    table: Table,
    version: Minor,
    doc: &'a Value,
}

impl<'a> Values<'a> {
    pub(super) fn new(kind: Kind, version: Option<Minor>, doc: &'a Value) -> Self {
        let table = Table::of(kind);
        Self { table, version: version.unwrap_or_else(|| table.newest()), doc }
    }

    /// The value in the file.
    pub(super) fn written(&self, path: &str) -> Option<&'a Value> {
        let steps: Vec<&str> = path.split('.').collect();
        effective(self.doc, &steps)
    }

    /// Text in the file.
    pub(super) fn text(&self, path: &str) -> Option<&'a str> {
        self.written(path).and_then(Value::as_str)
    }

    /// Whether a switch is on: in the file, or else by default.
    pub(super) fn is_on(&self, path: &str) -> bool {
        match self.written(path) {
            Some(Value::Bool(truth)) => *truth,
            Some(Value::String(word)) => crate::schema::types::yaml_1_1_bool(word).unwrap_or(false),
            _ => self.default(path) == Some("true"),
        }
    }

    /// A switch that the file itself turns off.
    pub(super) fn is_turned_off(&self, path: &str) -> bool {
        self.written(path).is_some() && !self.is_on(path)
    }

    /// The value in the file, or else the default, as text.
    pub(super) fn in_force(&self, path: &str) -> Option<String> {
        match self.written(path) {
            Some(written) => plain(written),
            None => self.default(path).map(str::to_owned),
        }
    }

    fn default(&self, path: &str) -> Option<&'static str> {
        // A switch that an old version does not print by default is off there.
        Some(self.table.key(path, self.version)?.default_in(self.version)?.yaml)
    }
}

/// The value at a path that KubeEdge ends up with; `null` leaves what was there before.
fn effective<'a>(value: &'a Value, steps: &[&str]) -> Option<&'a Value> {
    let Some((step, rest)) = steps.split_first() else {
        return Some(value).filter(|value| !value.is_null());
    };
    let mut spellings = spellings(value.as_mapping()?, step);
    // The one that wins first, as `winner` has it.
    spellings.sort_unstable_by(|a, b| b.as_bytes().cmp(a.as_bytes()));
    spellings.into_iter().find_map(|spelling| value.get(spelling).and_then(|value| effective(value, rest)))
}

/// A plain value as text.
pub(super) fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        _ => None,
    }
}
