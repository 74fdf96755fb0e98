//! A set of plugins to install: from a build, an archive, or the best match in a folder.

mod archive;

use std::cell::RefCell;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use edge_fetch::archive::Archive;
use edge_fetch::folder::entries;
use edge_fetch::{beside, is_sha256};
use edge_host::action::ContentWriter;
use edge_host::{Arch, Error, Host, Program, Result};

use crate::catalog::Catalog;
use crate::manifest::{Built, Manifest, sum};
use crate::version::Release;
use archive::{PackedPlugin, Unpacker, is_archive, list};

/// The set.
#[derive(Debug, Clone)]
pub(crate) struct PluginSet {
    /// None of an archive of an unknown release.
    pub(crate) version: Option<Release>,
    pub(crate) arch: Arch,
    /// Names and checksums.
    pub(crate) plugins: Vec<(String, String)>,
    source: Source,
}

#[derive(Debug, Clone)]
enum Source {
    Build(PathBuf),
    Archive { packed: Vec<PackedPlugin>, unpacker: Rc<RefCell<Unpacker>> },
}

impl PluginSet {
    /// A build of `edge-cni build`; each plugin is verified by its manifest.
    pub(crate) fn of_build(dir: &Path) -> Result<PluginSet> {
        let Some(manifest) = Manifest::read(dir)? else {
            let what = if dir.is_dir() { "a complete build of edge-cni" } else { "a directory" };
            return Err(Error::cannot("install from", dir, format!("it is not {what}"))
                .hint(format!("build the plugins with edge-cni build --version v1.9.1 --out {}", dir.display())));
        };
        for (name, built) in &manifest.plugins {
            verify(&dir.join(name), built, manifest.arch)?;
        }
        Ok(PluginSet {
            version: Some(manifest.version),
            arch: manifest.arch,
            plugins: manifest.plugins.into_iter().map(|(name, built)| (name, built.sha256)).collect(),
            source: Source::Build(dir.to_path_buf()),
        })
    }

    /// A release archive with a given or known checksum.
    pub(crate) fn of_archive(host: &Host, path: &Path, given: Option<&str>) -> Result<PluginSet> {
        let catalog = Catalog::read()?;
        if let Some(given) = given.filter(|given| !is_sha256(given)) {
            return Err(Error::usage(format!("cannot use --sha256 {given}: expected 64 hexadecimal digits")));
        }
        let named = |error: Error| match error.hint_text() {
            Some(_) => error,
            None => error.hint("use a release archive such as cni-plugins-linux-arm64-v1.9.1.tgz"),
        };
        let mut archive = Archive::open(path).map_err(named)?;
        let got = archive.checksum(&|| host.check_interrupt()).map_err(named)?;
        let known = catalog.archive(&got);
        match given {
            Some(given) if !given.eq_ignore_ascii_case(&got) => {
                return Err(Error::refused(format!(
                    "cannot install {}: its SHA-256 is {got}, not {}",
                    path.display(),
                    given.to_ascii_lowercase()
                ))
                .hint("the file is damaged or another one: download it again"));
            }
            None if known.is_none() => {
                return Err(Error::refused(format!(
                    "cannot install {}: its SHA-256 {got} is not that of a known release",
                    path.display()
                ))
                .hint("compare it with the checksum that is published with the release, and use --sha256 SUM"));
            }
            _ => {}
        }
        let packed = list(&mut archive, &got, &|| host.check_interrupt())?;
        let arch = arch_of(path, packed.iter().map(|one| (one.name.as_str(), one.program)))?;
        Ok(PluginSet {
            version: known.map(|known| known.release.clone()).or_else(|| release_in(path)),
            // The header of a program does not show the version of 32-bit ARM.
            arch: known.map_or(arch, |known| known.arch),
            plugins: packed.iter().map(|one| (one.name.clone(), one.sha256.clone())).collect(),
            source: Source::Archive { packed, unpacker: Rc::new(RefCell::new(Unpacker::of(archive))) },
        })
    }

