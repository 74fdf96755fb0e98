//! Patterns of names, such as `KUBE-SVC-{base32:16}`: what a program calls the things that it makes.
//!
//! A shape is narrower than a prefix, so that a name that another program chose is not taken for one of these.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::ops::Bound;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The longest pattern, and the largest number in one: names are shorter.
const LONGEST: usize = 255;

/// A pattern of names: text with `{hex:N}` (lowercase), `{base32:N}` (`A-Z` and `2-7`), `{digits}` (one or more), and `*`
/// at the end for anything.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pattern {
    /// The text before the first placeholder.
    front: String,
    rest: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Part {
    Text(String),
    Hex(usize),
    Base32(usize),
    Digits,
    /// Anything.
    Any,
}

impl Pattern {
    /// Matches only this name, whatever characters it contains.
    pub fn exactly(name: impl Into<String>) -> Pattern {
        Pattern { front: name.into(), rest: Vec::new() }
    }

    /// Matches every name with this prefix.
    pub fn beginning(prefix: impl Into<String>) -> Pattern {
        Pattern { front: prefix.into(), rest: vec![Part::Any] }
    }

    /// Whether it matches a name.
    pub fn matches(&self, name: &str) -> bool {
        name.strip_prefix(self.front.as_str()).is_some_and(|rest| self.matches_rest(rest))
    }

    /// The text that every name begins with.
    pub fn front(&self) -> &str {
        &self.front
    }

    /// Whether it matches only one name, which is [`Pattern::front`].
    pub fn is_exact(&self) -> bool {
        self.rest.is_empty()
    }

    fn matches_rest(&self, mut name: &str) -> bool {
        for part in &self.rest {
            let after = match part {
                Part::Text(text) => name.strip_prefix(text.as_str()),
                Part::Hex(count) => skip(name, *count, |byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)),
                Part::Base32(count) => {
                    skip(name, *count, |byte| byte.is_ascii_uppercase() || (b'2'..=b'7').contains(&byte))
                }
                Part::Digits => {
                    let after = name.trim_start_matches(|c: char| c.is_ascii_digit());
                    (after.len() < name.len()).then_some(after)
                }
                Part::Any => return true,
            };
            let Some(after) = after else { return false };
            name = after;
        }
        name.is_empty()
    }
}

/// The text after exactly so many bytes of a kind.
fn skip(name: &str, count: usize, is_kind: impl Fn(u8) -> bool) -> Option<&str> {
    let front = name.as_bytes().get(..count)?;
    front.iter().all(|byte| is_kind(*byte)).then(|| &name[count..])
}

impl FromStr for Pattern {
    type Err = String;

    /// Errors: what is wrong with the pattern.
    fn from_str(text: &str) -> Result<Pattern, String> {
        let fail = |what: &str| Err(format!("{text:?} is not a valid pattern: {what}"));
        if text.is_empty() || text.len() > LONGEST {
            return fail(&format!("it must have 1 to {LONGEST} characters"));
        }
        let mut parts = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            if rest == "*" {
                parts.push(Part::Any);
                break;
            }
            let end = rest.find(['{', '*', '}']).unwrap_or(rest.len());
            let (plain, after) = rest.split_at(end);
            if !plain.is_empty() {
                parts.push(Part::Text(plain.to_owned()));
            }
            rest = after;
            if let Some(inner) = after.strip_prefix('{') {
                let Some((placeholder, after)) = inner.split_once('}') else { return fail("a { without a }") };
                match placeholder_of(placeholder) {
                    Some(part) => parts.push(part),
                    None => return fail("placeholders are {hex:N}, {base32:N} and {digits}"),
                }
                rest = after;
            } else if after.starts_with('}') || after.len() > 1 {
                return fail("* is allowed only at the end, and } only after {");
            }
        }
        let front = match parts.first() {
            Some(Part::Text(text)) => text.clone(),
            Some(Part::Any) => return fail("it must not match every name"),
            _ => String::new(),
        };
        if !front.is_empty() {
            parts.remove(0);
        }
        Ok(Pattern { front, rest: parts })
    }
}

fn placeholder_of(text: &str) -> Option<Part> {
    let count = |number: &str| number.parse::<usize>().ok().filter(|number| (1..=LONGEST).contains(number));
    match text.split_once(':') {
        None if text == "digits" => Some(Part::Digits),
        Some(("hex", number)) => count(number).map(Part::Hex),
        Some(("base32", number)) => count(number).map(Part::Base32),
        _ => None,
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.front)?;
        self.rest.iter().try_for_each(|part| match part {
            Part::Text(text) => f.write_str(text),
            Part::Hex(count) => write!(f, "{{hex:{count}}}"),
            Part::Base32(count) => write!(f, "{{base32:{count}}}"),
            Part::Digits => f.write_str("{digits}"),
            Part::Any => f.write_str("*"),
        })
    }
}

impl TryFrom<String> for Pattern {
    type Error = String;

    fn try_from(text: String) -> Result<Pattern, String> {
        text.parse()
    }
}

impl From<Pattern> for String {
    fn from(pattern: Pattern) -> String {
        pattern.to_string()
    }
}

