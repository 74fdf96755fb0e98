//! The contents of an archive a second time, after all of it has been read and judged.

use std::fs::File;
use std::io::{self, Read, Seek, Write};

use flate2::read::MultiGzDecoder;

/// An archive that is unpacked from front to back, never more than a piece of it in memory.
#[derive(Debug)]
pub struct Contents {
    file: File,
    /// What is left of it, and how much of what it unpacks to lies behind.
    rest: Option<(MultiGzDecoder<File>, u64)>,
}

impl Contents {
    /// Of an open file, which is read from its beginning.
    pub fn of(file: File) -> Contents {
        Contents { file, rest: None }
    }

    /// Writes the `size` bytes from `offset` on; asked for in the order of the archive, none is read twice.
    ///
    /// The file may have changed since: whoever writes compares the checksum.
    pub fn pour(&mut self, offset: u64, size: u64, to: &mut dyn Write) -> io::Result<()> {
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
