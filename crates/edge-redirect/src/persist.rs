//! Redirects that persist across reboots: a file that lists them, and a unit that restores them at boot.

use std::path::{Path, PathBuf};

use edge_host::action::Bytes;
use edge_host::{Error, Exit, FileSnapshot, Host, Inverse, Node, Plan, Result, ResultExt, Root, State};
use edge_systemd::{Scope, Units, is_mask, systemctl};
use toml_edit::{Array, DocumentMut, Item, value};

use crate::redirect::{Redirect, distinct};
use crate::request::{BackendChoice, Traffic};
use crate::unit::{self, FILE};

const DIR: &str = "/etc/edgeutils";
/// The unit, and the link that enables it.
pub(crate) const UNIT: &str = "edge-redirect.service";
const RUN: &str = "/run";
const UNIT_FILE: &str = "/etc/systemd/system/edge-redirect.service";
const LINK: &str = "/etc/systemd/system/multi-user.target.wants/edge-redirect.service";

const NEW: &str = "\
# Redirects that edge-redirect restore applies at boot. edge-redirect add and remove update this file.
redirect = []
";

/// The content of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) redirects: Vec<Redirect>,
    pub(crate) traffic: Traffic,
    pub(crate) backend: BackendChoice,
}

/// What exists on the host.
#[derive(Debug, Clone)]
pub(crate) struct Facts {
    file: FileSnapshot,
    /// The same without following a link: a removal removes the link.
    file_itself: FileSnapshot,
    pub(crate) stored: Option<Stored>,
    /// The unit file; none if a mask is in its place.
    unit: Option<FileSnapshot>,
    unit_itself: FileSnapshot,
    /// The mask, if the administrator has masked the unit.
    mask: Option<PathBuf>,
    link: FileSnapshot,
    /// Its directory contains other files.
    dir_is_shared: bool,
    dir: FileSnapshot,
    pub(crate) systemd_runs: bool,
}

/// Reads the files. Units, which are many, only if one of the files exists or `reads_units`.
pub(crate) fn facts(host: &Host, reads_units: bool) -> Result<Facts> {
    let root = &host.root;
    let file = root.find(Path::new(FILE))?;
    let stored = match &file.state {
        State::Absent => None,
        State::File { .. } => {
            let parsed = parse(&String::from_utf8_lossy(&file.bytes)).on("read", root.display(Path::new(FILE)));
            Some(parsed.map_err(|error| {
                let form = error.hint_text().map(|hint| format!(": {hint}")).unwrap_or_default();
                error.with_exit(Exit::Failed).hint(format!("fix the file or remove it{form}"))
            })?)
        }
        other => {
            return Err(Error::cannot("read", root.display(Path::new(FILE)), format!("it is {}", other.describe())));
        }
    };
    let unit_itself = root.find_link(Path::new(UNIT_FILE))?;
    let is_file = !is_mask(Path::new(UNIT_FILE), &unit_itself);
    let link = root.find_link(Path::new(LINK))?;
    let mask = if reads_units || file.exists() || unit_itself.exists() || link.exists() {
        let effective = Units::read(root, Scope::Now)?.find(UNIT)?;
        effective.file().filter(|file| file.is_mask).map(|file| file.path.clone())
    } else {
        None
    };
    Ok(Facts {
        stored,
        file,
        file_itself: root.find_link(Path::new(FILE))?,
        unit: if is_file { Some(root.find(Path::new(UNIT_FILE))?) } else { None },
        unit_itself,
        mask,
        link,
        dir_is_shared: root.list(Path::new(DIR))?.iter().any(|name| Path::new(DIR).join(name) != Path::new(FILE)),
        dir: root.find_link(Path::new(DIR))?,
        systemd_runs: edge_systemd::is_running(root)?,
    })
}

impl Facts {
    /// Whether the unit exists and is enabled.
    pub(crate) fn is_enabled(&self) -> bool {
        self.has_unit() && self.link.exists()
    }

    /// Whether the administrator has masked the unit.
    pub(crate) fn is_masked(&self) -> bool {
        self.mask.is_some()
    }

    /// The command that unmasks it: a mask in /run lasts until the next boot.
    pub(crate) fn unmask(&self, root: &Root) -> String {
        let is_runtime = self.mask.as_ref().is_some_and(|path| path.starts_with(RUN));
        let runtime = if is_runtime { " --runtime" } else { "" };
        let options = root.option();
        let image = options.strip_suffix(" --force-root").unwrap_or(&options);
        format!("systemctl{image} unmask{runtime} {UNIT}")
    }

    /// Errors: exit 4 if the administrator has masked the unit.
    pub(crate) fn can_enable(&self, root: &Root) -> Result<()> {
        if !self.is_masked() {
            return Ok(());
        }
        Err(Error::refused(format!("cannot enable {UNIT}: it is masked"))
            .hint(format!("unmask it and run again: {}", self.unmask(root))))
    }

