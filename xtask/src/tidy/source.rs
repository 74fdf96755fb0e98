//! Rust source for the rules: lines without comments, their string literals, and whether they are test code.

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};

/// A file's lines.
pub(crate) struct Source {
    pub(crate) lines: Vec<Line>,
}

/// One line of a file.
#[derive(Clone, Debug, Default)]
pub(crate) struct Line {
    /// The code without blanks but for those between words, with `""` for each literal.
    pub(crate) code: String,
    /// The literals that begin here, without their quotation marks.
    pub(crate) strings: Vec<String>,
    /// Inside an item marked `#[cfg(test)]` or `#[test]`.
    pub(crate) in_test: bool,
    /// Inside a `const` or `static` item.
    pub(crate) in_const: bool,
}

/// The context of a token.
#[derive(Clone, Copy, Default)]
struct Inside {
    test: bool,
    constant: bool,
}

impl Source {
    /// Empty for text that is not valid Rust, which the compiler reports.
    pub(crate) fn parse(text: &str) -> Source {
        let mut source = Source { lines: vec![Line::default(); text.lines().count() + 1] };
        source.walk(text.parse().unwrap_or_default(), Inside::default());
        source
    }

    fn walk(&mut self, tokens: TokenStream, outer: Inside) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut inside = outer;
        for (at, token) in tokens.iter().enumerate() {
            let before = at.checked_sub(1).and_then(|at| tokens.get(at));
            match token {
                TokenTree::Group(group) if is_attribute(before) && group.delimiter() == Delimiter::Bracket => {
                    let text = group.stream().to_string();
                    inside.test |= text == "test" || text.replace(' ', "") == "cfg(test)";
                    // Comments for rustdoc arrive as attributes.
                    if !text.starts_with("doc =") {
                        self.walk(group.stream(), inside);
                    }
                }
                TokenTree::Group(group) => {
                    let (open, close) = match group.delimiter() {
                        Delimiter::Parenthesis => ("(", ")"),
                        Delimiter::Brace => ("{", "}"),
                        Delimiter::Bracket => ("[", "]"),
                        Delimiter::None => ("", ""),
                    };
                    self.add(group.span_open().start().line, open, inside);
                    self.walk(group.stream(), inside);
                    self.add(group.span_close().start().line, close, inside);
                    if group.delimiter() == Delimiter::Brace {
                        inside.test = outer.test;
                    }
                }
                TokenTree::Ident(word) => {
                    let begins = word == "const" || word == "static";
                    let is_item = !is_punct(before, "<,*&'") && tokens.get(at + 1).is_some_and(is_name);
                    inside.constant |= begins && is_item;
                    self.add(word.span().start().line, &word.to_string(), inside);
                }
                // Comments for rustdoc have it too.
                TokenTree::Punct(punct) if punct.as_char() == '#' => {}
                TokenTree::Punct(punct) => {
                    self.add(punct.span().start().line, &punct.as_char().to_string(), inside);
                    if punct.as_char() == ';' && punct.spacing() == Spacing::Alone {
                        inside = outer;
                    }
                }
                TokenTree::Literal(literal) => {
                    let line = literal.span().start().line;
                    self.add(line, "\"\"", inside);
                    let text = literal.to_string();
                    let text = text.trim_start_matches(['b', 'c', 'r', '#']).trim_end_matches('#');
                    let text = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
                    if let (Some(text), Some(line)) = (text, self.line(line)) {
                        line.strings.push(text.to_owned());
                    }
                }
            }
        }
    }

    fn line(&mut self, number: usize) -> Option<&mut Line> {
        self.lines.get_mut(number.checked_sub(1)?)
    }

    fn add(&mut self, number: usize, code: &str, inside: Inside) {
        let Some(line) = self.line(number) else { return };
        let is_word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
        if is_word(line.code.chars().next_back()) && is_word(code.chars().next()) {
            line.code.push(' ');
        }
        line.code.push_str(code);
        line.in_test |= inside.test;
        line.in_const |= inside.constant;
    }
}

/// `const fn` and `const {` begin no item of their own.
fn is_name(token: &TokenTree) -> bool {
    matches!(token, TokenTree::Ident(word) if word != "fn" && word != "unsafe" && word != "extern")
}

fn is_attribute(before: Option<&TokenTree>) -> bool {
    is_punct(before, "#!")
}

fn is_punct(token: Option<&TokenTree>, any: &str) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if any.contains(punct.as_char()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(text: &str) -> Vec<String> {
        Source::parse(text).lines.into_iter().map(|line| line.code).collect()
    }

    #[test]
    fn code_is_without_comments_and_the_text_of_literals() {
        let text =
            "/// x\nfn a() { b(\"x // y\"); } // z\n/* b /* c */\nd */ use e::f;\nfn j<'k>() { g(r#\"h\"i\"#, 'l') }\n";
        assert_eq!(codes(text), ["", "fn a(){b(\"\");}", "", "use e::f;", "fn j<'k>(){g(\"\",\"\")}", ""]);
    }

    #[test]
    fn string_belongs_to_its_first_line_and_the_lines_after_it_keep_their_numbers() {
        let source = Source::parse("fn a() {\nb(\"/etc\nc\");\nd(br\"/run\");\n}");
        assert_eq!(source.lines[1].strings, ["/etc\nc"]);
        assert_eq!(source.lines[3].strings, ["/run"]);
    }

    #[test]
    fn test_items_end_where_their_braces_do() {
        let text =
            "fn a() {}\n#[cfg(test)]\nmod tests {\n    fn b() { \"}\" }\n}\nfn c() {}\n#[cfg(test)]\nmod t;\nfn d() {}";
        let marks: Vec<bool> = Source::parse(text).lines.iter().map(|line| line.in_test).collect();
        assert_eq!(marks, [false, true, true, true, true, false, true, true, false, false]);
    }

    #[test]
    fn const_items_end_at_their_semicolon() {
        let text = "pub(crate) const A: &[&str] = &[\n    \"/etc\",\n];\nfn b<const N: usize>() { let b = \"/etc\"; }\nconst fn c() {}";
        let marks: Vec<bool> = Source::parse(text).lines.iter().map(|line| line.in_const).collect();
        assert_eq!(marks, [true, true, true, false, false, false]);
    }
}
