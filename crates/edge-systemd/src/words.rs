//! Words of a value: parsing and writing of quotes and C escapes.

use edge_host::{Error, Result};

/// A word without an end: a quote or an escape is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unbalanced;

const BLANKS: [char; 4] = [' ', '\t', '\n', '\r'];

fn is_blank(byte: u8) -> bool {
    BLANKS.contains(&char::from(byte))
}

/// The next word of a command line; none at its end. An unknown escape is kept.
pub(crate) fn command_word(rest: &mut &str) -> std::result::Result<Option<String>, Unbalanced> {
    let mut strict = *rest;
    let word = match next_word(&mut strict, false) {
        Ok(word) => {
            *rest = strict;
            word
        }
        Err(Unbalanced) => next_word(rest, true)?,
    };
    Ok(word.map(|word| String::from_utf8_lossy(&word).into_owned()))
}

/// The next word; `rest` is what follows (extract_first_word() of systemd). An unknown escape is kept or an error.
fn next_word(rest: &mut &str, keeps_unknown: bool) -> std::result::Result<Option<Vec<u8>>, Unbalanced> {
    let text = rest.trim_start_matches(BLANKS);
    let bytes = text.as_bytes();
    if bytes.is_empty() {
        *rest = "";
        return Ok(None);
    }
    let (mut word, mut quote, mut at) = (Vec::new(), None, 0);
    while let Some(&byte) = bytes.get(at) {
        at += 1;
        match (byte, quote) {
            (b'\\', _) => match unescaped(&bytes[at..]) {
                Some((escaped, length)) => {
                    word.extend_from_slice(&escaped);
                    at += length;
                }
                None if keeps_unknown && (at < bytes.len() || quote.is_none()) => {
                    word.push(b'\\');
                    // The next byte is kept as well, even a quote.
                    word.extend(bytes.get(at));
                    at += 1;
                }
                None => return Err(Unbalanced),
            },
            (b'"' | b'\'', None) => quote = Some(byte),
            (_, Some(open)) if byte == open => quote = None,
            (_, None) if is_blank(byte) => break,
            _ => word.push(byte),
        }
    }
    if quote.is_some() {
        return Err(Unbalanced);
    }
    *rest = text.get(at.min(text.len())..).unwrap_or_default().trim_start_matches(BLANKS);
    Ok(Some(word))
}

/// The words of a variable's value: quotes group words, a backslash escapes the next character, and an open quote ends at
/// the end.
pub(crate) fn unquoted_words(value: &str) -> Vec<String> {
    let (mut all, mut word, mut quote) = (Vec::new(), None::<String>, None);
    let mut chars = value.chars();
    while let Some(char) = chars.next() {
        match (char, quote) {
            ('\\', _) => word.get_or_insert_default().extend(chars.next()),
            ('"' | '\'', None) => {
                quote = Some(char);
                word.get_or_insert_default();
            }
            (_, Some(open)) if char == open => quote = None,
            (blank, None) if BLANKS.contains(&blank) => all.extend(word.take()),
            _ => word.get_or_insert_default().push(char),
        }
    }
    all.extend(word);
    all
}

/// The value of an escape after its backslash, and its length (cunescape_one() of systemd).
fn unescaped(rest: &[u8]) -> Option<(Vec<u8>, usize)> {
    let number = |from: usize, digits: usize, radix: u32| {
        let text = std::str::from_utf8(rest.get(from..from + digits)?).ok()?;
        let is_plain = text.chars().all(|char| char.is_digit(radix));
        is_plain.then(|| u32::from_str_radix(text, radix).ok()).flatten().filter(|number| *number != 0)
    };
    let unicode = |digits: usize| {
        let char = char::from_u32(number(1, digits, 16)?)?;
        Some((char.to_string().into_bytes(), 1 + digits))
    };
    let plain = |byte: u8| Some((vec![byte], 1));
    match rest.first()? {
        b'a' => plain(7),
        b'b' => plain(8),
        b'f' => plain(12),
        b'n' => plain(b'\n'),
        b'r' => plain(b'\r'),
        b't' => plain(b'\t'),
        b'v' => plain(11),
        b's' => plain(b' '),
        own @ (b'\\' | b'"' | b'\'') => plain(*own),
        b'x' => Some((vec![u8::try_from(number(1, 2, 16)?).ok()?], 3)),
        b'u' => unicode(4),
        b'U' => unicode(8),
        _ => Some((vec![u8::try_from(number(0, 3, 8)?).ok()?], 3)),
    }
}

/// The variables in a value of `Environment=`, as `(NAME, VALUE)` with their specifiers. Words that are not assignments are
/// left out, and so is everything after an unbalanced quote.
pub fn variables(value: &str) -> Vec<(String, String)> {
    let (mut rest, mut all) = (value, Vec::new());
    while let Ok(Some(word)) = next_word(&mut rest, false) {
        let Ok(word) = String::from_utf8(word) else { continue };
        if let Some((name, value)) = word.split_once('=').filter(|(name, _)| is_variable_name(name)) {
            all.push((name.to_owned(), value.to_owned()));
        }
    }
    all
}

/// Whether this is a valid name of a variable.
pub(crate) fn is_variable_name(name: &str) -> bool {
    let is_valid = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    name.bytes().all(is_valid) && name.bytes().next().is_some_and(|first| !first.is_ascii_digit())
}

