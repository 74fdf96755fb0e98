//! Tries a source before it is installed.

use std::path::{Path, PathBuf};

use edge_host::{Error, Host, Result, Scratch, shown_url};

use crate::apt::{self, Scope};
use crate::facts::Facts;
use crate::key::KeyFile;
use crate::source::{KeyFrom, MAIN, PARTS, Source};

/// The key during the trial: apt needs it in a file that `_apt` can read.
const TRIED: &str = "tried";
/// The main file without its obsolete entries; apt does not take a name without an extension for a part.
const TRIED_MAIN: &str = "main";
/// The directories of apt's lists.
const LISTS: [&str; 2] = ["/var/lib/apt/lists", "/var/lib/apt/lists/partial"];

/// A source that works: its key is right and its lists are there.
#[derive(Debug)]
pub(crate) struct Trial {
    /// The source's key.
    pub(crate) key: KeyFile,
    /// Only this source.
    pub(crate) only: Scope,
    /// All sources, with this one.
    pub(crate) all: Scope,
    scratch: Scratch,
}

impl Trial {
    /// Tries it. The downloaded lists are removed on drop, unless the source is installed at [`Trial::end`].
    pub(crate) fn of(host: &mut Host, source: &Source, facts: &Facts) -> Result<Trial> {
        let mut scratch = Scratch::make(host)?;
        let key = get_key(host, source, facts, Some(&scratch))?;
        let before = lists(host)?;
        let (only, all) = show(host, source, facts, &key, &scratch)?;
        host.report.note(&format!("updating the package lists of {}", shown_url(&source.uri)));
        let updated = apt::update(&only, &shown_url(&source.uri));
        // After a failure apt keeps what it could not use.
        let fronts = apt::list_fronts(&only).unwrap_or_default();
        let is_ours = |path: &PathBuf| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            !before.contains(path) && fronts.iter().any(|front| name.starts_with(front.as_str()))
        };
        scratch.remove_later(lists(host)?.into_iter().filter(is_ours).collect());
        updated?;
        host.check_interrupt()?;
        Ok(Trial { key, only, all, scratch })
    }

    /// Keeps the lists if the source is installed; otherwise they would be leftovers.
    pub(crate) fn end(mut self, host: &Host, facts: &Facts) -> Result<()> {
        if let Some(source) = &facts.source
            && host.root.find(&source.path)?.exists()
        {
            self.scratch.keep_files();
        }
        Ok(())
    }
}

/// The key of the source: installed, given or downloaded; and checked.
pub(crate) fn get_key(host: &mut Host, source: &Source, facts: &Facts, scratch: Option<&Scratch>) -> Result<KeyFile> {
    if let Some(of) = facts.source.as_ref().filter(|of| of.key.is_some()) {
        of.warnings.iter().for_each(|warning| host.report.warning(warning));
        if let Some(key) = &of.key {
            return Ok(key.clone());
        }
    }
    let from = shown_url(&source.uri);
    let bytes = match (&source.key, scratch) {
        (KeyFrom::Bytes(bytes), _) => bytes.clone(),
        (KeyFrom::Url(url), Some(scratch)) => {
            let to = scratch.path().join(TRIED);
            apt::download(url, &to, &shown_url(url))?;
            host.root
                .read(&to)?
                .ok_or_else(|| Error::failed(format!("cannot download {}: the file is empty", shown_url(url))))?
        }
        (KeyFrom::Url(url), None) => {
            return Err(Error::failed(format!(
                "cannot download the key {}: the installation is offline",
                shown_url(url)
            ))
            .hint("pass it as a file, with its fingerprint"));
        }
    };
    let key = KeyFile::parse(bytes, &from)?;
    for warning in key.check(&source.fingerprints, facts.now, facts.status.apt(), &from)? {
        host.report.warning(&warning);
    }
    Ok(key)
}

/// The list files of apt.
fn lists(host: &Host) -> Result<Vec<PathBuf>> {
    let mut all = Vec::new();
    for dir in LISTS.map(Path::new) {
        all.extend(host.root.list(dir)?.into_iter().map(|name| dir.join(name)));
    }
    Ok(all)
}

/// Writes a source file for the trial, before one is installed: one that does not work would make every later
/// `apt-get update` of this host fail.
fn show(host: &Host, source: &Source, facts: &Facts, key: &KeyFile, scratch: &Scratch) -> Result<(Scope, Scope)> {
    let tried_key = scratch.write(&format!("{TRIED}.{}", key.form.extension()), &key.bytes)?;
    let own = source.path(facts.status.apt());
    let extension = own.extension().unwrap_or_default().to_string_lossy().into_owned();
    // The others first, so that this one takes precedence over a file of the same name.
    for name in host.root.list(Path::new(PARTS))? {
        let path = Path::new(PARTS).join(&name);
        let bytes = match facts.obsolete.iter().find(|file| file.path == path) {
            Some(file) => Some(file.bytes.clone()),
            None => host.root.read(&path)?,
        };
        if let (Some(name), Some(bytes), false) = (name.to_str(), bytes, path == own) {
            scratch.write(name, &bytes)?;
        }
    }
    let main = facts.obsolete.iter().find(|file| file.path == Path::new(MAIN));
    let list = main.map(|file| scratch.write(TRIED_MAIN, &file.bytes)).transpose()?;
    let text = source.render(&tried_key, facts.status.architecture(), facts.status.apt());
    let file = scratch.write(&format!("{}.{extension}", source.name), text.as_bytes())?;
    Ok((Scope::only(&file), Scope { list, parts: Some(scratch.path().to_path_buf()) }))
}
