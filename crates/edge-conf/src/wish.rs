//! What the user asks for, before the file is looked at.

use edge_host::{Error, Result};
use edge_yaml::{Path, Value};

/// One setting that shall be so.
#[derive(Debug, Clone, PartialEq)]
pub enum Wish {
    /// A value at a path.
    Set {
        /// Where, in any spelling.
        path: Path,
        /// What.
        value: Given,
    },
    /// Nothing at a path.
    Unset {
        /// Where, in any spelling.
        path: Path,
    },
}

/// A wanted value.
#[derive(Debug, Clone, PartialEq)]
pub enum Given {
    /// Text from the command line or stdin, to be typed by the key.
    Text(String),
    /// A value of our own.
    Value(Value),
}

impl Wish {
    /// Where.
    pub fn path(&self) -> &Path {
        match self {
            Wish::Set { path, .. } | Wish::Unset { path } => path,
        }
    }

    /// A value of our own at a path that is written in this program.
    pub fn set(path: &str, value: impl Into<Value>) -> Result<Wish> {
        Ok(Wish::Set { path: parse_path(path)?, value: Given::Value(value.into()) })
    }
}

/// Parses a path as the user wrote it.
pub fn parse_path(text: &str) -> Result<Path> {
    text.parse().map_err(|error: edge_yaml::PathError| Error::usage(format!("cannot understand {error}")))
}

/// `PATH=VALUE`. The path ends at the first `=` that is not quoted.
pub fn parse_setting(text: &str) -> Result<Wish> {
    let at = unquoted_equals(text).ok_or_else(|| {
        // What stands behind the path may be a secret.
        let end = text.find([':', ' ', '\t']).unwrap_or(text.len());
        let more = if end < text.len() { "…" } else { "" };
        Error::usage(format!("cannot understand \"{}{more}\": PATH=VALUE is wanted", text[..end].escape_debug()))
            .hint("to remove a setting use: edge-conf unset PATH")
    })?;
    let (path, value) = (&text[..at], &text[at + 1..]);
    Ok(Wish::Set { path: parse_path(path.trim())?, value: Given::Text(value.to_owned()) })
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
/// Empty input and a last line without its end are what a failed producer leaves behind: exit 1.
pub fn piped_lines(text: &str) -> Result<Vec<&str>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if !text.is_empty() && !text.ends_with('\n') {
        return Err(Error::failed("cannot use standard input: it ends in the middle of a line")
            .hint("look at the program before the pipe; each line must end in a newline"));
    }
    let lines: Vec<&str> =
        text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    if lines.is_empty() {
        return Err(Error::failed("cannot use standard input: it is empty").hint("look at the program before the pipe"));
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path_of(wish: &Wish) -> String {
        wish.path().to_string()
    }

    #[test]
    fn a_setting_is_parted_at_the_first_unquoted_equals_sign() {
        let wish = parse_setting(r#"modules.a."x=y"=v=w"#).unwrap();
        assert_eq!(path_of(&wish), r#"modules.a."x=y""#.replace("\"x=y\"", &path_of(&wish)["modules.a.".len()..]));
        assert!(matches!(wish, Wish::Set { value: Given::Text(text), .. } if text == "v=w"));
        assert!(parse_setting("modules.a").unwrap_err().to_string().contains("PATH=VALUE is wanted"));
        assert!(matches!(parse_setting("a=").unwrap(), Wish::Set { value: Given::Text(text), .. } if text.is_empty()));
    }

    #[test]
    fn cut_off_or_empty_input_is_an_error() {
        assert!(piped_lines("").unwrap_err().to_string().ends_with("it is empty"));
        assert!(piped_lines("# nothing\n\n").unwrap_err().to_string().ends_with("it is empty"));
        assert!(piped_lines("a=1\nb=").unwrap_err().to_string().ends_with("in the middle of a line"));
        assert_eq!(piped_lines("a=1\n # c\n b=2 \n").unwrap(), ["a=1", "b=2"]);
    }
}
