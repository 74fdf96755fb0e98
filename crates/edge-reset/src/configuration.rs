//! Configurations in YAML. What such a file sets is unknown if the file cannot be read or understood, and unknown is not
//! absent: that is an error (exit 4), and what depends on it is kept.

use std::path::{Path, PathBuf};

use edge_host::{Error, Exit, Host, Result, State};
use edge_kubeedge::settings::{Mistyped, text_at, texts_at};
use edge_yaml::{Document, Step, Value};

/// A configuration that was read.
#[derive(Debug)]
pub(crate) struct Configuration {
    shown: PathBuf,
    text: String,
    value: Value,
}

impl Configuration {
    /// Reads a file; none if it does not exist.
    ///
    /// Errors: it cannot be read, is empty or not YAML, or leaves open which of its values are in use.
    pub(crate) fn read(host: &Host, path: &Path) -> Result<Option<Configuration>> {
        let found = Configuration::read_any(host, path)?;
        match found {
            Some(found) if found.value.is_null() => Err(bad(&found.shown, None, "it is empty")),
            found => Ok(found),
        }
    }

    /// The same for a program to which an empty file is one without settings.
    pub(crate) fn read_any(host: &Host, path: &Path) -> Result<Option<Configuration>> {
        let shown = host.root.display(path);
        let Some(bytes) = host.root.read(path).map_err(|error| with_hint(error, &shown, None))? else {
            return match host.root.find_link(path)?.state {
                // To a disk that is not mounted.
                State::Link { target } => {
                    Err(bad(&shown, None, &format!("it is a symbolic link to {target}, which does not exist")))
                }
                _ => Ok(None),
            };
        };
        let text = String::from_utf8(bytes).map_err(|error| {
            let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
            let line = valid.iter().filter(|byte| **byte == b'\n').count() + 1;
            bad(&shown, Some(line), &format!("line {line} is not UTF-8 text"))
        })?;
        let document = Document::parse(&text).map_err(|error| {
            let line = match &error {
                edge_yaml::Error::Syntax { position, .. } | edge_yaml::Error::Refused { position, .. } => {
                    Some(position.line)
                }
                _ => None,
            };
            bad(&shown, line, &error.to_string())
        })?;
        if let Some(twice) = document.duplicates().first() {
            let lines: Vec<usize> = twice.positions.iter().map(|position| position.line).collect();
            let all = lines.iter().map(|line| format!("line {line}")).collect::<Vec<_>>().join(" and ");
            return Err(bad(&shown, lines.last().copied(), &format!("{} is set more than once, in {all}", twice.path)));
        }
        if document.has_more_documents() {
            return Err(bad(&shown, None, "it has more than one document, and a program may read any of them"));
        }
        let value = document.as_go();
        Ok(Some(Configuration { shown, text, value }))
    }

    pub(crate) fn value(&self) -> &Value {
        &self.value
    }

    /// Where it is, as users write it.
    pub(crate) fn shown(&self) -> &Path {
        &self.shown
    }

    /// The text at a path of keys; none if it is not set or empty.
    pub(crate) fn text(&self, setting: &str) -> Result<Option<&str>> {
        let found = text_at(&self.value, setting).map_err(|wrong| self.mistyped(&wrong))?;
        Ok(found.filter(|text| !text.is_empty()))
    }

    /// The texts in a list.
    pub(crate) fn texts(&self, setting: &str) -> Result<Vec<&str>> {
        texts_at(&self.value, setting).map_err(|wrong| self.mistyped(&wrong))
    }

    /// The path at a path of keys.
    pub(crate) fn path_at(&self, setting: &str) -> Result<Option<&str>> {
        let found = self.text(setting)?;
        if found.is_some_and(|text| text.contains('\0')) {
            return Err(bad(&self.shown, None, &format!("{setting} is not a path: it contains the character U+0000")));
        }
        Ok(found)
    }

    fn mistyped(&self, wrong: &Mistyped) -> Error {
        let path = edge_yaml::Path::new(wrong.path.iter().cloned().map(Step::Key).collect());
        let document = Document::parse(&self.text).ok();
        let line = path.as_ref().and_then(|path| Some(document?.position(path)?.line));
        let name = path.map_or_else(|| "the document".to_owned(), |path| path.to_string());
        let at = line.map(|line| format!(" in line {line}")).unwrap_or_default();
        bad(&self.shown, line, &format!("{name}{at} is {}, expected {}", wrong.is, wrong.want))
    }
}

fn bad(shown: &Path, line: Option<usize>, cause: &str) -> Error {
    with_hint(Error::cannot("read", shown, cause), shown, line)
}

fn with_hint(error: Error, shown: &Path, line: Option<usize>) -> Error {
    let line = line.map(|line| format!(":{line}")).unwrap_or_default();
    let what = format!(
        "repair {}{line}, or move the file away if it is not in use; then run the command again",
        shown.display()
    );
    error.with_exit(Exit::Refused).hint(what)
}
