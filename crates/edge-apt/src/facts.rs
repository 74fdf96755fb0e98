//! What there is before an install: packages, files, the key. Reading it starts no program.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use edge_host::{FileSnapshot, Host, Result, Root, shown_url};

use crate::key::{self, KeyFile};
use crate::openpgp::Form;
use crate::source::{self, KeyFrom, Source};
use crate::status::{self, Status};
use crate::wanted::{Request, Wanted};

/// The host as far as an install is concerned.
#[derive(Debug)]
pub(crate) struct Facts {
    pub(crate) status: Status,
    pub(crate) source: Option<SourceFacts>,
    pub(crate) pin: Option<FileSnapshot>,
    /// Seconds since 1970.
    pub(crate) now: u64,
}

/// The files of a source.
#[derive(Debug)]
pub(crate) struct SourceFacts {
    pub(crate) path: PathBuf,
    pub(crate) file: FileSnapshot,
    /// Both names that a key can have, and what stands there.
    pub(crate) keys: Vec<(PathBuf, FileSnapshot)>,
    /// The key that is in place, if it is the right one and not at its end.
    pub(crate) key: Option<KeyFile>,
    /// What is to be said of it.
    pub(crate) warnings: Vec<String>,
    /// Other files that name the same repository.
    pub(crate) rivals: Vec<PathBuf>,
}

/// Reads all of it.
pub(crate) fn read(host: &Host, wanted: &Wanted) -> Result<Facts> {
    let root = &host.root;
    let status = status::of(root)?;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |time| time.as_secs());
    let source = wanted.source.as_ref().map(|source| read_source(root, source, &status, now)).transpose()?;
    let pin = wanted.pin.as_ref().map(|pin| root.find(&pin.path())).transpose()?;
    Ok(Facts { status, source, pin, now })
}

fn read_source(root: &Root, source: &Source, status: &Status, now: u64) -> Result<SourceFacts> {
    let path = source.path(status.apt());
    let mut keys = Vec::new();
    let mut good = None;
    for form in [Form::Armored, Form::Binary] {
        let path = key::path(&source.name, form);
        let found = root.find(&path)?;
        if found.exists() && good.is_none() {
            good = in_place(source, &found, form, status, now);
        }
        keys.push((path, found));
    }
    let (key, warnings) = good.map_or((None, Vec::new()), |(key, warnings)| (Some(key), warnings));
    let rivals = source::rivals(root, source, &path)?;
    Ok(SourceFacts { file: root.find(&path)?, path, keys, key, warnings, rivals })
}

/// The key that stands there, if nothing speaks against it.
fn in_place(
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
    /// The packages that are not there as wanted.
    pub(crate) fn missing<'w>(&self, wanted: &'w Wanted) -> Vec<&'w Request> {
        let is_met = |request: &&Request| {
            self.status.version_of(&request.name).is_none_or(|version| !request.version.is_met_by(version))
        };
        wanted.packages.iter().filter(is_met).collect()
    }

    /// The packages that shall be held and are not.
    pub(crate) fn to_hold<'w>(&self, wanted: &'w Wanted) -> Vec<&'w Request> {
        let shall = |request: &&Request| wanted.hold && !self.status.is_held(&request.name);
        wanted.packages.iter().filter(shall).collect()
    }

    /// Whether the files of the source are as they shall be.
    pub(crate) fn source_is_right(&self, wanted: &Wanted) -> bool {
        let (Some(source), Some(facts)) = (&wanted.source, &self.source) else { return true };
        let Some(key) = &facts.key else { return false };
        facts.file.bytes == self.rendered(source, &key.path(&source.name)).as_bytes()
    }

    /// Whether the pin is as it shall be.
    pub(crate) fn pin_is_right(&self, wanted: &Wanted) -> bool {
        let (Some(pin), Some(found)) = (&wanted.pin, &self.pin) else { return true };
        found.bytes == pin.render().as_bytes()
    }

    /// Whether nothing is left to do.
    pub(crate) fn are_as_wanted(&self, wanted: &Wanted) -> bool {
        self.missing(wanted).is_empty()
            && self.to_hold(wanted).is_empty()
            && self.source_is_right(wanted)
            && self.pin_is_right(wanted)
    }

    /// The text of the source's file.
    pub(crate) fn rendered(&self, source: &Source, key: &Path) -> String {
        source.render(key, self.status.architecture(), self.status.apt())
    }
}
