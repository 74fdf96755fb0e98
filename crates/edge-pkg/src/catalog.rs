//! Built-in knowledge of the repositories, from data/*.toml.

use edge_apt::Obsolete;
use edge_host::{Error, Result};
use serde::Deserialize;

const KUBERNETES: &str = include_str!("../data/kubernetes.toml");

/// The packages of Kubernetes.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kubernetes {
    /// Their repositories.
    pub repository: Repository,
    /// Repositories that no longer exist.
    obsolete: Vec<Row>,
    /// Entries that a new one replaces.
    replaced: Vec<Row>,
}

/// A repository for each minor version.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Repository {
    url: String,
    key: String,
    /// The fingerprint of the key.
    pub fingerprint: String,
    /// The oldest minor version that has one.
    pub first: u32,
    /// Debian's names of the architectures.
    pub architectures: Vec<String>,
    last_expired_key: u32,
    valid_key: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    uri: String,
    suite: String,
    why: String,
}

/// Reads the table of Kubernetes.
pub fn kubernetes() -> Result<Kubernetes> {
    toml_edit::de::from_str(KUBERNETES)
        .map_err(|error| Error::failed(format!("cannot read the built-in data kubernetes: {error}")))
}

/// An address with the minor version in it.
pub fn with_minor(text: &str, minor: u32) -> String {
    text.replace("{minor}", &format!("1.{minor}"))
}

impl Repository {
    /// The address for a minor version.
    pub fn url(&self, minor: u32) -> String {
        with_minor(&self.url, minor)
    }

    /// The address of a key that has not expired.
    pub fn key(&self, minor: u32) -> String {
        with_minor(&self.key, if minor <= self.last_expired_key { self.valid_key } else { minor })
    }
}

impl Kubernetes {
    /// The entries of apt's sources that are disabled, with or without a repository in their place.
    pub fn obsolete(&self, has_repository: bool) -> Vec<Obsolete> {
        let replaced = self.replaced.iter().filter(|_| has_repository);
        let row = |Row { uri, suite, why }: &Row| Obsolete { uri: uri.clone(), suite: suite.clone(), why: why.clone() };
        self.obsolete.iter().chain(replaced).map(row).collect()
    }
}

#[cfg(test)]
mod tests {
    use edge_apt::Fingerprint;

    use super::*;

    #[test]
    fn kubernetes_has_an_address_and_a_valid_key_for_each_minor_version() {
        let all = kubernetes().unwrap();
        Fingerprint::parse(&all.repository.fingerprint).unwrap();
        assert_eq!(all.repository.url(34), "https://pkgs.k8s.io/core:/stable:/v1.34/deb/");
        for (minor, of) in [(24, 36), (27, 36), (28, 28), (36, 36)] {
            let key = format!("https://pkgs.k8s.io/core:/stable:/v1.{of}/deb/Release.key");
            assert_eq!(all.repository.key(minor), key);
        }
        assert_eq!((all.obsolete(false).len(), all.obsolete(true).len()), (2, 3));
        assert!(all.obsolete(true).iter().all(|row| row.uri.ends_with('/')));
    }
}
