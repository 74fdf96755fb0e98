//! What findings, status lines and manual steps have in common: the place, as the caller of `--root` can use it.

use std::path::{Path, PathBuf};

use edge_host::{Finding, Root};

/// Shows paths of the host as the caller sees them: below DIR for `--root DIR`.
#[derive(Debug, Clone)]
pub(crate) struct Shown(PathBuf);

impl Shown {
    pub(crate) fn of(root: &Root) -> Shown {
        Shown(root.display(Path::new("/")))
    }

    pub(crate) fn path(&self, path: &Path) -> PathBuf {
        self.0.join(path.strip_prefix("/").unwrap_or(path))
    }

    /// `file:line`.
    pub(crate) fn place(&self, file: &Path, line: usize) -> String {
        format!("{}:{line}", self.path(file).display())
    }
}

/// An error in a place such as `/etc/sysctl.d/99-site.conf:3` or `device tree bootargs`; none where it is not known.
pub(crate) fn finding(text: impl Into<String>, place: Option<&str>, hint: impl Into<String>) -> Finding {
    let place = place.unwrap_or_default();
    let split = place.rsplit_once(':').and_then(|(file, line)| Some((file, line.parse().ok()?)));
    let (file, line) = split.map_or((place, None), |(file, line)| (file, Some(line)));
    Finding::error(file, text).on_line(line).hint(hint)
}
