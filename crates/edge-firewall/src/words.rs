//! The words of a rule, in the quoting of iptables-save.

use std::borrow::Cow;
use std::fmt::Write;

/// The words of a rule, without their quotes and escapes.
///
/// A word that begins with `"` ends at the next `"` without a backslash before it; a backslash escapes the next character.
/// All other words end at a space.
pub fn words(rule: &str) -> impl Iterator<Item = Cow<'_, str>> {
    let mut rest = rule;
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches(' ');
        if rest.is_empty() {
            return None;
        }
        let Some(quoted) = rest.strip_prefix('"') else {
            // Words are short: a search that prepares itself takes longer.
            let end = rest.bytes().position(|byte| byte == b' ').unwrap_or(rest.len());
            let (word, after) = rest.split_at(end);
            rest = after;
            return Some(Cow::Borrowed(word));
        };
        let end = end_of_quote(quoted).unwrap_or(quoted.len());
        let (word, after) = quoted.split_at(end);
        rest = after.strip_prefix('"').unwrap_or(after);
        Some(unescaped(word))
    })
}

/// The position of the closing quote, counted after the opening one.
pub(crate) fn end_of_quote(text: &str) -> Option<usize> {
    let mut escaped = false;
    // Neither byte is part of a longer character in UTF-8.
    text.bytes().position(|byte| {
        let closes = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        closes
    })
}

fn unescaped(word: &str) -> Cow<'_, str> {
    if !word.contains('\\') {
        return Cow::Borrowed(word);
    }
    let mut plain = String::with_capacity(word.len());
    let mut chars = word.chars();
    while let Some(c) = chars.next() {
        if c == '\\' { plain.extend(chars.next()) } else { plain.push(c) }
    }
    Cow::Owned(plain)
}

/// Quotes a value that may contain anything, such as a comment, like iptables-save.
pub fn quote(value: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !value.is_empty() && value.chars().all(is_plain) {
        return value.to_owned();
    }
    let mut quoted = String::with_capacity(value.len() + 2);
    quoted.push('"');
    for c in value.chars() {
        if ['"', '\\', '\''].contains(&c) {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted.push('"');
    quoted
}

/// Whether two rules are equal, word by word and whatever their quoting. `-m tcp` after `-p tcp` is redundant, and not every
/// version prints it.
pub fn same_rule(a: &str, b: &str) -> bool {
    a == b || significant_words(a).eq(significant_words(b))
}

/// The significant words of a rule as a key: equal for rules that are equal for [`same_rule`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct RuleKey(String);

pub(crate) fn rule_key(rule: &str) -> RuleKey {
    let mut key = String::with_capacity(rule.len() + 16);
    for word in significant_words(rule) {
        // The length separates words whatever they contain. Writing to a String cannot fail.
        let _ = write!(key, "{}:{word}", word.len());
    }
    RuleKey(key)
}

fn significant_words(rule: &str) -> impl Iterator<Item = Cow<'_, str>> {
    let mut words = words(rule).peekable();
    let mut protocol: Option<Cow<'_, str>> = None;
    let mut after_p = false;
    std::iter::from_fn(move || {
        loop {
            let word = words.next()?;
            if after_p {
                protocol = Some(word.clone());
            }
            after_p = word == "-p";
            if word == "-m" && protocol.is_some() && words.peek() == protocol.as_ref() {
                words.next();
                continue;
            }
            return Some(word);
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn list(rule: &str) -> Vec<String> {
        words(rule).map(Cow::into_owned).collect()
    }

    #[test]
    fn words_are_unquoted_and_unescaped() {
        assert_eq!(
            list(r#"-d 10.0.0.0/8 -m comment --comment "a \"q\" \\ \' x" -j ACCEPT"#),
            ["-d", "10.0.0.0/8", "-m", "comment", "--comment", r#"a "q" \ ' x"#, "-j", "ACCEPT"]
        );
        assert_eq!(list(""), [""; 0]);
        assert_eq!(list(r#"--comment "" -j X"#), ["--comment", "", "-j", "X"]);
    }

    #[test]
    fn same_rule_ignores_quoting_and_redundant_matches() {
        for (a, b, same) in [
            ("-p tcp -m tcp --dport 1 -j X", "-p tcp --dport 1 -j X", true),
            ("-p udp -m tcp --dport 1 -j X", "-p udp --dport 1 -j X", false),
            (r#"--comment "abc" -j X"#, "--comment abc -j X", true),
            ("-p tcp --dport 1 -j X", "-p tcp --dport 2 -j X", false),
            ("-p tcp -j X", "-p tcp -j X --random", false),
            ("-m tcp -j X", "-j X", false),
        ] {
            assert_eq!(same_rule(a, b), same, "{a} | {b}");
            assert_eq!(rule_key(a) == rule_key(b), same, "{a} | {b}");
        }
    }

    proptest! {
        #[test]
        fn quote_is_reverted_by_words(values in prop::collection::vec(".*", 0..6)) {
            let line = values.iter().map(|value| quote(value)).collect::<Vec<_>>().join(" ");
            prop_assert_eq!(list(&line), values);
        }
    }
}
