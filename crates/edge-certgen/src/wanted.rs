//! What a call asks for: options first, certgen.sh's variables where an option is not given.

use std::path::{Path, PathBuf};

use edge_host::{Error, Host, Result};
use edge_kubeedge::paths::{CA_DIR, CERT_DIR};
use x509_cert::name::RdnSequence as DistinguishedName;

use crate::cli::{Names, Options};
use crate::key::Algorithm;
use crate::kind::{Dirs, Kind, Knowledge, Loads, places};
use crate::names::{self, Name};
use crate::{subject, times};

/// In every certificate of a server, as certgen.sh has it: cloudcore's own host.
const LOOPBACK: &str = "127.0.0.1";

/// What a pair shall be.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Good for which addresses and names.
    pub names: Vec<Name>,
    /// The subject of a new certificate.
    pub subject: DistinguishedName,
    /// The subject that an existing one must have as well, where the user asked for it.
    pub subject_must_be: Option<DistinguishedName>,
    /// Good for which uses.
    pub usages: Vec<String>,
    /// For how many days.
    pub days: u32,
    /// What its program takes as a key.
    pub loads: Loads,
    /// Which key.
    pub key: KeyWish,
    /// The kind of key, where the user asked for one.
    pub algorithm: Option<Algorithm>,
    /// Renewed when so many days are left.
    pub renew_before: u32,
    /// What becomes of one that is there and good.
    pub existing: Existing,
}

/// Which key a new certificate is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyWish {
    /// The one that is there, as long as it can be used.
    Keep,
    /// A new one.
    New,
    /// The user's.
    Given,
}

/// What becomes of a certificate that is there and good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// It is kept.
    Judge,
    /// It is replaced.
    Replace,
}

/// A variable that is set to something.
fn variable(name: &str) -> Result<Option<String>> {
    match std::env::var(name) {
        Ok(value) if value.trim().is_empty() => Ok(None),
        Ok(value) => Ok(Some(value)),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(std::env::VarError::NotUnicode(_)) => Err(Error::usage(format!("cannot take {name}: it is not text"))),
    }
}

/// A path below the root: a relative one counts from here, which an image has not.
fn target_path(host: &Host, option: &str, path: &Path) -> Result<PathBuf> {
    if path.is_absolute() {
        return Ok(path.to_path_buf());
    }
    if !host.root.is_live() {
        return Err(Error::usage(format!("cannot take {option} {}: with --root it must begin with /", path.display())));
    }
    absolute(option, path)
}

/// A path of the operator's own.
pub(crate) fn absolute(option: &str, path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).map_err(|cause| Error::usage(format!("cannot take {option} {}: {cause}", path.display())))
}

pub(crate) fn dirs(host: &Host, options: &Options) -> Result<Dirs> {
    let dir = |option: &str, given: &Option<PathBuf>, name: &str, default: &str| match given {
        Some(path) => target_path(host, option, path),
        None => match variable(name)? {
            Some(path) => target_path(host, name, Path::new(&path)),
            None => Ok(default.into()),
        },
    };
    Ok(Dirs {
        ca: dir("--ca-dir", &options.ca_dir, "CA_PATH", CA_DIR)?,
        certs: dir("--cert-dir", &options.cert_dir, "CERT_PATH", CERT_DIR)?,
    })
}

/// The CA that signs, where the user names it: its certificate and key.
#[derive(Debug, Clone, Default)]
pub struct GivenAuthority {
    /// Its certificate.
    pub certificate: Option<PathBuf>,
    /// Its key.
    pub key: Option<PathBuf>,
}

pub(crate) fn authority(options: &Options, kind: &Kind) -> Result<GivenAuthority> {
    let of = |option: &str, given: &Option<PathBuf>, name: &str| -> Result<Option<PathBuf>> {
        let path = match (given, kind) {
            (Some(path), _) => Some(path.clone()),
            (None, Kind::Stream) => variable(name)?.map(PathBuf::from),
            (None, _) => None,
        };
        path.map(|path| if is_stdin(&path) { Ok(path) } else { absolute(option, &path) }).transpose()
    };
    let mut certificate = of("--ca", &options.ca, "K8SCA_FILE")?;
    let mut key = of("--ca-key", &options.ca_key, "K8SCA_KEY_FILE")?;
    // certgen.sh has a default for each of its two variables; half of the options is a mistake.
    if options.ca.is_none() && options.ca_key.is_none() && (certificate.is_some() || key.is_some()) {
        let kubeadm = places()?.into_iter().next();
        let kubeadm = kubeadm.ok_or_else(|| Error::failed("cannot sign: no place of a CA is known"))?;
        certificate.get_or_insert(kubeadm.certificate);
        key.get_or_insert(kubeadm.key);
    }
    if certificate.as_deref().is_some_and(is_stdin) {
        return Err(Error::usage("cannot take --ca -: a certificate is no secret, and standard input is for the key")
            .hint("--ca FILE --ca-key -"));
    }
    if key.as_deref().is_some_and(is_stdin) && options.key.as_deref().is_some_and(is_stdin) {
        return Err(Error::usage("cannot take - twice: standard input is read once"));
    }
    Ok(GivenAuthority { certificate, key })
}

