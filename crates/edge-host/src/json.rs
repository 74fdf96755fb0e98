//! The errors of the JSON parser in a user's words, with line and column.

use serde_json::Error;

/// Where the parser stopped in this text, both from 1. It counts a line break as column 0 of the next line.
pub fn place(text: &str, error: &Error) -> (usize, usize) {
    match (error.line(), error.column()) {
        (line, 0) if line > 1 => {
            let ended = text.split('\n').nth(line - 2).unwrap_or_default();
            (line - 1, ended.trim_end_matches('\r').len() + 1)
        }
        (line, column) => (line.max(1), column.max(1)),
    }
}

/// What is wrong with this text: `line 3, column 5: a comma must be followed by another entry`.
pub fn describe(text: &str, error: &Error) -> String {
    let (line, column) = place(text, error);
    let said = error.to_string();
    let cause = said.split(" at line ").next().unwrap_or_default();
    let cause = match cause.strip_prefix("EOF while ").unwrap_or(cause) {
        "parsing a list" => "the text ends in a list: a ] is missing",
        "parsing an object" => "the text ends in an object: a } is missing",
        "parsing a string" => "the text ends in a string: a \" is missing",
        "parsing a value" => "the text ends where a value is expected",
        "expected `:`" => "expected a colon after the key",
        "expected `,` or `]`" => "expected a comma or a ] after the value",
        "expected `,` or `}`" => "expected a comma or a } after the value",
        "trailing comma" => "a comma must be followed by another entry",
        "key must be a string" => "expected a key in double quotes",
        "trailing characters" => "unexpected text after the end of the document",
        "invalid escape" | "unexpected end of hex escape" => "invalid escape sequence in a string",
        "invalid unicode code point" | "lone leading surrogate in hex escape" => {
            "invalid Unicode character in a string"
        }
        "invalid number" => "invalid number",
        "number out of range" => "the number is out of range",
        "recursion limit exceeded" => "too many nested lists and objects",
        control if control.starts_with("control character") => "line breaks and control characters must be escaped",
        _ => "expected a value",
    };
    format!("line {line}, column {column}: {cause}")
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn describe_names_line_column_and_what_was_expected() {
        for (text, want) in [
            ("{\n\"a\": 1,\n}", "line 3, column 1: a comma must be followed by another entry"),
            ("[1,]", "line 1, column 4: a comma must be followed by another entry"),
            ("{\n\"a\" 1}", "line 2, column 5: expected a colon after the key"),
            ("{a: 1}", "line 1, column 2: expected a key in double quotes"),
            ("{\"a\": 1 \"b\": 2}", "line 1, column 9: expected a comma or a } after the value"),
            ("[1 2]", "line 1, column 4: expected a comma or a ] after the value"),
            ("{\"a\":", "line 1, column 5: the text ends where a value is expected"),
            ("{", "line 1, column 1: the text ends in an object: a } is missing"),
            ("{\n", "line 1, column 2: the text ends in an object: a } is missing"),
            ("{\r\n\r\n", "line 2, column 1: the text ends in an object: a } is missing"),
            ("", "line 1, column 1: the text ends where a value is expected"),
            ("[1", "line 1, column 2: the text ends in a list: a ] is missing"),
            ("\"a", "line 1, column 2: the text ends in a string: a \" is missing"),
            ("{}x", "line 1, column 3: unexpected text after the end of the document"),
            ("yes", "line 1, column 1: expected a value"),
            ("[tru]", "line 1, column 5: expected a value"),
            ("\"\\x\"", "line 1, column 3: invalid escape sequence in a string"),
            ("\"a\nb\"", "line 1, column 3: line breaks and control characters must be escaped"),
            ("01", "line 1, column 2: invalid number"),
            ("1e999", "line 1, column 5: the number is out of range"),
        ] {
            assert_eq!(describe(text, &serde_json::from_str::<Value>(text).unwrap_err()), want, "{text}");
        }
        let deep = "[".repeat(200);
        let deep = describe(&deep, &serde_json::from_str::<Value>(&deep).unwrap_err());
        assert!(deep.ends_with(": too many nested lists and objects"), "{deep}");
    }
}
