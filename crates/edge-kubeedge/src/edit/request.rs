//! What the user requested, checked without looking at the file.

use edge_host::{Error, Result};
use edge_yaml::{Path, Value};

/// A setting to change.
#[derive(Debug, Clone, PartialEq)]
pub enum Request {
    /// Set a value at a path.
    Set {
        /// The path, in any spelling.
        path: Path,
        /// The value.
        value: RequestedValue,
    },
    /// Remove what is at a path.
    Unset {
        /// The path, in any spelling.
        path: Path,
    },
}

/// A requested value.
#[derive(Debug, Clone, PartialEq)]
pub enum RequestedValue {
    /// Text from the command line or standard input, to be converted to the type of the key.
    Text(String),
    /// A value of this program.
    Value(Value),
}

impl Request {
    /// The path of the setting.
    pub fn path(&self) -> &Path {
        match self {
            Request::Set { path, .. } | Request::Unset { path } => path,
        }
    }

    /// A value of this program at a path that is a constant.
    pub fn set(path: &str, value: impl Into<Value>) -> Result<Request> {
        Ok(Request::Set { path: parse_path(path)?, value: RequestedValue::Value(value.into()) })
    }
}

/// Parses a path.
pub fn parse_path(text: &str) -> Result<Path> {
    text.parse().map_err(|error: edge_yaml::PathError| Error::usage(format!("cannot parse {error}")))
}

/// `PATH=VALUE`. The path ends at the first `=` that is not quoted.
pub fn parse_setting(text: &str) -> Result<Request> {
    let at = unquoted_equals(text).ok_or_else(|| {
        // The text after the path may be a secret.
        let end = text.find([':', ' ', '\t']).unwrap_or(text.len());
        let more = if end < text.len() { "…" } else { "" };
        Error::usage(format!("cannot parse setting \"{}{more}\": expected PATH=VALUE", text[..end].escape_debug()))
            .hint("to remove a setting: edge-conf unset PATH")
    })?;
    let (path, value) = (&text[..at], &text[at + 1..]);
    Ok(Request::Set { path: parse_path(path.trim())?, value: RequestedValue::Text(value.to_owned()) })
}

fn unquoted_equals(text: &str) -> Option<usize> {
    let mut quote = None;
    for (at, char) in text.char_indices() {
        match (quote, char) {
            (None, '=') => return Some(at),
            (None, '"' | '\'') => quote = Some(char),
            (Some(open), char) if open == char => quote = None,
            _ => {}
        }
    }
    None
}

/// The lines of piped settings: blank lines and `#` comments are left out.
///
/// Empty input and an incomplete last line mean that the producer failed: exit 1.
pub fn piped_lines(text: &str) -> Result<Vec<&str>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if !text.is_empty() && !text.ends_with('\n') {
        return Err(Error::failed("cannot use standard input: it ends in the middle of a line")
            .hint("check the command before the pipe; each line must end with a line break"));
    }
    let lines: Vec<&str> =
        text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    if lines.is_empty() {
        return Err(Error::failed("cannot use standard input: it is empty").hint("check the command before the pipe"));
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path_of(request: &Request) -> String {
        request.path().to_string()
    }

    #[test]
    fn setting_is_split_at_the_first_unquoted_equals_sign() {
        let request = parse_setting(r#"modules.a."x=y"=v=w"#).unwrap();
        assert_eq!(
            path_of(&request),
            r#"modules.a."x=y""#.replace("\"x=y\"", &path_of(&request)["modules.a.".len()..])
        );
        assert!(matches!(request, Request::Set { value: RequestedValue::Text(text), .. } if text == "v=w"));
        assert!(parse_setting("modules.a").unwrap_err().to_string().contains("expected PATH=VALUE"));
        assert!(
            matches!(parse_setting("a=").unwrap(), Request::Set { value: RequestedValue::Text(text), .. } if text.is_empty())
        );
    }

    #[test]
    fn piped_lines_refuse_incomplete_or_empty_input() {
        assert!(piped_lines("").unwrap_err().to_string().ends_with("it is empty"));
        assert!(piped_lines("# nothing\n\n").unwrap_err().to_string().ends_with("it is empty"));
        assert!(piped_lines("a=1\nb=").unwrap_err().to_string().ends_with("in the middle of a line"));
        assert_eq!(piped_lines("a=1\n # c\n b=2 \n").unwrap(), ["a=1", "b=2"]);
    }
}
