//! Collects what is removed and what is kept, and finds out what stands against it.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use edge_host::action::RemoveTree;
use edge_host::{Host, Inode, Mode, Orphan, Result, TreeMount, orphans, quoted};
use edge_systemd::{Scope, Units};

use super::place::Places;
use crate::context::Context;
use crate::item::{Fate, Item};
use crate::ownership::Entry;
use crate::phase::Phase;
use crate::phases;
use crate::phases::units::owned::{self, OwnedUnit};

const DIRECTORY: &str = "directory";
/// Not available in an image.
const RUN: &str = "/run";

/// What is removed of each item.
pub(super) type Trees = HashMap<String, Vec<RemoveTree>>;

/// When something is removed. What others are read from goes last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Order {
    First,
    /// It contains configurations or programs.
    Last,
    /// A unit, which names the configuration.
    Unit,
}

/// Something that goes, if nothing stands against it.
#[derive(Debug)]
pub(super) struct Removal {
    pub(super) item: Item,
    /// What it is called.
    pub(super) path: PathBuf,
    /// What of it is removed: itself, or some of what is in it.
    pub(super) paths: Vec<PathBuf>,
    pub(super) order: Order,
    /// The configuration that names it, if it is not at its default place.
    pub(super) source: Option<String>,
}

pub(super) struct Finder<'a> {
    pub(super) host: &'a Host,
    pub(super) context: &'a Context,
    pub(super) places: Places<'a>,
    /// The units of the data.
    pub(super) units: Rc<[OwnedUnit]>,
    removals: Vec<Removal>,
    kept: Vec<(PathBuf, Item)>,
    /// What is kept only for now, and what to do.
    until: HashMap<PathBuf, String>,
    /// What an entry keeps whatever else is said of it, links resolved.
    protected: Vec<PathBuf>,
    /// Directories that are refused, with what names them.
    refused: Vec<(String, PathBuf)>,
    /// Directories in which a run may have a trash.
    dirs: RefCell<BTreeSet<PathBuf>>,
}

