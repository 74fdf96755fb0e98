//! Everything that is read: the configuration files and standard input.

use std::io::Read;
use std::path::{Path, PathBuf};

use edge_host::{Error, FileSnapshot, Host, Result};
use edge_kubeedge::Kind;
use edge_kubeedge::paths::{CONFIG_DIR, EDGECORE_YAML};
use edge_kubeedge::schema::{Lookup, Table};
use edge_kubeedge::unit::{ConfigFile, config_in_use};

use crate::request::Request;

const STDIN: &str = "-";
/// The kernel's number of "No such file or directory".
const ENOENT: i32 = 2;
/// What to do where a configuration does not exist.
pub const CREATE_IT: &str =
    "create it with keadm join (edge) or keadm init (cloud), or name another file with --file FILE";

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
            CREATE_IT
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

/// The files that the components of this host read, as far as they exist. A file that the unit names counts also if only
/// the default one exists, which is not read then.
pub fn files_in_use(host: &Host) -> Result<Vec<(Kind, ConfigFile)>> {
    let mut files = Vec::new();
    for kind in [Kind::EdgeCore, Kind::CloudCore] {
        let file = config_in_use(&host.root, kind)?;
        if host.root.open(&file.path)?.is_some() || host.root.open(&kind.config_path())?.is_some() {
            files.push((kind, file));
        }
    }
    Ok(files)
}

/// The file to work on without --file: the one of this kind, the only one that exists, or the one that has the settings.
pub fn choose_file(host: &mut Host, kind: Option<Kind>, requests: &[Request]) -> Result<PathBuf> {
    let present = files_in_use(host)?;
    if let Some(kind) = kind {
        let file = config_in_use(&host.root, kind)?;
        return Ok(announced(host, kind, file));
    }
    match present.as_slice() {
        [] => Err(Error::failed(format!(
            "cannot find a configuration: neither edgecore.yaml nor cloudcore.yaml is in {}",
            host.root.display(Path::new(CONFIG_DIR)).display()
        ))
        .hint(CREATE_IT)),
        [(kind, file)] => Ok(announced(host, *kind, file.clone())),
        _ => {
            let mut kinds: Vec<Kind> = requests.iter().filter_map(kind_of).collect();
            kinds.dedup();
            match (kinds.as_slice(), present.iter().find(|(kind, _)| kinds.first() == Some(kind))) {
                ([_], Some((kind, file))) => Ok(announced(host, *kind, file.clone())),
                _ => Err(cannot_choose(host, &present)),
            }
        }
    }
}

fn cannot_choose(host: &Host, present: &[(Kind, ConfigFile)]) -> Error {
    let message = if present.iter().all(|(_, file)| file.named_in.is_none()) {
        format!("both edgecore.yaml and cloudcore.yaml are in {CONFIG_DIR}")
    } else {
        let shown = present.iter().map(|(_, file)| host.root.display(&file.path).display().to_string());
        format!("both {} are in use", shown.collect::<Vec<_>>().join(" and "))
    };
    let first = present.first().map_or_else(|| EDGECORE_YAML.into(), |(_, file)| file.path.display().to_string());
    Error::usage(format!("cannot choose a configuration file: {message}")).hint(format!("choose one: --file {first}"))
}

/// The path of a file, with a note on why it is not the default one.
pub fn announced(host: &mut Host, kind: Kind, file: ConfigFile) -> PathBuf {
    if let Some((unit, line)) = file.named_in.filter(|_| file.path != kind.config_path()) {
        let (path, unit) = (host.root.display(&file.path), host.root.display(&unit));
        host.report.note(&format!(
            "using {}: {} starts {} with it (--config in {}:{line})",
            path.display(),
            kind.unit(),
            kind.program(),
            unit.display()
        ));
    }
    file.path
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
