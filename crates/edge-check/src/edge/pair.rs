//! The key pair with which the node connects to cloudcore, and the CA that it trusts.

use std::path::{Path, PathBuf};

use edge_host::{Finding, Host};
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

/// Reads a pair. Errors: the first thing that is wrong with it.
pub(crate) fn load(host: &Host, files: &Files, join: &str) -> Result<Pair, Box<Finding>> {
    let joined = format!("join the node: {join}");
    let read = |path: &Path, what: &str| match host.root.read(path) {
        Ok(Some(bytes)) => Ok(bytes),
        Ok(None) => {
            let text = format!("{what} does not exist: the node has not joined cloudcore");
            Err(Box::new(Finding::error(host.root.display(path), text).hint(joined.as_str())))
        }
        Err(error) => {
            let finding = Finding::error(host.root.display(path), error.message());
            Err(Box::new(match error.hint_text() {
                Some(hint) => finding.hint(hint),
                None => finding,
            }))
        }
    };
    let wrong =
        |path: &Path, why: String| Box::new(Finding::error(host.root.display(path), why).hint("edge-certgen check"));
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
