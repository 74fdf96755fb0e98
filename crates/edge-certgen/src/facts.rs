//! Every read: the pairs, the CA that signs, the clock.

use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use edge_host::{Error, FileSnapshot, Host, MAX_READ, Result, ResultExt, State};

use crate::cert::Certificate;
use crate::encoding::without_keys;
use crate::key::PrivateKey;
use crate::kind::{Dirs, Kind, places};
use crate::wanted::{GivenAuthority, is_stdin};

/// Something that was looked for.
#[derive(Debug, Clone)]
pub enum Read<T> {
    /// Nothing is there.
    Absent,
    /// Something is there that cannot be used, and why.
    Bad(String),
    /// It.
    Good(T),
}

impl<T> Read<T> {
    /// It, if it is good.
    pub fn good(&self) -> Option<&T> {
        match self {
            Read::Good(it) => Some(it),
            Read::Absent | Read::Bad(_) => None,
        }
    }
}

/// A key and a certificate that should belong together.
#[derive(Debug, Clone)]
pub struct Pair {
    /// The certificate's path below the root.
    pub certificate_path: PathBuf,
    /// The key's.
    pub key_path: PathBuf,
    /// What was found at the certificate's.
    pub certificate_found: FileSnapshot,
    /// What was found at the key's.
    pub key_found: FileSnapshot,
    /// The certificate.
    pub certificate: Read<Certificate>,
    /// The key.
    pub key: Read<PrivateKey>,
    /// The keys before this one, which a renewal leaves beside.
    pub old_keys: Vec<PrivateKey>,
    /// What this call has written of it already, if it goes on after an interruption.
    pub written: Written,
}

/// What a call that goes on after an interruption has written already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Written {
    /// The certificate.
    pub certificate: bool,
    /// The key.
    pub key: bool,
}

impl Pair {
    /// Whether the certificate is for the key, as far as both can be read.
    pub fn matches(&self) -> Option<bool> {
        Some(belongs(self.certificate.good()?, self.key.good()?))
    }

    /// Whether a renewal with a new key was interrupted between its two renames: the certificate is
    /// still the one of the key before.
    pub fn is_half_renewed(&self) -> bool {
        let of_old = |certificate: &Certificate| self.old_keys.iter().any(|old| belongs(certificate, old));
        self.matches() == Some(false) && self.certificate.good().is_some_and(of_old)
    }
}

/// Whether a certificate is for a key.
pub fn belongs(certificate: &Certificate, key: &PrivateKey) -> bool {
    key.public_key_info().is_some_and(|info| info == certificate.public_key_info)
}

/// The clock, in seconds since 1970.
pub fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).map(|time| time.as_secs());
    i64::try_from(since.unwrap_or(0)).unwrap_or(i64::MAX)
}

/// What is at a pair's two paths.
pub fn pair(host: &Host, dirs: &Dirs, kind: &Kind) -> Result<Pair> {
    let (certificate_path, key_path) = (dirs.certificate(kind), dirs.key(kind));
    let (certificate_found, key_found) = (host.root.find(&certificate_path)?, host.root.find(&key_path)?);
    let certificate = parsed(&certificate_found, Certificate::from_pem);
    let complete = |key: PrivateKey| match certificate.good() {
        Some(certificate) => key.with_public_of(certificate.algorithm, certificate.point()),
        None => key,
    };
    let key = match parsed(&key_found, PrivateKey::from_pem) {
        Read::Good(key) => Read::Good(complete(key)),
        other => other,
    };
    let old_keys = match &key {
        // Only a pair that does not match needs it.
        Read::Good(key) if !certificate.good().is_some_and(|certificate| belongs(certificate, key)) => {
            let files = host.root.previous_keys(&key_path)?;
            files.iter().filter_map(|bytes| PrivateKey::from_pem(bytes).ok()).collect()
        }
        _ => Vec::new(),
    };
    let written = Written::default();
    Ok(Pair { certificate_path, key_path, certificate_found, key_found, certificate, key, old_keys, written })
}

/// The same for a call that makes it, with what this call has written before an interruption.
pub fn pair_to_make(host: &Host, dirs: &Dirs, kind: &Kind) -> Result<Pair> {
    let mut pair = pair(host, dirs, kind)?;
    pair.written =
        Written { certificate: host.has_written(&pair.certificate_path)?, key: host.has_written(&pair.key_path)? };
    Ok(pair)
}

fn parsed<T>(found: &FileSnapshot, parse: impl FnOnce(&[u8]) -> std::result::Result<T, String>) -> Read<T> {
    match &found.state {
        State::Absent => Read::Absent,
        State::File { .. } => match parse(&found.bytes) {
            Ok(it) => Read::Good(it),
            Err(why) => Read::Bad(why),
        },
        other => Read::Bad(format!("it is {}, not a file", other.describe())),
    }
}

/// The CA that signs: its certificate is read, its key only when something is signed.
#[derive(Debug)]
pub struct Source {
    /// What the certificate's file holds for everybody to read.
    pub bytes: Vec<u8>,
    /// Whether its file holds more than that: the key, most likely.
    pub is_mixed: bool,
    /// The certificate.
    pub certificate: Certificate,
    /// Its name for people.
    pub shown: String,
    key: Place,
}

#[derive(Debug)]
enum Place {
    /// Below the root.
    Target(PathBuf),
    /// The operator's own.
    Own(PathBuf),
}

