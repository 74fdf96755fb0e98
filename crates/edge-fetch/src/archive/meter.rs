//! Counts what an archive unpacks to.

use std::cell::Cell;
use std::io::{self, Read};

use edge_host::Result;

/// How much may still be unpacked.
pub(super) struct Budget {
    /// Until the content of the next entry begins, its own content counted.
    pub(super) entry: Cell<u64>,
    /// Of the whole archive.
    pub(super) all: Cell<u64>,
}

impl Budget {
    fn spend(&self, bytes: u64) -> io::Result<()> {
        let spent = |left: &Cell<u64>, what: &str| {
            left.set(left.get().checked_sub(bytes).ok_or_else(|| io::Error::other(what.to_owned()))?);
            Ok(())
        };
        spent(&self.entry, "what lies between its files is too long")?;
        spent(&self.all, "it unpacks to more than its files, and that is too long")
    }
}

/// What is unpacked, within a budget: names and pax records are held in memory, however long they claim to be.
pub(super) struct Metered<'b, R> {
    pub(super) inner: R,
    pub(super) budget: &'b Budget,
    pub(super) stop: &'b dyn Fn() -> Result<()>,
}

impl<R: Read> Read for Metered<'_, R> {
    fn read(&mut self, piece: &mut [u8]) -> io::Result<usize> {
        (self.stop)().map_err(|stop| io::Error::other(stop.to_string()))?;
        let read = self.inner.read(piece)?;
        self.budget.spend(read as u64)?;
        Ok(read)
    }
}
