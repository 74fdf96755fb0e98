//! Reads what an installation depends on: packages, files, the key. Starts no program.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use edge_host::{FileSnapshot, Host, Result, Root, shown_url};

use crate::key::{self, KeyFile};
use crate::obsolete::{self, ObsoleteFile};
use crate::openpgp::Form;
use crate::request::{PackageRequest, Request, VersionRequest};
use crate::source::{self, KeyFrom, Source};
use crate::status::{self, Status};

/// The facts of an installation.
#[derive(Debug)]
pub(crate) struct Facts {
    pub(crate) status: Status,
    pub(crate) source: Option<SourceFacts>,
    pub(crate) pin: Option<FileSnapshot>,
    /// Files of sources with obsolete entries.
    pub(crate) obsolete: Vec<ObsoleteFile>,
    /// Seconds since 1970.
    pub(crate) now: u64,
}

/// The files of a source.
#[derive(Debug)]
pub(crate) struct SourceFacts {
    pub(crate) path: PathBuf,
    pub(crate) file: FileSnapshot,
    /// The two possible paths of a key, and the file at each.
    pub(crate) keys: Vec<(PathBuf, FileSnapshot)>,
    /// The installed key, if it is the right one and has not expired.
    pub(crate) key: Option<KeyFile>,
    /// Warnings about it.
    pub(crate) warnings: Vec<String>,
    /// Other files that contain the same repository.
    pub(crate) rivals: Vec<PathBuf>,
}

/// Reads all facts.
pub(crate) fn read(host: &Host, request: &Request) -> Result<Facts> {
    let root = &host.root;
    let status = status::of(root)?;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |time| time.as_secs());
    let own = request.source.as_ref().map(|source| source.path(status.apt()));
    let obsolete = obsolete::find(root, &request.obsolete, own.as_deref())?;
    let source =
        request.source.as_ref().map(|source| read_source(root, source, &status, now, &obsolete)).transpose()?;
    let pin = request.pin.as_ref().map(|pin| root.find(&pin.path())).transpose()?;
    Ok(Facts { status, source, pin, obsolete, now })
}

fn read_source(
    root: &Root,
    source: &Source,
    status: &Status,
    now: u64,
    obsolete: &[ObsoleteFile],
) -> Result<SourceFacts> {
    let path = source.path(status.apt());
    let mut keys = Vec::new();
    let mut valid = None;
    for form in [Form::Armored, Form::Binary] {
        let path = key::path(&source.name, form);
        let found = root.find(&path)?;
        if found.exists() && valid.is_none() {
            valid = installed_key(source, &found, form, status, now);
        }
        keys.push((path, found));
    }
    let (key, warnings) = valid.map_or((None, Vec::new()), |(key, warnings)| (Some(key), warnings));
    let rivals = source::rivals(root, source, &path, obsolete)?;
    Ok(SourceFacts { file: root.find(&path)?, path, keys, key, warnings, rivals })
}

/// The installed key, if it is valid.
fn installed_key(
    source: &Source,
    found: &FileSnapshot,
    form: Form,
    status: &Status,
    now: u64,
) -> Option<(KeyFile, Vec<String>)> {
    let from = shown_url(&source.uri);
    let is_given = match &source.key {
        KeyFrom::Bytes(bytes) => *bytes == found.bytes,
        KeyFrom::Url(_) => true,
    };
    let key = KeyFile::parse(found.bytes.clone(), &from).ok().filter(|key| is_given && key.form == form)?;
    let warnings = key.check(&source.fingerprints, now, status.apt(), &from).ok()?;
    Some((key, warnings))
}

impl Facts {
    /// The packages that are not installed as requested.
    pub(crate) fn missing<'w>(&self, request: &'w Request) -> Vec<&'w PackageRequest> {
        let is_missing = |package: &&PackageRequest| {
            self.status.version_of(&package.name).is_none_or(|version| !package.version.is_met_by(version))
        };
        let is_unmet = request.packages.iter().any(|package| is_missing(&package));
        let follows = |package: &PackageRequest| is_unmet && package.version == VersionRequest::Newest;
        request.packages.iter().filter(|package| is_missing(package) || follows(package)).collect()
    }

    /// The packages that must be held and are not.
    pub(crate) fn to_hold<'w>(&self, request: &'w Request) -> Vec<&'w PackageRequest> {
        let is_missing = |package: &&PackageRequest| request.hold && !self.status.is_held(&package.name);
        request.packages.iter().filter(is_missing).collect()
    }

    /// Whether the files of the source are up to date.
    pub(crate) fn source_is_up_to_date(&self, request: &Request) -> bool {
        let (Some(source), Some(facts)) = (&request.source, &self.source) else { return true };
        let Some(key) = &facts.key else { return false };
        facts.file.bytes == self.rendered(source, &key.path(&source.name)).as_bytes()
    }

    /// Whether the pin is up to date.
    pub(crate) fn pin_is_up_to_date(&self, request: &Request) -> bool {
        let (Some(pin), Some(found)) = (&request.pin, &self.pin) else { return true };
        found.bytes == pin.render().as_bytes()
    }

    /// Whether nothing needs to be changed.
    pub(crate) fn are_as_requested(&self, request: &Request) -> bool {
        self.missing(request).is_empty()
            && self.to_hold(request).is_empty()
            && self.source_is_up_to_date(request)
            && self.pin_is_up_to_date(request)
            && self.obsolete.is_empty()
    }

    /// The text of the source's file.
    pub(crate) fn rendered(&self, source: &Source, key: &Path) -> String {
        source.render(key, self.status.architecture(), self.status.apt())
    }
}
