//! What comes before the facts of a change are read: the right host, the lock, and recovery.

use std::path::{Path, PathBuf};

use super::paths::{absolute, relative, resolve};
use super::recover::{interrupted_run, recover};
use crate::error::{Result, ResultExt};
use crate::host::{Host, Mode, Namespace};
use crate::journal::{Change, Progress};
use crate::root::State;
use crate::{live, lock};

impl Host {
    /// Prepares a change. Call it after all of stdin is read and before the facts are read.
    ///
    /// On the running system it requires root and refuses a container or chroot (exit 4). It takes the lock and
    /// recovers what an interrupted run of this utility left. A dry run needs none of it.
    pub fn prepare_change(&mut self) -> Result<()> {
        self.prepare(false)
    }

    /// The same for a call that only writes files. With `are_named`, the user has named all of them: then neither root
    /// nor the host itself is needed, as the files are those that this process sees. Such a plan runs no program and
    /// sets no kernel value.
    pub fn prepare_edit(&mut self, are_named: bool) -> Result<()> {
        self.prepare(are_named)
    }

    fn prepare(&mut self, only_named_files: bool) -> Result<()> {
        self.only_named_files = only_named_files;
        if self.mode == Mode::DryRun {
            return Ok(());
        }
        if self.root.is_live() && !only_named_files {
            live::check_root()?;
            if self.namespace == Namespace::MustBeTheHosts {
                live::check(self.accepts_own_tree)?;
            }
        }
        if self.lock.is_some() {
            return Ok(());
        }
        self.interrupt.catch()?;
        self.lock = Some(lock::take(&self.root, self.tool, self.lock_wait, &self.interrupt)?);
        recover(self)
    }

    /// Whether this call resumes the newest run: what is half-done on the host may come from that run.
    pub fn resumes_run(&self) -> Result<bool> {
        Ok(interrupted_run(self)?.is_some())
    }

    /// Whether this call has written `path` already, before an interruption, and it is still as the call left
    /// it.
    ///
    /// A new key or certificate that was requested is then not made once more. Call it after
    /// [`Host::prepare_change`]. A dry run has written nothing.
    pub fn has_written(&self, path: &Path) -> Result<bool> {
        if self.mode == Mode::DryRun {
            return Ok(false);
        }
        let Some(run) = interrupted_run(self)? else { return Ok(false) };
        let path = relative(&self.root, path)?;
        for entry in run.entries.iter().rev().filter(|entry| entry.progress == Progress::Done) {
            let Change::Write(change) = &entry.intent.change else { continue };
            if change.path == path {
                let place = absolute(&path);
                let shown = self.root.display(&place);
                let now = resolve(&self.root, &place, change.last_link())?.state().on("read", &shown)?;
                return Ok(entry.after.as_ref().or(change.after.as_ref()).is_some_and(|left| now.same_content(left)));
            }
        }
        Ok(false)
    }

    /// Directories that the newest run of this utility was about to remove when it was interrupted. Their content
    /// is gone, so that facts alone no longer show to whom they belong.
    ///
    /// Empty if the journal cannot be read, as in a dry run of another user.
    pub fn unremoved_directories(&self) -> Vec<PathBuf> {
        let journal = self.journal();
        let names = journal.names().unwrap_or_default();
        let newest = names.iter().rev().find(|name| name.tool == self.tool);
        let run = newest.and_then(|name| journal.load(name).ok().flatten()).filter(|run| !run.reverted);
        let entries = run.into_iter().flat_map(|run| run.entries);
        let undone = entries.filter(|entry| matches!(entry.progress, Progress::Pending | Progress::Void));
        undone
            .filter_map(|entry| match entry.intent.change {
                Change::Remove { path, before: State::Directory { .. }, .. } => Some(absolute(&path)),
                _ => None,
            })
            .collect()
    }

    /// Releases the lock for a wait on another program (apt), and takes it again.
    ///
    /// Facts that were read before may be stale afterwards: read those again that the plan is made from.
    pub fn without_lock<T>(&mut self, wait: impl FnOnce(&mut Host) -> Result<T>) -> Result<T> {
        self.lock = None;
        let waited = wait(self)?;
        self.prepare(self.only_named_files)?;
        Ok(waited)
    }
}
