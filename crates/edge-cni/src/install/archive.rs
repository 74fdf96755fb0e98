//! Release archives: flat, gzipped tars of plugins, with a README beside them.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Component, Path, PathBuf};

use edge_host::{Error, Result};
use flate2::read::MultiGzDecoder;
use tar::{Archive, EntryType};

use crate::arch::{HEAD, Program};
use crate::build::manifest::{sum, sum_of};
use crate::plugin::is_name;

/// What is in a release beside the plugins.
const NOT_PLUGINS: [&str; 2] = ["LICENSE", "README.md"];
/// No plugin has a tenth of it: what unpacks to more is no release.
const LARGEST: u64 = 256 << 20;
const LARGEST_OF_ALL: u64 = 2 << 30;
const MOST: usize = 256;

type Tar = Archive<MultiGzDecoder<File>>;

/// A plugin in an archive.
#[derive(Debug, Clone)]
pub(crate) struct Packed {
    pub(crate) name: String,
    pub(crate) sha256: String,
    pub(crate) program: Program,
    /// Where its bytes begin in what the archive unpacks to.
    offset: u64,
    size: u64,
}

/// The archive's own checksum.
pub(crate) fn checksum(path: &Path) -> Result<String> {
    Ok(sum(path)?.sha256)
}

/// What is in an archive, each entry looked at: anything that is no plugin is refused.
pub(crate) fn list(path: &Path) -> Result<Vec<Packed>> {
    let refuse = |what: String| Error::refused(format!("cannot install {}: {what}", path.display()));
    let damaged = |cause: io::Error| Error::failed(format!("cannot read {}: {cause}", path.display()));
    let mut packed: Vec<Packed> = Vec::new();
    let (mut count, mut left) = (0, LARGEST_OF_ALL);
    let mut archive = open(path)?;
    for entry in archive.entries().map_err(damaged)? {
        let mut entry = entry.map_err(damaged)?;
        // What is passed over is unpacked all the same.
        count += 1;
        left = left.saturating_sub(entry.size());
        if count > MOST || left == 0 {
            return Err(refuse("it is larger, or holds more, than any release".to_owned()));
        }
        let shown = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let inner = entry.path().map_err(damaged)?.into_owned();
        let kind = entry.header().entry_type();
        let Some(name) = flat_name(&inner) else {
            // The top itself: its mode and owner are none of an archive's business.
            if kind == EntryType::Directory && inner.components().all(|one| one == Component::CurDir) {
                continue;
            }
            return Err(refuse(format!("{shown:?} in it is not a file at its top")));
        };
        if kind != EntryType::Regular && kind != EntryType::Continuous {
            return Err(refuse(format!("{shown:?} in it is no regular file")));
        }
        if NOT_PLUGINS.contains(&name.as_str()) {
            continue;
        }
        if !is_name(&name) {
            return Err(refuse(format!("{shown:?} in it is no name of a plugin")));
        }
        if packed.iter().any(|other| other.name == name) {
            return Err(refuse(format!("{name} is in it twice")));
        }
        if entry.size() > LARGEST {
            return Err(refuse(format!("{name} is larger than any plugin")));
        }
        let mut head = Vec::with_capacity(HEAD);
        entry.by_ref().take(HEAD as u64).read_to_end(&mut head).map_err(damaged)?;
        let program = Program::parse(&head).ok_or_else(|| refuse(format!("{name} in it is no program")))?;
        let offset = entry.raw_file_position();
        let (sha256, size) = sum_of(&mut head.chain(&mut entry)).map_err(damaged)?;
        packed.push(Packed { name, sha256, program, offset, size });
    }
    // The checksum of the compression comes behind the last entry.
    io::copy(&mut archive.into_inner(), &mut io::sink()).map_err(damaged)?;
    if packed.is_empty() {
        return Err(refuse("there is no plugin in it".to_owned()));
    }
    Ok(packed)
}

/// An archive that is unpacked from front to back, never more than a piece of it in memory.
#[derive(Debug)]
pub(crate) struct Unpacker {
    path: PathBuf,
    /// What is left of it, and how much of what it unpacks to lies behind.
    rest: Option<(MultiGzDecoder<File>, u64)>,
}

impl Unpacker {
    pub(crate) fn new(path: &Path) -> Unpacker {
        Unpacker { path: path.to_path_buf(), rest: None }
    }

    /// Writes one plugin to where it shall be; asked for in the order of [`list`], none is read twice.
    pub(crate) fn pour(&mut self, plugin: &Packed, to: &mut dyn Write) -> Result<()> {
        let fail = |path: &Path, cause: io::Error| {
            Error::failed(format!("cannot unpack {} of {}: {cause}", plugin.name, path.display()))
        };
        let (mut unpacked, at) = match self.rest.take().filter(|(_, at)| *at <= plugin.offset) {
            Some(rest) => rest,
            None => (unzip(&self.path)?, 0),
        };
        let skip = plugin.offset - at;
        let skipped = io::copy(&mut Read::by_ref(&mut unpacked).take(skip), &mut io::sink());
        let copied = skipped.and_then(|_| io::copy(&mut Read::by_ref(&mut unpacked).take(plugin.size), to));
        // Fewer bytes than there were have another checksum, which is looked at by whoever writes.
        let count = copied.map_err(|cause| fail(&self.path, cause))?;
        self.rest = Some((unpacked, plugin.offset + count));
        Ok(())
    }
}

fn unzip(path: &Path) -> Result<MultiGzDecoder<File>> {
    let file = File::open(path).map_err(|cause| Error::io("open", path, &cause))?;
    Ok(MultiGzDecoder::new(file))
}

fn open(path: &Path) -> Result<Tar> {
    Ok(Archive::new(unzip(path)?))
}

/// `./bridge` and `bridge`, but nothing deeper and nothing that leads out.
fn flat_name(inner: &Path) -> Option<String> {
    let mut components = inner.components().filter(|one| *one != Component::CurDir);
    match (components.next(), components.next()) {
        (Some(Component::Normal(name)), None) => name.to_str().map(str::to_owned),
        _ => None,
    }
}

/// What a release calls its archive: `cni-plugins-linux-arm64-v1.9.1.tgz`.
pub(crate) fn is_archive(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name.starts_with("cni-plugins-linux-") && (name.ends_with(".tgz") || name.ends_with(".tar.gz"))
}

/// The checksum that stands in a file beside an archive, as releases have it: `FILE.sha256`.
pub(crate) fn beside(path: &Path) -> Option<String> {
    let mut name = path.as_os_str().to_os_string();
    name.push(".sha256");
    let text = std::fs::read_to_string(PathBuf::from(name)).ok()?;
    let word = text.split_whitespace().next()?.to_ascii_lowercase();
    is_sha256(&word).then_some(word)
}

/// Whether a text is a SHA-256 in hex.
pub(crate) fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests;
