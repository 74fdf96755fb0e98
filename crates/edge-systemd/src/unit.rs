//! Units: their files, masks, aliases, drop-ins and settings.

mod boot;

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use edge_host::{Error, FileSnapshot, Result, Root, State};

use crate::dirs::{Scope, effective_files, is_unit_dir, masks, target_of, unit_dirs};
use crate::links::{Link, LinkDir, groups, links_in};
use crate::name::Name;
use crate::settings::Settings;
pub use boot::{Boot, PulledIn};

/// The limit for following links from name to name.
const MOST_ALIASES: usize = 8;
/// Limits for one unit: its drop-ins, and the bytes of all its files.
const MOST_DROPINS: usize = 1024;
const MOST_BYTES: usize = 4 << 20;
/// The suffix of a directory of drop-ins, after the name of a unit, a prefix of it, or a type.
const DROPINS: &str = ".d";

/// A file of a unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnitFile {
    /// Its path.
    pub path: PathBuf,
    /// The file or link itself, not followed.
    pub itself: FileSnapshot,
    /// Whether it masks the unit.
    pub is_mask: bool,
}

/// The files of a unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    /// Its name; not the requested one if that is an alias.
    pub name: String,
    /// Every file of this name, the one that takes precedence first.
    pub files: Vec<UnitFile>,
    /// The requested name and further aliases, if the name is an alias.
    aliases: Vec<String>,
}

impl Unit {
    /// The file that takes precedence.
    pub fn file(&self) -> Option<&UnitFile> {
        self.files.first()
    }

    /// Whether it has a file.
    pub fn exists(&self) -> bool {
        !self.files.is_empty()
    }

    /// Whether it is masked and cannot be started.
    pub fn is_masked(&self) -> bool {
        self.file().is_some_and(|file| file.is_mask)
    }
}

/// All units of a host. The directories are listed once for any number of queries.
#[derive(Debug)]
pub struct Units<'r> {
    root: &'r Root,
    /// The names in each directory, the one that takes precedence first.
    listing: Vec<(PathBuf, HashSet<String>)>,
    /// Directories of enabling links, grouped by name.
    groups: Vec<Vec<LinkDir>>,
    /// Aliases that have drop-ins, by unit.
    aliases: HashMap<String, Vec<String>>,
}

