//! One iptables-save, and a closer look where it does not show everything.

use std::path::Path;
use std::time::Duration;

use edge_host::{Cmd, Error, Exit, Result, Root};

use crate::backend::{Backend, Family};
use crate::hidden::{HiddenPart, REMARK};
use crate::save::Save;
use crate::scope::{Reader, Scope};

/// The tables that x_tables has in this network namespace, one a line. Without a look here,
/// `iptables-legacy-save -t` would load the kernel's modules, and with them empty tables appear.
const LEGACY_TABLES: [(Family, &str); 2] =
    [(Family::V4, "/proc/net/ip_tables_names"), (Family::V6, "/proc/net/ip6_tables_names")];
/// A rule takes about 100 bytes, a large cluster has a hundred thousand.
const LARGEST_SAVE: usize = 64 << 20;
const DEADLINE: Duration = Duration::from_secs(60);

/// What one backend has for one family.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Which backend.
    pub backend: Backend,
    /// Which family.
    pub family: Family,
    /// The program that restores: `iptables-nft-restore`.
    pub restore: String,
    /// The output of its iptables-save; empty where nothing was ever put in. What it does not show of
    /// the table that was asked for stands behind it as if it did.
    pub text: String,
    /// What iptables-save does not show, for people.
    pub notes: Vec<String>,
    /// Why the table that was asked for cannot be read; then `text` is without it.
    pub unreadable: Option<Error>,
}

impl Seen {
    /// The same, read again.
    ///
    /// Errors: as [`Firewall::readable`] too.
    pub fn again(&self, root: &Root, scope: &Scope) -> Result<Seen> {
        let stem = self.restore.strip_suffix("-restore").unwrap_or(&self.restore);
        match read_one(root, self.backend, self.family, stem, scope, Blank::Odd)? {
            Read::Rules(Seen { unreadable: Some(error), .. }) | Read::Failed(error) => Err(error),
            Read::Rules(seen) => Ok(seen),
        }
    }

    /// The rules, with an error that names the program.
    pub fn parse(&self) -> Result<Save<'_>> {
        Save::parse(&self.text).map_err(|malformed| {
            let program = self.restore.replace("-restore", "-save");
            Error::failed(format!("cannot read what {program} printed: {malformed}"))
        })
    }
}

/// What came of reading one backend.
pub(crate) enum Read {
    Rules(Seen),
    /// Its program failed: a kernel may be without this backend.
    Failed(Error),
}

/// What is thought of an iptables-save that prints nothing.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Blank {
    /// The host uses the other engine.
    Usual,
    /// There may well be rules: it is asked a second time in other words.
    Odd,
}

/// Errors: exit 1 where only root may read it.
pub(crate) fn read_one(
    root: &Root,
    backend: Backend,
    family: Family,
    stem: &str,
    scope: &Scope,
    blank: Blank,
) -> Result<Read> {
    let restore = format!("{stem}-restore");
    let mut seen = Seen { backend, family, restore, text: String::new(), notes: Vec::new(), unreadable: None };
    let tables = if backend == Backend::Legacy { legacy_tables(root, family)? } else { String::new() };
    if backend == Backend::Legacy && tables.is_empty() {
        return Ok(Read::Rules(seen));
    }
    let save = Cmd::find(&format!("{stem}-save"))?.arg("--counters").deadline(DEADLINE).keep_output(LARGEST_SAVE);
    seen.text = match save.run() {
        Ok(output) => output.stdout,
        Err(error) if error.output().is_some_and(|output| output.stderr.contains("you must be root")) => {
            let fail = format!("cannot read the {family} rules: not run as root");
            return Err(Error::failed(fail).hint("run it with sudo"));
        }
        Err(error) => return Ok(Read::Failed(error)),
    };
    if seen.text.len() >= LARGEST_SAVE {
        let most = LARGEST_SAVE >> 20;
        return Ok(Read::Failed(Error::failed(format!("cannot read what {} printed: over {most} MiB", save.shown()))));
    }
    if let Some(missing) = tables.lines().find(|table| !seen.text.contains(&format!("*{table}\n"))) {
        let fail = format!("cannot read what {} printed: table {missing} of the kernel is not in it", save.shown());
        return Ok(Read::Failed(Error::failed(fail)));
    }
    if backend == Backend::Nft {
        look_closer(&mut seen, &Reader { program: stem, family, scope }, blank);
    }
    Ok(Read::Rules(seen))
}

/// Adds what iptables-nft-save has not shown of the scope's table.
fn look_closer(seen: &mut Seen, reader: &Reader<'_>, blank: Blank) {
    let scope = reader.scope;
    let is_blank = blank == Blank::Odd && seen.text.trim_ascii().is_empty();
    let is_made = |chain: &String| seen.text.contains(&format!("\n:{chain} - "));
    if !is_blank && !seen.text.contains(REMARK) && !scope.chains.iter().any(is_made) {
        return;
    }
    // One that cannot be taken apart is an error of whoever does it next.
    let Ok(save) = Save::parse(&seen.text) else { return };
    let mut notes: Vec<String> = Vec::new();
    let mut read = Ok(None);
    for hidden in save.hidden() {
        let line = reader.nft_line("table", "").replace(&scope.table, hidden.table);
        notes.push(format!("{}-save does not show {hidden}: see {line}", reader.program));
        if hidden.table == scope.table {
            read = match hidden.what {
                HiddenPart::Whole => reader.read().map(Some),
                HiddenPart::BaseChains => reader.check().map(|()| None),
            };
        }
    }
    if is_blank {
        read = reader.has_own().and_then(|has_own| if has_own { reader.read().map(Some) } else { Ok(None) });
    }
    let made = |chain: &&String| {
        let mut chains = save.table(&scope.table).into_iter().flat_map(|table| table.chains());
        chains.any(|other| other.name == **chain && other.is_made())
    };
    if let Some(chain) = scope.chains.iter().find(made) {
        read = Err(reader.not_hooked(chain));
    }
    notes.dedup();
    seen.notes = notes;
    match read {
        Ok(None) => {}
        Ok(Some(shown)) => {
            let by_nft = shown.by_nft.iter();
            seen.notes.extend(by_nft.map(|chain| {
                format!("chain {chain} was read with nft, which does not show every word of the rules of iptables")
            }));
            seen.text.push_str(&shown.text);
        }
        Err(error) if error.exit() == Exit::Refused => seen.unreadable = Some(error),
        Err(error) => seen.unreadable = Some(Error::refused(error.message())),
    }
}

/// The tables that x_tables has here, one a line.
pub(crate) fn legacy_tables(root: &Root, family: Family) -> Result<String> {
    let path = LEGACY_TABLES.iter().find(|(other, _)| *other == family).map_or("", |(_, path)| path);
    // Not there: the kernel has no x_tables, or has not loaded it.
    let names = root.read(Path::new(path))?.unwrap_or_default();
    Ok(String::from_utf8_lossy(names.trim_ascii()).into_owned())
}
