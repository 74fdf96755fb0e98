//! Our own drop-in: the few keys that are asked for, edited without touching the others in it.

use std::fmt;

use clap::ValueEnum;
use edge_host::{Error, Result};
use toml_edit::{DocumentMut, Item, Table, value};

use super::{OWN, not_toml};

const HEADER: &str = "# Made by edge-crio; `edge-crio undo` takes it back. CRI-O reads the files of this directory by name, the last\n# one that sets a key counts.\n\n";

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
        set(&mut document, "runtime", "cgroup_manager", Some(driver.name()), &mut details)?;
        // conmon in a slice is systemd's; under cgroupfs CRI-O does not start unless it is in the pod's group.
        let conmon = (driver == Driver::Cgroupfs).then_some("pod");
        set(&mut document, "runtime", "conmon_cgroup", conmon, &mut details)?;
    }
    if let Some(image) = &keys.pause_image {
        set(&mut document, "image", "pause_image", Some(image), &mut details)?;
    }
    let edited = document.to_string();
    Ok((if text.is_empty() && !details.is_empty() { format!("{HEADER}{edited}") } else { edited }, details))
}

fn set(
    document: &mut DocumentMut,
    section: &str,
    key: &str,
    wanted: Option<&str>,
    details: &mut Vec<String>,
) -> Result<()> {
    let before = document
        .get("crio")
        .and_then(|crio| crio.get(section))
        .and_then(|section| section.get(key))
        .map(|item| item.as_str().map_or_else(|| item.to_string().trim().to_owned(), str::to_owned));
    if before.as_deref() == wanted {
        return Ok(());
    }
    let path = format!("crio.{section}.{key}");
    details.push(match (&before, wanted) {
        (None, Some(wanted)) => format!("{path}: {wanted}"),
        (Some(before), Some(wanted)) => format!("{path}: {before} -> {wanted}"),
        (before, None) => format!("{path}: {} -> unset", before.as_deref().unwrap_or_default()),
    });
    let crio = document.entry("crio").or_insert_with(|| {
        let mut table = Table::new();
        table.set_implicit(true);
        Item::Table(table)
    });
    let Some(table) = crio.as_table_like_mut() else { return Err(no_table("crio")) };
    let item = table.entry(section).or_insert_with(|| Item::Table(Table::new()));
    let Some(table) = item.as_table_like_mut() else { return Err(no_table(&format!("crio.{section}"))) };
    match wanted {
        Some(wanted) => {
            table.insert(key, value(wanted));
        }
        None => {
            table.remove(key);
        }
    }
    Ok(())
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
        assert!(drop_in("a = [", &Keys::default()).unwrap_err().to_string().contains("it is no TOML"));
        assert_eq!(drop_in("", &Keys::default()).unwrap().0, "");
        for (text, name) in [("crio = 1\n", "crio"), ("[crio]\nruntime = 'x'\n", "crio.runtime")] {
            let keys = Keys { driver: Some(Driver::Cgroupfs), pause_image: None };
            let error = drop_in(text, &keys).unwrap_err().to_string();
            assert_eq!(error, format!("cannot edit {OWN}: {name} is no table in it"));
        }
    }
}
