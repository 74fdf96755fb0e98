//! Takes edgecore out of a file whose checksum was verified, whatever form the file has.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::path::PathBuf;

use edge_fetch::archive::{self, Entry, Kind, Limits};
use edge_fetch::image::{Image, is_image};
use edge_fetch::{Form, Summed};
use edge_host::{Arch, Error, Program, Result, ResultExt};

/// Larger than any release: edgecore, cloudcore and the other programs have a few hundred megabytes.
const LIMITS: Limits = Limits { kind: "release archive", entries: 1000, bytes: 2 << 30 };
/// Where edgecore is in an image of kubeedge/installation-package.
const IN_IMAGE: &str = "usr/local/bin/edgecore";
const PROGRAM: &str = "edgecore";
/// The directories and files of a release archive, in its top directory.
const OF_RELEASE: [&str; 3] = ["edge", "cloud", "version"];
const EXPECTED: &str =
    "a release archive of KubeEdge, a saved image of kubeedge/installation-package, or edgecore itself";
/// Longer than any version.
const MAX_VERSION: u64 = 64;
const PIECE: usize = 64 << 10;

/// What was taken.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Taken {
    /// What the file is: `release archive`.
    pub kind: &'static str,
    /// SHA-256 of edgecore, in hex.
    pub sha256: String,
    /// Its length in bytes.
    pub size: u64,
    /// Its first bytes.
    pub head: Vec<u8>,
    /// The version that a release archive has as a text.
    pub version: Option<String>,
}

/// Copies edgecore into `to`. `arch` decides where a file has programs of several.
///
/// Errors: exit 1 where there is no edgecore or the file is damaged, exit 4 where it has what a genuine one does not.
pub fn take(
    file: &mut File,
    shown: &str,
    arch: Arch,
    stop: &dyn Fn() -> Result<()>,
    to: &mut dyn Write,
) -> Result<Taken> {
    let form = Form::of_file(file, shown)?;
    if let Some(problem) = form.problem(shown, EXPECTED) {
        return Err(problem);
    }
    if form == Form::Elf {
        let mut copy = Copy::new(shown, stop, to);
        copy.all(file)?;
        file.rewind().on("read", shown)?;
        return copy.taken("edgecore itself");
    }
    let is_release = |name: &str| {
        let mut parts = name.split('/');
        let (first, second) = (parts.next(), parts.next());
        [first, second].into_iter().flatten().any(|part| OF_RELEASE.contains(&part))
    };
    let taken = if is_image(file, shown, stop, &is_release)? {
        of_image(file.try_clone().on("read", shown)?, shown, arch, stop, to)
    } else if form == Form::Gzip {
        of_release(file, shown, stop, to)
    } else {
        let cause = "it is a tar, but not a saved image";
        Err(Error::cannot("use", shown, cause).hint(format!("expected {EXPECTED}")))
    };
    file.rewind().on("read", shown)?;
    taken
}

fn of_image(file: File, shown: &str, arch: Arch, stop: &dyn Fn() -> Result<()>, to: &mut dyn Write) -> Result<Taken> {
    let image = Image::read(file, shown, stop)?;
    let mut copy = Copy::new(shown, stop, to);
    let mut copied = |from: &mut dyn Read, _: u64| copy.all(from);
    if !image.file(IN_IMAGE, arch.goarch(), stop, &mut copied)? {
        return Err(Error::cannot("use", shown, format!("the image does not contain /{IN_IMAGE}"))
            .hint("save the image kubeedge/installation-package of the release"));
    }
    copy.taken("saved image")
}

fn of_release(file: &mut File, shown: &str, stop: &dyn Fn() -> Result<()>, to: &mut dyn Write) -> Result<Taken> {
    file.rewind().on("read", shown)?;
    let mut copy = Copy::new(shown, stop, to);
    let (mut found, mut version) = (None::<PathBuf>, None);
    archive::read(file, shown, LIMITS, stop, &mut |mut entry: Entry<'_>| {
        let name = entry.path.file_name().and_then(|name| name.to_str()).map(str::to_owned);
        match (entry.kind, name.as_deref()) {
            (Kind::File, Some(PROGRAM)) => {
                if let Some(other) = &found {
                    let (one, two) = (other.display(), entry.path.display());
                    return Err(Error::refused(format!(
                        "cannot use {shown}: it has two programs edgecore: {one} and {two}"
                    ))
                    .hint("this is not a genuine release archive: do not use it"));
                }
                found = Some(entry.path.clone());
                copy.all(&mut entry)
            }
            (Kind::File, Some("version")) if entry.path.iter().count() <= 2 && entry.size <= MAX_VERSION => {
                let mut text = String::new();
                // What is not text is not a version.
                version = entry.read_to_string(&mut text).ok().map(|_| text.trim().to_owned());
                Ok(())
            }
            _ => Ok(()),
        }
    })?;
    if found.is_none() {
        return Err(Error::cannot("use", shown, "it does not contain edgecore").hint(format!("expected {EXPECTED}")));
    }
    Ok(Taken { version, ..copy.taken("release archive")? })
}

/// Copies the program, and keeps its beginning and its checksum.
struct Copy<'c> {
    shown: &'c str,
    stop: &'c dyn Fn() -> Result<()>,
    to: &'c mut dyn Write,
    taken: Taken,
}

impl<'c> Copy<'c> {
    fn new(shown: &'c str, stop: &'c dyn Fn() -> Result<()>, to: &'c mut dyn Write) -> Copy<'c> {
        Copy { shown, stop, to, taken: Taken::default() }
    }

    fn all(&mut self, from: &mut dyn Read) -> Result<()> {
        let mut summed = Summed::new(from);
        let mut piece = vec![0; PIECE];
        loop {
            (self.stop)()?;
            let read = match summed.read(&mut piece) {
                Ok(0) => break,
                Ok(read) => read,
                Err(cause) if cause.kind() == io::ErrorKind::Interrupted => continue,
                Err(cause) => {
                    (self.stop)()?;
                    return Err(Error::cannot("unpack", self.shown, archive::describe(&cause))
                        .hint("the file is damaged: get it again"));
                }
            };
            let bytes = &piece[..read];
            let missing = Program::HEAD.saturating_sub(self.taken.head.len());
            self.taken.head.extend_from_slice(&bytes[..read.min(missing)]);
            self.taken.size += read as u64;
            self.to.write_all(bytes).map_err(|cause| Error::failed(format!("cannot unpack edgecore: {cause}")))?;
        }
        self.taken.sha256 = summed.finish();
        Ok(())
    }

    fn taken(self, kind: &'static str) -> Result<Taken> {
        if self.taken.size == 0 {
            return Err(Error::cannot("use", self.shown, "its edgecore is empty").hint("get it again"));
        }
        Ok(Taken { kind, ..self.taken })
    }
}

#[cfg(test)]
mod tests;
