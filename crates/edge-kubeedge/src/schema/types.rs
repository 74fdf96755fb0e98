//! The types of the key table, and whether a value has a type.
//!
//! KubeEdge accepts more than it writes: a number where text belongs becomes text, `15.0` is a whole
//! number, `yes` is true. With a value of a wrong type it does not start.

use serde_yaml::{Number, Value};
use std::fmt;

/// The type of a key's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyType {
    /// true or false.
    Bool,
    /// A whole number, both ends included.
    Int {
        /// The smallest one.
        min: i64,
        /// The largest one.
        max: i64,
    },
    /// A number.
    Float,
    /// Text.
    Text,
    /// A length of time with its unit: `1m30s`.
    Duration,
    /// A duration, or a number of nanoseconds.
    Timespan,
    /// An amount: `100Mi`, `0.5`, `2k`.
    Quantity,
    /// One of these words, separated by `|`.
    Choice(&'static str),
    /// A list of this type.
    List(&'static str),
    /// The user's own keys, with values of this type.
    Map(&'static str),
    /// A section: keys with rows of their own.
    Object,
    /// Any value.
    Any,
}

const EMPTY: &str = "empty";

/// A value of the wrong type for its key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be {expected}, not {got}")]
pub struct TypeError {
    expected: String,
    got: String,
    hint: Option<String>,
}

impl TypeError {
    fn new(ty: KeyType, value: &Value) -> Self {
        Self { expected: ty.to_string(), got: describe(value), hint: None }
    }

    fn hint(mut self, hint: String) -> Self {
        self.hint = Some(hint);
        self
    }

    /// Whether there was no value at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.got == EMPTY
    }

    /// How to write the value correctly.
    #[must_use]
    pub fn right_form(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

impl KeyType {
    /// Reads the type field of a row.
    pub(super) fn parse(text: &'static str) -> Option<Self> {
        let int = |min, max| Some(Self::Int { min, max });
        match text {
            "bool" => Some(Self::Bool),
            "int32" => int(i64::from(i32::MIN), i64::from(i32::MAX)),
            "int64" => int(i64::MIN, i64::MAX),
            "uint8" => int(0, i64::from(u8::MAX)),
            "uint32" => int(0, i64::from(u32::MAX)),
            "float" => Some(Self::Float),
            "string" => Some(Self::Text),
            "duration" => Some(Self::Duration),
            "timespan" => Some(Self::Timespan),
            "quantity" => Some(Self::Quantity),
            "object" => Some(Self::Object),
            "any" => Some(Self::Any),
            _ => Self::parse_composite(text),
        }
    }

    fn parse_composite(text: &'static str) -> Option<Self> {
        let inside = |open, close| text.strip_prefix(open)?.strip_suffix(close);
        if let Some(element) = inside('[', ']') {
            Self::parse(element).map(|_| Self::List(element))
        } else if let Some(element) = inside('{', '}') {
            Self::parse(element).map(|_| Self::Map(element))
        } else if let Some((min, max)) = text.split_once("..") {
            Some(Self::Int { min: min.parse().ok()?, max: max.parse().ok()? })
        } else {
            text.contains('|').then_some(Self::Choice(text))
        }
    }

    /// The type of the elements of a list or a map.
    #[must_use]
    pub fn element(self) -> Option<Self> {
        match self {
            Self::List(element) | Self::Map(element) => Self::parse(element),
            _ => None,
        }
    }
}

impl fmt::Display for KeyType {
    /// For a message, after "must be".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Bool => f.write_str("true or false"),
            Self::Int { min: i64::MIN, max: i64::MAX } => f.write_str("a whole number"),
            Self::Int { min, max } => write!(f, "a whole number from {min} to {max}"),
            Self::Float => f.write_str("a number"),
            Self::Text => f.write_str("text"),
            Self::Duration => f.write_str("a duration such as 10s or 1m30s"),
            Self::Timespan => f.write_str("a duration such as 10s, or a number of nanoseconds"),
            Self::Quantity => f.write_str("an amount such as 100Mi or 0.5"),
            Self::Choice(words) => f.write_str(&words.replace('|', " or ")),
            Self::List("object") => f.write_str("a list of sections"),
            Self::List(_) => f.write_str("a list"),
            Self::Map("bool") => f.write_str("a mapping of names to true or false"),
            Self::Map(_) => f.write_str("a mapping of names to values"),
            Self::Object => f.write_str("a section"),
            Self::Any => f.write_str("a value"),
        }
    }
}

/// Checks whether KubeEdge accepts a value for a key of this type.
///
/// `null` is accepted everywhere, because it leaves the default. Whether a section may be `null` is up to
/// the check of the whole file.
///
/// # Errors
/// What the value must be.
pub fn check_type(ty: KeyType, value: &Value) -> Result<(), TypeError> {
    let wrong = || Err(TypeError::new(ty, value));
    let fits = match (ty, value) {
        (_, Value::Null) | (KeyType::Any, _) | (KeyType::Bool, Value::Bool(_)) => true,
        (KeyType::Bool, Value::String(text)) => yaml_1_1_bool(text).is_some(),
        (KeyType::Int { min, max }, Value::Number(number)) => {
            whole(number).is_some_and(|number| (i128::from(min)..=i128::from(max)).contains(&number))
        }
        (KeyType::Timespan, Value::Number(number)) => whole(number).is_some(),
        (KeyType::Float | KeyType::Quantity, Value::Number(_)) => true,
        (KeyType::Text, Value::String(_) | Value::Number(_) | Value::Bool(_)) => true,
        (KeyType::Duration | KeyType::Timespan, Value::String(text)) => is_duration(text),
        (KeyType::Quantity, Value::String(text)) => is_quantity(text),
        (KeyType::Choice(words), Value::String(text)) => words.split('|').any(|word| word == text),
        (KeyType::List(_), Value::Sequence(elements)) => return each(ty, elements.iter()),
        (KeyType::Map(_), Value::Mapping(entries)) => return each(ty, entries.values()),
        (KeyType::Object, Value::Mapping(_)) => true,
        _ => false,
    };
    if fits { Ok(()) } else { wrong() }
}

fn each<'a>(ty: KeyType, mut elements: impl Iterator<Item = &'a Value>) -> Result<(), TypeError> {
    let element = ty.element().unwrap_or(KeyType::Any);
    elements
        .try_for_each(|value| check_type(element, value))
        .map_err(|error| TypeError { expected: format!("{ty} in which each element is {}", error.expected), ..error })
}

