//! A folder of packages with a manifest of their checksums, for a host without a network.

use std::path::{Path, PathBuf};

use edge_fetch::folder::{self, SUMS};
use edge_fetch::{sum_of, sums};
use edge_host::{Cmd, Error, Result, ResultExt};

use crate::status::Status;
use crate::version::Version;

const ALL: &str = "all";

/// Packages that match the manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offline {
    dir: PathBuf,
    packages: Vec<PackageFile>,
}

/// A package file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PackageFile {
    pub(crate) path: PathBuf,
    pub(crate) name: String,
    pub(crate) version: Version,
    pub(crate) architecture: String,
    /// Names in its dependencies, alternatives too, and in what it recommends.
    needs: Vec<String>,
    /// Names that it provides in addition to its own.
    provides: Vec<String>,
}

impl Offline {
    /// Compares every package in `dir`, a path of the operator, with its `SHA256SUMS`.
    ///
    /// Refuses (exit 4) one that differs or is not listed; fails on one that is listed and does not exist.
    pub fn open(dir: &Path) -> Result<Offline> {
        let dir = dir.canonicalize().on("read", dir)?;
        let manifest = dir.join(SUMS);
        let bad =
            |cause: &str| Error::failed(format!("cannot read {}: {cause}", manifest.display())).hint(how_to_make(&dir));
        let text = folder::read_sums(&dir)?.ok_or_else(|| bad("No such file or directory"))?;
        let listed = sums::parse(&text).map_err(|cause| bad(&cause))?;
        for (name, _) in listed.iter().filter(|(name, _)| name.ends_with(".deb")) {
            if !dir.join(name).exists() {
                return Err(Error::failed(format!(
                    "cannot use {}: {name} is listed, but does not exist",
                    manifest.display()
                ))
                .hint("copy the complete folder again"));
            }
        }
        let mut packages = Vec::new();
        let entries = folder::entries(&dir).map_err(|cause| Error::io("read", &dir, &cause))?;
        for path in entries.into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "deb")) {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let refuse = |why: String| {
                Err(Error::refused(format!("cannot use {}: {why}", path.display()))
                    .hint("copy the file again from its source"))
            };
            let Some((_, expected)) = listed.iter().find(|(listed, _)| *listed == name) else {
                return refuse(format!("{SUMS} does not list it"));
            };
            let sum = sum_of(&mut edge_fetch::open(&path)?).map_err(|cause| Error::io("read", &path, &cause))?;
            let is = sum.0;
            if is != *expected {
                return refuse(format!("its SHA-256 is {is}, expected from {SUMS}: {expected}"));
            }
            packages.push(describe(&path)?);
        }
        if packages.is_empty() {
            return Err(Error::failed(format!("cannot use {}: it contains no packages", dir.display()))
                .hint("put *.deb files and their SHA256SUMS into it"));
        }
        Ok(Offline { dir, packages })
    }

    /// Where it is.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The newest file of each package that `may` accepts, for this architecture.
    pub(crate) fn chosen(&self, status: &Status, may: impl Fn(&PackageFile) -> bool) -> Vec<&PackageFile> {
        let own = status.architecture();
        let mut chosen: Vec<&PackageFile> = Vec::new();
        for file in self.packages.iter().filter(|file| [own, ALL].contains(&file.architecture.as_str()) && may(file)) {
            match chosen.iter_mut().find(|other| other.name == file.name) {
                Some(other) if other.version < file.version => *other = file,
                Some(_) => {}
                None => chosen.push(file),
            }
        }
        chosen
    }

    /// The requested packages and those that they need, by name. Whether that is enough is checked by apt.
    pub(crate) fn needed<'f>(requested: &[&'f PackageFile], chosen: &[&'f PackageFile]) -> Vec<&'f PackageFile> {
        let mut needed = requested.to_vec();
        let mut at = 0;
        while let Some(file) = needed.get(at).copied() {
            let is_needed = |other: &&PackageFile| {
                file.needs.iter().any(|name| *name == other.name || other.provides.contains(name))
            };
            let more: Vec<&PackageFile> =
                chosen.iter().copied().filter(is_needed).filter(|other| !needed.contains(other)).collect();
            needed.extend(more);
            at += 1;
        }
        needed
    }

    /// The files of packages of these names.
    pub(crate) fn of_names(&self, names: &[String]) -> impl Iterator<Item = &Path> {
        self.packages.iter().filter(|file| names.contains(&file.name)).map(|file| file.path.as_path())
    }

    /// The architectures of a package's files, for a message.
    pub(crate) fn architectures_of(&self, name: &str) -> Vec<&str> {
        let named = self.packages.iter().filter(|file| file.name == name);
        named.map(|file| file.architecture.as_str()).collect()
    }
}

fn how_to_make(dir: &Path) -> String {
    format!("make it where the packages are from: (cd {} && sha256sum *.deb > {SUMS})", dir.display())
}

fn describe(path: &Path) -> Result<PackageFile> {
    let fields = ["Package", "Version", "Architecture", "Pre-Depends", "Depends", "Recommends", "Provides"];
    let output = Cmd::find("dpkg-deb")?.arg("--field").arg(path).args(fields).run()?;
    let bad = || Error::failed(format!("cannot use {}: it is not a Debian package", path.display()));
    let value = |name: &str| output.stdout.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    let field = |name: &str| value(name).map(|value| value.trim().to_owned()).ok_or_else(bad);
    let version = Version::parse(&field("Version")?).map_err(|_| bad())?;
    let needs = ["Pre-Depends", "Depends", "Recommends"].iter().filter_map(|name| value(name)).flat_map(names);
    Ok(PackageFile {
        path: path.to_path_buf(),
        name: field("Package")?,
        version,
        architecture: field("Architecture")?,
        needs: needs.collect(),
        provides: value("Provides").map(names).unwrap_or_default(),
    })
}

/// The names of a list of packages: `a (>= 1) | b, c:any`.
fn names(list: &str) -> Vec<String> {
    let name = |entry: &str| entry.trim().split([' ', '(', ':', '[']).next().unwrap_or_default().to_owned();
    list.split([',', '|']).map(name).filter(|name| !name.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_out_of_a_list_of_dependencies() {
        assert_eq!(names("a (>= 1.0) | b, c:any,d [amd64] ,, "), ["a", "b", "c", "d"]);
    }
}
