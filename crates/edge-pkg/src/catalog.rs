//! Built-in knowledge of the repositories, from data/*.toml.

use edge_apt::Obsolete;
use edge_host::{Error, Result};
use serde::Deserialize;

const KUBERNETES: &str = include_str!("../data/kubernetes.toml");
const DOCKER: &str = include_str!("../data/docker.toml");

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

/// Docker's own packages.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Docker {
    /// Their repositories.
    pub repository: DockerRepository,
    /// The distributions that have one.
    #[serde(rename = "distribution")]
    pub distributions: Vec<Distribution>,
    obsolete: Vec<Row>,
    replaced: Vec<Row>,
}

/// A repository for each distribution.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DockerRepository {
    /// Its address, with {distribution}.
    pub url: String,
    /// The address of its key.
    pub key: String,
    /// The fingerprint of the key.
    pub fingerprint: String,
    /// The component of its suites.
    pub component: String,
    /// The oldest major version in it.
    pub first: u32,
}

/// A distribution.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Distribution {
    /// ID of os-release.
    pub id: String,
    /// Debian's names of the architectures.
    pub architectures: Vec<String>,
}

/// Reads the table of Kubernetes.
pub fn kubernetes() -> Result<Kubernetes> {
    read("kubernetes", KUBERNETES)
}

/// Reads the table of Docker.
pub fn docker() -> Result<Docker> {
    read("docker", DOCKER)
}

fn read<T: serde::de::DeserializeOwned>(name: &str, text: &str) -> Result<T> {
    toml_edit::de::from_str(text)
        .map_err(|error| Error::failed(format!("cannot read the built-in data {name}: {error}")))
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
        rows(&self.obsolete, &self.replaced, has_repository)
    }
}

impl Docker {
    /// The same for Docker.
    pub fn obsolete(&self, has_repository: bool) -> Vec<Obsolete> {
        rows(&self.obsolete, &self.replaced, has_repository)
    }
}

fn rows(obsolete: &[Row], replaced: &[Row], has_repository: bool) -> Vec<Obsolete> {
    let replaced = replaced.iter().filter(|_| has_repository);
    let row = |Row { uri, suite, why }: &Row| Obsolete { uri: uri.clone(), suite: suite.clone(), why: why.clone() };
    obsolete.iter().chain(replaced).map(row).collect()
}

#[cfg(test)]
mod tests {
    use edge_apt::Fingerprint;

    use super::*;

    #[test]
    fn docker_has_distributions_and_the_known_fingerprint() {
        let all = docker().unwrap();
        Fingerprint::parse(&all.repository.fingerprint).unwrap();
        assert!(
            all.distributions.iter().any(|row| row.id == "debian" && row.architectures.contains(&"arm64".to_owned()))
        );
        assert_eq!((all.obsolete(false).len(), all.obsolete(true).len()), (2, 3));
    }

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
