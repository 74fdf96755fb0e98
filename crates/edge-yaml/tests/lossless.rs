//! What stays and what is written, one line or two a case.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use edge_yaml::{Document, Edit, Edited, Error, Path, Value};

/// `path=value` sets (the value in YAML), `-path` removes.
fn edits(list: &[&str]) -> Vec<Edit> {
    let path = |text: &str| text.parse::<Path>().unwrap();
    list.iter()
        .map(|edit| match edit.strip_prefix('-') {
            Some(removed) => Edit::Unset { path: path(removed) },
            None => {
                let (at, value) = edit.split_once('=').unwrap();
                Edit::Set { path: path(at), value: serde_yaml::from_str(value).unwrap() }
            }
        })
        .collect()
}

fn apply(text: &str, list: &[&str]) -> Result<Edited, Error> {
    Document::parse(text)?.apply(&edits(list))
}

/// The edits give this text, and once more they change nothing.
#[track_caller]
fn case(before: &str, list: &[&str], after: &str) {
    let edited = apply(before, list).unwrap_or_else(|e| panic!("{list:?} of {before:?}: {e}"));
    assert_eq!(edited.text, after, "{list:?} of {before:?}");
    let again = apply(after, list).unwrap_or_else(|e| panic!("again {list:?} of {after:?}: {e}"));
    assert_eq!((again.text.as_str(), again.changes.len()), (after, 0), "{list:?} again");
}

#[track_caller]
fn refused(text: &str, list: &[&str], message: &str) {
    let error = match apply(text, list) {
        Ok(edited) => panic!("{list:?} of {text:?} gave {:?}", edited.text),
        Err(error) => error.to_string(),
    };
    assert!(error.contains(message), "{error:?} lacks {message:?}");
    assert!(!error.ends_with('\n'));
}

#[test]
fn scalar_is_replaced_without_a_change_around_it() {
    case("a: false # off\nb: 1\n", &["a=true"], "a: true # off\nb: 1\n");
    case("# x\na:   1   # y\n\n# z\n", &["a=2"], "# x\na:   2   # y\n\n# z\n");
    case("a: 1\r\nb:\r\n  c: 2\r\n", &["b.c=3"], "a: 1\r\nb:\r\n  c: 3\r\n");
    case("\u{feff}a: 1\n", &["a=2"], "\u{feff}a: 2\n");
    case("a: 1", &["a=2"], "a: 2");
    case("a: é # ü\nb: ö\n", &["a=ä", "b=1"], "a: ä # ü\nb: 1\n");
    case("a: 1\n---\na: 2 # z\n...\n", &["a=9"], "a: 9\n---\na: 2 # z\n...\n");
    case("a: one\n  two # c\nb: 1\n", &["a=x"], "a: x # c\nb: 1\n");
    case("a:\n  one # c\n", &["a=x"], "a:\n  x # c\n");
    case("a: &x 1\nb: 2\n", &["a=3"], "a: &x 3\nb: 2\n");
}

#[test]
fn quotes_are_those_of_the_old_value_or_as_needed() {
    case("a: \"x\"\n", &["a=w"], "a: \"w\"\n");
    case("a: 'x' # c\n", &["a=it's"], "a: 'it''s' # c\n");
    case("a: \"x\"\n", &["a=true"], "a: true\n");
    case("a: \"x\\\"#\" # c\n", &["a=w"], "a: \"w\" # c\n");
    for text in [
        "yes",
        "No",
        "on",
        "OFF",
        "y",
        "~",
        "null",
        "true",
        "0x10",
        "0o7",
        "010",
        "1e3",
        "1_000",
        "12:30:45",
        "2026-08-21",
        "-1",
        "+.5",
        ".inf",
        ".NaN",
        "=",
        "<<",
        "- a",
        "-",
        "a: b",
        "a #b",
        "#a",
        " a",
        "a ",
        "a:",
        "*a",
        "&a",
        "!a",
        "%a",
        "@a",
        "`a",
        "[a",
        "{a",
        "? a",
        "---",
        "...",
        "",
        "0b1",
        "1.",
        "a\tb",
        "\u{85}",
        "\u{2028}x",
        "1:2.5",
    ] {
        let path: Path = "a".parse().unwrap();
        let value = Value::String(text.to_owned());
        let edited = Document::parse("a: 1\n").unwrap();
        let edited = edited.apply(&[Edit::Set { path, value }]).unwrap().text;
        assert!(matches!(&edited[3..4], "\"" | "'"), "{text:?}: {edited}");
    }
    for text in ["a", "-a", "192.0.2.1", "192.0.2.2:10000", "http://x:1/a", "a#b", "1.2.3", "10s", "/x", "v1.2", "é"] {
        case("a: 1\n", &[&format!("a={text}")], &format!("a: {text}\n"));
    }
    case("a: yes\n", &["a='yes'"], "a: \"yes\"\n");
    case("a: yes\n", &["a=true"], "a: true\n");
    case("a: <b>\n", &["a=<b>"], "a: <b>\n");
    case("a: 0x10\n", &["a=16"], "a: 0x10\n");
}

