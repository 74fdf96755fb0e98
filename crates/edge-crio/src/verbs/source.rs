//! Selects the source of an install, and downloads and unpacks the archive of a bundle.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use edge_fetch::archive;
use edge_fetch::folder::{self, SUMS};
use edge_fetch::{Download, Proxy, checksum, is_sha256, sums};
use edge_host::{Arch, Error, Exit, Host, Mode, Result};

use crate::address;
use crate::bundle::{self, Manifest, Staged, unpack};
use crate::catalog;
use crate::cli::{InstallArgs, SourceOption};
use crate::resolve::{Kind, Offer, archive_name};
use crate::system::System;
use crate::verbs::resolve::{find, mirrors, no_source};
use crate::version::Version;

/// The selected source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Selected {
    /// The package; without an offer it is installed from a directory of .deb files.
    Apt(Option<Offer>),
    /// A bundle.
    Bundle(Archive),
}

/// A bundle's archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Archive {
    /// Its release.
    pub(crate) version: Version,
    /// Where it is.
    pub(crate) location: Location,
    /// The expected checksum, in hex.
    pub(crate) sha256: String,
}

/// Where an archive is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Location {
    /// A file that the user named.
    File(PathBuf),
    /// To be downloaded.
    Url(String),
}

/// Selects the source, without using the network.
pub(crate) fn select(
    host: &mut Host,
    args: &InstallArgs,
    system: &System,
    installed: Option<Kind>,
) -> Result<Selected> {
    let mirrors = mirrors(&args.mirrors)?;
    if let Some(dir) = &args.offline {
        let names = offline_names(dir, args.version)?;
        return offline(args, system.arch()?, dir, &names);
    }
    let arch = system.arch()?;
    if let Some(archive) = &args.archive {
        if args.source == SourceOption::Apt {
            return Err(Error::usage("cannot use --archive with --source apt: an archive is a bundle"));
        }
        let location = match archive.contains("://") {
            true => Location::Url(address::download(archive)?.to_owned()),
            false => Location::File(PathBuf::from(archive)),
        };
        let given = args.sha256.as_deref().map(GivenChecksum::Option);
        return named_archive(args, arch, archive, location, given).map(Selected::Bundle);
    }
    let found = find(args.version, system, arch, &mirrors)?;
    if let Some(error) = no_source(&found, args.version, system, arch) {
        return Err(error);
    }
    let requested = match args.source {
        SourceOption::Apt => Some(Kind::Apt),
        SourceOption::Bundle => Some(Kind::Bundle),
        // An upgrade stays with the kind that is installed.
        SourceOption::Auto => installed.filter(|kind| found.offers.iter().any(|offer| offer.kind == *kind)),
    };
    let usable = |offer: &&Offer| offer.kind == Kind::Apt || offer.sha256.is_some() || args.sha256.is_some();
    let offer = match requested {
        Some(kind) => found.offers.iter().find(|offer| offer.kind == kind),
        None => found.offers.iter().find(usable),
    };
    let Some(offer) = offer.cloned() else {
        let Some(kind) = requested else {
            return Err(Error::failed(format!("cannot install CRI-O {}: its SHA-256 is unknown", args.version))
                .hint("get the checksum from a trusted source, and specify it with --sha256 HEX"));
        };
        let why = found.refusals.iter().find(|refusal| refusal.kind == kind).map_or("", |refusal| refusal.why.as_str());
        let others: Vec<&str> = found.offers.iter().map(|offer| offer.kind.name()).collect();
        return Err(Error::failed(format!("cannot install CRI-O {} from {}: {why}", args.version, kind.name()))
            .hint(format!("use another source: --source {}", others.join(" or "))));
    };
    for note in found.notes.iter().chain(&offer.notes) {
        host.report.note(note);
    }
    if offer.kind == Kind::Apt {
        return Ok(Selected::Apt(Some(offer)));
    }
    let sha256 =
        expected_checksum(args.sha256.as_deref().map(GivenChecksum::Option), offer.sha256.as_deref(), &offer.url)?;
    Ok(Selected::Bundle(Archive { version: offer.version, location: Location::Url(offer.url), sha256 }))
}

/// An archive of this name. Fails if its release or its checksum is neither known nor given.
fn named_archive(
    args: &InstallArgs,
    arch: Arch,
    archive: &str,
    location: Location,
    given: Option<GivenChecksum<'_>>,
) -> Result<Archive> {
    let name = archive.rsplit('/').next().unwrap_or(archive);
    let of_name = release_of(name, arch);
    let version = match (args.version.patch, of_name) {
        (_, Some(of_name)) if !args.version.matches(of_name) => {
            return Err(Error::usage(format!(
                "cannot install {name} as {}: by its name it is {of_name}",
                args.version
            )));
        }
        (Some(_), _) => args.version,
        (None, Some(of_name)) => of_name,
        (None, None) => {
            return Err(Error::usage(format!("cannot determine which release of {} is in {name}", args.version))
                .hint("specify the release, for example --version 1.34.2"));
        }
    };
    let known = known_sum(version, arch)?;
    let sha256 = expected_checksum(given, known.as_deref(), name).map_err(|error| match &location {
        // That it cannot be read comes before what is unknown about it.
        Location::File(path) if error.exit() == Exit::Refused => archive::Archive::open(path).err().unwrap_or(error),
        _ => error,
    })?;
    Ok(Archive { version, location, sha256 })
}

