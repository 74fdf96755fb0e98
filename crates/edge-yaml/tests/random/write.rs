//! The ways to write a tree.

use crate::trees::{KEYS, SHARED, Tree};
use proptest::prelude::*;
use proptest::sample::select;
use std::fmt::Write as _;

/// How a tree is written.
#[derive(Clone, Debug)]
struct Habits {
    step: usize,
    indentless: bool,
    /// Used up one by one for comments and blank lines.
    dice: Vec<u8>,
}

struct Writer {
    habits: Habits,
    at: usize,
    out: String,
    comments: usize,
}

impl Writer {
    fn roll(&mut self) -> u8 {
        self.at += 1;
        self.habits.dice[self.at % self.habits.dice.len()]
    }

    fn comment(&mut self) -> String {
        self.comments += 1;
        format!("# c{} 'ü\": {{", self.comments)
    }

    /// The end of a line with `rest`, sometimes with a comment.
    fn end_line(&mut self) {
        if self.roll().is_multiple_of(4) {
            let comment = self.comment();
            write!(self.out, "  {comment}").unwrap();
        }
        self.out.push('\n');
    }

    fn between(&mut self, indent: usize) {
        match self.roll() % 8 {
            0 => {
                let comment = self.comment();
                writeln!(self.out, "{}{comment}", " ".repeat(indent)).unwrap();
            }
            1 => self.out.push('\n'),
            _ => {}
        }
    }

    fn flow(&self, tree: &Tree) -> String {
        let pairs = |m: &[(usize, Tree)]| {
            m.iter().map(|(k, t)| format!("{}: {}", KEYS[*k], self.flow(t))).collect::<Vec<_>>().join(", ")
        };
        match tree {
            Tree::Scalar(s) => (*s).to_owned(),
            Tree::FlowSeq(items) => {
                format!("[{}]", items.iter().map(|t| self.flow(t)).collect::<Vec<_>>().join(", "))
            }
            Tree::FlowMap(m) if m.len() > 1 => format!("{{ {} }}", pairs(m)),
            Tree::FlowMap(m) => format!("{{{}}}", pairs(m)),
            _ => unreachable!(),
        }
    }

    /// After `key:` or `-`; `indent` is the column of the key or dash.
    fn value(&mut self, tree: &Tree, indent: usize, after_dash: bool) {
        match tree {
            Tree::Scalar(s) => {
                if !s.is_empty() {
                    write!(self.out, " {s}").unwrap();
                }
                self.end_line();
            }
            Tree::Literal(header, lines) => {
                writeln!(self.out, " {header}").unwrap();
                for line in lines {
                    if line.is_empty() {
                        self.out.push('\n');
                    } else {
                        writeln!(self.out, "{}{line}", " ".repeat(indent + self.habits.step)).unwrap();
                    }
                }
            }
            Tree::FlowMap(_) | Tree::FlowSeq(_) if self.roll().is_multiple_of(3) => self.open_flow(tree, indent),
            Tree::FlowMap(_) | Tree::FlowSeq(_) => {
                let text = self.flow(tree);
                write!(self.out, " {text}").unwrap();
                self.end_line();
            }
            Tree::Map(_) if after_dash && !self.roll().is_multiple_of(4) => {
                self.out.push(' ');
                self.collection(tree, indent + 2, true);
            }
            Tree::Seq(_) if after_dash => {
                self.out.push(' ');
                self.collection(tree, indent + 2, true);
            }
            Tree::Map(_) | Tree::Seq(_) => {
                self.end_line();
                let deeper = match tree {
                    Tree::Seq(_) if self.habits.indentless => 0,
                    _ => self.habits.step,
                };
                self.collection(tree, indent + deeper, false);
            }
        }
    }

    /// Brackets with an entry a line.
    fn open_flow(&mut self, tree: &Tree, indent: usize) {
        let (open, entries, close) = match tree {
            Tree::FlowMap(m) => {
                ("{", m.iter().map(|(k, t)| format!("{}: {}", KEYS[*k], self.flow(t))).collect::<Vec<_>>(), "}")
            }
            Tree::FlowSeq(s) => ("[", s.iter().map(|t| self.flow(t)).collect(), "]"),
            _ => unreachable!(),
        };
        write!(self.out, " {open}").unwrap();
        self.end_line();
        let trailing = self.roll().is_multiple_of(2);
        for (i, entry) in entries.iter().enumerate() {
            let comma = if i + 1 < entries.len() || trailing { "," } else { "" };
            write!(self.out, "{}{entry}{comma}", " ".repeat(indent + 3)).unwrap();
            self.end_line();
        }
        write!(self.out, "{}{close}", " ".repeat(indent + 1)).unwrap();
        self.end_line();
    }

    fn collection(&mut self, tree: &Tree, indent: usize, mut compact: bool) {
        let count = match tree {
            Tree::Map(m) => m.len(),
            Tree::Seq(s) => s.len(),
            _ => 0,
        };
        for i in 0..count {
            if !compact {
                self.between(indent);
                self.out.extend(std::iter::repeat_n(' ', indent));
            }
            compact = false;
            match tree {
                Tree::Map(m) => {
                    write!(self.out, "{}:", KEYS[m[i].0]).unwrap();
                    self.value(&m[i].1, indent, false);
                }
                Tree::Seq(s) => {
                    self.out.push('-');
                    self.value(&s[i], indent, true);
                }
                _ => {}
            }
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Form {
    habits: Habits,
    bom: &'static str,
    start: &'static str,
    shared: &'static str,
    later: &'static str,
    pub(crate) crlf: bool,
    cut: bool,
}

pub(crate) fn form() -> impl Strategy<Value = Form> {
    (
        (2..5usize, any::<bool>(), prop::collection::vec(any::<u8>(), 40))
            .prop_map(|(step, indentless, dice)| Habits { step, indentless, dice }),
        select(vec!["", "", "\u{feff}"]),
        select(vec!["", "", "# head\n\n", "---\n", "%YAML 1.1\n--- # doc\n"]),
        select(vec!["", "", "# tail\n", "\n\n", "---\nz: 'é' # z\n", "...\n", "--- {x: 1}\n---\n- 2\n"]),
        select(vec!["", "", SHARED]),
        any::<bool>(),
        any::<bool>(),
    )
        .prop_map(|(habits, bom, start, later, shared, crlf, cut)| Form {
            habits,
            bom,
            start,
            shared,
            later,
            crlf,
            cut,
        })
}

pub(crate) fn write(tree: &Tree, form: &Form) -> String {
    let mut writer = Writer { habits: form.habits.clone(), at: 0, out: String::new(), comments: 0 };
    writer.collection(tree, 0, false);
    let mut text = format!("{}{}{}{}{}", form.bom, form.start, writer.out, form.shared, form.later);
    // The end of a cut block scalar is part of its value, so its line end stays.
    if form.cut && !ends_in_literal(&text) {
        text.truncate(text.trim_end_matches('\n').len());
    }
    if form.crlf { text.replace('\n', "\r\n") } else { text }
}

fn ends_in_literal(text: &str) -> bool {
    text.trim_end().ends_with("last")
}
