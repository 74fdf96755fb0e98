//! External programs: found before the first change, run with a clean environment and a deadline.

use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus};
use std::sync::Arc;
use std::time::Duration;

use nix::fcntl::{FcntlArg, FdFlag, fcntl};

use self::output::tail;
use crate::error::{CommandFailed, Error, Result};
use crate::signal::Interrupt;

mod output;
mod run;
mod session;
#[cfg(test)]
mod tests;

/// Where programs are looked for, in this order, whatever the caller's PATH says.
pub const SEARCH_PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin";
/// Variables that are passed on to programs.
const PASSED_ON: [&str; 7] = ["HOME", "TERM", "http_proxy", "https_proxy", "no_proxy", "HTTPS_PROXY", "NO_PROXY"];
/// More output than this is read and dropped, unless set otherwise.
const KEEP_OUTPUT: usize = 4 << 20;
/// The part of stderr that an error message shows.
const SHOW_STDERR: usize = 400;
const TOP: &str = "/";
const DEFAULT_DEADLINE: Duration = Duration::from_secs(60);
const GRACE: Duration = Duration::from_secs(5);
const REPORT_EVERY: Duration = Duration::from_secs(10);

/// A program that was found, with its arguments.
#[derive(Debug, Clone)]
pub struct Cmd {
    program: PathBuf,
    args: Vec<OsString>,
    deadline: Duration,
    grace: Duration,
    report_every: Duration,
    stdin: Vec<u8>,
    keep_output: usize,
    variables: Vec<(OsString, OsString)>,
    dir: PathBuf,
    interrupt: Option<Interrupt>,
    /// Whether it changes packages.
    protected: bool,
    /// A file that it keeps open as long as it runs.
    holds: Option<Arc<OwnedFd>>,
}

/// A program and what it reads on its standard input.
#[derive(Debug, Clone)]
pub struct Script {
    /// Program and arguments; the program is looked for before the first change.
    pub argv: Vec<String>,
    /// Its input.
    pub text: String,
    /// How long it may take.
    pub deadline: Duration,
}

/// How a program ended and what it printed.
#[derive(Debug, Clone)]
pub struct Output {
    /// Its exit status.
    pub status: ExitStatus,
    /// Its standard output, as far as it is text.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

/// Whether a program changes packages, in several steps: it may fail half-way.
pub(crate) fn is_package_tool(program: &str) -> bool {
    session::is_for(program)
}

impl Output {
    /// The end of what it printed, on one line: of its standard error, or of its output if that is empty.
    pub fn last_words(&self) -> String {
        self.last_lines().join("; ")
    }

    /// The same as lines, without empty ones.
    pub fn last_lines(&self) -> Vec<&str> {
        let printed = tail(&self.stderr, SHOW_STDERR);
        if printed.is_empty() { tail(&self.stdout, SHOW_STDERR) } else { printed }
    }
}

impl Cmd {
    /// Finds `name` in [`SEARCH_PATH`], so that a missing program is an error before anything has changed.
    pub fn find(name: &str) -> Result<Cmd> {
        let protected = session::is_for(name);
        let deadline = if protected { session::DEADLINE } else { DEFAULT_DEADLINE };
        Ok(Cmd { deadline, protected, ..Cmd::at(find_program(name)?) })
    }

    /// The program at this path, for what is not in [`SEARCH_PATH`]: a plugin, a compiler.
    pub fn at(program: impl Into<PathBuf>) -> Cmd {
        Cmd {
            program: program.into(),
            args: Vec::new(),
            deadline: DEFAULT_DEADLINE,
            grace: GRACE,
            report_every: REPORT_EVERY,
            stdin: Vec::new(),
            keep_output: KEEP_OUTPUT,
            variables: Vec::new(),
            dir: PathBuf::from(TOP),
            interrupt: None,
            protected: false,
            holds: None,
        }
    }

    /// Finds argv\[0\] and takes the rest as arguments.
    pub fn of_argv(argv: &[String]) -> Result<Cmd> {
        let (name, args) = argv.split_first().ok_or_else(|| Error::failed("cannot run an empty command"))?;
        Ok(Cmd::find(name)?.args(args))
    }

    /// The program of a script, with its input.
    pub fn of_script(script: &Script) -> Result<Cmd> {
        Ok(Cmd::of_argv(&script.argv)?.stdin(script.text.as_bytes()).deadline(script.deadline))
    }

    /// Adds one argument.
    #[must_use]
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Cmd {
        self.args.push(arg.as_ref().to_os_string());
        self
    }

    /// Adds several arguments.
    #[must_use]
    pub fn args<A: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> Cmd {
        self.args.extend(args.into_iter().map(|arg| arg.as_ref().to_os_string()));
        self
    }

