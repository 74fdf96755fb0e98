//! What was done to this host, and its state before: one file of records for each run.
//!
//! `/var/lib/edgeutils/journal/RUN-TOOL.jsonl`, RUN counting up from 1. A record is appended and
//! fsynced before the change that it describes. The last 20 runs and all unfinished ones are kept; the first state
//! of each path is kept forever, in `first.jsonl`.

mod close;
mod forget;
mod kept;
mod line;
mod prune;
mod record;
mod run;
mod writer;

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use nix::fcntl::{OFlag, openat};
use nix::sys::stat::{Mode, SFlag, fstat};

use crate::error::{Error, Result, ResultExt};
use crate::host::Host;
use crate::lock::{is_private, private_dir};
use crate::root::{LastLink, Root};

pub(crate) use kept::kept_path;
pub(crate) use line::{Chain, FORMAT, check_depth, unsealed};
pub(crate) use record::{Change, Header, Intent, Record, WriteChange, overlap};
pub(crate) use run::{Entry, Progress, Run};
pub(crate) use writer::Writer;

use line::{CLOSING_LEN, closes};

/// The journal's directory in that of the state.
const NAME: &str = "journal";
const SUFFIX: &str = ".jsonl";
/// Suffix of a run that cannot be read and was set aside.
const DAMAGED: &str = ".damaged";
/// Largest file of records that is read, as an image may contain any file.
const MAX_RUN: u64 = 32 << 20;

/// The journal of one root.
#[derive(Debug)]
pub(crate) struct Journal<'r> {
    root: &'r Root,
}

/// A run's file by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RunName {
    pub(crate) id: u64,
    pub(crate) tool: String,
}

impl RunName {
    fn parse(name: &str) -> Option<RunName> {
        let (id, tool) = name.strip_suffix(SUFFIX)?.split_once('-')?;
        Some(RunName { id: id.parse().ok()?, tool: tool.to_owned() })
    }

    fn file(&self) -> String {
        format!("{:06}-{}{SUFFIX}", self.id, self.tool)
    }
}