#[test]
fn new_keys_go_to_the_end_of_their_mapping() {
    case("a:\n    b: 1 # c\n# d\ne: 2\n", &["a.x=1"], "a:\n    b: 1 # c\n    x: 1\n# d\ne: 2\n");
    case("a:\n  b: 1\n  # own\n# other\nc: 1\n", &["a.x=1"], "a:\n  b: 1\n  # own\n  x: 1\n# other\nc: 1\n");
    case("a: 1", &["b=2"], "a: 1\nb: 2");
    case("a: 1\r\n", &["b.c=2"], "a: 1\r\nb:\r\n  c: 2\r\n");
    case("a:\n   b: 1\n", &["x.w.z=1"], "a:\n   b: 1\nx:\n   w:\n      z: 1\n");
    case("a:\n", &["a.b=1"], "a:\n  b: 1\n");
    case("a: # c\nb: 1\n", &["a.b=1"], "a: # c\n  b: 1\nb: 1\n");
    case("a: ~ # c\n", &["a.b=1"], "a: # c\n  b: 1\n");
    case("a: {} # c\n", &["a.b=1"], "a: # c\n  b: 1\n");
    case("{}\n", &["a=1"], "a: 1\n");
    case("", &["a=1"], "a: 1\n");
    case("# only\n", &["a.b=1"], "# only\na:\n  b: 1\n");
    case("--- # x\n", &["a=1"], "--- # x\na: 1\n");
    case("---\n---\nb: 1\n", &["a=1"], "---\na: 1\n---\nb: 1\n");
    case("a: 1\n---\nb: 1\n", &["c=1"], "a: 1\nc: 1\n---\nb: 1\n");
    case("- a: 1\n  b: 2\n- c\n", &["[0].x=1"], "- a: 1\n  b: 2\n  x: 1\n- c\n");
    case("- {}\n", &["[0].x.w=1"], "- x:\n    w: 1\n");
    case("a: |\n  x\n\n\nb: 1\n", &["c=1"], "a: |\n  x\n\n\nb: 1\nc: 1\n");
    case("a:\n  b: |+\n    x\n\nc: 1\n", &["a.d=1"], "a:\n  b: |+\n    x\n\n  d: 1\nc: 1\n");
    case("a: 1\n", &["b.\"x.y/z\"=1"], "a: 1\nb:\n  x.y/z: 1\n");
    case("a: 1\n", &["\"yes\"=1"], "a: 1\n\"yes\": 1\n");
    case("a: 1\n", &["x.a=1", "x.b=2", "x.c.d=3"], "a: 1\nx:\n  a: 1\n  b: 2\n  c:\n    d: 3\n");
    case("a:\n  b:\n    c: 1\n", &["z=1", "a.w=1", "a.b.x=1"], "a:\n  b:\n    c: 1\n    x: 1\n  w: 1\nz: 1\n");
}

