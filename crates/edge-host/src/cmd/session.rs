//! Runs programs that change packages: they are never stopped half-way and never ask.
//!
//! A dpkg that is ended in the middle leaves packages half-installed. So these run in a session of their own,
//! without a terminal for signals and prompts; their output goes to a memfd, which does not depend on this process
//! to read it.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::memfd::{MFdFlags, memfd_create};

use super::{Cmd, Output, SHOW_STDERR, find_program, tail};
use crate::error::{Error, Result, ResultExt};

/// Recognized by name, so that no caller can forget it, also for the inverse command of an undo.
const PROGRAMS: [&str; 4] = ["apt", "apt-get", "apt-mark", "dpkg"];
/// From util-linux, which every system with dpkg has.
const SETSID: &str = "setsid";
/// A slow card takes minutes for a few packages.
pub(super) const DEADLINE: Duration = Duration::from_secs(30 * 60);
/// debconf, ucf, needrestart's hook and apt-listchanges would ask otherwise.
const NOTHING_ASKS: [(&str, &str); 6] = [
    ("DEBIAN_FRONTEND", "noninteractive"),
    ("DEBCONF_NONINTERACTIVE_SEEN", "true"),
    ("UCF_FORCE_CONFFOLD", "1"),
    ("NEEDRESTART_SUSPEND", "1"),
    ("NEEDRESTART_MODE", "l"),
    ("APT_LISTCHANGES_FRONTEND", "none"),
];

/// Whether this program is one of them.
pub(super) fn is_for(program: &str) -> bool {
    PROGRAMS.contains(&program)
}

/// Runs it to its end, or fails at the deadline and leaves it running.
pub(super) fn output(cmd: &Cmd, report: &mut dyn FnMut(Duration)) -> Result<Output> {
    let shown = cmd.shown();
    let (mut stdout, mut stderr) = (memory().on("run", &shown)?, memory().on("run", &shown)?);
    // It is not a group leader, so setsid does not fork and its exit status is that of the program.
    let mut command = Command::new(find_program(SETSID)?);
    command.arg(&cmd.program);
    cmd.prepare(&mut command);
    command.envs(NOTHING_ASKS).stdin(Stdio::null());
    command.stdout(stdout.try_clone().on("run", &shown)?).stderr(stderr.try_clone().on("run", &shown)?);
    let mut child = command.spawn().on("run", &shown)?;
    let status = wait(cmd, &mut child, report).on("run", &shown)?;
    let printed = text(&mut stderr, cmd.keep_output).on("run", &shown)?;
    let Some(status) = status else {
        let separator = if printed.trim().is_empty() { "" } else { ": " };
        let printed = tail(&printed, SHOW_STDERR).join("; ");
        let seconds = cmd.deadline.as_secs();
        return Err(Error::failed(format!(
            "cannot wait for {shown}: still running after {seconds} s{separator}{printed}"
        ))
        .hint(format!(
            "it continues as pid {}, because stopping it could leave packages half-installed: check what it is waiting for, then run again",
            child.id()
        )));
    };
    Ok(Output { status, stdout: text(&mut stdout, cmd.keep_output).on("run", &shown)?, stderr: printed })
}

/// `None` past the deadline.
fn wait(cmd: &Cmd, child: &mut Child, report: &mut dyn FnMut(Duration)) -> io::Result<Option<ExitStatus>> {
    let begin = Instant::now();
    let mut reports = 1;
    let mut pause = Duration::from_millis(1);
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if begin.elapsed() >= cmd.deadline {
            return Ok(None);
        }
        if begin.elapsed() >= cmd.report_every * reports {
            report(begin.elapsed());
            reports += 1;
        }
        thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}

fn memory() -> io::Result<File> {
    Ok(File::from(memfd_create(c"output", MFdFlags::MFD_CLOEXEC)?))
}

fn text(file: &mut File, keep: usize) -> io::Result<String> {
    // What it left running may still write; that is ignored from here on.
    file.rewind()?;
    let mut bytes = Vec::new();
    file.take(keep as u64).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A shell that is run like a package tool.
    fn shell(script: &str) -> Cmd {
        Cmd { protected: true, ..Cmd::find("sh").unwrap().args(["-c", script]) }
    }

    #[test]
    fn package_tools_are_recognized_by_name_and_have_a_longer_deadline() {
        for (name, protected) in [("dpkg", true), ("dpkg-query", false), ("sh", false)] {
            let cmd = Cmd::find(name).unwrap();
            assert_eq!((cmd.protected, cmd.deadline == DEADLINE), (protected, protected), "{name}");
        }
    }

    #[test]
    fn package_tool_has_a_session_of_its_own_without_a_terminal() {
        let script = "read line && echo asked; (: < /dev/tty) 2>/dev/null && echo tty; \
                      echo $DEBIAN_FRONTEND,$$,$(cut -d' ' -f6 /proc/$$/stat)";
        let printed = shell(script).run().unwrap().stdout;
        let words: Vec<&str> = printed.trim().split(',').collect();
        assert_eq!(words[0], "noninteractive");
        assert_eq!(words[1], words[2], "its session's number is its own");
    }

    #[test]
    fn package_tool_output_has_status_and_both_streams() {
        let output = shell("echo out; echo err >&2; exit 7").output().unwrap();
        assert_eq!((output.stdout.as_str(), output.stderr.as_str()), ("out\n", "err\n"));
        assert_eq!(output.status.code(), Some(7));
        let error = shell("echo one >&2; exit 3").run().unwrap_err();
        assert!(error.to_string().ends_with(": exit status: 3: one"), "{error}");
    }

    #[test]
    fn package_tool_is_left_running_past_its_deadline() {
        let dir = tempfile::tempdir().unwrap();
        let mark = dir.path().join("done");
        let script = format!("echo begun >&2; sleep 1; echo still heard; : > {}", mark.display());
        let error = shell(&script).deadline(Duration::from_millis(200)).run().unwrap_err();
        assert!(error.to_string().ends_with("still running after 0 s: begun"), "{error}");
        assert!(error.hint_text().is_some_and(|hint| hint.contains("continues as pid ")), "{error}");
        assert!(!mark.exists());
        let ended = (0..200).any(|_| {
            thread::sleep(Duration::from_millis(20));
            mark.exists()
        });
        assert!(ended, "it was stopped half-way");
    }
}
