//! Reads one backend: x_tables with iptables-save, nf_tables chain by chain, so that it takes the same time whatever other
//! programs have in their chains.

use std::path::Path;
use std::time::Duration;

use edge_host::{Cmd, Error, Exit, Result, Root};

use crate::backend::{Backend, Family};
use crate::earlier::Earlier;
use crate::limit::Limit;
use crate::owner::{Matcher, Owner};
use crate::reader::Reader;
use crate::save::Save;
use crate::scope::Scope;

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
    /// The output of iptables-save, empty for an unused x_tables; of nf_tables the chains of the scope, in the same format.
    pub text: String,
    /// Notes about what iptables does not show.
    pub notes: Vec<String>,
    /// Chains of nft that come before those of the table; empty if they were not read.
    pub earlier: Vec<Earlier>,
    /// Why the table in the scope cannot be read; then `text` lacks it.
    pub unreadable: Option<Error>,
}

impl Seen {
    /// Reads the same again.
    ///
    /// Errors: also if the table cannot be read.
    pub fn again(&self, root: &Root, scope: &Scope) -> Result<Seen> {
        let stem = self.restore.strip_suffix("-restore").unwrap_or(&self.restore);
        match read_one(root, self.backend, self.family, stem, scope)? {
            Read::Rules(Seen { unreadable: Some(error), .. }) | Read::Failed(error) => Err(error),
            Read::Rules(seen) => Ok(seen),
        }
    }

    /// Whether a table declares a chain of this owner, which iptables-save prints before its rules.
    pub(crate) fn declares(&self, table: &str, owner: &Owner) -> bool {
        let own = Matcher::of(owner);
        let mut lines = self.text.lines().skip_while(|line| line.strip_prefix('*') != Some(table)).skip(1);
        let chains = lines.by_ref().map_while(|line| line.strip_prefix(':'));
        chains.filter_map(|line| line.split(' ').next()).any(|name| own.owns_chain(name))
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

/// Reads one backend.
///
/// Errors: exit 1 if only root may read it.
pub(crate) fn read_one(root: &Root, backend: Backend, family: Family, stem: &str, scope: &Scope) -> Result<Read> {
    let restore = format!("{stem}-restore");
    let (text, notes, earlier) = (String::new(), Vec::new(), Vec::new());
    let mut seen = Seen { backend, family, restore, text, notes, earlier, unreadable: None };
    let read = match backend {
        Backend::Nft => read_chains(&mut seen, &Reader { program: stem, family, scope }),
        Backend::Legacy => {
            let tables = legacy_tables(root, family)?;
            if !tables.is_empty() { read_all(&mut seen, stem, &tables, scope.limit) } else { Ok(()) }
        }
    };
    match read {
        Ok(()) => Ok(Read::Rules(seen)),
        Err(error) => match needs_root(&error, family) {
            Some(error) => Err(error),
            None if error.exit() == Exit::Refused => {
                seen.unreadable = Some(error);
                Ok(Read::Rules(seen))
            }
            None => Ok(Read::Failed(error)),
        },
    }
}

/// The error for the user, if only root may read the rules.
pub(crate) fn needs_root(error: &Error, family: Family) -> Option<Error> {
    error.output().filter(|output| output.stderr.contains("you must be root"))?;
    let object = format!("the {family} rules");
    Some(Error::cannot("read", object, "not run as root").hint("run it as root (sudo)"))
}

fn read_chains(seen: &mut Seen, reader: &Reader<'_>) -> Result<()> {
    let shown = reader.read(&mut seen.notes);
    seen.notes.dedup();
    let shown = shown?;
    let by_nft = shown.by_nft.iter();
    seen.notes
        .extend(by_nft.map(|chain| {
            format!("chain {chain} was read with nft, which does not show every match of iptables rules")
        }));
    seen.text = shown.text;
    Ok(())
}

/// iptables-save of a backend.
fn save(stem: &str, limit: Limit) -> Result<Cmd> {
    let cmd = Cmd::find(&format!("{stem}-save"))?.arg("--counters").deadline(DEADLINE).keep_output(LARGEST_SAVE);
    Ok(limit.on(cmd))
}

/// Reads all tables with iptables-save; these must be among them.
pub(crate) fn read_all(seen: &mut Seen, stem: &str, tables: &str, limit: Limit) -> Result<()> {
    let save = save(stem, limit)?;
    seen.text = save.run_whole()?.stdout;
    let cannot = |cause: String| Error::cannot("read", format!("the output of {}", save.shown()), cause);
    match tables.lines().find(|table| !seen.text.contains(&format!("*{table}\n"))) {
        Some(missing) => Err(cannot(format!("it lacks table {missing} of the kernel"))),
        None => Ok(()),
    }
}

impl Seen {
    /// The reader for more of nf_tables.
    pub(crate) fn reader<'s>(&'s self, scope: &'s Scope) -> Reader<'s> {
        let program = self.restore.strip_suffix("-restore").unwrap_or(&self.restore);
        Reader { program, family: self.family, scope }
    }

    /// Adds what shows who uses nf_tables: the other tables or, where the chains that were read have rules, only `marks`.
    pub(crate) fn add_users(&mut self, scope: &Scope, marks: &[&str]) -> Result<()> {
        let more = if self.parse()?.is_populated() {
            self.reader(scope).marks("mangle", marks)?
        } else {
            let stem = self.restore.strip_suffix("-restore").unwrap_or(&self.restore);
            // The table that was read stays the first of its name.
            save(stem, scope.limit)?.run_whole()?.stdout
        };
        self.text.push_str(&more);
        Ok(())
    }
}

/// The tables of x_tables, one per line.
pub(crate) fn legacy_tables(root: &Root, family: Family) -> Result<String> {
    let path = LEGACY_TABLES.iter().find(|(other, _)| *other == family).map_or("", |(_, path)| path);
    // Missing if the kernel has no x_tables, or has not loaded it.
    let names = root.read(Path::new(path))?.unwrap_or_default();
    Ok(String::from_utf8_lossy(names.trim_ascii()).into_owned())
}