#[test]
fn lists_are_written_in_the_style_of_the_file() {
    case("a:\n- x\nb: 1\n", &["a[1]=w"], "a:\n- x\n- w\nb: 1\n");
    case("a:\n  - x # c\nb: 1\n", &["a[1]=w"], "a:\n  - x # c\n  - w\nb: 1\n");
    case("a:\n- x\n# of b\nb: 1\n", &["a[1]=w"], "a:\n- x\n- w\n# of b\nb: 1\n");
    case("a:\n  - x\nb: 1\n", &["c=[1, 2]"], "a:\n  - x\nb: 1\nc:\n  - 1\n  - 2\n");
    case("a: 1\n", &["c=[1, {x: 1, z: [2]}]"], "a: 1\nc:\n- 1\n- x: 1\n  z:\n  - 2\n");
    case("a: []\n", &["a[0]=x"], "a:\n- x\n");
    case("a: []\n", &["a[0].b=x"], "a:\n- b: x\n");
    case("a: [1, 2] # c\n", &["a[2]=3"], "a: [1, 2, 3] # c\n");
    case("a: [1]\n", &["a=[2, 3]"], "a: [2, 3]\n");
    case("- - a\n  - b\n", &["[0][2]=c"], "- - a\n  - b\n  - c\n");
    case("a:\n- x\n- y # c\n- z\n", &["a[1]=q"], "a:\n- x\n- q # c\n- z\n");
    refused("a:\n- x\n", &["a[3]=w"], "the list has 1 items; index 1 appends");
    refused("a: 1\n", &["b[1]=w"], "a new list begins with index 0");
    let appended = apply("a:\n- x\n", &["a[1]=w", "a[2]=z"]).unwrap();
    assert_eq!(appended.text, "a:\n- x\n- w\n- z\n");
    let removed = apply("a:\n- x\n- y\n- z\n", &["-a[0]", "-a[0]"]).unwrap();
    assert_eq!(removed.text, "a:\n- z\n");
}

#[test]
fn brackets_stay_brackets() {
    case("a: {b: 1, c: 2} # x\n", &["a.b=3"], "a: {b: 3, c: 2} # x\n");
    case("a: {b: 1}\n", &["a.c.d=3"], "a: {b: 1, c: {d: 3}}\n");
    case("a: {b: {}}\n", &["a.b.c=3"], "a: {b: {c: 3}}\n");
    case("a: { b: 1, }\n", &["a.c=x,y"], "a: { b: 1, c: \"x,y\", }\n");
    case("{\"a\": 1, \"b\": [true]}\n", &["c=x", "b[1]=w"], "{\"a\": 1, \"b\": [true, \"w\"], \"c\": \"x\"}\n");
    case("{\n  \"a\": 1\n}\n", &["b=x"], "{\n  \"a\": 1, \"b\": \"x\"\n}\n");
    case("a: {\n  b: 1, # c\n  d: 2 # e\n}\n", &["a.x=1"], "a: {\n  b: 1, # c\n  d: 2, x: 1 # e\n}\n");
    case("a: {b: 1, c: 2, d: 3}\n", &["-a.b"], "a: {c: 2, d: 3}\n");
    case("a: {b: 1, c: 2, d: 3}\n", &["-a.c"], "a: {b: 1, d: 3}\n");
    case("a: {b: 1, c: 2, d: 3}\n", &["-a.d"], "a: {b: 1, c: 2}\n");
    case("a: { b: 1 } # c\n", &["-a.b"], "a: {} # c\n");
    case("{\n  \"a\": 1,\n  \"b\": 2\n}\n", &["-b"], "{\n  \"a\": 1\n}\n");
    case("{\n  \"a\": 1, # c\n  \"b\": 2\n}\n", &["-a"], "{\n  \"b\": 2\n}\n");
    case("a: { # x {\n  b: 1, # y\n  c: 2\n }\n", &["-a.b"], "a: { # x {\n  c: 2\n }\n");
    refused("a: [b: 1]\n", &["a[0].c=1"], "pair in a list has no braces");
    refused("a: {b, c: 1}\n", &["a.b=1"], "a key has no colon");
    case("a: {b: 1, c: 2,\n  d: 3}\n", &["-a.c"], "a: {b: 1,\n  d: 3}\n");
    case("a: {b: 1, # x\n  d: 3}\n", &["-a.d"], "a: {b: 1 # x\n  }\n");
    case("a: {\n  b: 1, d: 3\n }\n", &["-a.b"], "a: {\n  d: 3\n }\n");
    case("a: [b # x\n ]\n", &["-a[0]"], "a: [\n ]\n");
}

#[test]
fn lines_in_brackets_that_only_a_quoted_value_may_begin_are_refused() {
    refused("a:\n  b: {c:\n  'x', d: 1}\n", &["a.b.c=7"], "the indentation does not match");
    case("a:\n  b: {c:\n  'x', d: 1}\n", &["a.b.d=2"], "a:\n  b: {c:\n  'x', d: 2}\n");
    case("a:\n  b: {c:\n   'x', d: 1}\n", &["a.b.c=7"], "a:\n  b: {c:\n   7, d: 1}\n");
}

