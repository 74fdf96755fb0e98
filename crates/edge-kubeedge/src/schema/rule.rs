//! What a version of KubeEdge does with values that have the right type: the `rule` lines of the key table.

use super::table::{Key, Table, range, within};
use crate::Minor;
use crate::settings::{Settings, plain};
use crate::value::ValueKind;
use edge_yaml::Value;
use std::collections::HashMap;

/// A line `rule PATH VERSIONS KIND EFFECT`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The path in KubeEdge's spelling, with `[]` for the items of a list.
    pub path: &'static str,
    /// The first version that has it.
    pub first: Minor,
    /// The last version that has it.
    pub last: Option<Minor>,
    /// What the value must be.
    pub kind: ValueKind,
    /// Whether it may be empty.
    pub may_be_empty: bool,
    effect: &'static str,
}

/// A value that a rule does not accept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// What is wrong with the value, and what follows from it.
    pub text: String,
    /// KubeEdge does not start, or what the setting is for does not work; otherwise it is only likely to be wrong.
    pub is_error: bool,
    /// A module or section that is disabled has the setting, so it has no effect now.
    pub is_unused: bool,
}

const REJECTED: &str = "rejected";
const WARNING: &str = "warning: ";

impl Table {
    /// The rules of a path, oldest first.
    pub fn rules(self, path: &str) -> impl Iterator<Item = Rule> {
        self.rule_lines().filter_map(Rule::parse).filter(move |rule| rule.path == path)
    }

    /// All rules by their path, for a caller that looks up many.
    #[must_use]
    pub fn all_rules(self) -> HashMap<&'static str, Vec<Rule>> {
        let mut all: HashMap<&str, Vec<Rule>> = HashMap::new();
        self.rule_lines().filter_map(Rule::parse).for_each(|rule| all.entry(rule.path).or_default().push(rule));
        all
    }

    /// Checks a value by the rules of its key, whose rows are `rows`, in a configuration.
    ///
    /// In an unknown version, a value that some version accepts is not a violation.
    #[must_use]
    pub fn violation(
        self,
        rules: &[Rule],
        rows: &[Key],
        version: Option<Minor>,
        value: &Value,
        settings: &Settings<'_>,
    ) -> Option<Violation> {
        if rules.is_empty() {
            return None;
        }
        let text = plain(value)?;
        let version = version.map(|version| version.max(Self::OLDEST));
        let violated = |rule: &&Rule| !(text.is_empty() && rule.may_be_empty) && rule.kind.check(&text).is_err();
        let in_version = |version| rules.iter().rfind(|rule| rule.is_in(version) && violated(rule));
        let rule = match version {
            Some(version) => in_version(version)?,
            // In an unknown version it is a problem only if every version that has the key refuses the value.
            None => {
                let versions = (Self::OLDEST.number()..=self.newest().number()).map(Minor::new);
                let mut versions = versions.filter(|version| rows.iter().any(|row| row.is_in(*version)));
                versions.try_fold(None, |_, version| in_version(version).map(Some))??
            }
        };
        let bad = rule.kind.check(&text).err()?;
        let effect = rule.effect.strip_prefix(WARNING).unwrap_or(rule.effect);
        let program = self.kind().program();
        let rejected = format!("{program} does not start");
        let effect = if effect == REJECTED { &rejected } else { effect };
        let is_unused = rule.is_unused(settings);
        let effect = match is_unused {
            true => "; it is not in use".to_owned(),
            false if bad.is_tolerated() => String::new(),
            false => format!("; {effect}"),
        };
        Some(Violation {
            text: format!("{bad}{effect}"),
            is_error: !bad.is_tolerated() && !rule.effect.starts_with(WARNING),
            is_unused,
        })
    }
}

impl Rule {
    pub(super) fn parse(line: &'static str) -> Option<Self> {
        let mut fields = line.split("  ").map(str::trim).filter(|field| !field.is_empty());
        if fields.next()? != "rule" {
            return None;
        }
        let path = fields.next()?;
        let (first, last) = range(fields.next()?)?;
        let kind = fields.next()?;
        let effect = fields.next()?;
        let required = kind.strip_suffix('?');
        let kind = ValueKind::parse(required.unwrap_or(kind))?;
        fields.next().is_none().then_some(Self { path, first, last, kind, may_be_empty: required.is_some(), effect })
    }

