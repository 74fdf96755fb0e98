//! What the messages of the two YAML parsers mean, in words for the author of a file.
//!
//! The parsers speak of tokens and contexts (`did not find expected <document start>`). Both descend from the same
//! grammar, so one table serves them.

/// Parts of a message, and what it means; the first row that fits counts.
const MEANINGS: &[(&[&str], &str)] = &[
    (&["mapping values are not allowed", "illegal placement of ':'"], QUOTE_COLON),
    (&["found unexpected ':'", "may not precede"], QUOTE_COLON),
    (&["block sequence entries are not allowed"], "a list item (\"- \") must begin on a line of its own"),
    (&["mapping keys are not allowed"], "a key must begin on a line of its own"),
    (&["':' must be followed"], "a space is missing after \":\""),
    (&["'-' must be followed"], "a space is missing after \"-\""),
    (&["byte order mark"], "a byte order mark is only allowed at the beginning of the file"),
    (&["control character", "unprintable"], "a control character is not allowed"),
    (&["duplicate version directive", "duplicate %"], "a directive is given twice"),
    (&["directive", "YAML document", "extremely long version"], "a line that begins with % is not a valid directive"),
    (&["duplicate entry"], "a key is set more than once"),
    (&["duplicate"], "an anchor is defined twice"),
    (&["unknown anchor", "undefined alias"], "an alias (*name) refers to an anchor that is not defined above it"),
    (&["anchor or alias", "scanning an anchor", "scanning an alias"], "a value that begins with & or * needs quotes"),
    (&["tab"], "a tab is not allowed here; use spaces"),
    (&["escape", "hexadecimal", "surrogate"], "an escape sequence is not valid; in double quotes, write \\ as \\\\"),
    (&["tag", "TAG", "handle", "'!'", "'>'"], "a tag (!name) is not valid; a value that begins with ! needs quotes"),
    (&["trailing content after double-quoted"], "there is text after the closing quote"),
    (&["quoted scalar, found unexpected", "unexpected document indicator"], "a quote is not closed"),
    (&["indentation indicator"], "the number after | or > must be from 1 to 9"),
    (&["scanning a block scalar", "expected comment or line break"], "there must be nothing after | or > on the line"),
    (&["comment intercepting"], "a comment interrupts a value of several lines; put the value in quotes"),
    (&["plain scalar", "cannot start any token", "unexpected character"], "the value needs quotes"),
    (&["misplaced bracket", "expected next token"], "a bracket is closed that was not opened"),
    (&["flow mapping", "'}'"], "expected \",\" or \"}\""),
    (&["flow sequence", "']'"], "expected \",\" or \"]\""),
    (&["expected node content"], VALUE_MISSING),
    (&["'-' indicator"], "expected a list item (\"- \") with the indentation of the items above"),
    (&["expected key"], "expected a key with the indentation of the keys above"),
    (&["simple key", "could not find expected ':'"], COLON_MISSING),
    (&["indentation", "wrongly indented"], "the indentation does not match the lines above"),
    (&["document start", "document-start", "document end"], "expected \"---\" or the end of the file"),
    (&["eof", "EOF", "end of stream"], "the file ends in the middle of a value"),
    (&["UTF-8", "UTF-16", "Unicode"], "the text is not valid UTF-8"),
    (&["recursion limit", "repetition limit"], "it is nested too deep or has too many aliases"),
    (&["merge"], "a merge key (<<) needs a mapping or a list of mappings"),
];

/// A bracket or a key without what must follow it.
pub(crate) const VALUE_MISSING: &str = "a value is missing";
/// A key without its colon.
pub(crate) const COLON_MISSING: &str = "expected \":\" and a value after the key";
const QUOTE_COLON: &str =
    "\":\" is not expected here; check the indentation, or put a value that contains \": \" in quotes";

/// The meaning of a parser's message; none where it is not one of a parser.
pub(crate) fn explain(message: &str) -> Option<&'static str> {
    let fits = |parts: &[&str]| parts.iter().any(|part| message.contains(part));
    MEANINGS.iter().find(|(parts, _)| fits(parts)).map(|(_, meaning)| *meaning)
}

/// The meaning of a parser's message, whatever it is.
pub(crate) fn explain_any(message: &str) -> String {
    explain(message).unwrap_or("unexpected text").to_owned()
}
