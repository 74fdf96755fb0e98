//! The control groups of the ownership data, in every hierarchy of the host.

use std::path::{Path, PathBuf};

use edge_host::{Cgroup, Host, Pattern, Process, Result, hierarchies};
use edge_systemd::systemctl;
use serde::Deserialize;

use crate::agents::Agents;
use crate::context::Context;
use crate::ownership::{Entry, Row};

const SECTION: &str = "control-group";
const SLICE: &str = ".slice";

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Place {
    path: PathBuf,
    #[serde(default)]
    is_below_root: bool,
    #[serde(default)]
    ends_processes: bool,
}

/// A control group by its path, in each hierarchy that has it.
#[derive(Debug, Clone)]
pub(crate) struct Group {
    /// `kubepods.slice`.
    pub(crate) path: PathBuf,
    pub(crate) entry: Entry,
    /// Whether its processes are those of pods.
    pub(crate) ends_processes: bool,
    /// It in each hierarchy: v2 first, then `pids` of v1.
    pub(crate) parts: Vec<Cgroup>,
}

impl Group {
    /// The groups that exist.
    ///
    /// Errors: the hierarchies or the configurations cannot be read.
    pub(crate) fn all(host: &Host, context: &Context) -> Result<Vec<Group>> {
        let tops = hierarchies()?;
        let agents = Agents::read(host, &context.renamed)?;
        let mut all: Vec<Group> = Vec::new();
        for row in context.ownership.rows::<Place>(SECTION)? {
            let roots = agents.cgroup_roots.iter().filter(|_| row.own.is_below_root);
            let configured = roots.map(|root| below_root(&root.path, &row.own.path));
            for place in std::iter::once(row.own.path.clone()).chain(configured) {
                add(&mut all, &tops, &row, &place)?;
            }
        }
        Ok(all)
    }

    /// The processes in it, in any hierarchy.
    pub(crate) fn processes(&self) -> Result<Vec<u32>> {
        let mut all = Vec::new();
        for part in &self.parts {
            all.extend(part.processes()?);
        }
        all.sort_unstable();
        all.dedup();
        Ok(all)
    }

    /// What tells it from a group of the same name that is made later.
    pub(crate) fn identity(&self) -> Result<Vec<u8>> {
        let mut identity = Vec::new();
        for part in &self.parts {
            identity.extend_from_slice(&part.inode()?.unwrap_or_default().to_le_bytes());
        }
        Ok(identity)
    }

    /// Whether systemd has a unit for it.
    pub(crate) fn is_slice(&self) -> bool {
        self.name().ends_with(SLICE)
    }

    /// The units of such groups that systemd lists as failed, each with its entry.
    pub(crate) fn failed(context: &Context) -> Result<Vec<(String, Entry)>> {
        let rows = context.ownership.rows::<Place>(SECTION)?;
        let mut all = Vec::new();
        for unit in systemctl::failed("scope,slice")? {
            let is_it = |row: &&Row<Place>| name_of(&row.own.path).matches(&unit);
            all.extend(rows.iter().find(is_it).map(|row| (unit.clone(), row.entry.clone())));
        }
        Ok(all)
    }

    pub(crate) fn name(&self) -> String {
        self.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }
}

pub(crate) fn check(context: &Context) -> Result<()> {
    context.ownership.rows::<Place>(SECTION).map(drop)
}

/// `2 processes`.
pub(crate) fn counted(number: usize) -> String {
    if number == 1 { "1 process".to_owned() } else { format!("{number} processes") }
}