    /// The newest set in a folder for a machine.
    pub(crate) fn of_folder(host: &Host, dir: &Path, machine: Arch) -> Result<PluginSet> {
        let fail = |cause: io::Error| {
            Error::failed(format!("cannot install from {}: {cause}", dir.display()))
                .hint("use a folder with builds of edge-cni or release archives, and check that it is mounted")
        };
        // The folder itself may be a build.
        let mut paths = vec![dir.to_path_buf()];
        paths.extend(entries(dir).map_err(fail)?);
        let mut sets: Vec<PluginSet> = Vec::new();
        let mut others: Vec<Arch> = Vec::new();
        for path in paths {
            let manifest = if path.is_dir() { Manifest::read(&path)? } else { None };
            let is_packed = manifest.is_none() && path.is_file() && is_archive(&path);
            // A set for another machine is not verified.
            let declared =
                manifest.as_ref().map(|manifest| manifest.arch).or_else(|| arch_in(&path).filter(|_| is_packed));
            if let Some(other) = declared.filter(|arch| !machine.runs(*arch)) {
                others.push(other);
                continue;
            }
            let set = match manifest {
                Some(_) => PluginSet::of_build(&path)?,
                None if is_packed => PluginSet::of_archive(host, &path, beside(&path)?.as_deref())?,
                None => continue,
            };
            if machine.runs(set.arch) { sets.push(set) } else { others.push(set.arch) }
        }
        sets.sort_by(|one, other| one.version.cmp(&other.version));
        sets.pop().ok_or_else(|| {
            let mut names: Vec<String> = others.iter().map(Arch::to_string).collect();
            names.sort();
            names.dedup();
            let has = if names.is_empty() {
                "it contains no plugins".to_owned()
            } else {
                format!("it has plugins for {}, but none for {machine}", names.join(", "))
            };
            Error::failed(format!("cannot install from {}: {has}", dir.display()))
                .hint(format!(
                    "add a release archive with its original name, or a build: on a host with Go, run edge-cni build --version v1.9.1 --arch {machine} --out DIR"
                ))
        })
    }

    /// Its release, for messages.
    pub(crate) fn shown(&self) -> String {
        match &self.version {
            Some(version) => version.to_string(),
            None => "an unknown release".to_owned(),
        }
    }

    /// Writes the content of one of its plugins.
    pub(crate) fn writer(&self, name: &str) -> ContentWriter {
        let name = name.to_owned();
        match &self.source {
            Source::Build(dir) => {
                let path = dir.join(&name);
                Box::new(move |to| {
                    let mut from = edge_fetch::open(&path)?;
                    let copied = io::copy(&mut from, to).map(|_| ());
                    copied.map_err(|cause| Error::failed(format!("cannot install {name}: {cause}")))
                })
            }
            Source::Archive { packed, unpacker } => {
                let plugin = packed.iter().find(|one| one.name == name).cloned();
                let unpacker = Rc::clone(unpacker);
                Box::new(move |to| match plugin {
                    Some(plugin) => unpacker.borrow_mut().copy(&plugin, to),
                    None => Err(Error::failed(format!("cannot install {name}: it is not in the archive"))),
                })
            }
        }
    }
}

fn verify(path: &Path, built: &Built, arch: Arch) -> Result<()> {
    let wrong = |what: &str| {
        Error::refused(format!("cannot install {}: {what}", path.display())).hint("run edge-cni build again")
    };
    if sum(path)? != *built {
        return Err(wrong("its checksum is not that in the manifest of the build"));
    }
    match Program::read(edge_fetch::open(path)?) {
        Some(program) if arch.is_of(program) => Ok(()),
        _ => Err(wrong(&format!("it is not a program for {arch}"))),
    }
}

/// The architecture of all programs of a set.
fn arch_of<'p>(path: &Path, programs: impl Iterator<Item = (&'p str, Program)>) -> Result<Arch> {
    let mut found: Option<Arch> = None;
    for (name, program) in programs {
        let refuse = |what: String| Error::refused(format!("cannot install {}: {what}", path.display()));
        let arch = program
            .arch()
            .ok_or_else(|| refuse(format!("{name} is for {}, which is not supported", program.machine())))?;
        if found.is_some_and(|found| found != arch) {
            return Err(refuse(format!("it mixes architectures: {name} is for {arch}, others are not")));
        }
        found = Some(arch);
    }
    found.ok_or_else(|| Error::refused(format!("cannot install {}: it contains no plugins", path.display())))
}

/// Architecture and version of `cni-plugins-linux-ARCH-VERSION.tgz`.
fn parse_name(path: &Path) -> Option<(String, String)> {
    let name = path.file_name()?.to_str()?.strip_prefix("cni-plugins-linux-")?;
    let name = name.strip_suffix(".tgz").or_else(|| name.strip_suffix(".tar.gz"))?;
    let (arch, version) = name.split_once('-')?;
    Some((arch.to_owned(), version.to_owned()))
}

fn release_in(path: &Path) -> Option<Release> {
    parse_name(path)?.1.parse().ok()
}

fn arch_in(path: &Path) -> Option<Arch> {
    let (word, _) = parse_name(path)?;
    Arch::ALL.into_iter().find(|arch| arch.name() == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn archive_name_has_architecture_and_release() {
        let path = Path::new("/x/cni-plugins-linux-arm64-v1.0.0-rc1.tgz");
        assert_eq!((arch_in(path), release_in(path).unwrap().to_string()), (Some(Arch::Arm64), "v1.0.0-rc1".into()));
        let other = Path::new("/x/cni-plugins-linux-mips64le-v1.9.1.tgz");
        assert_eq!((arch_in(other), release_in(other).unwrap().to_string()), (None, "v1.9.1".into()));
        assert_eq!(arch_in(Path::new("/x/plugins.tgz")), None);
    }
}
