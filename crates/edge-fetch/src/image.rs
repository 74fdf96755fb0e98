//! Takes one file out of a saved container image, without a container runtime: a tar of `docker save`, of
//! `ctr images export`, or an OCI layout, gzipped or not.
//!
//! The layers are read from the last to the first, as a later layer replaces or deletes files of earlier ones: the first
//! that has the file or hides it decides. Images have links and devices by nature, which are skipped unless they are in
//! the way. Memory is bounded, and so are the number of layers and the bytes that are unpacked.

#![allow(clippy::disallowed_types, reason = "beside archives, the only reader of saved images")]

mod layer;
mod manifest;
mod walk;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use edge_host::{Error, Exit, Result};
use flate2::read::MultiGzDecoder;
use tar::EntryType;

use crate::form::Form;
use layer::{Layer, Verdict};
use manifest::{DOCKER, INDEX};
use walk::{Next, Walk};

/// Documents up to this size are kept: a manifest has a few kilobytes.
const MAX_DOCUMENT: u64 = 256 << 10;
/// All of them together.
const MAX_DOCUMENTS: usize = 4 << 20;
/// More than any image has; a gzipped image is read once for each.
const MAX_LAYERS: usize = 64;
/// Names at the top of a saved image, and of no other archive that is looked for.
const TOPS: [&str; 5] = [DOCKER, INDEX, "oci-layout", "blobs", "repositories"];
/// The file of a layer in older images.
const OLD_LAYER: &str = "layer.tar";

/// Reads the content of a file, whose size is given.
pub type Take<'t> = dyn FnMut(&mut dyn Read, u64) -> Result<()> + 't;

/// A saved image.
#[derive(Debug)]
pub struct Image {
    file: File,
    shown: String,
    is_zipped: bool,
    places: BTreeMap<String, Place>,
    documents: BTreeMap<String, Vec<u8>>,
}

/// Where a file of the tar is.
#[derive(Debug, Clone)]
enum Place {
    At {
        offset: u64,
        size: u64,
    },
    /// Older images have a link for a layer that they have twice.
    Link(String),
}

/// Whether a tar, gzipped or not, is a saved image, by the first name in it that decides; `is_other` knows the names of
/// other archives.
///
/// Errors: exit 1 where it is damaged or truncated before that.
pub fn is_image(
    file: &mut File,
    shown: &str,
    stop: &dyn Fn() -> Result<()>,
    is_other: &dyn Fn(&str) -> bool,
) -> Result<bool> {
    let is_zipped = Form::of_file(file, shown)? == Form::Gzip;
    let mut found = false;
    let walk = Walk::new(shown, "archive", stop);
    walk.entries(unpacked(file, is_zipped), &mut |name, _| {
        let top = name.split('/').next().unwrap_or_default();
        found = TOPS.contains(&top) || name.ends_with(&format!("/{OLD_LAYER}"));
        Ok(if found || is_other(name) { Next::Stop } else { Next::Go })
    })?;
    Ok(found)
}

fn unpacked<'f>(file: &'f File, is_zipped: bool) -> Box<dyn Read + 'f> {
    if is_zipped { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) }
}

