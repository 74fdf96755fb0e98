//! Puts edgecore into a private directory, from which it is installed.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use edge_fetch::sha512;
use edge_host::{Arch, Error, Host, Mode, Program, Result, shown_url};

use super::fetch::{fetch_to, published_sum};
use super::{Place, Release, Source, Taken, Trust, judge, take};

/// Downloads and the unpacked program, while `edge-join apply` runs.
const STAGE: &str = "/var/lib/edgeutils/edge-join";
const PROGRAM: &str = "edgecore";

/// A program that can be installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Obtained {
    /// Where it is; none in a dry run, which unpacks nothing.
    pub path: Option<PathBuf>,
    /// SHA-256, in hex.
    pub sha256: String,
    /// Where it is from, for people.
    pub from: String,
}

/// Gets edgecore from its source, verified and judged for this host. None in a dry run that would have to download it.
///
/// Errors: exit 1 or 4; nothing of it is kept then.
pub fn obtain(host: &mut Host, source: &Source, release: &Release, arch: Arch) -> Result<Option<Obtained>> {
    let obtained = obtain_kept(host, source, release, arch);
    match &obtained {
        Err(error) if host.mode == Mode::Apply && error.exit() != edge_host::Exit::Interrupted => clean(host)?,
        _ => {}
    }
    obtained
}

fn obtain_kept(host: &mut Host, source: &Source, release: &Release, arch: Arch) -> Result<Option<Obtained>> {
    let shown = source.shown();
    if host.mode == Mode::Apply {
        private_stage(host)?;
    }
    let (mut file, expected) = match &source.place {
        Place::Url(url) if host.mode == Mode::DryRun => {
            host.report.line(&format!("would download {}", shown_url(url)));
            return Ok(None);
        }
        Place::Url(url) => {
            let expected = match &source.sha512 {
                Some(sum) => sum.clone(),
                None => {
                    let sum = published_sum(host, url)?;
                    host.report.note(&format!(
                        "the checksum of {shown} is from the same place as the file: it detects damage, and does not prove the origin"
                    ));
                    sum
                }
            };
            (downloaded(host, url, &expected)?, Some(expected))
        }
        Place::File(path) => (edge_fetch::open(path)?, source.sha512.clone()),
    };
    let sum = sha512(&mut file, &shown, &|| host.check_interrupt())?;
    match expected {
        Some(expected) if expected != sum => {
            let cause = format!("its SHA-512 is {sum}, expected {expected}");
            return Err(Error::refused(format!("cannot use {shown}: {cause}"))
                .hint("it is damaged, of another release, or was modified in transit: get it again"));
        }
        Some(_) => {}
        None => {
            // The form is a better answer than a note about a checksum.
            if source.trust == Trust::Nothing && host.mode == Mode::Apply {
                host.report.note(&format!("{shown} is used without a known checksum; its SHA-512 is {sum}"));
            }
        }
    }
    let taken = unpacked(host, &mut file, &shown, arch)?;
    // Another process may write to a file of a user; a download is private.
    let is_local = matches!(source.place, Place::File(_));
    if is_local && sha512(&mut file, &shown, &|| host.check_interrupt())? != sum {
        return Err(Error::refused(format!("cannot use {shown}: it was changed while it was being read")));
    }
    let from = format!("{} {} from {shown} ({})", PROGRAM, release.tag(), taken.kind);
    if host.mode == Mode::DryRun {
        dry_judgement(&taken, &shown, arch, release)?;
        return Ok(Some(Obtained { path: None, sha256: taken.sha256, from }));
    }
    let path = Path::new(STAGE).join(PROGRAM);
    let mut program = host.root.open(&path)?.ok_or_else(|| Error::cannot("read", &path, "it was removed"))?;
    judge(&mut program, &shown, &host.root, arch, release)?;
    Ok(Some(Obtained { path: Some(path), sha256: taken.sha256, from }))
}

/// Unpacks edgecore into the stage, or only reads it in a dry run.
fn unpacked(host: &mut Host, file: &mut File, shown: &str, arch: Arch) -> Result<Taken> {
    if host.mode == Mode::DryRun {
        return take(file, shown, arch, &|| host.check_interrupt(), &mut io::sink());
    }
    let root = host.root.try_clone()?;
    let mut to = root.new_file(&Path::new(STAGE).join(PROGRAM), 0o600)?;
    let taken = take(file, shown, arch, &|| host.check_interrupt(), &mut to)?;
    to.flush().map_err(|cause| Error::failed(format!("cannot unpack edgecore: {cause}")))?;
    to.finish()?;
    Ok(taken)
}

/// What a dry run can say without unpacking: the machine, and the version that an archive has beside the program.
fn dry_judgement(taken: &Taken, shown: &str, arch: Arch, release: &Release) -> Result<()> {
    let refused = |what: String| Err(Error::refused(format!("cannot install edgecore from {shown}: {what}")));
    match Program::parse(&taken.head) {
        None => return Err(Error::failed(format!("cannot install edgecore from {shown}: it is not a program (ELF)"))),
        Some(program) if !arch.may_run(program) => {
            return refused(format!("it is for {}, but this system is {arch}", program.machine()));
        }
        Some(_) => {}
    }
    match &taken.version {
        Some(version) if *version != release.tag() => {
            refused(format!("it is {version}, and {} is requested", release.tag()))
        }
        _ => Ok(()),
    }
}

/// Downloads an archive to the stage, unless an interrupted run has completed that.
fn downloaded(host: &mut Host, url: &str, expected: &str) -> Result<File> {
    let place = Path::new(STAGE).join("download");
    let root = host.root.try_clone()?;
    if let Ok(Some(mut file)) = root.open(&place)
        && sha512(&mut file, &place.display().to_string(), &|| host.check_interrupt())? == expected
    {
        return Ok(file);
    }
    root.remove_tree(&place)?;
    let mut file = root.new_file(&place, 0o600)?;
    fetch_to(host, url, &mut file)?;
    file.finish()?;
    root.open(&place)?.ok_or_else(|| Error::cannot("read", &place, "it was removed"))
}

/// Makes the stage private to this user; one that others can change is removed first.
fn private_stage(host: &Host) -> Result<()> {
    let stage = Path::new(STAGE);
    if !matches!(host.root.is_private(stage), Ok(true)) {
        host.root.remove_tree(stage)?;
    }
    host.root.private_dir(stage)
}

/// Removes downloads and the unpacked program.
fn clean(host: &Host) -> Result<()> {
    host.root.remove_tree(Path::new(STAGE))
}

/// Removes downloads and the unpacked program after a call that ended so: only an interrupted one is continued.
pub fn clean_after(host: &Host, exit: edge_host::Exit) -> Result<()> {
    if host.mode == Mode::Apply && exit != edge_host::Exit::Interrupted { clean(host) } else { Ok(()) }
}