    /// Whether a removal of the file was interrupted before its directory was removed.
    pub(crate) fn is_removal_interrupted(&self, host: &Host) -> bool {
        let is_pending = || host.unremoved_directories().iter().any(|dir| dir == Path::new(DIR));
        self.stored.is_none() && self.dir.exists() && is_pending()
    }

    /// Whether the file, the unit or its link exists.
    pub(crate) fn exists(&self) -> bool {
        self.file.exists() || self.has_unit() || self.link.exists()
    }

    fn has_unit(&self) -> bool {
        self.unit.as_ref().is_some_and(FileSnapshot::exists)
    }
}

/// The program with which the unit runs `restore`, drop-ins included; none if it does not.
pub(crate) fn unit_program(root: &Root) -> Result<Option<PathBuf>> {
    let units = Units::read(root, Scope::NextBoot)?;
    let commands = units.settings(&units.find(UNIT)?)?.exec_start();
    let restore = commands.iter().find(|command| command.argv.get(1).is_some_and(|word| word == "restore"));
    Ok(restore.and_then(|command| command.argv.first()).map(PathBuf::from))
}

/// Plans the file and the unit that make the redirects persist across reboots.
pub(crate) fn store(facts: &Facts, stored: &Stored, program: &unit::Program, plan: &mut Plan) -> Result<()> {
    let text = edited(&String::from_utf8_lossy(&facts.file.bytes), stored)?;
    if facts.stored.as_ref() != Some(stored) {
        let node = Node::File { content: Bytes::Known(text.into_bytes()), mode: 0o644 };
        plan.write(FILE, facts.file.clone(), node, Inverse::Whole, "redirects for each boot");
    }
    if facts.is_masked() {
        plan.note(format!("{UNIT} is masked: the redirects are not restored at boot"));
        return Ok(());
    }
    let text = unit::render(&program.path)?;
    let was = facts.unit.clone().unwrap_or_else(|| facts.unit_itself.clone());
    let is_new = was.bytes != text.as_bytes();
    if is_new {
        if let Some(note) = &program.note {
            plan.note(note);
        }
        let node = Node::File { content: Bytes::Known(text.into_bytes()), mode: 0o644 };
        plan.write(UNIT_FILE, was, node, Inverse::Whole, "restores the redirects at boot");
    }
    let is_linked = facts.link.state == State::Link { target: UNIT_FILE.to_owned() };
    if !is_linked {
        let node = Node::Link(UNIT_FILE.to_owned());
        plan.write(LINK, facts.link.clone(), node, Inverse::Whole, format!("enables {UNIT}"));
    }
    if facts.systemd_runs && (is_new || !is_linked) {
        plan.run(systemctl::reload(), "systemd must reload its units");
        // This shows whether the unit works, and only an active unit is restarted together with a firewall service.
        plan.run(systemctl::start(UNIT), "activates the unit");
    }
    Ok(())
}

/// Plans the removal of the file and the unit.
pub(crate) fn remove(facts: &Facts, plan: &mut Plan) {
    if facts.systemd_runs && facts.has_unit() {
        plan.run(systemctl::stop(UNIT), "the unit is removed");
    }
    if facts.link.exists() {
        plan.remove(LINK, facts.link.clone(), format!("disables {UNIT}"));
    }
    if facts.has_unit() {
        plan.remove(UNIT_FILE, facts.unit_itself.clone(), "nothing to restore at boot");
    }
    if facts.file.exists() {
        plan.remove(FILE, facts.file_itself.clone(), "no redirects left");
    }
    // Already empty after an interrupted removal.
    if !facts.dir_is_shared && matches!(facts.dir.state, State::Directory { .. }) {
        plan.remove(DIR, facts.dir.clone(), "the directory is empty");
    }
    if facts.systemd_runs && (facts.link.exists() || facts.has_unit()) {
        // In an undo after the unit is back, and before it is started.
        plan.run(systemctl::reload(), "systemd must reload its units");
    }
}