/// Values by pattern. A look-up takes the same time however many patterns there are.
#[derive(Debug, Clone)]
pub struct PatternMap<T> {
    exact: HashMap<String, T>,
    /// By the text before the first placeholder.
    shapes: BTreeMap<Vec<u8>, Vec<(Pattern, T)>>,
}

impl<T> Default for PatternMap<T> {
    fn default() -> PatternMap<T> {
        PatternMap { exact: HashMap::new(), shapes: BTreeMap::new() }
    }
}

impl<T> PatternMap<T> {
    /// Adds a value; of several with one pattern the first is found.
    pub fn insert(&mut self, pattern: Pattern, value: T) {
        if pattern.is_exact() {
            self.exact.entry(pattern.front).or_insert(value);
        } else {
            self.shapes.entry(pattern.front.clone().into_bytes()).or_default().push((pattern, value));
        }
    }

    /// The value for a name: of its exact pattern, else of the one with the longest text before its first placeholder.
    pub fn get(&self, name: &str) -> Option<&T> {
        self.exact.get(name).or_else(|| self.shape_of(name))
    }

    fn shape_of(&self, name: &str) -> Option<&T> {
        // The longest of the fronts that `name` begins with is the last one before it in order, or it begins with what
        // both have in common.
        let mut bound = name.as_bytes();
        loop {
            let range = (Bound::Unbounded, Bound::Included(bound));
            let (front, all) = self.shapes.range::<[u8], _>(range).next_back()?;
            let common = front.iter().zip(bound).take_while(|(one, other)| one == other).count();
            if common < front.len() {
                bound = &bound[..common];
                continue;
            }
            let rest = name.get(common..)?;
            if let Some((_, value)) = all.iter().find(|(pattern, _)| pattern.matches_rest(rest)) {
                return Some(value);
            }
            bound = &bound[..common.checked_sub(1)?];
        }
    }

    /// Whether nothing was added.
    pub fn is_empty(&self) -> bool {
        self.exact.is_empty() && self.shapes.is_empty()
    }
}

impl FromIterator<Pattern> for PatternMap<()> {
    fn from_iter<I: IntoIterator<Item = Pattern>>(patterns: I) -> PatternMap<()> {
        let mut map = PatternMap::default();
        patterns.into_iter().for_each(|pattern| map.insert(pattern, ()));
        map
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> Pattern {
        text.parse().unwrap()
    }

    #[test]
    fn patterns_match_whole_names_of_their_shape() {
        for (text, good, bad) in [
            ("KUBE-SERVICES", &["KUBE-SERVICES"][..], &["KUBE-SERVICES2", "KUBE-SERVICE", ""][..]),
            (
                "KUBE-SVC-{base32:16}",
                &["KUBE-SVC-ERIFXISQEP7F7OF4"],
                &["KUBE-SVC-ERIFXISQEP7F7OF", "KUBE-SVC-ERIFXISQEP7F7OF45", "KUBE-SVC-erifxisqep7f7of4", "KUBE-MYOWN"],
            ),
            ("CNI-{hex:4}", &["CNI-0a9f"], &["CNI-0A9F", "CNI-0a9", "CNI-FORWARD", "CNI-0a9fé"]),
            ("flannel.{digits}", &["flannel.1", "flannel.4096"], &["flannel.", "flannel.1a", "flannel1"]),
            ("cali-*", &["cali-", "cali-FORWARD"], &["calico-dhcp-x", "cali"]),
            ("{hex:2}-{hex:1}", &["0a-f"], &["0A-f", "0a-ff", "-0a-f"]),
            ("a{digits}-{hex:2}x*", &["a12-ffx", "a1-00xyz"], &["a-ffx", "a1-ff"]),
        ] {
            let pattern = pattern(text);
            assert_eq!(pattern.to_string(), text);
            assert!(good.iter().all(|name| pattern.matches(name)), "{text}");
            assert!(!bad.iter().any(|name| pattern.matches(name)), "{text}");
            let map: PatternMap<()> = [pattern].into_iter().collect();
            assert!(good.iter().all(|name| map.get(name).is_some()), "{text}");
            assert!(!bad.iter().any(|name| map.get(name).is_some()), "{text}");
        }
    }

    #[test]
    fn invalid_patterns_are_refused() {
        for text in ["", "*", "{hex:1", "a*b", "a{hex}", "a{hex:0}", "a{hex:999}", "a{octal:1}", "a{hex:1", "a}", "a**"]
        {
            let error = text.parse::<Pattern>().unwrap_err();
            assert!(error.contains("is not a valid pattern"), "{text}: {error}");
        }
    }

    #[test]
    fn map_prefers_the_exact_and_then_the_narrowest_pattern() {
        let mut map = PatternMap::default();
        for text in ["KUBE-*", "KUBE-SVC-{base32:2}", "KUBE-SVC-*", "KUBE-SVC-AA"] {
            map.insert(pattern(text), text);
        }
        for (name, want) in [
            ("KUBE-SVC-AA", Some("KUBE-SVC-AA")),
            ("KUBE-SVC-AB", Some("KUBE-SVC-{base32:2}")),
            ("KUBE-SVC-A", Some("KUBE-SVC-*")),
            ("KUBE-X", Some("KUBE-*")),
            ("KUB", None),
            ("é", None),
        ] {
            assert_eq!(map.get(name).copied(), want, "{name}");
        }
    }
}
