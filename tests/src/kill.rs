//! SIGKILL before each system call that can change something, one run for each of them; and calls
//! that fail on request.
//!
//! strace delivers the signal when the call is entered, so the call itself is never made: the kill
//! before one call is the kill after the one before it. The program under test is the real one.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output};

use crate::tool::{RUNNER, Ran};

/// System calls that change files, mounts, links or processes; a kill before each of them covers every state in between.
///
/// openat is left out: what it creates is seen at the write that follows. So is ioctl, which mostly asks.
pub const CHANGING: &str = "write,pwrite64,fsync,fdatasync,ftruncate,fallocate,rename,renameat,renameat2,unlink,\
unlinkat,mkdir,mkdirat,symlinkat,linkat,fchmod,fchown,fsetxattr,fchmodat,fchownat,\
mount,umount2,setns,sendto,sendmsg,kill,pidfd_send_signal";

/// One call of a run: the nth (from 1) of its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    name: String,
    nth: usize,
}

impl Call {
    /// The name of the system call.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The tampering that makes it fail with this error.
    pub fn failing(&self, errno: &str) -> String {
        format!("inject={}:error={errno}:when={}", self.name, self.nth)
    }
}

/// Whether strace can be used here.
pub fn can_kill() -> bool {
    Command::new("strace").args(["-qq", "-o", "/dev/null", "true"]).status().is_ok_and(|status| status.success())
}

/// The same, for a test that is skipped then.
pub fn cannot_kill(test: &str) -> bool {
    let cannot = !can_kill();
    if cannot {
        crate::skip(test, "strace cannot trace here");
    }
    cannot
}

/// The changing calls that `argv` makes when nothing stops it, in order.
pub fn calls(argv: &[&str]) -> Vec<Call> {
    let log = tempfile::NamedTempFile::new().unwrap();
    let status = strace(log.path(), &format!("trace={CHANGING}"), argv);
    assert!(status.is_some(), "the run that is counted was killed");
    let mut calls: Vec<Call> = Vec::new();
    for line in std::fs::read_to_string(log.path()).unwrap().lines() {
        let Some((before, _)) = line.split_once('(') else { continue };
        let name = before.rsplit(' ').next().unwrap_or_default().to_owned();
        let nth = 1 + calls.iter().filter(|call| call.name == name).count();
        calls.push(Call { name, nth });
    }
    calls
}

/// Runs `argv` and kills it before that call; whether it was killed.
pub fn kill_before(call: &Call, argv: &[&str]) -> bool {
    let log = tempfile::NamedTempFile::new().unwrap();
    // strace counts each system call by itself.
    strace(log.path(), &format!("inject={}:signal=SIGKILL:when={}", call.name, call.nth), argv).is_none()
}

/// Runs `argv` with system calls tampered with, such as `inject=fsync:error=EIO:when=2`.
pub fn tampered(expression: &str, argv: &[&str]) -> Ran {
    let log = tempfile::NamedTempFile::new().unwrap();
    Ran::of(&traced(log.path(), expression, argv))
}

/// The names of all system calls that `argv` makes.
pub fn names(argv: &[&str]) -> BTreeSet<String> {
    let log = tempfile::NamedTempFile::new().unwrap();
    assert!(traced(log.path(), "trace=all", argv).status.success());
    let text = std::fs::read_to_string(log.path()).unwrap();
    let name = |line: &str| Some(line.split_once('(')?.0.rsplit(' ').next()?.to_owned());
    text.lines().filter_map(name).collect()
}

/// The exit code; `None` where it was killed.
fn strace(log: &Path, expression: &str, argv: &[&str]) -> Option<i32> {
    traced(log, expression, argv).status.code()
}

fn traced(log: &Path, expression: &str, argv: &[&str]) -> Output {
    // Under an emulator the calls would be the emulator's; without binfmt_misc there would be none at all.
    assert!(std::env::var_os(RUNNER).is_none(), "strace and an emulator: the test belongs in a module of live.rs");
    Command::new("strace")
        .args(["-qq", "-f", "-o"])
        .arg(log)
        .args(["-e", expression])
        .args(argv)
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .output()
        .unwrap()
}
