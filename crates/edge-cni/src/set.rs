//! A set of plugins that can be installed: a build, an archive, or what a folder has for a machine.

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

use crate::manifest::{Built, Manifest, sum};
use crate::releases::Releases;
use crate::version::Release;
use archive::{Packed, Unpacker, is_archive, list};

/// The set.
#[derive(Debug, Clone)]
pub(crate) struct Set {
    /// None of an archive that is not known.
    pub(crate) version: Option<Release>,
    pub(crate) arch: Arch,
    /// Name and checksum.
    pub(crate) plugins: Vec<(String, String)>,
    from: From,
}

#[derive(Debug, Clone)]
enum From {
    Build(PathBuf),
    Archive { packed: Vec<Packed>, unpacker: Rc<RefCell<Unpacker>> },
}

impl Set {
    /// What `edge-cni build` made, each plugin as the manifest says.
    pub(crate) fn of_build(dir: &Path) -> Result<Set> {
        let Some(manifest) = Manifest::read(dir)? else {
            let there = dir.is_dir();
            let what = if there { "no build of edge-cni that is complete" } else { "no directory" };
            return Err(Error::failed(format!("cannot install from {}: it is {what}", dir.display()))
                .hint("make one: edge-cni build --version V --out DIR"));
        };
        for (name, built) in &manifest.plugins {
            must_be(&dir.join(name), built, manifest.arch)?;
        }
        Ok(Set {
            version: Some(manifest.version),
            arch: manifest.arch,
            plugins: manifest.plugins.into_iter().map(|(name, built)| (name, built.sha256)).collect(),
            from: From::Build(dir.to_path_buf()),
        })
    }

    /// A release archive whose checksum is given, or known.
    pub(crate) fn of_archive(host: &Host, path: &Path, given: Option<&str>) -> Result<Set> {
        let releases = Releases::known()?;
        if let Some(given) = given.filter(|given| !is_sha256(given)) {
            return Err(Error::usage(format!("cannot use --sha256 {given}: it has not 64 hexadecimal digits")));
        }
        let named = |error: Error| match error.hint_text() {
            Some(_) => error,
            None => error.hint("name a release archive: cni-plugins-linux-ARCH-VERSION.tgz"),
        };
        let mut archive = Archive::open(path).map_err(named)?;
        let got = archive.checksum(&|| host.check_interrupt()).map_err(named)?;
        let known = releases.archive(&got);
        match given {
            Some(given) if !given.eq_ignore_ascii_case(&got) => {
                return Err(Error::refused(format!(
                    "cannot install {}: its SHA-256 is {got}, not {}",
                    path.display(),
                    given.to_ascii_lowercase()
                ))
                .hint("it is not complete, or not what it should be: get it again"));
            }
            None if known.is_none() => {
                return Err(Error::refused(format!(
                    "cannot install {}: its SHA-256 {got} is not that of a release that is known",
                    path.display()
                ))
                .hint("compare it with what the release publishes beside it, and give that: --sha256 H"));
            }
            _ => {}
        }
        let packed = list(&mut archive, &got, &|| host.check_interrupt())?;
        let arch = arch_of(path, packed.iter().map(|one| (one.name.as_str(), one.program)))?;
        Ok(Set {
            version: known.map(|known| known.release.clone()).or_else(|| release_in(path)),
            // The header of 32-bit ARM does not tell the version, a known archive does.
            arch: known.map_or(arch, |known| known.arch),
            plugins: packed.iter().map(|one| (one.name.clone(), one.sha256.clone())).collect(),
            from: From::Archive { packed, unpacker: Rc::new(RefCell::new(Unpacker::of(archive))) },
        })
    }

