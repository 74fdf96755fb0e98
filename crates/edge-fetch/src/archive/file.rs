//! An archive file, opened once, so that the bytes that were verified are the bytes that are unpacked.

use std::fs::File;
use std::io::Seek;
use std::path::Path;

use edge_host::{Error, Result, ResultExt};

use super::{Contents, Entry, Limits, read};

/// An open archive.
#[derive(Debug)]
pub struct Archive {
    file: File,
    shown: String,
}

impl Archive {
    /// Opens a file.
    pub fn open(path: &Path) -> Result<Archive> {
        Ok(Archive::of(crate::open(path)?, path.display().to_string()))
    }

    /// An open file, and its name for messages.
    pub fn of(file: File, shown: impl Into<String>) -> Archive {
        Archive { file, shown: shown.into() }
    }

    /// Its name for messages.
    pub fn shown(&self) -> &str {
        &self.shown
    }

    /// Its SHA-256 in hex; see [`crate::checksum`].
    pub fn checksum(&mut self, stop: &dyn Fn() -> Result<()>) -> Result<String> {
        crate::checksum(&mut self.file, &self.shown, stop)
    }

    /// Reads all of it, as [`read`] does. Errors: exit 4 where its checksum is not `sha256`.
    pub fn read(
        &mut self,
        sha256: &str,
        limits: Limits,
        stop: &dyn Fn() -> Result<()>,
        take: &mut dyn FnMut(Entry<'_>) -> Result<()>,
    ) -> Result<()> {
        self.file.rewind().on("read", &self.shown)?;
        if read(&mut self.file, &self.shown, limits, stop, take)? == sha256 {
            return Ok(());
        }
        Err(Error::refused(format!("cannot unpack {}: it was changed while it was being read", self.shown)))
    }

    /// The contents of its files, to be read a second time.
    pub fn into_contents(self) -> Contents {
        Contents::of(self.file)
    }
}
