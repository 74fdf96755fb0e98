//! Rust source, cut just finely enough: code without strings and comments, string literals, test modules.

use std::iter::Peekable;
use std::str::Chars;

/// A file's lines.
pub(crate) struct Source {
    pub(crate) lines: Vec<Line>,
}

/// One line of a file.
#[derive(Debug, Default)]
pub(crate) struct Line {
    /// The code, with `""` for each string and without comments.
    pub(crate) code: String,
    /// The string literals that begin here.
    pub(crate) strings: Vec<String>,
    /// Inside an item marked `#[cfg(test)]` or `#[test]`.
    pub(crate) in_test: bool,
    /// Inside a `const` or `static` item.
    pub(crate) in_const: bool,
}

impl Source {
    pub(crate) fn parse(text: &str) -> Source {
        let mut lines = Lexer::new(text).lines();
        mark_tests(&mut lines);
        mark_consts(&mut lines);
        Source { lines }
    }
}

struct Lexer<'a> {
    chars: Peekable<Chars<'a>>,
    lines: Vec<Line>,
    line: Line,
}

impl<'a> Lexer<'a> {
    fn new(text: &'a str) -> Lexer<'a> {
        Lexer { chars: text.chars().peekable(), lines: Vec::new(), line: Line::default() }
    }

    fn lines(mut self) -> Vec<Line> {
        while let Some(c) = self.chars.next() {
            match c {
                '\n' => self.end_line(),
                '/' if self.chars.peek() == Some(&'/') => self.line_comment(),
                '/' if self.chars.peek() == Some(&'*') => self.block_comment(),
                '"' => self.string(),
                'r' if self.starts_raw_string() => self.raw_string(),
                '\'' => self.quote(),
                _ => self.line.code.push(c),
            }
        }
        self.end_line();
        self.lines
    }

    fn end_line(&mut self) {
        self.lines.push(std::mem::take(&mut self.line));
    }

    fn line_comment(&mut self) {
        while self.chars.next_if(|c| *c != '\n').is_some() {}
    }

    fn block_comment(&mut self) {
        self.chars.next();
        let mut depth = 1;
        while depth > 0 {
            let Some(c) = self.chars.next() else { return };
            match (c, self.chars.peek()) {
                ('*', Some('/')) => depth -= 1,
                ('/', Some('*')) => depth += 1,
                ('\n', _) => {
                    self.end_line();
                    continue;
                }
                _ => continue,
            }
            self.chars.next();
        }
    }

    /// Puts the literal where it began, however many lines it has.
    fn literal(&mut self, text: String) {
        let ends = text.matches('\n').count();
        self.line.code.push_str("\"\"");
        self.line.strings.push(text);
        for _ in 0..ends {
            self.end_line();
        }
    }

    fn string(&mut self) {
        let mut text = String::new();
        while let Some(c) = self.chars.next() {
            match c {
                '"' => break,
                '\\' => text.extend(self.chars.next()),
                _ => text.push(c),
            }
        }
        self.literal(text);
    }

    /// After an `r` that begins a word: `"`, or `#`s and then `"`.
    fn starts_raw_string(&self) -> bool {
        let before = self.line.code.chars().next_back();
        if before.is_some_and(|c| c.is_alphanumeric() && c != 'b' || c == '_') {
            return false;
        }
        let mut ahead = self.chars.clone();
        while ahead.next_if_eq(&'#').is_some() {}
        ahead.peek() == Some(&'"')
    }

    fn raw_string(&mut self) {
        let mut hashes = 0;
        while self.chars.next_if_eq(&'#').is_some() {
            hashes += 1;
        }
        self.chars.next();
        let end = format!("\"{}", "#".repeat(hashes));
        let mut text = String::new();
        for c in self.chars.by_ref() {
            text.push(c);
            if text.ends_with(&end) {
                text.truncate(text.len() - end.len());
                break;
            }
        }
        self.literal(text);
    }

    /// A character, or the beginning of a lifetime.
    fn quote(&mut self) {
        let mut ahead = self.chars.clone();
        match (ahead.next(), ahead.next()) {
            (Some('\\'), _) => {
                self.chars.next();
                self.chars.next();
                while self.chars.next_if(|c| *c != '\'' && *c != '\n').is_some() {}
                self.chars.next();
            }
            (Some(_), Some('\'')) => {
                self.chars.next();
                self.chars.next();
            }
            _ => self.line.code.push('\''),
        }
    }
}

/// Marks each item that only tests see, from its attribute to its closing brace or semicolon.
fn mark_tests(lines: &mut [Line]) {
    let mut depth = 0_usize;
    let mut inside = None;
    for line in lines {
        let code = line.code.trim();
        let begins = code.starts_with("#[cfg(test)]") || code.starts_with("#[test]");
        if inside.is_none() && begins {
            inside = Some(depth);
        }
        line.in_test = inside.is_some();
        // The attribute's own line ends nothing but what stands behind it.
        let rest = code.trim_start_matches("#[cfg(test)]").trim_start_matches("#[test]");
        for c in rest.chars() {
            match c {
                '{' => depth += 1,
                '}' => {
                    depth = depth.saturating_sub(1);
                    if inside == Some(depth) {
                        inside = None;
                    }
                }
                ';' if inside == Some(depth) => inside = None,
                _ => {}
            }
        }
    }
}

/// Marks `const` and `static` items up to their semicolon.
fn mark_consts(lines: &mut [Line]) {
    let mut inside = false;
    for line in lines {
        let code = line.code.trim();
        let item =
            code.strip_prefix("pub(").and_then(|rest| rest.split_once(')')).map_or(code, |(_, rest)| rest).trim_start();
        let item = item.strip_prefix("pub ").unwrap_or(item);
        let begins = (item.starts_with("const ") && !item.starts_with("const fn ")) || item.starts_with("static ");
        inside |= begins;
        line.in_const = inside;
        if code.ends_with(';') {
            inside = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(text: &str) -> Vec<String> {
        let lines = Source::parse(text).lines;
        lines.into_iter().map(|line| line.code).collect()
    }

    #[test]
    fn strings_and_comments_are_not_code() {
        let text = "a(\"x // y\"); // z\n/* b /* c */\nd */ e('\"', '\\'', r#\"f\"g\"#, b\"h\\\"i\");\nfn j<'k>() {}";
        assert_eq!(codes(text), ["a(\"\"); ", "", " e(, , \"\", b\"\");", "fn j<'k>() {}"]);
    }

    #[test]
    fn a_long_string_belongs_to_its_first_line_and_keeps_the_count() {
        let source = Source::parse("a(\"/etc\nb\");\nc();");
        assert_eq!(source.lines.len(), 3);
        assert_eq!(source.lines[0].strings, ["/etc\nb"]);
        assert_eq!(source.lines[2].code, "c();");
    }

    #[test]
    fn test_items_end_where_their_braces_do() {
        let text =
            "fn a() {}\n#[cfg(test)]\nmod tests {\n    fn b() { \"}\" }\n}\nfn c() {}\n#[cfg(test)]\nmod t;\nfn d() {}";
        let marks: Vec<bool> = Source::parse(text).lines.iter().map(|l| l.in_test).collect();
        assert_eq!(marks, [false, true, true, true, true, false, true, true, false]);
    }

    #[test]
    fn const_items_end_at_their_semicolon() {
        let text = "pub(crate) const A: &[&str] = &[\n    \"/etc\",\n];\nlet b = \"/etc\";\nconst fn c() {}";
        let marks: Vec<bool> = Source::parse(text).lines.iter().map(|l| l.in_const).collect();
        assert_eq!(marks, [true, true, true, false, false]);
    }
}
