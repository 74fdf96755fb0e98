//! What was done to this host, and what stood there before: one file of records a run.
//!
//! `/var/lib/edgeutils/journal/RUN-TOOL.jsonl`, RUN counting up from 1. A record is appended and
//! fsynced before the change it speaks of. The last 20 runs are kept, and the first state of each
//! path for ever, in `first.jsonl`.

mod kept;
mod record;
mod run;

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, OFlag, fallocate, openat};
use nix::sys::stat::Mode;
use nix::unistd::fsync;

use crate::error::{Error, Result};
use crate::lock::{is_private, private_dir};
use crate::root::Root;

pub(crate) use kept::kept_path;
pub(crate) use record::{Change, FORMAT, Header, Intent, InverseRecord, Record, WriteChange, overlap};
pub(crate) use run::{Entry, Progress, Run};

/// Where the journal lives, below the root.
pub const DIR: &str = "/var/lib/edgeutils/journal";
const FIRST: &str = "first.jsonl";
const SUFFIX: &str = ".jsonl";
const KEEP_RUNS: usize = 20;
/// Room for the short records that follow the intents, so that a disk that fills up during a run
/// cannot keep us from writing that an action is done.
const ROOM_FOR_EACH: usize = 512;

/// The journal of one root.
#[derive(Debug)]
pub(crate) struct Journal<'r> {
    root: &'r Root,
}

/// A run that is being written.
#[derive(Debug)]
pub(crate) struct Writer {
    /// Its number.
    pub(crate) id: u64,
    file: File,
    path: PathBuf,
    /// How much of the file is whole records.
    len: u64,
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

    fn path(&self) -> PathBuf {
        Path::new(DIR).join(format!("{:06}-{}{SUFFIX}", self.id, self.tool))
    }
}

