//! Random documents and edits, judged without looking at how the edit is made.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use edge_yaml::{Document, Edit, Error, Mapping, Path, Step, Value};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::FileFailurePersistence;
use std::fmt::Write;

/// A tree to be written in many ways.
#[derive(Clone, Debug)]
enum Tree {
    /// Text of a scalar, as it stands in the document.
    Scalar(&'static str),
    /// Lines of a literal block, and its header.
    Literal(&'static str, Vec<&'static str>),
    Map(Vec<(usize, Tree)>),
    Seq(Vec<Tree>),
    FlowMap(Vec<(usize, Tree)>),
    FlowSeq(Vec<Tree>),
}

const KEYS: [&str; 8] = ["a", "bee", "c-d", "'e f'", "\"g.h\"", "7", "ü", "no"];
/// Entries with anchors, aliases and a merge key; edits of these may be refused.
const SHARED: &str =
    "zz: &all  # x\n  k: [1]\n  s: 'é'\nzy: *all\nzx:\n  <<: *all\n  own: &one 1\nzw: [*one, &two 2, 3]\n";

const NAMES: [&str; 8] = ["a", "bee", "c-d", "e f", "g.h", "7", "ü", "no"];

fn scalar() -> impl Strategy<Value = Tree> {
    select(vec![
        "1",
        "true",
        "plain text",
        "'single # it''s'",
        "\"double \\\" \\n ]\"",
        "~",
        "",
        "http://x:1/#a",
        "-5",
        "é",
        "\"\"",
        "1.5",
        "a#b",
        "'{}'",
        "10.0.0.1:53",
    ])
    .prop_map(Tree::Scalar)
}

fn flow() -> impl Strategy<Value = Tree> {
    let leaf = scalar().prop_map(|t| match t {
        Tree::Scalar("") => Tree::Scalar("x"),
        other => other,
    });
    leaf.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Tree::FlowSeq),
            map_of(inner, 0..3).prop_map(Tree::FlowMap),
        ]
    })
}

fn map_of(
    inner: impl Strategy<Value = Tree>,
    size: std::ops::Range<usize>,
) -> impl Strategy<Value = Vec<(usize, Tree)>> {
    prop::collection::btree_map(0..KEYS.len(), inner, size)
        .prop_map(|m| m.into_iter().collect::<Vec<_>>())
        .prop_shuffle()
}

fn tree() -> impl Strategy<Value = Tree> {
    let literal = (
        select(vec!["|", "|-", "|+", ">", ">-"]),
        prop::collection::vec(select(vec!["x", "", "  y: 1", "# no comment", "é"]), 1..4),
    )
        .prop_map(|(header, mut lines)| {
            lines.insert(0, "first");
            lines.push("last");
            Tree::Literal(header, lines)
        });
    let leaf = prop_oneof![6 => scalar(), 1 => literal, 2 => flow()];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            2 => map_of(inner.clone(), 1..5).prop_map(Tree::Map),
            1 => prop::collection::vec(inner, 1..4).prop_map(Tree::Seq),
        ]
    })
}

