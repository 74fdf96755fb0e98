//! Reads a release archive of the plugins: programs at its top, and a README.

use std::io::{self, Read, Write};
use std::path::Path;

use edge_fetch::archive::{Archive, Contents, Entry, Kind, Limits, describe};
use edge_fetch::sum_of;
use edge_host::{Error, Program, Result};

use crate::plugin::is_name;

/// The files of a release that are not plugins.
const NOT_PLUGINS: [&str; 2] = ["LICENSE", "README.md"];
/// Ten times the size of any plugin.
const LARGEST: u64 = 256 << 20;
const LIMITS: Limits = Limits { kind: "release", entries: 256, bytes: 2 << 30 };

/// A plugin in an archive.
#[derive(Debug, Clone)]
pub(crate) struct PackedPlugin {
    pub(crate) name: String,
    pub(crate) sha256: String,
    pub(crate) program: Program,
    /// The offset of its content in the uncompressed archive.
    offset: u64,
    size: u64,
}

/// The plugins of an archive with this checksum. Errors: exit 4 where anything else is in it.
pub(crate) fn list(archive: &mut Archive, sha256: &str, stop: &dyn Fn() -> Result<()>) -> Result<Vec<PackedPlugin>> {
    let shown = archive.shown().to_owned();
    let mut packed: Vec<PackedPlugin> = Vec::new();
    archive.read(sha256, LIMITS, stop, &mut |entry| check(entry, &shown).map(|plugin| packed.extend(plugin)))?;
    if packed.is_empty() {
        return Err(refuse(&shown, "it contains no plugins"));
    }
    Ok(packed)
}

fn refuse(shown: &str, what: &str) -> Error {
    Error::refused(format!("cannot install {shown}: {what}"))
}

fn check(mut entry: Entry<'_>, shown: &str) -> Result<Option<PackedPlugin>> {
    let refuse = |what: String| refuse(shown, &what);
    let name = entry.path.to_string_lossy().into_owned();
    if entry.kind == Kind::Directory {
        // The top itself, whose mode and owner are ignored.
        return if name.is_empty() { Ok(None) } else { Err(refuse(format!("{name:?} is not a regular file"))) };
    }
    if name.contains('/') {
        return Err(refuse(format!("{name:?} is not at the top of the archive")));
    }
    if NOT_PLUGINS.contains(&name.as_str()) {
        return Ok(None);
    }
    if !is_name(&name) {
        return Err(refuse(format!("{name:?} is not a valid plugin name")));
    }
    if entry.size > LARGEST {
        return Err(refuse(format!("{name} is larger than any plugin")));
    }
    let damaged = |cause: io::Error| Error::failed(format!("cannot unpack {name} of {shown}: {}", describe(&cause)));
    let mut head = Vec::with_capacity(Program::HEAD);
    entry.by_ref().take(Program::HEAD as u64).read_to_end(&mut head).map_err(damaged)?;
    let program = Program::parse(&head).ok_or_else(|| refuse(format!("{name} is not a program")))?;
    let offset = entry.offset;
    let (sha256, size) = sum_of(&mut head.chain(&mut entry)).map_err(damaged)?;
    Ok(Some(PackedPlugin { name, sha256, program, offset, size }))
}

/// Unpacks the plugins of an archive that was checked before.
#[derive(Debug)]
pub(crate) struct Unpacker {
    shown: String,
    contents: Contents,
}

impl Unpacker {
    pub(crate) fn of(archive: Archive) -> Unpacker {
        Unpacker { shown: archive.shown().to_owned(), contents: archive.into_contents() }
    }

    /// Copies the content of a plugin. Only calls out of the order of [`list`] read the archive again.
    pub(crate) fn copy(&mut self, plugin: &PackedPlugin, to: &mut dyn Write) -> Result<()> {
        // The writer compares the checksum, which detects a file that was changed since.
        self.contents.copy(plugin.offset, plugin.size, to).map_err(|cause| {
            Error::failed(format!("cannot unpack {} of {}: {}", plugin.name, self.shown, describe(&cause)))
        })
    }
}

/// Whether a file has the name of a release archive: `cni-plugins-linux-arm64-v1.9.1.tgz`.
pub(crate) fn is_archive(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name.starts_with("cni-plugins-linux-") && (name.ends_with(".tgz") || name.ends_with(".tar.gz"))
}

#[cfg(test)]
mod tests;