/// The control group of pods that the calling process is in: it would end itself with them.
pub(crate) fn own_group(host: &Host, context: &Context) -> Result<Option<String>> {
    let rows = context.ownership.rows::<Place>(SECTION)?;
    let places: Vec<&Path> =
        rows.iter().filter(|row| row.own.ends_processes).map(|row| row.own.path.as_path()).collect();
    if let Some(own) = Process::own(&host.root).cgroups().into_iter().find(|own| is_in_pods(own, &places)) {
        return Ok(Some(own));
    }
    // In a cgroup namespace of its own its path does not show it.
    let pid = std::process::id();
    for group in Group::all(host, context)?.into_iter().filter(|group| group.ends_processes) {
        if group.processes()?.contains(&pid) {
            return Ok(Some(group.path.display().to_string()));
        }
    }
    Ok(None)
}

/// Also where the path is relative to another cgroup namespace, or below a cgroup root.
fn is_in_pods(own: &str, places: &[&Path]) -> bool {
    let is_pods = |name: &str| {
        let in_slice = |place: &str| place.ends_with(SLICE) && name.ends_with(&format!("-{place}"));
        places.iter().filter_map(|place| place.to_str()).any(|place| name == place || in_slice(place))
    };
    own.split('/').any(is_pods)
}

/// Adds the groups at a place whose last name may be a pattern.
fn add(all: &mut Vec<Group>, tops: &[Cgroup], row: &Row<Place>, place: &Path) -> Result<()> {
    let name = name_of(place);
    let above = place.parent().unwrap_or(Path::new(""));
    for top in tops {
        let Some(above) = top.child(above)? else { continue };
        for part in above.children()? {
            if !part.name().to_str().is_some_and(|part| name.matches(part)) {
                continue;
            }
            let path: PathBuf = part.path().components().skip(1).collect();
            match all.iter_mut().find(|group| group.path == path) {
                // Named twice: it is counted once.
                Some(group) => group.parts.extend((!group.parts.contains(&part)).then_some(part)),
                None => all.push(Group {
                    path,
                    entry: row.entry.clone(),
                    ends_processes: row.own.ends_processes,
                    parts: vec![part],
                }),
            }
        }
    }
    Ok(())
}

/// The pattern of its last name. That of a configuration may contain anything.
fn name_of(place: &Path) -> Pattern {
    let name = place.file_name().unwrap_or_default().to_string_lossy();
    name.parse().unwrap_or_else(|_| Pattern::exactly(name))
}

/// Where the group is for a kubelet with this cgroup root: systemd's slices carry the path in their name
/// (kubelet `pkg/kubelet/cm/cgroup_manager_linux.go`, ToSystemd).
fn below_root(root: &Path, place: &Path) -> PathBuf {
    let Some(last) = place.to_str().and_then(|place| place.strip_suffix(SLICE)) else { return root.join(place) };
    let (mut path, mut name) = (PathBuf::new(), String::new());
    let names = root.iter().map(|name| name.to_string_lossy().replace('-', "_")).chain([last.to_owned()]);
    for part in names {
        name = if name.is_empty() { part } else { format!("{name}-{part}") };
        path.push(format!("{name}{SLICE}"));
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn group_below_a_root_has_the_name_that_the_kubelet_gives_it() {
        let of = |root: &str, place: &str| below_root(Path::new(root), Path::new(place)).display().to_string();
        assert_eq!(of("a/b", "kubepods"), "a/b/kubepods");
        assert_eq!(of("a/b-c", "kubepods.slice"), "a.slice/a-b_c.slice/a-b_c-kubepods.slice");
    }

    #[test]
    fn own_group_is_that_of_pods_wherever_it_is() {
        let places = [Path::new("kubepods"), Path::new("kubepods.slice")];
        for own in [
            "/kubepods/burstable/pod1/2",
            "/kubepods.slice/kubepods-besteffort.slice/x",
            "/../../kubepods/pod1",
            "/a.slice/a-kubepods.slice/a-kubepods-pod1.slice",
        ] {
            assert!(is_in_pods(own, &places), "{own}");
        }
        for own in ["/", "/user.slice/kubepods.service", "/system.slice/kubepodsx", "/mykubepods.slice"] {
            assert!(!is_in_pods(own, &places), "{own}");
        }
    }
}
