//! What the user requested: options, and the variables of certgen.sh where an option is not given.

use std::path::{Path, PathBuf};

use edge_host::{Error, Host, Result};
use edge_kubeedge::paths::{CA_DIR, CERT_DIR};
use edge_kubeedge::value::is_node_name;
use edge_pki::key::Algorithm;
use edge_pki::names::{self, Name};
use edge_pki::subject::DistinguishedName;
use edge_pki::{subject, times};

use crate::catalog::{KindEntry, Loads, cluster_cas};
use crate::cli::{Names, Options};
use crate::kind::{Dirs, Kind};

/// In every certificate of a server, as with certgen.sh: the host of cloudcore itself.
const LOOPBACK: &str = "127.0.0.1";
/// How many days before it expires a certificate is renewed, unless it is a short one.
const RENEW_BEFORE: u32 = 30;

/// The requested key pair and certificate.
#[derive(Debug, Clone)]
pub struct Request {
    /// The SANs.
    pub names: Vec<Name>,
    /// The subject of a new certificate.
    pub subject: DistinguishedName,
    /// The subject that an existing certificate must have to be kept, where it was given for this call.
    pub subject_must_be: Option<DistinguishedName>,
    /// The extendedKeyUsage.
    pub usages: Vec<String>,
    /// How many days it is valid.
    pub days: u32,
    /// Which key files its program can load.
    pub loads: Loads,
    /// Which private key it is for.
    pub key: KeyChoice,
    /// The type of the key, where it is given.
    pub algorithm: Option<Algorithm>,
    /// It is renewed if it expires in so many days or fewer.
    pub renew_before: u32,
    /// Whether a valid certificate is replaced, too.
    pub replace: bool,
}

/// Which private key a new certificate is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyChoice {
    /// The existing one, if it can be used.
    Keep,
    /// A new one.
    New,
    /// The one given with --key.
    Given,
}

/// A variable that is set and not empty.
fn variable(name: &str) -> Result<Option<String>> {
    match std::env::var(name) {
        Ok(value) if value.trim().is_empty() => Ok(None),
        Ok(value) => Ok(Some(value)),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(std::env::VarError::NotUnicode(_)) => {
            Err(Error::usage(format!("cannot use the variable {name}: it is not valid UTF-8")))
        }
    }
}

/// A path below the root; a relative one is resolved against the current directory, which an image does not have.
fn target_path(host: &Host, option: &str, path: &Path) -> Result<PathBuf> {
    if path.is_absolute() {
        return Ok(path.to_path_buf());
    }
    if !host.root.is_live() {
        return Err(Error::usage(format!("cannot use {option} {}: with --root it must begin with /", path.display())));
    }
    absolute(option, path)
}

/// A path of an operator's file.
pub(crate) fn absolute(option: &str, path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).map_err(|cause| Error::usage(format!("cannot use {option} {}: {cause}", path.display())))
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

/// Whether the user has named a directory, by its option or its variable.
pub(crate) fn is_named(option: &Option<PathBuf>, name: &str) -> Result<bool> {
    Ok(option.is_some() || variable(name)?.is_some())
}

/// The same for both directories.
pub(crate) fn are_all_named(options: &Options) -> Result<bool> {
    Ok(is_named(&options.ca_dir, "CA_PATH")? && is_named(&options.cert_dir, "CERT_PATH")?)
}

/// The CA that is given with --ca and --ca-key.
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
    // certgen.sh has a default for each of its two variables; of the options both must be given.
    if options.ca.is_none() && options.ca_key.is_none() && (certificate.is_some() || key.is_some()) {
        let kubeadm = cluster_cas()?.into_iter().next();
        let kubeadm = kubeadm.ok_or_else(|| Error::failed("internal error: authorities.toml is empty"))?;
        certificate.get_or_insert(kubeadm.certificate);
        key.get_or_insert(kubeadm.key);
    }
    if certificate.as_deref().is_some_and(is_stdin) {
        return Err(Error::usage("cannot use --ca -: only a private key is read from standard input")
            .hint("pass the certificate as a file: --ca FILE --ca-key -"));
    }
    if key.as_deref().is_some_and(is_stdin) && options.key.as_deref().is_some_and(is_stdin) {
        return Err(Error::usage("cannot use - twice: standard input can be read only once"));
    }
    Ok(GivenAuthority { certificate, key })
}

pub(crate) fn is_stdin(path: &Path) -> bool {
    path == Path::new("-")
}

