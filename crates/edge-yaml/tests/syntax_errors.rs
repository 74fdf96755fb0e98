//! What a text that is not valid YAML lacks, with line and column.
#![allow(clippy::unwrap_used, missing_docs)]

use edge_yaml::Document;

#[test]
fn syntax_error_says_what_was_expected_in_plain_words() {
    let colon = "\":\" is not expected here; check the indentation, or put a value that contains \": \" in quotes";
    for (text, place, message) in [
        ("a: [1, 2\nb: 1\n", (2, 2), colon),
        ("a: {b: 1\n", (2, 1), "expected \",\" or \"}\": the \"{\" at line 1, column 4 is not closed"),
        ("\u{e4}: [1, 2\n", (2, 1), "expected \",\" or \"]\": the \"[\" at line 1, column 4 is not closed"),
        ("[\u{fc}: 1\n", (2, 1), "expected \",\" or \"]\": the \"[\" at line 1, column 1 is not closed"),
        ("a: [\u{f6}: 1 x: 2\nb: 2\n", (1, 11), "expected \",\" or \"]\": the \"[\" at line 1, column 4 is not closed"),
        ("a: [,]\n", (1, 4), "a value is missing after \"[\""),
        ("a: {b: [\u{e4},\n", (1, 8), "a value is missing"),
        ("a: b: c\n", (1, 5), colon),
        ("a: x\n  b: 1\n", (2, 4), colon),
        ("a: - b\n", (1, 4), "a list item (\"- \") must begin on a line of its own"),
        ("a:\n  b: 1\n c: 2\n", (3, 2), "expected a key with the indentation of the keys above"),
        ("a: x\nsecret\n", (2, 1), "expected \":\" and a value after the key"),
        ("a: \"x\n", (1, 4), "a quote is not closed"),
        ("a: \"\\q\"\n", (1, 4), "an escape sequence is not valid; in double quotes, write \\ as \\\\"),
        ("a: \"x\" y\n", (1, 8), "there is text after the closing quote"),
        ("a: @x\n", (1, 4), "the value needs quotes"),
        ("a: *x\n", (1, 4), "an alias (*name) refers to an anchor that is not defined above it"),
        ("a: &\n", (1, 4), "a value that begins with & or * needs quotes"),
        ("a: ]\n", (1, 4), "a bracket is closed that was not opened"),
        ("a: | x\n  y\n", (1, 4), "there must be nothing after | or > on the line"),
        ("a: |0\n  y\n", (1, 4), "the number after | or > must be from 1 to 9"),
        ("a: !<x\n", (1, 4), "a tag (!name) is not valid; a value that begins with ! needs quotes"),
        ("%YAML 9\n", (1, 1), "a line that begins with % is not a valid directive"),
        ("a: 1\n...\nb\n...\n: x: y\n", (3, 1), "expected \"---\" or the end of the file"),
        ("a: 1\n---\nb: [\n", (4, 1), "a value is missing"),
        ("a: \"x\ny\"\nb: z", (1, 4), "the indentation does not match the lines above"),
    ] {
        let error = Document::parse(text).unwrap_err().to_string();
        let (line, column) = place;
        assert_eq!(error, format!("not valid YAML at line {line}, column {column}: {message}"), "{text:?}");
    }
}
