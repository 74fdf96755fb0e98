//! Links that enable a unit, and those that its \[Install\] section requests.

use std::cell::OnceCell;
use std::collections::{BTreeMap, HashSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use edge_host::{FileSnapshot, Result, Root, State};

use crate::dirs::{ADMIN_UNITS, masks};
use crate::name::is_unit_name;
use crate::settings::Settings;

/// Suffixes of directories whose links start units together with another one (`.upholds` since systemd 254).
pub(crate) const DEPENDENCIES: [&str; 3] = [".wants", ".requires", ".upholds"];
const INSTALL: &str = "Install";

/// A link to a unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Its path.
    pub path: PathBuf,
    /// The link itself, not followed.
    pub itself: FileSnapshot,
}

impl Link {
    /// Whether the administrator made it, not a package.
    pub fn is_admins(&self) -> bool {
        self.path.starts_with(ADMIN_UNITS)
    }
}

/// A directory of links.
#[derive(Debug)]
pub(crate) struct LinkDir {
    pub(crate) path: PathBuf,
    /// Its names, listed for the first unit; none if it cannot be listed.
    names: OnceCell<Option<Vec<OsString>>>,
}

impl LinkDir {
    /// Whether it may have this name.
    fn may_have(&self, root: &Root, name: &str) -> bool {
        let names = self.names.get_or_init(|| root.list(&self.path).ok());
        names.as_ref().is_none_or(|names| names.iter().any(|listed| listed == name))
    }
}

/// The directories of links, grouped by name (`multi-user.target.wants`), the one that takes precedence first.
pub(crate) fn groups(listing: &[(PathBuf, HashSet<String>)]) -> Vec<Vec<LinkDir>> {
    let mut groups: BTreeMap<&str, Vec<LinkDir>> = BTreeMap::new();
    for (dir, names) in listing {
        for name in names.iter().filter(|name| DEPENDENCIES.iter().any(|end| name.ends_with(end))) {
            groups.entry(name).or_default().push(LinkDir { path: dir.join(name), names: OnceCell::new() });
        }
    }
    groups.into_values().collect()
}

/// The effective links to a unit with these names.
pub(crate) fn links_in(root: &Root, groups: &[Vec<LinkDir>], names: &[String]) -> Result<Vec<Link>> {
    let mut links = Vec::new();
    for name in names {
        for places in groups {
            for place in places.iter().filter(|place| place.may_have(root, name)) {
                let path = place.path.join(name);
                let itself = root.find_link(&path)?;
                match &itself.state {
                    State::Absent => {}
                    State::Link { .. } if !masks(root, &path, &itself)? => links.push(Link { path, itself }),
                    _ => break,
                }
            }
        }
    }
    links.sort_by_key(|link| !link.is_admins());
    Ok(links)
}

/// The links that `systemctl enable` makes for a unit with these settings.
pub fn requested_links(unit: &str, settings: &Settings) -> Vec<PathBuf> {
    let names = |key| settings.list(INSTALL, key).into_iter().flat_map(|one| one.value.split_whitespace());
    let names = |key| names(key).filter(|name| is_unit_name(name));
    let mut links = Vec::new();
    for (key, ending) in [("WantedBy", "wants"), ("RequiredBy", "requires"), ("UpheldBy", "upholds")] {
        links.extend(names(key).map(|name| Path::new(ADMIN_UNITS).join(format!("{name}.{ending}")).join(unit)));
    }
    links.extend(names("Alias").filter(|name| *name != unit).map(|name| Path::new(ADMIN_UNITS).join(name)));
    links
}

/// The names of `Alias=` in a unit's file.
pub(crate) fn aliases(text: &[u8], unit: &str) -> Vec<String> {
    let mut settings = Settings::new(unit);
    settings.add(Path::new(ADMIN_UNITS), text);
    let all = settings.list(INSTALL, "Alias").into_iter().flat_map(|one| one.value.split_whitespace());
    all.filter(|name| *name != unit && is_unit_name(name)).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requested_links_are_those_of_the_install_section() {
        let text = "[Unit]\nAlias=no.service\n[Install]\nWantedBy=a.target\nWantedBy=\nWantedBy=multi-user.target \\\n \
                    graphical.target\nRequiredBy=x.service\nAlias=cri-o.service ../x crio.service\n";
        let mut settings = Settings::new("crio.service");
        settings.add(Path::new("/x"), text.as_bytes());
        let shown: Vec<String> =
            requested_links("crio.service", &settings).iter().map(|link| link.display().to_string()).collect();
        assert_eq!(
            shown,
            [
                "/etc/systemd/system/multi-user.target.wants/crio.service",
                "/etc/systemd/system/graphical.target.wants/crio.service",
                "/etc/systemd/system/x.service.requires/crio.service",
                "/etc/systemd/system/cri-o.service"
            ]
        );
    }
}
