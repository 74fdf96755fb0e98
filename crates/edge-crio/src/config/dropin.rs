//! Edits edge-crio's drop-in for CRI-O: sets the requested keys and leaves everything else in it.

use std::fmt;
use std::ops::Range;

use clap::ValueEnum;
use edge_host::{Error, Exit, Result};
use toml_edit::{Document, DocumentMut, InlineTable, Item, Table, value};

use super::{OWN, REPAIR, not_toml};

const HEADER: &str = "# Made by edge-crio; `edge-crio undo` removes it. CRI-O reads the files of this directory in the order of their\n# names; the last one that sets a key takes precedence.\n\n";

const CONMON_CGROUP: [&str; 2] = ["runtime", "conmon_cgroup"];

/// The cgroup driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Driver {
    /// systemd, CRI-O's default.
    Systemd,
    /// CRI-O creates cgroups itself, for hosts without systemd.
    Cgroupfs,
}

impl Driver {
    /// The value of `cgroup_manager`.
    pub fn name(self) -> &'static str {
        match self {
            Driver::Systemd => "systemd",
            Driver::Cgroupfs => "cgroupfs",
        }
    }

    /// The driver of this name.
    pub fn parse(text: &str) -> Option<Driver> {
        [Driver::Systemd, Driver::Cgroupfs].into_iter().find(|driver| driver.name() == text)
    }
}

impl fmt::Display for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The requested keys; `None` leaves a key as it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Keys {
    /// cgroup_manager, together with conmon_cgroup.
    pub driver: Option<Driver>,
    /// pause_image.
    pub pause_image: Option<String>,
}

/// The drop-in with the keys set, and a line for each changed key. Refuses a text that is not valid TOML.
pub fn drop_in(text: &str, keys: &Keys) -> Result<(String, Vec<String>)> {
    let mut document: DocumentMut = text.parse().map_err(|error| not_toml(OWN, text, &error))?;
    let mut details = Vec::new();
    if let Some(driver) = keys.driver {
        set(&mut document, ["runtime", "cgroup_manager"], driver.name(), &mut details)?;
        // With cgroupfs CRI-O only starts if conmon is in the pod's cgroup.
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

fn set(document: &mut DocumentMut, path: [&str; 2], requested: &str, details: &mut Vec<String>) -> Result<()> {
    let [section, key] = path;
    let before = shown(document, path);
    if before.as_deref() == Some(requested) {
        return Ok(());
    }
    let changed = before.map_or_else(|| requested.to_owned(), |before| format!("{before} -> {requested}"));
    details.push(format!("crio.{section}.{key}: {changed}"));
    let crio = document.entry("crio").or_insert_with(|| {
        let mut table = Table::new();
        table.set_implicit(true);
        Item::Table(table)
    });
    // An inline table cannot contain a table with lines of its own.
    let is_inline = crio.is_inline_table();
    let Some(table) = crio.as_table_like_mut() else { return Err(not_a_table("crio")) };
    let item = table.entry(section).or_insert_with(|| match is_inline {
        true => Item::Value(InlineTable::new().into()),
        false => Item::Table(Table::new()),
    });
    let Some(table) = item.as_table_like_mut() else { return Err(not_a_table(&format!("crio.{section}"))) };
    match table.get_mut(key).and_then(Item::as_value_mut) {
        // Replaced in place, to keep the comments around it.
        Some(old) => {
            let decor = old.decor().clone();
            *old = requested.into();
            *old.decor_mut() = decor;
        }
        None => {
            table.insert(key, value(requested));
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
        *document = rest.parse().map_err(|error| not_toml(OWN, &rest, &error))?;
    } else if let Some(table) = document["crio"][section].as_table_like_mut() {
        table.remove(key);
    }
    Ok(())
}

/// A value as it is written.
fn shown(document: &DocumentMut, [section, key]: [&str; 2]) -> Option<String> {
    let item = document.get("crio")?.get(section)?.get(key)?;
    Some(item.as_str().map_or_else(|| item.to_string().trim().to_owned(), str::to_owned))
}

/// The lines of a key and its value outside of inline tables. Removing only these keeps the comments above.
fn lines_of(text: &str, [section, key]: [&str; 2]) -> Option<Range<usize>> {
    let document = Document::parse(text).ok()?;
    let table = document.get("crio")?.as_table()?.get(section)?.as_table()?;
    let (key, item) = table.get_key_value(key)?;
    let (from, to) = (key.span()?.start, item.as_value()?.span()?.end);
    let start = text[..from].rfind('\n').map_or(0, |at| at + 1);
    let end = text[to..].find('\n').map_or(text.len(), |at| to + at + 1);
    Some(start..end)
}

fn not_a_table(name: &str) -> Error {
    Error::cannot("edit", OWN, format!("{name} is not a table")).with_exit(Exit::Refused).hint(REPAIR)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edited(text: &str, driver: Option<Driver>, pause: Option<&str>) -> (String, Vec<String>) {
        drop_in(text, &Keys { driver, pause_image: pause.map(str::to_owned) }).unwrap()
    }

    #[test]
    fn drop_in_adds_a_missing_section_to_an_inline_table() {
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
    fn drop_in_sets_conmon_cgroup_together_with_the_driver() {
        let (text, details) = edited("", Some(Driver::Cgroupfs), Some("registry.k8s.io/pause:3.10"));
        insta::assert_snapshot!(text, @r##"
        # Made by edge-crio; `edge-crio undo` removes it. CRI-O reads the files of this directory in the order of their
        # names; the last one that sets a key takes precedence.

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
    fn drop_in_keeps_other_settings_and_comments() {
        let text = "# mine\n[crio]\nlog_dir = \"/x\" # why\n[crio.runtime]\nlog_level = 'debug'\n";
        let (edited, _) = edited(text, Some(Driver::Systemd), None);
        assert_eq!(edited, format!("{text}cgroup_manager = \"systemd\"\n"));
        let text = "[crio.runtime]\n# one\ncgroup_manager = 'cgroupfs' # two\n# three\nconmon_cgroup = 'pod' # four\n";
        let (edited, _) = self::edited(text, Some(Driver::Systemd), None);
        assert_eq!(edited, "[crio.runtime]\n# one\ncgroup_manager = \"systemd\" # two\n# three\n");
        assert!(drop_in("a = [", &Keys::default()).unwrap_err().to_string().contains("line 1 is not valid TOML"));
        assert_eq!(drop_in("", &Keys::default()).unwrap().0, "");
        for (text, name) in [("crio = 1\n", "crio"), ("[crio]\nruntime = 'x'\n", "crio.runtime")] {
            let keys = Keys { driver: Some(Driver::Cgroupfs), pause_image: None };
            let error = drop_in(text, &keys).unwrap_err().to_string();
            assert_eq!(error, format!("cannot edit {OWN}: {name} is not a table"));
        }
    }
}