fn document() -> impl Strategy<Value = Tree> {
    map_of(tree(), 1..6).prop_map(Tree::Map)
}

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

    /// The end of a line that holds `rest`, sometimes with a comment.
    fn end_line(&mut self) {
        if self.roll() % 4 == 0 {
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
            Tree::FlowMap(_) | Tree::FlowSeq(_) if self.roll() % 3 == 0 => self.open_flow(tree, indent),
            Tree::FlowMap(_) | Tree::FlowSeq(_) => {
                let text = self.flow(tree);
                write!(self.out, " {text}").unwrap();
                self.end_line();
            }
            Tree::Map(_) if after_dash && self.roll() % 4 > 0 => {
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
        let trailing = self.roll() % 2 == 0;
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
struct Form {
    habits: Habits,
    bom: &'static str,
    start: &'static str,
    shared: &'static str,
    later: &'static str,
    crlf: bool,
    cut: bool,
}

fn form() -> impl Strategy<Value = Form> {
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

fn write(tree: &Tree, form: &Form) -> String {
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

/// A step somewhere: mostly to what exists.
#[derive(Clone, Debug)]
struct Aim {
    turns: Vec<u8>,
    new: Option<usize>,
    extra: usize,
}

fn aim() -> impl Strategy<Value = Aim> {
    (prop::collection::vec(any::<u8>(), 1..5), prop::option::of(0..NAMES.len()), 0..3usize)
        .prop_map(|(turns, new, extra)| Aim { turns, new, extra })
}

/// A path into the value, and whether it goes where a path can go.
fn follow(root: &Value, aim: &Aim) -> Path {
    let mut steps = Vec::new();
    let mut value = root;
    for turn in &aim.turns {
        let turn = usize::from(*turn);
        match value {
            Value::Mapping(m) if !m.is_empty() => {
                let (key, child) = m.iter().nth(turn % m.len()).unwrap();
                steps.push(Step::Key(match key {
                    Value::String(s) => s.clone(),
                    Value::Number(n) => n.to_string(),
                    other => panic!("{other:?}"),
                }));
                value = child;
            }
            Value::Sequence(s) if !s.is_empty() => {
                steps.push(Step::Index(turn % s.len()));
                value = &s[turn % s.len()];
            }
            _ => break,
        }
    }
    if let Some(new) = aim.new {
        match value {
            Value::Mapping(_) | Value::Null => steps.push(Step::Key(NAMES[new].to_owned())),
            Value::Sequence(s) => steps.push(Step::Index(s.len())),
            _ => {}
        }
        let fresh = matches!(value, Value::Null)
            || matches!((value, steps.last()), (Value::Mapping(m), Some(Step::Key(k))) if !has(m, k))
            || value.is_sequence();
        if fresh {
            for i in 0..aim.extra {
                steps.push(if i == 1 { Step::Index(0) } else { Step::Key(NAMES[(new + i) % 8].to_owned()) });
            }
        }
    }
    Path::new(steps).unwrap()
}

fn has(map: &Mapping, key: &str) -> bool {
    map.contains_key(key) || (key == "7" && map.contains_key(Value::from(7)))
}

fn new_value() -> impl Strategy<Value = Value> {
    select(vec![
        "1",
        "true",
        "null",
        "x",
        "'yes'",
        "'a: b'",
        "''",
        "\"l1\\nl2\\n\"",
        "\"l1\\n\\n  l2\"",
        "\" lead\\nx\\n\"",
        "[]",
        "{}",
        "[1, x, '{']",
        "{k: v}",
        "{k: [1, {m: n}], o: {p: ''}}",
        "[[1], [2, {a: b}]]",
        "'é # \"'",
        "\"tab\\there\"",
        "\"# x\\ny\\n\"",
        "1.5",
        "\"a\\n\\n\"",
    ])
    .prop_map(|text| serde_yaml::from_str(text).unwrap())
}

fn lookup<'v>(root: &'v Value, steps: &[Step]) -> Option<&'v Value> {
    steps.iter().try_fold(root, |value, step| match (value, step) {
        (Value::Mapping(m), Step::Key(k)) => {
            m.get(k.as_str()).or_else(|| if k == "7" { m.get(Value::from(7)) } else { None })
        }
        (Value::Sequence(s), Step::Index(i)) => s.get(*i),
        _ => None,
    })
}

/// The edit on the value, written apart from the library's own.
fn expect(value: &Value, steps: &[Step], new: Option<&Value>) -> Value {
    let Some((step, rest)) = steps.split_first() else {
        return new.cloned().unwrap();
    };
    match (value, step) {
        (Value::Mapping(_) | Value::Null, Step::Key(k)) => {
            let mut map = value.as_mapping().cloned().unwrap_or_default();
            let seven = k == "7" && map.contains_key(Value::from(7));
            let key = if seven { Value::from(7) } else { Value::from(k.as_str()) };
            if rest.is_empty() && new.is_none() {
                map.shift_remove(&key);
            } else {
                let child = expect(map.get(&key).unwrap_or(&Value::Null), rest, new);
                map.insert(key, child);
            }
            Value::Mapping(map)
        }
        (Value::Sequence(_) | Value::Null, Step::Index(i)) => {
            let mut items = value.as_sequence().cloned().unwrap_or_default();
            if rest.is_empty() && new.is_none() {
                items.remove(*i);
            } else if *i == items.len() {
                items.push(expect(&Value::Null, rest, new));
            } else {
                items[*i] = expect(&items[*i], rest, new);
            }
            Value::Sequence(items)
        }
        other => panic!("{other:?}"),
    }
}

fn read(text: &str) -> Vec<Value> {
    let text = text.trim_start_matches('\u{feff}');
    serde_yaml::Deserializer::from_str(text).map(|d| serde::Deserialize::deserialize(d).unwrap()).collect()
}

/// How many times each numbered comment stands in a text.
fn comments(text: &str) -> Vec<&str> {
    text.lines()
        .filter_map(|line| line.rfind("# c").map(|at| line[at..].trim_end()))
        .filter(|c| c.ends_with('{'))
        .collect()
}

/// Lines of `before` that are gone from `after`; the first and last one, and how many new ones.
fn outside(before: &str, after: &str) -> (usize, usize) {
    let (b, a): (Vec<_>, Vec<_>) = (before.split_inclusive('\n').collect(), after.split_inclusive('\n').collect());
    let head = b.iter().zip(&a).take_while(|(x, y)| x == y).count();
    let tail = b[head..].iter().rev().zip(a[head..].iter().rev()).take_while(|(x, y)| x == y).count();
    (head, b.len() - tail)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, max_shrink_iters: 20000, failure_persistence: Some(Box::new(FileFailurePersistence::Direct("proptest-regressions/random.txt"))), ..ProptestConfig::default() })]

    #[test]
    fn an_edit_changes_one_entry(tree in document(), form in form(), aim in aim(), new in prop::option::weighted(0.7, new_value())) {
        let text = write(&tree, &form);
        let before = read(&text);
        let document = Document::parse(&text).unwrap_or_else(|e| panic!("{text}\n{e}"));
        prop_assert_eq!(document.value(), &before[0]);
        let path = follow(&before[0], &aim);
        let old = lookup(&before[0], path.steps());
        let shared = matches!(&path.steps()[0], Step::Key(key) if key.starts_with('z'));
        if !shared {
            prop_assert_eq!(document.get(&path), old.cloned());
        }
        prop_assert_eq!(document.position(&path).is_some(), old.is_some());
        let edit = match &new {
            Some(value) => Edit::Set { path: path.clone(), value: value.clone() },
            None => Edit::Unset { path: path.clone() },
        };
        let edits = [edit];
        let edited = match document.apply(&edits) {
            Ok(edited) => edited,
            Err(Error::Refused { reason, .. }) if shared && reason.contains("alias") => return Ok(()),
            Err(Error::Refused { reason, .. }) if shared && reason.contains("merge key") => return Ok(()),
            Err(e) => panic!("{text}\n{path}: {e}"),
        };
        // (a) It reads as wanted; a removal of what is not there is nothing.
        let mut wanted = before.clone();
        if new.is_some() || old.is_some() {
            wanted[0] = expect(&before[0], path.steps(), new.as_ref());
        }
        prop_assert_eq!(read(&edited.text), wanted, "{}", edited.text);
        // (b) Nothing outside the entry is touched: the lines that differ are those of the entry,
        // of its key, or next to the place of a new one.
        if !form.crlf {
            prop_assert!(!edited.text.contains('\r'));
        } else if text.contains('\n') {
            prop_assert_eq!(edited.text.matches('\n').count(), edited.text.matches("\r\n").count());
        }
        let (first, last) = outside(&text, &edited.text);
        let gone: Vec<&str> = text.split_inclusive('\n').skip(first).take(last - first).collect();
        let (all, left) = (comments(&text), comments(&edited.text));
        let lost: Vec<&&str> = all.iter().filter(|c| !left.contains(c)).collect();
        prop_assert!(left.iter().all(|c| all.contains(c)));
        if edited.text == text {
            prop_assert!(edited.changes.is_empty());
        } else if old.is_none() {
            prop_assert!(lost.is_empty(), "{lost:?}");
            // An empty parent may lose its `{}` or `~`; a new entry touches no other line but the
            // last one without a line end.
            prop_assert!(gone.len() <= 1, "{gone:?}");
        } else {
            let place = document.position(&path).unwrap();
            let lines = text.split_inclusive('\n').count();
            let (low, high) = extent(&text, &path, &document, lines);
            prop_assert!(first >= lines.min(low.min(place.line) - 1) && last <= high, "{place:?} {low}..{high}, changed {first}..{last}\n{text}\n---\n{}", edited.text);
            if new.as_ref().is_some_and(|v| !v.is_sequence() && !v.is_mapping())
                && old.is_some_and(|v| !v.is_sequence() && !v.is_mapping())
            {
                prop_assert!(lost.is_empty(), "{lost:?}");
            }
        }
        // (c) Once more is nothing.
        let again = Document::parse(&edited.text).unwrap();
        let same = new.is_some() || !matches!(path.steps().last(), Some(Step::Index(_)));
        let appended = matches!(path.steps().last(), Some(Step::Index(_))) && old.is_none();
        if same || appended {
            let again = again.apply(&edits).unwrap();
            prop_assert_eq!(&again.text, &edited.text);
            prop_assert!(again.changes.is_empty());
        }
    }

    /// Several edits in one call end like the same edits one by one.
    #[test]
    fn many_edits_are_made_in_order(tree in document(), form in form(), aims in prop::collection::vec((aim(), prop::option::weighted(0.7, new_value())), 2..5)) {
        let text = write(&tree, &form);
        let mut value = read(&text)[0].clone();
        let mut edits = Vec::new();
        let mut one_by_one = text.clone();
        for (aim, new) in &aims {
            if value.as_mapping().is_none_or(Mapping::is_empty) { break; }
            let path = follow(&value, aim);
            if matches!(&path.steps()[0], Step::Key(key) if key.starts_with('z')) { continue; }
            if new.is_some() || lookup(&value, path.steps()).is_some() {
                value = expect(&value, path.steps(), new.as_ref());
            }
            edits.push(match new {
                Some(value) => Edit::Set { path, value: value.clone() },
                None => Edit::Unset { path },
            });
            one_by_one = Document::parse(&one_by_one).unwrap().apply(&edits[edits.len() - 1..])
                .unwrap_or_else(|e| panic!("{one_by_one}\n{edits:?}\n{e}")).text;
        }
        let edited = Document::parse(&text).unwrap().apply(&edits).unwrap_or_else(|e| panic!("{text}\n{edits:?}\n{e}"));
        prop_assert_eq!(&read(&edited.text)[0], &value);
        // The texts may differ: one by one, the habits followed are those of the text in between.
        prop_assert_eq!(&read(&one_by_one)[0], &value);
        prop_assert_eq!(comments(&edited.text), comments(&one_by_one));
    }

    /// Any text is edited or refused; never a panic, and what is handed out is proven.
    #[test]
    fn any_text(text in "([ab]: |- |\\{|\\}|\\[|\\]|,|:|#| #|&x |\\*x|\"|'|\\||>|~|\n|\r\n|\n  |\n    |\t| |\\?|!t |<<: |---\n|\\.\\.\\.\n|é|%|1){0,24}", path in select(vec!["a", "a.b", "[0]", "a[0]", "b", "a.a.a"]), new in prop::option::of(new_value())) {
        let Ok(document) = Document::parse(&text) else { return Ok(()) };
        let path: Path = path.parse().unwrap();
        let _ = (document.get(&path), document.position(&path), document.duplicates());
        let edit = match new {
            Some(value) => Edit::Set { path: path.clone(), value },
            None => Edit::Unset { path: path.clone() },
        };
        if let Ok(edited) = document.apply(std::slice::from_ref(&edit)) {
            let after = Document::parse(&edited.text);
            prop_assert!(after.is_ok(), "{text:?} {edited:?} {after:?}");
            if let Edit::Set { value, .. } = edit {
                prop_assert_eq!(after.unwrap().get(&path), Some(value));
            }
        }
    }
}

/// The lines, from 1, between the entry at a path and the entry after it: those it may change.
fn extent(text: &str, path: &Path, document: &Document<'_>, lines: usize) -> (usize, usize) {
    // A parent that becomes empty gets its brackets on the line of its key.
    let mut steps = path.steps().to_vec();
    steps.pop();
    let parent = Path::new(steps).and_then(|p| document.position(&p)).map_or(1, |p| p.line);

    let own = document.position(path).unwrap();
    let indent = text.lines().nth(own.line - 1).map_or(0, |l| l.len() - l.trim_start().len());
    // Until the next line with content that is not deeper, plus one for a dash that moves up.
    let mut end = own.line;
    for (i, line) in text.lines().enumerate().skip(own.line) {
        let deep = line.len() - line.trim_start().len();
        let content = !line.trim().is_empty() && !line.trim_start().starts_with('#');
        if content && deep <= indent && !line.trim_start().starts_with('-') {
            end = i + 1;
            break;
        }
        end = i + 1;
    }
    (parent, end.min(lines).max(own.line))
}
