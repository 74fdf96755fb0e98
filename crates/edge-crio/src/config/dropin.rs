//! Our own drop-in: the few keys that are asked for, edited without touching the others in it.

use std::fmt;
use std::ops::Range;

use clap::ValueEnum;
use edge_host::{Error, Result};
use toml_edit::{Document, DocumentMut, InlineTable, Item, Table, value};

use super::{OWN, not_toml};

const HEADER: &str = "# Made by edge-crio; `edge-crio undo` takes it back. CRI-O reads the files of this directory by name, the last\n# one that sets a key counts.\n\n";

const CONMON_CGROUP: [&str; 2] = ["runtime", "conmon_cgroup"];

/// Who makes the cgroups of containers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Driver {
    /// systemd, CRI-O's default.
    Systemd,
    /// CRI-O itself, where there is no systemd.
    Cgroupfs,
}

impl Driver {
    /// As in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Driver::Systemd => "systemd",
            Driver::Cgroupfs => "cgroupfs",
        }
    }

    /// From a configuration.
    pub fn parse(text: &str) -> Option<Driver> {
        [Driver::Systemd, Driver::Cgroupfs].into_iter().find(|driver| driver.name() == text)
    }
}

impl fmt::Display for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What is asked for; what is not named stays.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Keys {
    /// cgroup_manager, and conmon_cgroup along with it.
    pub driver: Option<Driver>,
    /// pause_image.
    pub pause_image: Option<String>,
}

/// The drop-in with the keys in it, and a line for each that changed.
pub fn drop_in(text: &str, keys: &Keys) -> Result<(String, Vec<String>)> {
    let mut document: DocumentMut = text.parse().map_err(|error| not_toml(OWN, &error))?;
    let mut details = Vec::new();
    if let Some(driver) = keys.driver {
        set(&mut document, ["runtime", "cgroup_manager"], driver.name(), &mut details)?;
        // conmon in a slice is systemd's; under cgroupfs CRI-O does not start unless it is in the pod's group.
        match driver {
            Driver::Cgroupfs => set(&mut document, CONMON_CGROUP, "pod", &mut details)?,
            Driver::Systemd => unset(&mut document, CONMON_CGROUP, &mut details)?,
        }
    }
    if let Some(image) = &keys.pause_image {
        set(&mut document, ["image", "pause_image"], image, &mut details)?;
    }
    let edited = document.to_string();
    Ok((if text.is_empty() && !details.is_empty() { format!("{HEADER}{edited}") } else { edited }, details))
}

fn set(document: &mut DocumentMut, path: [&str; 2], wanted: &str, details: &mut Vec<String>) -> Result<()> {
    let [section, key] = path;
    let before = shown(document, path);
    if before.as_deref() == Some(wanted) {
        return Ok(());
    }
    let changed = before.map_or_else(|| wanted.to_owned(), |before| format!("{before} -> {wanted}"));
    details.push(format!("crio.{section}.{key}: {changed}"));
    let crio = document.entry("crio").or_insert_with(|| {
        let mut table = Table::new();
        table.set_implicit(true);
        Item::Table(table)
    });
    // Within braces there is no room for a table of its own lines.
    let is_inline = crio.is_inline_table();
    let Some(table) = crio.as_table_like_mut() else { return Err(no_table("crio")) };
    let item = table.entry(section).or_insert_with(|| match is_inline {
        true => Item::Value(InlineTable::new().into()),
        false => Item::Table(Table::new()),
    });
    let Some(table) = item.as_table_like_mut() else { return Err(no_table(&format!("crio.{section}"))) };
    match table.get_mut(key).and_then(Item::as_value_mut) {
        // In its place, or the comments around it would go.
        Some(old) => {
            let decor = old.decor().clone();
            *old = wanted.into();
            *old.decor_mut() = decor;
        }
        None => {
            table.insert(key, value(wanted));
        }
    }
    Ok(())
}

fn unset(document: &mut DocumentMut, path: [&str; 2], details: &mut Vec<String>) -> Result<()> {
    let [section, key] = path;
    let Some(before) = shown(document, path) else { return Ok(()) };
    details.push(format!("crio.{section}.{key}: {before} -> unset"));
    let text = document.to_string();
    if let Some(lines) = lines_of(&text, path) {
        let rest = [&text[..lines.start], &text[lines.end..]].concat();
        *document = rest.parse().map_err(|error| not_toml(OWN, &error))?;
    } else if let Some(table) = document["crio"][section].as_table_like_mut() {
        table.remove(key);
    }
    Ok(())
}

