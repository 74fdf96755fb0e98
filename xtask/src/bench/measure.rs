//! One run of a program: wall time, CPU time, peak memory.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use nix::sys::resource::{UsageWho, getrusage};

use super::case::NOTHING;
use crate::workspace::{read, remove_tree, write};

/// The measured quantity.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Measure {
    Wall,
    /// User and system time of the program.
    Cpu,
    /// The most memory resident at once.
    Memory,
    /// The size of its output.
    Size,
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Measure::Wall => "wall",
            Measure::Cpu => "CPU",
            Measure::Memory => "peak memory",
            Measure::Size => "size",
        })
    }
}

/// Seconds of one run.
pub(crate) struct Times {
    pub(crate) wall: f64,
    pub(crate) cpu: f64,
}

/// A file that each run must change, restored before the next.
#[derive(Clone)]
struct Changes {
    file: PathBuf,
    before: String,
    /// Files that a run creates beside it, removed before the next.
    traces: Option<PathBuf>,
}

/// A command to measure.
#[derive(Clone)]
pub(crate) struct Program {
    name: String,
    argv: Vec<OsString>,
    changes: Option<Changes>,
    /// Run before each run, outside of its time.
    after: Option<Vec<OsString>>,
    /// The output directory of a run.
    makes: Option<PathBuf>,
    /// The exit code of a successful run.
    code: i32,
}

impl Program {
    pub(crate) fn new(name: &str, argv: &[impl Into<OsString> + Clone]) -> Program {
        Program {
            name: name.to_owned(),
            argv: argv.iter().cloned().map(Into::into).collect(),
            changes: None,
            after: None,
            makes: None,
            code: 0,
        }
    }

    /// A program that does nothing, for a figure of its own.
    pub(crate) fn nothing() -> Program {
        Program::new("true", &[NOTHING])
    }

    /// Commands of a shell.
    pub(crate) fn shell(name: &str, script: &str) -> Program {
        Program::new(name, &["sh", "-c", script])
    }

    /// Each run finds `before` in `file`, and must leave something else there.
    pub(crate) fn changing(mut self, file: PathBuf, before: &str) -> Program {
        self.changes = Some(Changes { file, before: before.to_owned(), traces: None });
        self
    }

    /// A directory to remove before each run.
    pub(crate) fn leaving(mut self, traces: PathBuf) -> Program {
        if let Some(changes) = &mut self.changes {
            changes.traces = Some(traces);
        }
        self
    }

    /// Each run begins after this command, which must succeed.
    pub(crate) fn after(mut self, argv: &[impl Into<OsString> + Clone]) -> Program {
        self.after = Some(argv.iter().cloned().map(Into::into).collect());
        self
    }

    /// A run ends with this code, such as the 3 of a dry run that found changes.
    pub(crate) fn ending_with(mut self, code: i32) -> Program {
        self.code = code;
        self
    }

    /// A run writes its output to this directory.
    pub(crate) fn making(mut self, dir: PathBuf) -> Program {
        self.makes = Some(dir);
        self
    }

