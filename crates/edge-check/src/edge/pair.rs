//! The key pair with which the node connects to cloudcore, and the CA that it trusts.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use edge_host::{Error, Finding, Host};
use edge_hub::Identity;
use edge_pki::cert::Certificate;
use edge_pki::key::PrivateKey;

/// Where the pair is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Files {
    /// The CA of cloudcore.
    pub(crate) ca: PathBuf,
    /// The certificate of the node.
    pub(crate) certificate: PathBuf,
    /// Its private key.
    pub(crate) key: PathBuf,
}

/// A pair that can be used.
#[derive(Debug, Clone)]
pub(crate) struct Pair {
    /// The CA of cloudcore.
    pub(crate) ca: Certificate,
    /// The certificate of the node.
    pub(crate) certificate: Certificate,
    /// Its path, for messages.
    pub(crate) shown: String,
    /// Both for TLS.
    pub(crate) identity: Identity,
}

/// Why there is no pair.
enum NoPair {
    /// The first thing that is wrong with it.
    Wrong(Box<Finding>),
    /// This user may not read it: it may well be a good one.
    Unreadable(Error),
}

/// Reads a pair. Errors: the first thing that is wrong with it; exit 1 if this user may not read it.
pub(crate) fn load(host: &Host, files: &Files, join: &str) -> edge_host::Result<Result<Pair, Box<Finding>>> {
    match read(host, files, join) {
        Ok(pair) => Ok(Ok(pair)),
        Err(NoPair::Wrong(finding)) => Ok(Err(finding)),
        Err(NoPair::Unreadable(error)) => Err(error),
    }
}

fn read(host: &Host, files: &Files, join: &str) -> Result<Pair, NoPair> {
    let joined = format!("join the node: {join}");
    let read = |path: &Path, what: &str| match host.root.read(path) {
        Ok(Some(bytes)) => Ok(bytes),
        Ok(None) => {
            let text = format!("{what} does not exist: the node has not joined cloudcore");
            Err(NoPair::Wrong(Box::new(Finding::error(host.root.display(path), text).hint(joined.as_str()))))
        }
        Err(error) if error.io_kind() == Some(ErrorKind::PermissionDenied) => Err(NoPair::Unreadable(error)),
        Err(error) => {
            // The file is named already.
            let why = if error.cause().is_empty() { error.message() } else { error.cause() };
            let finding = Finding::error(host.root.display(path), format!("it cannot be read: {why}"));
            Err(NoPair::Wrong(Box::new(match error.hint_text() {
                Some(hint) => finding.hint(hint),
                None => finding,
            })))
        }
    };
    let wrong = |path: &Path, why: String| {
        NoPair::Wrong(Box::new(Finding::error(host.root.display(path), why).hint("edge-certgen check")))
    };
    let ca = read(&files.ca, "the CA of cloudcore")?;
    let ca = Certificate::from_pem(&ca).map_err(|why| wrong(&files.ca, why))?;
    let chain = read(&files.certificate, "the certificate of the node")?;
    let certificate = Certificate::from_pem(&chain).map_err(|why| wrong(&files.certificate, why))?;
    let key = read(&files.key, "the private key of the node")?;
    let key = PrivateKey::from_pem(&key).map_err(|why| wrong(&files.key, why.to_string()))?;
    let identity = Identity::from_pem(&chain, &key).map_err(|why| wrong(&files.certificate, why))?;
    let shown = host.root.display(&files.certificate).display().to_string();
    Ok(Pair { ca, certificate, shown, identity })
}
