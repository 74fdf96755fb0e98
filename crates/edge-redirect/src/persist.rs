//! What outlives a reboot: a file that says what is redirected, and a unit that makes it so.

use std::path::Path;

use edge_host::action::Bytes;
use edge_host::{Error, FileSnapshot, Host, Inverse, Node, Plan, Result, State};
use edge_systemd::{Scope, Units, is_mask, systemctl};
use toml_edit::{Array, DocumentMut, Item, value};

use crate::pair::{Pair, distinct};
use crate::unit::{self, FILE};
use crate::wanted::{Engine, Reach};

const DIR: &str = "/etc/edgeutils";
/// The unit, and the link that enables it.
pub(crate) const UNIT: &str = "edge-redirect.service";
const UNIT_FILE: &str = "/etc/systemd/system/edge-redirect.service";
const LINK: &str = "/etc/systemd/system/multi-user.target.wants/edge-redirect.service";

const NEW: &str = "\
# What edge-redirect restore makes so at boot. edge-redirect add and remove keep it up to date.
redirect = []
";

/// What is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) pairs: Vec<Pair>,
    pub(crate) reach: Reach,
    pub(crate) engine: Engine,
}

/// What was found.
#[derive(Debug, Clone)]
pub(crate) struct Facts {
    file: FileSnapshot,
    /// The same if it is a link, which is what is removed.
    file_itself: FileSnapshot,
    pub(crate) stored: Option<Stored>,
    /// Our unit file; nothing where a mask is in its place.
    unit: Option<FileSnapshot>,
    unit_itself: FileSnapshot,
    is_masked: bool,
    link: FileSnapshot,
    /// Other files stand beside ours.
    dir_is_shared: bool,
    dir: FileSnapshot,
    systemd_runs: bool,
}

pub(crate) fn facts(host: &Host) -> Result<Facts> {
    let root = &host.root;
    let file = root.find(Path::new(FILE))?;
    let stored = match &file.state {
        State::Absent => None,
        State::File { .. } => {
            let text = String::from_utf8_lossy(&file.bytes);
            let shown = root.display(Path::new(FILE));
            Some(parse(&text).map_err(|error| {
                let plain = Error::failed(format!("cannot read {}: {}", shown.display(), error.message()));
                plain.hint(format!(
                    "put it right or remove it: {}",
                    error.hint_text().unwrap_or("edge-redirect add --persist writes it again")
                ))
            })?)
        }
        other => {
            let shown = root.display(Path::new(FILE));
            return Err(Error::failed(format!("cannot read {}: it is {}", shown.display(), other.describe())));
        }
    };
    let unit_itself = root.find_link(Path::new(UNIT_FILE))?;
    let is_file = !is_mask(Path::new(UNIT_FILE), &unit_itself);
    Ok(Facts {
        stored,
        file,
        file_itself: root.find_link(Path::new(FILE))?,
        unit: if is_file { Some(root.find(Path::new(UNIT_FILE))?) } else { None },
        unit_itself,
        is_masked: Units::read(root, Scope::Now)?.find(UNIT)?.is_masked(),
        link: root.find_link(Path::new(LINK))?,
        dir_is_shared: root.list(Path::new(DIR))?.iter().any(|name| Path::new(DIR).join(name) != Path::new(FILE)),
        dir: root.find_link(Path::new(DIR))?,
        systemd_runs: edge_systemd::is_running(root)?,
    })
}

impl Facts {
    /// Whether the unit is there and enabled.
    pub(crate) fn is_enabled(&self) -> bool {
        self.has_unit() && self.link.exists()
    }

    /// Whether the operator has masked the unit.
    pub(crate) fn is_masked(&self) -> bool {
        self.is_masked
    }

    /// Errors: exit 4 where the unit cannot be enabled, as the operator has masked it.
    pub(crate) fn can_enable(&self) -> Result<()> {
        if !self.is_masked() {
            return Ok(());
        }
        Err(Error::refused(format!("cannot enable {UNIT}: it is masked"))
            .hint(format!("systemctl unmask {UNIT}, then run again")))
    }