#[test]
fn tab_before_a_block_scalar_goes_with_it() {
    case("a:\t>-\n  ", &["a=7"], "a: 7\n  ");
    case("a:\t|\n  x\nb: 1\n", &["a=null"], "a: null\nb: 1\n");
    case("a: &x\t|\n  x\nb: 1\n", &["a=true"], "a: &x true\nb: 1\n");
    case("a:\t|\n  x\nb: 1\n", &["a=\"y\\nz\\n\""], "a:\t|\n  y\n  z\nb: 1\n");
}

#[test]
fn edits_of_many_entries_are_independent_of_each_other() {
    case("- [a]\n- [b]\n", &["[0][1]=c", "[1][1]=d"], "- [a, c]\n- [b, d]\n");
    case("a: {b: 1}\nc: 1\n", &["a.b=2", "c=2", "a.d=3", "-c"], "a: {b: 2, d: 3}\n");
    case("a:\n- b\n", &["a[1]=c", "a[2]=d", "a[0]=e"], "a:\n- e\n- c\n- d\n");
}

#[test]
fn whole_nodes_are_replaced() {
    case("a:\n  b: 1 # c\n  d: 2 # e\nf: 3\n", &["a=1"], "a: 1\nf: 3\n");
    case("a: # k\n  b: 1\nf: 3\n", &["a={x: 1, z: 2}"], "a: # k\n  x: 1\n  z: 2\nf: 3\n");
    case("a: 1 # k\nf: 3\n", &["a={x: 1}"], "a: # k\n  x: 1\nf: 3\n");
    case("a:\n   b: 1\nf: 3\n", &["a={x: {z: 1}}"], "a:\n   x:\n      z: 1\nf: 3\n");
    case("a:\n- 1\n", &["a={}"], "a: {}\n");
    case("- a: 1\n  b: 2 # x\n- c\n", &["[0]=z"], "- z # x\n- c\n");
    case("- a: 1\n  b: 2\n- c\n", &["[0]={k: [1]}"], "- k:\n  - 1\n- c\n");
    case("- x # c\n", &["[0]={k: 1, l: 2}"], "- k: 1 # c\n  l: 2\n");
}

#[test]
fn block_scalars_are_replaced() {
    case("a: |\n    x\n    y\nb: 1\n", &["a=\"p\\nq\\n\""], "a: |\n    p\n    q\nb: 1\n");
    case("a: |\n  x\nb: 1\n", &["a=\"p\\nq\""], "a: |-\n  p\n  q\nb: 1\n");
    case("a: |- # c\n  x\n\n# d\nb: 1\n", &["a=\"p\\n\\nq\\n\""], "a: | # c\n  p\n\n  q\n\n# d\nb: 1\n");
    case(
        "a: |2\n    x\n  y\nb: 1\n",
        &["a=\"  p\\nq\\n\""],
        "a: |2\n    p\n  q\nb: 1\n".replace("|2\n    p", "|4\n      p").replace("  q\n", "    q\n").as_str(),
    );
    case("a: |+\n  x\n\n\nb: 1\n", &["a=\"p\\n\\n\""], "a: |+\n  p\n\nb: 1\n");
    case("a: >-\n  x\n  y\nb: 1\n", &["a=z"], "a: z\nb: 1\n");
    case("a: |\n  x\nb: 1\n", &["a=5"], "a: 5\nb: 1\n");
    case("a: \"x\\ny\"\n", &["a=\"p\\nq\""], "a: \"p\\nq\"\n");
    case("a: 1 # c\nb: 2\n", &["a=\"p\\nq\\n\""], "a: | # c\n  p\n  q\nb: 2\n");
    case("a: 1", &["b=\"p\\nq\\n\""], "a: 1\nb: |\n  p\n  q\n");
    case("a: |\r\n  x\r\nb: 1\r\n", &["a=\"p\\nq\\n\""], "a: |\r\n  p\r\n  q\r\nb: 1\r\n");
    case(
        "kind: ConfigMap\ndata:\n  edgecore.yaml: |\n    a: 1\n    b: # c\n      d: 2\n# end\n",
        &["data.\"edgecore.yaml\"=\"a: 2\\nb: # c\\n  d: 2\\n\""],
        "kind: ConfigMap\ndata:\n  edgecore.yaml: |\n    a: 2\n    b: # c\n      d: 2\n# end\n",
    );
    // The last line end of a literal counts, also where the text ends without one.
    case("a: []", &["a[0]=\"p\\nq\\n\""], "a:\n- |\n  p\n  q\n");
    // A comment that would become part of a literal, and blank lines that would join `|+`.
    case("a:\n\n    # c\n", &["a=\"p\\nq\\n\""], "a: \"p\\nq\\n\"\n\n    # c\n");
    case("a: |+\n  x\n\nb: 1\n\nc: 1\n", &["-b"], "a: |+\n  x\n\nc: 1\n");
    refused("a: |\n  x", &["b=1"], "has no line break");
}

