//! Deletes the records of earlier runs: they contain copies of files, which no copy of an image may contain.

use super::RunName;
use crate::error::Result;
use crate::host::Host;

impl Host {
    /// Deletes the records of all runs but that of this call, and the files that they keep. None of them can be undone
    /// then. [`Host::prepare_change`] must have been called.
    pub fn forget_other_runs(&self) -> Result<()> {
        self.must_be_prepared()?;
        let own = self.progress.run.map(|id| RunName { id, tool: self.tool.to_owned() }.file());
        let dir = self.journal().dir()?;
        for name in self.root.list(&dir)? {
            if own.as_ref().is_none_or(|own| name != own.as_str()) {
                self.root.remove_tree(&dir.join(name))?;
            }
        }
        Ok(())
    }
}