impl<'r> Units<'r> {
    /// Lists the directories of units.
    pub fn read(root: &'r Root, scope: Scope) -> Result<Units<'r>> {
        let mut listing: Vec<(PathBuf, HashSet<String>)> = Vec::new();
        for dir in unit_dirs(root, scope)? {
            let names = root.list(&dir)?.into_iter().filter_map(|name| name.into_string().ok()).collect();
            listing.push((dir, names));
        }
        let groups = groups(&listing);
        let mut units = Units { root, listing, groups, aliases: HashMap::new() };
        let stems: HashSet<&str> =
            units.listing.iter().flat_map(|(_, names)| names).filter_map(|name| name.strip_suffix(DROPINS)).collect();
        let mut aliases: HashMap<String, Vec<String>> = HashMap::new();
        for other in stems {
            if let Some(name) = units.alias_of(other)? {
                aliases.entry(name).or_default().push(other.to_owned());
            }
        }
        aliases.values_mut().for_each(|names| names.sort());
        units.aliases = aliases;
        Ok(units)
    }

    /// The names of all units of a type, sorted: `swap`.
    pub fn names(&self, kind: &str) -> Vec<String> {
        let is_it = |name: &&String| Name::parse(name).is_some_and(|name| name.kind == kind);
        let mut names: Vec<String> = self.listing.iter().flat_map(|(_, all)| all).filter(is_it).cloned().collect();
        names.sort();
        names.dedup();
        names
    }

    /// The names of the files of a type in one of the directories of units, sorted.
    pub fn names_in(&self, dir: &Path, kind: &str) -> Vec<String> {
        let is_it = |name: &&String| Name::parse(name).is_some_and(|name| name.kind == kind);
        let listed = self.listing.iter().filter(|(listed, _)| listed == dir);
        let mut names: Vec<String> = listed.flat_map(|(_, all)| all).filter(is_it).cloned().collect();
        names.sort();
        names
    }

    /// Finds the files of a unit: those of its name or, for an instance, of its template.
    pub fn find(&self, name: &str) -> Result<Unit> {
        let mut unit = Unit { name: name.to_owned(), files: self.files(name)?, aliases: Vec::new() };
        while let Some(other) = unit.files.first().and_then(alias) {
            if unit.aliases.len() == MOST_ALIASES || unit.aliases.contains(&other) {
                break;
            }
            unit.files = self.files(&other)?;
            unit.aliases.push(std::mem::replace(&mut unit.name, other));
        }
        if unit.files.is_empty()
            && let Some(template) = Name::parse(&unit.name).and_then(|name| name.template())
        {
            unit.files = self.files(&template)?;
        }
        Ok(unit)
    }

    fn files(&self, name: &str) -> Result<Vec<UnitFile>> {
        let mut all = Vec::new();
        for (dir, _) in self.listing.iter().filter(|(_, names)| names.contains(name)) {
            let path = dir.join(name);
            let itself = self.root.find_link(&path)?;
            if matches!(itself.state, State::File { .. } | State::Link { .. }) {
                let is_mask = masks(self.root, &path, &itself)?;
                all.push(UnitFile { path, itself, is_mask });
            }
        }
        Ok(all)
    }

    /// The unit of a name that is an alias.
    fn alias_of(&self, name: &str) -> Result<Option<String>> {
        let is_unit = Name::parse(name).is_some();
        let Some((dir, _)) = self.listing.iter().find(|(_, names)| is_unit && names.contains(name)) else {
            return Ok(None);
        };
        let path = dir.join(name);
        let itself = self.root.find_link(&path)?;
        Ok(alias(&UnitFile { path, itself, is_mask: false }))
    }

    /// A unit's name and the aliases that may have drop-ins or links.
    fn all_names(&self, unit: &Unit) -> Result<Vec<String>> {
        let mut names = vec![unit.name.clone()];
        names.extend(unit.aliases.iter().cloned());
        let declared = match unit.file() {
            Some(file) if !file.is_mask => crate::links::aliases(&regular(self.root, &file.path)?, &unit.name),
            _ => Vec::new(),
        };
        let mut others: Vec<String> = self.aliases.get(&unit.name).cloned().unwrap_or_default();
        for other in declared {
            if self.alias_of(&other)?.is_some_and(|name| name == unit.name) {
                others.push(other);
            }
        }
        for other in others {
            if !names.contains(&other) {
                names.push(other);
            }
        }
        Ok(names)
    }

    /// The content of a unit file, links followed: also of one that a mask overrides.
    ///
    /// Errors: exit 1 if it cannot be read.
    pub fn content(&self, file: &UnitFile) -> Result<Vec<u8>> {
        Ok(self.root.find(&file.path)?.bytes)
    }

    /// The settings of a unit from its file and drop-ins; none if it is masked.
    ///
    /// Errors: exit 1 beyond the limits for one unit.
    pub fn settings(&self, unit: &Unit) -> Result<Settings> {
        let mut settings = Settings::new(&unit.name);
        let Some(file) = unit.file().filter(|file| !file.is_mask) else { return Ok(settings) };
        let dropins = self.dropins(unit)?;
        let mut length = 0;
        for path in std::iter::once(&file.path).chain(&dropins) {
            let bytes = match regular(self.root, path) {
                Ok(bytes) => bytes,
                // A drop-in with a secret is readable only for root, and the other files are still useful.
                Err(_) if *path != file.path => {
                    settings.leave_out(path);
                    continue;
                }
                Err(error) => return Err(error),
            };
            length += bytes.len();
            if length > MOST_BYTES || dropins.len() > MOST_DROPINS {
                return Err(Error::failed(format!(
                    "cannot read the settings of {}: the files are too many or too large",
                    unit.name
                ))
                .hint(format!("systemctl cat {}", unit.name)));
            }
            settings.add(path, &bytes);
        }
        Ok(settings)
    }

    /// The drop-ins of a unit in the order in which they apply.
    ///
    /// Of the unit's name, then of its aliases: the directory that takes precedence comes first, and in it the more
    /// specific name. `service.d` of any directory comes last.
    fn dropins(&self, unit: &Unit) -> Result<Vec<PathBuf>> {
        let names = self.all_names(unit)?;
        let mut dirs: Vec<PathBuf> = Vec::new();
        let mut add = |(dir, has): &(PathBuf, HashSet<String>), name: &str| {
            let name = format!("{name}{DROPINS}");
            if has.contains(&name) {
                dirs.push(dir.join(name));
            }
        };
        for name in &names {
            let chain = Name::chain(name);
            self.listing.iter().for_each(|dir| chain.iter().for_each(|name| add(dir, name)));
        }
        if let Some(name) = Name::parse(&unit.name) {
            self.listing.iter().for_each(|dir| add(dir, name.kind));
        }
        let mut real = Vec::new();
        for dir in dirs {
            // A file of that name is not a directory of drop-ins.
            if matches!(self.root.find(&dir)?.state, State::Directory { .. }) {
                real.push(dir);
            }
        }
        effective_files(self.root, &real)
    }

    /// The links that enable a unit, the administrator's first.
    ///
    /// Other files and links to /dev/null enable nothing, and hide the links of the same name in later directories.
    pub fn links_to(&self, unit: &Unit) -> Result<Vec<Link>> {
        links_in(self.root, &self.groups, &self.all_names(unit)?)
    }
}

/// The content of a regular file, links followed; empty for anything else.
fn regular(root: &Root, path: &Path) -> Result<Vec<u8>> {
    if masks(root, path, &root.find_link(path)?)? {
        return Ok(Vec::new());
    }
    Ok(root.find(path)?.bytes)
}

/// The unit that a file is an alias of: a link to a unit with another name on the search path.
fn alias(file: &UnitFile) -> Option<String> {
    let State::Link { target } = &file.itself.state else { return None };
    let target = target_of(&file.path, target);
    let name = target.file_name()?.to_str()?;
    let is_other = file.path.file_name().is_some_and(|own| own != name) && Name::parse(name).is_some();
    (!file.is_mask && is_other && target.parent().is_some_and(is_unit_dir)).then(|| name.to_owned())
}

#[cfg(test)]
mod tests;
