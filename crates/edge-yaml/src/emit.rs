//! Writes new values.

use crate::Error;
use serde_yaml::Value;
use std::fmt::Write;

/// Where a scalar is to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// After `key: ` or `- `.
    Block,
    /// In brackets.
    Flow,
    /// As a key; the rules of both other places hold.
    Key,
}

/// Which quotes a string gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Quotes {
    /// None, unless it would not be read back as the same string.
    AsNeeded,
    /// `'…'`, unless it cannot be written so.
    Single,
    /// `"…"`
    Double,
}

/// The style of a document.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Style {
    /// Columns from a mapping to a mapping in it.
    pub(crate) step: usize,
    /// Columns from a mapping to a sequence in it; 0 for `key:` over `- item`.
    pub(crate) sequence_step: usize,
    pub(crate) eol: &'static str,
    pub(crate) multi: Multi,
}

/// How a new string of several lines is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Multi {
    /// As a literal block, if that can hold it.
    Literal,
    /// In quotes, because a deep comment below would become part of a literal.
    Quoted,
}

/// Whether a string without quotes is a string to every reader, of YAML 1.1 and 1.2.
pub(crate) fn is_plain(text: &str, place: Place) -> bool {
    let bytes = text.as_bytes();
    let (Some(&first), Some(&last)) = (bytes.first(), bytes.last()) else {
        return false;
    };
    // Most keys are one word; the rules below are for the rest.
    if first.is_ascii_alphabetic() && bytes.len() > 5 && bytes.iter().all(u8::is_ascii_alphabetic) {
        return bytes.len() <= 120 && !text.eq_ignore_ascii_case("infinity");
    }
    if matches!(
        first,
        b' ' | b'?'
            | b':'
            | b','
            | b'['
            | b']'
            | b'{'
            | b'}'
            | b'#'
            | b'&'
            | b'*'
            | b'!'
            | b'|'
            | b'>'
            | b'\''
            | b'"'
            | b'%'
            | b'@'
            | b'`'
    ) || matches!(last, b' ' | b':')
        || (first == b'-' && matches!(bytes.get(1), None | Some(b' ' | b'-')))
        || text.starts_with("...")
        || text.contains(": ")
        || text.contains(" #")
        || text.chars().any(|c| c.is_control() || is_unprintable(c))
        || (text.len() > 120 && place == Place::Key)
    {
        return false;
    }
    if place != Place::Block && text.contains([',', '[', ']', '{', '}', '"', '\'']) {
        return false;
    }
    !is_ambiguous(text)
}

/// Whether some reader takes this text without quotes for something else than a string.
pub(crate) fn is_ambiguous(text: &str) -> bool {
    is_word(text) || is_number(text) || is_date(text) || matches!(text, "=" | "<<")
}

/// Null and boolean, as YAML 1.1 has them.
fn is_word(text: &str) -> bool {
    const WORDS: [&str; 10] = ["null", "true", "false", "yes", "no", "on", "off", "y", "n", "~"];
    WORDS.iter().any(|word| word.eq_ignore_ascii_case(text))
}

/// Anything that some reader may take for a number: 0x10, 0o7, 1_000, 12:30:45, 1e3, .5, .inf
fn is_number(text: &str) -> bool {
    let text = text.strip_prefix(['-', '+']).unwrap_or(text);
    let lower = text.to_ascii_lowercase();
    if matches!(lower.as_str(), "" | "." | ".inf" | ".nan" | "inf" | "nan" | "infinity") {
        return true;
    }
    if let Some(digits) = ["0x", "0o", "0b"].iter().find_map(|p| lower.strip_prefix(p)) {
        return digits.bytes().all(|b| b.is_ascii_hexdigit() || b == b'_');
    }
    let (mantissa, exponent) = lower.split_once('e').unwrap_or((&lower, "0"));
    let exponent = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
    exponent.bytes().all(|b| b.is_ascii_digit() || b == b'_')
        && mantissa.bytes().filter(|&b| b == b'.').count() <= 1
        && mantissa.bytes().any(|b| b.is_ascii_digit())
        && mantissa.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'_' | b':' | b'.'))
}

