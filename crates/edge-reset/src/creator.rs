//! The programs that make things on a node, which of them are present, and to which profile they belong.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use clap::ValueEnum;
use edge_host::{Error, Host, Result, processes};
use edge_systemd::Units;
use serde::Deserialize;

use crate::phases::Renamed;

const DATA: &str = include_str!("../data/creators.toml");

/// Whose things are removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// KubeEdge: edgecore, cloudcore, EdgeMesh, and what runs for edgecore
    Kubeedge,
    /// kubeadm and kubelet, and what runs for kubelet
    Kubeadm,
    /// k3s, and what runs for it
    K3s,
    /// All of them
    All,
}

/// A program by its name in the data.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(transparent)]
pub(crate) struct Creator(String);

impl Creator {
    /// The name.
    pub(crate) fn name(&self) -> &str {
        &self.0
    }

    /// The name, for people.
    pub(crate) fn title(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Creator {
    fn from(name: &str) -> Creator {
        Creator(name.to_owned())
    }
}

impl fmt::Display for Creator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is known about a program.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Known {
    /// The profiles that it belongs to, beside all.
    #[serde(default)]
    profiles: Vec<Profile>,
    /// The node agents that it runs for: its things are theirs.
    #[serde(default)]
    runs_for: Vec<Creator>,
    /// Whether it is a kubelet, or contains one: what all of them share is kept for each that is present.
    #[serde(default)]
    is_kubelet: bool,
    /// A unit of one of these names shows that it is present.
    #[serde(default)]
    units: Vec<String>,
    /// So does one of these files.
    #[serde(default)]
    files: Vec<String>,
    /// So does a process of an executable with one of these names.
    #[serde(default)]
    programs: Vec<String>,
}

/// The programs that are present on a host, each with what shows it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Creators {
    known: BTreeMap<Creator, Known>,
    present: BTreeMap<Creator, String>,
}

impl Creators {
    /// Reads which are present.
    ///
    /// Errors: units that cannot be read; built-in data that is not valid.
    pub(crate) fn read(host: &Host, units: &Units<'_>, renamed: &[Renamed]) -> Result<Creators> {
        let known: BTreeMap<Creator, Known> = toml_edit::de::from_str(DATA)
            .map_err(|error| Error::failed(format!("cannot read the built-in data creators: {error}")))?;
        let mut present = BTreeMap::new();
        let running: Vec<String> = if host.root.is_live() {
            let all = processes(&host.root)?;
            let names = all.iter().filter_map(|process| Some(process.executable()?.file_name()?.to_str()?.to_owned()));
            names.collect()
        } else {
            Vec::new()
        };
        for (creator, known) in &known {
            for unit in &known.units {
                let unit = units.find(unit)?;
                if let Some(file) = unit.file().filter(|_| unit.exists() && !unit.is_masked()) {
                    present.entry(creator.clone()).or_insert(file.path.display().to_string());
                }
            }
            for file in &known.files {
                if host.root.inode(Path::new(file))?.is_some() {
                    present.entry(creator.clone()).or_insert(file.clone());
                }
            }
            if let Some(program) = known.programs.iter().find(|program| running.contains(program)) {
                present.entry(creator.clone()).or_insert(format!("the process {program}"));
            }
        }
        for unit in renamed {
            for creator in &unit.creators {
                present.entry(creator.clone()).or_insert(unit.path.display().to_string());
            }
        }
        Ok(Creators { known, present })
    }

    /// The names of all programs that are known.
    pub(crate) fn names(&self) -> impl Iterator<Item = &Creator> {
        self.known.keys()
    }

    /// What shows that a program is present.
    pub(crate) fn present(&self, creator: &Creator) -> Option<&str> {
        self.present.get(creator).map(String::as_str)
    }