    /// The newest that a folder has for a machine.
    pub(crate) fn of_folder(host: &Host, dir: &Path, machine: Arch) -> Result<Set> {
        let fail = |cause: io::Error| {
            Error::failed(format!("cannot install from {}: {cause}", dir.display()))
                .hint("look whether it is mounted; it holds builds (edge-cni build --out DIR/NAME) or release archives")
        };
        // The folder itself may be a build.
        let mut paths = vec![dir.to_path_buf()];
        paths.extend(entries(dir).map_err(fail)?);
        let mut sets: Vec<Set> = Vec::new();
        let mut others: Vec<Arch> = Vec::new();
        for path in paths {
            let manifest = if path.is_dir() { Manifest::read(&path)? } else { None };
            let is_packed = manifest.is_none() && path.is_file() && is_archive(&path);
            // One for another machine need not be read to its end.
            let named =
                manifest.as_ref().map(|manifest| manifest.arch).or_else(|| arch_in(&path).filter(|_| is_packed));
            if let Some(other) = named.filter(|arch| !machine.runs(*arch)) {
                others.push(other);
                continue;
            }
            let set = match manifest {
                Some(_) => Set::of_build(&path)?,
                None if is_packed => Set::of_archive(host, &path, beside(&path)?.as_deref())?,
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
                "there are no plugins in it".to_owned()
            } else {
                format!("it has plugins for {} only, and nothing for {machine}", names.join(", "))
            };
            Error::failed(format!("cannot install from {}: {has}", dir.display()))
                .hint("it must hold builds (edge-cni build --out DIR/NAME) or archives named as releases name them")
        })
    }

    /// What it is, for messages.
    pub(crate) fn shown(&self) -> String {
        match &self.version {
            Some(version) => version.to_string(),
            None => "an unknown release".to_owned(),
        }
    }

    /// Writes one of its plugins.
    pub(crate) fn pour(&self, name: &str) -> ContentWriter {
        let name = name.to_owned();
        match &self.from {
            From::Build(dir) => {
                let path = dir.join(&name);
                Box::new(move |to| {
                    let mut from = edge_fetch::open(&path)?;
                    let copied = io::copy(&mut from, to).map(|_| ());
                    copied.map_err(|cause| Error::failed(format!("cannot install {name}: {cause}")))
                })
            }
            From::Archive { packed, unpacker } => {
                let plugin = packed.iter().find(|one| one.name == name).cloned();
                let unpacker = Rc::clone(unpacker);
                Box::new(move |to| match plugin {
                    Some(plugin) => unpacker.borrow_mut().pour(&plugin, to),
                    None => Err(Error::failed(format!("cannot install {name}: it is not in the archive"))),
                })
            }
        }
    }
}

fn must_be(path: &Path, built: &Built, arch: Arch) -> Result<()> {
    let wrong = |what: &str| {
        Error::refused(format!("cannot install {}: {what}", path.display())).hint("build again: edge-cni build")
    };
    if sum(path)? != *built {
        return Err(wrong("it is not what the build's manifest says"));
    }
    match Program::read(edge_fetch::open(path)?) {
        Some(program) if arch.is_of(program) => Ok(()),
        _ => Err(wrong(&format!("it is no program for {arch}"))),
    }
}

/// All of a set are for one machine.
fn arch_of<'p>(path: &Path, programs: impl Iterator<Item = (&'p str, Program)>) -> Result<Arch> {
    let mut found: Option<Arch> = None;
    for (name, program) in programs {
        let refuse = |what: String| Error::refused(format!("cannot install {}: {what}", path.display()));
        let arch = program
            .arch()
            .ok_or_else(|| refuse(format!("{name} is for {}, which is not supported", program.machine())))?;
        if found.is_some_and(|found| found != arch) {
            return Err(refuse(format!("{name} is for {arch}, and others are not")));
        }
        found = Some(arch);
    }
    found.ok_or_else(|| Error::refused(format!("cannot install {}: there is no plugin in it", path.display())))
}

/// `cni-plugins-linux-ARCH-VERSION.tgz`.
fn words_of(path: &Path) -> Option<(String, String)> {
    let name = path.file_name()?.to_str()?.strip_prefix("cni-plugins-linux-")?;
    let name = name.strip_suffix(".tgz").or_else(|| name.strip_suffix(".tar.gz"))?;
    let (arch, version) = name.split_once('-')?;
    Some((arch.to_owned(), version.to_owned()))
}

fn release_in(path: &Path) -> Option<Release> {
    words_of(path)?.1.parse().ok()
}

fn arch_in(path: &Path) -> Option<Arch> {
    let (word, _) = words_of(path)?;
    Arch::ALL.into_iter().find(|arch| arch.name() == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_machine_and_release() {
        let path = Path::new("/x/cni-plugins-linux-arm64-v1.0.0-rc1.tgz");
        assert_eq!((arch_in(path), release_in(path).unwrap().to_string()), (Some(Arch::Arm64), "v1.0.0-rc1".into()));
        let other = Path::new("/x/cni-plugins-linux-mips64le-v1.9.1.tgz");
        assert_eq!((arch_in(other), release_in(other).unwrap().to_string()), (None, "v1.9.1".into()));
        assert_eq!(arch_in(Path::new("/x/plugins.tgz")), None);
    }
}
