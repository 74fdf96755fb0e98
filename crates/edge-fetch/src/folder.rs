//! Offline folders: files for a host without a network, with a list of their checksums.

use std::io;
use std::path::{Path, PathBuf};

use edge_host::{Error, Result, Root};
use walkdir::WalkDir;

use crate::file::{find, read_text};
use crate::sums::lines;

/// The name of the list, in the format of sha256sum.
pub const SUMS: &str = "SHA256SUMS";
/// The same in the format of sha512sum, for projects that publish SHA-512.
pub const SUMS_512: &str = "SHA512SUMS";

/// The paths of a folder's entries, sorted by name. Errors: it cannot be read, or is not a directory.
pub fn entries(dir: &Path) -> io::Result<Vec<PathBuf>> {
    if !std::fs::metadata(dir)?.is_dir() {
        return Err(io::ErrorKind::NotADirectory.into());
    }
    let walk = WalkDir::new(dir).min_depth(1).max_depth(1).sort_by_file_name();
    // The cause alone: the caller names the folder.
    let plain = |error: walkdir::Error| {
        let text = error.to_string();
        error.into_io_error().unwrap_or_else(|| io::Error::other(text))
    };
    walk.into_iter().map(|entry| entry.map(walkdir::DirEntry::into_path).map_err(plain)).collect()
}

/// The text of a folder's [`SUMS`]; none where the file does not exist.
pub fn read_sums(dir: &Path) -> Result<Option<String>> {
    read_list(dir, SUMS)
}

/// The text of a folder's list of checksums; none where the file does not exist.
pub fn read_list(dir: &Path, list: &str) -> Result<Option<String>> {
    let path = dir.join(list);
    find(&path)?.map(|file| read_text(file, &path)).transpose()
}

/// Adds a file to the [`SUMS`] of a folder, or replaces its line.
pub fn add_sum(folder: &Root, name: &str, sum: &str) -> Result<()> {
    add_to_list(folder, SUMS, name, sum)
}

/// Adds a file to a folder's list of checksums, or replaces its line.
pub fn add_to_list(folder: &Root, list: &str, name: &str, sum: &str) -> Result<()> {
    let path = Path::new("/").join(list);
    let before = folder.read(&path)?.unwrap_or_default();
    let before = String::from_utf8_lossy(&before).into_owned();
    let line = format!("{sum}  {name}");
    if before.lines().any(|other| other == line) {
        return Ok(());
    }
    let kept = before.lines().filter(|other| lines(other).all(|other| other.name != name));
    let text: String = kept.chain([line.as_str()]).map(|line| format!("{line}\n")).collect();
    let mut file = folder.new_file(&path, 0o644)?;
    io::Write::write_all(&mut file, text.as_bytes())
        .map_err(|cause| Error::io("write", folder.display(&path), &cause))?;
    file.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn add_sum_replaces_the_line_of_the_file_alone() {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::image(dir.path()).unwrap();
        let text = || read_sums(dir.path()).unwrap();
        assert_eq!(text(), None);
        add_sum(&root, "a", "1").unwrap();
        std::fs::write(dir.path().join(SUMS), "1  a\n2 *./b\nnonsense\n").unwrap();
        for _ in 0..2 {
            add_sum(&root, "b", "3").unwrap();
            assert_eq!(text().unwrap(), "1  a\nnonsense\n3  b\n");
        }
    }

    #[test]
    fn entries_are_sorted_and_not_recursive() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["b/c", "a"] {
            std::fs::create_dir_all(dir.path().join(name)).unwrap();
        }
        std::fs::write(dir.path().join("file"), "").unwrap();
        std::os::unix::fs::symlink("/nowhere", dir.path().join("link")).unwrap();
        let names = entries(dir.path()).unwrap();
        assert_eq!(names, ["a", "b", "file", "link"].map(|name| dir.path().join(name)));
        assert_eq!(entries(&dir.path().join("file")).unwrap_err().kind(), io::ErrorKind::NotADirectory);
        assert_eq!(entries(&dir.path().join("x")).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
