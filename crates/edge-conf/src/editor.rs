//! Takes back single settings in a file that has changed since, as edgecore's own rewrites do.

use edge_host::{Editor, Error, Result};
use edge_kubeedge::spelling::{spelled, texts};
use edge_yaml::{Document, Edit};
use serde_json::Value as Json;

use crate::plan::{EDITOR, yaml_error};
use crate::record::{Same, Side};
use crate::show;
use crate::wish::parse_path;

/// The editor of [`crate::plan`]'s inverse records.
#[derive(Debug, Clone, Copy)]
pub struct Settings;

impl Editor for Settings {
    fn kind(&self) -> &'static str {
        EDITOR
    }

    fn revert(&self, now: &[u8], data: &Json) -> Result<Vec<u8>> {
        let mut text = std::str::from_utf8(now).map_err(|_| Error::refused("it is no text any more"))?.to_owned();
        let changes = data["changes"].as_array().map(Vec::as_slice).unwrap_or_default();
        // One after another from the last: an earlier change may have made what a later one set.
        for change in changes.iter().rev() {
            let document = Document::parse(&text).map_err(|error| yaml_error("it", &error))?;
            if let Some(new) = without(&document, change)? {
                text = new;
            }
        }
        Ok(text.into_bytes())
    }
}

/// The text with one change taken back; none where that is so already.
fn without(document: &Document<'_>, change: &Json) -> Result<Option<String>> {
    let path = parse_path(change["path"].as_str().unwrap_or_default())?;
    let path = spelled(document.value(), &texts(&path)).unwrap_or(path);
    let damaged = || Error::failed("its journal record is damaged");
    let (before, after) = (Side::before(change).ok_or_else(damaged)?, Side::after(change).ok_or_else(damaged)?);
    let (now, written) = (document.get(&path), document.written(&path));
    let is = |side: &Side| side.is(now.as_ref(), written.as_ref());
    match (is(&before), is(&after)) {
        (Same::Exactly, _) | (Same::InValue, Same::No | Same::InValue) => return Ok(None),
        (_, Same::No) => {
            return Err(Error::refused(format!(
                "{path} is {} now, and we left it {}",
                show::at(&path, now.as_ref()),
                after.shown(&path)
            ))
            .hint("set it by hand to what it shall be"));
        }
        (_, Same::Exactly | Same::InValue) => {}
    }
    let apply = |edit: Edit| document.apply(&[edit]).map(|edited| edited.text);
    let text = match before {
        Side::Value(value, Some(written)) => document.restore(&path, &value, &written),
        Side::Value(value, None) => apply(Edit::Set { path, value }),
        Side::Nothing => apply(Edit::Unset { path }),
        Side::Sums(_) => return Err(damaged()),
    };
    text.map(Some).map_err(|error| yaml_error("it", &error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn revert(now: &str, changes: &Json) -> Result<String> {
        let data = json!({"changes": changes});
        Settings.revert(now.as_bytes(), &data).map(|bytes| String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn only_our_settings_come_back() {
        let changes = json!([
            {"path": "modules.edgeStream.enable", "before": false, "after": true},
            {"path": "modules.edgeStream.server", "after": "192.0.2.1:10004"}
        ]);
        // Rewritten by edgecore: other order, no comments, a new key, another value of someone's.
        let now =
            "modules:\n  edgeHub:\n    heartbeat: 30\n  edgeStream:\n    server: 192.0.2.1:10004\n    enable: true\n";
        let want = "modules:\n  edgeHub:\n    heartbeat: 30\n  edgeStream:\n    enable: false\n";
        assert_eq!(revert(now, &changes).unwrap(), want);
        assert_eq!(revert(want, &changes).unwrap(), want, "taken back already");
        let other = now.replace("true", "null");
        assert_eq!(
            revert(&other, &changes).unwrap_err().to_string(),
            "modules.edgeStream.enable is null now, and we left it true"
        );
    }

    /// Sets or unsets `a.b`, changes another key, and takes the first change back.
    fn there_and_back(text: &str, value: Option<&str>) -> Result<String> {
        let document = Document::parse(text).unwrap();
        let path = parse_path("a.b").unwrap();
        let edit = match value {
            Some(value) => Edit::Set { path, value: edge_yaml::value(value).unwrap() },
            None => Edit::Unset { path },
        };
        let edited = document.apply(&[edit]).map_err(|error| yaml_error("it", &error))?;
        assert!(!edited.changes.is_empty(), "{text}");
        let edge_host::Inverse::Edit { data, .. } = crate::plan::inverse(&document, &edited) else {
            return Err(Error::refused("the whole file alone comes back"));
        };
        // What the journal does to it.
        let data: Json = serde_json::from_str(&data.to_string()).unwrap();
        let now = edited.text.replace("z: 1", "z: 2");
        Settings.revert(now.as_bytes(), &data).map(|bytes| String::from_utf8(bytes).unwrap())
    }

    /// Values that JSON does not hold, or that one reader takes for something else than another.
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
    fn a_value_comes_back_as_it_was_written_or_not_at_all() {
        for odd in ODD {
            let text = format!("z: 1\na:\n  b: {odd}  # said\n  y: 1\n").replace("#  # said", "#");
            let text = if odd.contains('\n') { text.replace("  # said", "") } else { text };
            let want = text.replace("z: 1", "z: 2");
            for value in [Some("5"), Some("{q: 1}"), Some("text"), Some("[1, 2]")] {
                match there_and_back(&text, value) {
                    Ok(back) => {
                        let written = |text: &str| Document::parse(text).unwrap().written(&parse_path("a.b").unwrap());
                        assert_eq!(written(&back), written(&want), "{odd} by {value:?}:\n{back}");
                        assert_eq!(edge_yaml::read(&back), edge_yaml::read(&want), "{odd}");
                    }
                    Err(error) => assert_eq!(error.exit(), edge_host::Exit::Refused, "{odd}: {error}"),
                }
            }
        }
    }

    #[test]
    fn every_odd_value_comes_back_byte_for_byte() {
        let comes_back = |odd: &&str| {
            let text = format!("z: 1\na:\n  b: {odd}\n  y: 1\n").replace(": \n", ":\n");
            there_and_back(&text, Some("5")).is_ok_and(|back| back == text.replace("z: 1", "z: 2"))
        };
        let lost: Vec<&&str> = ODD.iter().filter(|odd| !comes_back(odd)).collect();
        assert!(lost.is_empty(), "{lost:?}");
    }

    #[test]
    fn an_odd_value_that_was_removed_comes_back() {
        for odd in ODD {
            let text = format!("z: 1\na:\n  y: 1\n  b: {odd}\n");
            match there_and_back(&text, None) {
                Ok(back) => assert_eq!(back, text.replace("z: 1", "z: 2"), "{odd}"),
                Err(error) => assert_eq!(error.exit(), edge_host::Exit::Refused, "{odd}: {error}"),
            }
        }
    }

    proptest::proptest! {
        #[test]
        fn what_comes_back_is_what_was_written(raw in "[-+.~0-9a-fxoXnNyY_:eE]{1,12}|'[^'\n]{0,8}'|\"[a-z0-9.:]{0,8}\"") {
            let text = format!("z: 1\na:\n  b: {raw}\n  y: 1\n");
            let fine = Document::parse(&text).is_ok_and(|document| document.written(&parse_path("a.b").unwrap()).is_some());
            if fine && !raw.starts_with('5')
                && let Ok(back) = there_and_back(&text, Some("5")) {
                    proptest::prop_assert_eq!(back, text.replace("z: 1", "z: 2"));
                }
        }
    }
}
