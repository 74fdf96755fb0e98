//! Everything that is read: the configuration files and standard input.

use std::io::Read;
use std::path::{Path, PathBuf};

use edge_host::{Error, FileSnapshot, Host, Result};
use edge_kubeedge::Kind;
use edge_kubeedge::paths::{CONFIG_DIR, EDGECORE_YAML};
use edge_kubeedge::schema::{Lookup, Table};

use crate::request::Request;

const STDIN: &str = "-";
/// The kernel's number of "No such file or directory".
const ENOENT: i32 = 2;

/// A configuration that was read.
#[derive(Debug, Clone)]
pub struct File {
    /// Its path on the target; none for standard input.
    pub path: Option<PathBuf>,
    /// The file as it was found, to be compared before the write.
    pub was: FileSnapshot,
    /// Its text.
    pub text: String,
}

impl File {
    /// Its name in messages.
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
    // One byte more than the limit shows that the input is too large.
    let limit = edge_yaml::MAX_BYTES as u64 + 1;
    let read = std::io::stdin().take(limit).read_to_end(&mut bytes);
    read.map_err(|cause| Error::failed(format!("cannot read standard input: {cause}")))?;
    if bytes.len() > edge_yaml::MAX_BYTES {
        return Err(Error::refused(format!(
            "cannot use standard input: it is larger than {} bytes",
            edge_yaml::MAX_BYTES
        )));
    }
    text_of(bytes, "standard input")
}

/// The document on standard input.
pub fn stdin_file() -> Result<File> {
    let text = read_stdin()?;
    if text.trim().is_empty() {
        return Err(Error::failed("cannot use standard input: it is empty").hint("check the command before the pipe"));
    }
    let was = FileSnapshot { state: edge_host::State::Absent, bytes: Vec::new() };
    Ok(File { path: None, was, text })
}

/// The file at a path on the target; a missing file is an error.
pub fn read_file(host: &Host, path: &Path) -> Result<File> {
    if !host.root.is_live() && path.is_relative() {
        let message = format!(
            "cannot use --file {}: with --root, it must be an absolute path below that directory",
            path.display()
        );
        return Err(Error::usage(message).hint(format!("for example: --file {EDGECORE_YAML}")));
    }
    let path = std::path::absolute(path).map_err(|cause| Error::io("find", path, &cause))?;
    let was = host.root.find(&path)?;
    let shown = host.root.display(&path);
    if !was.exists() {
        let hint = if !host.root.is_live() && path.starts_with(host.root.display(Path::new("/"))) {
            "with --root, --file is an absolute path below that directory"
        } else {
            "create it with keadm join (edge) or keadm init (cloud), or edit another file with --file FILE"
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
        Error::refused(format!("cannot read {name}: line {line} is not UTF-8 text"))
            .hint("check that it is a text file and not encoded in UTF-16")
    })
}

/// The default files that exist.
pub fn present_kinds(host: &Host) -> Result<Vec<Kind>> {
    let mut kinds = Vec::new();
    for kind in [Kind::EdgeCore, Kind::CloudCore] {
        if host.root.open(&kind.config_path())?.is_some() {
            kinds.push(kind);
        }
    }
    Ok(kinds)
}

/// The default file to work on: the one of this kind, the only one that exists, or the one that has the settings.
pub fn choose_file(host: &Host, kind: Option<Kind>, requests: &[Request]) -> Result<PathBuf> {
    let present = present_kinds(host)?;
    if let Some(kind) = kind {
        return Ok(kind.config_path());
    }
    match present.as_slice() {
        [] => Err(Error::failed(format!(
            "cannot find a configuration: neither edgecore.yaml nor cloudcore.yaml is in {}",
            host.root.display(Path::new(CONFIG_DIR)).display()
        ))
        .hint("create it with keadm join (edge) or keadm init (cloud), or edit another file with --file FILE")),
        [kind] => Ok(kind.config_path()),
        _ => {
            let mut kinds: Vec<Kind> = requests.iter().filter_map(kind_of).collect();
            kinds.dedup();
            match kinds.as_slice() {
                [kind] => Ok(kind.config_path()),
                _ => Err(Error::usage(format!(
                    "cannot choose a configuration file: both edgecore.yaml and cloudcore.yaml are in {CONFIG_DIR}"
                ))
                .hint(format!("choose one: --file {EDGECORE_YAML}"))),
            }
        }
    }
}

/// The kind of file that a setting belongs to; none where it belongs to both or neither.
fn kind_of(request: &Request) -> Option<Kind> {
    let steps = edge_kubeedge::spelling::texts(request.path());
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

/// The files that do not exist.
pub fn missing_files(host: &Host, files: &[String]) -> Result<Vec<String>> {
    let mut missing = Vec::new();
    for file in files {
        if !has_file(host, file)? {
            missing.push(file.clone());
        }
    }
    Ok(missing)
}

/// Whether a file exists.
pub fn has_file(host: &Host, file: &str) -> Result<bool> {
    Ok(host.root.find(Path::new(file))?.exists())
}
