//! What may never end, in a thread that is left alone then: it ends with the process.

use std::io;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use nix::unistd::syncfs;

use super::place::Place;
use crate::mounts::Mount;

/// Enough for a few system calls.
const STACK: usize = 256 << 10;

/// What a server has answered.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// It has all data.
    Synced,
    /// It answers, and has not got all data yet.
    Writing,
    /// Nothing.
    None,
}

/// None if it takes longer.
pub(super) fn within<T: Send + 'static>(
    deadline: Duration,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<Option<T>> {
    let (done, result) = channel();
    start(move || drop(done.send(work())))?;
    Ok(result.recv_timeout(deadline).ok())
}

/// Asks the server of a file system for its top directory, and sends it what is still to be written. An error is an
/// answer too.
pub(super) fn ask(mount: &Mount, deadline: Duration, sync: Duration) -> io::Result<Answer> {
    let (done, result) = channel();
    let mount = mount.clone();
    start(move || question(&mount, &done))?;
    if result.recv_timeout(deadline).is_err() {
        return Ok(Answer::None);
    }
    match result.recv_timeout(sync) {
        Err(RecvTimeoutError::Timeout) => Ok(Answer::Writing),
        Ok(()) | Err(RecvTimeoutError::Disconnected) => Ok(Answer::Synced),
    }
}

fn question(mount: &Mount, done: &Sender<()>) {
    let opened = Place::of(mount).and_then(|place| place.open_dir(mount));
    let is_waiting = done.send(()).is_ok();
    if let Ok(Some(dir)) = opened
        && is_waiting
    {
        // An error is reported to who wrote the data; the unmount is not better or worse for it.
        let _ = syncfs(&dir);
        drop(dir);
    }
    let _ = done.send(());
}

fn start(work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    thread::Builder::new().stack_size(STACK).spawn(work).map(drop)
}
