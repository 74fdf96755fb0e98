//! A machine's own disk: a copy of the image, with files put into it before it boots.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use super::image::Image;
use crate::sh::Sh;
use crate::workspace::write;

/// A copy of an image, removed with the value unless kept.
#[derive(Debug)]
pub(super) struct Disk {
    path: PathBuf,
    keep: Keep,
}

/// Whether a disk is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keep {
    Disk,
    Nothing,
}

/// A file for the machine.
#[derive(Debug)]
pub(super) struct GuestFile {
    /// Its absolute path there.
    pub(super) path: String,
    /// Octal permissions.
    pub(super) mode: u32,
    pub(super) content: Vec<u8>,
}

impl GuestFile {
    /// A file of root's that everyone may read.
    pub(super) fn text(path: impl Into<String>, content: impl Into<Vec<u8>>) -> GuestFile {
        GuestFile { path: path.into(), mode: 0o644, content: content.into() }
    }
}

impl Disk {
    /// Copies the image into `dir` and puts the files into the copy.
    pub(super) fn new(image: &Image, dir: &Path, files: &[GuestFile], keep: Keep, log: &Path) -> Result<Disk> {
        let disk = Disk { path: dir.join("disk.img"), keep };
        let copy = Sh::new("cp --reflink=auto --sparse=always").arg(image.disk()).arg(&disk.path);
        copy.capture()?;
        disk.put(dir, files, log)?;
        Ok(disk)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Checks the file system after a power cut: the journal is replayed, and then nothing may be wrong.
    pub(super) fn check(&self) -> Result<()> {
        // As at a boot: what a crash leaves is repaired without a question; 0 and 1 are success.
        for (options, most) in [("-p", 1), ("-fn", 0)] {
            let output = Sh::new("e2fsck").arg(options).arg(&self.path).output()?;
            if output.status.code().is_none_or(|code| code > most) {
                let printed = String::from_utf8_lossy(&output.stdout).into_owned();
                bail!("e2fsck {options} of {} ended with {}: {printed}", self.path.display(), output.status);
            }
        }
        Ok(())
    }

    /// Writes the files with debugfs, so that nothing is mounted.
    fn put(&self, dir: &Path, files: &[GuestFile], log: &Path) -> Result<()> {
        let staged = dir.join("files");
        let mut script = String::new();
        for (number, file) in files.iter().enumerate() {
            let source = staged.join(number.to_string());
            write(&source, &file.content)?;
            script.push_str(&commands(file, &source));
        }
        let commands = dir.join("debugfs");
        write(&commands, &script)?;
        let output = Sh::new("debugfs -w -f").arg(&commands).arg(&self.path).output()?;
        crate::workspace::remove_tree(&staged)?;
        // debugfs always exits 0; any output beside its version is an error.
        let messages = String::from_utf8_lossy(&output.stderr);
        let trouble = messages
            .lines()
            .find(|line| !line.starts_with("debugfs ") && !line.contains("Ext2 directory already exists"));
        if let Some(trouble) = trouble {
            write(log, messages.as_bytes())?;
            bail!("cannot put files into {}: {trouble}", self.path.display());
        }
        Ok(())
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if self.keep == Keep::Nothing {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// The debugfs commands for one file: directories, content, mode.
fn commands(file: &GuestFile, source: &Path) -> String {
    let mut commands = String::new();
    for (end, _) in file.path.match_indices('/').skip(1) {
        commands.push_str(&format!("mkdir \"{}\"\n", &file.path[..end]));
    }
    commands.push_str(&format!("write \"{}\" \"{}\"\n", source.display(), file.path));
    for (field, value) in [("mode", format!("0100{:o}", file.mode)), ("uid", "0".to_owned()), ("gid", "0".to_owned())] {
        commands.push_str(&format!("sif \"{}\" {field} {value}\n", file.path));
    }
    commands
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_gets_its_directories_and_its_mode() {
        let file = GuestFile { path: "/usr/local/bin/x".to_owned(), mode: 0o755, content: Vec::new() };
        let expected = "mkdir \"/usr\"\nmkdir \"/usr/local\"\nmkdir \"/usr/local/bin\"\n\
                        write \"/s\" \"/usr/local/bin/x\"\nsif \"/usr/local/bin/x\" mode 0100755\n\
                        sif \"/usr/local/bin/x\" uid 0\nsif \"/usr/local/bin/x\" gid 0\n";
        assert_eq!(commands(&file, Path::new("/s")), expected);
    }
}