    /// Ends the program (TERM, five seconds later KILL) when it runs longer; 60 s unless set.
    ///
    /// apt-get, apt-mark and dpkg are never ended: past their deadline, 30 minutes unless set, they
    /// are left running and that is the error.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Cmd {
        self.deadline = deadline;
        self
    }

    /// How long a program may run on after TERM at its deadline; five seconds unless set.
    #[must_use]
    pub fn grace(mut self, grace: Duration) -> Cmd {
        self.grace = grace;
        self
    }

    /// What the program reads on its standard input; nothing unless set.
    #[must_use]
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Cmd {
        self.stdin = bytes.into();
        self
    }

    /// How many bytes of each output are kept; 4 MiB unless set. More is read and dropped.
    #[must_use]
    pub fn keep_output(mut self, bytes: usize) -> Cmd {
        self.keep_output = bytes;
        self
    }

    /// Sets a variable of its environment, which holds little else.
    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Cmd {
        self.variables.push((name.as_ref().to_os_string(), value.as_ref().to_os_string()));
        self
    }

    /// The directory it runs in; / unless set.
    #[must_use]
    pub fn dir(mut self, dir: impl Into<PathBuf>) -> Cmd {
        self.dir = dir.into();
        self
    }

    /// How often [`Cmd::run_reporting`] reports; every ten seconds unless set.
    #[must_use]
    pub fn report_every(mut self, every: Duration) -> Cmd {
        self.report_every = every;
        self
    }

    /// Ends it, as at its deadline, once this is set: for work that can be discarded.
    #[must_use]
    pub(crate) fn ended_by(mut self, interrupt: Interrupt) -> Cmd {
        self.interrupt = Some(interrupt);
        self
    }

    /// Lets it keep a file open as long as it runs, even if this process is killed before: the lock, so that the next
    /// call waits for its end.
    #[must_use]
    pub(crate) fn holding(mut self, fd: Option<Arc<OwnedFd>>) -> Cmd {
        self.holds = fd;
        self
    }

    /// The command line for messages.
    pub fn shown(&self) -> String {
        let mut text = self.program.file_name().unwrap_or_default().to_string_lossy().into_owned();
        for arg in &self.args {
            // Writing to a String cannot fail.
            let _ = write!(text, " {}", arg.to_string_lossy());
        }
        text
    }

    /// Runs it; any exit status but 0 is an error that shows the end of its stderr.
    pub fn run(&self) -> Result<Output> {
        self.run_reporting(&mut |_| {})
    }

    /// [`Cmd::run`] that fails if its standard output is not smaller than [`Cmd::keep_output`], as a part may be missing.
    pub fn run_whole(&self) -> Result<Output> {
        let output = self.run()?;
        if output.stdout.len() < self.keep_output {
            return Ok(output);
        }
        let cause = format!("it is larger than {} MiB", self.keep_output >> 20);
        Err(Error::cannot("read", format!("the output of {}", self.shown()), cause))
    }

    /// [`Cmd::run`] that calls `report` every ten seconds with the time it has run: turning swap off takes minutes
    /// on a slow card, and silence looks like a hang.
    pub fn run_reporting(&self, report: &mut dyn FnMut(Duration)) -> Result<Output> {
        let output = self.output_reporting(report)?;
        self.succeeded(output)
    }

    /// The output, or the error of an exit status that is not 0.
    pub fn succeeded(&self, output: Output) -> Result<Output> {
        if output.status.success() {
            return Ok(output);
        }
        Err(self.failure(output))
    }

    /// The error of a program whose output shows that it failed, whatever its exit status.
    pub fn failure(&self, output: Output) -> Error {
        let why = output.status.to_string();
        self.failed(why, output)
    }

    fn failed(&self, why: String, output: Output) -> Error {
        let program = self.program.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Error::of_cause("run", self.shown(), Box::new(CommandFailed { program, why, output }))
    }

    /// Runs it and returns how it ended, whatever the exit status is.
    ///
    /// Fails if it cannot be started, or was ended at its deadline.
    pub fn output(&self) -> Result<Output> {
        self.output_reporting(&mut |_| {})
    }

    fn spawn(&self, command: &mut Command) -> io::Result<Child> {
        let Some(held) = &self.holds else { return command.spawn() };
        fcntl(held, FcntlArg::F_SETFD(FdFlag::empty()))?;
        let child = command.spawn();
        // Only this child gets it.
        fcntl(held, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
        child
    }

    fn prepare(&self, command: &mut Command) {
        command.args(&self.args).env_clear().env("PATH", SEARCH_PATH).env("LC_ALL", "C").current_dir("/");
        command.envs(PASSED_ON.iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
    }
}

fn find_program(name: &str) -> Result<PathBuf> {
    which::which_in(name, Some(SEARCH_PATH), "/").map_err(|_| {
        Error::failed(format!("cannot find the program {name} in {SEARCH_PATH}"))
            .hint(format!("install the package that contains {name} and run again"))
    })
}
