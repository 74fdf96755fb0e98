//! Every read: which file, what it holds, which version reads it.

use std::io::Read;
use std::path::{Path, PathBuf};

use edge_host::{Error, FileSnapshot, Host, Result};
use edge_kubeedge::Kind;
use edge_kubeedge::paths::{CONFIG_DIR, EDGECORE_YAML};
use edge_kubeedge::schema::{Lookup, Table};

use crate::wish::Wish;

const STDIN: &str = "-";
/// "No such file or directory", as the kernel numbers it everywhere.
const ENOENT: i32 = 2;

/// A file as it was read.
#[derive(Debug, Clone)]
pub struct File {
    /// Where it is on the target; none for standard input.
    pub path: Option<PathBuf>,
    /// What was found, for the check before the write.
    pub was: FileSnapshot,
    /// Its text.
    pub text: String,
}

impl File {
    /// What messages call it.
    pub fn name(&self, host: &Host) -> String {
        match &self.path {
            Some(path) => host.root.display(path).display().to_string(),
            None => "standard input".to_owned(),
        }
    }
}

/// Whether `--file -` was given.
pub fn is_stdin(file: Option<&Path>) -> bool {
    file == Some(Path::new(STDIN))
}

/// All of standard input as text.
pub fn read_stdin() -> Result<String> {
    let mut bytes = Vec::new();
    // One byte more than is edited is enough to tell that it is too much.
    let limit = edge_yaml::MAX_BYTES as u64 + 1;
    let read = std::io::stdin().take(limit).read_to_end(&mut bytes);
    read.map_err(|cause| Error::failed(format!("cannot read standard input: {cause}")))?;
    if bytes.len() > edge_yaml::MAX_BYTES {
        return Err(Error::refused(format!(
            "cannot use standard input: it has more than {} bytes",
            edge_yaml::MAX_BYTES
        )));
    }
    text_of(bytes, "standard input")
}

/// The document on standard input.
pub fn stdin_file() -> Result<File> {
    let text = read_stdin()?;
    if text.trim().is_empty() {
        return Err(
            Error::failed("cannot edit standard input: it is empty").hint("look at the program before the pipe")
        );
    }
    let was = FileSnapshot { state: edge_host::State::Absent, bytes: Vec::new() };
    Ok(File { path: None, was, text })
}

/// The file at a path on the target; a missing one is an error and never made.
pub fn read_file(host: &Host, path: &Path) -> Result<File> {
    if !host.root.is_live() && path.is_relative() {
        let message = format!("cannot use --file {}: with --root it is a path from there on", path.display());
        return Err(Error::usage(message).hint(format!("such as --file {EDGECORE_YAML}")));
    }
    let path = std::path::absolute(path).map_err(|cause| Error::io("find", path, &cause))?;
    let was = host.root.find(&path)?;
    let shown = host.root.display(&path);
    if !was.exists() {
        let hint = if !host.root.is_live() && path.starts_with(host.root.display(Path::new("/"))) {
            "with --root, --file is a path from there on"
        } else {
            "edge-conf never makes this file: keadm join (edge) or keadm init (cloud) does; another place: --file FILE"
        };
        return Err(Error::io("read", &shown, &std::io::Error::from_raw_os_error(ENOENT)).hint(hint));
    }
    let edge_host::State::File { .. } = was.state else {
        return Err(Error::failed(format!(
            "cannot read {}: it is {}, not a file",
            shown.display(),
            was.state.describe()
        )));
    };
    let text = text_of(was.bytes.clone(), &shown.display().to_string())?;
    Ok(File { path: Some(path), was, text })
}

fn text_of(bytes: Vec<u8>, name: &str) -> Result<String> {
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let before = &error.as_bytes()[..valid];
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        Error::refused(format!("cannot edit {name}: line {line}: it is not UTF-8 text"))
            .hint("is it a binary file, or encoded in UTF-16?")
    })
}

/// Which of the two default files are there.
pub fn present(host: &Host) -> Result<Vec<Kind>> {
    let mut kinds = Vec::new();
    for kind in [Kind::EdgeCore, Kind::CloudCore] {
        if host.root.open(&kind.config_path())?.is_some() {
            kinds.push(kind);
        }
    }
    Ok(kinds)
}

/// The one default file that is meant: by the settings, else the one that is there.
pub fn choose(host: &Host, wanted: Option<Kind>, wishes: &[Wish]) -> Result<PathBuf> {
    let present = present(host)?;
    if let Some(kind) = wanted {
        return Ok(kind.config_path());
    }
    match present.as_slice() {
        [] => Err(Error::failed(format!(
            "cannot find a configuration: neither edgecore.yaml nor cloudcore.yaml is in {}",
            host.root.display(Path::new(CONFIG_DIR)).display()
        ))
        .hint("keadm join (edge) or keadm init (cloud) makes it; another place: --file FILE")),
        [kind] => Ok(kind.config_path()),
        _ => {
            let mut kinds: Vec<Kind> = wishes.iter().filter_map(kind_of).collect();
            kinds.dedup();
            match kinds.as_slice() {
                [kind] => Ok(kind.config_path()),
                _ => Err(Error::usage(format!(
                    "cannot tell which file is meant: both edgecore.yaml and cloudcore.yaml are in {CONFIG_DIR}"
                ))
                .hint(format!("name it: --file {EDGECORE_YAML}"))),
            }
        }
    }
}

/// The kind of file that a setting belongs to, where it belongs to one alone.
fn kind_of(wish: &Wish) -> Option<Kind> {
    let steps = edge_kubeedge::spelling::texts(wish.path());
    let steps: Vec<&str> = steps.iter().map(String::as_str).collect();
    let is_in = |kind| {
        matches!(
            Table::of(kind).lookup(&steps, None),
            Lookup::Known(_) | Lookup::Dead { .. } | Lookup::WrongPlace { .. }
        )
    };
    match (is_in(Kind::EdgeCore), is_in(Kind::CloudCore)) {
        (true, false) => Some(Kind::EdgeCore),
        (false, true) => Some(Kind::CloudCore),
        _ => None,
    }
}

/// Those of these files that are not there.
pub fn missing(host: &Host, files: &[String]) -> Result<Vec<String>> {
    let mut missing = Vec::new();
    for file in files {
        if !host.root.find(Path::new(file))?.exists() {
            missing.push(file.clone());
        }
    }
    Ok(missing)
}
