//! External programs: found before the first change, run with a clean environment and a deadline.

use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;

use self::output::{collect, collected, tail};
use crate::error::{Error, Result};
use crate::signal::Interrupt;

mod output;
mod session;

/// Where programs are looked for, in this order, whatever the caller's PATH says.
pub const SEARCH_PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin";
/// What a program gets of our own environment.
const PASSED_ON: [&str; 7] = ["HOME", "TERM", "http_proxy", "https_proxy", "no_proxy", "HTTPS_PROXY", "NO_PROXY"];
/// More output than this is read and dropped, unless asked for.
const KEEP_OUTPUT: usize = 4 << 20;
/// The part of stderr that an error message shows.
const SHOW_STDERR: usize = 400;
const TOP: &str = "/";
const DEFAULT_DEADLINE: Duration = Duration::from_secs(60);
const TELL_EVERY: Duration = Duration::from_secs(10);
const GRACE: Duration = Duration::from_secs(5);
/// Between two looks at a program that runs.
const SHORTEST_PAUSE: Duration = Duration::from_micros(100);
const LONGEST_PAUSE: Duration = Duration::from_millis(50);
/// How long the last output of a program that has ended is waited for.
const LINGER: Duration = Duration::from_secs(1);

/// A program that was found, with its arguments.
#[derive(Debug, Clone)]
pub struct Cmd {
    program: PathBuf,
    args: Vec<OsString>,
    deadline: Duration,
    tell_every: Duration,
    stdin: Vec<u8>,
    keep_output: usize,
    variables: Vec<(OsString, OsString)>,
    dir: PathBuf,
    interrupt: Option<Interrupt>,
    /// One that changes the host's packages.
    protected: bool,
    /// What it keeps open as long as it runs.
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

/// How a program ended and what it said.
#[derive(Debug, Clone)]
pub struct Output {
    /// Its exit status.
    pub status: ExitStatus,
    /// Its standard output, as far as it is text.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

/// Whether a program changes the host's packages, step by step: one that failed may have come half way.
pub(crate) fn is_package_tool(program: &str) -> bool {
    session::is_for(program)
}

impl Cmd {
    /// Finds `name` in [`SEARCH_PATH`]; a missing program is an error before anything has changed.
    pub fn find(name: &str) -> Result<Cmd> {
        let protected = session::is_for(name);
        let deadline = if protected { session::DEADLINE } else { DEFAULT_DEADLINE };
        Ok(Cmd { deadline, protected, ..Cmd::at(find_program(name)?) })
    }

