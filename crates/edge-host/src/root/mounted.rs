//! Where a path is in the mount table, which knows nothing of links or of the root of an image.

use std::io;
use std::path::{Path, PathBuf};

use super::Root;
use super::attributes::mount_id;
use super::resolve::{LastLink, ResolvedPath};
use super::trash::Trash;
use crate::error::Result;
use crate::mounts::{Mounts, TreeMount};

impl Root {
    /// The path as [`crate::Mounts`] has it: of the running system also for an image, and with all links resolved.
    pub fn mounted_path(&self, path: &Path) -> Result<PathBuf> {
        let found = self.resolve(path, LastLink::Follow).and_then(|resolved| resolved.mounted_path());
        found.map_err(|cause| self.path_error("read", path, &cause))
    }

    /// The mounts that keep `path` and everything below it at its place; a link is not followed.
    pub fn mounts_of_tree(&self, mounts: &Mounts, path: &Path) -> Result<Vec<TreeMount>> {
        let found = self.resolve(path, LastLink::Keep).and_then(|resolved| resolved.tree_mounts(mounts));
        found.map_err(|cause| self.path_error("read", path, &cause))
    }
}

impl ResolvedPath<'_> {
    /// The same.
    pub(crate) fn tree_mounts(&self, mounts: &Mounts) -> io::Result<Vec<TreeMount>> {
        Ok(mounts.of_tree(&self.mounted_path()?, mount_id(self.dir())))
    }

    /// The same of what has its name in a trash.
    pub(crate) fn mounts_in_trash(&self, mounts: &Mounts, trash: Trash) -> io::Result<Vec<TreeMount>> {
        Ok(mounts.of_tree(&trash.place_of(&self.mounted_path()?), mount_id(self.dir())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounted_path_follows_links_inside_of_the_image() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("data/kubelet")).unwrap();
        std::os::unix::fs::symlink("/data/kubelet", dir.path().join("link")).unwrap();
        let root = Root::image(dir.path()).unwrap();
        let want = dir.path().canonicalize().unwrap().join("data/kubelet/pods");
        assert_eq!(root.mounted_path(Path::new("/link/pods")).unwrap(), want);
        assert_eq!(Root::live().unwrap().mounted_path(Path::new("/proc")).unwrap(), Path::new("/proc"));
    }
}
