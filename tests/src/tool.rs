//! Runs a utility as a user does, without the environment of the test.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::{Pid, SysconfVar, sysconf};

/// Where built utilities are found instead of the own build, such as an unpacked archive.
pub const BIN_DIR: &str = "EDGEUTILS_BIN_DIR";
/// A program that runs them, such as an emulator.
pub const RUNNER: &str = "EDGEUTILS_RUNNER";

/// A call of a utility.
#[derive(Debug)]
pub struct Tool {
    command: Command,
    stdin: Vec<u8>,
}

/// How it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ran {
    /// Exit code; 128 + N for signal N.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Tool {
    /// A utility of the workspace by name.
    pub fn new(name: &str) -> Tool {
        Tool::program(&path(name))
    }

    /// Any program, such as the fixture.
    pub fn program(program: &Path) -> Tool {
        let mut command = match std::env::var_os(RUNNER) {
            Some(runner) => {
                let mut command = Command::new(runner);
                command.arg(program);
                command
            }
            None => Command::new(program),
        };
        // COLUMNS keeps help independent of the terminal.
        command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("COLUMNS", "80");
        Tool { command, stdin: Vec::new() }
    }

    /// A utility run by a user without rights, in a clean environment, from a copy in `dir`: the program may be where that
    /// user has no access.
    pub fn of_nobody(name: &str, dir: &Path) -> Tool {
        let program = dir.join(name);
        if !program.exists() {
            std::fs::copy(path(name), &program).unwrap();
        }
        // An emulator comes before it.
        let mut words = Tool::new(name).words();
        *words.last_mut().unwrap() = program.into_os_string();
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).args(words).env_clear();
        command.envs([("PATH", "/usr/bin:/bin"), ("HOME", "/nonexistent")]);
        Tool { command, stdin: Vec::new() }
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Tool {
        self.command.arg(arg);
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<A: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> Tool {
        self.command.args(args);
        self
    }

    /// Adds a variable to its environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Tool {
        self.command.env(name, value);
        self
    }

    /// What it reads.
    #[must_use]
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Tool {
        self.stdin = bytes.into();
        self
    }

    /// Its words, for a program that runs it: an emulator first, where there is one.
    pub fn words(&self) -> Vec<OsString> {
        let program = std::iter::once(self.command.get_program());
        program.chain(self.command.get_args()).map(OsStr::to_os_string).collect()
    }

    /// The command, for a test that needs more of it.
    pub fn into_command(self) -> Command {
        self.command
    }

    /// Runs it to its end. Fails if it prints a phrase that the guide bans, so that each error that any test provokes
    /// is checked.
    #[track_caller]
    pub fn run(self) -> Ran {
        let Tool { mut command, stdin } = self;
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut pipe = child.stdin.take().unwrap();
        let feed = std::thread::spawn(move || {
            // A utility may end without reading.
            let _ = pipe.write_all(&stdin);
        });
        let output = child.wait_with_output().unwrap();
        feed.join().unwrap();
        let ran = Ran::of(&output);
        let texts = [("standard output", &ran.stdout), ("standard error", &ran.stderr)];
        let violations: Vec<String> =
            texts.iter().flat_map(|(name, text)| crate::language::violations(name, text)).collect();
        assert!(violations.is_empty(), "{violations:?}\n{}{}", ran.stdout, ran.stderr);
        ran
    }

    /// Runs it without input; with it the processor time that it used, which does not depend on what runs beside.
    pub fn timed(self) -> (Ran, Duration) {
        let (mut stdout, mut stderr) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
        let mut command = self.command;
        command.stdin(Stdio::null()).stdout(stdout.try_clone().unwrap()).stderr(stderr.try_clone().unwrap());
        let mut child = command.spawn().unwrap();
        let pid = Pid::from_raw(child.id().try_into().unwrap());
        // Its times can be read from its end until it is waited for.
        waitid(Id::Pid(pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT).unwrap();
        let used = processor_time(pid);
        let status = child.wait().unwrap();
        let text = |file: &mut File| {
            let mut bytes = Vec::new();
            file.rewind().unwrap();
            file.read_to_end(&mut bytes).unwrap();
            bytes
        };
        (Ran::of(&Output { status, stdout: text(&mut stdout), stderr: text(&mut stderr) }), used)
    }
}

/// Of a process with its threads, and of its children that it has waited for: utime to cstime of proc_pid_stat(5).
fn processor_time(pid: Pid) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let (_, fields) = stat.rsplit_once(") ").unwrap();
    let ticks: u32 = fields.split(' ').skip(11).take(4).map(|field| field.parse::<u32>().unwrap()).sum();
    let per_second = sysconf(SysconfVar::CLK_TCK).unwrap().unwrap();
    Duration::from_secs(ticks.into()) / u32::try_from(per_second).unwrap()
}

impl Ran {
    /// From a finished process.
    pub fn of(output: &Output) -> Ran {
        use std::os::unix::process::ExitStatusExt;
        let status = output.status;
        Ran {
            code: status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0)),
            stdout: String::from_utf8(output.stdout.clone()).unwrap(),
            stderr: String::from_utf8(output.stderr.clone()).unwrap(),
        }
    }

    /// Fails unless it ended with this code.
    #[track_caller]
    pub fn expect(self, code: i32) -> Ran {
        assert_eq!(self.code, code, "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }
}

/// The program of a utility: from [`BIN_DIR`], else built now.
pub fn path(name: &str) -> PathBuf {
    if let Some(dir) = std::env::var_os(BIN_DIR) {
        return Path::new(&dir).join(name);
    }
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let dir = BUILT.get_or_init(|| {
        // target/PROFILE/deps/this-test
        let own = std::env::current_exe().unwrap();
        let dir = own.parent().unwrap().parent().unwrap().to_path_buf();
        let target = dir.parent().unwrap();
        let status = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
            .args(["build", "--quiet", "--workspace", "--bins", "--exclude", "xtask", "--exclude", "edgeutils-tests"])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .env("CARGO_TARGET_DIR", target)
            .status()
            .unwrap();
        assert!(status.success(), "the utilities do not build");
        dir
    });
    dir.join(name)
}