impl<'r> Journal<'r> {
    pub(crate) fn new(root: &'r Root) -> Journal<'r> {
        Journal { root }
    }

    /// Where it is, below the root.
    fn dir(&self) -> Result<PathBuf> {
        dir(self.root)
    }

    /// The file of a run.
    fn path(&self, name: &RunName) -> Result<PathBuf> {
        Ok(self.dir()?.join(name.file()))
    }

    fn error(&self, path: &Path, cause: &io::Error) -> Error {
        self.root.state_error("write the journal", self.root.display(path), cause)
    }

    /// All runs, oldest first.
    pub(crate) fn names(&self) -> Result<Vec<RunName>> {
        // Files that someone else could have written are not trusted.
        let dir = self.dir()?;
        let shown = self.root.display(&dir);
        let resolved = self.root.resolve(&dir, LastLink::Keep).on("list", &shown)?;
        if !is_private(self.root, &dir, &resolved)? {
            return Ok(Vec::new());
        }
        let mut names: Vec<RunName> =
            resolved.list().on("list", &shown)?.iter().filter_map(|name| RunName::parse(name.to_str()?)).collect();
        names.sort_by(|a, b| (a.id, &a.tool).cmp(&(b.id, &b.tool)));
        Ok(names)
    }

    /// Reads one run; `None` if it was interrupted before its first record.
    ///
    /// Errors: exit 4 where it is damaged, of an unknown format or too large.
    pub(crate) fn load(&self, name: &RunName) -> Result<Option<Run>> {
        let path = self.path(name)?;
        let shown = self.root.display(&path);
        let run = self.read_whole(&path).and_then(|bytes| Run::parse(&bytes.unwrap_or_default(), &shown));
        let ignore_it = || {
            format!(
                "it cannot be undone; to ignore it: {}{} undo --skip --id {}",
                name.tool,
                self.root.option(),
                name.id
            )
        };
        let run = run.map_err(|error| if error.hint_text().is_some() { error } else { error.hint(ignore_it()) })?;
        match run {
            Some(run) if (run.header.run, &run.header.tool) != (name.id, &name.tool) => Err(Error::refused(format!(
                "cannot read the journal {}: it contains run {} of {}",
                shown.display(),
                run.header.run,
                run.header.tool
            ))
            .hint("restore its file name, or move it away")),
            run => Ok(run),
        }
    }

    fn read_whole(&self, path: &Path) -> Result<Option<Vec<u8>>> {
        let Some(file) = self.root.open(path)? else { return Ok(None) };
        let shown = self.root.display(path);
        let mut bytes = Vec::new();
        file.take(MAX_RUN + 1).read_to_end(&mut bytes).on("read", &shown)?;
        if bytes.len() as u64 > MAX_RUN {
            return Err(Error::refused(format!(
                "cannot read the journal {}: it is larger than {} MiB",
                shown.display(),
                MAX_RUN >> 20
            )));
        }
        Ok(Some(bytes))
    }

    /// The runs that are not closed, oldest first: unfinished, or with an unfinished undo.
    ///
    /// Only the end of each file is read.
    pub(crate) fn open_runs(&self) -> Result<Vec<RunName>> {
        let mut names = self.names()?;
        if names.is_empty() {
            return Ok(names);
        }
        let dir = self.dir()?;
        let dir = self.root.resolve(&dir.join(SUFFIX), LastLink::Keep).on("read", self.root.display(&dir))?;
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        let is_closed = |name: &RunName| -> io::Result<bool> {
            let file = File::from(openat(dir.dir(), name.file().as_str(), flags, Mode::empty())?);
            let stat = fstat(&file)?;
            let mut end = [0; CLOSING_LEN as usize];
            let from = u64::try_from(stat.st_size).unwrap_or(0).saturating_sub(CLOSING_LEN);
            let is_file = stat.st_mode & SFlag::S_IFMT.bits() == SFlag::S_IFREG.bits();
            let count = if is_file { file.read_at(&mut end, from)? } else { 0 };
            Ok(closes(&end[..count]))
        };
        // A file that cannot be read counts as open: reading the run reports the error.
        names.retain(|name| !is_closed(name).unwrap_or(false));
        Ok(names)
    }

    /// Begins a run: makes the directory if it is missing, and prunes old runs.
    pub(crate) fn begin(&self, host: &Host) -> Result<(Writer, Record)> {
        private_dir(self.root, &self.dir()?)?;
        let names = self.names()?;
        let id = self.last_number(&names)?.checked_add(1);
        let id = id.ok_or_else(|| Error::refused("cannot number a new run: the last possible number is in use"))?;
        self.prune(&names, &host.open_runs)?;
        self.sweep_kept()?;
        let name = RunName { id, tool: host.tool.to_owned() };
        let path = self.path(&name)?;
        let file = self.open_file(&path, OFlag::O_WRONLY | OFlag::O_APPEND | OFlag::O_CREAT | OFlag::O_EXCL)?;
        let header = Record::Run(Header {
            format: FORMAT,
            run: id,
            tool: host.tool.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            time: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
            request: host.request.clone(),
            args: host.args.clone(),
            only_named_files: host.only_named_files,
        });
        Ok((Writer::new(name, file, self.root.display(&path), Chain::begin(FORMAT)), header))
    }

    /// The highest number that a run has, or had before it was set aside.
    fn last_number(&self, names: &[RunName]) -> Result<u64> {
        let aside = self.root.list(&self.dir()?)?;
        let aside = aside.iter().filter_map(|name| RunName::parse(name.to_str()?.strip_suffix(DAMAGED)?));
        Ok(aside.chain(names.iter().cloned()).map(|name| name.id).max().unwrap_or(0))
    }

    /// Removes a run that could not be recorded.
    pub(crate) fn forget(&self, writer: Writer) {
        let name = writer.name.clone();
        drop(writer);
        // Best effort: the first error is the one that is reported.
        self.remove_run(&name).ok();
    }

    /// Opens an existing run to append to it, after its last whole record.
    pub(crate) fn reopen(&self, run: &Run) -> Result<Writer> {
        let name = RunName { id: run.header.run, tool: run.header.tool.clone() };
        let path = self.path(&name)?;
        let file = self.open_file(&path, OFlag::O_WRONLY | OFlag::O_APPEND)?;
        let writer = Writer::new(name, file, self.root.display(&path), run.chain.clone());
        writer.of(run)
    }

    fn open_file(&self, path: &Path, flags: OFlag) -> Result<File> {
        let fail = |cause: io::Error| self.error(path, &cause);
        let resolved = self.root.resolve(path, LastLink::Keep).map_err(fail)?;
        let flags = flags | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let fd = openat(resolved.dir(), resolved.name.as_os_str(), flags, Mode::from_bits_truncate(0o600))
            .map_err(|errno| fail(errno.into()))?;
        if flags.contains(OFlag::O_CREAT) {
            resolved.sync_dir().map_err(fail)?;
        }
        Ok(File::from(fd))
    }
}

/// Where the journal of a root is, below it.
fn dir(root: &Root) -> Result<PathBuf> {
    Ok(root.state_dir()?.join(NAME))
}