    /// Runs once; the size of its output in bytes.
    pub(crate) fn size(&self) -> Result<f64> {
        self.time()?;
        let dir = self.makes.as_ref().with_context(|| self.cannot())?;
        let mut size = 0;
        for entry in std::fs::read_dir(dir).with_context(|| self.cannot())? {
            size += entry.and_then(|entry| entry.metadata()).with_context(|| self.cannot())?.len();
        }
        // No plugin has so much that a bit of it would be lost.
        Ok(size as f64)
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Runs once; only the program itself is within the measured time.
    pub(crate) fn time(&self) -> Result<Times> {
        self.run(&[])
    }

    /// Runs once, as arguments of another program if there is a prefix.
    fn run(&self, prefix: &[OsString]) -> Result<Times> {
        self.prepare()?;
        let mut argv = prefix.iter().chain(&self.argv);
        let mut command = Command::new(argv.next().context("an empty command")?);
        command.args(argv).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let cpu_before = cpu_of_children()?;
        let started = Instant::now();
        let status = command.status().with_context(|| self.cannot())?;
        let wall = started.elapsed().as_secs_f64();
        let cpu = cpu_of_children()? - cpu_before;
        if status.code() != Some(self.code) {
            bail!("{}: {status}", self.cannot());
        }
        self.verify()?;
        Ok(Times { wall, cpu })
    }

    fn cannot(&self) -> String {
        let argv: Vec<_> = self.argv.iter().map(|arg| arg.to_string_lossy()).collect();
        format!("cannot measure {}", argv.join(" "))
    }

    fn prepare(&self) -> Result<()> {
        if let Some((program, args)) = self.after.as_ref().and_then(|argv| argv.split_first()) {
            let output = Command::new(program).args(args).stdin(Stdio::null()).output();
            let output = output.with_context(|| self.cannot())?;
            if !output.status.success() {
                bail!(
                    "{}: the command before it failed: {}",
                    self.cannot(),
                    String::from_utf8_lossy(&output.stderr).trim()
                );
            }
        }
        let Some(changes) = &self.changes else {
            return Ok(());
        };
        if let Some(traces) = &changes.traces {
            remove_tree(traces)?;
        }
        write(&changes.file, &changes.before)
    }

    fn verify(&self) -> Result<()> {
        match &self.changes {
            Some(changes) if read(&changes.file)? == changes.before.as_bytes() => {
                bail!("{}: no change", self.cannot())
            }
            _ => Ok(()),
        }
    }
}

/// The peak memory of one run in KiB.
///
/// The kernel counts the parent's pages before exec for a child, so the parent is a small program.
pub(crate) fn peak_memory(program: &Program) -> Result<f64> {
    let report = std::env::temp_dir().join(format!("xtask-peak-{}", std::process::id()));
    let time = ["time", "--format=%M", "--quiet", "--output"].map(OsString::from);
    program.run(&[&time[..], &[report.clone().into()]].concat())?;
    let printed = read(&report)?;
    std::fs::remove_file(&report).with_context(|| program.cannot())?;
    let printed = String::from_utf8_lossy(&printed).trim().to_owned();
    printed.parse().with_context(|| format!("{}: unexpected output of time: {printed:?}", program.cannot()))
}

/// Seconds of CPU that all ended children have used.
pub(crate) fn cpu_of_children() -> Result<f64> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).context("cannot read resource usage")?;
    let seconds = |time: nix::sys::time::TimeVal| {
        let micros = i32::try_from(time.tv_usec()).unwrap_or_default();
        let whole = i32::try_from(time.tv_sec()).unwrap_or(i32::MAX);
        f64::from(whole) + f64::from(micros) / 1e6
    };
    Ok(seconds(usage.user_time()) + seconds(usage.system_time()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn busy_child_costs_cpu_and_a_sleeping_one_only_wall() {
        let busy = Program::new("busy", &["sh", "-c", "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done"]);
        assert!(busy.time().unwrap().cpu > 0.01);
        let asleep = Program::new("asleep", &["sleep", "0.2"]).time().unwrap();
        assert!(asleep.wall >= 0.2);
    }

    #[test]
    fn run_that_changes_nothing_is_refused() {
        let file = std::env::temp_dir().join(format!("xtask-bench-{}", std::process::id()));
        let path = file.to_string_lossy().into_owned();
        let idle = Program::new("idle", &["true"]).changing(file.clone(), "a\n");
        let error = idle.time().err().unwrap().to_string();
        assert_eq!(error, "cannot measure true: no change");
        let sed = Program::new("sed", &["sed", "-i", "s/a/b/", &path]);
        sed.changing(file.clone(), "a\n").time().unwrap();
        std::fs::remove_file(file).unwrap();
    }

    #[test]
    fn program_that_fails_is_refused() {
        assert!(Program::new("false", &["false"]).time().is_err());
    }
}