/// Quotes the assignment `"NAME=VALUE"` for `Environment=`, so that systemd reads exactly this value.
pub fn quoted_variable(name: &str, value: &str) -> String {
    format!("\"{name}={}\"", value.replace('\\', "\\\\").replace('"', "\\\"").replace('%', "%%"))
}

/// Quotes the path of a program as the first word of `ExecStart=`, where systemd replaces no variables.
///
/// Errors: exit 4 for a path that systemd cannot read with any quoting.
pub fn quoted_path(path: &str) -> Result<String> {
    if path.contains(|char: char| char.is_control() || "\"'\\".contains(char)) {
        let what = format!("cannot use {path:?} in a unit: it contains a quote, a backslash or a control character");
        return Err(Error::refused(what).hint("move the program to a path without these characters"));
    }
    let escaped = path.replace('%', "%%");
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+".contains(c);
    Ok(if path.chars().all(is_plain) { escaped } else { format!("\"{escaped}\"") })
}

/// Quotes an argument for `ExecStart=`, so that systemd passes exactly this text: it replaces `%` and `$` also in quotes.
///
/// Errors: exit 4 for a text with a control character.
pub fn quoted_argument(text: &str) -> Result<String> {
    if text.chars().any(char::is_control) {
        return Err(Error::refused(format!("cannot use {text:?} in a unit: it contains a control character")));
    }
    let escaped = text.replace('%', "%%").replace('$', "$$");
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+=:,@%$".contains(c);
    let quoted = || format!("\"{}\"", escaped.replace('\\', "\\\\").replace('"', "\\\""));
    Ok(if !text.is_empty() && text.chars().all(is_plain) { escaped } else { quoted() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_unquoted_and_unescaped() {
        let of = |value: &str| -> Vec<String> {
            variables(value).into_iter().map(|(name, value)| format!("{name}={value}")).collect()
        };
        for (value, want) in [
            ("A=1 B=2", &["A=1", "B=2"] as &[&str]),
            ("\"A=1 2\" 'B=x y' C=\"d e\"f", &["A=1 2", "B=x y", "C=d ef"]),
            ("D=a\\tb F=\\x41\\u00e4\\101", &["D=a\tb", "F=A\u{e4}A"]),
            ("'A=it\\'s' B=\\\"q\\\"", &["A=it's", "B=\"q\""]),
            ("1G=x H=1 ; =I J", &["H=1"]),
            ("K=a L=\\q M=2", &["K=a"]),
            ("K=a \"L=1", &["K=a"]),
            ("K=a L=\\", &["K=a"]),
            ("K=\\xff L=1 M=\\x00 N=1", &["L=1"]),
            ("A=\\400 B=1", &[]),
            ("", &[]),
        ] {
            assert_eq!(of(value), want, "{value}");
        }
    }

    #[test]
    fn quoted_argument_is_one_word() {
        for (text, want) in [
            ("--config=/etc/a.yaml", "--config=/etc/a.yaml"),
            ("", "\"\""),
            (";", "\";\""),
            ("a b", "\"a b\""),
            ("$HOME 5%", "\"$$HOME 5%%\""),
            ("say \"it\" \\n", "\"say \\\"it\\\" \\\\n\""),
            ("'", "\"'\""),
        ] {
            let quoted = quoted_argument(text).unwrap();
            assert_eq!(quoted, want);
            let word = command_word(&mut quoted.as_str()).unwrap().unwrap();
            assert_eq!(word.replace("$$", "$").replace("%%", "%"), text);
        }
        assert!(quoted_argument("a\nb").is_err());
    }

    #[test]
    fn command_word_keeps_an_unknown_escape() {
        let mut rest = "a\\qb \"c\"'d' \\x2d \"a;b\"  ";
        let mut words = Vec::new();
        while let Some(word) = command_word(&mut rest).unwrap() {
            words.push(word);
        }
        assert_eq!(words, ["a\\qb", "cd", "-", "a;b"]);
        assert_eq!(command_word(&mut "\"open"), Err(Unbalanced));
        assert_eq!(command_word(&mut "\"open\\q"), Err(Unbalanced));
    }

    #[test]
    fn quoted_variable_is_read_as_the_same_value() {
        for value in ["", "1", "50% \"x\\y\"", "a b", "it's \u{e4}", "\\x41", "%%i"] {
            let read = variables(&quoted_variable("A", value));
            assert_eq!(crate::name::expanded(&read[0].1, "a.service").as_deref(), Some(value));
            assert_eq!(read.len(), 1);
        }
    }

    #[test]
    fn quoted_path_is_read_as_the_same_path() {
        for (path, want) in [
            ("/usr/local/bin/edge-redirect", "/usr/local/bin/edge-redirect"),
            ("/opt/edge utils/x", "\"/opt/edge utils/x\""),
            ("/opt/100%/x", "\"/opt/100%%/x\""),
            ("/opt/$HOME/x", "\"/opt/$HOME/x\""),
            ("/opt/;/x", "\"/opt/;/x\""),
        ] {
            assert_eq!(quoted_path(path).unwrap(), want);
        }
        for path in ["/opt/a\nExecStart=/b", "/opt/\"q\"/x", "/opt/it's/x", "/opt/a\\b"] {
            assert!(quoted_path(path).unwrap_err().to_string().contains("in a unit"), "{path}");
        }
    }
}
