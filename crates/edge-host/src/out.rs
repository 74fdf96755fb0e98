//! Output files and directories that are named with `--out`: they belong to the caller and are not in the journal.
//!
//! A file appears whole or not at all. A directory is filled under a temporary name and renamed when it is complete;
//! what a killed call has left is removed by the next.

mod file;
mod place;
#[cfg(test)]
mod tests;

pub use file::{OutState, out_file, out_state};

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg, OFlag, openat};
use nix::sys::stat::Mode;
use nix::unistd::geteuid;

use crate::error::{Error, Result, ResultExt};
use crate::root::{Root, delete_path};

const MARK: &str = ".edgeutils-new";
const OLD_MARK: &str = ".edgeutils-old";

/// An existing directory of the caller in which files are made, such as downloads.
pub fn out_root(path: &Path) -> Result<Root> {
    let place = place::find("open", path)?;
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let dir = openat(&place.dir, place.name.as_os_str(), flags, Mode::empty()).on("open", path)?;
    Ok(Root::of_dir(dir, path))
}

/// Whether another user can replace something on the way to `path`, which need not exist.
///
/// Errors: exit 4 where another user may have put a link on the way.
pub(crate) fn others_can_replace(verb: &str, path: &Path) -> Result<bool> {
    Ok(place::find(verb, path)?.is_others)
}

/// An output directory that is being filled.
///
/// Only `edge-cni build` uses it. It stays here because only this crate may write and delete files.
#[derive(Debug)]
pub struct OutDir {
    path: PathBuf,
    temporary: PathBuf,
    finished: bool,
    /// Locked while this call runs: a directory without a lock was left by a killed call.
    _held: Flock<File>,
}

impl OutDir {
    /// Begins to fill `path`. What a killed call has left is removed; an existing `path` stays until
    /// [`OutDir::finish`]. Fails while another call fills it.
    pub fn begin(path: &Path) -> Result<OutDir> {
        let path = std::path::absolute(path).on("make", path)?;
        // Programs fill it by its path. As root they would follow a link that someone puts there meanwhile.
        if geteuid().is_root() && place::find("make", &path)?.is_others {
            return Err(Error::refused(format!(
                "cannot make {}: a parent directory is writable by others",
                path.display()
            ))
            .hint("run it as the owner of that directory (sudo -u USER), or choose another directory"));
        }
        let temporary = beside(&path, MARK)?;
        let make = || -> io::Result<Flock<File>> {
            let _left = open_dir(&temporary).ok().map(hold).transpose()?;
            remove_tree(&temporary)?;
            if let Some(parent) = path.parent() {
                DirBuilder::new().recursive(true).mode(0o755).create(parent)?;
            }
            DirBuilder::new().mode(0o700).create(&temporary)?;
            hold(open_dir(&temporary)?)
        };
        match make() {
            Ok(held) => Ok(OutDir { path, temporary, finished: false, _held: held }),
            Err(cause) if cause.kind() == io::ErrorKind::WouldBlock => {
                Err(Error::failed(format!("cannot make {}: another process is creating it", path.display()))
                    .hint("wait until it has finished, or choose another directory"))
            }
            Err(cause) => Err(cause).on("make", path),
        }
    }

    /// Makes a directory in it.
    pub fn dir(&self, name: &str) -> Result<PathBuf> {
        let path = self.temporary.join(name);
        DirBuilder::new().mode(0o755).create(&path).on("make", &path)?;
        Ok(path)
    }

    /// Writes a file in it.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        put(&self.temporary.join(name), bytes).on("write", self.path.join(name))
    }

    /// Moves a file from one place in it to another.
    pub fn rename(&self, from: &Path, name: &str) -> Result<()> {
        let to = self.temporary.join(name);
        fs::rename(from, &to).on("write", self.path.join(name))
    }

    /// Removes a directory in it and all below.
    pub fn remove(&self, path: &Path) -> Result<()> {
        remove_tree(path).on("remove", path)
    }

    /// Renames it. An existing directory is replaced, and restored if that fails.
    pub fn finish(mut self) -> Result<()> {
        let old = beside(&self.path, OLD_MARK)?;
        let finish = || -> io::Result<()> {
            sync_files(&self.temporary)?;
            fs::set_permissions(&self.temporary, Permissions::from_mode(0o755))?;
            remove_tree(&old)?;
            gone(fs::rename(&self.path, &old))?;
            if let Err(cause) = fs::rename(&self.temporary, &self.path) {
                // Best effort: restore the previous directory.
                fs::rename(&old, &self.path).ok();
                return Err(cause);
            }
            remove_tree(&old)
        };
        finish().on("write", &self.path)?;
        self.finished = true;
        Ok(())
    }
}

