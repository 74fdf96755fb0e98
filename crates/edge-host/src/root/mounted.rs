//! Where a path is in the mount table, which knows nothing of links or of the root of an image.

use std::path::{Path, PathBuf};

use super::Root;
use super::resolve::LastLink;
use crate::error::Result;

impl Root {
    /// The path as [`crate::Mounts`] has it: of the running system also for an image, and with all links resolved.
    pub fn mounted_path(&self, path: &Path) -> Result<PathBuf> {
        let found = self.resolve(path, LastLink::Follow).and_then(|resolved| resolved.mounted_path());
        found.map_err(|cause| self.path_error("read", path, &cause))
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
