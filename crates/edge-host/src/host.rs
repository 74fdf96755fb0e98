//! The host a call works on: its root, its options, its report.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use crate::cmd::Cmd;
use crate::error::{Error, Result, ResultExt};
use crate::exit::Outcome;
use crate::journal::{Journal, RunName};
use crate::lock::Lock;
use crate::report::{Color, Report};
use crate::root::{LastLink, Meta, Root, digest};
use crate::signal::Interrupt;

/// A file system in memory.
const VOLATILE: &str = "/run";

/// The options that every utility has, before or after the verb.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Common options")]
#[allow(clippy::struct_excessive_bools, reason = "command-line flags")]
pub struct Common {
    /// Work on the image or chroot mounted at DIR; nothing of the running system is read or changed
    #[arg(long, value_name = "DIR", global = true)]
    pub root: Option<PathBuf>,

    /// Print what would change, without changing it; exit 3 if there are changes
    #[arg(short = 'n', long, global = true)]
    pub dry_run: bool,

    /// Print one JSON object per line
    #[arg(long, global = true)]
    pub json: bool,

    /// When to print in color
    #[arg(long, value_name = "WHEN", value_enum, default_value_t, global = true)]
    pub color: Color,

    /// Seconds to wait for another edge utility to finish
    #[arg(long, value_name = "SECONDS", default_value_t = 60, global = true)]
    pub lock_wait: u64,

    /// Change this host even from inside a container, chroot or mount namespace
    #[arg(long, global = true)]
    pub force_namespace: bool,

    /// Work on the directory of --root even if it does not look like a system
    #[arg(long, global = true)]
    pub force_root: bool,
}

/// Whether actions are shown or done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Show the plan, change nothing.
    DryRun,
    /// Do it.
    Apply,
}

/// The host a call works on.
#[derive(Debug)]
pub struct Host {
    /// Every path goes through here.
    pub root: Root,
    /// What the user sees.
    pub report: Report,
    /// Whether actions are shown or done.
    pub mode: Mode,
    pub(crate) tool: &'static str,
    pub(crate) request: String,
    /// The arguments of the call, without secrets.
    pub(crate) args: Vec<String>,
    /// The runs that were not closed when the lock was taken.
    pub(crate) open_runs: Vec<RunName>,
    /// This call undoes a run.
    pub(crate) is_undo: bool,
    /// Whether `--root /` is accepted.
    pub(crate) accepts_own_tree: bool,
    /// This call changes nothing but files that the user has named.
    pub(crate) only_named_files: bool,
    pub(crate) interrupt: Interrupt,
    pub(crate) lock: Option<Lock>,
    pub(crate) progress: Outcome,
    /// Actions that a dry run has shown so far.
    pub(crate) planned: usize,
    /// No run of this utility is open. Set when the lock is taken, so that it is not looked up twice.
    pub(crate) all_ended: bool,
    pub(crate) lock_wait: Duration,
    pub(crate) namespace: Namespace,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Namespace {
    MustBeTheHosts,
    Any,
}

impl Host {
    pub(crate) fn new(
        tool: &'static str,
        common: &Common,
        (request, args): (String, Vec<String>),
        mut report: Report,
        interrupt: Interrupt,
        uses_root: bool,
    ) -> Result<Host> {
        let mut root = match &common.root {
            Some(dir) => Root::image(dir)?,
            None => Root::live()?,
        };
        if uses_root {
            root.check_system(common.force_root)?;
        }
        report.works_on(&root);
        Ok(Host {
            root,
            report,
            mode: if common.dry_run { Mode::DryRun } else { Mode::Apply },
            tool,
            request,
            args,
            open_runs: Vec::new(),
            is_undo: false,
            accepts_own_tree: true,
            only_named_files: false,
            interrupt,
            lock: None,
            progress: Outcome::default(),
            planned: 0,
            all_ended: false,
            lock_wait: Duration::from_secs(common.lock_wait),
            namespace: if common.force_namespace { Namespace::Any } else { Namespace::MustBeTheHosts },
        })
    }

    /// In a dry run: a change that its plan cannot list, such as an install of what is not downloaded yet. The last line
    /// and the `plan` record count it.
    pub fn count_unlisted(&mut self) {
        self.planned += 1;
        self.report.count(1);
    }

    /// What the call reads is part of what it requests, such as a plan on standard input: a call with another one does
    /// not resume its run. [`Host::prepare_change`] must not have been called.
    pub fn requests_also(&mut self, bytes: &[u8]) {
        self.request = digest(format!("{} {}", self.request, digest(bytes)).as_bytes());
    }

    /// For a utility that refuses its own tree as `--root`: no hint names that.
    pub fn refuses_own_tree(&mut self) {
        self.accepts_own_tree = false;
    }

    /// The name of the utility.
    pub fn tool(&self) -> &'static str {
        self.tool
    }

    /// Refuses (exit 4) a verb that cannot work on an image: `cannot VERB with --root: WHY`.
    pub fn must_be_live(&self, verb: &str, why: &str, hint: &str) -> Result<()> {
        if self.root.is_live() {
            return Ok(());
        }
        Err(Error::refused(format!("cannot {verb} with --root: {why}")).hint(hint))
    }

    /// Fails with exit 5 after a signal to stop; long waits call it.
    pub fn check_interrupt(&self) -> Result<()> {
        self.interrupt.check()
    }

    /// From now on the first SIGINT, SIGTERM or SIGHUP is only noted, instead of ending the call at once:
    /// for long work that must clean up, such as a build; [`Host::check_interrupt`] then stops it.
    /// [`Host::prepare_change`] includes it.
    pub fn catch_signals(&self) -> Result<()> {
        self.interrupt.catch()
    }

    /// A command that is ended by a signal to stop, with exit 5.
    #[must_use]
    pub fn stoppable(&self, command: Cmd) -> Cmd {
        command.ended_by(self.interrupt.clone())
    }

    /// Writes a file below /run, readable by all, that the next reboot removes. It is not in the journal and not
    /// undone. [`Host::prepare_change`] must have been called.
    ///
    /// Errors: the path is not below /run; the system calls.
    pub fn write_until_reboot(&self, path: &Path, bytes: &[u8]) -> Result<()> {
        self.must_be_prepared()?;
        if !path.starts_with(VOLATILE) {
            return Err(Error::cannot("write", path, format!("it is not below {VOLATILE}")));
        }
        let meta = Meta { mode: 0o644, owner: None };
        self.root.resolve(path, LastLink::Keep).and_then(|file| file.replace(bytes, meta, None)).on("write", path)
    }

    pub(crate) fn journal(&self) -> Journal<'_> {
        Journal::new(&self.root)
    }

    pub(crate) fn must_be_prepared(&self) -> Result<()> {
        if self.lock.is_some() { Ok(()) } else { Err(Error::failed("cannot change anything: the lock was not taken")) }
    }
}
