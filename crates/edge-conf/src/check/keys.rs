//! Checks every key of the file against the key table.

use super::{Duplicate, SettingFinding, Severity};
use edge_kubeedge::address::not_meant;
use edge_kubeedge::runtime::V1ALPHA2;
use edge_kubeedge::schema::{KeyType, Lookup, Match, Rule, Table, format_path};
use edge_kubeedge::settings::{Settings, plain};
use edge_kubeedge::{Kind, Minor};
use serde_yaml::{Mapping, Value};
use std::cell::Cell;
use std::collections::{HashMap, HashSet};

/// Most unknown keys for which a similar key is searched. A file with more is not a configuration, and
/// the searches would take minutes.
const MAX_SEARCHES: usize = 200;
/// Most other spellings of a key that are listed.
const MAX_VARIANTS: usize = 10;

/// Exact duplicates.
pub(super) fn duplicates(duplicates: &[Duplicate], findings: &mut Vec<SettingFinding>) {
    for duplicate in duplicates {
        let lines: Vec<String> = duplicate.lines.iter().map(usize::to_string).collect();
        let message = format!(
            "is set more than once, in lines {}; KubeEdge uses the last one and ignores the others",
            lines.join(", ")
        );
        findings.push(
            SettingFinding::new(Severity::Error, &duplicate.steps, message)
                .hint("keep only one; of a section, the earlier one is ignored as a whole"),
        );
    }
}

/// Walks the file.
pub(super) fn walk(kind: Kind, version: Option<Minor>, doc: &Value, findings: &mut Vec<SettingFinding>) {
    let values = Settings::new(kind, version, doc);
    let table = Table::of(kind);
    let names = table.names().chain(Table::of(kind.other()).names()).collect();
    let implied = implied(kind, version, &values);
    let rules = table.all_rules();
    let walker = Walker { kind, table, version, implied, values, names, rules, searches: Cell::new(0) };
    if let Value::Mapping(root) = doc {
        walker.section(&mut Vec::new(), root, findings);
    }
}

/// The first version that the file claims to be for, where no version is given.
fn implied(kind: Kind, version: Option<Minor>, values: &Settings<'_>) -> Option<Minor> {
    let claims = kind == Kind::EdgeCore && version.is_none() && values.text("apiVersion")?.ends_with("/v1alpha2");
    claims.then_some(V1ALPHA2)
}

struct Walker<'a> {
    kind: Kind,
    table: Table,
    version: Option<Minor>,
    implied: Option<Minor>,
    values: Settings<'a>,
    /// Every key of either kind, in lower case.
    names: HashSet<String>,
    /// What values must be, by path.
    rules: HashMap<&'static str, Vec<Rule>>,
    /// Unknown keys that were looked up so far.
    searches: Cell<usize>,
}

