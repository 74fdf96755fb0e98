//! Edits daemon.json key by key: every other key, its order and its form stay as they are.

use std::path::Path;

use edge_host::{Error, Exit, Result, quoted};
use serde_json::Value;

use super::config::{Config, DRIVER, EXEC_OPTS, INSECURE, MIRRORS, Problem, driver_of};

/// The requested settings; an empty one leaves its key as it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settings {
    /// The cgroup driver.
    pub driver: Option<&'static str>,
    /// Mirrors of Docker Hub, before others.
    pub mirrors: Vec<String>,
    /// Registries without TLS, or without a trusted certificate.
    pub insecure: Vec<String>,
}

impl Settings {
    /// Each key with its requested items.
    pub fn by_key(&self) -> [(&'static str, Vec<String>); 3] {
        let driver = self.driver.map(|driver| format!("{DRIVER}{driver}"));
        [(EXEC_OPTS, driver.into_iter().collect()), (MIRRORS, self.mirrors.clone()), (INSECURE, self.insecure.clone())]
    }
}

/// The file with these settings, and a line for each key that changes. `bytes` is none for a file that does not exist.
/// Refuses (exit 4) a file that dockerd would not read, or reads in another way than its author.
pub fn config(path: &Path, bytes: Option<&[u8]>, settings: &Settings) -> Result<(String, Vec<String>)> {
    let before = bytes.map(Config::parse).transpose().map_err(|problem| refused(path, &problem))?;
    let (mut text, mut now) = before.map_or_else(Default::default, |(text, config)| (text.to_owned(), config));
    let mut details = Vec::new();
    for (key, requested) in settings.by_key() {
        if requested.is_empty() {
            continue;
        }
        let old = now.strings(key).ok_or_else(|| {
            Error::cannot("edit", path, format!("{key} is not a list of strings"))
                .with_exit(Exit::Refused)
                .hint("dockerd does not start with it either: repair it, and run again")
        })?;
        let new = merged(key, &old, &requested);
        if new == old {
            continue;
        }
        let edited = set(&text, &now, key, &new);
        let (_, after) = Config::parse(edited.as_bytes()).map_err(|problem| refused(path, &problem))?;
        if !is_only_change(&now, &after, key, &new) {
            return Err(Error::cannot("edit", path, "the edited file would not have the requested settings"));
        }
        details.push(format!("{key}: {}", new.join(", ")));
        (text, now) = (edited, after);
    }
    Ok((text, details))
}

/// A file that is not edited.
pub fn refused(path: &Path, problem: &Problem) -> Error {
    let path_word = quoted(&path.display().to_string());
    let hint = format!("repair it, or use dockerd's defaults: mv {path_word} {path_word}.old");
    Error::cannot("read", path, &problem.text).with_exit(Exit::Refused).hint(hint)
}

fn merged(key: &str, old: &[String], requested: &[String]) -> Vec<String> {
    let is_same = |one: &str, other: &str| one.trim_end_matches('/') == other.trim_end_matches('/');
    let is_requested = |item: &&String| requested.iter().any(|new| is_same(new, item));
    match key {
        EXEC_OPTS => {
            let rest = old.iter().filter(|item| driver_of(item).is_none());
            match old.iter().filter_map(|item| driver_of(item)).eq(requested.iter().filter_map(|item| driver_of(item)))
            {
                true => old.to_vec(),
                false => rest.chain(requested).cloned().collect(),
            }
        }
        // The spelling of the file is kept where the order is already the requested one.
        MIRRORS if old.len() >= requested.len() && requested.iter().zip(old).all(|(new, old)| is_same(new, old)) => {
            old.to_vec()
        }
        MIRRORS => requested.iter().chain(old.iter().filter(|item| !is_requested(item))).cloned().collect(),
        _ => old.iter().chain(requested.iter().filter(|item| !old.contains(item))).cloned().collect(),
    }
}

/// The text with this list at a key: in the place of the old one, or after the last key and in its form.
fn set(text: &str, now: &Config, key: &str, items: &[String]) -> String {
    let values: Vec<String> = items.iter().map(|item| Value::from(item.as_str()).to_string()).collect();
    let line = format!("[{}]", values.join(", "));
    if let Some(entry) = now.get(key) {
        let (front, back) = (&text[..entry.at.start], &text[entry.at.end..]);
        let old = &text[entry.at.clone()];
        let inner = old[1..].find(|char: char| !char.is_whitespace()).map_or("", |end| &old[1..=end]);
        let list = match inner.contains('\n') {
            true => {
                let close = &old[old.trim_end_matches(']').trim_end().len()..old.len() - 1];
                format!("[{inner}{}{close}]", values.join(&format!(",{inner}")))
            }
            false => line,
        };
        return format!("{front}{list}{back}");
    }
    let Some(last) = now.entries.last() else {
        // The object is empty, or there is none.
        let tail = text.rfind('}').map_or("\n", |close| &text[close + 1..]);
        let end = if text.contains("\r\n") { "\r\n" } else { "\n" };
        return format!("{{{end}  \"{key}\": {line}{end}}}{tail}");
    };
    let begin = match now.entries.len() {
        1 => text.find('{').map_or(0, |open| open + 1),
        number => now.entries[number - 2].at.end,
    };
    let between = &text[begin..last.at.start];
    let between = between.trim_start().strip_prefix(',').unwrap_or(between);
    let lead = &between[..between.find('"').unwrap_or(0)];
    // The last quote is the end of the key.
    let colon = &between[between.rfind('"').map_or(between.len(), |quote| quote + 1)..];
    let (front, back) = text.split_at(last.at.end);
    format!("{front},{lead}\"{key}\"{colon}{line}{back}")
}

fn is_only_change(before: &Config, after: &Config, key: &str, new: &[String]) -> bool {
    fn others<'c>(config: &'c Config, key: &'c str) -> impl Iterator<Item = (&'c String, &'c Value)> {
        config.entries.iter().filter(move |entry| entry.key != key).map(|entry| (&entry.key, &entry.value))
    }
    after.strings(key).as_deref() == Some(new) && others(before, key).eq(others(after, key))
}
