//! Which source an install takes, and the bundle's archive in hand.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use edge_fetch::archive;
use edge_fetch::folder::{self, SUMS};
use edge_fetch::{Download, Proxy, checksum, is_sha256, sums};
use edge_host::{Arch, Error, Host, Mode, Result};

use crate::address;
use crate::bundle::{self, Manifest, Staged, Sysconfig, unpack};
use crate::cli::{From, InstallArgs};
use crate::knowledge;
use crate::resolve::{Kind, Offer, archive_name};
use crate::system::System;
use crate::verbs::resolve::{find, mirrors, nowhere};
use crate::version::Version;

/// What is installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Chosen {
    /// The package of a repository; none where a directory of .deb files is used.
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
    pub(crate) place: Place,
    /// What its sum must be.
    pub(crate) sha256: String,
}

/// Where an archive is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// The operator's own file.
    File(PathBuf),
    /// To be downloaded.
    Url(String),
}

/// Decides, without any network.
pub(crate) fn choose(host: &mut Host, args: &InstallArgs, system: &System, installed: Option<Kind>) -> Result<Chosen> {
    let mirrors = mirrors(&args.mirrors)?;
    if let Some(dir) = &args.offline {
        let names = brought(dir, args.version)?;
        return offline(args, system.arch()?, dir, &names);
    }
    let arch = system.arch()?;
    if let Some(archive) = &args.archive {
        if args.source == From::Apt {
            return Err(Error::usage("cannot use --archive with --source apt: it names a bundle"));
        }
        let place = match archive.contains("://") {
            true => Place::Url(address::download(archive)?.to_owned()),
            false => Place::File(PathBuf::from(archive)),
        };
        let said = args.sha256.as_deref().map(Said::Option);
        return named(args, arch, archive, place, said).map(Chosen::Bundle);
    }
    let found = find(args.version, system, arch, &mirrors)?;
    if let Some(error) = nowhere(&found, args.version, system, arch) {
        return Err(error);
    }
    let wanted = match args.source {
        From::Apt => Some(Kind::Apt),
        From::Bundle => Some(Kind::Bundle),
        // What is there is not changed for another kind without being asked.
        From::Auto => installed.filter(|kind| found.offers.iter().any(|offer| offer.kind == *kind)),
    };
    let usable = |offer: &&Offer| offer.kind == Kind::Apt || offer.sha256.is_some() || args.sha256.is_some();
    let offer = match wanted {
        Some(kind) => found.offers.iter().find(|offer| offer.kind == kind),
        None => found.offers.iter().find(usable),
    };
    let Some(offer) = offer.cloned() else {
        let why = found
            .refusals
            .iter()
            .find(|refusal| Some(refusal.kind) == wanted)
            .map_or("", |refusal| refusal.why.as_str());
        let name = wanted.map_or("any source", Kind::name);
        let others: Vec<&str> = found.offers.iter().map(|offer| offer.kind.name()).collect();
        let error = Error::failed(format!("cannot get CRI-O {} from {name}: {why}", args.version));
        return Err(if others.is_empty() {
            error
        } else {
            error.hint(format!("--source {} has it", others.join(" or ")))
        });
    };
    for note in found.notes.iter().chain(&offer.notes) {
        host.report.note(note);
    }
    if offer.kind == Kind::Apt {
        return Ok(Chosen::Apt(Some(offer)));
    }
    let sha256 = agreed(args.sha256.as_deref().map(Said::Option), offer.sha256.as_deref(), &offer.url)?;
    Ok(Chosen::Bundle(Archive { version: offer.version, place: Place::Url(offer.url), sha256 }))
}

/// An archive that is named: its release and its sum must be known or said.
fn named(args: &InstallArgs, arch: Arch, archive: &str, place: Place, said: Option<Said<'_>>) -> Result<Archive> {
    let name = archive.rsplit('/').next().unwrap_or(archive);
    let of_name = release_of(name, arch);
    let version = match (args.version.patch, of_name) {
        (_, Some(of_name)) if !args.version.takes(of_name) => {
            return Err(Error::usage(format!("cannot install {name} as {}: its name says {of_name}", args.version)));
        }
        (Some(_), _) => args.version,
        (None, Some(of_name)) => of_name,
        (None, None) => {
            return Err(Error::usage(format!("cannot tell which release of {} {name} is", args.version))
                .hint("name the release itself: --version 1.34.2"));
        }
    };
    let known = known_sum(version, arch)?;
    let sha256 = agreed(said, known.as_deref(), name)?;
    Ok(Archive { version, place, sha256 })
}

fn release_of(name: &str, arch: Arch) -> Option<Version> {
    name.strip_prefix(&format!("cri-o.{}.v", arch.goarch()))?.strip_suffix(".tar.gz")?.parse().ok()
}

fn known_sum(version: Version, arch: Arch) -> Result<Option<String>> {
    let all = knowledge::bundles()?;
    Ok(all.into_iter().find(|(other, of, _)| *other == version && of == arch.debian()).map(|(_, _, sum)| sum))
}