/// Converts text from the command line to a value: parsed as YAML, then converted to the type.
///
/// # Errors
/// What the value must be, and how to write it.
pub fn typed(ty: KeyType, text: &str) -> Result<Value, TypeError> {
    let parsed = edge_yaml::value(text);
    if ty == KeyType::Text {
        return as_text(text, parsed.ok());
    }
    let value = parsed.map_err(|_| TypeError::new(ty, &Value::String(text.to_owned())))?;
    fitted(ty, as_go(ty, text, value))
}

/// A number in a form of YAML 1.1, such as 017 or 1_5, as KubeEdge reads it in a file.
fn as_go(ty: KeyType, text: &str, value: Value) -> Value {
    if !matches!((ty, &value), (KeyType::Int { .. } | KeyType::Float | KeyType::Timespan, Value::String(_))) {
        return value;
    }
    edge_yaml::read(text).ok().filter(Value::is_number).unwrap_or(value)
}

/// Text is taken as it is typed, so that `[::1]:10004`, `10` and `yes` need no quotes.
fn as_text(text: &str, parsed: Option<Value>) -> Result<Value, TypeError> {
    let quoted = text.starts_with(['"', '\'']);
    match parsed {
        Some(Value::String(inner)) if quoted => Ok(Value::String(inner)),
        Some(Value::Null) if text == "null" => Ok(Value::Null),
        Some(value @ (Value::Sequence(_) | Value::Mapping(_))) if text.starts_with(['[', '{', '-']) => {
            Err(TypeError::new(KeyType::Text, &value)
                .hint("to set it as text, quote it twice: PATH='\"VALUE\"'".to_owned()))
        }
        _ => Ok(Value::String(text.to_owned())),
    }
}