impl Drop for OutDir {
    fn drop(&mut self) {
        if !self.finished {
            // Best effort: the next call removes what is left.
            remove_tree(&self.temporary).ok();
        }
    }
}

/// Opens a directory itself; a link is not followed.
fn open_dir(path: &Path) -> io::Result<File> {
    let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW;
    OpenOptions::new().read(true).custom_flags(flags.bits()).open(path)
}

/// Locks it as long as the value exists; the kernel releases it when the process is killed.
fn hold(dir: File) -> io::Result<Flock<File>> {
    Flock::lock(dir, FlockArg::LockExclusiveNonblock).map_err(|(_, cause)| cause.into())
}

fn put(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o644).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn beside(path: &Path, mark: &str) -> Result<PathBuf> {
    let Some(name) = path.file_name() else {
        return Err(Error::usage(format!("cannot write {}: it has no name", path.display())));
    };
    let mut hidden = OsString::from(".");
    hidden.push(name);
    hidden.push(mark);
    Ok(path.with_file_name(hidden))
}

fn sync_files(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() && !path.is_symlink() {
            sync_files(&path)?;
        } else if path.is_file() {
            File::open(&path)?.sync_all()?;
        }
    }
    File::open(dir)?.sync_all()
}

fn remove_tree(path: &Path) -> io::Result<()> {
    delete_path(path).into_result()
}

/// Already gone is success.
fn gone(done: io::Result<()>) -> io::Result<()> {
    match done {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

#[cfg(test)]
mod dir_tests {
    use super::*;

    #[test]
    fn a_directory_appears_whole_and_what_was_there_goes() {
        let top = tempfile::tempdir().unwrap();
        let path = top.path().join("a/b");
        for text in ["one", "two"] {
            let out = OutDir::begin(&path).unwrap();
            out.write("file", text.as_bytes()).unwrap();
            assert!(!path.exists() || fs::read_to_string(path.join("file")).unwrap() == "one");
            out.finish().unwrap();
            assert_eq!(fs::read_to_string(path.join("file")).unwrap(), text);
        }
        assert_eq!(fs::read_dir(top.path().join("a")).unwrap().count(), 1, "nothing is left beside");
    }

    #[test]
    fn nothing_is_left_of_one_that_is_not_finished() {
        let top = tempfile::tempdir().unwrap();
        let path = top.path().join("b");
        fs::create_dir_all(top.path().join(".b.edgeutils-new/of/a/killed/call")).unwrap();
        drop(OutDir::begin(&path).unwrap());
        assert_eq!(fs::read_dir(top.path()).unwrap().count(), 0);
    }

    #[test]
    fn two_calls_at_once_do_not_clear_each_other_away() {
        let top = tempfile::tempdir().unwrap();
        let path = top.path().join("b");
        let first = OutDir::begin(&path).unwrap();
        first.write("file", b"whole").unwrap();
        let error = OutDir::begin(&path).unwrap_err();
        assert!(
            error.message().ends_with("/b: another process is creating it") && error.hint_text().is_some(),
            "{error}"
        );
        first.finish().unwrap();
        assert_eq!(fs::read(path.join("file")).unwrap(), b"whole");
        drop(OutDir::begin(&path).unwrap());
        assert_eq!(fs::read(path.join("file")).unwrap(), b"whole");
    }

    #[test]
    fn a_link_at_its_place_is_not_followed() {
        let top = tempfile::tempdir().unwrap();
        fs::create_dir(top.path().join("other")).unwrap();
        fs::write(top.path().join("other/file"), "precious").unwrap();
        std::os::unix::fs::symlink("other", top.path().join(".b.edgeutils-new")).unwrap();
        OutDir::begin(&top.path().join("b")).unwrap().finish().unwrap();
        assert_eq!(fs::read(top.path().join("other/file")).unwrap(), b"precious");
    }
}
