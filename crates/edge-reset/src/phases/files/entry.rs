//! Single entries of directories that others use too: programs, links, scripts, what installers leave in /tmp.

use std::path::{Path, PathBuf};

use edge_host::{Pattern, Result};
use serde::Deserialize;

use super::finder::{Finder, Order, Removal};
use super::place::{are_names, is_plain};
use super::proof::Proof;
use crate::context::Context;
use crate::item::Fate;
use crate::ownership::{Row, Tier};
use crate::phases::units::package::Packages;
use crate::request::Also;

const KIND: &str = "file";

/// An `[[entry]]` of the data.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Known {
    dir: PathBuf,
    names: Vec<Pattern>,
    proof: Proof,
    also: Option<Also>,
    #[serde(default)]
    last: bool,
}

/// Errors: an entry is not valid, or would reach out of its directory.
pub(super) fn check(context: &Context) -> Result<()> {
    let rows: Vec<Row<Known>> = context.ownership.rows("entry")?;
    for (at, row) in rows.iter().enumerate() {
        let Some(place) = &row.added else { continue };
        is_plain(&row.own.dir).map_err(|why| place.error(&format!("[[entry]]: {why}")))?;
        are_names(row.own.names.iter()).map_err(|why| place.error(&format!("[[entry]]: {why}")))?;
        let is_same = |other: &&Row<Known>| other.own.dir == row.own.dir && other.own.names == row.own.names;
        if rows[..at].iter().any(|other| is_same(&other)) {
            return Err(place.error("[[entry]]: these names already have an entry"));
        }
    }
    Ok(())
}

pub(super) fn read(finder: &mut Finder<'_>) -> Result<()> {
    let rows: Vec<Row<Known>> = finder.context.ownership.rows("entry")?;
    let mut packages = Packages::default();
    for row in &rows {
        for path in paths(finder, &row.own)? {
            let Some(inode) = finder.inode(&path)? else { continue };
            let Some(proof) = row.own.proof.of_entry(finder, &mut packages, &path)? else { continue };
            let mut item = finder.item(&path, KIND, inode, &row.entry);
            item.proofs.push(proof);
            let missing = row.own.also.filter(|also| !finder.context.request.has_also(*also));
            if let Some(also) = missing.filter(|_| item.fate == Fate::Remove) {
                item = item.kept(format!("to remove it too, add --also {}", also.name()));
            }
            if row.entry.tier == Tier::Kept {
                finder.protect(&path)?;
            }
            let order = if row.own.last { Order::Last } else { Order::First };
            finder.add(Removal { item, paths: vec![path.clone()], path, order, source: None });
        }
    }
    Ok(())
}

/// Those that may exist: a directory is listed only for names that are patterns.
fn paths(finder: &Finder<'_>, known: &Known) -> Result<Vec<PathBuf>> {
    let is_exact = known.names.iter().all(Pattern::is_exact);
    if is_exact {
        return Ok(known.names.iter().map(|name| known.dir.join(name.front())).collect());
    }
    if finder.inode(&known.dir)?.is_none() {
        return Ok(Vec::new());
    }
    let names = finder.host.root.list(Path::new(&known.dir))?;
    let is_named = |name: &&std::ffi::OsString| {
        name.to_str().is_some_and(|name| known.names.iter().any(|pattern| pattern.matches(name)))
    };
    Ok(names.iter().filter(is_named).map(|name| known.dir.join(name)).collect())
}
