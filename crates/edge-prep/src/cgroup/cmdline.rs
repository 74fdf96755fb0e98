//! The kernel's command line by token: what it says about the memory cgroup, and one token added or
//! taken out with every other byte kept.
//!
//! The kernel works through the tokens from left to right, so of `cgroup_enable=` and
//! `cgroup_disable=` the last one counts. What follows a lone `--` belongs to init and not to the
//! kernel: a token is added before it.

use std::ops::Range;

use edge_host::{Editor, Error, Result};
use serde_json::{Value, json};

/// The token that asks for the memory cgroup.
pub const ENABLE: &str = "cgroup_enable=memory";
/// The token that turns it off.
pub const DISABLE: &str = "cgroup_disable=memory";
/// The editor that takes the token out of a file that is one command line.
pub const EDITOR: &str = "kernel-command-line";
/// Boot firmware and kernels keep no more than this.
const MAX_BYTES: usize = 4096;
/// What a `memory` in its list does.
const KEYS: [(&str, Said); 2] = [("cgroup_enable", Said::Enabled), ("cgroup_disable", Said::Disabled)];
const CONTROLLER: &str = "memory";
/// Ends what is the kernel's.
const END_OF_KERNEL: &str = "--";

/// What a command line says about the memory cgroup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    /// The last word is to enable it.
    Enabled,
    /// The last word is to disable it.
    Disabled,
    /// Not a word: the kernel's own default holds.
    Nothing,
}

/// A file that is one command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OneLine<'t> {
    /// The line without its ending.
    pub body: &'t str,
    /// Its ending: nothing, LF, CRLF, or blank lines.
    pub end: &'t str,
}

