//! A folder of files for a host without a network, and the list of their checksums in it.

use std::io;
use std::path::{Path, PathBuf};

use edge_host::{Error, Result, Root};
use walkdir::WalkDir;

use crate::file::{find, read_text};
use crate::sum::is_sha256;

/// The list of checksums, in the format of sha256sum.
pub const SUMS: &str = "SHA256SUMS";

/// What is at the top of a folder, sorted by name. Errors: it cannot be read, or is not a directory.
pub fn entries(dir: &Path) -> io::Result<Vec<PathBuf>> {
    if !std::fs::metadata(dir)?.is_dir() {
        return Err(io::ErrorKind::NotADirectory.into());
    }
    let walk = WalkDir::new(dir).min_depth(1).max_depth(1).sort_by_file_name();
    // The plain cause: the caller names the folder.
    let plain = |error: walkdir::Error| {
        let text = error.to_string();
        error.into_io_error().unwrap_or_else(|| io::Error::other(text))
    };
    walk.into_iter().map(|entry| entry.map(walkdir::DirEntry::into_path).map_err(plain)).collect()
}

/// The text of a folder's [`SUMS`]; none where there is no such file.
pub fn read_sums(dir: &Path) -> Result<Option<String>> {
    let path = dir.join(SUMS);
    find(&path)?.map(|file| read_text(file, &path)).transpose()
}

/// Adds a file to the [`SUMS`] of a folder, or replaces its line.
pub fn add_sum(folder: &Root, name: &str, sum: &str) -> Result<()> {
    let path = Path::new("/").join(SUMS);
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

/// The checksum that a list has for a file, as it is written there; none where the file is not listed.
pub fn listed<'t>(list: &'t str, name: &str) -> Option<&'t str> {
    lines(list).find(|line| line.name == name).map(|line| line.sum)
}

/// Name and checksum of each line of a list, or what is wrong with a line.
pub fn parse_sums(list: &str) -> Result<Vec<(String, String)>, String> {
    let mut all = Vec::new();
    for Line { number, sum, name } in lines(list) {
        if !is_sha256(sum) {
            return Err(format!("line {number}: it does not begin with a SHA-256"));
        }
        if name.is_empty() || name.contains('/') || name == ".." {
            return Err(format!("line {number}: only files beside it can be listed"));
        }
        all.push((name.to_owned(), sum.to_ascii_lowercase()));
    }
    Ok(all)
}

/// A line of a list.
pub(crate) struct Line<'t> {
    number: usize,
    pub(crate) sum: &'t str,
    /// Empty where there is a checksum alone.
    pub(crate) name: &'t str,
}

/// The lines of a list: `SUM  NAME`, or `SUM *NAME` for a file that was read as binary, with `./` before the name
/// or not.
pub(crate) fn lines(list: &str) -> impl Iterator<Item = Line<'_>> {
    (1..).zip(list.lines().map(str::trim)).filter(|(_, line)| !line.is_empty()).map(|(number, line)| {
        let (sum, name) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let name = name.strip_prefix([' ', '*']).unwrap_or(name);
        Line { number, sum, name: name.strip_prefix("./").unwrap_or(name) }
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn parse_sums_reads_what_sha256sum_writes() {
        let hash = "A".repeat(64);
        let text = format!("{hash}  a_1.deb\n\n{hash} *./b.deb\r\n");
        let want: Vec<(String, String)> =
            ["a_1.deb", "b.deb"].iter().map(|name| ((*name).to_owned(), hash.to_lowercase())).collect();
        assert_eq!(parse_sums(&text).unwrap(), want);
        assert_eq!((listed(&text, "b.deb"), listed(&text, "c.deb")), (Some(hash.as_str()), None));
        for bad in ["x", "abc  x", &format!("{hash}  ../x.deb"), &format!("{hash}  a/x.deb"), &format!("{hash}  ")] {
            assert!(parse_sums(bad).unwrap_err().starts_with("line 1: "), "{bad}");
        }
    }

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
    fn entries_are_those_at_the_top_in_order() {
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

    proptest! {
        #[test]
        fn parse_sums_reads_every_form_of_a_line(
            files in proptest::collection::vec(
                ("[0-9a-fA-F]{64}", " | [.]/|[*]|[*][.]/", "[a-z0-9_.+~%-]{1,12}[.]deb", "\n|\r\n"),
                0..5,
            )
        ) {
            let text: String = files.iter().map(|(hash, mode, name, end)| format!("{hash} {mode}{name}{end}")).collect();
            let want: Vec<(String, String)> =
                files.iter().map(|(hash, _, name, _)| (name.clone(), hash.to_lowercase())).collect();
            prop_assert_eq!(parse_sums(&text), Ok(want));
        }

        #[test]
        fn parse_sums_lists_nothing_outside_the_folder(
            text in "([0-9a-f]{64}|[0-9a-f]{3})?[ *]{0,2}(\\PC{0,12}|[./a]{0,6})\n?"
        ) {
            for (name, hash) in parse_sums(&text).unwrap_or_default() {
                prop_assert!(!name.contains('/') && name != ".." && !name.is_empty() && hash.len() == 64, "{:?}", name);
            }
        }
    }
}