impl<'a> Finder<'a> {
    pub(super) fn new(host: &'a Host, context: &'a Context) -> Result<Finder<'a>> {
        let units = Units::read(&host.root, Scope::Now)?;
        let owned = owned::read(host, context, &units)?;
        Ok(Finder {
            host,
            context,
            places: Places::read(host, units)?,
            units: owned.into(),
            removals: Vec::new(),
            kept: Vec::new(),
            until: HashMap::new(),
            protected: Vec::new(),
            refused: Vec::new(),
            dirs: RefCell::default(),
        })
    }

    /// Whether the path of something that may go exists at all on this root: an image has no /run.
    pub(super) fn inode(&self, path: &Path) -> Result<Option<Inode>> {
        if !self.host.root.is_live() && path.starts_with(RUN) {
            return Ok(None);
        }
        // The trash is beside it, or in it if the directory itself stays.
        self.dirs.borrow_mut().extend(path.parent().into_iter().chain([path]).map(Path::to_path_buf));
        self.host.root.inode(path)
    }

    /// An item for a path, with the fate that its entry gives it.
    pub(super) fn item(&self, path: &Path, kind: &'static str, inode: Inode, entry: &Entry) -> Item {
        let identity = serde_json::to_vec(&inode).unwrap_or_default();
        self.context.decide(Item::new(Phase::Files, kind, &path.to_string_lossy(), &[&identity]), entry)
    }

    /// Adds an item: what is kept or refused is only shown.
    pub(super) fn add(&mut self, removal: Removal) {
        if removal.item.fate == Fate::Remove {
            self.removals.push(removal);
        } else {
            if removal.item.fate == Fate::Refuse {
                self.refused.extend(removal.source.map(|source| (source, removal.path.clone())));
            }
            self.kept.push((removal.path, removal.item));
        }
    }

    /// Keeps something that an earlier phase could not finish with; `advice` is for what contains it.
    pub(super) fn keep_until(&mut self, path: &Path, item: Item, advice: String) {
        self.until.insert(path.to_path_buf(), advice);
        self.kept.push((path.to_path_buf(), item));
    }

    /// Whether a phase is requested and has not been carried out, as this is a dry run.
    pub(super) fn is_before(&self, phase: Phase) -> bool {
        self.host.mode == Mode::DryRun && self.host.root.is_live() && self.context.request.phases.contains(&phase)
    }

    /// What an earlier phase says that it would do: a run would see what it has done. What it cannot read stays.
    pub(super) fn items_of(&self, phase: Phase) -> Vec<Item> {
        let facts = phases::read(phase, self.host, self.context).ok().flatten();
        facts.map(|facts| facts.items().to_vec()).unwrap_or_default()
    }

    /// Whether it is, or is in, what is removed so far.
    pub(super) fn removes(&self, path: &Path) -> bool {
        self.removals.iter().any(|removal| removal.paths.iter().any(|removed| path.starts_with(removed)))
    }

    /// Nothing in it is removed, and neither is it.
    pub(super) fn protect(&mut self, path: &Path) -> Result<()> {
        self.protected.push(self.host.root.canonical(path)?);
        Ok(())
    }

    /// What is kept by an entry is not removed by another one.
    fn keep_protected(&mut self) -> Result<()> {
        for mut removal in std::mem::take(&mut self.removals) {
            let mut within = None;
            for path in std::mem::take(&mut removal.paths) {
                let own = self.host.root.canonical(&path)?;
                match self.protected.iter().find(|kept| own.starts_with(kept)) {
                    None => removal.paths.push(path),
                    // The entry that keeps it shows it.
                    Some(kept) if *kept == own => {}
                    Some(kept) => within = Some(kept.clone()),
                }
            }
            match within {
                _ if !removal.paths.is_empty() => self.removals.push(removal),
                Some(kept) => {
                    let why = format!("it is in {}, which is kept", kept.display());
                    self.kept.push((removal.path, removal.item.kept(why)));
                }
                None => {}
            }
        }
        Ok(())
    }

    /// Names what is kept in a directory, the first of it.
    pub(super) fn keep_in(&mut self, dir: &Path, names: &[OsString], entry: &Entry, why: &str) -> Result<()> {
        const SHOWN: usize = 8;
        let (Some(first), Some(inode)) = (names.first(), self.inode(dir)?) else { return Ok(()) };
        let mut shown: Vec<String> = names.iter().take(SHOWN).map(|name| name.to_string_lossy().into_owned()).collect();
        if names.len() > SHOWN {
            shown.push(format!("and {} more", names.len() - SHOWN));
        }
        let item = self.item(dir, DIRECTORY, inode, entry);
        let item = Item {
            id: format!("{}/*", item.id),
            object: format!("{} ({})", dir.display(), shown.join(", ")),
            ..item.kept(why)
        };
        self.kept.push((dir.join(first), item));
        Ok(())
    }

    /// All items, in the order of their removal, and the trees of those that go.
    pub(super) fn finish(mut self) -> Result<(Vec<Item>, Trees)> {
        self.keep_protected()?;
        self.removals.sort_by_key(|removal| removal.order);
        self.drop_nested()?;
        let mut going = None;
        for at in 0..self.removals.len() {
            let below = self.mounts_of(&self.removals[at].paths)?;
            let staying = match (&below[..], self.is_before(Phase::Mounts)) {
                ([], _) => None,
                (_, true) => {
                    let going = going.get_or_insert_with(|| unmounted(&self.items_of(Phase::Mounts)));
                    below.iter().find(|mount| !going.contains(&mount.point.display().to_string()))
                }
                ([first, ..], false) => Some(first),
            };
            let kept = self.kept_in(&self.removals[at])?;
            let item = &mut self.removals[at].item;
            if let Some(kept) = kept {
                let advice = self.until.get(&kept).cloned();
                let hint = advice.unwrap_or_else(|| "move it to another place, then run the command again".to_owned());
                *item = item.clone().refused(format!("it contains {}, which is kept", kept.display()), hint);
            } else if let Some(mount) = staying {
                let (why, hint) = mount.explain();
                *item = item.clone().refused(why, hint);
            } else if !below.is_empty() {
                item.depends_on = Some(Phase::Mounts);
            }
        }
        self.keep_configurations();
        self.sort();
        let mut trees = HashMap::new();
        for at in 0..self.removals.len() {
            let removal = &self.removals[at];
            if removal.item.fate != Fate::Remove {
                continue;
            }
            let (mut all, mut volatile) = (Vec::new(), None);
            for path in &removal.paths {
                if let Some(was) = self.inode(path)? {
                    let on = self.places.volatile(path)?.filter(|_| self.context.request.to_trash);
                    let to_trash = self.context.request.to_trash && on.is_none();
                    all.push(RemoveTree { path: path.clone(), was, to_trash, after: self.named_in(path) });
                    volatile = volatile.or(on.map(|on| format!("deleted at once, as it is on {on}")));
                }
            }
            trees.insert(removal.item.id.clone(), all);
            let item = &mut self.removals[at].item;
            item.text = [item.text.clone()]
                .into_iter()
                .chain(volatile)
                .filter(|part| !part.is_empty())
                .collect::<Vec<_>>()
                .join("; ");
        }
        let orphans = self.orphans().unwrap_or_else(|error| {
            let hint = error.hint_text().unwrap_or("correct that, then run the command again").to_owned();
            vec![
                Item::new(Phase::Files, "trash", "trashes of runs without a journal", &[])
                    .refused(error.message(), hint),
            ]
        });
        let items =
            self.removals.into_iter().map(|removal| removal.item).chain(self.kept.into_iter().map(|kept| kept.1));
        Ok((items.chain(orphans).collect(), trees))
    }

    /// What is in a trash of no run: only named, as nothing shows what it is still needed for.
    fn orphans(&self) -> Result<Vec<Item>> {
        let dirs = self.dirs.borrow().clone();
        let words = |paths: &[PathBuf]| paths.iter().map(|path| self.shown(path)).collect::<Vec<_>>().join(" ");
        let item = |orphan: Orphan| {
            let name = orphan.trash.to_string_lossy().into_owned();
            let places: Vec<PathBuf> = orphan.names.iter().map(|name| orphan.trash.join(name)).collect();
            let (trash, parent) = (self.shown(&orphan.trash), self.shown(orphan.parent()));
            let removed = if orphan.is_whole { trash } else { words(&places) };
            let why = format!(
                "trash of a run that is not in the journal; to restore what is in it: mv -n -t {parent} {}",
                words(&places)
            );
            Item {
                hint: Some(format!("rm -r --one-file-system {removed}")),
                // An image is not clean with it: there are keys in it.
                is_leftover: !self.context.request.to_trash && !self.host.root.is_live(),
                ..Item::new(Phase::Files, "trash", &name, &[]).kept(why)
            }
        };
        Ok(orphans(self.host, dirs)?.into_iter().map(item).collect())
    }

    /// A path for a shell.
    fn shown(&self, path: &Path) -> String {
        quoted(&self.host.root.display(path).to_string_lossy())
    }

    /// What names others goes after them.
    fn sort(&mut self) {
        let names_others = |removal: &Removal| removal.paths.iter().any(|path| !self.named_in(path).is_empty());
        let keys: Vec<bool> = self.removals.iter().map(names_others).collect();
        let mut keyed: Vec<(bool, Removal)> = keys.into_iter().zip(std::mem::take(&mut self.removals)).collect();
        keyed.sort_by_key(|(names_others, removal)| (removal.order, *names_others));
        self.removals = keyed.into_iter().map(|(_, removal)| removal).collect();
    }

    /// What is in another one that is removed is part of that.
    fn drop_nested(&mut self) -> Result<()> {
        // Two paths can lead to the same place.
        let mut places = HashMap::new();
        for path in self.removals.iter().flat_map(|removal| &removal.paths) {
            places.insert(path.clone(), self.entry_of(path)?);
        }
        let all: HashSet<PathBuf> = places.values().cloned().collect();
        let mut seen = HashSet::new();
        for removal in &mut self.removals {
            removal.paths.retain(|path| {
                let Some(place) = places.get(path) else { return false };
                let is_nested = place.ancestors().skip(1).any(|above| all.contains(above));
                !is_nested && seen.insert(place.clone())
            });
        }
        self.removals.retain(|removal| !removal.paths.is_empty());
        Ok(())
    }

    fn mounts_of(&self, paths: &[PathBuf]) -> Result<Vec<TreeMount>> {
        let all: Vec<Vec<TreeMount>> = paths.iter().map(|path| self.places.mounts_of(path)).collect::<Result<_>>()?;
        Ok(all.into_iter().flatten().collect())
    }

    fn kept_in(&self, removal: &Removal) -> Result<Option<PathBuf>> {
        for path in &removal.paths {
            let is_inside = |kept: &&PathBuf| *kept != path && kept.starts_with(path);
            if let Some(kept) = self.kept.iter().map(|(kept, _)| kept).find(is_inside) {
                return Ok(Some(kept.clone()));
            }
            // Also if a link leads to what is kept; of a link itself only the link is removed.
            let place = self.entry_of(path)?;
            if let Some(kept) = self.protected.iter().find(|kept| **kept != place && kept.starts_with(&place)) {
                return Ok(Some(kept.clone()));
            }
        }
        Ok(None)
    }

    /// A path without links but the last name.
    fn entry_of(&self, path: &Path) -> Result<PathBuf> {
        let above = self.host.root.canonical(path.parent().unwrap_or(path))?;
        Ok(above.join(path.file_name().unwrap_or_default()))
    }

    /// What the configurations in a directory name, and is removed before.
    fn named_in(&self, path: &Path) -> Vec<PathBuf> {
        let is_in =
            |removal: &&Removal| removal.source.as_ref().is_some_and(|source| is_set_in(self.host, source, path));
        let named = self.removals.iter().filter(|removal| removal.item.fate == Fate::Remove).filter(is_in);
        named.flat_map(|removal| removal.paths.iter().filter(|named| !named.starts_with(path)).cloned()).collect()
    }

    /// What names a root that is refused stays with it, so that the same command finds that root again.
    fn keep_configurations(&mut self) {
        let refused = self.removals.iter().filter(|removal| removal.item.fate == Fate::Refuse);
        self.refused.extend(refused.filter_map(|removal| Some((removal.source.clone()?, removal.path.clone()))));
        for removal in self.removals.iter_mut().filter(|removal| removal.item.fate == Fate::Remove) {
            let is_in = |source: &str| removal.paths.iter().any(|path| is_set_in(self.host, source, path));
            let root = self.refused.iter().find(|(source, _)| is_in(source));
            if let Some((_, root)) = root {
                let why = format!("it names {}, which could not be removed", root.display());
                let hint = format!("once {} can be removed, run the command again", root.display());
                removal.item = removal.item.clone().refused(why, hint);
            }
        }
    }
}

/// The points at which nothing is mounted after the phase mounts.
fn unmounted(items: &[Item]) -> HashSet<String> {
    let of = |is_going: bool| {
        let those = items.iter().filter(move |item| (item.fate == Fate::Remove) == is_going);
        those.map(|item| item.object.clone())
    };
    let staying: HashSet<String> = of(false).collect();
    of(true).filter(|point| !staying.contains(point)).collect()
}

/// Whether a source, `FILE:LINE (SETTING)` or `FILE (SETTING)`, is at a path or below it.
fn is_set_in(host: &Host, source: &str, path: &Path) -> bool {
    let path = host.root.display(path).display().to_string();
    source.strip_prefix(&path).is_some_and(|rest| rest.starts_with(['/', ':', ' ']))
}
