//! Opens the files that a user names: an archive, and the checksum file beside it.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use edge_host::{Error, Exit, Result, ResultExt, Root};

use crate::sum::is_sha256;
use crate::sums::lines;

/// Room for the checksums of about ten thousand files.
const MAX_SUMS: u64 = 1 << 20;

/// Opens a regular file of this machine, following links. Does not block on a pipe.
///
/// Errors: it does not exist, or is not a regular file.
pub fn open(path: &Path) -> Result<File> {
    find(path)?.ok_or("it does not exist").on("read", path)
}

/// Like [`open`]; none where the file does not exist.
pub fn find(path: &Path) -> Result<Option<File>> {
    let absolute = std::path::absolute(path).on("read", path)?;
    let Some(file) = Root::live()?.open(&absolute)? else { return Ok(None) };
    // It may have been replaced since it was looked up.
    match file.metadata() {
        Ok(metadata) if metadata.is_file() => Ok(Some(file)),
        Ok(_) => Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file")).on("read", path),
        Err(cause) => Err(cause).on("read", path),
    }
}

/// The SHA-256 in the file `ARCHIVE.sha256`, as published with releases or written by sha256sum.
///
/// Whoever can replace the archive can replace this file, too: it detects a damaged copy and proves nothing.
/// None where the file does not exist or has no checksum. Errors: exit 4 where it is not a text file.
pub fn beside(archive: &Path) -> Result<Option<String>> {
    let mut name = archive.as_os_str().to_os_string();
    name.push(".sha256");
    let path = PathBuf::from(name);
    let refused = |why: &str| {
        Error::cannot("use", &path, why).with_exit(Exit::Refused).hint("remove it, or use --archive FILE --sha256 SUM")
    };
    let file = match find(&path) {
        Ok(None) => return Ok(None),
        Ok(Some(file)) => file,
        Err(error) if error.io_kind() == Some(io::ErrorKind::InvalidInput) => {
            return Err(refused("it is not a regular file"));
        }
        Err(error) => return Err(error),
    };
    let text = read_text(file, &path).map_err(|error| match error.exit() {
        Exit::Refused => refused(&format!("it is larger than {} KiB, which no list of checksums is", MAX_SUMS >> 10)),
        _ => error,
    })?;
    let own = archive.file_name().map(|name| name.to_string_lossy());
    let sums = lines(&text).filter(|line| is_sha256(line.sum));
    let is_own = |name: &str| own.as_deref().is_some_and(|own| name.rsplit('/').next() == Some(own));
    let mut first = None;
    for line in sums {
        if is_own(line.name) {
            return Ok(Some(line.sum.to_ascii_lowercase()));
        }
        first = first.or_else(|| Some(line.sum.to_ascii_lowercase()));
    }
    Ok(first)
}

/// The text of a list of checksums. Errors: exit 4 where it is larger than [`MAX_SUMS`].
pub(crate) fn read_text(file: File, path: &Path) -> Result<String> {
    let mut bytes = Vec::new();
    file.take(MAX_SUMS + 1).read_to_end(&mut bytes).map_err(|cause| Error::io("read", path, &cause))?;
    if bytes.len() as u64 > MAX_SUMS {
        let most = MAX_SUMS >> 10;
        return Err(Error::refused(format!("cannot read {}: it is larger than {most} KiB", path.display())));
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::process::Command;

    use super::*;

    #[test]
    fn beside_refuses_what_is_not_a_small_file() {
        let dir = tempfile::tempdir().unwrap();
        let archive = dir.path().join("x.tgz");
        let sums = dir.path().join("x.tgz.sha256");
        assert_eq!(beside(&archive).unwrap(), None);
        let (one, two) = ("A1".repeat(32), "b2".repeat(32));
        for (text, want) in [
            (format!("{one}\n"), Some(one.to_ascii_lowercase())),
            (format!("{one}  other.tgz\n{two} *./x.tgz\n"), Some(two.clone())),
            (format!("{one}  other.tgz\n"), Some(one.to_ascii_lowercase())),
            ("no checksum\n".to_owned(), None),
            (String::new(), None),
        ] {
            std::fs::write(&sums, text).unwrap();
            assert_eq!(beside(&archive).unwrap(), want);
        }
        std::fs::write(&sums, " ".repeat((1 << 20) + 1)).unwrap();
        let refused = |what: &str| {
            let error = beside(&archive).unwrap_err();
            assert_eq!(error.exit(), Exit::Refused, "{what}: {error}");
            assert!(error.message().contains(what) && error.hint_text().is_some(), "{what}: {error}");
            std::fs::remove_file(&sums).unwrap();
        };
        refused("larger than 1024 KiB");
        assert!(Command::new("mkfifo").arg(&sums).status().unwrap().success());
        refused("not a regular file");
        for target in ["/dev/zero", "/dev/stdin", "."] {
            symlink(target, &sums).unwrap();
            refused("not a regular file");
        }
        assert!(Command::new("mkfifo").arg(dir.path().join("pipe")).status().unwrap().success());
        symlink("pipe", &sums).unwrap();
        refused("not a regular file");
        // A link to a file is followed.
        std::fs::write(dir.path().join("sums"), &two).unwrap();
        symlink("sums", &sums).unwrap();
        assert_eq!(beside(&archive).unwrap(), Some(two));
    }
}