    /// Whether the things of these are removed, or why not: the first of them that is present and not in the profile.
    pub(crate) fn keeper(&self, creators: &[Creator], profile: Profile) -> Keeper {
        let mut all: Vec<&Creator> = creators.iter().flat_map(|creator| self.responsible(creator)).collect();
        let is_kubelet = |creator: &Creator| self.known.get(creator).is_some_and(|known| known.is_kubelet);
        let is_of_profiles = |(_, known): &(&Creator, &Known)| known.is_kubelet && !known.profiles.is_empty();
        if self.known.iter().filter(is_of_profiles).all(|(creator, _)| all.contains(&creator)) {
            all.extend(self.known.keys().filter(|creator| is_kubelet(creator)));
        }
        let is_in = |creator: &Creator| {
            let profiles = self.known.get(creator).map_or(&[][..], |known| &known.profiles);
            profiles.contains(&profile) || (profile == Profile::All && !profiles.is_empty())
        };
        let others = all.iter().filter(|creator| !is_in(creator));
        match others.filter_map(|creator| Some((*creator, self.present(creator)?))).next() {
            Some((creator, shown)) => Keeper::Uses(creator.clone(), shown.to_owned()),
            None if all.iter().any(|creator| is_in(creator)) => Keeper::None,
            None => Keeper::OtherProfile,
        }
    }

    /// A node agent itself; of what runs for them, all agents.
    fn responsible<'c>(&'c self, creator: &'c Creator) -> Vec<&'c Creator> {
        match self.known.get(creator).map(|known| &known.runs_for) {
            Some(agents) if !agents.is_empty() => agents.iter().collect(),
            _ => vec![creator],
        }
    }
}

#[cfg(test)]
impl Creators {
    /// The built-in data, and nothing that is present.
    pub(crate) fn built_in() -> Creators {
        Creators { known: toml_edit::de::from_str(DATA).unwrap(), present: BTreeMap::new() }
    }
}

/// Who keeps a thing from being removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Keeper {
    /// Nobody.
    None,
    /// This program, which is present on the host and not in the profile, and what shows it.
    Uses(Creator, String),
    /// None of its creators is in the profile.
    OtherProfile,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn creators(present: &[&str]) -> Creators {
        let present = present.iter().map(|name| (Creator::from(*name), "a unit".to_owned())).collect();
        Creators { present, ..Creators::built_in() }
    }

    #[test]
    fn things_go_only_if_every_present_creator_is_in_the_profile() {
        let keeper = |present: &[&str], of: &[&str], profile| {
            let of: Vec<Creator> = of.iter().map(|name| Creator::from(*name)).collect();
            creators(present).keeper(&of, profile)
        };
        let uses = |name: &str| Keeper::Uses(Creator::from(name), "a unit".to_owned());
        let shared = ["kubelet", "edgecore", "k3s"];
        assert_eq!(keeper(&["edgecore"], &shared, Profile::Kubeedge), Keeper::None);
        assert_eq!(keeper(&[], &shared, Profile::Kubeedge), Keeper::None);
        assert_eq!(keeper(&["cloudcore", "kubelet"], &shared, Profile::Kubeedge), uses("kubelet"));
        assert_eq!(keeper(&["cloudcore", "kubelet"], &["cloudcore"], Profile::Kubeedge), Keeper::None);
        assert_eq!(keeper(&["cloudcore", "kubelet"], &["cni"], Profile::Kubeedge), uses("kubelet"));
        assert_eq!(keeper(&["edgecore", "kubelet"], &shared, Profile::All), Keeper::None);
        assert_eq!(keeper(&[], &["kubeadm"], Profile::Kubeedge), Keeper::OtherProfile);
        // A kubelet of no profile keeps what all of them share, and nothing else.
        assert_eq!(keeper(&["rke2"], &shared, Profile::All), uses("rke2"));
        assert_eq!(keeper(&["k0s"], &["flannel"], Profile::Kubeedge), uses("k0s"));
        // What is at the same place for two of them is not shared by all.
        assert_eq!(keeper(&["rke2"], &["k3s", "rke2"], Profile::All), uses("rke2"));
        assert_eq!(keeper(&["microk8s", "k3s"], &["k3s", "rke2"], Profile::K3s), Keeper::None);
        assert_eq!(keeper(&["microk8s", "edgecore"], &["edgecore"], Profile::Kubeedge), Keeper::None);
    }

    #[test]
    fn data_names_only_known_programs() {
        let all = creators(&[]).known;
        for (creator, known) in &all {
            assert!(known.runs_for.iter().all(|agent| all.contains_key(agent)), "{creator}");
            let is_somewhere = !known.profiles.is_empty() || !known.runs_for.is_empty() || known.is_kubelet;
            assert!(is_somewhere, "{creator} is in no profile");
        }
    }
}
