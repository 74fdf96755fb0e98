//! Reads the text of a stream, from standard input or a file of the caller, within a limit.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use edge_host::{Error, Exit, Result, ResultExt};

/// The longest stream that is read, in bytes.
pub const MAX_STREAM: usize = 64 << 20;
const STDIN: &str = "-";

/// A text that was read, and its name in messages.
#[derive(Debug)]
pub struct Source {
    /// The path, or `standard input`.
    pub name: String,
    /// What it contains.
    pub text: String,
}

/// The stream; - is standard input. Errors: exit 1 if they cannot be read or are empty, 4 if they are too large or not text.
pub fn stream(path: &Path) -> Result<Source> {
    let source = read(path, MAX_STREAM)?;
    if source.text.trim().is_empty() {
        return Err(Error::cannot("use", &source.name, "it is empty").hint(CHECK_PRODUCER));
    }
    Ok(source)
}

/// What to do about input that another command has not made as expected.
pub const CHECK_PRODUCER: &str =
    "check the command before the pipe; curl needs -f to fail on an error page: curl -fsSL URL";

/// A text of at most `most` bytes. The path is one of the caller, also with `--root`; - is standard input.
///
/// Errors: exit 1 if it cannot be read, 4 if it is too large or not UTF-8.
pub fn read(path: &Path, most: usize) -> Result<Source> {
    let is_stdin = path == Path::new(STDIN);
    let name = if is_stdin { "standard input".to_owned() } else { path.display().to_string() };
    let mut reader: Box<dyn Read> =
        if is_stdin { Box::new(std::io::stdin()) } else { Box::new(File::open(path).on("read", path)?) };
    let mut bytes = Vec::new();
    // One byte more than the limit shows that the input is too large.
    reader.by_ref().take(most as u64 + 1).read_to_end(&mut bytes).on("read", &name)?;
    if bytes.len() > most {
        let cause = format!("it is larger than {} MiB", most >> 20);
        return Err(Error::cannot("use", &name, cause).with_exit(Exit::Refused).hint(
            "pass fewer objects at a time, for example those of one namespace: kubectl get ds -n NAMESPACE -o yaml",
        ));
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let line = error.as_bytes()[..valid].iter().filter(|byte| **byte == b'\n').count() + 1;
        Error::cannot("use", &name, format!("line {line} is not UTF-8 text"))
            .with_exit(Exit::Refused)
            .hint("check that it is a text file and not compressed or encoded in UTF-16")
    })?;
    Ok(Source { name, text })
}