fn fitted(ty: KeyType, value: Value) -> Result<Value, TypeError> {
    match (ty, value) {
        (_, Value::Null) => Err(TypeError::new(ty, &Value::Null)),
        (KeyType::Bool, Value::String(text)) => {
            yaml_1_1_bool(&text).map(Value::Bool).ok_or_else(|| TypeError::new(ty, &Value::String(text)))
        }
        (KeyType::Text, value @ (Value::Number(_) | Value::Bool(_))) => Ok(Value::String(scalar(&value))),
        (KeyType::List(_), Value::Sequence(elements)) => {
            let element = ty.element().unwrap_or(KeyType::Any);
            let elements: Result<_, _> = elements.into_iter().map(|value| fitted(element, value)).collect();
            elements.map(Value::Sequence)
        }
        (KeyType::List(_), value @ (Value::String(_) | Value::Number(_) | Value::Bool(_))) => one_element(ty, value),
        (KeyType::Map(_), Value::Mapping(entries)) => {
            let element = ty.element().unwrap_or(KeyType::Any);
            let entries: Result<_, _> = entries
                .into_iter()
                .map(|(key, value)| fitted(element, value).map(|value| (Value::String(scalar(&key)), value)))
                .collect();
            entries.map(Value::Mapping)
        }
        (KeyType::Map(_), value) => {
            Err(TypeError::new(ty, &value)
                .hint("write {name: value}, or set a single name: PATH.NAME=VALUE".to_owned()))
        }
        (ty, value) => check_type(ty, &value).map(|()| value),
    }
}

/// A single value for a list becomes a list of one, unless it looks like several.
fn one_element(ty: KeyType, value: Value) -> Result<Value, TypeError> {
    let text = scalar(&value);
    if ty == KeyType::List("object") || text.is_empty() || text.contains([',', ' ', ';']) {
        let parts: Vec<&str> = text.split([',', ' ', ';']).filter(|part| !part.is_empty()).collect();
        return Err(TypeError::new(ty, &value).hint(format!("write [{}]", parts.join(", "))));
    }
    fitted(ty.element().unwrap_or(KeyType::Any), value).map(|value| Value::Sequence(vec![value]))
}

/// A plain word that KubeEdge's YAML 1.1 parser reads as a boolean; in quotes it is text.
#[must_use]
pub fn yaml_1_1_bool(text: &str) -> Option<bool> {
    let any = |words: &[&str]| words.contains(&text);
    if any(&["y", "Y", "yes", "Yes", "YES", "on", "On", "ON"]) {
        Some(true)
    } else if any(&["n", "N", "no", "No", "NO", "off", "Off", "OFF"]) {
        Some(false)
    } else {
        None
    }
}

/// The number, if it is a whole one: KubeEdge reads `15.0` as 15.
fn whole(number: &Number) -> Option<i128> {
    if let Some(number) = number.as_i64() {
        return Some(i128::from(number));
    }
    if let Some(number) = number.as_u64() {
        return Some(i128::from(number));
    }
    // Rust writes floats without an exponent, so the text of a whole one is its digits.
    let text = format!("{}", number.as_f64().filter(|number| number.is_finite())?);
    text.parse().ok()
}

/// Go's grammar of a duration: `0`, or numbers each with a unit, after an optional sign.
pub fn is_duration(text: &str) -> bool {
    let mut rest = text.strip_prefix(['-', '+']).unwrap_or(text);
    if rest == "0" {
        return true;
    }
    if rest.is_empty() {
        return false;
    }
    while !rest.is_empty() {
        let unsigned = rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
        let number = &rest[..rest.len() - unsigned.len()];
        let is_number = number.contains(|c: char| c.is_ascii_digit()) && number.matches('.').count() <= 1;
        let after = ["ns", "us", "µs", "μs", "ms", "s", "m", "h"].iter().find_map(|unit| unsigned.strip_prefix(unit));
        match after {
            Some(after) if is_number => rest = after,
            _ => return false,
        }
    }
    true
}

/// Kubernetes' grammar of an amount: a number, then nothing, a suffix or an exponent.
pub(crate) fn is_quantity(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let suffix = unsigned.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    let number = &unsigned[..unsigned.len() - suffix.len()];
    let is_number = number.contains(|c: char| c.is_ascii_digit()) && number.matches('.').count() <= 1;
    let exponent = suffix.strip_prefix(['e', 'E']).and_then(|e| e.parse::<i16>().ok());
    is_number
        && (exponent.is_some()
            || ["", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"].contains(&suffix))
}

fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Bool(truth) => truth.to_string(),
        Value::Number(number) => number.to_string(),
        _ => String::new(),
    }
}

fn describe(value: &Value) -> String {
    match value {
        Value::Null => EMPTY.to_owned(),
        Value::String(text) => format!("\"{}\"", text.chars().take(60).collect::<String>().escape_debug()),
        Value::Sequence(_) => "a list".to_owned(),
        Value::Mapping(_) => "a section".to_owned(),
        Value::Tagged(tagged) => format!("a value with the tag {}", tagged.tag),
        scalar_value => scalar(scalar_value),
    }
}

#[cfg(test)]
mod tests;