/// A value as it stands there.
fn shown(document: &DocumentMut, [section, key]: [&str; 2]) -> Option<String> {
    let item = document.get("crio")?.get(section)?.get(key)?;
    Some(item.as_str().map_or_else(|| item.to_string().trim().to_owned(), str::to_owned))
}

/// The lines of a key and its value, which have them to themselves outside of inline tables. With the
/// lines alone the comments above stay.
fn lines_of(text: &str, [section, key]: [&str; 2]) -> Option<Range<usize>> {
    let document = Document::parse(text).ok()?;
    let table = document.get("crio")?.as_table()?.get(section)?.as_table()?;
    let (key, item) = table.get_key_value(key)?;
    let (from, to) = (key.span()?.start, item.as_value()?.span()?.end);
    let start = text[..from].rfind('\n').map_or(0, |at| at + 1);
    let end = text[to..].find('\n').map_or(text.len(), |at| to + at + 1);
    Some(start..end)
}

fn no_table(name: &str) -> Error {
    Error::refused(format!("cannot edit {OWN}: {name} is no table in it"))
        .hint("CRI-O does not start with such a file either: mend it, or move it out of the directory")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edited(text: &str, driver: Option<Driver>, pause: Option<&str>) -> (String, Vec<String>) {
        drop_in(text, &Keys { driver, pause_image: pause.map(str::to_owned) }).unwrap()
    }

    #[test]
    fn a_section_that_is_missing_within_braces_is_added_within_them() {
        let keys = Keys { driver: Some(Driver::Cgroupfs), pause_image: Some("p".to_owned()) };
        for text in
            ["crio={r={g=\"\"},}\n", "crio = {}\n", "crio = { runtime = { cgroup_manager = \"systemd\" } } # mine\n"]
        {
            let (edited, _) = drop_in(text, &keys).unwrap();
            assert!(edited.starts_with("crio"), "{edited}");
            assert_eq!(drop_in(&edited, &keys).unwrap(), (edited.clone(), Vec::new()));
        }
    }

    #[test]
    fn conmon_goes_with_the_driver() {
        let (text, details) = edited("", Some(Driver::Cgroupfs), Some("registry.k8s.io/pause:3.10"));
        insta::assert_snapshot!(text, @r##"
        # Made by edge-crio; `edge-crio undo` takes it back. CRI-O reads the files of this directory by name, the last
        # one that sets a key counts.

        [crio.runtime]
        cgroup_manager = "cgroupfs"
        conmon_cgroup = "pod"

        [crio.image]
        pause_image = "registry.k8s.io/pause:3.10"
        "##);
        assert_eq!(details.len(), 3);
        assert_eq!(edited(&text, Some(Driver::Cgroupfs), Some("registry.k8s.io/pause:3.10")), (text.clone(), vec![]));
        let (text, details) = edited(&text, Some(Driver::Systemd), None);
        assert!(!text.contains("conmon"), "{text}");
        assert_eq!(
            details,
            ["crio.runtime.cgroup_manager: cgroupfs -> systemd", "crio.runtime.conmon_cgroup: pod -> unset"]
        );
    }

    #[test]
    fn what_someone_added_stays() {
        let text = "# mine\n[crio]\nlog_dir = \"/x\" # why\n[crio.runtime]\nlog_level = 'debug'\n";
        let (edited, _) = edited(text, Some(Driver::Systemd), None);
        assert_eq!(edited, format!("{text}cgroup_manager = \"systemd\"\n"));
        let text = "[crio.runtime]\n# one\ncgroup_manager = 'cgroupfs' # two\n# three\nconmon_cgroup = 'pod' # four\n";
        let (edited, _) = self::edited(text, Some(Driver::Systemd), None);
        assert_eq!(edited, "[crio.runtime]\n# one\ncgroup_manager = \"systemd\" # two\n# three\n");
        assert!(drop_in("a = [", &Keys::default()).unwrap_err().to_string().contains("it is no TOML"));
        assert_eq!(drop_in("", &Keys::default()).unwrap().0, "");
        for (text, name) in [("crio = 1\n", "crio"), ("[crio]\nruntime = 'x'\n", "crio.runtime")] {
            let keys = Keys { driver: Some(Driver::Cgroupfs), pause_image: None };
            let error = drop_in(text, &keys).unwrap_err().to_string();
            assert_eq!(error, format!("cannot edit {OWN}: {name} is no table in it"));
        }
    }
}
