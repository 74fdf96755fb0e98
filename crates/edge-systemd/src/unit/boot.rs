//! The units that the next boot starts: the default target, and what it pulls in directly or through other units.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::path::{Path, PathBuf};

use edge_host::{Result, State};

use super::{Unit, Units};
use crate::dirs::is_mask;
use crate::links::{DEPENDENCIES, LinkDir};
use crate::name::{Name, expanded, is_unit_name};
use crate::settings::{Setting, Settings};

const DEFAULT: &str = "default.target";
/// Where no default target is set.
const USUAL: [&str; 2] = ["graphical.target", "multi-user.target"];
/// What every boot reaches.
const ALWAYS: [&str; 7] = [
    "basic.target",
    "sysinit.target",
    "local-fs.target",
    "swap.target",
    "sockets.target",
    "timers.target",
    "paths.target",
];
/// The settings of any unit that start other units together with it or after it, and what that is called.
const STARTING: [(&str, &str); 5] = [
    ("Requires", "required"),
    ("BindsTo", "required"),
    ("Wants", "wanted"),
    ("Upholds", "upheld"),
    ("OnSuccess", "started"),
];
/// Units that start another one, by default the service of the same name, and the section that may name it.
const TRIGGERS: [(&str, &str); 2] = [("timer", "Timer"), ("path", "Path")];
const TRIGGERED: &str = "Unit";
/// A host has some hundred; what is beyond is not followed.
const MOST_UNITS: usize = 4096;

/// The setting of another unit that starts a unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PulledIn {
    /// The unit that it names; a timer or path unit, if that starts the unit in question.
    pub unit: String,
    /// The unit with the setting.
    pub by: String,
    /// `required`, `wanted`, `upheld` or `started`.
    pub how: &'static str,
    /// Its key: `Wants`.
    pub key: String,
    /// The file of that unit, or its drop-in.
    pub file: PathBuf,
    /// The line in it, from 1.
    pub line: usize,
}

/// The units that the next boot starts.
#[derive(Debug, Clone, Default)]
pub struct Boot(BTreeMap<String, Option<PulledIn>>);

impl Boot {
    /// Whether a unit is started, by a link or by the setting of another unit.
    pub fn starts(&self, unit: &str) -> bool {
        self.0.contains_key(unit)
    }

    /// The setting that starts a unit, not a link; none if no unit that is started has one.
    pub fn pulled_in(&self, unit: &str) -> Option<&PulledIn> {
        self.0.get(unit).and_then(Option::as_ref)
    }

    /// The names of the units, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

impl Units<'_> {
    /// What the next boot starts. Masked units start nothing, and each unit is read once.
    ///
    /// Errors: as [`Units::settings`].
    pub fn started_at_boot(&self) -> Result<Boot> {
        let mut groups: HashMap<&str, &[LinkDir]> = HashMap::new();
        for places in &self.groups {
            if let Some(name) = places.first().and_then(|place| place.path.file_name()?.to_str()) {
                groups.insert(name, places);
            }
        }
        let default = self.find(DEFAULT)?;
        let first: Vec<&str> = if default.exists() { vec![DEFAULT] } else { USUAL.to_vec() };
        let mut walk = Walk { units: self, names: HashMap::new(), boot: Boot::default(), queue: VecDeque::new() };
        for name in first.into_iter().chain(ALWAYS) {
            walk.reach(name, None)?;
        }
        while let Some(unit) = walk.queue.pop_front() {
            for name in self.linked(&unit, &groups)? {
                walk.reach(&name, None)?;
            }
            let settings = self.settings(&unit)?;
            for (key, how) in STARTING {
                for setting in settings.of("Unit", key) {
                    for name in named(setting, &unit.name) {
                        walk.reach(&name, Some(pulled_in(&name, &unit.name, how, setting)))?;
                    }
                }
            }
            walk.trigger(&unit, &settings)?;
        }
        Ok(walk.boot)
    }

    /// The units that links start together with this one.
    fn linked(&self, unit: &Unit, groups: &HashMap<&str, &[LinkDir]>) -> Result<Vec<String>> {
        let mut all = Vec::new();
        for name in self.all_names(unit)?.iter().flat_map(|name| Name::chain(name)) {
            for end in DEPENDENCIES {
                // A file in the first directory hides those of the same name in later ones.
                let mut seen = HashSet::new();
                for place in groups.get(format!("{name}{end}").as_str()).copied().unwrap_or_default() {
                    for link in self.root.list(&place.path)?.into_iter().filter_map(|link| link.into_string().ok()) {
                        let path = place.path.join(&link);
                        let itself = self.root.find_link(&path)?;
                        let is_link = matches!(itself.state, State::Link { .. });
                        // A link to a masked unit is found by the name of that unit.
                        if seen.insert(link.clone()) && is_link && !is_mask(&path, &itself) {
                            all.push(link);
                        }
                    }
                }
            }
        }
        Ok(all)
    }
}

/// The units that are reached, and those among them that are still to be followed.
struct Walk<'u, 'r> {
    units: &'u Units<'r>,
    /// The name of the unit that each name stands for.
    names: HashMap<String, String>,
    boot: Boot,
    queue: VecDeque<Unit>,
}

impl Walk<'_, '_> {
    fn reach(&mut self, name: &str, by: Option<PulledIn>) -> Result<()> {
        if let Some(own) = self.names.get(name) {
            if let (Some(slot), Some(by)) = (self.boot.0.get_mut(own), by) {
                slot.get_or_insert(by);
            }
            return Ok(());
        }
        if !is_unit_name(name) || self.names.len() >= MOST_UNITS {
            return Ok(());
        }
        let unit = self.units.find(name)?;
        self.names.insert(name.to_owned(), unit.name.clone());
        if unit.is_masked() {
            return Ok(());
        }
        if let Some(slot) = self.boot.0.get_mut(&unit.name) {
            if let Some(by) = by {
                slot.get_or_insert(by);
            }
            return Ok(());
        }
        self.boot.0.insert(unit.name.clone(), by);
        self.names.entry(unit.name.clone()).or_insert_with(|| unit.name.clone());
        self.queue.push_back(unit);
        Ok(())
    }

    /// Follows a timer or path unit to what it starts.
    fn trigger(&mut self, unit: &Unit, settings: &Settings) -> Result<()> {
        let Some((stem, kind)) = unit.name.rsplit_once('.') else { return Ok(()) };
        let Some((_, section)) = TRIGGERS.iter().find(|(own, _)| *own == kind).filter(|_| unit.exists()) else {
            return Ok(());
        };
        let before = self.boot.pulled_in(&unit.name).cloned();
        let Some(setting) = settings.last(section, TRIGGERED) else {
            return self.reach(&format!("{stem}.service"), before);
        };
        for name in named(setting, &unit.name) {
            let own = before.clone().unwrap_or_else(|| pulled_in(&name, &unit.name, "started", setting));
            self.reach(&name, Some(own))?;
        }
        Ok(())
    }
}

fn pulled_in(unit: &str, by: &str, how: &'static str, setting: &Setting) -> PulledIn {
    let (unit, by, key) = (unit.to_owned(), by.to_owned(), setting.key.clone());
    PulledIn { unit, by, how, key, file: Path::to_path_buf(&setting.file), line: setting.line }
}

/// The units that a value names.
fn named(setting: &Setting, unit: &str) -> Vec<String> {
    let words = setting.value.split_whitespace().map(|word| word.trim_matches(['"', '\'']));
    words.filter_map(|word| expanded(word, unit)).filter(|name| is_unit_name(name)).collect()
}
