//! Built-in knowledge: what each kind of certificate is for, and where clusters keep their CA.

use std::path::{Path, PathBuf};

use edge_host::{Error, Result};
use edge_pki::key::{Form, PrivateKey};
use toml_edit::{Document, Item, TableLike};

const KINDS: &str = include_str!("../data/kinds.toml");
const AUTHORITIES: &str = include_str!("../data/authorities.toml");

/// What the catalog contains about a kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KindEntry {
    /// The subject without --subject.
    pub subject: String,
    /// The extendedKeyUsage of a new certificate.
    pub usages: Vec<String>,
    /// How many days it is valid without --days.
    pub days: u32,
    /// Which key files its program can load.
    pub loads: Loads,
}

/// Which key files a program can load.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loads {
    /// The formats.
    pub forms: Vec<Form>,
    /// Whether it decodes only the first PEM block of a file.
    pub first_block_only: bool,
}

impl Loads {
    /// Whether it loads this key from the file that it was read from.
    pub fn accepts(&self, key: &PrivateKey) -> bool {
        self.forms.contains(&key.form) && (!self.first_block_only || key.is_first_block)
    }
}

/// The entry of a kind, by the section of kinds.toml.
pub fn kind(section: &str) -> Result<KindEntry> {
    let document = parse(KINDS, "kinds.toml")?;
    let table = document.get(section).and_then(Item::as_table_like);
    table.and_then(kind_entry).ok_or_else(|| damaged("kinds.toml", section))
}

/// Where a Kubernetes distribution keeps the CA of its cluster, and what its apiserver does with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterCa {
    /// The distribution.
    pub cluster: String,
    /// Its certificate.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// The apiserver's own certificate.
    pub serving: PathBuf,
    /// Whether its apiserver always checks the certificates of nodes with this CA.
    pub verifies: bool,
    /// The file with the apiserver's options.
    pub options: Option<PathBuf>,
    /// The directory that contains all of them, and the file that can name another one.
    pub data: Option<(PathBuf, PathBuf)>,
}

impl ClusterCa {
    /// The same below another data directory.
    #[must_use]
    pub fn moved_to(mut self, dir: &Path) -> ClusterCa {
        let Some((usual, _)) = self.data.clone() else { return self };
        let moved = |path: &PathBuf| path.strip_prefix(&usual).map_or_else(|_| path.clone(), |rest| dir.join(rest));
        self.certificate = moved(&self.certificate);
        self.key = moved(&self.key);
        self.serving = moved(&self.serving);
        self.options = self.options.as_ref().map(moved);
        self
    }
}

/// All distributions, in the order in which they are tried.
pub fn cluster_cas() -> Result<Vec<ClusterCa>> {
    let document = parse(AUTHORITIES, "authorities.toml")?;
    let tables = document.get("authority").and_then(Item::as_array_of_tables);
    let all = tables.into_iter().flatten().map(|table| {
        let text = |key: &str| table.get(key).and_then(Item::as_str);
        Some(ClusterCa {
            cluster: text("cluster")?.to_owned(),
            certificate: text("certificate")?.into(),
            key: text("key")?.into(),
            serving: text("serving")?.into(),
            verifies: table.get("verifies")?.as_bool()?,
            options: text("options").map(PathBuf::from),
            data: text("data").zip(text("config")).map(|(dir, config)| (dir.into(), config.into())),
        })
    });
    all.collect::<Option<Vec<_>>>().ok_or_else(|| damaged("authorities.toml", "authority"))
}

pub(crate) fn parse(text: &'static str, file: &str) -> Result<Document<&'static str>> {
    Document::parse(text).map_err(|cause| damaged(file, cause.message()))
}

/// A mistake in data/; a test reads all of it.
pub(crate) fn damaged(file: &str, what: &str) -> Error {
    Error::failed(format!("internal error: {file}: {what}"))
}

fn kind_entry(section: &dyn TableLike) -> Option<KindEntry> {
    let text = |key: &str| section.get(key)?.as_str().map(str::to_owned);
    let list = |key: &str| -> Option<Vec<String>> {
        section.get(key)?.as_array()?.iter().map(|item| item.as_str().map(str::to_owned)).collect()
    };
    Some(KindEntry {
        subject: text("subject")?,
        usages: list("usages")?,
        days: u32::try_from(section.get("days")?.as_integer()?).ok()?,
        loads: Loads {
            forms: list("forms")?.iter().map(|name| form(name)).collect::<Option<_>>()?,
            first_block_only: section.get("first-block")?.as_bool()?,
        },
    })
}

fn form(name: &str) -> Option<Form> {
    [Form::Pkcs1, Form::Sec1, Form::Pkcs8]
        .into_iter()
        .find(|form| form.to_string().replace('#', "").eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kind::Kind;

    #[test]
    fn catalog_has_every_kind_and_absolute_paths() {
        for kind in [Kind::Stream, Kind::Ca, Kind::Server, Kind::Edge, Kind::Other("x".into())] {
            let entry = kind.entry().unwrap();
            assert!(
                edge_pki::subject::parse(&entry.subject).is_ok() && entry.days > 0 && !entry.loads.forms.is_empty()
            );
        }
        let all = cluster_cas().unwrap();
        assert!(all.len() > 3 && all.iter().all(|ca| ca.certificate.is_absolute() && ca.key.is_absolute()));
    }

    #[test]
    fn loads_of_the_hub_ca_are_sec1_in_the_first_block() {
        let entry = Kind::Ca.entry().unwrap();
        assert_eq!(entry.loads, Loads { forms: vec![Form::Sec1], first_block_only: true });
    }
}
