//! One output file: replaced as a whole, or written to if it is a stream.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{AtFlags, Flock, FlockArg, OFlag, openat};
use nix::sys::stat::{Mode, SFlag, fchmod, fstat, fstatat};

use super::place::{Place, PlaceKind, find};
use crate::error::{Error, Result, ResultExt};
use crate::root::{ResolvedPath, Root, take_attributes, temporary_name};

/// A reader that has not read anything for so long has stopped.
const PATIENCE: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(20);
/// Attempts, if another process keeps replacing what is there.
const ATTEMPTS: u32 = 16;

/// How an output file compares with what is to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutState {
    /// A file with exactly these bytes.
    Same,
    /// It does not exist, or has other bytes.
    Differs,
    /// A pipe or device, which is never read.
    Stream,
}

/// Compares an output file, without changing it.
pub fn out_state(path: &Path, bytes: &[u8]) -> Result<OutState> {
    let place = find("write", path)?;
    match place.what {
        PlaceKind::Stream => return Ok(OutState::Stream),
        PlaceKind::Nothing | PlaceKind::Directory => return Ok(OutState::Differs),
        PlaceKind::File(_) => {}
    }
    let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    let file = match openat(&place.dir, place.name.as_os_str(), flags, Mode::empty()) {
        Ok(fd) => File::from(fd),
        // A file that can be written but not read, or was replaced meanwhile, is written.
        Err(_) => return Ok(OutState::Differs),
    };
    let is_file = file.metadata().on("read", path)?.is_file();
    let mut now = Vec::new();
    if is_file {
        file.take(bytes.len() as u64 + 1).read_to_end(&mut now).on("read", path)?;
    }
    Ok(if is_file && now == bytes { OutState::Same } else { OutState::Differs })
}

/// Writes an output file; for `-` see [`crate::Report::document`].
///
/// A file appears whole or not at all, and keeps its mode. A pipe or device, also /dev/stdout and /dev/fd/N, is
/// written to directly. A link is followed only if no other user can have put it there.
pub fn out_file(path: &Path, bytes: &[u8]) -> Result<()> {
    for _ in 0..ATTEMPTS {
        let place = find("write", path)?;
        if place.lacks_way {
            return Err(Errno::ENOENT).on("write", path);
        }
        match place.what {
            PlaceKind::Directory => return Err(Errno::EISDIR).on("write", path),
            PlaceKind::Stream => {
                if let Some(stream) = open_stream(&place, path)? {
                    return write_stream(stream, bytes).on("write", path);
                }
            }
            PlaceKind::Nothing => return replace(place, None, bytes, path),
            PlaceKind::File(mode) => return replace(place, Some(mode), bytes, path),
        }
    }
    Err(Error::refused(format!("cannot write {}: another process keeps replacing it", path.display())))
}

/// None if it was replaced by a regular file.
fn open_stream(place: &Place, path: &Path) -> Result<Option<File>> {
    let is_in_proc = place.is_own_open_file().on("write", path)?;
    // Not blocking: a pipe without a reader would block forever.
    let flags = OFlag::O_WRONLY | OFlag::O_APPEND | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    let flags = if is_in_proc { flags } else { flags | OFlag::O_NOFOLLOW };
    let fd = match openat(&place.dir, place.name.as_os_str(), flags, Mode::empty()) {
        Ok(fd) => fd,
        // The standard streams may be sockets, which cannot be opened again.
        Err(Errno::ENXIO) if is_in_proc && place.name == "1" => {
            io::stdout().as_fd().try_clone_to_owned().on("write", path)?
        }
        Err(Errno::ENXIO) if is_in_proc && place.name == "2" => {
            io::stderr().as_fd().try_clone_to_owned().on("write", path)?
        }
        Err(Errno::ENXIO) => {
            return Err(Error::failed(format!("cannot write {}: no process reads from it", path.display()))
                .hint("start the program that reads from it first"));
        }
        Err(errno) => return Err(errno).on("write", path),
    };
    let kind = fstat(&fd).on("write", path)?.st_mode & SFlag::S_IFMT.bits();
    let is_file = kind == SFlag::S_IFREG.bits();
    // A file that the caller has opened is fine; at a name there was a stream before.
    Ok((is_in_proc || !is_file).then(|| File::from(fd)))
}

fn write_stream(mut stream: File, mut bytes: &[u8]) -> io::Result<()> {
    let mut moved = Instant::now();
    while !bytes.is_empty() {
        match stream.write(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => {
                bytes = bytes.get(count..).unwrap_or_default();
                moved = Instant::now();
            }
            Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
            Err(cause) if cause.kind() == io::ErrorKind::WouldBlock && moved.elapsed() < PATIENCE => {
                thread::sleep(POLL)
            }
            Err(cause) if cause.kind() == io::ErrorKind::WouldBlock => {
                return Err(io::Error::other("its reader has stopped reading"));
            }
            Err(cause) => return Err(cause),
        }
    }
    Ok(())
}

/// Writes a new file and renames it: a rename does not follow a link.
fn replace(place: Place, mode: Option<u32>, bytes: &[u8], path: &Path) -> Result<()> {
    let root = Root::of_dir(place.dir, path);
    let target = root.entry(place.name);
    let mut file = match create(&target) {
        Err(cause) if cause.kind() == io::ErrorKind::WouldBlock => {
            return Err(Error::failed(format!("cannot write {}: another process is writing it", path.display()))
                .hint("wait until it has finished"));
        }
        created => created.on("write", path)?,
    };
    let mut complete = || -> io::Result<()> {
        file.write_all(bytes)?;
        if let Some(mode) = mode {
            match target.open(OFlag::O_RDONLY | OFlag::O_NONBLOCK) {
                Ok(old) => take_attributes(&file, &File::from(old))?,
                // It can be written but not read.
                Err(_) => fchmod(&*file, Mode::from_bits_truncate(mode))?,
            }
        }
        file.sync_all()?;
        // Others who can write to the directory may have replaced it meanwhile.
        let temporary = temporary_name(&target.name);
        let (own, there) =
            (fstat(&*file)?, fstatat(target.dir(), temporary.as_os_str(), AtFlags::AT_SYMLINK_NOFOLLOW)?);
        if (own.st_dev, own.st_ino) == (there.st_dev, there.st_ino) {
            return Ok(());
        }
        Err(io::Error::other("another process took its temporary name"))
    };
    let complete = complete();
    target.place_if(complete).on("write", path)
}

/// A new file under the temporary name, locked: an existing one without a lock was left by a killed call.
fn create(target: &ResolvedPath<'_>) -> io::Result<Flock<File>> {
    let lock =
        |file: File| Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, errno)| io::Error::from(errno));
    let temporary = temporary_name(&target.name);
    let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    if let Ok(left) = openat(target.dir(), temporary.as_os_str(), flags, Mode::empty()) {
        drop(lock(File::from(left))?);
    }
    target.remove_temporary()?;
    lock(target.create(&temporary, 0o644)?)
}