#[test]
fn removed_entry_takes_only_its_own_comment() {
    case("# of a\na: 1 # c\nb: 2\n", &["-a"], "# of a\nb: 2\n");
    case("a: 1\nb:\n  c: 2\n  # in b\n  d: 3\n# of e\ne: 4\n", &["-b"], "a: 1\n# of e\ne: 4\n");
    case("a:\n  # of b\n  b: 1 # c\ne: 1\n", &["-a.b"], "a: {}\n  # of b\ne: 1\n");
    case("a:\n- x\ne: 1\n", &["-a[0]"], "a: []\ne: 1\n");
    case("a: 1 # c\n", &["-a"], "{}\n");
    case("a: 1\nb: 2", &["-b"], "a: 1\n");
    case("- a: 1\n  b: 2\n", &["-[0].a"], "- b: 2\n");
    case("- a: 1\n  # of b\n  b: 2\n", &["-[0].a"], "- # of b\n  b: 2\n");
    case("- a: 1 # c\n- x\n", &["-[0].a"], "- {}\n- x\n");
    case("a: |\n  x\n\nb: 1\n", &["-a"], "\nb: 1\n");
    case("a: 1\n", &["-b.c", "-a.b", "-a[0]"], "a: 1\n");
    case("a: 1\r\nb: 2\r\n", &["-a"], "b: 2\r\n");
    case("a: 1\n---\nb: 1\n", &["-a"], "{}\n---\nb: 1\n");
}

#[test]
fn edits_are_made_in_order() {
    let edited = apply("a: 1\nb: 2\n", &["a.x=1"]);
    assert!(edited.is_err());
    let edited = apply("a: 1\nb: 2\n", &["-a", "a.x=1"]).unwrap();
    assert_eq!(edited.text, "b: 2\na:\n  x: 1\n");
    let edited = apply("b: 2\n", &["a.x=1", "-a"]).unwrap();
    assert_eq!((edited.text.as_str(), edited.changes.len()), ("b: 2\n", 0), "they cancel each other");
    let edited = apply("a: 1 # c\nb: 2\n", &["-a", "b=3", "a=1", "b=2"]).unwrap();
    assert_eq!((edited.text.as_str(), edited.changes.len()), ("a: 1 # c\nb: 2\n", 0));
    let edited = apply("a: 1\n", &["a=2", "a=3"]).unwrap();
    assert_eq!(edited.text, "a: 3\n");
    assert_eq!(edited.changes[1].before, Some(Value::from(2)));
    let edited = apply("a:\n  b: 1\n  c: 2\n", &["-a.b", "-a.c", "a.d=1"]).unwrap();
    assert_eq!(edited.text, "a:\n  d: 1\n");
}

#[test]
fn read_applies_merge_keys() {
    let value = edge_yaml::read("a: &x {k: 1, l: 2}\nuse: {<<: *x, l: 3}\n").unwrap();
    assert_eq!(value["use"], serde_yaml::from_str::<edge_yaml::Value>("{k: 1, l: 3}").unwrap());
}

#[test]
fn anchors_and_merge_keys_are_respected() {
    let text = "base: &b\n  k: 1\n  s: {t: 1}\nuse:\n  <<: *b\n  own: 2\nalias: *b\nn: &n 1\nm: *n\n";
    case(text, &["use.own=3"], &text.replace("own: 2", "own: 3"));
    case(text, &["use.k=5"], &text.replace("own: 2\n", "own: 2\n  k: 5\n"));
    case(text, &["use.k=1"], text);
    case(text, &["alias=1"], &text.replace("alias: *b", "alias: 1"));
    case(text, &["-m"], &text.replace("m: *n\n", ""));
    refused(text, &["base.k=2"], "the edit would change both");
    refused(text, &["alias.k=2"], "line 7, column 8: this is an alias, and the edit would change its anchor");
    refused(text, &["use.s.t=2"], "a part of the path comes from a merge key (<<)");
    refused(text, &["-use.k"], "comes from a merge key (<<)");
    refused(text, &["-base"], "refers to this value; replace the alias with its value first");
    refused(text, &["n=2"], "refers to this value; replace the alias with its value first");
    let document = Document::parse(text).unwrap();
    let get = |path: &str| document.get(&path.parse().unwrap());
    assert_eq!(get("use.s.t"), Some(Value::from(1)));
    assert_eq!(get("alias.k"), Some(Value::from(1)));
    assert_eq!(get("use.x"), None);
    let at = document.position(&"use.k".parse().unwrap()).unwrap();
    assert_eq!((at.line, at.column), (2, 3));
}

