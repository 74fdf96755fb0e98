//! One lock for all changes of a tree, so that two utilities never edit one host at a time.

mod holder;

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg, OFlag, openat};
use nix::sys::stat::{Mode, SFlag, fstat};
use nix::unistd::geteuid;

use crate::error::{Error, Result, ResultExt};
use crate::exit::Exit;
use crate::root::{LastLink, ResolvedPath, Root, State};
use crate::signal::Interrupt;

const NAME: &str = "lock";
const POLL: Duration = Duration::from_millis(50);

/// Held until it is dropped. The kernel releases it with the process and the programs that share it, so there are
/// no stale locks.
#[derive(Debug)]
pub(crate) struct Lock {
    /// None on a read-only file system, where nothing can be changed.
    file: Option<Flock<File>>,
}

impl Lock {
    /// The same lock for a program that is started: if this process is killed, the lock is held until that program has
    /// ended, so that the next call does not run during its change.
    pub(crate) fn share(&self) -> Option<Arc<OwnedFd>> {
        // If no descriptor is free, the program runs without it.
        self.file.as_ref()?.try_clone().ok().map(|file| Arc::new(OwnedFd::from(file)))
    }
}

/// Takes the lock, waiting up to `wait`; then the error names its holder.
pub(crate) fn take(root: &Root, tool: &str, wait: Duration, interrupt: &Interrupt) -> Result<Lock> {
    let dir = root.state_dir()?;
    if let Err(cause) = make_private(root, &dir, root.state_mode())? {
        if is_read_only(&cause) && !root.has_user_state() {
            return Ok(Lock { file: None });
        }
        return Err(root.state_error("make", root.display(&dir), &cause));
    }
    let path = dir.join(NAME);
    let shown = root.display(&path);
    let resolved = root.resolve(&path, LastLink::Keep).on("lock", &shown)?;
    let flags = OFlag::O_RDWR | OFlag::O_CREAT | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    let refused = |what: &str| {
        Error::cannot("lock", &shown, what)
            .with_exit(Exit::Refused)
            .hint("check who created it, remove it and run again")
    };
    let fd = match openat(resolved.dir(), NAME, flags, Mode::from_bits_truncate(0o600)) {
        Ok(fd) => fd,
        Err(Errno::ELOOP) => return Err(refused("it is a symbolic link")),
        Err(Errno::EISDIR) => return Err(refused("it is a directory")),
        Err(Errno::EROFS) if !root.has_user_state() => return Ok(Lock { file: None }),
        Err(errno) => return Err(root.state_error("lock", &shown, &errno.into())),
    };
    let stat = fstat(&fd).on("lock", &shown)?;
    if stat.st_mode & SFlag::S_IFMT.bits() != SFlag::S_IFREG.bits() {
        return Err(refused("it is not a regular file"));
    }
    if stat.st_uid != geteuid().as_raw() || stat.st_nlink != 1 {
        return Err(refused("it belongs to another user or has a hard link"));
    }

    let until = Instant::now() + wait;
    let mut file = File::from(fd);
    let mut locked = loop {
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(locked) => break locked,
            Err((mut back, Errno::EWOULDBLOCK)) => {
                interrupt.check()?;
                if Instant::now() >= until {
                    return Err(busy(&mut back, wait));
                }
                thread::sleep(POLL.min(until.saturating_duration_since(Instant::now())));
                file = back;
            }
            Err((_, errno)) => return Err(errno).on("lock", &shown),
        }
    };
    // Only a label for those who wait, so a full file system does not matter.
    let label = holder::label(tool);
    let _ = locked.set_len(0).and_then(|()| locked.rewind()).and_then(|()| locked.write_all(label.as_bytes()));
    Ok(Lock { file: Some(locked) })
}

fn busy(file: &mut File, wait: Duration) -> Error {
    let mut label = String::new();
    // Without a label the holder is named by its program.
    let _ = file.rewind().and_then(|()| Read::by_ref(file).take(128).read_to_string(&mut label));
    let holder = holder::holder(file, &label).unwrap_or_else(|| "another process".to_owned());
    Error::failed(format!("cannot get the lock: held by {holder}, waited {} s", wait.as_secs()))
        .hint("run again when it has ended, or wait longer with --lock-wait SECONDS")
}

/// Makes a directory that only its owner can enter, or refuses (exit 4) what is there instead.
pub(crate) fn private_dir(root: &Root, path: &Path) -> Result<()> {
    make_private(root, path, 0o700)?.on("make", root.display(path))
}

/// The same; the inner error is that of making it.
fn make_private(root: &Root, path: &Path, mode: u32) -> Result<std::io::Result<()>> {
    let mut resolved = match root.resolve(path, LastLink::Keep) {
        Ok(resolved) => resolved,
        Err(cause) => return Ok(Err(cause)),
    };
    if is_private(root, path, &resolved)? {
        return Ok(Ok(()));
    }
    Ok(resolved.make_private(mode, root.state_mode()))
}

fn is_read_only(cause: &std::io::Error) -> bool {
    cause.raw_os_error() == Some(Errno::EROFS as i32)
}

/// Whether `path` is a directory that others cannot write to; false if it does not exist. Anything else is refused.
pub(crate) fn is_private(root: &Root, path: &Path, resolved: &ResolvedPath<'_>) -> Result<bool> {
    let shown = root.display(path);
    let found = resolved.find().on("read", &shown)?;
    match found.state {
        State::Absent => Ok(false),
        State::Directory { mode, uid, .. } => {
            // Root's directory is accepted too; the kernel checks whether we may enter it.
            if ![0, geteuid().as_raw()].contains(&uid) || mode & 0o022 != 0 {
                return Err(Error::refused(format!(
                    "cannot use {}: it belongs to another user or is writable by others",
                    shown.display()
                ))
                .hint("check who created it; edgeutils creates it owned by the caller with mode 0700"));
            }
            Ok(true)
        }
        other => {
            Err(Error::refused(format!("cannot use {}: it is {}, not a directory", shown.display(), other.describe()))
                .hint("check who created it, remove it and run again"))
        }
    }
}
