//! Everything that is read: the key pairs, the CA that signs, the clock.

use std::fmt::Display;
use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use edge_host::{Error, FileSnapshot, Host, MAX_READ, Result, ResultExt, State, quoted};
use edge_pki::cert::{Certificate, bundle_from_pem, each_from_pem};
use edge_pki::encoding::without_keys;
use edge_pki::key::{KeyError, PrivateKey};

use crate::cluster;
use crate::kind::{Dirs, Kind};
use crate::request::{GivenAuthority, is_stdin};

/// The result of reading a file.
#[derive(Debug, Clone)]
pub enum Read<T> {
    /// The file does not exist.
    Absent,
    /// It cannot be used, with the reason.
    Invalid(String),
    /// What was read.
    Valid(T),
}

impl<T> Read<T> {
    /// What was read, if it is valid.
    pub fn valid(&self) -> Option<&T> {
        match self {
            Read::Valid(it) => Some(it),
            Read::Absent | Read::Invalid(_) => None,
        }
    }
}

/// A private key and its certificate.
#[derive(Debug, Clone)]
pub struct Pair {
    /// The certificate's path below the root.
    pub certificate_path: PathBuf,
    /// The key's path below the root.
    pub key_path: PathBuf,
    /// The directory of an image, which a command of a shell must have before these paths.
    pub prefix: String,
    /// The file of the certificate.
    pub certificate_found: FileSnapshot,
    /// The file of the key.
    pub key_found: FileSnapshot,
    /// The certificate.
    pub certificate: Read<Certificate>,
    /// The certificates after it in the same file, which a server sends with it; or why one cannot be read.
    pub chain: Vec<std::result::Result<Certificate, String>>,
    /// The key.
    pub key: Read<PrivateKey>,
    /// The previous keys, which a renewal keeps beside it.
    pub old_keys: Vec<PrivateKey>,
    /// What this call has already written, if it resumes an interrupted run.
    pub written: Written,
}

/// What a call that resumes an interrupted run has already written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Written {
    /// The certificate.
    pub certificate: bool,
    /// The key.
    pub key: bool,
}

impl Pair {
    /// Whether the certificate matches the key; none where one of them cannot be read.
    pub fn matches(&self) -> Option<bool> {
        Some(self.certificate.valid()?.matches_key(self.key.valid()?))
    }

    /// The command that moves away what is not a file, in place of which nothing is made.
    pub fn move_away(&self, path: &Path, found: &FileSnapshot) -> Option<String> {
        let is_file = matches!(found.state, State::File { .. } | State::Absent);
        let shown = quoted(&format!("{}{}", self.prefix, path.display()));
        (!is_file).then(|| format!("move it away: mv {shown} {shown}.away"))
    }

    /// The valid certificates after the first one.
    pub fn intermediates(&self) -> Vec<Certificate> {
        self.chain.iter().filter_map(|read| read.clone().ok()).collect()
    }

    /// Whether a renewal with a new key was interrupted between its two renames: the certificate still matches
    /// the previous key.
    pub fn is_half_renewed(&self) -> bool {
        let of_old = |certificate: &Certificate| self.old_keys.iter().any(|old| certificate.matches_key(old));
        self.matches() == Some(false) && self.certificate.valid().is_some_and(of_old)
    }
}

/// Reads a key pair.
pub fn pair(host: &Host, dirs: &Dirs, kind: &Kind) -> Result<Pair> {
    let (certificate_path, key_path) = (dirs.certificate(kind), dirs.key(kind));
    let (certificate_found, key_found) = (host.root.find(&certificate_path)?, host.root.find(&key_path)?);
    let certificate = parsed(&certificate_found, Certificate::from_pem);
    let chain =
        each_from_pem(&certificate_found.bytes).map_or_else(|_| Vec::new(), |each| each.into_iter().skip(1).collect());
    let complete = |key: PrivateKey| match certificate.valid() {
        Some(certificate) => key.with_public_of(certificate.algorithm, certificate.point()),
        None => key,
    };
    let key = match parsed(&key_found, PrivateKey::from_pem) {
        Read::Valid(key) => Read::Valid(complete(key)),
        other => other,
    };
    let old_keys = match &key {
        // Only needed where the two do not match.
        Read::Valid(key) if !certificate.valid().is_some_and(|certificate| certificate.matches_key(key)) => {
            let files = host.root.previous_keys(&key_path)?;
            files.iter().filter_map(|bytes| PrivateKey::from_pem(bytes).ok()).collect()
        }
        _ => Vec::new(),
    };
    let (written, prefix) = (Written::default(), prefix(host));
    Ok(Pair {
        certificate_path,
        key_path,
        prefix,
        certificate_found,
        key_found,
        certificate,
        chain,
        key,
        old_keys,
        written,
    })
}

fn prefix(host: &Host) -> String {
    if host.root.is_live() {
        return String::new();
    }
    host.root.display(Path::new("/")).display().to_string().trim_end_matches('/').to_owned()
}

/// Reads a key pair that is to be made, with what an interrupted run of the same call has written.
pub fn pair_to_make(host: &Host, dirs: &Dirs, kind: &Kind) -> Result<Pair> {
    let mut pair = pair(host, dirs, kind)?;
    pair.written =
        Written { certificate: host.has_written(&pair.certificate_path)?, key: host.has_written(&pair.key_path)? };
    Ok(pair)
}

fn parsed<T, E: Display>(found: &FileSnapshot, parse: impl FnOnce(&[u8]) -> std::result::Result<T, E>) -> Read<T> {
    match &found.state {
        State::Absent => Read::Absent,
        State::File { .. } => match parse(&found.bytes) {
            Ok(it) => Read::Valid(it),
            Err(why) => Read::Invalid(why.to_string()),
        },
        other => Read::Invalid(format!("it is {}, not a file", other.describe())),
    }
}

