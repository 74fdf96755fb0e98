//! Reads the contents of an archive a second time, after all of its entries were checked.

use std::fs::File;
use std::io::{self, Read, Seek, Write};

use flate2::read::MultiGzDecoder;

/// An archive that is unpacked from front to back, in pieces.
#[derive(Debug)]
pub struct Contents {
    file: File,
    /// The decoder, and its offset in the uncompressed archive.
    rest: Option<(MultiGzDecoder<File>, u64)>,
}

impl Contents {
    /// The contents of an open file, which is read from its beginning.
    pub fn of(file: File) -> Contents {
        Contents { file, rest: None }
    }

    /// Copies the `size` bytes from `offset` on. Only calls out of the archive's order read it again from its beginning.
    ///
    /// The file may have changed since it was checked: the caller compares the checksum.
    pub fn copy(&mut self, offset: u64, size: u64, to: &mut dyn Write) -> io::Result<()> {
        let (mut unpacked, at) = match self.rest.take().filter(|(_, at)| *at <= offset) {
            Some(rest) => rest,
            None => {
                self.file.rewind()?;
                (MultiGzDecoder::new(self.file.try_clone()?), 0)
            }
        };
        io::copy(&mut Read::by_ref(&mut unpacked).take(offset - at), &mut io::sink())?;
        let count = io::copy(&mut Read::by_ref(&mut unpacked).take(size), to)?;
        self.rest = Some((unpacked, offset + count));
        Ok(())
    }
}
