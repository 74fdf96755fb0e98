//! What a deletion could not remove: how much, and the first of it by name.

use std::io;
use std::path::{Path, PathBuf};

use nix::errno::Errno;

use crate::error::Error;

/// More names than this help nobody.
const SHOWN: usize = 8;

/// What is left of a tree, with paths below its top; the top itself has an empty one.
#[derive(Debug, Default)]
pub(crate) struct Leftovers {
    count: u64,
    shown: Vec<(PathBuf, io::Error)>,
}

impl Leftovers {
    /// Nothing was removed, for this reason.
    pub(super) fn of(cause: io::Error) -> Leftovers {
        Leftovers { count: 1, shown: vec![(PathBuf::new(), cause)] }
    }

    /// How much is left. A directory that is not empty because of it does not count.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    pub(super) fn add(&mut self, cause: io::Error, path: impl FnOnce() -> PathBuf) {
        self.count += 1;
        if self.shown.len() < SHOWN {
            self.shown.push((path(), cause));
        }
    }

    /// Adds those of one directory, whose paths begin there.
    pub(super) fn absorb(&mut self, other: Leftovers, place: impl Fn(PathBuf) -> PathBuf) {
        self.count += other.count;
        let room = SHOWN - self.shown.len();
        self.shown.extend(other.shown.into_iter().take(room).map(|(path, cause)| (place(path), cause)));
    }

    /// Whether everything is gone.
    pub(crate) fn is_nothing(&self) -> bool {
        self.count == 0
    }

    /// `cannot VERB PATH: ...`, with a hint where unmounting helps.
    pub(crate) fn into_error(self, verb: &str, path: &Path) -> Option<Error> {
        let is_mounted_on = self.shown.iter().any(|(_, cause)| is_mount(cause));
        let error = Error::io(verb, path, &self.into_result().err()?);
        if !is_mounted_on {
            return Some(error);
        }
        let path = path.display();
        Some(error.hint(format!("unmount what is mounted there (grep {path} /proc/self/mountinfo) and run again")))
    }

    /// Success where nothing is left, else one error that names the first of it.
    pub(crate) fn into_result(mut self) -> io::Result<()> {
        match (self.count, self.shown.first()) {
            (0, _) => return Ok(()),
            (1, Some((path, cause))) if path.as_os_str().is_empty() && !is_mount(cause) => {
                return Err(self.shown.swap_remove(0).1);
            }
            _ => {}
        }
        let mut text = match self.count {
            1 => "1 entry could not be removed".to_owned(),
            count => format!("{count} entries could not be removed"),
        };
        for (at, (path, cause)) in self.shown.iter().enumerate() {
            let mark = if at == 0 { ": " } else { "; " };
            text.push_str(&format!("{mark}{}", said(path, cause)));
        }
        if self.count > self.shown.len() as u64 {
            text.push_str("; ...");
        }
        Err(io::Error::other(text))
    }
}

fn is_mount(cause: &io::Error) -> bool {
    [Errno::EXDEV, Errno::EBUSY].iter().any(|errno| cause.raw_os_error() == Some(*errno as i32))
}

fn said(path: &Path, cause: &io::Error) -> String {
    let cause = match cause.raw_os_error().map(Errno::from_raw) {
        Some(Errno::EXDEV) => "it is a mount point".to_owned(),
        Some(Errno::EBUSY) => "it is a mount point or in use".to_owned(),
        _ => cause.to_string(),
    };
    if path.as_os_str().is_empty() { cause } else { format!("{}: {cause}", path.display()) }
}