/// Parses the file.
fn parse(text: &str) -> Result<Stored> {
    let document: DocumentMut = text.parse().map_err(|cause: toml_edit::TomlError| {
        let before = cause.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        Error::failed(format!("line {}: it is not valid TOML", before.matches('\n').count() + 1))
    })?;
    for (key, _) in document.iter() {
        if !["redirect", "from", "backend"].contains(&key) {
            return Err(
                Error::failed(format!("{key:?} is not a valid key")).hint("the keys are redirect, from and backend")
            );
        }
    }
    let texts = document.get("redirect").and_then(Item::as_array);
    let texts =
        texts.ok_or_else(|| Error::failed("redirect is not a list").hint("redirect = [\"10351=192.0.2.1:10003\"]"))?;
    let redirect = |item: &toml_edit::Value| match item.as_str() {
        Some(text) => Redirect::parse(text),
        None => Err(Error::failed(format!("{item} is not a string"))),
    };
    let word = |key: &str, words: &[&str]| match document.get(key) {
        None => Ok(0),
        Some(item) => words.iter().position(|word| item.as_str() == Some(word)).ok_or_else(|| {
            Error::failed(format!("{key} must be one of {}", words.join(", ")))
                .hint(format!("{key} = \"{}\"", words[0]))
        }),
    };
    Ok(Stored {
        redirects: distinct(texts.iter().map(redirect).collect::<Result<_>>()?)?,
        traffic: TRAFFIC[word("from", &TRAFFIC.map(|(word, _)| word))?].1,
        backend: BACKENDS[word("backend", &BACKENDS.map(|(word, _)| word))?].1,
    })
}

const TRAFFIC: [(&str, Traffic); 2] = [("output", Traffic::Output), ("forward", Traffic::Forward)];
const BACKENDS: [(&str, BackendChoice); 3] =
    [("auto", BackendChoice::Auto), ("nft", BackendChoice::Nft), ("legacy", BackendChoice::Legacy)];

/// The file with other values; comments and order are kept.
fn edited(text: &str, stored: &Stored) -> Result<String> {
    let text = if text.trim().is_empty() { NEW } else { text };
    let mut document: DocumentMut = text.parse().expected("valid TOML").on("edit", FILE)?;
    let mut list = Array::new();
    for redirect in &stored.redirects {
        list.push_formatted(toml_edit::Value::from(redirect.to_string()).decorated("\n    ", ""));
    }
    list.set_trailing_comma(true);
    list.set_trailing("\n");
    set(&mut document, "redirect", value(list));
    let traffic = TRAFFIC.iter().find(|(_, traffic)| *traffic == stored.traffic).map_or("", |(word, _)| word);
    set(&mut document, "from", value(traffic));
    let backend = BACKENDS.iter().find(|(_, backend)| *backend == stored.backend).map_or("", |(word, _)| word);
    set(&mut document, "backend", value(backend));
    Ok(document.to_string())
}

fn set(document: &mut DocumentMut, key: &str, mut item: Item) {
    // Keeps a comment after the value.
    let old = document.get(key).and_then(Item::as_value).map(|value| value.decor().clone());
    if let (Some(decor), Some(value)) = (old, item.as_value_mut()) {
        *value.decor_mut() = decor;
    }
    document[key] = item;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(redirects: &[&str], traffic: Traffic) -> Stored {
        let redirects = redirects.iter().map(|text| Redirect::parse(text).unwrap()).collect();
        Stored { redirects, traffic, backend: BackendChoice::Auto }
    }

    #[test]
    fn edited_keeps_comments_and_is_parsed_back() {
        let first = stored(&["10351=192.0.2.1:10003", "10352=[2001:db8::1]:10003"], Traffic::Forward);
        let text = edited("", &first).unwrap();
        assert_eq!(
            text,
            format!(
                "{}redirect = [\n    \"10351=192.0.2.1:10003\",\n    \"10352=[2001:db8::1]:10003\",\n]\nfrom = \"forward\"\nbackend = \"auto\"\n",
                NEW.replace("redirect = []\n", "")
            )
        );
        assert_eq!(parse(&text).unwrap(), first);
        let noted =
            "# note\nfrom = \"output\" # not the pods\n\n# two of them\nredirect = [\"1=1.2.3.4:5\"]\n".to_owned();
        assert_eq!(parse(&noted).unwrap(), stored(&["1=1.2.3.4:5"], Traffic::Output));
        let again = edited(&noted, &first).unwrap();
        assert!(
            again.starts_with("# note\nfrom = \"forward\" # not the pods\n\n# two of them\nredirect = ["),
            "{again}"
        );
        assert_eq!(parse(&again).unwrap(), first);
    }

    #[test]
    fn parse_refuses_invalid_files() {
        for (text, cause) in [
            ("", "redirect is not a list"),
            ("redirect = 1", "redirect is not a list"),
            ("redirect = [1]", "1 is not a string"),
            ("redirect = [\"x\"]", "expected PORT=IP:PORT"),
            ("redirect = []\nform = \"output\"", "\"form\" is not a valid key"),
            ("redirect = []\nfrom = \"input\"", "from must be one of output, forward"),
            ("redirect = []\nbackend = 1", "backend must be one of auto, nft, legacy"),
            ("redirect = []\n\nfrom = ", "line 3: it is not valid TOML"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.message().contains(cause), "{text}: {error}");
        }
    }
}