/// The names given as options, separated by commas.
pub(crate) fn names(given: &Names) -> Result<Vec<Name>> {
    let mut all = Vec::new();
    let from = [
        ("--ip", &given.ip, names::address as fn(&str, &str) -> Result<Name>),
        ("--node-ip", &given.node_ip, names::address),
        ("--dns", &given.dns, names::host),
        ("--node-name", &given.node_name, node_name),
    ];
    for (option, values, read) in from {
        for value in values.iter().flat_map(|value| value.split(',')) {
            all.push(read(option, value.trim())?);
        }
    }
    Ok(all)
}

/// The same, and those in CLOUDCOREIPS and CLOUDCORE_DOMAINS.
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

/// Whether the names that are given are all that a certificate must have: those of edge nodes alone are added to
/// those that it has.
pub(crate) fn are_complete(given: &Names) -> Result<bool> {
    let others = Names { node_ip: Vec::new(), node_name: Vec::new(), ..given.clone() };
    Ok(!names_or_variables(&others)?.is_empty())
}

/// Adds the address of the host itself.
pub(crate) fn with_loopback(all: Vec<Name>) -> Result<Vec<Name>> {
    Ok(names::collect(std::iter::once(names::address("--ip", LOOPBACK)?).chain(all)))
}

/// The request for a key pair. `node` is the name of the edge node that it is for.
pub(crate) fn of_pair(options: &Options, entry: &KindEntry, names: Vec<Name>, node: Option<&str>) -> Result<Request> {
    let given = match (&options.subject, node) {
        (Some(text), _) => Some(subject::parse(text)?),
        (None, Some(node)) => Some(subject::of_node(node)?),
        (None, None) => variable("SUBJECT")?.map(|text| subject::parse(&text)).transpose()?,
    };
    let days = options.days.unwrap_or(entry.days);
    let asks_for_subject = options.subject.is_some() || node.is_some();
    let subject: DistinguishedName = match &given {
        Some(subject) => subject.clone(),
        None => subject::parse(&entry.subject)?,
    };
    Ok(Request {
        names: names::collect(names),
        subject_must_be: given.filter(|_| asks_for_subject),
        subject,
        usages: entry.usages.clone(),
        days,
        loads: entry.loads.clone(),
        key: key_choice(options),
        algorithm: algorithm(options)?,
        renew_before: renew_before(options, days)?,
        replace: options.force,
    })
}

/// The default of --renew-before for a certificate of `days`: 30, or a third of it if that is less, so that a new
/// one is kept.
pub fn default_renew_before(days: i64) -> u32 {
    u32::try_from(days / 3).unwrap_or(0).min(RENEW_BEFORE)
}

/// The name of an edge node given with `option`: unlike a DNS name it is used as it is written.
///
/// Errors: exit 2 with the reason.
pub fn node_name(option: &str, text: &str) -> Result<Name> {
    let name = names::host(option, text)?;
    if is_node_name(text) {
        return Ok(name);
    }
    Err(names::wrong(option, text, "it is not a valid node name (lower-case letters, digits, - and .)"))
}

fn renew_before(options: &Options, days: u32) -> Result<u32> {
    let usual = default_renew_before(days.into());
    match options.renew_before {
        None => Ok(usual),
        Some(requested) if requested < days => Ok(requested),
        Some(requested) => Err(Error::usage(format!(
            "cannot use --renew-before {requested}: every run would renew a certificate that is valid for {}",
            times::days(days.into())
        ))
        .hint(format!("use the default: --renew-before {usual}"))),
    }
}

fn key_choice(options: &Options) -> KeyChoice {
    match (&options.key, options.new_key) {
        (Some(_), _) => KeyChoice::Given,
        (None, true) => KeyChoice::New,
        (None, false) => KeyChoice::Keep,
    }
}

/// The requested type of the key, if any.
fn algorithm(options: &Options) -> Result<Option<Algorithm>> {
    if variable("USE_PASSWORD")?.as_deref() == Some("true") {
        return Err(Error::usage("cannot use USE_PASSWORD=true: cloudcore does not load encrypted keys")
            .hint("unset it: unset USE_PASSWORD"));
    }
    if let Some(requested) = options.key_type {
        return Ok(Some(requested.algorithm()));
    }
    match variable("KEY_TYPE")?.as_deref() {
        // As in certgen.sh, ec does not replace an existing key of another type.
        None | Some("ec") => Ok(None),
        Some("rsa") => Err(Error::usage("cannot use KEY_TYPE=rsa: edge-certgen does not make RSA keys").hint(
            "unset it to get an ECDSA key, which all of KubeEdge accepts; or pass your own: openssl genrsa 3072 | edge-certgen … --key -",
        )),
        Some(other) => Err(Error::usage(format!("cannot use KEY_TYPE={other}: expected ec or rsa"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_renew_before_keeps_a_new_certificate() {
        assert_eq!([825, 90, 89, 20, 1, -5].map(default_renew_before), [30, 30, 29, 6, 0, 0]);
    }
}
