//! What makes an archive a release of plugins: programs at its top, with a README beside them.

use std::io::{self, Read, Write};
use std::path::Path;

use edge_fetch::archive::{Archive, Contents, Entry, Kind, Limits};
use edge_fetch::sum_of;
use edge_host::{Error, Program, Result};

use crate::plugin::is_name;

/// What is in a release beside the plugins.
const NOT_PLUGINS: [&str; 2] = ["LICENSE", "README.md"];
/// No plugin has a tenth of it: what unpacks to more is no release.
const LARGEST: u64 = 256 << 20;
const LIMITS: Limits = Limits { kind: "release", entries: 256, bytes: 2 << 30 };

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

/// What is in an archive of this checksum, each entry looked at; anything that is not a plugin is refused.
pub(crate) fn list(archive: &mut Archive, sha256: &str, stop: &dyn Fn() -> Result<()>) -> Result<Vec<Packed>> {
    let shown = archive.shown().to_owned();
    let mut packed: Vec<Packed> = Vec::new();
    archive.read(sha256, LIMITS, stop, &mut |entry| look(entry, &shown).map(|plugin| packed.extend(plugin)))?;
    if packed.is_empty() {
        return Err(refuse(&shown, "there is no plugin in it"));
    }
    Ok(packed)
}

fn refuse(shown: &str, what: &str) -> Error {
    Error::refused(format!("cannot install {shown}: {what}"))
}

fn look(mut entry: Entry<'_>, shown: &str) -> Result<Option<Packed>> {
    let refuse = |what: String| refuse(shown, &what);
    let name = entry.path.to_string_lossy().into_owned();
    if entry.kind == Kind::Directory {
        // The top itself: its mode and owner are none of an archive's business.
        return if name.is_empty() { Ok(None) } else { Err(refuse(format!("{name:?} in it is no regular file"))) };
    }
    if name.contains('/') {
        return Err(refuse(format!("{name:?} in it is not a file at its top")));
    }
    if NOT_PLUGINS.contains(&name.as_str()) {
        return Ok(None);
    }
    if !is_name(&name) {
        return Err(refuse(format!("{name:?} in it is no name of a plugin")));
    }
    if entry.size > LARGEST {
        return Err(refuse(format!("{name} is larger than any plugin")));
    }
    let damaged = |cause: io::Error| Error::failed(format!("cannot unpack {name} of {shown}: {cause}"));
    let mut head = Vec::with_capacity(Program::HEAD);
    entry.by_ref().take(Program::HEAD as u64).read_to_end(&mut head).map_err(damaged)?;
    let program = Program::parse(&head).ok_or_else(|| refuse(format!("{name} in it is no program")))?;
    let offset = entry.offset;
    let (sha256, size) = sum_of(&mut head.chain(&mut entry)).map_err(damaged)?;
    Ok(Some(Packed { name, sha256, program, offset, size }))
}

/// The contents of an archive, after all of it was read and judged.
#[derive(Debug)]
pub(crate) struct Unpacker {
    shown: String,
    contents: Contents,
}

impl Unpacker {
    pub(crate) fn of(archive: Archive) -> Unpacker {
        Unpacker { shown: archive.shown().to_owned(), contents: archive.into_contents() }
    }

    /// Writes one plugin; asked for in the order of [`list`], nothing is read twice.
    pub(crate) fn pour(&mut self, plugin: &Packed, to: &mut dyn Write) -> Result<()> {
        // The writer compares the checksum, and so finds bytes that changed since.
        self.contents
            .pour(plugin.offset, plugin.size, to)
            .map_err(|cause| Error::failed(format!("cannot unpack {} of {}: {cause}", plugin.name, self.shown)))
    }
}

/// What a release calls its archive: `cni-plugins-linux-arm64-v1.9.1.tgz`.
pub(crate) fn is_archive(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name.starts_with("cni-plugins-linux-") && (name.ends_with(".tgz") || name.ends_with(".tar.gz"))
}

#[cfg(test)]
mod tests;