/// The release in the name of an archive for this architecture, by any of its names: `cri-o.armhf.v1.24.6.tar.gz`.
fn release_of(name: &str, arch: Arch) -> Option<Version> {
    let (of, version) = name.strip_prefix("cri-o.")?.strip_suffix(".tar.gz")?.split_once(".v")?;
    let of: Arch = of.parse().ok()?;
    (of.goarch() == arch.goarch()).then(|| version.parse().ok()).flatten()
}

fn known_sum(version: Version, arch: Arch) -> Result<Option<String>> {
    let all = catalog::bundles()?;
    Ok(all.into_iter().find(|(other, of, _)| *other == version && of == arch.debian()).map(|(_, _, sum)| sum))
}

/// A checksum that was given, and where.
#[derive(Debug, Clone, Copy)]
pub(crate) enum GivenChecksum<'s> {
    /// --sha256.
    Option(&'s str),
    /// SHA256SUMS, in the directory of the archive.
    List(&'s str),
}

/// The checksum that an archive must have. Refuses a given one that differs from the known one, and none at all.
pub(crate) fn expected_checksum(given: Option<GivenChecksum<'_>>, known: Option<&str>, what: &str) -> Result<String> {
    let given = given.map(|given| {
        let (GivenChecksum::Option(text) | GivenChecksum::List(text)) = given;
        let sum = text.trim().to_ascii_lowercase();
        is_sha256(&sum).then_some((given, sum)).ok_or_else(|| match given {
            GivenChecksum::Option(_) => {
                Error::usage(format!("cannot use --sha256 {text:?}: expected 64 hexadecimal digits"))
            }
            GivenChecksum::List(_) => {
                Error::failed(format!("cannot use {what}: its checksum in {SUMS} is not valid: {text:?}"))
                    .hint("create the list again: sha256sum cri-o.* > SHA256SUMS")
            }
        })
    });
    match (given.transpose()?, known) {
        (Some((origin, given)), Some(known)) if given != known => {
            let (place, hint) = match origin {
                GivenChecksum::Option(_) => ("--sha256", "omit --sha256 to use the known checksum"),
                GivenChecksum::List(_) => (
                    SUMS,
                    "the archive is not upstream's: get it again on a machine with a network, and its checksum with it",
                ),
            };
            Err(Error::refused(format!("cannot use {what}: its known SHA-256 is {known}, but {place} has {given}"))
                .hint(hint))
        }
        (Some((_, given)), _) => Ok(given),
        (None, Some(known)) => Ok(known.to_owned()),
        (None, None) => Err(Error::refused(format!("cannot use {what}: its SHA-256 is unknown"))
            .hint("get the checksum from a trusted source, and specify it with --sha256 HEX")),
    }
}

/// The names of the files in the directory of `--offline`.
fn offline_names(dir: &Path, version: Version) -> Result<Vec<String>> {
    let entries = folder::entries(dir).map_err(|cause| {
        Error::failed(format!("cannot install from {}: {cause}", dir.display())).hint(format!(
            "check that it is mounted; to fill one, run edge-crio download --version {version} --arch ARCH --to DIR on a \
             machine with a network"
        ))
    })?;
    Ok(entries.iter().filter_map(|path| path.file_name()?.to_str().map(str::to_owned)).collect())
}

/// Selects packages from the directory if there are any, else a bundle.
fn offline(args: &InstallArgs, arch: Arch, dir: &Path, names: &[String]) -> Result<Selected> {
    let has_packages = names.iter().any(|name| name.ends_with(".deb"));
    if has_packages && args.source != SourceOption::Bundle {
        return Ok(Selected::Apt(None));
    }
    let fits = |name: &&String| release_of(name, arch).is_some_and(|release| args.version.matches(release));
    let newest = names.iter().filter(fits).max_by_key(|name| release_of(name, arch));
    let Some(name) = newest.filter(|_| args.source != SourceOption::Apt) else {
        let expected = archive_name(args.version, arch);
        return Err(Error::failed(format!(
            "cannot install from {}: it contains neither a .deb file nor {expected}",
            dir.display()
        ))
        .hint(format!(
            "run edge-crio download --version {} --arch {} --to DIR on a machine with a network",
            args.version, arch
        )));
    };
    let list = folder::read_sums(dir)?.unwrap_or_default();
    // The list only detects a damaged copy; a known checksum also detects a replaced one.
    let listed = sums::listed(&list, name).map(GivenChecksum::List);
    let given = args.sha256.as_deref().map(GivenChecksum::Option).or(listed);
    named_archive(args, arch, name, Location::File(dir.join(name)), given).map(Selected::Bundle)
}

/// Unpacks the archive's files into the stage, or only reads them in a dry run. None in a dry run that would have to
/// download the archive.
///
/// The archive's checksum is verified first. Files that an earlier run or someone else has unpacked are removed unread.
pub(crate) fn staged(
    host: &mut Host,
    archive: &Archive,
    arch: Arch,
    proxy: Option<&Proxy>,
) -> Result<Option<(Staged, Option<PathBuf>)>> {
    let mut opened = match &archive.location {
        Location::File(path) => archive::Archive::open(path)?,
        Location::Url(url) if host.mode == Mode::DryRun => {
            host.report.line(&format!("would download {}, sha256 {}", edge_host::shown_url(url), archive.sha256));
            return Ok(None);
        }
        Location::Url(url) => {
            archive::Archive::of(downloaded(host, url, archive, arch, proxy)?, edge_host::shown_url(url))
        }
    };
    let sum = opened.checksum(&|| host.check_interrupt())?;
    if sum != archive.sha256 {
        if host.mode == Mode::Apply {
            host.root.remove_tree(bundle::stage())?;
        }
        return Err(Error::refused(format!(
            "cannot use {}: its SHA-256 is {sum}, expected {}",
            opened.shown(),
            archive.sha256
        ))
        .hint("it is damaged, of another release, or was modified in transit: get it again"));
    }
    if host.mode == Mode::DryRun {
        return Ok(Some((unpack(host, &mut opened, &sum, None)?, None)));
    }
    private_stage(host)?;
    let stage = bundle::stage_of(&archive.sha256);
    host.root.remove_tree(&stage)?;
    let root = host.root.try_clone()?;
    let mut into = root.new_dir(&stage)?;
    let staged = unpack(host, &mut opened, &sum, Some(&mut into))?;
    into.finish()?;
    Ok(Some((staged, Some(stage))))
}

/// Makes the stage private to this user; one that others can change is removed first.
fn private_stage(host: &Host) -> Result<()> {
    if !matches!(host.root.is_private(bundle::stage()), Ok(true)) {
        host.root.remove_tree(bundle::stage())?;
    }
    host.root.private_dir(bundle::stage())
}

/// Downloads an archive to the stage, unless an interrupted run has completed that.
fn downloaded(host: &mut Host, url: &str, archive: &Archive, arch: Arch, proxy: Option<&Proxy>) -> Result<File> {
    private_stage(host)?;
    let place = bundle::download_of(&archive_name(archive.version, arch));
    let root = host.root.try_clone()?;
    if let Ok(Some(mut file)) = root.open(&place)
        && checksum(&mut file, &place.display().to_string(), &|| host.check_interrupt())? == archive.sha256
    {
        return Ok(file);
    }
    root.remove_tree(&place)?;
    host.report.note(&format!("downloading {}", edge_host::shown_url(url)));
    let mut file = root.new_file(&place, 0o600)?;
    download(host, url, proxy, &mut file)?;
    file.finish()?;
    root.open(&place)?.ok_or_else(|| Error::cannot("read", &place, "it was removed"))
}

/// Downloads a bundle's archive and returns its checksum.
pub(crate) fn download(host: &mut Host, url: &str, proxy: Option<&Proxy>, to: &mut dyn Write) -> Result<String> {
    let file = Download {
        url,
        proxy,
        missing: "the release is not available: see edge-crio resolve, or specify a mirror with --bundle-mirror",
        instead: "copy the file to this host, and use --archive FILE --sha256 HEX",
    };
    edge_fetch::download(host, file, to)
}

/// Whether this archive is installed, with every file unchanged.
pub(crate) fn is_installed(host: &Host, manifest: Option<&Manifest>, archive: &Archive) -> Result<bool> {
    match manifest {
        Some(manifest) if manifest.archive == archive.sha256 => manifest.is_unchanged(host),
        _ => Ok(false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn release_of_reads_every_name_of_the_architecture() {
        let of = |name: &str, arch| release_of(name, arch).map(|release| release.to_string());
        for name in ["cri-o.arm.v1.24.6.tar.gz", "cri-o.armhf.v1.24.6.tar.gz", "cri-o.armv7.v1.24.6.tar.gz"] {
            assert_eq!(of(name, Arch::Arm).as_deref(), Some("1.24.6"), "{name}");
            assert_eq!(of(name, Arch::Arm64), None, "{name}");
        }
        for name in ["cri-o.arm64.v1.34.2.tar.gz", "cri-o.aarch64.v1.34.2.tar.gz"] {
            assert_eq!(of(name, Arch::Arm64).as_deref(), Some("1.34.2"), "{name}");
        }
        for name in
            ["cri-o.v1.34.2.tar.gz", "cri-o.z80.v1.34.2.tar.gz", "cri-o.arm64.v1.34.2.tgz", "cri-o.arm64.vx.tar.gz"]
        {
            assert_eq!(of(name, Arch::Arm64), None, "{name}");
        }
    }
}
