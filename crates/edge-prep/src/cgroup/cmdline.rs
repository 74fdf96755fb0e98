//! The kernel's command line by token: its option for the memory cgroup, and adding or removing one
//! token without changing any other byte.
//!
//! The kernel reads the tokens from left to right, so of `cgroup_enable=` and `cgroup_disable=` the
//! last one takes effect. What follows a single `--` is for init and not for the kernel: a token is
//! added before it.

use std::ops::Range;

use edge_host::{Editor, Error, Result};
use serde_json::{Value, json};

/// The token that turns the memory cgroup on.
pub const ENABLE: &str = "cgroup_enable=memory";
/// The token that turns it off.
pub const DISABLE: &str = "cgroup_disable=memory";
/// The editor that removes the token from a file that is one command line.
pub const EDITOR: &str = "kernel-command-line";
/// Boot firmware and kernels read no more than this.
const MAX_BYTES: usize = 4096;
/// The effect of `memory` in the list of each key.
const KEYS: [(&str, MemoryOption); 2] =
    [("cgroup_enable", MemoryOption::Enabled), ("cgroup_disable", MemoryOption::Disabled)];
const CONTROLLER: &str = "memory";
/// Ends the kernel's own tokens.
const END_OF_KERNEL: &str = "--";

/// A command line's option for the memory cgroup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemoryOption {
    /// The last option enables it.
    Enabled,
    /// The last option disables it.
    Disabled,
    /// There is none: the kernel uses its default.
    Unset,
    /// The command line was not found, so its option is not known.
    Unknown,
}

/// A file that is one command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OneLine<'t> {
    /// The line without its ending.
    pub body: &'t str,
    /// The rest: nothing, LF, CRLF, or blank lines.
    pub end: &'t str,
}