impl Walker<'_> {
    fn section(&self, at: &mut Vec<String>, mapping: &Mapping, findings: &mut Vec<SettingFinding>) {
        let mut same: HashMap<String, Vec<&str>> = HashMap::new();
        for key in mapping.keys().filter_map(Value::as_str) {
            same.entry(key.to_ascii_lowercase()).or_default().push(key);
        }
        same.retain(|_, spellings| spellings.len() > 1);
        same.values_mut().for_each(|spellings| spellings.sort_unstable_by(|a, b| b.as_bytes().cmp(a.as_bytes())));
        for (key, value) in mapping {
            let Some(key) = key.as_str() else {
                // Others are refused by KubeEdge's parser.
                if !matches!(key, Value::Bool(_) | Value::Number(_)) {
                    continue;
                }
                findings.push(SettingFinding::new(
                    Severity::Warning,
                    at,
                    "has a key that is not text; KubeEdge ignores it",
                ));
                continue;
            };
            at.push(key.to_owned());
            // Reported once, at the spelling that takes effect.
            let spellings = same.get(&key.to_ascii_lowercase()).filter(|spellings| spellings.first() == Some(&key));
            findings.extend(spellings.map(|spellings| other_spellings(at, value, spellings)));
            self.key(at, value, findings);
            at.pop();
        }
    }

    fn key(&self, at: &mut Vec<String>, value: &Value, findings: &mut Vec<SettingFinding>) {
        let steps: Vec<&str> = at.iter().map(String::as_str).collect();
        let ignored =
            |message: String| SettingFinding::new(Severity::Error, at, format!("{message}; KubeEdge ignores it"));
        let finding = match self.lookup(&steps) {
            Lookup::Known(found) => {
                findings.extend(self.lost(at, &found));
                self.value(at, &found, value, findings);
                return;
            }
            Lookup::Dead { found, by } => {
                findings.extend(self.dead(at, &found, value, &by));
                self.value(at, &found, value, findings);
                return;
            }
            Lookup::WrongPlace { belongs } => {
                ignored("is in the wrong place".to_owned()).hint(format!("move it to {belongs}"))
            }
            Lookup::WrongKind { kind, path } => {
                ignored(format!("is a key of {}", kind.file_name())).hint(format!("set {path} in {}", kind.file_name()))
            }
            Lookup::NotYet { first, instead, .. } => {
                let finding = ignored(format!("was added in KubeEdge {first}"));
                let finding = finding.warning_if(self.is_default(at, value, first));
                match instead {
                    Some(instead) => finding.hint(format!("use {instead}")),
                    None => finding,
                }
            }
            Lookup::Gone { last, now, .. } => match now {
                Some(now) => {
                    let in_force = self.values.in_force(&now);
                    let finding = ignored(format!("was removed after KubeEdge {last}")).hint(format!("use {now}"));
                    finding.warning_if(plain(value).is_some_and(|text| text == in_force.unwrap_or_default()))
                }
                // A setting that nothing replaces is only a leftover.
                None => ignored(format!("was removed after KubeEdge {last}")).warning_if(true),
            },
            Lookup::Unknown { closest } => {
                let finding = ignored("is not a known key".to_owned());
                match closest {
                    Some(closest) => finding.hint(format!("did you mean {closest}?")),
                    None => finding,
                }
            }
        };
        findings.push(finding);
    }

    fn lookup(&self, steps: &[&str]) -> Lookup {
        let name = steps.last().map(|name| name.to_ascii_lowercase()).unwrap_or_default();
        if !self.names.contains(&name) {
            let searches = self.searches.replace(self.searches.get() + 1);
            if searches >= MAX_SEARCHES {
                return Lookup::Unknown { closest: None };
            }
        }
        self.table.lookup(steps, self.version)
    }

    /// Whether a version has all this by default, so that a program and not the user has written it.
    fn is_default(&self, at: &[String], value: &Value, version: Minor) -> bool {
        if let Value::Mapping(section) = value {
            let entry = |(key, value): (&Value, &Value)| {
                let at = [at, &[key.as_str().unwrap_or_default().to_owned()]].concat();
                self.is_default(&at, value, version)
            };
            return section.iter().all(entry);
        }
        let default = self.table.key(&format_path(at), version).and_then(|key| key.default_in(version));
        default.is_some_and(|default| serde_yaml::from_str(default.yaml).is_ok_and(|default: Value| default == *value))
    }

    /// Without a known version: a key that is too old for the apiVersion of the file.
    fn lost(&self, at: &[String], found: &Match) -> Option<SettingFinding> {
        let implied = self.implied?;
        let last = found.rows.iter().map(|row| row.last).max_by_key(|last| last.map_or(u16::MAX, Minor::number))??;
        if last >= implied {
            return None;
        }
        let message = format!(
            "was removed after KubeEdge {last}, but apiVersion is that of {implied} and newer, which ignore it"
        );
        let finding = SettingFinding::new(Severity::Error, at, message);
        Some(match self.table.counterpart(found.key.path, implied) {
            Some(now) => finding.hint(format!("use {now}")),
            None => finding,
        })
    }

    /// A key without effect is a problem only if the user has set it, and to another value than the key that takes
    /// effect: every file that KubeEdge wrote contains the default.
    fn dead(&self, at: &[String], found: &Match, value: &Value, by: &str) -> Option<SettingFinding> {
        let in_force = self.values.in_force(by);
        let default = self.version.and_then(|version| found.key.default_in(version));
        let is_default = default.is_some_and(|default| value.as_str() == Some(default.yaml));
        if is_default || value.is_null() || (in_force.is_some() && plain(value) == in_force) {
            return None;
        }
        let successor = self.table.moves().any(|(_, to)| to == by);
        let severity = if successor { Severity::Error } else { Severity::Warning };
        let message = "has no effect in this version of KubeEdge";
        Some(SettingFinding::new(severity, at, message).hint(format!("set {by}")))
    }

    fn value(&self, at: &mut Vec<String>, found: &Match, value: &Value, findings: &mut Vec<SettingFinding>) {
        let program = self.kind.program();
        if let Err(error) = found.check(value) {
            findings.push(SettingFinding::new(Severity::Error, at, format!("{error}; {program} does not start")));
            return;
        }
        match (found.ty, value) {
            (KeyType::Object, Value::Null) if crashes_when_empty(found.key.path) => {
                let message = format!("is an empty section; {program} crashes on it at start");
                findings
                    .push(SettingFinding::new(Severity::Error, at, message).hint("add its keys or remove the section"));
            }
            (KeyType::Object, Value::Mapping(section)) => self.section(at, section, findings),
            (KeyType::List("object"), Value::Sequence(elements)) => {
                for (position, element) in elements.iter().enumerate() {
                    if let Value::Mapping(section) = element {
                        at.push(format!("[{position}]"));
                        self.section(at, section, findings);
                        at.pop();
                    }
                }
            }
            (KeyType::Bool, Value::String(word)) => {
                let truth = edge_kubeedge::schema::yaml_1_1_bool(word).unwrap_or(false);
                let message = format!("must be true or false, not \"{word}\" in quotes; {program} does not start");
                findings.push(SettingFinding::new(Severity::Error, at, message).hint(format!("set it to {truth}")));
            }
            (KeyType::List(_), Value::Sequence(elements)) => {
                let rules = self.rules_of(&format!("{}[]", found.key.path));
                for (position, element) in elements.iter().enumerate() {
                    at.push(format!("[{position}]"));
                    self.apply(at, rules, found, element, findings);
                    at.pop();
                }
            }
            _ => self.apply(at, self.rules_of(found.key.path), found, value, findings),
        }
    }

    fn rules_of(&self, path: &str) -> &[Rule] {
        self.rules.get(path).map(Vec::as_slice).unwrap_or_default()
    }

    /// What the version does with values of the right type.
    fn apply(&self, at: &[String], rules: &[Rule], found: &Match, value: &Value, findings: &mut Vec<SettingFinding>) {
        if let Some(violation) = self.table.violation(rules, &found.rows, self.version, value, &self.values) {
            let severity = match (violation.is_unused, violation.is_error) {
                (true, _) => Severity::Note,
                (false, true) => Severity::Error,
                (false, false) => Severity::Warning,
            };
            findings.push(SettingFinding::new(severity, at, violation.text));
        } else if let Some(why) = value.as_str().and_then(not_meant)
            && found.ty == KeyType::Text
        {
            findings.push(SettingFinding::new(Severity::Warning, at, format!("is not a value: {why}")));
        }
    }
}

/// Sections that KubeEdge uses without checking that they exist.
fn crashes_when_empty(path: &str) -> bool {
    let depth = path.split('.').count();
    let server = ["websocket", "quic", "https", "unixsocket", "tailoredKubeletConfig"];
    match depth {
        1 => path != "leaderelection",
        2 => path.starts_with("modules."),
        _ => path.rsplit('.').next().is_some_and(|leaf| server.contains(&leaf)),
    }
}

/// The same key in several spellings, the one that takes effect first.
fn other_spellings(at: &[String], value: &Value, spellings: &[&str]) -> SettingFinding {
    let key = spellings.first().copied().unwrap_or_default();
    let others = &spellings[1..];
    let more = others.len().saturating_sub(MAX_VARIANTS);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let others = others.iter().take(MAX_VARIANTS).copied().collect::<Vec<_>>().join(" and ");
    let message = match value {
        Value::Mapping(_) => {
            format!("is also spelled {others}{more}; KubeEdge merges them, and {key} takes precedence")
        }
        _ => format!("is also spelled {others}{more}; KubeEdge uses {key}, whatever the order"),
    };
    SettingFinding::new(Severity::Error, at, message).hint(format!("keep only {}", format_path(at)))
}
