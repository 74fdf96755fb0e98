//! Installs and removes CRI-O as a package, through edge-apt.

use std::time::Duration;

use edge_apt::{
    Fingerprint, KeyFrom, Layout, Offline, PackageName, PackageRequest, Pin, Removal, Source, Stream, VersionRequest,
};
use edge_host::{Error, Host, Mode, Result};

use crate::catalog;
use crate::cli::InstallArgs;
use crate::resolve::Offer;

/// The name of its files in sources.list.d, keyrings and preferences.d, without extension.
const NAME: &str = "cri-o";
/// Takes precedence over any other repository, even one with a newer minor version.
const PRIORITY: i32 = 1001;

/// The version of the package, if it is installed.
pub(crate) fn installed(host: &Host) -> Result<Option<String>> {
    // A host without dpkg has no packages; one whose dpkg has lost its status file is an error.
    let Some(status) = edge_apt::status_if_any(host)? else { return Ok(None) };
    Ok(status.version_of(&package()?).map(ToString::to_string))
}

/// Installs the package. Returns whether a dry run could not determine all changes.
pub(crate) fn install(host: &mut Host, args: &InstallArgs, offer: Option<&Offer>) -> Result<bool> {
    let version = Stream::parse(&args.version.to_string())?;
    let request = edge_apt::Request {
        source: offer.map(|offer| source(args, offer)).transpose()?,
        pin: offer.map(|_| Pin {
            name: NAME.to_owned(),
            package: NAME.to_owned(),
            pin: args.version.pin(),
            priority: PRIORITY,
        }),
        obsolete: Vec::new(),
        packages: vec![PackageRequest { name: package()?, version: VersionRequest::Stream(version) }],
        hold: args.hold,
        downgrade: false,
        offline: args.offline.as_deref().map(Offline::open).transpose()?,
        wait: Duration::from_secs(args.wait),
    };
    let done = edge_apt::install(host, &request)?;
    Ok(done.waits)
}

fn source(args: &InstallArgs, offer: &Offer) -> Result<Source> {
    let fingerprint = args.fingerprint.as_deref().or(offer.fingerprint.as_deref()).unwrap_or_default();
    let key = match (&args.key, &offer.key) {
        (Some(file), _) => KeyFrom::read(file)?,
        (None, Some(url)) => KeyFrom::Url(url.clone()),
        (None, None) => {
            return Err(Error::usage("cannot add the repository: its key is unknown")
                .hint("name the key: --key FILE --fingerprint HEX"));
        }
    };
    Ok(Source {
        name: NAME.to_owned(),
        uri: offer.url.clone(),
        layout: Layout::Flat,
        key,
        fingerprints: vec![Fingerprint::parse(fingerprint)?],
    })
}

/// Removes the package, its repository and its pin, after waiting for other processes that use apt.
pub(crate) fn remove(host: &mut Host, wait: Duration) -> Result<()> {
    edge_apt::remove(host, &removal(wait)?)
}

/// Fails if another package depends on this one.
pub(crate) fn can_remove(host: &Host) -> Result<()> {
    edge_apt::can_remove(host, &removal(Duration::ZERO)?)
}

fn removal(wait: Duration) -> Result<Removal> {
    Ok(Removal { packages: vec![package()?], source: Some(NAME.to_owned()), pin: Some(NAME.to_owned()), wait })
}

/// Waits for other processes that use apt before an undo, which may use it too.
pub(crate) fn before_undo(host: &mut Host) -> Result<()> {
    if host.mode == Mode::DryRun || !host.root.is_live() || installed(host)?.is_none() {
        return Ok(());
    }
    edge_apt::wait(host, edge_apt::DEFAULT_WAIT)
}

fn package() -> Result<PackageName> {
    PackageName::parse(&catalog::sources()?.apt.package)
}
