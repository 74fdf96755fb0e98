//! Files of the operator's: an archive, and the checksum beside it.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use edge_host::{Error, Exit, Result, ResultExt, Root};

use crate::sum::is_sha256;
use crate::sums::lines;

/// The checksums of some ten thousand files; what is larger is not a list of checksums.
const MAX_SUMS: u64 = 1 << 20;

/// Opens a regular file of this machine, links followed; never waits for the other end of a pipe.
///
/// Errors: nothing is there, or something else than a file.
pub fn open(path: &Path) -> Result<File> {
    find(path)?.ok_or("it does not exist").on("read", path)
}

/// [`open`], and none where nothing is there.
pub fn find(path: &Path) -> Result<Option<File>> {
    let absolute = std::path::absolute(path).on("read", path)?;
    let Some(file) = Root::live()?.open(&absolute)? else { return Ok(None) };
    // It may have been replaced between the look at it and its opening.
    match file.metadata() {
        Ok(metadata) if metadata.is_file() => Ok(Some(file)),
        Ok(_) => Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file")).on("read", path),
        Err(cause) => Err(cause).on("read", path),
    }
}

/// The SHA-256 that a file beside an archive names, `FILE.sha256`, in the form of a release or of sha256sum.
///
/// Whoever could replace the archive could replace this file too: it finds a damaged copy and proves nothing.
/// None where there is no such file or no checksum in it; refused (4) where it is something else than a file of
/// text.
pub fn beside(archive: &Path) -> Result<Option<String>> {
    let mut name = archive.as_os_str().to_os_string();
    name.push(".sha256");
    let path = PathBuf::from(name);
    let refused = |why: &str| {
        Error::cannot("use", &path, why)
            .with_exit(Exit::Refused)
            .hint("remove it, or name the archive and its checksum: --archive FILE --sha256 H")
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
        Exit::Refused => refused(&format!("it is larger than {} KiB, and not a list of checksums", MAX_SUMS >> 10)),
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

/// The text of a list of checksums. Errors: exit 4 where it is too large to be one.
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
    fn beside_takes_a_checksum_and_nothing_that_could_hang_or_fill_the_memory() {
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
        // A link to a file is as good as the file.
        std::fs::write(dir.path().join("sums"), &two).unwrap();
        symlink("sums", &sums).unwrap();
        assert_eq!(beside(&archive).unwrap(), Some(two));
    }
}
