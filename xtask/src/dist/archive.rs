//! The archive is reproducible: the same content gives the same bytes.

use std::fs::File;
use std::io::BufWriter;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};
use tar::{Builder, Header};

use crate::sh::Sh;
use crate::workspace::{Workspace, read, write};

pub(super) const SUMS: &str = "SHA256SUMS";
/// The signatures of gpg and minisign.
const SIGNATURES: [&str; 2] = ["SHA256SUMS.asc", "SHA256SUMS.minisig"];

/// The modification time of all members: SOURCE_DATE_EPOCH, else that of the last commit, else 0.
pub(crate) fn epoch(workspace: &Workspace) -> Result<u64> {
    match std::env::var("SOURCE_DATE_EPOCH") {
        Ok(text) => text.parse().with_context(|| format!("SOURCE_DATE_EPOCH is not a number: {text:?}")),
        Err(_) => Ok(workspace.commit_time().unwrap_or(0)),
    }
}

/// Writes SHA256SUMS over every other file of `tree`, as `sha256sum -c` reads it.
pub(crate) fn write_sums(tree: &Path) -> Result<()> {
    let mut names = files(tree)?;
    names.retain(|name| name.as_os_str() != SUMS);
    write_sums_of(tree, &names)
}

/// Writes `dir`/SHA256SUMS over these files.
pub(super) fn write_sums_of(dir: &Path, names: &[PathBuf]) -> Result<()> {
    let mut sums = String::new();
    for name in names {
        let digest = Sha256::digest(read(&dir.join(name))?);
        let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        sums.push_str(&format!("{hex}  {}\n", name.display()));
    }
    // A signature of earlier sums is not one of these.
    for signature in SIGNATURES.map(|name| dir.join(name)) {
        if signature.exists() {
            std::fs::remove_file(&signature).with_context(|| format!("cannot remove {}", signature.display()))?;
        }
    }
    write(&dir.join(SUMS), sums)
}

/// Signs `dir`/SHA256SUMS with a key of gpg, or the secret key of minisign in a file; the signature's path.
pub(super) fn sign(dir: &Path, key: &str) -> Result<PathBuf> {
    let [gpg, minisign] = SIGNATURES.map(|name| dir.join(name));
    let (signature, sign) = if Path::new(key).is_file() {
        let sign = Sh::new("minisign -S -s").arg(key).arg("-x").arg(&minisign).arg("-m");
        (minisign, sign)
    } else {
        let sign = Sh::new("gpg --batch --yes --armor --detach-sign --local-user").arg(key).arg("--output").arg(&gpg);
        (gpg, sign)
    };
    sign.arg(dir.join(SUMS)).capture().with_context(|| format!("cannot sign {SUMS} with {key:?}"))?;
    Ok(signature)
}

/// Packs `tree` as the directory `stem`: sorted, owned by root, with one modification time.
pub(crate) fn pack(tree: &Path, stem: &str, archive: &Path, epoch: u64) -> Result<()> {
    let cannot = || format!("cannot write {}", archive.display());
    let file = File::create(archive).with_context(cannot)?;
    let mut tar = Builder::new(BufWriter::new(file));
    for name in files(tree)? {
        let path = tree.join(&name);
        let content = read(&path)?;
        let meta = std::fs::metadata(&path).with_context(cannot)?;
        let is_program = meta.permissions().mode() & 0o100 != 0;
        let mut header = Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(if is_program { 0o755 } else { 0o644 });
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(epoch);
        tar.append_data(&mut header, Path::new(stem).join(&name), &*content).with_context(cannot)?;
    }
    let buffer = tar.into_inner().with_context(cannot)?;
    buffer.into_inner().map_err(std::io::IntoInnerError::into_error).with_context(cannot)?;
    Ok(())
}

/// Every file below `tree`, relative to it and sorted.
pub(crate) fn files(tree: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut dirs = vec![PathBuf::new()];
    while let Some(dir) = dirs.pop() {
        let cannot = || format!("cannot list {}", tree.join(&dir).display());
        for entry in std::fs::read_dir(tree.join(&dir)).with_context(cannot)? {
            let entry = entry.with_context(cannot)?;
            let name = dir.join(entry.file_name());
            if entry.file_type().with_context(cannot)?.is_dir() {
                dirs.push(name);
            } else {
                found.push(name);
            }
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::remove_tree;

    fn tree(name: &str) -> PathBuf {
        let dir = std::env::temp_dir().join(format!("xtask-{name}-{}", std::process::id()));
        remove_tree(&dir).unwrap();
        // Created in an order other than the sorted one.
        for (file, mode) in [("man/x.1", 0o600), ("bin/x", 0o700), ("README.md", 0o640)] {
            write(&dir.join(file), file).unwrap();
            let mode = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(dir.join(file), mode).unwrap();
        }
        dir
    }

    #[test]
    fn archive_of_the_same_content_has_the_same_bytes() {
        let [one, two] = ["pack-one", "pack-two"].map(tree);
        let mut packed = Vec::new();
        for dir in [&one, &two] {
            let archive = dir.with_extension("tar");
            write_sums(dir).unwrap();
            pack(dir, "stem", &archive, 0).unwrap();
            packed.push(std::fs::read(&archive).unwrap());
            std::fs::remove_file(&archive).unwrap();
            remove_tree(dir).unwrap();
        }
        assert_eq!(packed[0], packed[1]);
        let mut names = Vec::new();
        for entry in tar::Archive::new(&*packed[0]).entries().unwrap() {
            let entry = entry.unwrap();
            let mode = entry.header().mode().unwrap();
            names.push(format!("{mode:o} {}", entry.path().unwrap().display()));
            assert_eq!(entry.header().mtime().unwrap(), 0);
            assert_eq!(entry.header().uid().unwrap(), 0);
        }
        assert_eq!(names, ["644 stem/README.md", "644 stem/SHA256SUMS", "755 stem/bin/x", "644 stem/man/x.1"]);
    }

    #[test]
    fn sums_name_every_other_file() {
        let dir = tree("sums");
        write_sums(&dir).unwrap();
        write_sums(&dir).unwrap();
        let sums = std::fs::read_to_string(dir.join(SUMS)).unwrap();
        let names: Vec<&str> = sums.lines().filter_map(|line| line.get(66..)).collect();
        assert_eq!(names, ["README.md", "bin/x", "man/x.1"]);
        remove_tree(&dir).unwrap();
    }
}