pub(crate) fn is_stdin(path: &Path) -> bool {
    path == Path::new("-")
}

/// Names as given; commas and, in variables, white space stand between several.
pub(crate) fn names(given: &Names) -> Result<Vec<Name>> {
    let mut all = Vec::new();
    let from = [
        ("--ip", &given.ip, names::address as fn(&str, &str) -> Result<Name>),
        ("--node-ip", &given.node_ip, names::address),
        ("--dns", &given.dns, names::host),
        ("--node-name", &given.node_name, names::host),
    ];
    for (option, values, read) in from {
        for value in values.iter().flat_map(|value| value.split(',')) {
            all.push(read(option, value.trim())?);
        }
    }
    Ok(all)
}

/// The same with what CLOUDCOREIPS and CLOUDCORE_DOMAINS add.
pub(crate) fn names_or_variables(given: &Names) -> Result<Vec<Name>> {
    let mut all = names(given)?;
    let of = |name: &'static str, read: fn(&str, &str) -> Result<Name>| -> Result<Vec<Name>> {
        let value = variable(name)?.unwrap_or_default();
        let words = value.split(|c: char| c.is_whitespace() || c == ',').filter(|word| !word.is_empty());
        words.map(|word| read(name, word)).collect()
    };
    if given.ip.is_empty() {
        all.extend(of("CLOUDCOREIPS", names::address)?);
    }
    if given.dns.is_empty() {
        all.extend(of("CLOUDCORE_DOMAINS", names::host)?);
    }
    Ok(all)
}

/// With the address of the host itself in front.
pub(crate) fn with_loopback(all: Vec<Name>) -> Result<Vec<Name>> {
    Ok(names::collect(std::iter::once(names::address("--ip", LOOPBACK)?).chain(all)))
}

/// What a pair shall be.
pub(crate) fn wanted(options: &Options, known: &Knowledge, names: Vec<Name>, node: Option<&str>) -> Result<Wanted> {
    let given = match (&options.subject, node) {
        (Some(text), _) => Some(subject::parse(text)?),
        (None, Some(node)) => Some(subject::of_node(node)?),
        (None, None) => variable("SUBJECT")?.map(|text| subject::parse(&text)).transpose()?,
    };
    let days = options.days.unwrap_or(known.days);
    let asks_for_subject = options.subject.is_some() || node.is_some();
    let subject: DistinguishedName = match &given {
        Some(subject) => subject.clone(),
        None => subject::parse(&known.subject)?,
    };
    Ok(Wanted {
        names: names::collect(names),
        subject_must_be: given.filter(|_| asks_for_subject),
        subject,
        usages: known.usages.clone(),
        days,
        loads: known.loads.clone(),
        key: key_wish(options),
        algorithm: algorithm(options)?,
        renew_before: renew_before(options, days)?,
        existing: if options.force { Existing::Replace } else { Existing::Judge },
    })
}

fn renew_before(options: &Options, days: u32) -> Result<u32> {
    let usual = times::renew_before(days.into());
    match options.renew_before {
        None => Ok(usual),
        Some(asked) if asked < days => Ok(asked),
        Some(asked) => Err(Error::usage(format!(
            "cannot take --renew-before {asked}: each run would make another certificate, of {}",
            times::days(days.into())
        ))
        .hint(format!("{} is usual: --renew-before {usual}", if usual < 30 { "a third of that" } else { "a month" }))),
    }
}

fn key_wish(options: &Options) -> KeyWish {
    match (&options.key, options.new_key) {
        (Some(_), _) => KeyWish::Given,
        (None, true) => KeyWish::New,
        (None, false) => KeyWish::Keep,
    }
}

/// The kind of key that was asked for, if one was.
fn algorithm(options: &Options) -> Result<Option<Algorithm>> {
    if variable("USE_PASSWORD")?.as_deref() == Some("true") {
        return Err(Error::usage("cannot take USE_PASSWORD true: cloudcore loads no encrypted key").hint("unset it"));
    }
    if let Some(wanted) = options.key_type {
        return Ok(Some(wanted.algorithm()));
    }
    match variable("KEY_TYPE")?.as_deref() {
        // certgen.sh takes all but rsa for P-256, and replaces no key for it; neither do we.
        None | Some("ec") => Ok(None),
        Some("rsa") => Err(Error::usage("cannot take KEY_TYPE rsa: no RSA key is made here").hint(
            "unset it for an ECDSA key, which all of KubeEdge takes; or bring one: openssl genrsa 3072 | edge-certgen … --key -",
        )),
        Some(other) => Err(Error::usage(format!("cannot take KEY_TYPE {other}: it is neither ec nor rsa"))),
    }
}