impl<'r> Journal<'r> {
    pub(crate) fn new(root: &'r Root) -> Journal<'r> {
        Journal { root }
    }

    /// All runs, oldest first.
    pub(crate) fn names(&self) -> Result<Vec<RunName>> {
        // What someone else could have written is no ground to change a host on.
        let (dir, shown) = (Path::new(DIR), self.root.display(Path::new(DIR)));
        let fail = |cause: io::Error| Error::io("list", &shown, &cause);
        let spot = self.root.walk_kept(dir).map_err(fail)?;
        if !is_private(self.root, dir, &spot)? {
            return Ok(Vec::new());
        }
        let mut names: Vec<RunName> =
            spot.list().map_err(fail)?.iter().filter_map(|name| RunName::parse(name.to_str()?)).collect();
        names.sort_by_key(|name| name.id);
        Ok(names)
    }

    /// Reads one run; `None` where a crash came before its first record.
    pub(crate) fn load(&self, name: &RunName) -> Result<Option<Run>> {
        let path = name.path();
        // Read without [`MAX_READ`]: ten copies of a mebibyte are more.
        let Some(bytes) = self.read_whole(&path)? else { return Ok(None) };
        let shown = self.root.display(&path);
        let run = Run::parse(&bytes, &shown)?;
        match run {
            Some(run) if (run.header.run, &run.header.tool) != (name.id, &name.tool) => Err(Error::refused(format!(
                "cannot read the journal {}: it is run {} of {}, whose file has another name",
                shown.display(),
                run.header.run,
                run.header.tool
            ))
            .hint("give it its own name again, or move it away")),
            run => Ok(run),
        }
    }

    fn read_whole(&self, path: &Path) -> Result<Option<Vec<u8>>> {
        let Some(mut file) = self.root.open(path)? else { return Ok(None) };
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(|cause| Error::io("read", self.root.display(path), &cause))?;
        Ok(Some(bytes))
    }

    /// Whether the last record of a run closes it, told from its end without reading the rest.
    pub(crate) fn is_closed(&self, name: &RunName) -> Result<bool> {
        let path = name.path();
        let Some(mut file) = self.root.open(&path)? else { return Ok(true) };
        let fail = |cause: io::Error| Error::io("read", self.root.display(&path), &cause);
        let size = file.metadata().map_err(fail)?.len();
        let mut end = Vec::new();
        file.seek(SeekFrom::Start(size.saturating_sub(32))).map_err(fail)?;
        file.read_to_end(&mut end).map_err(fail)?;
        Ok(end.ends_with(b"\n{\"record\":\"end\"}\n") || end.ends_with(b"\n{\"record\":\"reverted\"}\n"))
    }

    /// Begins a run: makes the directory where it is missing, drops what is too old.
    pub(crate) fn begin(&self, tool: &str, request: &str) -> Result<(Writer, Record)> {
        private_dir(self.root, Path::new(DIR))?;
        let names = self.names()?;
        let id = names.last().map_or(Some(1), |last| last.id.checked_add(1));
        let id = id.ok_or_else(|| Error::refused("cannot number a new run: the journal holds the last number"))?;
        self.prune(&names)?;
        self.sweep_kept()?;
        let path = RunName { id, tool: tool.to_owned() }.path();
        let flags = OFlag::O_WRONLY | OFlag::O_APPEND | OFlag::O_CREAT | OFlag::O_EXCL;
        let file = self.open_file(&path, flags)?;
        let header = Record::Run(Header {
            format: FORMAT,
            run: id,
            tool: tool.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            time: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
            request: request.to_owned(),
        });
        Ok((Writer { id, file, path: self.root.display(&path), len: 0 }, header))
    }

    /// Takes a run that could not be recorded out again: if it stayed, attempts on a full disk would
    /// push the runs out that are kept.
    pub(crate) fn forget(&self, writer: Writer, tool: &str) {
        let path = RunName { id: writer.id, tool: tool.to_owned() }.path();
        drop(writer);
        // Best effort: what made it fail is the error that the user sees.
        self.root.walk_kept(&path).and_then(|spot| spot.remove_file()).ok();
    }

    /// Goes on with a run that exists, after what is whole in it.
    pub(crate) fn reopen(&self, run: &Run) -> Result<Writer> {
        let path = RunName { id: run.header.run, tool: run.header.tool.clone() }.path();
        let file = self.open_file(&path, OFlag::O_WRONLY | OFlag::O_APPEND)?;
        let shown = self.root.display(&path);
        // A record that a power cut tore is cut off: it would spoil the next one.
        file.set_len(run.whole_bytes).map_err(|cause| Error::io("write", &shown, &cause))?;
        Ok(Writer { id: run.header.run, file, path: shown, len: run.whole_bytes })
    }

    fn open_file(&self, path: &Path, flags: OFlag) -> Result<File> {
        let fail = |cause: io::Error| journal_error(&self.root.display(path), &cause);
        let spot = self.root.walk_kept(path).map_err(fail)?;
        let flags = flags | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let fd = openat(spot.dir(), spot.name.as_os_str(), flags, Mode::from_bits_truncate(0o600))
            .map_err(|errno| fail(errno.into()))?;
        if flags.contains(OFlag::O_CREAT) {
            let dir = openat(spot.dir(), ".", OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty());
            dir.and_then(fsync).map_err(|errno| fail(errno.into()))?;
        }
        Ok(File::from(fd))
    }

    /// Keeps the last runs, and of the older ones the first state of each path.
    fn prune(&self, names: &[RunName]) -> Result<()> {
        // One place is for the run that begins.
        let surplus = (names.len() + 1).saturating_sub(KEEP_RUNS);
        if surplus == 0 {
            return Ok(());
        }
        let first_path = Path::new(DIR).join(FIRST);
        let mut known: Vec<String> = Vec::new();
        let mut whole = 0;
        if let Some(bytes) = self.read_whole(&first_path)? {
            // A crash may have torn the last line; its run is still there and is recorded again.
            whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            for line in bytes.split(|byte| *byte == b'\n') {
                if let Ok(Record::Intent(intent)) = serde_json::from_slice(line) {
                    known.extend(intent.change.path().map(str::to_owned));
                }
            }
        }
        let file = self.open_file(&first_path, OFlag::O_WRONLY | OFlag::O_APPEND | OFlag::O_CREAT)?;
        let len = whole as u64;
        file.set_len(len).map_err(|cause| journal_error(&self.root.display(&first_path), &cause))?;
        let mut first = Writer { id: 0, file, path: self.root.display(&first_path), len };
        for name in &names[..surplus] {
            let mut records = Vec::new();
            for entry in self.load(name)?.map(|run| run.entries).unwrap_or_default() {
                if let Some(path) = entry.intent.change.path().map(str::to_owned) {
                    if entry.progress != Progress::Void && !known.contains(&path) {
                        known.push(path);
                        records.push(Record::Intent(Box::new(entry.intent)));
                    }
                }
            }
            first.append(&records)?;
            first.sync()?;
            let spot = self.root.walk_kept(&name.path()).map_err(|cause| journal_error(&first.path, &cause))?;
            spot.remove_file().map_err(|cause| journal_error(&self.root.display(&name.path()), &cause))?;
        }
        Ok(())
    }
}

impl Writer {
    /// Appends records in one write.
    pub(crate) fn append(&mut self, records: &[Record]) -> Result<()> {
        let mut text = Vec::new();
        for record in records {
            serde_json::to_writer(&mut text, record)
                .map_err(|cause| Error::failed(format!("cannot write {}: {cause}", self.path.display())))?;
            text.push(b'\n');
        }
        if text.len() > ROOM_FOR_EACH * records.len().max(1) {
            // More than was set aside: find out that there is no room before half a line is written.
            self.reserve_bytes(text.len())?;
        }
        if let Err(cause) = self.file.write_all(&text) {
            // The next record must not be joined to a torn one.
            self.file.set_len(self.len).ok();
            return Err(journal_error(&self.path, &cause));
        }
        self.len += text.len() as u64;
        Ok(())
    }

    /// Appends the intents of a run and fsyncs them, with room for all that follows: without it
    /// nothing is changed.
    pub(crate) fn append_intents(&mut self, records: &[Record]) -> Result<()> {
        let before = self.len;
        let written = self.append(records).and_then(|()| self.reserve(records.len())).and_then(|()| self.sync());
        if written.is_err() {
            // Nothing of it will be done.
            self.file.set_len(before).ok();
            self.len = before;
        }
        written
    }

    /// Makes sure that short records for this many actions will find room.
    pub(crate) fn reserve(&mut self, actions: usize) -> Result<()> {
        self.reserve_bytes((actions + 2) * ROOM_FOR_EACH)
    }

    fn reserve_bytes(&self, room: usize) -> Result<()> {
        let (from, room) = (i64::try_from(self.len).unwrap_or(0), i64::try_from(room).unwrap_or(i64::MAX));
        match fallocate(self.file.as_fd(), FallocateFlags::FALLOC_FL_KEEP_SIZE, from, room) {
            Ok(()) | Err(Errno::EOPNOTSUPP | Errno::ENOSYS) => Ok(()),
            Err(errno) => Err(journal_error(&self.path, &errno.into())),
        }
    }

    /// Makes the records so far durable.
    pub(crate) fn sync(&mut self) -> Result<()> {
        self.file.sync_data().map_err(|cause| journal_error(&self.path, &cause))
    }
}

fn journal_error(path: &Path, cause: &io::Error) -> Error {
    Error::io("write the journal", path, cause)
}
