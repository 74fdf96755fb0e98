//! Random streams are cut where two other parsers see their documents.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use edge_yaml::{Document, Value, documents};
use proptest::prelude::*;
use proptest::sample::select;
use serde::Deserialize;

/// Lines that a stream is made of, with text that only looks like a marker.
const LINES: &[&str] = &[
    "---",
    "--- # c",
    "...",
    "# c",
    "",
    "a: 1",
    "b: 2",
    "c: |",
    "  ---",
    "  x: y",
    " ...",
    "---x",
    "- i",
    "d: \"q",
    "  r\"",
    "%YAML 1.2",
    "{e: 1}",
    "é: ü",
    "--- z",
    "f:",
];

fn stream() -> impl Strategy<Value = String> {
    let lines = prop::collection::vec(select(LINES), 0..14);
    (lines, any::<bool>(), any::<bool>(), any::<bool>()).prop_map(|(lines, crlf, ends, bom)| {
        let eol = if crlf { "\r\n" } else { "\n" };
        let end = if ends && !lines.is_empty() { eol } else { "" };
        format!("{}{}{end}", if bom { "\u{feff}" } else { "" }, lines.join(eol))
    })
}

/// The documents that have a value, as libyaml reads the stream.
fn values(text: &str) -> Option<Vec<Value>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let all: Result<Vec<Value>, _> = serde_yaml::Deserializer::from_str(text).map(Value::deserialize).collect();
    Some(all.ok()?.into_iter().filter(|value| !value.is_null()).collect())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn documents_are_those_of_the_whole_stream(text in stream()) {
        let Ok(slices) = documents(&text) else {
            prop_assert!(text.contains("--- z") || text.contains("..."));
            return Ok(());
        };
        let joined: String = slices.iter().map(|slice| slice.text).collect();
        prop_assert_eq!(&joined, &text);
        let mut lines = 1;
        for slice in &slices {
            prop_assert!(!slice.text.is_empty());
            prop_assert_eq!(slice.line, lines);
            lines += slice.text.matches('\n').count();
        }
        // Where the stream is valid as a whole, each document is by itself, and the other way round.
        let parsed: Result<Vec<Document<'_>>, _> = slices.iter().map(|slice| Document::parse(slice.text)).collect();
        match (values(&text), parsed) {
            (Some(whole), Ok(parsed)) => {
                prop_assert!(parsed.iter().all(|document| !document.has_more_documents()), "{:?}", text);
                let alone: Vec<Value> =
                    parsed.iter().map(|document| document.value().clone()).filter(|value| !value.is_null()).collect();
                prop_assert_eq!(alone, whole, "{:?}", text);
            }
            // Duplicate keys are no error of a document, and one of the other parser.
            (None, Ok(parsed)) if parsed.iter().any(|document| !document.duplicates().is_empty()) => {}
            (None, Ok(_)) => prop_assert!(false, "only the parts can be read: {:?}", text),
            _ => {}
        }
    }
}