/// Begins like 2026-08-21.
fn is_date(text: &str) -> bool {
    let mut parts = text.splitn(3, '-');
    let digits = |part: Option<&str>, most: usize| {
        part.is_some_and(|p| (1..=most).contains(&p.len()) && p.bytes().all(|b| b.is_ascii_digit()))
    };
    text.get(..4).is_some_and(|year| digits(Some(year), 4))
        && digits(parts.next(), 4)
        && digits(parts.next(), 2)
        && parts.next().is_some_and(|day| day.starts_with(|c: char| c.is_ascii_digit()))
}

fn is_unprintable(c: char) -> bool {
    matches!(c, '\u{85}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}

/// A string on one line.
pub(crate) fn string(text: &str, place: Place, quotes: Quotes) -> String {
    let escapes = text.chars().any(|c| c.is_control() || is_unprintable(c));
    if quotes == Quotes::AsNeeded && is_plain(text, place) {
        return text.to_owned();
    }
    let single = quotes == Quotes::Single || (quotes == Quotes::AsNeeded && text.contains(['"', '\\']));
    if single && !escapes {
        return format!("'{}'", text.replace('\'', "''"));
    }
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            // Writing to a String cannot fail.
            c if c.is_control() || is_unprintable(c) => {
                let _ = write!(out, "\\u{:04X}", c as u32);
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// A value on one line, in flow style when it is a collection.
pub(crate) fn inline(value: &Value, place: Place, quotes: Quotes) -> Result<String, Error> {
    let inner = match place {
        Place::Block => Place::Flow,
        other => other,
    };
    let inner_quotes = match quotes {
        Quotes::Double if place == Place::Flow => Quotes::Double,
        _ => Quotes::AsNeeded,
    };
    Ok(match value {
        Value::Null => "null".to_owned(),
        Value::Bool(b) => b.to_string(),
        Value::Number(n) => n.to_string(),
        Value::String(s) => string(s, place, quotes),
        Value::Sequence(items) => {
            let items: Result<Vec<_>, _> = items.iter().map(|item| inline(item, inner, inner_quotes)).collect();
            format!("[{}]", items?.join(", "))
        }
        Value::Mapping(map) => {
            let pairs: Result<Vec<_>, _> = map
                .iter()
                .map(|(k, v)| {
                    let key = key(k, inner_quotes)?;
                    Ok(format!("{key}: {}", inline(v, inner, inner_quotes)?))
                })
                .collect();
            format!("{{{}}}", pairs?.join(", "))
        }
        Value::Tagged(_) => return Err(unwritable("a tagged value")),
    })
}

/// A key, without its colon.
pub(crate) fn key(key: &Value, quotes: Quotes) -> Result<String, Error> {
    match key {
        Value::Sequence(_) | Value::Mapping(_) => Err(unwritable("a collection as a key")),
        key => inline(key, Place::Key, quotes),
    }
}

fn unwritable(what: &str) -> Error {
    Error::Unproven { reason: format!("{what} cannot be set") }
}

/// Whether block style gives this value lines of its own.
pub(crate) fn wants_lines(value: &Value, style: Style) -> bool {
    match value {
        Value::Mapping(map) => !map.is_empty(),
        Value::Sequence(items) => !items.is_empty(),
        Value::String(text) => style.multi == Multi::Literal && literal_header(text, 2).is_some(),
        _ => false,
    }
}

/// The header of a literal block for this string, indented by `relative` columns, if it has one.
/// Only strings with a line break have one.
fn literal_header(text: &str, relative: usize) -> Option<String> {
    let body = text.strip_suffix('\n').unwrap_or(text);
    // Two line ends at the end would need `|+`, which takes in blank lines that follow.
    let fits = text.contains('\n') && !body.is_empty() && !body.ends_with('\n');
    fits.then(|| header(text, relative)).flatten()
}

/// Whether block style ends this value with a literal with a significant last line break.
pub(crate) fn ends_with_literal(value: &Value, style: Style) -> bool {
    match value {
        Value::String(text) => text.ends_with('\n') && wants_lines(value, style),
        Value::Mapping(map) => map.values().last().is_some_and(|v| ends_with_literal(v, style)),
        Value::Sequence(items) => items.last().is_some_and(|v| ends_with_literal(v, style)),
        _ => false,
    }
}

/// The header for any string that a literal block can hold.
fn header(text: &str, relative: usize) -> Option<String> {
    let odd = |c: char| (c.is_control() && c != '\n' && c != '\t') || is_unprintable(c);
    // The last line must not be white space alone: readers differ on it.
    let last = text.trim_end_matches('\n').rsplit('\n').next().unwrap_or("");
    if text.chars().any(odd) || last.trim_matches([' ', '\t']).is_empty() {
        return None;
    }
    let digit = match text.starts_with([' ', '\t', '\n']) {
        false => String::new(),
        true if (1..=9).contains(&relative) => relative.to_string(),
        true => return None,
    };
    let chomp = match text.bytes().rev().take_while(|&b| b == b'\n').count() {
        0 => "-",
        1 => "",
        _ => "+",
    };
    Some(format!("|{digit}{chomp}"))
}

/// A literal block with its content at `column`, for a parent at `parent`: header and lines.
pub(crate) fn literal(text: &str, column: usize, parent: usize, eol: &str) -> Option<(String, String)> {
    let header = header(text, column.checked_sub(parent)?)?;
    let mut lines = String::new();
    for line in text.strip_suffix('\n').unwrap_or(text).split('\n') {
        lines.push_str(eol);
        if !line.is_empty() {
            lines.extend(std::iter::repeat_n(' ', column));
            lines.push_str(line);
        }
    }
    Some((header, lines))
}

/// Writes a value after the `:` of a key at `column`, over as many lines as it takes.
pub(crate) fn after_key(out: &mut String, value: &Value, column: usize, style: Style) -> Result<(), Error> {
    let inner = match value {
        Value::Sequence(_) => column + style.sequence_step,
        _ => column + style.step,
    };
    match value {
        Value::Mapping(map) if !map.is_empty() => {
            break_line(out, inner, style);
            block(out, value, inner, style)
        }
        Value::Sequence(items) if !items.is_empty() => {
            break_line(out, inner, style);
            block(out, value, inner, style)
        }
        value => {
            out.push(' ');
            line_or_literal(out, value, inner, column, style)
        }
    }
}

fn line_or_literal(out: &mut String, value: &Value, inner: usize, column: usize, style: Style) -> Result<(), Error> {
    if let Value::String(text) = value {
        let fits = style.multi == Multi::Literal && literal_header(text, inner - column).is_some();
        if let Some((header, lines)) = literal(text, inner, column, style.eol).filter(|_| fits) {
            out.push_str(&header);
            out.push_str(&lines);
            return Ok(());
        }
    }
    out.push_str(&inline(value, Place::Block, Quotes::AsNeeded)?);
    Ok(())
}

/// Writes a collection in block style, the first line where `out` ends, the others at `column`.
pub(crate) fn block(out: &mut String, value: &Value, column: usize, style: Style) -> Result<(), Error> {
    match value {
        Value::Mapping(map) => {
            for (i, (k, v)) in map.iter().enumerate() {
                if i > 0 {
                    break_line(out, column, style);
                }
                out.push_str(&key(k, Quotes::AsNeeded)?);
                out.push(':');
                after_key(out, v, column, style)?;
            }
            Ok(())
        }
        Value::Sequence(items) => {
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    break_line(out, column, style);
                }
                out.push_str("- ");
                item_value(out, item, column, style)?;
            }
            Ok(())
        }
        value => line_or_literal(out, value, column, column, style),
    }
}

/// Writes a value after a dash at `column`.
pub(crate) fn item_value(out: &mut String, value: &Value, column: usize, style: Style) -> Result<(), Error> {
    match value {
        Value::Mapping(_) | Value::Sequence(_) if wants_lines(value, style) => block(out, value, column + 2, style),
        value => line_or_literal(out, value, column + 2, column, style),
    }
}

fn break_line(out: &mut String, column: usize, style: Style) {
    out.push_str(style.eol);
    out.extend(std::iter::repeat_n(' ', column));
}
