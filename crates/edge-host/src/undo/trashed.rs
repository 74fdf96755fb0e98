//! Decides how a tree is moved back from the trash: never over what exists again, unless by force.

use super::decide::{Decided, Undoing};
use super::step::UndoStep;
use crate::apply::{absolute, resolve};
use crate::error::{Error, Result, ResultExt};
use crate::mounts::Mounts;
use crate::root::{Inode, LastLink, Trash};

impl Undoing<'_> {
    pub(super) fn decide_trashed(&self, path: &str, was: Inode, trash: Trash) -> Result<Decided> {
        let path = absolute(path);
        let resolved = resolve(self.root, &path, LastLink::Keep)?;
        let shown = self.root.display(&path);
        let now = resolved.inode().on("read", &shown)?;
        if now == Some(was) {
            return Ok(UndoStep::Already.into());
        }
        let place = self.root.display(&trash.place_of(&path));
        let refused = |why: &str| Error::refused(format!("cannot restore {}: {why}", shown.display()));
        let found = resolved.inode_in_trash(trash).on("read", &shown)?;
        if found != Some(was) {
            let why = if found.is_some() { "is no longer what was moved there" } else { "does not exist any more" };
            return Err(refused(&format!("{} {why}", place.display())).hint(self.keep_all()));
        }
        let Some(now) = now else { return Ok(UndoStep::FromTrash { keeping: None }.into()) };
        if let Some(mount) = resolved.tree_mounts(&Mounts::read()?).on("read", &shown)?.first() {
            let (why, hint) = mount.explain();
            return Err(refused(&why).hint(format!("{hint}; {}", self.keep_all())));
        }
        if resolved.is_empty_dir().on("read", &shown)? {
            return Ok(UndoStep::FromTrash { keeping: None }.into());
        }
        if self.force {
            return Ok(UndoStep::FromTrash { keeping: Some(now) }.into());
        }
        Err(self.or_by_force(refused(&format!("it exists again; what was moved is in {}", place.display()))))
    }
}
