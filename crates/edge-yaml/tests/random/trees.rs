//! Random trees, from which documents are written.

use proptest::prelude::*;
use proptest::sample::select;

/// A tree to be written in many ways.
#[derive(Clone, Debug)]
pub(crate) enum Tree {
    /// Text of a scalar in the document.
    Scalar(&'static str),
    /// Lines of a literal block, and its header.
    Literal(&'static str, Vec<&'static str>),
    Map(Vec<(usize, Tree)>),
    Seq(Vec<Tree>),
    FlowMap(Vec<(usize, Tree)>),
    FlowSeq(Vec<Tree>),
}

pub(crate) const KEYS: [&str; 8] = ["a", "bee", "c-d", "'e f'", "\"g.h\"", "7", "ü", "no"];
/// Entries with anchors, aliases and a merge key; edits of these may be refused.
pub(crate) const SHARED: &str =
    "zz: &all  # x\n  k: [1]\n  s: 'é'\nzy: *all\nzx:\n  <<: *all\n  own: &one 1\nzw: [*one, &two 2, 3]\n";

pub(crate) const NAMES: [&str; 8] = ["a", "bee", "c-d", "e f", "g.h", "7", "ü", "no"];

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

pub(crate) fn document() -> impl Strategy<Value = Tree> {
    map_of(tree(), 1..6).prop_map(Tree::Map)
}