impl<'t> OneLine<'t> {
    /// The one line of a file; anything else is refused with a cause that fits after `cannot edit FILE: `.
    pub fn parse(bytes: &'t [u8]) -> Result<OneLine<'t>> {
        if bytes.len() > MAX_BYTES {
            let text = format!("it has {} bytes, and a command line may have {MAX_BYTES}", bytes.len());
            return Err(Error::refused(text)
                .hint("shorten it to one line with the kernel's options, then run the command again"));
        }
        if bytes.contains(&0) {
            return Err(damaged("it contains NUL bytes, as after a power cut"));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| damaged("it is not UTF-8 text"))?;
        let cut = text.find(['\n', '\r']).unwrap_or(text.len());
        let (body, end) = text.split_at(cut);
        if !end.trim().is_empty() {
            let lines = text.lines().filter(|line| !line.trim().is_empty()).count().max(2);
            return Err(Error::refused(format!("it has {lines} lines, and only the first one is read at boot"))
                .hint("join the lines or remove those that are not options, then run the command again"));
        }
        if body.contains(|c: char| c.is_control() && c != '\t') {
            return Err(damaged("it contains control characters"));
        }
        if body.matches('"').count() % 2 == 1 {
            return Err(damaged("it has an unclosed quotation mark"));
        }
        Ok(OneLine { body, end })
    }

    /// The same; an empty line is refused too.
    pub fn parse_filled(bytes: &'t [u8]) -> Result<OneLine<'t>> {
        let line = OneLine::parse(bytes)?;
        if line.body.trim().is_empty() {
            return Err(damaged("it is empty"));
        }
        Ok(line)
    }
}

fn damaged(what: &str) -> Error {
    Error::refused(what).hint("repair the file first: the machine may not boot with it")
}

/// The ranges of the tokens. White space inside quotation marks does not separate them.
pub fn tokens(line: &str) -> Vec<Range<usize>> {
    let mut tokens = Vec::new();
    let (mut start, mut quoted) = (None, false);
    for (at, c) in line.char_indices() {
        match c {
            ' ' | '\t' if !quoted => {
                if let Some(from) = start.take() {
                    tokens.push(from..at);
                }
            }
            _ => {
                quoted ^= c == '"';
                start.get_or_insert(at);
            }
        }
    }
    tokens.extend(start.map(|from| from..line.len()));
    tokens
}

/// The ranges of the tokens before a `--`, which are the kernel's own.
fn kernel_tokens(line: &str) -> Vec<Range<usize>> {
    let mut all = tokens(line);
    if let Some(end) = all.iter().position(|token| &line[token.clone()] == END_OF_KERNEL) {
        all.truncate(end);
    }
    all
}

/// The line's option for the memory cgroup: the last one.
pub fn memory_option(line: &str) -> MemoryOption {
    kernel_tokens(line).iter().rev().find_map(|token| option_of(&line[token.clone()])).unwrap_or(MemoryOption::Unset)
}

/// The option in one token. The kernel reads `-` in a name as `_`, and a value may be quoted.
fn option_of(token: &str) -> Option<MemoryOption> {
    let (key, value) = token.trim_matches('"').split_once('=')?;
    let key = key.replace('-', "_");
    let (_, option) = KEYS.iter().find(|(name, _)| *name == key)?;
    value.trim_matches('"').split(',').any(|name| name == CONTROLLER).then_some(*option)
}

/// How often exactly this token is among the kernel's own.
pub fn count(line: &str, token: &str) -> usize {
    kernel_tokens(line).into_iter().filter(|range| &line[range.clone()] == token).count()
}

/// Whether a token disables the memory cgroup together with other controllers.
pub fn disables_in_list(line: &str) -> bool {
    let disables = |token: &Range<usize>| {
        let token = &line[token.clone()];
        token != DISABLE && option_of(token) == Some(MemoryOption::Disabled)
    };
    kernel_tokens(line).iter().any(disables)
}

/// The line with the enabling token after the kernel's last one.
pub fn append(line: &str) -> String {
    match kernel_tokens(line).last() {
        Some(last) => format!("{} {ENABLE}{}", &line[..last.end], &line[last.end..]),
        None if line.is_empty() => ENABLE.to_owned(),
        None => format!("{ENABLE} {line}"),
    }
}

/// The line without the last enabling token and the white space before it; none where there is
/// none.
pub fn remove_last(line: &str) -> Option<String> {
    let token = kernel_tokens(line).into_iter().rfind(|token| &line[token.clone()] == ENABLE)?;
    let (mut start, mut end) = (token.start, token.end);
    if line[..start].ends_with([' ', '\t']) {
        start -= 1;
    } else if line[end..].starts_with([' ', '\t']) {
        end += 1;
    }
    Some(format!("{}{}", &line[..start], &line[end..]))
}

/// The line with each token `from` replaced by `to`.
pub fn replace(line: &str, from: &str, to: &str) -> String {
    let mut text = String::with_capacity(line.len());
    let mut copied = 0;
    for token in kernel_tokens(line).into_iter().filter(|token| &line[token.clone()] == from) {
        text.push_str(&line[copied..token.start]);
        text.push_str(to);
        copied = token.end;
    }
    text.push_str(&line[copied..]);
    text
}

/// What [`TokenEditor`] needs to know about the line before the edit.
pub fn record(before: &str) -> Value {
    json!({"added": ENABLE, "before": count(before, ENABLE)})
}

/// Removes our token from a command line that has changed since.
#[derive(Debug, Clone, Copy)]
pub struct TokenEditor;

impl Editor for TokenEditor {
    fn kind(&self) -> &'static str {
        EDITOR
    }

    fn revert(&self, now: &[u8], data: &Value) -> Result<Vec<u8>> {
        let line = OneLine::parse(now)?;
        // Tokens from before the edit stay: without one more than those, ours is already removed.
        let before = data["before"].as_u64().unwrap_or_default();
        if count(line.body, ENABLE) as u64 <= before {
            return Ok(now.to_vec());
        }
        let body = remove_last(line.body).unwrap_or_else(|| line.body.to_owned());
        Ok(format!("{body}{}", line.end).into_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn memory_option_is_the_last_one() {
        for (line, expected) in [
            ("", MemoryOption::Unset),
            ("quiet splash", MemoryOption::Unset),
            ("cgroup_enable=memory", MemoryOption::Enabled),
            ("cgroup_disable=memory cgroup_enable=memory", MemoryOption::Enabled),
            ("cgroup_enable=memory cgroup_disable=memory", MemoryOption::Disabled),
            ("a cgroup_disable=pids,memory b", MemoryOption::Disabled),
            ("cgroup-enable=\"memory\"", MemoryOption::Enabled),
            ("\"cgroup_enable=memory\"", MemoryOption::Enabled),
            ("cgroup_memory=1 cgroup_enable=cpuset", MemoryOption::Unset),
            ("x=\"a cgroup_enable=memory\"", MemoryOption::Unset),
            ("xcgroup_enable=memory cgroup_enable=memoryx", MemoryOption::Unset),
            ("quiet -- cgroup_enable=memory", MemoryOption::Unset),
            ("cgroup_disable=memory -- cgroup_enable=memory", MemoryOption::Disabled),
        ] {
            assert_eq!(memory_option(line), expected, "{line}");
        }
    }

    #[test]
    fn append_adds_the_token_after_the_kernels_last_one() {
        for (line, expected) in [
            ("a b", "a b cgroup_enable=memory"),
            ("a b  ", "a b cgroup_enable=memory  "),
            ("a -- b", "a cgroup_enable=memory -- b"),
            ("-- b", "cgroup_enable=memory -- b"),
            ("", "cgroup_enable=memory"),
            ("  ", "cgroup_enable=memory   "),
        ] {
            assert_eq!(append(line), expected);
            assert_eq!(memory_option(&append(line)), MemoryOption::Enabled);
        }
        assert_eq!(replace("a cgroup_disable=memory\tb", DISABLE, ENABLE), "a cgroup_enable=memory\tb");
    }

    #[test]
    fn one_line_refuses_damaged_files() {
        for (text, end) in [("a b", ""), ("a b\n", "\n"), ("a b\r\n", "\r\n"), ("a b\n\n", "\n\n")] {
            assert_eq!(OneLine::parse_filled(text.as_bytes()).unwrap(), OneLine { body: "a b", end });
        }
        for (bytes, why) in [
            (b"a\nb\n".as_slice(), "it has 2 lines, and only the first one is read at boot"),
            (b"\na\n", "it has 2 lines, and only the first one is read at boot"),
            (b"a\rb", "it has 2 lines, and only the first one is read at boot"),
            (b"a\0b\n", "it contains NUL bytes, as after a power cut"),
            (b"a\xff\n", "it is not UTF-8 text"),
            (b"a\x1bb\n", "it contains control characters"),
            (b"a=\"b c\n", "it has an unclosed quotation mark"),
            (b"\n", "it is empty"),
            (b"", "it is empty"),
        ] {
            let error = OneLine::parse_filled(bytes).unwrap_err();
            assert_eq!((error.message(), error.exit()), (why, edge_host::Exit::Refused));
        }
        let long = [b'a'; MAX_BYTES + 1];
        assert!(OneLine::parse(&long).unwrap_err().message().contains("4097 bytes"));
        assert!(OneLine::parse(&long[1..]).is_ok());
    }

    #[test]
    fn token_editor_removes_our_token_alone() {
        let back = |now: &str, before: u64| {
            let bytes = TokenEditor.revert(now.as_bytes(), &json!({"before": before})).unwrap();
            String::from_utf8(bytes).unwrap()
        };
        assert_eq!(back("a cgroup_enable=memory quiet\r\n", 0), "a quiet\r\n");
        assert_eq!(back("cgroup_enable=memory quiet", 0), "quiet");
        assert_eq!(back("cgroup_enable=memory a", 1), "cgroup_enable=memory a", "was there before");
        assert_eq!(back("a quiet\n", 0), "a quiet\n", "already removed");
        assert!(TokenEditor.revert(b"a\nb", &json!({"before": 0})).is_err());
    }

    fn lines() -> impl Strategy<Value = String> {
        let token = prop_oneof![
            Just(ENABLE.to_owned()),
            Just(DISABLE.to_owned()),
            Just("--".to_owned()),
            Just("cgroup_disable=cpu,memory".to_owned()),
            "[a-z_.=0-9-]{1,12}",
            "[a-z]{1,4}=\"[a-z ]{0,6}\"",
        ];
        let gap = prop_oneof![Just(" "), Just("  "), Just("\t")];
        (prop::collection::vec((token, gap), 0..8), prop_oneof![Just(""), Just(" ")])
            .prop_map(|(parts, lead)| parts.iter().fold(lead.to_owned(), |line, (token, gap)| line + token + gap))
    }

    proptest! {
        #[test]
        fn remove_last_reverts_append(line in lines()) {
            prop_assert_eq!(remove_last(&append(&line)), Some(line));
        }

        #[test]
        fn append_keeps_the_other_tokens_in_order(line in lines()) {
            let texts = |line: &str| -> Vec<String> {
                tokens(line).into_iter().map(|token| line[token].to_owned()).collect()
            };
            let after = append(&line);
            prop_assert_eq!(memory_option(&after), MemoryOption::Enabled);
            let (mut with, without) = (texts(&after), texts(&line));
            let ours = with.len() - without.len();
            prop_assert_eq!(ours, 1);
            let at = (0..with.len()).find(|at| with[*at] != *without.get(*at).unwrap_or(&String::new())).unwrap();
            prop_assert_eq!(with.remove(at), ENABLE);
            prop_assert_eq!(with, without);
        }

        #[test]
        fn token_editor_reverts_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(line) = OneLine::parse(&bytes) {
                let after = format!("{}{}", append(line.body), line.end);
                prop_assert_eq!(after.matches('\n').count(), line.end.matches('\n').count());
                let back = TokenEditor.revert(after.as_bytes(), &record(line.body)).unwrap();
                prop_assert_eq!(back, bytes);
            }
        }

        #[test]
        fn functions_take_any_text(text in "\\PC{0,80}") {
            memory_option(&text);
            remove_last(&text);
            replace(&text, DISABLE, ENABLE);
            disables_in_list(&text);
        }
    }
}