/// A sum that someone names, and where.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Said<'s> {
    /// --sha256.
    Option(&'s str),
    /// SHA256SUMS, beside the archive.
    List(&'s str),
}

/// The sum to hold an archive to: the one that is known, the one that is given, and never two.
pub(crate) fn agreed(said: Option<Said<'_>>, known: Option<&str>, what: &str) -> Result<String> {
    let given = said.map(|said| {
        let (Said::Option(text) | Said::List(text)) = said;
        let sum = text.trim().to_ascii_lowercase();
        is_sha256(&sum).then_some((said, sum)).ok_or_else(|| match said {
            Said::Option(_) => Error::usage("cannot use --sha256: it has 64 hexadecimal digits"),
            Said::List(_) => Error::failed(format!("cannot use {what}: what {SUMS} has for it is no SHA-256"))
                .hint("make the list again there: sha256sum cri-o.* > SHA256SUMS; or name the sum with --sha256"),
        })
    });
    match (given.transpose()?, known) {
        (Some((said, given)), Some(known)) if given != known => {
            let (who, hint) = match said {
                Said::Option(_) => {
                    ("--sha256", "one of them is of another file; leave --sha256 out to hold it to the known one")
                }
                Said::List(_) => (SUMS, "it is not what upstream made: get the archive again, with edge-crio download"),
            };
            Err(Error::refused(format!("cannot use {what}: its known SHA-256 is {known}, and {who} says {given}"))
                .hint(hint))
        }
        (Some((_, given)), _) => Ok(given),
        (None, Some(known)) => Ok(known.to_owned()),
        (None, None) => Err(Error::refused(format!("cannot use {what}: its SHA-256 is not known here"))
            .hint("get it from a place you trust, and name it with --sha256")),
    }
}

/// The names in the folder that was brought along.
fn brought(dir: &Path, version: Version) -> Result<Vec<String>> {
    let entries = folder::entries(dir).map_err(|cause| {
        Error::failed(format!("cannot install from {}: {cause}", dir.display())).hint(format!(
            "look whether it is mounted; on a machine with a network, edge-crio download --version {version} --arch ARCH \
             --to DIR fills one"
        ))
    })?;
    Ok(entries.iter().filter_map(|path| path.file_name()?.to_str().map(str::to_owned)).collect())
}

/// What is in it: packages where there are any, else a bundle.
fn offline(args: &InstallArgs, arch: Arch, dir: &Path, names: &[String]) -> Result<Chosen> {
    let has_packages = names.iter().any(|name| name.ends_with(".deb"));
    if has_packages && args.source != From::Bundle {
        return Ok(Chosen::Apt(None));
    }
    let fits = |name: &&String| release_of(name, arch).is_some_and(|release| args.version.takes(release));
    let newest = names.iter().filter(fits).max_by_key(|name| release_of(name, arch));
    let Some(name) = newest.filter(|_| args.source != From::Apt) else {
        let wanted = archive_name(args.version, arch);
        return Err(Error::failed(format!(
            "cannot install from {}: there is neither a .deb nor {wanted} in it",
            dir.display()
        ))
        .hint(format!(
            "edge-crio download --version {} --arch {} --to DIR, on a machine with a network",
            args.version, arch
        )));
    };
    let list = folder::read_sums(dir)?.unwrap_or_default();
    // A list beside the file tells a damaged copy from a good one; a known sum tells a false one too.
    let said = args.sha256.as_deref().map(Said::Option).or(sums::listed(&list, name).map(Said::List));
    named(args, arch, name, Place::File(dir.join(name)), said).map(Chosen::Bundle)
}

/// The archive's files: unpacked beside their place, or in a dry run only read. None in a dry run
/// that would have to download it first.
///
/// All of it comes from an archive whose checksum was verified in this run: what an earlier one, or someone else,
/// has unpacked there is thrown away unread.
pub(crate) fn staged(
    host: &mut Host,
    archive: &Archive,
    arch: Arch,
    proxy: Option<&Proxy>,
) -> Result<Option<(Staged, Option<PathBuf>)>> {
    let mut opened = match &archive.place {
        Place::File(path) => archive::Archive::open(path)?,
        Place::Url(url) if host.mode == Mode::DryRun => {
            host.report.line(&format!("would download {}, sha256 {}", edge_host::shown_url(url), archive.sha256));
            return Ok(None);
        }
        Place::Url(url) => {
            archive::Archive::of(downloaded(host, url, archive, arch, proxy)?, edge_host::shown_url(url))
        }
    };
    let sum = opened.checksum(&|| host.check_interrupt())?;
    if sum != archive.sha256 {
        if host.mode == Mode::Apply {
            host.root.remove_tree(bundle::stage())?;
        }
        return Err(Error::refused(format!(
            "cannot use {}: its SHA-256 is {sum}, and it must be {}",
            opened.shown(),
            archive.sha256
        ))
        .hint("it is damaged, of another release, or was changed on the way: get it again"));
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

/// Only we can change what is unpacked there: one that is someone else's is thrown away first.
fn private_stage(host: &Host) -> Result<()> {
    if !matches!(host.root.is_private(bundle::stage()), Ok(true)) {
        host.root.remove_tree(bundle::stage())?;
    }
    host.root.private_dir(bundle::stage())
}

/// Downloads an archive to where it is unpacked, unless a run that was interrupted has done so.
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
    root.open(&place)?.ok_or_else(|| Error::failed(format!("cannot read {}: it is gone", place.display())))
}

/// Downloads a bundle's archive and returns its checksum.
pub(crate) fn download(host: &mut Host, url: &str, proxy: Option<&Proxy>, to: &mut dyn Write) -> Result<String> {
    let file = Download {
        url,
        proxy,
        missing: "the release is not there (or not yet): see edge-crio resolve; or name a mirror",
        instead: "bring the file: --archive FILE --sha256 H",
    };
    edge_fetch::download(host, file, to)
}

/// Whether this archive is what was installed, every file in its place.
pub(crate) fn is_installed(host: &Host, manifest: Option<&Manifest>, archive: &Archive) -> Result<bool> {
    match manifest {
        Some(manifest) if manifest.archive == archive.sha256 => manifest.is_whole(host),
        _ => Ok(false),
    }
}

pub(crate) fn sysconfig(system: &System) -> Sysconfig {
    if system.has_sysconfig { Sysconfig::There } else { Sysconfig::Absent }
}