impl Image {
    /// Reads the list of an image's files.
    ///
    /// Errors: exit 1 where it is damaged or truncated, exit 4 where it has too many files.
    pub fn read(mut file: File, shown: &str, stop: &dyn Fn() -> Result<()>) -> Result<Image> {
        let is_zipped = Form::of_file(&mut file, shown)? == Form::Gzip;
        let (mut places, mut documents, mut kept) = (BTreeMap::new(), BTreeMap::new(), 0);
        let walk = Walk::new(shown, "image", stop);
        walk.entries(unpacked(&file, is_zipped), &mut |name, entry| {
            let (offset, size) = (entry.raw_file_position(), entry.size());
            match entry.header().entry_type() {
                EntryType::Regular | EntryType::Continuous => {}
                EntryType::Symlink | EntryType::Link => {
                    let target = entry.link_name_bytes().map(|name| String::from_utf8_lossy(&name).into_owned());
                    let is_hard = entry.header().entry_type() == EntryType::Link;
                    if let Some(target) = target.and_then(|target| walk::target_of(name, &target, is_hard)) {
                        places.insert(name.to_owned(), Place::Link(target));
                    }
                    return Ok(Next::Go);
                }
                _ => return Ok(Next::Go),
            }
            places.insert(name.to_owned(), Place::At { offset, size });
            let room = MAX_DOCUMENTS - kept;
            if size > MAX_DOCUMENT || size as usize > room {
                return Ok(Next::Go);
            }
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).map_err(|cause| walk.error(&cause))?;
            if bytes.first().is_some_and(|byte| matches!(byte, b'{' | b'[')) {
                kept += bytes.len();
                documents.insert(name.to_owned(), bytes);
            }
            Ok(Next::Go)
        })?;
        Ok(Image { file, shown: shown.to_owned(), is_zipped, places, documents })
    }

    /// Passes the file at a path of the image to `take`; whether there is one. `arch` is Go's name of the architecture,
    /// for an image of several.
    ///
    /// Errors: exit 1 where the image is incomplete or a layer is damaged or compressed in an unsupported way; exit 4
    /// where the path, or a directory of it, is a link.
    pub fn file(&self, path: &str, arch: &str, stop: &dyn Fn() -> Result<()>, take: &mut Take<'_>) -> Result<bool> {
        let has = |name: &str| self.place(name).is_some();
        let layers = manifest::layers(&self.documents, arch, &has)
            .map_err(|why| Error::cannot("use", &self.shown, why).hint("save the image again, it alone"))?;
        if layers.len() > MAX_LAYERS {
            let cause = format!("it has {} layers: expected {MAX_LAYERS} at most", layers.len());
            return Err(Error::cannot("use", &self.shown, cause).with_exit(Exit::Refused));
        }
        let walk = Walk::new(&self.shown, "image", stop);
        for name in layers.iter().rev() {
            let layer = self.unzipped_layer(name, &walk)?;
            match Layer::new(path).read(&walk, layer, take)? {
                Verdict::Found => return Ok(true),
                Verdict::Hidden => return Ok(false),
                Verdict::Absent => {}
            }
        }
        Ok(false)
    }

    /// Where a file is, through one link.
    fn place(&self, name: &str) -> Option<(u64, u64)> {
        let place = match self.places.get(name)? {
            Place::Link(target) => self.places.get(target)?,
            place => place,
        };
        match place {
            Place::At { offset, size } => Some((*offset, *size)),
            Place::Link(_) => None,
        }
    }

    fn unzipped_layer<'i>(&'i self, name: &str, walk: &'i Walk<'_>) -> Result<Box<dyn Read + 'i>> {
        let missing = || Error::cannot("use", &self.shown, format!("its layer {name} is missing"));
        let (offset, size) = self.place(name).ok_or_else(missing)?;
        let open = || -> io::Result<Box<dyn Read + 'i>> {
            let mut file = &self.file;
            if self.is_zipped {
                file.rewind()?;
                let mut outer = walk.metered(MultiGzDecoder::new(file));
                io::copy(&mut outer.by_ref().take(offset), &mut io::sink())?;
                return Ok(Box::new(outer.take(size)));
            }
            file.seek(SeekFrom::Start(offset))?;
            Ok(Box::new(file.take(size)))
        };
        let mut bytes = open().map_err(|cause| walk.error(&cause))?;
        let mut head = Vec::new();
        bytes.by_ref().take(6).read_to_end(&mut head).map_err(|cause| walk.error(&cause))?;
        let form = Form::of(&head);
        let whole = io::Cursor::new(head).chain(bytes);
        match form {
            Form::Gzip => Ok(Box::new(MultiGzDecoder::new(whole))),
            Form::Compressed(by) => {
                let cause = format!("its layers are compressed by {by}, which is not supported");
                Err(Error::cannot("use", &self.shown, cause)
                    .hint("convert it, which decompresses them: skopeo copy oci-archive:FILE docker-archive:NEW.tar"))
            }
            _ => Ok(Box::new(whole)),
        }
    }
}

#[cfg(test)]
mod tests;