/// The CA that signs. Its private key is read only when something is signed.
#[derive(Debug)]
pub struct Source {
    /// The public part of the certificate's file.
    pub bytes: Vec<u8>,
    /// Whether the file contains more than that, most likely the private key.
    pub is_mixed: bool,
    /// The certificates in the file, at least one: during a rotation the old and the new CA. The private key decides
    /// which of them signs.
    pub certificates: Vec<Certificate>,
    /// Its path for errors, as a shell can use it.
    pub shown: String,
    /// Its path as it is on the host or in the image, or that of the operator's file.
    pub file: String,
    key: Place,
}

#[derive(Debug)]
enum Place {
    /// Below the root.
    Target(PathBuf),
    /// A file of the operator, not below the root.
    Own(PathBuf),
}

impl Source {
    fn of(bytes: &[u8], shown: String, file: String, key: Place) -> Result<Source> {
        let read = || Ok((bundle_from_pem(bytes)?, without_keys(bytes)?));
        let (certificates, public) = read().map_err(|why: String| unreadable(&shown, &why))?;
        Ok(Source { is_mixed: public != bytes, bytes: public, certificates, shown, file, key })
    }

    /// Reads the key.
    ///
    /// Errors: exit 1 where it is missing, encrypted or damaged.
    pub fn key(&self, host: &Host) -> Result<(PrivateKey, String)> {
        let (bytes, shown) = match &self.key {
            Place::Target(path) => (host.root.read(path)?, host.root.display(path).display().to_string()),
            Place::Own(path) => (own_file(path)?, own_name(path)),
        };
        let missing = || {
            Error::failed(format!("cannot sign with {}: its private key {shown} does not exist", self.shown))
                .hint("pass it with --ca-key FILE, or run this on a control plane host, where the CA's private key is")
        };
        let key =
            PrivateKey::from_pem(&bytes.ok_or_else(missing)?).map_err(|why| unusable_key(&shown, &why, "--ca-key"))?;
        Ok((key, shown))
    }

    /// Whether this is the private key of one of its certificates.
    pub fn has_key(&self, key: &PrivateKey) -> bool {
        self.certificates.iter().any(|certificate| certificate.matches_key(key))
    }
}

fn unusable_key(shown: &str, why: &KeyError, option: &str) -> Error {
    let error = unreadable(shown, &why.to_string());
    match why {
        KeyError::Encrypted => {
            error.hint(format!("pass it decrypted: openssl pkey -in {shown} | edge-certgen … {option} -"))
        }
        _ => error,
    }
}

/// Finds the CA for the stream server: the given one, or that of the Kubernetes distribution.
pub fn cluster_authority(host: &Host, given: &GivenAuthority) -> Result<Source> {
    if given.certificate.is_some() || given.key.is_some() {
        return given_authority(given);
    }
    let places = cluster::distributions(host)?;
    for place in &places {
        if let Some(bytes) = host.root.read(&place.certificate)? {
            let shown = host.root.display(&place.certificate).display().to_string();
            return Source::of(
                &bytes,
                shown,
                place.certificate.display().to_string(),
                Place::Target(place.key.clone()),
            );
        }
    }
    let clusters: Vec<String> = places.into_iter().map(|place| place.cluster).collect();
    Err(Error::failed(format!("cannot sign: this host has no CA of {}", clusters.join(", ")))
        .hint("run this on a control plane host, or pass the CA: --ca FILE --ca-key FILE"))
}

/// Finds the CA for server and edge: the given one, or rootCA; none where rootCA is not made yet.
pub fn hub_authority(host: &Host, given: &GivenAuthority, dirs: &Dirs) -> Result<Option<Source>> {
    if given.certificate.is_some() || given.key.is_some() {
        return given_authority(given).map(Some);
    }
    let path = dirs.certificate(&Kind::Ca);
    let Some(bytes) = host.root.read(&path)? else { return Ok(None) };
    let shown = host.root.display(&path).display().to_string();
    let mut source = Source::of(&bytes, shown, path.display().to_string(), Place::Target(dirs.key(&Kind::Ca)))?;
    // The hub reads only the first block, so only that CA is its own.
    source.certificates.truncate(1);
    Ok(Some(source))
}

fn given_authority(given: &GivenAuthority) -> Result<Source> {
    let (Some(path), Some(key)) = (&given.certificate, &given.key) else {
        return Err(Error::usage("cannot sign: only one of --ca and --ca-key is given")
            .hint("pass both: --ca FILE --ca-key FILE"));
    };
    let shown = own_name(path);
    let absent = || Error::failed(format!("cannot read {shown}: No such file or directory"));
    let bytes = own_file(path)?.ok_or_else(absent)?;
    Source::of(&bytes, shown.clone(), shown, Place::Own(key.clone()))
}

pub(crate) fn unreadable(shown: &str, why: &str) -> Error {
    Error::failed(format!("cannot read {shown}: {why}"))
}

/// The path of an operator's file, as shown to users.
pub(crate) fn own_name(path: &Path) -> String {
    if is_stdin(path) { "standard input".to_owned() } else { path.display().to_string() }
}

/// Reads a file of the operator, never below the root; it may be a pipe, and - is standard input.
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

/// Reads the private key that is given with --key.
pub(crate) fn own_key(path: &Path) -> Result<PrivateKey> {
    let shown = own_name(path);
    let bytes =
        own_file(path)?.ok_or_else(|| Error::failed(format!("cannot read {shown}: No such file or directory")))?;
    PrivateKey::from_pem(&bytes).map_err(|why| unusable_key(&shown, &why, "--key"))
}