impl Source {
    fn of(bytes: &[u8], shown: String, key: Place) -> Result<Source> {
        let read = || Ok((Certificate::from_pem(bytes)?, without_keys(bytes)?));
        let (certificate, public) = read().map_err(|why: String| unreadable(&shown, &why))?;
        Ok(Source { is_mixed: public != bytes, bytes: public, certificate, shown, key })
    }

    /// Reads the key.
    ///
    /// Errors: exit 1, with what to do for one that is missing, encrypted or another's.
    pub fn key(&self, host: &Host) -> Result<(PrivateKey, String)> {
        let (bytes, shown) = match &self.key {
            Place::Target(path) => (host.root.read(path)?, host.root.display(path).display().to_string()),
            Place::Own(path) => (own_file(path)?, own_name(path)),
        };
        let missing = || {
            Error::failed(format!("cannot sign: the key of {} is not there: {shown}", self.shown))
                .hint("name it with --ca-key FILE, or run this where the CA's key is (a control plane host)")
        };
        let key = PrivateKey::from_pem(&bytes.ok_or_else(missing)?).map_err(|why| bad_key(&shown, &why))?;
        Ok((key.with_public_of(self.certificate.algorithm, self.certificate.point()), shown))
    }
}

fn bad_key(shown: &str, why: &str) -> Error {
    let error = Error::failed(format!("cannot read {shown}: {why}"));
    if why.contains("encrypted") {
        return error.hint(format!("give it decrypted: openssl pkey -in {shown} | edge-certgen … --ca-key -"));
    }
    error
}

/// Finds the CA for stream: given, or where a Kubernetes distribution keeps it.
pub fn cluster_authority(host: &Host, given: &GivenAuthority) -> Result<Source> {
    if given.certificate.is_some() || given.key.is_some() {
        return given_authority(given);
    }
    for place in places()? {
        if let Some(bytes) = host.root.read(&place.certificate)? {
            let shown = host.root.display(&place.certificate).display().to_string();
            return Source::of(&bytes, shown, Place::Target(place.key));
        }
    }
    let clusters: Vec<String> = places()?.into_iter().map(|place| place.cluster).collect();
    Err(Error::failed(format!("cannot sign: no CA of {} is on this host", clusters.join(", ")))
        .hint("run this on a control plane host, or name the CA with --ca FILE --ca-key FILE"))
}

/// The CA for server and edge: given, or rootCA; none where rootCA is yet to be made.
pub fn hub_authority(host: &Host, given: &GivenAuthority, dirs: &Dirs) -> Result<Option<Source>> {
    if given.certificate.is_some() || given.key.is_some() {
        return given_authority(given).map(Some);
    }
    let path = dirs.certificate(&Kind::Ca);
    let Some(bytes) = host.root.read(&path)? else { return Ok(None) };
    let shown = host.root.display(&path).display().to_string();
    Source::of(&bytes, shown, Place::Target(dirs.key(&Kind::Ca))).map(Some)
}

fn given_authority(given: &GivenAuthority) -> Result<Source> {
    let (Some(path), Some(key)) = (&given.certificate, &given.key) else {
        return Err(Error::usage("cannot sign: a CA is a certificate and its key").hint("give both --ca and --ca-key"));
    };
    let shown = own_name(path);
    let absent = || Error::failed(format!("cannot read {shown}: it is not there"));
    let bytes = own_file(path)?.ok_or_else(absent)?;
    Source::of(&bytes, shown, Place::Own(key.clone()))
}

pub(crate) fn unreadable(shown: &str, why: &str) -> Error {
    Error::failed(format!("cannot read {shown}: {why}"))
}

/// What messages call a file of the operator's own.
pub(crate) fn own_name(path: &Path) -> String {
    if is_stdin(path) { "standard input".to_owned() } else { path.display().to_string() }
}

/// A file of the operator's own, never below the root; a pipe will do, and - is standard input.
pub(crate) fn own_file(path: &Path) -> Result<Option<Vec<u8>>> {
    let reader: Box<dyn std::io::Read> = if is_stdin(path) {
        Box::new(std::io::stdin())
    } else {
        match File::open(path) {
            Ok(file) => Box::new(file),
            Err(cause) if cause.kind() == ErrorKind::NotFound => return Ok(None),
            Err(cause) => return Err(cause).on("read", own_name(path)),
        }
    };
    let mut bytes = Vec::new();
    let read = reader.take(MAX_READ + 1).read_to_end(&mut bytes).on("read", own_name(path))?;
    if read as u64 > MAX_READ {
        return Err(unreadable(&own_name(path), &format!("it is larger than {} MiB", MAX_READ >> 20)));
    }
    Ok(Some(bytes))
}

/// The key that the operator brings.
pub(crate) fn own_key(path: &Path) -> Result<PrivateKey> {
    let shown = own_name(path);
    let bytes = own_file(path)?.ok_or_else(|| Error::failed(format!("cannot read {shown}: it is not there")))?;
    PrivateKey::from_pem(&bytes).map_err(|why| {
        let error = unreadable(&shown, &why);
        if why.contains("encrypted") {
            error.hint(format!("no program of KubeEdge loads it so; openssl pkey -in {shown} | edge-certgen … --key -"))
        } else {
            error
        }
    })
}
