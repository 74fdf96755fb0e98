//! One file for each verb, and what they share: opening the document and finding its version.

pub(crate) mod check;
pub(crate) mod edit;
pub(crate) mod env;
pub(crate) mod get;
pub(crate) mod unit;

use edge_host::{Error, Host, Result};
use edge_kubeedge::schema::Table;
use edge_kubeedge::{Kind, VersionSource};
use edge_yaml::Document;

use crate::cli::{Options, Verb};
use crate::configmap::{self, Entry};
use crate::facts::File;
use crate::plan::parse_error;
use crate::resolve::Rules;

/// An option that a verb does not support is an error: the user expects it to have an effect.
pub(crate) fn refuse_unsupported_options(options: &Options, verb: &Verb) -> Result<()> {
    let (name, unsupported): (_, &[&str]) = match verb {
        Verb::Get { .. } => ("get", &["--restart"]),
        Verb::Check => ("check", &["--restart"]),
        Verb::Env { .. } => ("env", &["--file", "--force"]),
        Verb::Unit { .. } => ("unit", &["--file", "--force"]),
        Verb::Undo(_) => ("undo", &["--file", "--restart"]),
        Verb::Set { .. } | Verb::Unset { .. } | Verb::Enable(_) => return Ok(()),
    };
    let given = [("--file", options.file.is_some()), ("--restart", options.restart), ("--force", options.force)];
    match given.into_iter().find(|(option, given)| *given && unsupported.contains(option)) {
        Some((option, _)) => Err(Error::usage(format!("cannot use {option} with {name}"))),
        None => Ok(()),
    }
}

/// The parsed file, and the entry with the configuration where it is a ConfigMap.
pub(crate) struct Opened<'t> {
    pub(crate) outer: Document<'t>,
    pub(crate) entry: Option<Entry>,
}

impl<'t> Opened<'t> {
    pub(crate) fn of(file: &'t File, name: &str) -> Result<Opened<'t>> {
        let outer = Document::parse(&file.text).map_err(|error| parse_error(name, &error))?;
        let entry = configmap::find_entry(&outer)?;
        Ok(Opened { outer, entry })
    }

    /// The configuration itself, which is the file or the entry.
    pub(crate) fn inner<'s>(&'s self, name: &str) -> Result<Inner<'s, 't>> {
        Ok(match &self.entry {
            None => Inner::Whole(&self.outer),
            Some(entry) => {
                let document =
                    Document::parse(&entry.text).map_err(|error| parse_error(&self.inner_name(name), &error));
                Inner::Entry(Box::new(document?))
            }
        })
    }

    /// The name of the configuration in messages, whose lines are counted from its own beginning.
    pub(crate) fn inner_name(&self, name: &str) -> String {
        self.entry.as_ref().map_or(name.to_owned(), |entry| format!("{name}, {}", entry.path))
    }
}

/// The document with the settings.
pub(crate) enum Inner<'s, 't> {
    Whole(&'s Document<'t>),
    Entry(Box<Document<'s>>),
}

impl<'s, 't: 's> Inner<'s, 't> {
    pub(crate) fn document(&self) -> &Document<'s> {
        match self {
            Inner::Whole(document) => document,
            Inner::Entry(document) => document,
        }
    }
}

/// The rules for the program that reads a file of this name, whatever the file says of itself, for a check.
pub(crate) fn rules_by_name(
    host: &mut Host,
    options: &Options,
    file: &File,
    entry: Option<&Entry>,
    document: &Document<'_>,
) -> Result<(Rules, VersionSource)> {
    let (mut found, source) = rules(host, options, file, entry, document)?;
    let entry_name = entry.map(entry_name);
    let by_name = entry_name.as_deref().or(file.path.as_deref()).and_then(Kind::by_file_name);
    if let Some(kind) = by_name.filter(|kind| *kind != found.kind) {
        found.kind = kind;
    }
    Ok((found, source))
}

fn entry_name(entry: &Entry) -> std::path::PathBuf {
    edge_kubeedge::spelling::texts(&entry.path).pop().unwrap_or_default().into()
}

/// The rules for a document, and where its version is known from.
pub(crate) fn rules(
    host: &mut Host,
    options: &Options,
    file: &File,
    entry: Option<&Entry>,
    document: &Document<'_>,
) -> Result<(Rules, VersionSource)> {
    let entry_name = entry.map(entry_name);
    let path = entry_name.as_deref().or(file.path.as_deref());
    let by_force = || options.force.then(|| Kind::by_file_name(path?)).flatten();
    let kind = edge_kubeedge::kind_of(document.value(), path).or_else(by_force).ok_or_else(|| {
        Error::refused(format!("cannot use {}: its kind is neither EdgeCore nor CloudCore", file.name(host)))
            .hint("check that it is a configuration of KubeEdge, with apiVersion and kind")
    })?;
    let known =
        edge_kubeedge::version(&host.root, options.kubeedge_version, kind, document.value(), file.path.as_deref())?;
    let (oldest, newest) = (Table::OLDEST, Table::of(kind).newest());
    match known.version() {
        Some(version) if version > newest => {
            host.report.note(&format!("KubeEdge {version} is newer than edge-conf knows: using the keys of {newest}"))
        }
        Some(version) if version < oldest => {
            host.report.note(&format!("KubeEdge {version} is older than edge-conf knows: using the keys of {oldest}"))
        }
        _ => {}
    }
    Ok((Rules { kind, version: known.version(), force: options.force }, known))
}
