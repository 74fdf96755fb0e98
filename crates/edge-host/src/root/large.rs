//! Files that are too large for memory: read, written and copied in pieces.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use nix::fcntl::{AtFlags, OFlag};
use nix::sys::stat::{SFlag, fstat};
use nix::unistd::linkat;
use sha2::{Digest, Sha256};

use super::Root;
use super::attributes::Xattrs;
use super::read::{FileSnapshot, kind};
use super::resolve::{LastLink, ResolvedPath};
use super::state::{State, hex};
use super::write::Meta;
use crate::error::Result;

const PIECE: usize = 64 << 10;

impl Root {
    /// The state of `path` itself, a link not followed, without its bytes: for programs and archives of any size, which
    /// are replaced by [`crate::Node::Large`] or removed.
    pub fn find_large(&self, path: &Path) -> Result<FileSnapshot> {
        let fail = |cause: io::Error| self.path_error("read", path, &cause);
        let state = self.resolve(path, LastLink::Keep).and_then(|resolved| resolved.state()).map_err(fail)?;
        Ok(FileSnapshot { state, bytes: Vec::new() })
    }
}

/// Writes what `content` writes; fails if its checksum is another one.
fn write_summed(
    file: &mut File,
    sha256: &str,
    content: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    let mut summed = Summed { file, sum: Sha256::new() };
    content(&mut summed)?;
    let got = hex(&summed.sum.finalize());
    if got == sha256 {
        return Ok(());
    }
    Err(io::Error::other(format!("its checksum is {got}, expected {sha256}")))
}

/// Passes bytes on and computes their checksum.
struct Summed<'a> {
    file: &'a mut File,
    sum: Sha256,
}

impl Write for Summed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.file.write(bytes)?;
        self.sum.update(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl ResolvedPath<'_> {
    /// The state of what is here; a regular file is read in pieces, whatever its size.
    pub(crate) fn state(&self) -> io::Result<State> {
        match self.stat()? {
            Some(stat) if kind(&stat) == SFlag::S_IFREG => {}
            _ => return Ok(self.find()?.state),
        }
        // Not blocking, in case it was replaced by a pipe meanwhile.
        let mut file = File::from(self.open(OFlag::O_RDONLY | OFlag::O_NONBLOCK)?);
        let stat = fstat(&file)?;
        if kind(&stat) != SFlag::S_IFREG {
            return Err(io::Error::other("it is not a regular file"));
        }
        let mut sum = Sha256::new();
        let mut piece = vec![0; PIECE];
        loop {
            match file.read(&mut piece)? {
                0 => break,
                count => sum.update(&piece[..count]),
            }
        }
        let (mode, uid, gid) = (stat.st_mode & 0o7777, stat.st_uid, stat.st_gid);
        Ok(State::File { sha256: hex(&sum.finalize()), mode, uid, gid, xattrs: Xattrs::of(&file) })
    }

    /// Whether a file is a mount point, so that it cannot be replaced.
    pub(crate) fn is_covered(&self) -> io::Result<bool> {
        match self.stat()? {
            Some(stat) if kind(&stat) == SFlag::S_IFREG => self.is_mount_point(),
            _ => Ok(false),
        }
    }

    /// Writes a complete new file with this checksum to a temporary name and renames it.
    pub(crate) fn replace_large(
        &self,
        sha256: &str,
        meta: Meta,
        content: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> io::Result<()> {
        self.place_if(self.stage_file(meta, None, None, |file| write_summed(file, sha256, content)))
    }

    /// Copies another file here, with its extended attributes or those that are recorded.
    pub(crate) fn copy_large(
        &self,
        from: &ResolvedPath<'_>,
        sha256: &str,
        meta: Meta,
        xattrs: Option<&Xattrs>,
    ) -> io::Result<()> {
        let source = File::from(from.open(OFlag::O_RDONLY | OFlag::O_NONBLOCK)?);
        let copy = |to: &mut dyn Write| io::copy(&mut &source, to).map(|_| ());
        self.place_if(self.stage_file(meta, Some(&source), xattrs, |file| write_summed(file, sha256, copy)))
    }

    /// Makes a hard link of another file here.
    pub(crate) fn link_from(&self, from: &ResolvedPath<'_>) -> io::Result<()> {
        linkat(from.dir(), from.name.as_os_str(), self.dir(), self.name.as_os_str(), AtFlags::empty())?;
        self.sync_dir()
    }
}
