//! Parses unit files and similar files: sections, assignments, comments, continued lines.

use std::rc::Rc;

/// LONG_LINE_MAX of systemd, which stops reading at a longer line.
const LONGEST: usize = 1 << 20;

/// One `KEY=VALUE` of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// The section, without its brackets.
    pub section: Rc<str>,
    /// The key.
    pub key: String,
    /// The value without surrounding white space; quotes and escapes are kept.
    pub value: String,
    /// The line where it begins, from 1.
    pub line: usize,
    /// The line where it ends, if a `\` at the end of a line continues it.
    pub last_line: usize,
}

/// Parses the assignments of a file like systemd, which skips some lines, and stops at an invalid section header or a line
/// that is not UTF-8.
pub fn parse(bytes: &[u8]) -> Vec<Assignment> {
    let mut file = Reading { section: None, all: Vec::new() };
    let mut open: Option<(usize, Vec<u8>)> = None;
    let mut last = 0;
    for (index, line) in lines(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)).enumerate() {
        let line = line.trim_ascii_start();
        // Also between the lines of a value.
        if line.first().is_some_and(|first| b"#;".contains(first)) {
            continue;
        }
        last = index + 1;
        let (first, mut whole) = open.take().unwrap_or((last, Vec::new()));
        whole.extend_from_slice(line);
        if whole.len() > LONGEST {
            return file.all;
        }
        if line.iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 1 {
            whole.pop();
            whole.push(b' ');
            open = Some((first, whole));
        } else if file.take(&whole, first, last).is_none() {
            return file.all;
        }
    }
    if let Some((first, whole)) = open {
        let _ = file.take(&whole, first, last);
    }
    file.all
}

struct Reading {
    section: Option<Rc<str>>,
    all: Vec<Assignment>,
}

impl Reading {
    /// Adds a complete line; none if it ends the file.
    fn take(&mut self, bytes: &[u8], line: usize, last_line: usize) -> Option<()> {
        let text = std::str::from_utf8(bytes).ok()?.trim_matches(|char: char| char.is_ascii_whitespace());
        if let Some(header) = text.strip_prefix('[') {
            self.section = Some(Rc::from(header.strip_suffix(']')?));
        } else if let (Some(section), Some((key, value))) = (&self.section, text.split_once('=')) {
            let trimmed = |text: &str| text.trim_matches(|char: char| char.is_ascii_whitespace()).to_owned();
            let (key, value) = (trimmed(key), trimmed(value));
            self.all.push(Assignment { section: Rc::clone(section), key, value, line, last_line });
        }
        Some(())
    }
}

/// Lines end at a line feed, a carriage return or a NUL; different ones in sequence are one line end.
fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(bytes).filter(|bytes| !bytes.is_empty());
    std::iter::from_fn(move || {
        let bytes = rest?;
        let end = bytes.iter().position(|byte| b"\n\r\0".contains(byte)).unwrap_or(bytes.len());
        let mut seen: Vec<u8> = Vec::new();
        for byte in bytes[end..].iter().take(3) {
            // A NUL always ends a line by itself.
            if !b"\n\r\0".contains(byte) || seen.contains(byte) || seen.contains(&0) {
                break;
            }
            seen.push(*byte);
        }
        rest = bytes.get(end + seen.len()..).filter(|rest| !rest.is_empty());
        bytes.get(..end)
    })
}

/// The value of a key in a section of a text; none if it is not set, or its last value is empty.
pub fn value(text: &str, section: &str, key: &str) -> Option<String> {
    let is_it = |one: &Assignment| &*one.section == section && one.key == key;
    parse(text.as_bytes()).into_iter().rfind(is_it).map(|one| one.value).filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &[u8]) -> Vec<String> {
        let show =
            |one: &Assignment| format!("{}-{} [{}] {}={}", one.line, one.last_line, one.section, one.key, one.value);
        parse(text).iter().map(show).collect()
    }

    #[test]
    fn parse_joins_lines_and_skips_comments_between_them() {
        let text =
            b"[Unit]\nDescription=x \\\n# between\n  ; another\n y\n a = b \nno equals\nC=1\\\\\nD=2 \\ \nE=3\\\n";
        assert_eq!(
            shown(text),
            [
                "2-5 [Unit] Description=x  y",
                "6-6 [Unit] a=b",
                "8-8 [Unit] C=1\\\\",
                "9-9 [Unit] D=2 \\",
                "10-10 [Unit] E=3"
            ]
        );
    }

    #[test]
    fn parse_stops_where_systemd_stops() {
        assert_eq!(shown(b"A=0\n[S]\nA=1\n[S\nB=1\n"), ["3-3 [S] A=1"], "a header without its bracket");
        assert_eq!(shown(b"[S]\nA=1\nB=\xff\nC=1\n"), ["2-2 [S] A=1"], "not UTF-8");
        assert_eq!(shown(b"[S]\n#\xff\nC=1\n"), ["3-3 [S] C=1"], "in a comment it does not matter");
        let long = [b"[S]\nA=1\nB=" as &[u8], &vec![b'x'; LONGEST], b"\nC=1\n"].concat();
        assert_eq!(shown(&long), ["2-2 [S] A=1"]);
    }

    #[test]
    fn parse_supports_every_line_end() {
        assert_eq!(
            shown(b"\xef\xbb\xbf[S]\rA=1\r\nB=1\0C=1\n\rD=1\n\nE=1"),
            ["2-2 [S] A=1", "3-3 [S] B=1", "4-4 [S] C=1", "5-5 [S] D=1", "7-7 [S] E=1"]
        );
    }

    #[test]
    fn value_is_the_last_one_of_its_section() {
        let text = "[Unit]\nWhat=/no\n[Swap]\n# What=/no\nWhat = /dev/sda2\n Priority=5\n[Install]\nWhat=/no\n";
        assert_eq!(value(text, "Swap", "What").as_deref(), Some("/dev/sda2"));
        assert_eq!(value("[Swap]\nWhat=/a\nWhat=\n", "Swap", "What"), None, "an empty value resets it");
        assert_eq!(value("What=/a\n", "Swap", "What"), None);
        assert_eq!(value("[Swap]\nWhat=/a\n[Swap ]\nWhat=/b\n", "Swap", "What").as_deref(), Some("/a"));
    }
}
