//! Runs programs: printed with --verbose, captured or logged, and named in full in errors.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, bail};

static VERBOSE: AtomicBool = AtomicBool::new(false);

/// How much of a failed program's stderr goes into the error.
const STDERR_LINES: usize = 10;

/// Prints each program before it runs, from now on.
pub(crate) fn set_verbose(verbose: bool) {
    VERBOSE.store(verbose, Ordering::Relaxed);
}

/// Whether --verbose is set.
pub(crate) fn is_verbose() -> bool {
    VERBOSE.load(Ordering::Relaxed)
}

/// A program about to run.
pub(crate) struct Sh {
    command: Command,
    shown_env: Vec<(String, OsString)>,
}

impl Sh {
    /// `argv[0]` and its first arguments, in one line: `Sh::new("cargo fmt --all")`.
    pub(crate) fn new(line: &str) -> Sh {
        let mut words = line.split_whitespace();
        let mut command = Command::new(words.next().unwrap_or_default());
        command.args(words).stdin(Stdio::null());
        Sh { command, shown_env: Vec::new() }
    }

    /// A program whose path may contain spaces.
    pub(crate) fn program(path: impl AsRef<OsStr>) -> Sh {
        let mut command = Command::new(path);
        command.stdin(Stdio::null());
        Sh { command, shown_env: Vec::new() }
    }

    pub(crate) fn args(mut self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Sh {
        self.command.args(args);
        self
    }

    pub(crate) fn arg(mut self, arg: impl AsRef<OsStr>) -> Sh {
        self.command.arg(arg);
        self
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Sh {
        self.command.env(name, value.as_ref());
        self.shown_env.push((name.into(), value.as_ref().into()));
        self
    }

    pub(crate) fn dir(mut self, dir: &Path) -> Sh {
        self.command.current_dir(dir);
        self
    }

    /// The command as one would type it, its environment aside.
    pub(crate) fn shown(&self) -> String {
        let words = std::iter::once(self.command.get_program()).chain(self.command.get_args());
        words.map(quoted).collect::<Vec<_>>().join(" ")
    }

    fn announce(&self) {
        if VERBOSE.load(Ordering::Relaxed) {
            let env = self.shown_env.iter().map(|(name, value)| format!("{name}={} ", quoted(value)));
            eprintln!("+ {}{}", env.collect::<String>(), self.shown());
        }
    }

    /// Runs with the terminal's stdout and stderr.
    pub(crate) fn run(mut self) -> Result<()> {
        self.announce();
        let status = self.command.status().with_context(|| self.cannot())?;
        if !status.success() {
            bail!("{} failed: {status}", self.shown());
        }
        Ok(())
    }

    /// Runs and returns stdout as text.
    pub(crate) fn capture(self) -> Result<String> {
        let shown = self.shown();
        let output = self.output()?;
        if !output.status.success() {
            bail!("{shown} failed: {}{}", output.status, ending(&output.stderr));
        }
        String::from_utf8(output.stdout).with_context(|| format!("{shown} printed invalid UTF-8"))
    }

    /// Runs; its output and exit status.
    pub(crate) fn output(mut self) -> Result<Output> {
        self.announce();
        self.command.output().with_context(|| self.cannot())
    }

    /// Runs with stdout and stderr appended to `log`; true if it exited 0.
    pub(crate) fn logged(mut self, log: &Path) -> Result<bool> {
        self.announce();
        let cannot_log = || format!("cannot write {}", log.display());
        let mut file = File::options().append(true).create(true).open(log).with_context(cannot_log)?;
        writeln!(file, "+ {}", self.shown()).with_context(cannot_log)?;
        self.command
            .stdout(file.try_clone().with_context(cannot_log)?)
            .stderr(file.try_clone().with_context(cannot_log)?);
        let status = self.command.status().with_context(|| self.cannot())?;
        if !status.success() {
            writeln!(file, "{status}").with_context(cannot_log)?;
        }
        Ok(status.success())
    }

    /// The command itself, to be started and left running.
    pub(crate) fn into_command(self) -> Command {
        self.announce();
        self.command
    }

    fn cannot(&self) -> String {
        format!("cannot run {}", self.command.get_program().to_string_lossy())
    }
}

/// The end of a program's stderr, as the tail of an error message.
fn ending(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    let lines: Vec<&str> = text.trim_end().lines().collect();
    let kept = lines.len().saturating_sub(STDERR_LINES);
    match lines.get(kept..) {
        None | Some([]) => String::new(),
        Some(last) => format!("\n{}", last.join("\n")),
    }
}

fn quoted(word: &OsStr) -> String {
    let text = word.to_string_lossy();
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%[]".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.into_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failure_names_command_status_and_the_end_of_stderr() {
        let error = Sh::new("sh -c").arg("echo broken >&2; exit 3").capture();
        let text = format!("{:#}", error.unwrap_err());
        assert_eq!(text, "sh -c 'echo broken >&2; exit 3' failed: exit status: 3\nbroken");
    }

    #[test]
    fn missing_program_is_named() {
        let text = format!("{:#}", Sh::new("no-such-program").run().unwrap_err());
        assert!(text.starts_with("cannot run no-such-program: "), "{text}");
    }

    #[test]
    fn ending_keeps_only_the_end_of_a_long_stderr() {
        let long: String = (0..100).map(|n| format!("line {n}\n")).collect();
        let kept = ending(long.as_bytes());
        assert!(kept.starts_with("\nline 90\n"), "{kept}");
        assert!(kept.ends_with("line 99"), "{kept}");
    }
}
