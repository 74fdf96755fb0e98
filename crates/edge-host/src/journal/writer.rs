//! A run that is being written.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, fallocate};

use super::line::Chain;
use super::record::{Change, Record};
use super::{MAX_RUN, Run, RunName};
use crate::error::{Error, Result};

/// Space for each short record after the intents, so that it can be recorded that an action is done even if the
/// disk fills up during the run.
const ROOM_FOR_EACH: usize = 512;
/// Intents use at most half of what a reader accepts; the rest is for later records, also of undos.
const MAX_INTENTS: u64 = MAX_RUN / 2;

/// An open file of records.
#[derive(Debug)]
pub(crate) struct Writer {
    /// The run's number.
    pub(crate) id: u64,
    pub(super) name: RunName,
    file: File,
    pub(super) path: PathBuf,
    /// Length of the whole records, and the chain of their checksums.
    len: u64,
    chain: Chain,
    /// Whether it contains new content, which is erased when the run is closed.
    pub(super) holds_new_content: bool,
    replaces_keys: bool,
}

impl Writer {
    pub(super) fn new(name: RunName, file: File, path: PathBuf, chain: Chain) -> Writer {
        Writer { id: name.id, name, file, path, len: 0, chain, holds_new_content: false, replaces_keys: false }
    }

    /// Continues after the whole records of a file; an incomplete one is cut off.
    pub(super) fn at(mut self, len: u64) -> Result<Writer> {
        self.file.set_len(len).map_err(|cause| journal_error(&self.path, &cause))?;
        self.len = len;
        Ok(self)
    }

    /// A writer that accepts nothing more.
    pub(super) fn full(mut self) -> Writer {
        self.len = MAX_RUN;
        self
    }

    /// Continues a run.
    pub(super) fn of(mut self, run: &Run) -> Result<Writer> {
        self.holds_new_content = run.holds_new_content;
        self.replaces_keys = run.replaces_keys;
        self.at(run.whole_bytes)
    }

    /// The run's file.
    pub(crate) fn name(&self) -> &RunName {
        &self.name
    }

    /// Whether the run replaces a private key.
    pub(crate) fn replaces_keys(&self) -> bool {
        self.replaces_keys
    }

    /// Appends records in one write.
    pub(crate) fn append(&mut self, records: &[Record]) -> Result<()> {
        let (mut chain, mut text) = (self.chain.clone(), Vec::new());
        for record in records {
            chain
                .push(record, &mut text)
                .map_err(|cause| Error::failed(format!("cannot write {}: {cause}", self.path.display())))?;
        }
        self.must_fit(text.len(), MAX_RUN)?;
        if text.len() > ROOM_FOR_EACH * records.len().max(1) {
            // More than was reserved: check for space before half a line is written.
            self.reserve_bytes(text.len())?;
        }
        if let Err(cause) = self.file.write_all(&text) {
            // The next record must not be joined to an incomplete one.
            self.file.set_len(self.len).ok();
            return Err(journal_error(&self.path, &cause));
        }
        self.len += text.len() as u64;
        self.chain = chain;
        for record in records {
            match record {
                Record::Undoing { .. } => self.holds_new_content = true,
                Record::Intent(intent) => {
                    if let Change::Write(write) = &intent.change {
                        self.holds_new_content |= write.in_place.is_some();
                        self.replaces_keys |= write.kept_old;
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Appends the intents of a run and fsyncs them, with space for the records that follow: without it nothing is
    /// changed. Refuses (exit 4) what no reader would accept.
    pub(crate) fn append_intents(&mut self, records: &[Record]) -> Result<()> {
        let (before, chain) = (self.len, self.chain.clone());
        let written = self
            .append(records)
            .and_then(|()| self.must_fit(0, MAX_INTENTS))
            .and_then(|()| self.reserve(records.len()))
            .and_then(|()| self.sync());
        if written.is_err() {
            // None of it will be done.
            self.file.set_len(before).ok();
            (self.len, self.chain) = (before, chain);
        }
        written
    }

    fn must_fit(&self, more: usize, limit: u64) -> Result<()> {
        if self.len + more as u64 <= limit {
            return Ok(());
        }
        Err(Error::refused(format!(
            "cannot record the change in {}: a run has at most {} MiB of records",
            self.path.display(),
            limit >> 20
        ))
        .hint("make the change in smaller parts"))
    }

    /// Reserves space for the short records of this many actions.
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