    /// Whether it is a rule of this version.
    #[must_use]
    pub fn is_in(&self, version: Minor) -> bool {
        within(version, self.first, self.last)
    }

    /// KubeEdge's own validation depends on the module alone; a value that is merely used, on its section too.
    fn is_unused(&self, settings: &Settings<'_>) -> bool {
        // 0: only the broker in edgecore, 1: both, 2: only the external one (kubeedge v1.4 to v1.23 `MqttMode`).
        let mode = || settings.in_force("modules.eventBus.mqttMode");
        match self.path {
            "modules.eventBus.mqttServerInternal" if mode().as_deref() == Some("2") => return true,
            "modules.eventBus.mqttServerExternal" if mode().as_deref() == Some("0") => return true,
            _ => {}
        }
        let depth = if self.effect == REJECTED { 2 } else { usize::MAX };
        let dots = self.path.match_indices('.').map(|(dot, _)| dot);
        let sections = dots.filter_map(|dot| self.path.get(..dot)).skip(1).take(depth.saturating_sub(1));
        let mut switches = sections.map(|section| format!("{section}.enable")).filter(|switch| switch != self.path);
        switches.any(|switch| settings.has(&switch) && !settings.is_on(&switch))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Kind;

    #[test]
    fn every_rule_is_understood_and_names_a_row_in_all_its_versions() {
        for kind in [Kind::EdgeCore, Kind::CloudCore] {
            let table = Table::of(kind);
            for line in table.rule_lines() {
                let rule = Rule::parse(line).unwrap_or_else(|| panic!("{line}"));
                for version in rule.first.number()..=rule.last.unwrap_or(table.newest()).number() {
                    let path = rule.path.strip_suffix("[]").unwrap_or(rule.path);
                    assert!(table.key(path, Minor::new(version)).is_some(), "{line}: 1.{version}");
                }
            }
        }
    }

    #[test]
    fn defaults_violate_no_rule() {
        for kind in [Kind::EdgeCore, Kind::CloudCore] {
            let table = Table::of(kind);
            for version in Table::OLDEST.number()..=table.newest().number() {
                let version = Minor::new(version);
                let settings = Settings::new(kind, Some(version), &Value::Null);
                for key in table.keys_at(version) {
                    let Some(default) = key.default_in(version) else { continue };
                    let value = edge_yaml::read(default.yaml).unwrap();
                    let rules: Vec<Rule> = table.rules(key.path).collect();
                    let found = table.violation(&rules, &[key], Some(version), &value, &settings);
                    assert_eq!(found, None, "{} {}", key.path, default.yaml);
                }
            }
        }
    }

    fn found(path: &str, version: u16, yaml: &str) -> Option<(String, bool)> {
        let table = Table::of(Kind::EdgeCore);
        let version = (version > 0).then(|| Minor::new(version));
        let rows: Vec<Key> = table.keys().filter(|key| key.path == path).collect();
        let settings = Settings::new(Kind::EdgeCore, version, &Value::Null);
        let rules: Vec<Rule> = table.rules(path).collect();
        let found = table.violation(&rules, &rows, version, &edge_yaml::read(yaml).unwrap(), &settings)?;
        Some((found.text, found.is_error))
    }

    #[test]
    fn rule_of_the_version_decides() {
        let runtime = "modules.edged.containerRuntime";
        assert_eq!(found(runtime, 13, "docker"), None);
        let refused = "must be remote, not \"docker\"; edgecore does not start".to_owned();
        assert_eq!(found(runtime, 14, "docker"), Some((refused, true)));
        assert_eq!(found(runtime, 0, "docker"), None);
        assert!(found(runtime, 0, "rkt").is_some_and(|(_, is_error)| is_error));
        assert!(found("modules.edgeHub.websocket.server", 0, "x").is_some_and(|(_, is_error)| is_error));
    }
}
