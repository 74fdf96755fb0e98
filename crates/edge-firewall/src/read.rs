//! Reads one backend with iptables-save, and chain by chain what that does not show.

use std::path::Path;
use std::time::Duration;

use edge_host::{Cmd, Error, Exit, Result, Root};

use crate::backend::{Backend, Family};
use crate::hidden::{HiddenPart, REMARK};
use crate::save::Save;
use crate::scope::{Reader, Scope};

/// The tables of x_tables in this network namespace, one per line. Read first, as `iptables-legacy-save -t` loads kernel
/// modules, which creates empty tables.
const LEGACY_TABLES: [(Family, &str); 2] =
    [(Family::V4, "/proc/net/ip_tables_names"), (Family::V6, "/proc/net/ip6_tables_names")];
/// A rule takes about 100 bytes, and a large cluster has a hundred thousand.
const LARGEST_SAVE: usize = 64 << 20;
const DEADLINE: Duration = Duration::from_secs(60);

/// The rules of one backend and family.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The backend.
    pub backend: Backend,
    /// The family.
    pub family: Family,
    /// The program that changes rules: `iptables-nft-restore`.
    pub restore: String,
    /// The output of iptables-save, empty for a backend that was never used; followed by what it does not show of the
    /// table in the scope, in the same format.
    pub text: String,
    /// Notes about what iptables-save does not show.
    pub notes: Vec<String>,
    /// Why the table in the scope cannot be read; then `text` lacks it.
    pub unreadable: Option<Error>,
}

impl Seen {
    /// Reads the same again.
    ///
    /// Errors: also if the table cannot be read.
    pub fn again(&self, root: &Root, scope: &Scope) -> Result<Seen> {
        let stem = self.restore.strip_suffix("-restore").unwrap_or(&self.restore);
        match read_one(root, self.backend, self.family, stem, scope, true)? {
            Read::Rules(Seen { unreadable: Some(error), .. }) | Read::Failed(error) => Err(error),
            Read::Rules(seen) => Ok(seen),
        }
    }

    /// Parses the rules.
    ///
    /// Errors: exit 1, naming the program.
    pub fn parse(&self) -> Result<Save<'_>> {
        Save::parse(&self.text).map_err(|malformed| {
            let program = self.restore.replace("-restore", "-save");
            Error::cannot("parse", format!("the output of {program}"), malformed.to_string())
        })
    }
}

/// The result of reading one backend.
pub(crate) enum Read {
    Rules(Seen),
    /// Its program failed: the kernel may lack this backend.
    Failed(Error),
}

/// Reads one backend. With `distrusts_empty`, an empty output of iptables-save is verified by other commands, as the
/// host uses this backend.
///
/// Errors: exit 1 if only root may read it.
pub(crate) fn read_one(
    root: &Root,
    backend: Backend,
    family: Family,
    stem: &str,
    scope: &Scope,
    distrusts_empty: bool,
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
            let object = format!("the {family} rules");
            return Err(Error::cannot("read", object, "not run as root").hint("run it as root (sudo)"));
        }
        Err(error) => return Ok(Read::Failed(error)),
    };
    if seen.text.len() >= LARGEST_SAVE {
        let most = LARGEST_SAVE >> 20;
        let object = format!("the output of {}", save.shown());
        return Ok(Read::Failed(Error::cannot("read", object, format!("it is larger than {most} MiB"))));
    }
    if let Some(missing) = tables.lines().find(|table| !seen.text.contains(&format!("*{table}\n"))) {
        let object = format!("the output of {}", save.shown());
        return Ok(Read::Failed(Error::cannot("read", object, format!("it lacks table {missing} of the kernel"))));
    }
    if backend == Backend::Nft {
        add_hidden(&mut seen, &Reader { program: stem, family, scope }, distrusts_empty);
    }
    Ok(Read::Rules(seen))
}

/// Adds what iptables-nft-save does not show of the table in the scope.
fn add_hidden(seen: &mut Seen, reader: &Reader<'_>, distrusts_empty: bool) {
    let scope = reader.scope;
    let is_empty = distrusts_empty && seen.text.trim_ascii().is_empty();
    let is_made = |chain: &String| seen.text.contains(&format!("\n:{chain} - "));
    if !is_empty && !seen.text.contains(REMARK) && !scope.chains.iter().any(is_made) {
        return;
    }
    // The next parse reports the error.
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
    if is_empty {
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
                format!("chain {chain} was read with nft, which does not show every match of iptables rules")
            }));
            seen.text.push_str(&shown.text);
        }
        Err(error) if error.exit() == Exit::Refused => seen.unreadable = Some(error),
        Err(error) => seen.unreadable = Some(Error::refused(error.message())),
    }
}

/// The tables of x_tables, one per line.
pub(crate) fn legacy_tables(root: &Root, family: Family) -> Result<String> {
    let path = LEGACY_TABLES.iter().find(|(other, _)| *other == family).map_or("", |(_, path)| path);
    // Missing if the kernel has no x_tables, or has not loaded it.
    let names = root.read(Path::new(path))?.unwrap_or_default();
    Ok(String::from_utf8_lossy(names.trim_ascii()).into_owned())
}
