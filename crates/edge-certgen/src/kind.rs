//! The kinds of key pairs that KubeEdge has, and where the files of each are.

use std::path::{Path, PathBuf};

use edge_host::{Error, Result};

use crate::catalog::{self, KindEntry};

/// A key pair and its certificate, by what it is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// cloudcore's stream server.
    Stream,
    /// The hub's CA.
    Ca,
    /// cloudcore's hub and tunnel.
    Server,
    /// An edge node.
    Edge,
    /// A name of the user's, for genCertAndKey.
    Other(String),
}

/// Where the files are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dirs {
    /// streamCA.crt and rootCA.
    pub ca: PathBuf,
    /// The other key pairs.
    pub certs: PathBuf,
}

impl Kind {
    /// A kind by the name of its files.
    ///
    /// Errors: exit 2 for what is not a plain file name.
    pub fn named(name: &str) -> Result<Kind> {
        match name {
            "stream" => Ok(Kind::Stream),
            "server" => Ok(Kind::Server),
            "edge" => Ok(Kind::Edge),
            _ => {
                let plain = |c: char| c.is_ascii_alphanumeric() || ['-', '_', '.'].contains(&c);
                if name.is_empty() || name.len() > 64 || name.starts_with(['.', '-']) || !name.chars().all(plain) {
                    let name: String = name.chars().flat_map(char::escape_debug).collect();
                    return Err(Error::usage(format!("cannot use the name \"{name}\": it must be a plain file name"))
                        .hint("use letters, digits, dots, hyphens and underscores, such as server"));
                }
                Ok(Kind::Other(name.to_owned()))
            }
        }
    }

    fn section(&self) -> &'static str {
        match self {
            Kind::Stream => "stream",
            Kind::Ca => "ca",
            Kind::Server => "server",
            Kind::Edge => "edge",
            Kind::Other(_) => "other",
        }
    }

    /// The name of its files without the extension.
    pub fn stem(&self) -> &str {
        match self {
            Kind::Ca => "rootCA",
            Kind::Other(name) => name,
            other => other.section(),
        }
    }

    /// Its entry in the catalog.
    pub fn entry(&self) -> Result<KindEntry> {
        catalog::kind(self.section())
    }
}

impl Dirs {
    fn of(&self, kind: &Kind) -> &Path {
        if *kind == Kind::Ca { &self.ca } else { &self.certs }
    }

    /// The private key of a kind.
    pub fn key(&self, kind: &Kind) -> PathBuf {
        self.of(kind).join(format!("{}.key", kind.stem()))
    }

    /// The certificate of a kind.
    pub fn certificate(&self, kind: &Kind) -> PathBuf {
        self.of(kind).join(format!("{}.crt", kind.stem()))
    }

    /// The copy of the cluster's CA certificate, for the stream server.
    pub fn stream_ca(&self) -> PathBuf {
        self.ca.join("streamCA.crt")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn named_accepts_only_plain_file_names() {
        assert_eq!(Kind::named("edge").unwrap(), Kind::Edge);
        assert_eq!(Kind::named("my-server.1").unwrap().stem(), "my-server.1");
        for bad in ["", "../x", "a/b", ".hidden", "-n", "a b", "\n"] {
            assert!(Kind::named(bad).is_err(), "{bad:?}");
        }
    }
}
