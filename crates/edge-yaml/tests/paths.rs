//! Paths read back as written, and an invalid one is refused with the column of its fault.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use edge_yaml::Path;

#[test]
fn paths_read_back_as_written() {
    for text in ["a.b[0].c", "[1][2]", "a.\"b.c\".d", "a.\"x\\\"y\"", "\"\"", "a.\"b c\"[0]"] {
        let path: Path = text.parse().unwrap();
        assert_eq!(path.to_string(), text);
    }
    assert_eq!("'a.b'.'it''s'".parse::<Path>().unwrap().to_string(), "\"a.b\".\"it's\"");
    for (text, column, reason) in [
        ("", 1, "a key or [index] is missing"),
        ("a.", 3, "a key or [index] is missing"),
        ("a..b", 3, "a key is missing here"),
        ("a[x]", 3, "an index is a number from 0"),
        ("a[1", 2, "the bracket is not closed"),
        ("a.[0]", 3, "unexpected dot before [index]"),
        ("a b", 2, "expected a dot or [index]"),
        ("a.\"b", 3, "the quote is not closed"),
        ("a[0]b", 5, "expected a dot or [index]"),
    ] {
        let error = text.parse::<Path>().unwrap_err();
        assert_eq!((error.column, error.reason.contains(reason)), (column, true), "{text}: {error}");
    }
}