#[test]
fn refusal_has_position_and_reason() {
    refused("a:\n\tb: 1\n", &["a=1"], "line 2, column 2: the line is indented with a tab");
    refused("a: [1\n", &["a=1"], "not valid YAML");
    refused(
        "a: 1\nb: 2\na: 3\n",
        &["b=1"],
        "line 1, column 1: the key a is set more than once (line 1, column 1; line 3, column 1)",
    );
    refused("a: {{ .Values.x }}\n", &["a=1"], "line 1, column 4: a Go template");
    refused("{{- if .x }}\na: 1\n", &["a=1"], "a Go template");
    refused("a: \u{1}\n", &["a=1"], "line 1, column 4: the character U+0001");
    refused("a: 1\0\n", &["a=1"], "U+0000");
    refused("a: 1\rb: 2\r", &["a=1"], "a carriage return without a line feed");
    refused("a:\n  ? b\n  : 1\n", &["a.c=1"], "line 2, column 3: the mapping has an explicit");
    refused("a: !x 1\n", &["a=1"], "the value has a tag");
    refused("a: !x\n  b: 1\n", &["a.b=1"], "the value has a tag");
    refused("a: 1\n", &["a.b=1"], "line 1, column 4: this is a plain value");
    refused("a: [1]\n", &["a.b=1"], "this is a list, which has no keys");
    refused("a: {b: 1}\n", &["a[0]=1"], "this is a mapping, which has no [index]");
    refused(&"[".repeat(1000), &["[0]=1"], "nested deeper than 127 levels");
    refused(&format!("a: \"{}\"\n", "x".repeat(1 << 20)), &["a=1"], "at most 1048576 can be edited");
    refused("a: &a [*a]\n", &["b=1"], "an alias refers to the value that contains it");
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for i in 1..9 {
        bomb += &format!("a{i}: &a{i} [{}]\n", vec![format!("*a{}", i - 1); 10].join(", "));
    }
    let same = "a: 1\n".repeat(200_000);
    refused(&same, &["b=1"], "the key a is set more than once");
    let below = "a: 1\n---\nb: 1\n---\nc:\n  x: 1\n  x: 2\n";
    refused(below, &["a=2"], "line 6, column 3: a key is set more than once in a later document");
    refused(&bomb, &["b=1"], "the aliases expand to too many values");
}

#[test]
fn duplicates_are_found_and_the_last_counts() {
    let document = Document::parse("a:\n  x: 1\n  \"x\": 2\nb: 1\n1: a\n\"1\": b\nb: 2\n").unwrap();
    let found = document.duplicates();
    let paths: Vec<String> = found.iter().map(|d| d.path.to_string()).collect();
    assert_eq!(paths, ["a.x", "b"]);
    assert_eq!(found[1].positions.iter().map(|p| p.line).collect::<Vec<_>>(), [4, 7]);
    assert_eq!(document.get(&"b".parse().unwrap()), Some(Value::from(2)));
    assert!(!document.has_more_documents());
    assert!(Document::parse("a: 1\n---\nb\n").unwrap().has_more_documents());
}

#[test]
fn tab_before_a_value_is_removed_for_another_form() {
    for text in ["V:\t\u{fffd}", "V: \tx\n"] {
        let document = edge_yaml::Document::parse(text).unwrap();
        let path: edge_yaml::Path = edge_yaml::Path::new(vec![edge_yaml::Step::Key("V".to_owned())]).unwrap();
        for value in [serde_yaml::Value::from("edge: # \"x\""), serde_yaml::Value::from(7), serde_yaml::Value::Null] {
            let edit = edge_yaml::Edit::Set { path: path.clone(), value: value.clone() };
            let edited = document.apply(&[edit]).unwrap().text;
            assert_eq!(edge_yaml::Document::parse(&edited).unwrap().get(&path), Some(value), "{edited}");
        }
    }
}
