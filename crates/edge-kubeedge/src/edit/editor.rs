//! Undoes single settings in a file that has changed since, such as one that edgecore has rewritten.

use crate::spelling::{spelled, texts};
use edge_host::{Editor, Error, Result};
use edge_yaml::{Document, Edit};
use serde_json::Value as Json;

use super::display;
use super::record::{Comparison, Side};
use super::request::parse_path;
use super::{EDITOR, not_edited};

/// The editor of [`super::inverse`]'s inverse records.
#[derive(Debug, Clone, Copy)]
pub struct SettingsEditor;

impl Editor for SettingsEditor {
    fn kind(&self) -> &'static str {
        EDITOR
    }

    fn revert(&self, now: &[u8], data: &Json) -> Result<Vec<u8>> {
        let mut text = std::str::from_utf8(now).map_err(|_| Error::refused("it is no longer UTF-8 text"))?.to_owned();
        let changes = data["changes"].as_array().map(Vec::as_slice).unwrap_or_default();
        // From the last to the first: a later change may depend on an earlier one.
        for change in changes.iter().rev() {
            let document = Document::parse(&text).map_err(|error| not_edited(&error))?;
            if let Some(new) = revert_change(&document, change)? {
                text = new;
            }
        }
        Ok(text.into_bytes())
    }
}

