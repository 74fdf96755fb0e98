//! Limits the size of what an archive unpacks to.

use std::cell::Cell;
use std::error::Error;
use std::fmt;
use std::io::{self, Read};

use edge_host::Result;

/// How many bytes may still be unpacked.
pub(crate) struct Budget {
    /// Up to the content of the next entry.
    pub(crate) entry: Cell<u64>,
    /// Of all of the archive.
    pub(crate) all: Cell<u64>,
}

impl Budget {
    fn spend(&self, bytes: u64) -> io::Result<()> {
        let spend = |left: &Cell<u64>, what: &'static str| {
            left.set(left.get().checked_sub(bytes).ok_or_else(|| io::Error::other(TooLong(what)))?);
            Ok(())
        };
        spend(&self.entry, "the headers of an entry are too long")?;
        spend(&self.all, "the headers of all entries are too long")
    }
}

/// The budget is used up; with the reason.
#[derive(Debug)]
pub(crate) struct TooLong(pub(super) &'static str);

impl fmt::Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Error for TooLong {}

/// A reader with a budget: the tar library keeps names and pax records in memory, whatever length they claim.
pub(crate) struct Metered<'b, R> {
    pub(crate) inner: R,
    pub(crate) budget: &'b Budget,
    pub(crate) stop: &'b dyn Fn() -> Result<()>,
}

impl<R: Read> Read for Metered<'_, R> {
    fn read(&mut self, piece: &mut [u8]) -> io::Result<usize> {
        (self.stop)().map_err(|stop| io::Error::other(stop.to_string()))?;
        let read = self.inner.read(piece)?;
        self.budget.spend(read as u64)?;
        Ok(read)
    }
}