    /// The program at this very path, for what lies in no [`SEARCH_PATH`]: a plugin, a user's compiler.
    pub fn at(program: impl Into<PathBuf>) -> Cmd {
        Cmd {
            program: program.into(),
            args: Vec::new(),
            deadline: DEFAULT_DEADLINE,
            tell_every: TELL_EVERY,
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

    /// How often [`Cmd::run_telling`] tells; every ten seconds unless set.
    #[must_use]
    pub fn tell_every(mut self, every: Duration) -> Cmd {
        self.tell_every = every;
        self
    }

    /// Ends it, as at its deadline, once this is set: for what may be thrown away half done.
    #[must_use]
    pub(crate) fn ended_by(mut self, interrupt: Interrupt) -> Cmd {
        self.interrupt = Some(interrupt);
        self
    }

    /// Lets it keep a file open as long as it runs, though we may be killed before: the lock, by which
    /// the next call waits for its end.
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
        self.run_telling(&mut |_| {})
    }

    /// [`Cmd::run`] that calls `tell` every ten seconds with the time it has run: turning swap off
    /// takes minutes on a slow card, and silence looks like a hang.
    pub fn run_telling(&self, tell: &mut dyn FnMut(Duration)) -> Result<Output> {
        let output = self.output_telling(tell)?;
        self.succeeded(output)
    }

    /// The same output, or the error that its exit status stands for.
    pub fn succeeded(&self, output: Output) -> Result<Output> {
        if output.status.success() {
            return Ok(output);
        }
        let said = tail(&output.stderr, SHOW_STDERR);
        let said = if said.is_empty() { tail(&output.stdout, SHOW_STDERR) } else { said };
        let separator = if said.is_empty() { "" } else { ": " };
        Err(Error::failed(format!("cannot run {}: {}{separator}{said}", self.shown(), output.status)))
    }

    /// Runs it and hands back how it ended, whatever that is.
    ///
    /// Fails where it cannot be started, or was ended for running past its deadline.
    pub fn output(&self) -> Result<Output> {
        self.output_telling(&mut |_| {})
    }

    pub(crate) fn output_telling(&self, tell: &mut dyn FnMut(Duration)) -> Result<Output> {
        if self.protected {
            return session::output(self, tell);
        }
        let fail = |cause: io::Error| Error::failed(format!("cannot run {}: {cause}", self.shown()));
        let mut command = Command::new(&self.program);
        self.prepare(&mut command);
        command.current_dir(&self.dir).envs(self.variables.iter().map(|(name, value)| (name, value)));
        // A group of its own: Ctrl-C in a terminal reaches us, who stop between two steps, and not
        // the program in the middle of one.
        command.process_group(0);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = self.spawn(&mut command).map_err(fail)?;
        let (closed, closes) = channel();
        let stdout = collect(child.stdout.take(), self.keep_output, closed.clone());
        let stderr = collect(child.stderr.take(), self.keep_output, closed);
        if let Some(mut pipe) = child.stdin.take().filter(|_| !self.stdin.is_empty()) {
            let bytes = self.stdin.clone();
            // A program that does not read its input to the end is not an error, and not waited for.
            thread::spawn(move || pipe.write_all(&bytes).ok());
        }
        let (status, ended) = self.wait(&mut child, &closes, tell).map_err(fail)?;
        let until = Instant::now() + LINGER;
        let output =
            Output { status, stdout: collected(stdout.as_ref(), until), stderr: collected(stderr.as_ref(), until) };
        if let (Ended::BySignal, Some(interrupt)) = (ended, &self.interrupt) {
            interrupt.check()?;
        }
        if ended == Ended::AtDeadline {
            let said = tail(&output.stderr, SHOW_STDERR);
            let separator = if said.is_empty() { "" } else { ": " };
            let seconds = self.deadline.as_secs();
            let shown = self.shown();
            return Err(Error::failed(format!("cannot run {shown}: still running after {seconds} s{separator}{said}")));
        }
        Ok(output)
    }

    fn spawn(&self, command: &mut Command) -> io::Result<Child> {
        let Some(held) = &self.holds else { return command.spawn() };
        fcntl(held, FcntlArg::F_SETFD(FdFlag::empty()))?;
        let child = command.spawn();
        // Only this one gets it.
        fcntl(held, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
        child
    }

    fn prepare(&self, command: &mut Command) {
        command.args(&self.args).env_clear().env("PATH", SEARCH_PATH).env("LC_ALL", "C").current_dir("/");
        command.envs(PASSED_ON.iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
    }

    /// Waits for the end of the program. A closed pipe is the sign to look right away: most programs
    /// end with it, and those that stay are looked at ever less often.
    fn wait(
        &self,
        child: &mut Child,
        closes: &Receiver<()>,
        tell: &mut dyn FnMut(Duration),
    ) -> io::Result<(ExitStatus, Ended)> {
        let begin = Instant::now();
        let mut told = 1;
        let mut pause = SHORTEST_PAUSE;
        let stopped = || self.interrupt.as_ref().is_some_and(|interrupt| interrupt.check().is_err());
        while begin.elapsed() < self.deadline && !stopped() {
            if let Some(status) = child.try_wait()? {
                return Ok((status, Ended::ByItself));
            }
            if begin.elapsed() >= self.tell_every * told {
                tell(begin.elapsed());
                told += 1;
            }
            pause = match closes.recv_timeout(pause) {
                Ok(()) => SHORTEST_PAUSE,
                Err(RecvTimeoutError::Timeout) => (pause * 2).min(LONGEST_PAUSE),
                Err(RecvTimeoutError::Disconnected) => {
                    thread::sleep(pause);
                    (pause * 2).min(LONGEST_PAUSE)
                }
            };
        }
        let group = Pid::from_raw(i32::try_from(child.id()).unwrap_or(i32::MAX));
        // Already gone is what we want.
        killpg(group, Signal::SIGTERM).ok();
        let until = Instant::now() + GRACE;
        // Looked at but not yet taken off the kernel's list: until then no other process can have its number.
        let look = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
        while waitid(Id::Pid(group), look) == Ok(WaitStatus::StillAlive) && Instant::now() < until {
            thread::sleep(Duration::from_millis(20));
        }
        // Those of its children that did not listen go with it.
        killpg(group, Signal::SIGKILL).ok();
        Ok((child.wait()?, if stopped() { Ended::BySignal } else { Ended::AtDeadline }))
    }
}

fn find_program(name: &str) -> Result<PathBuf> {
    which::which_in(name, Some(SEARCH_PATH), "/").map_err(|_| {
        Error::failed(format!("cannot find the program {name} in {SEARCH_PATH}"))
            .hint(format!("install the package that brings {name} and run again"))
    })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    ByItself,
    AtDeadline,
    BySignal,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Cmd {
        Cmd::find("sh").unwrap().arg("-c").arg(script)
    }

    #[test]
    fn a_missing_program_is_named() {
        let error = Cmd::find("no-such-program-here").unwrap_err();
        assert!(error.to_string().starts_with("cannot find the program no-such-program-here in /usr/sbin:"));
    }

    #[test]
    fn a_failure_shows_argv_status_and_the_end_of_stderr() {
        let error = shell("echo one >&2; echo two >&2; exit 3").run().unwrap_err();
        assert!(error.to_string().ends_with(": exit status: 3: one; two"), "{error}");
        assert!(error.to_string().starts_with("cannot run sh -c "), "{error}");
    }

    #[test]
    fn the_environment_is_cleared_and_the_locale_is_c() {
        let said = shell("echo $LC_ALL,$CARGO_MANIFEST_DIR,$PATH").run().unwrap().stdout;
        assert_eq!(said, format!("C,,{SEARCH_PATH}\n"));
    }

    #[test]
    fn variables_and_the_directory_are_as_set() {
        let said = shell("echo $A,$LC_ALL,$PWD").env("A", "b").env("LC_ALL", "d").dir("/usr").run().unwrap().stdout;
        assert_eq!(said, "b,d,/usr\n");
    }

    #[test]
    fn a_signal_to_us_ends_what_may_be_thrown_away() {
        let (interrupt, begin) = (Interrupt::default(), Instant::now());
        let raise = interrupt.clone();
        thread::spawn(move || {
            thread::sleep(Duration::from_millis(100));
            raise.set();
        });
        let error = shell("sleep 60").ended_by(interrupt).run().unwrap_err();
        assert_eq!(error.exit(), crate::Exit::Interrupted);
        assert!(begin.elapsed() < Duration::from_secs(5));
    }

    #[test]
    fn a_program_past_its_deadline_is_ended_with_its_children() {
        let begin = Instant::now();
        let error = shell("sleep 60 & sleep 60").deadline(Duration::from_millis(200)).run().unwrap_err();
        assert!(error.to_string().contains("still running after 0 s"), "{error}");
        assert!(begin.elapsed() < Duration::from_secs(10));
    }

    #[test]
    fn what_a_program_leaves_running_is_not_waited_for() {
        let begin = Instant::now();
        let output = shell("echo said; sleep 8 & exit 0").run().unwrap();
        assert_eq!(output.stdout, "said\n");
        // Out of its group, so that no signal reaches it, and holding all three pipes.
        let input = vec![b'x'; 1 << 20];
        let late = shell("setsid sleep 8 & sleep 8").stdin(input).deadline(Duration::from_millis(100)).run();
        let message = late.unwrap_err().to_string();
        assert!(message.ends_with("sleep 8: still running after 0 s"), "{message}");
        assert!(begin.elapsed() < Duration::from_secs(6), "{:?}", begin.elapsed());
    }

    #[test]
    fn a_child_that_ignores_the_first_signal_goes_with_its_parent() {
        let dir = tempfile::tempdir().unwrap();
        let pid = dir.path().join("pid");
        let script = format!("(trap '' TERM; echo $$; exec sleep 60) & echo $! > {}; wait", pid.display());
        shell(&script).deadline(Duration::from_millis(100)).run().unwrap_err();
        let stat = std::path::Path::new("/proc").join(std::fs::read_to_string(&pid).unwrap().trim()).join("stat");
        let gone = || std::fs::read_to_string(&stat).map_or(true, |text| text.contains(") Z "));
        assert!((0..100).any(|_| gone() || {
            thread::sleep(Duration::from_millis(20));
            false
        }));
    }

    #[test]
    fn a_long_run_is_told_of() {
        let mut command = shell("sleep 0.5");
        command.tell_every = Duration::from_millis(100);
        let mut told = Vec::new();
        command.run_telling(&mut |elapsed| told.push(elapsed)).unwrap();
        assert!((2..=5).contains(&told.len()) && told.is_sorted(), "{told:?}");
    }

    #[test]
    fn input_reaches_the_program_and_a_lot_of_output_does_not_block() {
        let output = shell("cat; yes | head -c 1000000 >&2").stdin("hello").run().unwrap();
        assert_eq!(output.stdout, "hello");
        assert_eq!(output.stderr.len(), 1_000_000);
    }
}