/// The text with one change reverted; none where it is already.
fn revert_change(document: &Document<'_>, change: &Json) -> Result<Option<String>> {
    let path = parse_path(change["path"].as_str().unwrap_or_default())?;
    let path = spelled(document.value(), &texts(&path)).unwrap_or(path);
    let damaged = || Error::failed("its journal record is damaged");
    let (before, after) = (Side::before(change).ok_or_else(damaged)?, Side::after(change).ok_or_else(damaged)?);
    let (now, written) = (document.get(&path), document.raw_value(&path));
    let is = |side: &Side| side.is(now.as_ref(), written.as_ref());
    match (is(&before), is(&after)) {
        (Comparison::Exact, _) | (Comparison::SameValue, Comparison::Different | Comparison::SameValue) => {
            return Ok(None);
        }
        (_, Comparison::Different) => {
            return Err(Error::refused(format!(
                "{path} is now {}, and this run set it to {}",
                display::value_at(&path, now.as_ref()),
                after.shown(&path)
            ))
            .hint(format!("edge-conf set {path}=VALUE")));
        }
        (_, Comparison::Exact | Comparison::SameValue) => {}
    }
    let apply = |edit: Edit| document.apply(&[edit]).map(|edited| edited.text);
    let text = match before {
        Side::Value(value, Some(written)) => document.restore(&path, &value, &written),
        Side::Value(value, None) => apply(Edit::Set { path, value }),
        Side::Nothing => apply(Edit::Unset { path }),
        Side::Checksums(_) => return Err(damaged()),
    };
    text.map(Some).map_err(|error| not_edited(&error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn revert(now: &str, changes: &Json) -> Result<String> {
        let data = json!({"changes": changes});
        SettingsEditor.revert(now.as_bytes(), &data).map(|bytes| String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn revert_changes_only_the_recorded_settings() {
        let changes = json!([
            {"path": "modules.edgeStream.enable", "before": false, "after": true},
            {"path": "modules.edgeStream.server", "after": "192.0.2.1:10004"}
        ]);
        // Rewritten by edgecore: another order, no comments, a new key, another value.
        let now =
            "modules:\n  edgeHub:\n    heartbeat: 30\n  edgeStream:\n    server: 192.0.2.1:10004\n    enable: true\n";
        let want = "modules:\n  edgeHub:\n    heartbeat: 30\n  edgeStream:\n    enable: false\n";
        assert_eq!(revert(now, &changes).unwrap(), want);
        assert_eq!(revert(want, &changes).unwrap(), want, "reverted already");
        let other = now.replace("true", "null");
        assert_eq!(
            revert(&other, &changes).unwrap_err().to_string(),
            "modules.edgeStream.enable is now null, and this run set it to true"
        );
    }

    /// Sets or unsets `a.b`, changes another key, and reverts the first change.
    fn edited_and_reverted(text: &str, value: Option<&str>) -> Result<String> {
        let document = Document::parse(text).unwrap();
        let path = parse_path("a.b").unwrap();
        let edit = match value {
            Some(value) => Edit::Set { path, value: edge_yaml::value(value).unwrap() },
            None => Edit::Unset { path },
        };
        let edited = document.apply(&[edit]).map_err(|error| not_edited(&error))?;
        assert!(!edited.changes.is_empty(), "{text}");
        let edge_host::Inverse::Edit { data, .. } = super::super::inverse(&document, &edited) else {
            return Err(Error::refused("only the whole file can be restored"));
        };
        // The round trip through the journal.
        let data: Json = serde_json::from_str(&data.to_string()).unwrap();
        let now = edited.text.replace("z: 1", "z: 2");
        SettingsEditor.revert(now.as_bytes(), &data).map(|bytes| String::from_utf8(bytes).unwrap())
    }

    /// Values that JSON cannot represent, or that YAML readers interpret differently.
    const ODD: [&str; 40] = [
        ".inf",
        "-.inf",
        ".nan",
        ".NaN",
        "123456789012345678901234567890",
        "18446744073709551615",
        "-9223372036854775808",
        "0.1000000000000000055511151231257827",
        "3.14159265358979323846",
        "-0.0",
        "1e400",
        "1e-400",
        "1.0",
        "1e3",
        "2001-12-14",
        "2001-12-14t21:59:43.10-05:00",
        "0123",
        "0o17",
        "0x1F",
        "0b11",
        "1_000",
        "12:30:45",
        "~",
        "null",
        "Null",
        "yes",
        "\"yes\"",
        "'0123'",
        "\"0123\"",
        "\"\\u00e4\"",
        "{1: a, 2: b}",
        "{null: a}",
        "{~: a, true: b}",
        "[.inf, 0123, -0.0]",
        "{a: !!binary aGVsbG8=}",
        "[&x 1, *x]",
        "{? [1, 2] : 3}",
        "|\n    line\n    0123",
        "\n    c: .nan  # why\n    d:\n    - 0123\n    # end\n    e: ~",
        "\n  - .inf\n  - 'a'",
    ];

    #[test]
    fn revert_restores_a_value_as_it_was_written_or_refuses() {
        for odd in ODD {
            let text = format!("z: 1\na:\n  b: {odd}  # said\n  y: 1\n").replace("#  # said", "#");
            let text = if odd.contains('\n') { text.replace("  # said", "") } else { text };
            let want = text.replace("z: 1", "z: 2");
            for value in [Some("5"), Some("{q: 1}"), Some("text"), Some("[1, 2]")] {
                match edited_and_reverted(&text, value) {
                    Ok(back) => {
                        let written =
                            |text: &str| Document::parse(text).unwrap().raw_value(&parse_path("a.b").unwrap());
                        assert_eq!(written(&back), written(&want), "{odd} by {value:?}:\n{back}");
                        assert_eq!(edge_yaml::read(&back), edge_yaml::read(&want), "{odd}");
                    }
                    Err(error) => assert_eq!(error.exit(), edge_host::Exit::Refused, "{odd}: {error}"),
                }
            }
        }
    }

    #[test]
    fn revert_restores_every_odd_value_byte_for_byte() {
        let comes_back = |odd: &&str| {
            let text = format!("z: 1\na:\n  b: {odd}\n  y: 1\n").replace(": \n", ":\n");
            edited_and_reverted(&text, Some("5")).is_ok_and(|back| back == text.replace("z: 1", "z: 2"))
        };
        let lost: Vec<&&str> = ODD.iter().filter(|odd| !comes_back(odd)).collect();
        assert!(lost.is_empty(), "{lost:?}");
    }

    #[test]
    fn revert_restores_an_odd_value_that_was_removed() {
        for odd in ODD {
            let text = format!("z: 1\na:\n  y: 1\n  b: {odd}\n");
            match edited_and_reverted(&text, None) {
                Ok(back) => assert_eq!(back, text.replace("z: 1", "z: 2"), "{odd}"),
                Err(error) => assert_eq!(error.exit(), edge_host::Exit::Refused, "{odd}: {error}"),
            }
        }
    }

    proptest::proptest! {
        #[test]
        fn reverted_text_is_the_text_before(raw in "[-+.~0-9a-fxoXnNyY_:eE]{1,12}|'[^'\n]{0,8}'|\"[a-z0-9.:]{0,8}\"") {
            let text = format!("z: 1\na:\n  b: {raw}\n  y: 1\n");
            let fine = Document::parse(&text).is_ok_and(|document| document.raw_value(&parse_path("a.b").unwrap()).is_some());
            if fine && !raw.starts_with('5')
                && let Ok(back) = edited_and_reverted(&text, Some("5")) {
                    proptest::prop_assert_eq!(back, text.replace("z: 1", "z: 2"));
                }
        }
    }
}