    /// Whether a removal took what was stored and was interrupted before its end.
    pub(crate) fn is_half_forgotten(&self, host: &Host) -> bool {
        let is_ours = || host.unremoved_directories().iter().any(|dir| dir == Path::new(DIR));
        self.stored.is_none() && self.dir.exists() && is_ours()
    }

    /// Whether anything of it is there.
    pub(crate) fn exists(&self) -> bool {
        self.file.exists() || self.has_unit() || self.link.exists()
    }

    fn has_unit(&self) -> bool {
        self.unit.as_ref().is_some_and(FileSnapshot::exists)
    }
}

/// Adds what makes this redirect outlive a reboot.
pub(crate) fn keep(facts: &Facts, stored: &Stored, program: &unit::Program, plan: &mut Plan) -> Result<()> {
    let text = edited(&String::from_utf8_lossy(&facts.file.bytes), stored)?;
    if facts.stored.as_ref() != Some(stored) {
        let node = Node::File { content: Bytes::Known(text.into_bytes()), mode: 0o644 };
        plan.write(FILE, facts.file.clone(), node, Inverse::Whole, "for each boot");
    }
    if facts.is_masked() {
        plan.note(format!("{UNIT} is masked and stays so: nothing restores the rules at boot"));
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
        plan.write(UNIT_FILE, was, node, Inverse::Whole, "runs edge-redirect restore");
    }
    let is_linked = facts.link.state == State::Link { target: UNIT_FILE.to_owned() };
    if !is_linked {
        let node = Node::Link(UNIT_FILE.to_owned());
        plan.write(LINK, facts.link.clone(), node, Inverse::Whole, "enables it");
    }
    if facts.systemd_runs && (is_new || !is_linked) {
        plan.run(systemctl::reload(), "systemd reads its units again");
        // A unit that was never started is one that nobody knows to work; and only one that is active
        // is started again together with a firewall service.
        plan.run(systemctl::start(UNIT), "finds the rules in place");
    }
    Ok(())
}

/// Adds what makes all of it go.
pub(crate) fn forget(facts: &Facts, plan: &mut Plan) {
    if facts.systemd_runs && facts.has_unit() {
        plan.run(systemctl::stop(UNIT), "it goes");
    }
    if facts.link.exists() {
        plan.remove(LINK, facts.link.clone(), "disables it");
    }
    if facts.has_unit() {
        plan.remove(UNIT_FILE, facts.unit_itself.clone(), "the unit is ours");
    }
    if facts.file.exists() {
        plan.remove(FILE, facts.file_itself.clone(), "nothing is redirected any more");
    }
    // Empty already where a removal was interrupted.
    if !facts.dir_is_shared && matches!(facts.dir.state, State::Directory { .. }) {
        plan.remove(DIR, facts.dir.clone(), "it held nothing else");
    }
    if facts.systemd_runs && (facts.link.exists() || facts.has_unit()) {
        // In an undo after the unit is back, and before it is started.
        plan.run(systemctl::reload(), "systemd reads its units again");
    }
}

/// Reads the file's text.
fn parse(text: &str) -> Result<Stored> {
    let document: DocumentMut = text.parse().map_err(|cause: toml_edit::TomlError| {
        let before = cause.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        Error::failed(format!("line {}: {}", before.matches('\n').count() + 1, cause.message().replace('\n', ", ")))
    })?;
    for (key, _) in document.iter() {
        if !["redirect", "from", "backend"].contains(&key) {
            return Err(Error::failed(format!("{key} is no key of it")).hint("its keys are redirect, from and backend"));
        }
    }
    let texts = document.get("redirect").and_then(Item::as_array);
    let texts =
        texts.ok_or_else(|| Error::failed("redirect is no list").hint("redirect = [\"10351=192.0.2.1:10003\"]"))?;
    let pair = |item: &toml_edit::Value| match item.as_str() {
        Some(text) => Pair::parse(text),
        None => Err(Error::failed(format!("{item} is no text"))),
    };
    let word = |key: &str, words: &[&str]| match document.get(key) {
        None => Ok(0),
        Some(item) => words.iter().position(|word| item.as_str() == Some(word)).ok_or_else(|| {
            Error::failed(format!("{key} is not one of {}", words.join(", "))).hint(format!("{key} = \"{}\"", words[0]))
        }),
    };
    Ok(Stored {
        pairs: distinct(texts.iter().map(pair).collect::<Result<_>>()?)?,
        reach: REACHES[word("from", &REACHES.map(|(word, _)| word))?].1,
        engine: ENGINES[word("backend", &ENGINES.map(|(word, _)| word))?].1,
    })
}

