//! What a deletion could not remove: the count, and the first few by name.

use std::io;
use std::path::{Path, PathBuf};

use nix::errno::Errno;

use crate::error::{Error, unlock_hint};
use crate::shell::quoted;

/// Names that are shown.
const SHOWN: usize = 8;

/// The leftovers of a tree, with paths below its top; that of the top itself is empty.
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

    /// How many entries are left. Directories that are not empty because of them do not count.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    pub(super) fn add(&mut self, cause: io::Error, path: impl FnOnce() -> PathBuf) {
        self.count += 1;
        if self.shown.len() < SHOWN {
            self.shown.push((path(), cause));
        }
    }

    /// Adds those of one directory.
    pub(super) fn absorb(&mut self, other: Leftovers, place: impl Fn(PathBuf) -> PathBuf) {
        self.count += other.count;
        let room = SHOWN - self.shown.len();
        self.shown.extend(other.shown.into_iter().take(room).map(|(path, cause)| (place(path), cause)));
    }

    /// Whether everything was removed.
    pub(crate) fn is_nothing(&self) -> bool {
        self.count == 0
    }

    /// `cannot VERB PATH: ...`, with a hint on what keeps them.
    pub(crate) fn into_error(self, verb: &str, path: &Path) -> Option<Error> {
        let paths: Vec<PathBuf> = self.shown.iter().map(|(below, _)| path.join(below)).collect();
        let hint = self.shown.iter().zip(&paths).find_map(|((_, cause), place)| match errno(cause) {
            Some(Errno::EXDEV | Errno::EBUSY) => {
                let path = quoted(&path.display().to_string());
                Some(format!("unmount what is mounted there (grep {path} /proc/self/mountinfo) and run again"))
            }
            Some(Errno::EPERM) => {
                unlock_hint(&paths).or_else(|| Error::io(verb, place, cause).hint_text().map(str::to_owned))
            }
            _ => Error::io(verb, place, cause).hint_text().map(str::to_owned),
        });
        let error = Error::io(verb, path, &self.into_result().err()?);
        Some(hint.map_or(error.clone(), |hint| error.hint(hint)))
    }

    /// Success if nothing is left, else one error that names the first few.
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
            text.push_str(&format!("{mark}{}", described(path, cause)));
        }
        if self.count > self.shown.len() as u64 {
            text.push_str("; ...");
        }
        Err(io::Error::other(text))
    }
}

fn errno(cause: &io::Error) -> Option<Errno> {
    cause.raw_os_error().map(Errno::from_raw)
}

fn is_mount(cause: &io::Error) -> bool {
    matches!(errno(cause), Some(Errno::EXDEV | Errno::EBUSY))
}

fn described(path: &Path, cause: &io::Error) -> String {
    let cause = match errno(cause) {
        Some(Errno::EXDEV) => "it is a mount point".to_owned(),
        Some(Errno::EBUSY) => "it is a mount point or in use".to_owned(),
        _ => cause.to_string(),
    };
    if path.as_os_str().is_empty() { cause } else { format!("{}: {cause}", path.display()) }
}
