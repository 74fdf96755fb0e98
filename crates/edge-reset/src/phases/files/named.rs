//! Single files that configurations and units of KubeEdge name: a database or a configuration that is not at its default
//! place, or behind a link, and the program of a unit. They contain tokens and the secrets of pods, and no directory of
//! the data has them.

use std::io::Read;
use std::path::{Path, PathBuf};

use edge_host::{EntryKind, Result, ResultExt};
use edge_kubeedge::{Kind, kind_of};

use super::finder::{Finder, Order, Removal};
use super::proof::Proof;
use crate::configuration::Configuration;
use crate::ownership::{Entry, Tier};
use crate::phases::units::owned::Standing;
use crate::phases::units::package::Packages;
use crate::roots::{FileKind, RootFile};

const KIND: &str = "file";
/// How a database of SQLite begins, and the files that SQLite has beside one (sqlite.org/fileformat.html).
const SQLITE: &[u8] = b"SQLite format 3\0";
const BESIDE: [&str; 3] = ["-journal", "-wal", "-shm"];

pub(super) fn read(finder: &mut Finder<'_>) -> Result<()> {
    for file in &finder.context.roots.files {
        let root = &finder.host.root;
        let Some(kind) = root.entry_kind(&file.path)? else { continue };
        let mut paths = vec![file.path.clone()];
        if kind == EntryKind::Link {
            let target = root.canonical(&file.path)?;
            paths.extend((root.entry_kind(&target)? == Some(EntryKind::File)).then_some(target));
        }
        let paths: Vec<PathBuf> = paths.into_iter().filter(|path| !finder.removes(path)).collect();
        if let Some(path) = paths.last().cloned() {
            one(finder, file, &path, paths)?;
        }
    }
    programs(finder)
}

/// The program of a unit that goes, where no directory of programs has it.
fn programs(finder: &mut Finder<'_>) -> Result<()> {
    let mut packages = Packages::default();
    for unit in finder.units.clone().iter().filter(|unit| unit.standing == Standing::Owned) {
        let Some(path) = unit.program.clone().filter(|path| !finder.removes(path)) else { continue };
        let Some(inode) = finder.inode(&path)? else { continue };
        let of_kubeedge = Proof::KubeedgeProgram.of_program(finder.host, &path).ok().flatten();
        let Some(proof) = of_kubeedge.or_else(|| Proof::K3sProgram.of_program(finder.host, &path).ok().flatten())
        else {
            continue;
        };
        let mut item = finder.item(&path, KIND, inode, &unit.row.entry);
        item.proofs = vec![format!("{} runs it", unit.name), proof];
        if packages.own(finder.host, &path)? {
            item = item.kept("it belongs to a package");
        }
        finder.add(Removal { item, paths: vec![path.clone()], path, order: Order::Last, source: None });
    }
    Ok(())
}

fn one(finder: &mut Finder<'_>, file: &RootFile, path: &Path, mut paths: Vec<PathBuf>) -> Result<()> {
    let Some(inode) = finder.inode(path)? else { return Ok(()) };
    let entry = Entry {
        creators: vec![file.creator.clone()],
        tier: if file.kind == FileKind::PrivateKey { Tier::Kept } else { Tier::Removed },
        text: if file.kind == FileKind::PrivateKey { "a private key outside the default directories" } else { "" }
            .to_owned(),
        cleaner: None,
    };
    let mut item = finder.item(path, KIND, inode, &entry);
    item.proofs.push(file.source.clone());
    let wrong = match file.kind {
        FileKind::PrivateKey => None,
        FileKind::Configuration if is_configuration(finder, file, path) => None,
        FileKind::Configuration => Some(format!("it is not a configuration of {}", file.creator)),
        FileKind::Database if is_database(finder, path)? => None,
        FileKind::Database => Some("it is not a SQLite database".to_owned()),
    };
    if let Some(why) = wrong {
        item = item.kept(why);
    }
    let is_config = file.kind == FileKind::Configuration;
    if file.kind == FileKind::Database {
        for end in BESIDE {
            let mut name = path.as_os_str().to_owned();
            name.push(end);
            let beside = PathBuf::from(name);
            paths.extend(finder.inode(&beside)?.map(|_| beside));
        }
    }
    let order = if is_config { Order::Last } else { Order::First };
    finder.add(Removal { item, path: path.to_path_buf(), paths, order, source: Some(file.source.clone()) });
    Ok(())
}

fn is_configuration(finder: &Finder<'_>, file: &RootFile, path: &Path) -> bool {
    let found = Configuration::read(finder.host, path).ok().flatten();
    let kind = found.and_then(|found| kind_of(found.value(), Some(path)));
    kind.map(Kind::program) == Some(file.creator.name())
}

/// An empty one is a database without tables.
fn is_database(finder: &Finder<'_>, path: &Path) -> Result<bool> {
    // A directory or a socket is not one.
    let Some(file) = finder.host.root.open(path).ok().flatten() else { return Ok(false) };
    let mut begin = Vec::new();
    file.take(SQLITE.len() as u64).read_to_end(&mut begin).on("read", finder.host.root.display(path))?;
    Ok(begin.is_empty() || begin == SQLITE)
}