impl<'t> OneLine<'t> {
    /// The one line of a file; anything else is refused, in words that fit behind "cannot edit FILE: ".
    pub fn parse(bytes: &'t [u8]) -> Result<OneLine<'t>> {
        if bytes.len() > MAX_BYTES {
            let text = format!("it has {} bytes, and a command line has {MAX_BYTES} at most", bytes.len());
            return Err(Error::refused(text).hint("put it right by hand: one line with what the kernel is told"));
        }
        if bytes.contains(&0) {
            return Err(damaged("it holds NUL bytes, as after a power cut"));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| damaged("it is not UTF-8 text"))?;
        let cut = text.find(['\n', '\r']).unwrap_or(text.len());
        let (body, end) = text.split_at(cut);
        if !end.trim().is_empty() {
            let lines = text.lines().filter(|line| !line.trim().is_empty()).count().max(2);
            return Err(Error::refused(format!("it has {lines} lines, and only the first one is read at boot"))
                .hint("join them to one line by hand, or take out what does not belong there, and run again"));
        }
        if body.contains(|c: char| c.is_control() && c != '\t') {
            return Err(damaged("it holds control characters"));
        }
        if body.matches('"').count() % 2 == 1 {
            return Err(damaged("it has a quotation mark that is never closed"));
        }
        Ok(OneLine { body, end })
    }

    /// The same, and it must hold something.
    pub fn parse_filled(bytes: &'t [u8]) -> Result<OneLine<'t>> {
        let line = OneLine::parse(bytes)?;
        if line.body.trim().is_empty() {
            return Err(damaged("it is empty"));
        }
        Ok(line)
    }
}

fn damaged(what: &str) -> Error {
    Error::refused(what).hint("put it right by hand first: the machine may not boot as it is")
}

/// Where the tokens are. White space inside quotation marks does not part them.
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

/// Where the tokens are that the kernel takes for its own.
fn kernel_tokens(line: &str) -> Vec<Range<usize>> {
    let mut all = tokens(line);
    if let Some(end) = all.iter().position(|token| &line[token.clone()] == END_OF_KERNEL) {
        all.truncate(end);
    }
    all
}

/// What the line says about the memory cgroup.
pub fn said(line: &str) -> Said {
    kernel_tokens(line).iter().rev().find_map(|token| said_by(&line[token.clone()])).unwrap_or(Said::Nothing)
}

/// What one token says. The kernel takes `-` in a name for `_`, and a value may be quoted.
fn said_by(token: &str) -> Option<Said> {
    let (key, value) = token.trim_matches('"').split_once('=')?;
    let key = key.replace('-', "_");
    let (_, said) = KEYS.iter().find(|(name, _)| *name == key)?;
    value.trim_matches('"').split(',').any(|name| name == CONTROLLER).then_some(*said)
}

/// How often exactly this token is among the kernel's.
pub fn count(line: &str, wanted: &str) -> usize {
    kernel_tokens(line).iter().filter(|token| &line[(*token).clone()] == wanted).count()
}

/// Whether the memory cgroup is turned off by a token that names others too.
pub fn disables_in_list(line: &str) -> bool {
    let disables = |token: &Range<usize>| {
        let token = &line[token.clone()];
        token != DISABLE && said_by(token) == Some(Said::Disabled)
    };
    kernel_tokens(line).iter().any(disables)
}

/// The line with the enabling token behind its last one.
pub fn append(line: &str) -> String {
    match kernel_tokens(line).last() {
        Some(last) => format!("{} {ENABLE}{}", &line[..last.end], &line[last.end..]),
        None if line.is_empty() => ENABLE.to_owned(),
        None => format!("{ENABLE} {line}"),
    }
}

/// The line without the last enabling token and the white space that parted it; none where there
/// is no such token.
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

/// The line with each token `from` turned into `to`.
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

/// What [`TokenEditor`] needs to know of the line that was edited.
pub fn record(before: &str) -> Value {
    json!({"added": ENABLE, "before": count(before, ENABLE)})
}

/// Takes our token out of a command line that has changed since.
#[derive(Debug, Clone, Copy)]
pub struct TokenEditor;

impl Editor for TokenEditor {
    fn kind(&self) -> &'static str {
        EDITOR
    }

    fn revert(&self, now: &[u8], data: &Value) -> Result<Vec<u8>> {
        let line = OneLine::parse(now)?;
        // Those that were there before us stay: fewer than one more, and ours is gone already.
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
    fn the_last_word_counts() {
        for (line, want) in [
            ("", Said::Nothing),
            ("quiet splash", Said::Nothing),
            ("cgroup_enable=memory", Said::Enabled),
            ("cgroup_disable=memory cgroup_enable=memory", Said::Enabled),
            ("cgroup_enable=memory cgroup_disable=memory", Said::Disabled),
            ("a cgroup_disable=pids,memory b", Said::Disabled),
            ("cgroup-enable=\"memory\"", Said::Enabled),
            ("\"cgroup_enable=memory\"", Said::Enabled),
            ("cgroup_memory=1 cgroup_enable=cpuset", Said::Nothing),
            ("x=\"a cgroup_enable=memory\"", Said::Nothing),
            ("xcgroup_enable=memory cgroup_enable=memoryx", Said::Nothing),
            ("quiet -- cgroup_enable=memory", Said::Nothing),
            ("cgroup_disable=memory -- cgroup_enable=memory", Said::Disabled),
        ] {
            assert_eq!(said(line), want, "{line}");
        }
    }

    #[test]
    fn a_token_is_added_at_the_end_of_what_is_the_kernels() {
        for (line, want) in [
            ("a b", "a b cgroup_enable=memory"),
            ("a b  ", "a b cgroup_enable=memory  "),
            ("a -- b", "a cgroup_enable=memory -- b"),
            ("-- b", "cgroup_enable=memory -- b"),
            ("", "cgroup_enable=memory"),
            ("  ", "cgroup_enable=memory   "),
        ] {
            assert_eq!(append(line), want);
            assert_eq!(said(&append(line)), Said::Enabled);
        }
        assert_eq!(replace("a cgroup_disable=memory\tb", DISABLE, ENABLE), "a cgroup_enable=memory\tb");
    }

    #[test]
    fn a_file_is_one_line_or_refused() {
        for (text, end) in [("a b", ""), ("a b\n", "\n"), ("a b\r\n", "\r\n"), ("a b\n\n", "\n\n")] {
            assert_eq!(OneLine::parse_filled(text.as_bytes()).unwrap(), OneLine { body: "a b", end });
        }
        for (bytes, why) in [
            (b"a\nb\n".as_slice(), "it has 2 lines, and only the first one is read at boot"),
            (b"\na\n", "it has 2 lines, and only the first one is read at boot"),
            (b"a\rb", "it has 2 lines, and only the first one is read at boot"),
            (b"a\0b\n", "it holds NUL bytes, as after a power cut"),
            (b"a\xff\n", "it is not UTF-8 text"),
            (b"a\x1bb\n", "it holds control characters"),
            (b"a=\"b c\n", "it has a quotation mark that is never closed"),
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
    fn our_token_alone_is_taken_back() {
        let back = |now: &str, before: u64| {
            let bytes = TokenEditor.revert(now.as_bytes(), &json!({"before": before})).unwrap();
            String::from_utf8(bytes).unwrap()
        };
        assert_eq!(back("a cgroup_enable=memory quiet\r\n", 0), "a quiet\r\n");
        assert_eq!(back("cgroup_enable=memory quiet", 0), "quiet");
        assert_eq!(back("cgroup_enable=memory a", 1), "cgroup_enable=memory a", "theirs");
        assert_eq!(back("a quiet\n", 0), "a quiet\n", "gone already");
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
        fn adding_and_removing_is_nothing(line in lines()) {
            prop_assert_eq!(remove_last(&append(&line)), Some(line));
        }

        #[test]
        fn an_added_token_leaves_the_others_in_order(line in lines()) {
            let texts = |line: &str| -> Vec<String> {
                tokens(line).into_iter().map(|token| line[token].to_owned()).collect()
            };
            let after = append(&line);
            prop_assert_eq!(said(&after), Said::Enabled);
            let (mut with, without) = (texts(&after), texts(&line));
            let ours = with.len() - without.len();
            prop_assert_eq!(ours, 1);
            let at = (0..with.len()).find(|at| with[*at] != *without.get(*at).unwrap_or(&String::new())).unwrap();
            prop_assert_eq!(with.remove(at), ENABLE);
            prop_assert_eq!(with, without);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(line) = OneLine::parse(&bytes) {
                let after = format!("{}{}", append(line.body), line.end);
                prop_assert_eq!(after.matches('\n').count(), line.end.matches('\n').count());
                let back = TokenEditor.revert(after.as_bytes(), &record(line.body)).unwrap();
                prop_assert_eq!(back, bytes);
            }
        }

        #[test]
        fn any_text_is_read(text in "\\PC{0,80}") {
            said(&text);
            remove_last(&text);
            replace(&text, DISABLE, ENABLE);
            disables_in_list(&text);
        }
    }
}