const REACHES: [(&str, Reach); 2] = [("output", Reach::Output), ("forward", Reach::Forward)];
const ENGINES: [(&str, Engine); 3] = [("auto", Engine::Auto), ("nft", Engine::Nft), ("legacy", Engine::Legacy)];

/// The file's text with other values; comments and order stay.
fn edited(text: &str, stored: &Stored) -> Result<String> {
    let text = if text.trim().is_empty() { NEW } else { text };
    let mut document: DocumentMut =
        text.parse().map_err(|cause| Error::failed(format!("cannot edit {FILE}: {cause}")))?;
    let mut list = Array::new();
    for pair in &stored.pairs {
        list.push_formatted(toml_edit::Value::from(pair.to_string()).decorated("\n    ", ""));
    }
    list.set_trailing_comma(true);
    list.set_trailing("\n");
    set(&mut document, "redirect", value(list));
    let reach = REACHES.iter().find(|(_, reach)| *reach == stored.reach).map_or("", |(word, _)| word);
    set(&mut document, "from", value(reach));
    let engine = ENGINES.iter().find(|(_, engine)| *engine == stored.engine).map_or("", |(word, _)| word);
    set(&mut document, "backend", value(engine));
    Ok(document.to_string())
}

fn set(document: &mut DocumentMut, key: &str, mut item: Item) {
    // A comment behind the value stays there.
    let old = document.get(key).and_then(Item::as_value).map(|value| value.decor().clone());
    if let (Some(decor), Some(value)) = (old, item.as_value_mut()) {
        *value.decor_mut() = decor;
    }
    document[key] = item;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(pairs: &[&str], reach: Reach) -> Stored {
        let pairs = pairs.iter().map(|text| Pair::parse(text).unwrap()).collect();
        Stored { pairs, reach, engine: Engine::Auto }
    }

    #[test]
    fn what_is_stored_is_read_back_and_comments_stay() {
        let first = stored(&["10351=192.0.2.1:10003", "10352=[2001:db8::1]:10003"], Reach::Forward);
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
            "# ours\nfrom = \"output\" # not the pods\n\n# two of them\nredirect = [\"1=1.2.3.4:5\"]\n".to_owned();
        assert_eq!(parse(&noted).unwrap(), stored(&["1=1.2.3.4:5"], Reach::Output));
        let again = edited(&noted, &first).unwrap();
        assert!(
            again.starts_with("# ours\nfrom = \"forward\" # not the pods\n\n# two of them\nredirect = ["),
            "{again}"
        );
        assert_eq!(parse(&again).unwrap(), first);
    }

    #[test]
    fn a_file_that_says_something_else_is_refused() {
        for (text, cause) in [
            ("", "redirect is no list"),
            ("redirect = 1", "redirect is no list"),
            ("redirect = [1]", "1 is no text"),
            ("redirect = [\"x\"]", "not PORT=IP:PORT"),
            ("redirect = []\nform = \"output\"", "form is no key of it"),
            ("redirect = []\nfrom = \"input\"", "from is not one of output, forward"),
            ("redirect = []\nbackend = 1", "backend is not one of auto, nft, legacy"),
            ("redirect = []\n\nfrom = ", "line 3: "),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.message().contains(cause), "{text}: {error}");
        }
    }
}
