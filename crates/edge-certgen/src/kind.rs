//! The kinds of pairs: what each is for, what its program wants of it, where its files are.

use std::path::{Path, PathBuf};

use edge_host::{Error, Result};
use toml_edit::{Document, Item, TableLike};

use crate::key::{Form, PrivateKey};

const KINDS: &str = include_str!("../data/kinds.toml");
const AUTHORITIES: &str = include_str!("../data/authorities.toml");

/// A pair, by what it is for.
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
    /// Any name, as certgen.sh makes them.
    Other(String),
}

/// What is known of a kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Knowledge {
    /// For what, in words.
    pub what: String,
    /// The subject where the user gives none.
    pub subject: String,
    /// The uses a new certificate names.
    pub usages: Vec<String>,
    /// How many days it is good where the user does not say.
    pub days: u32,
    /// What its program takes as a key.
    pub loads: Loads,
}

/// What a program takes as a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loads {
    /// In which forms.
    pub forms: Vec<Form>,
    /// How much of a file it looks at.
    pub reads: Reads,
}

impl Loads {
    /// Whether it takes this one as it stands in its file.
    pub fn takes(&self, key: &PrivateKey) -> bool {
        self.forms.contains(&key.form) && (self.reads == Reads::AllBlocks || key.place == crate::key::Place::First)
    }
}

/// How much of a PEM file a program looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reads {
    /// The first block.
    FirstBlock,
    /// All of it.
    AllBlocks,
}

/// Where the files are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dirs {
    /// streamCA.crt and rootCA.
    pub ca: PathBuf,
    /// The pairs.
    pub certs: PathBuf,
}

impl Kind {
    /// A kind by the name of its files.
    ///
    /// Errors: exit 2 for what is no plain file name.
    pub fn named(name: &str) -> Result<Kind> {
        match name {
            "stream" => Ok(Kind::Stream),
            "server" => Ok(Kind::Server),
            "edge" => Ok(Kind::Edge),
            _ => {
                let plain = |c: char| c.is_ascii_alphanumeric() || ['-', '_', '.'].contains(&c);
                if name.is_empty() || name.len() > 64 || name.starts_with(['.', '-']) || !name.chars().all(plain) {
                    let name: String = name.chars().flat_map(char::escape_debug).collect();
                    return Err(Error::usage(format!("cannot take the name {name}: it becomes a file name"))
                        .hint("letters, digits, dots, hyphens and underscores, such as server"));
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

    /// The files' name without what is behind the dot.
    pub fn stem(&self) -> &str {
        match self {
            Kind::Ca => "rootCA",
            Kind::Other(name) => name,
            other => other.section(),
        }
    }

    /// What is known of it.
    pub fn knowledge(&self) -> Result<Knowledge> {
        let document = parse(KINDS, "kinds.toml")?;
        let section = document.get(self.section()).and_then(Item::as_table_like);
        section.and_then(knowledge).ok_or_else(|| damaged("kinds.toml", self.section()))
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

    /// The copy of the cluster's CA that stands beside the stream pair.
    pub fn stream_ca(&self) -> PathBuf {
        self.ca.join("streamCA.crt")
    }
}

/// A place where a Kubernetes distribution keeps its CA.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The distribution.
    pub cluster: String,
    /// Its certificate.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

/// All places, in the order in which they are looked at.
pub fn places() -> Result<Vec<Place>> {
    let document = parse(AUTHORITIES, "authorities.toml")?;
    let tables = document.get("authority").and_then(Item::as_array_of_tables);
    let places = tables.into_iter().flatten().map(|table| {
        let text = |key: &str| table.get(key).and_then(Item::as_str).map(str::to_owned);
        Some(Place { cluster: text("cluster")?, certificate: text("certificate")?.into(), key: text("key")?.into() })
    });
    places.collect::<Option<Vec<_>>>().ok_or_else(|| damaged("authorities.toml", "authority"))
}

pub(crate) fn parse(text: &'static str, file: &str) -> Result<Document<&'static str>> {
    Document::parse(text).map_err(|cause| damaged(file, cause.message()))
}

/// A mistake in our own tables; a test reads all of them.
pub(crate) fn damaged(file: &str, what: &str) -> Error {
    Error::failed(format!("internal error: {file}: {what}"))
}

fn knowledge(section: &dyn TableLike) -> Option<Knowledge> {
    let text = |key: &str| section.get(key)?.as_str().map(str::to_owned);
    let list = |key: &str| -> Option<Vec<String>> {
        section.get(key)?.as_array()?.iter().map(|item| item.as_str().map(str::to_owned)).collect()
    };
    let first = section.get("first-block")?.as_bool()?;
    Some(Knowledge {
        what: text("what")?,
        subject: text("subject")?,
        usages: list("usages")?,
        days: u32::try_from(section.get("days")?.as_integer()?).ok()?,
        loads: Loads {
            forms: list("forms")?.iter().map(|name| form(name)).collect::<Option<_>>()?,
            reads: if first { Reads::FirstBlock } else { Reads::AllBlocks },
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

    #[test]
    fn the_tables_are_whole() {
        for kind in [Kind::Stream, Kind::Ca, Kind::Server, Kind::Edge, Kind::Other("x".into())] {
            let known = kind.knowledge().unwrap();
            assert!(crate::subject::parse(&known.subject).is_ok() && known.days > 0 && !known.loads.forms.is_empty());
        }
        let places = places().unwrap();
        assert!(
            places.len() > 3 && places.iter().all(|place| place.certificate.is_absolute() && place.key.is_absolute())
        );
    }

    #[test]
    fn the_hub_s_ca_must_be_sec1_in_the_first_block() {
        let known = Kind::Ca.knowledge().unwrap();
        assert_eq!(known.loads, Loads { forms: vec![Form::Sec1], reads: Reads::FirstBlock });
    }

    #[test]
    fn a_name_is_a_plain_file_name() {
        assert_eq!(Kind::named("edge").unwrap(), Kind::Edge);
        assert_eq!(Kind::named("my-server.1").unwrap().stem(), "my-server.1");
        for bad in ["", "../x", "a/b", ".hidden", "-n", "a b", "\n"] {
            assert!(Kind::named(bad).is_err(), "{bad:?}");
        }
    }
}
