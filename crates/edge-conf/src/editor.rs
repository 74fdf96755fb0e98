//! Takes back single settings in a file that has changed since, as edgecore's own rewrites do.

use edge_host::{Editor, Error, Result};
use edge_yaml::{Document, Edit, Value};
use serde_json::Value as Json;

use crate::plan::{EDITOR, yaml_error};
use crate::show;
use crate::spelling::{spelled, texts};
use crate::wish::parse_path;

/// The editor of [`crate::plan`]'s inverse records.
#[derive(Debug, Clone, Copy)]
pub struct Settings;

impl Editor for Settings {
    fn kind(&self) -> &'static str {
        EDITOR
    }

    fn take_back(&self, now: &[u8], data: &Json) -> Result<Vec<u8>> {
        let mut text = std::str::from_utf8(now).map_err(|_| Error::refused("it is no text any more"))?.to_owned();
        let changes = data["changes"].as_array().map(Vec::as_slice).unwrap_or_default();
        // One after another from the last: an earlier change may have made what a later one set.
        for change in changes.iter().rev() {
            let document = Document::parse(&text).map_err(|error| yaml_error("it", &error))?;
            if let Some(edit) = opposite(&document, change)? {
                text = document.apply(&[edit]).map_err(|error| yaml_error("it", &error))?.text;
            }
        }
        Ok(text.into_bytes())
    }
}

/// The edit that takes one change back; none where that is so already.
fn opposite(document: &Document<'_>, change: &Json) -> Result<Option<Edit>> {
    let path = parse_path(change["path"].as_str().unwrap_or_default())?;
    let path = spelled(document.value(), &texts(&path)).unwrap_or(path);
    let value = |side: &str| change.get(side).map(serde_yaml::to_value).transpose();
    let damaged = |_| Error::failed("its journal record is damaged");
    let (before, after) = (value("before").map_err(damaged)?, value("after").map_err(damaged)?);
    let now = document.get(&path);
    if now == before {
        return Ok(None);
    }
    if now != after {
        let show = |value: &Option<Value>| show::at(&path, value.as_ref());
        return Err(Error::refused(format!("{path} is {} now, and we left it {}", show(&now), show(&after)))
            .hint("set it by hand to what it shall be"));
    }
    Ok(Some(match before {
        Some(value) => Edit::Set { path, value },
        None => Edit::Unset { path },
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn take_back(now: &str, changes: &Json) -> Result<String> {
        let data = json!({"changes": changes});
        Settings.take_back(now.as_bytes(), &data).map(|bytes| String::from_utf8(bytes).unwrap())
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
        assert_eq!(take_back(now, &changes).unwrap(), want);
        assert_eq!(take_back(want, &changes).unwrap(), want, "taken back already");
        let other = now.replace("true", "null");
        assert_eq!(
            take_back(&other, &changes).unwrap_err().to_string(),
            "modules.edgeStream.enable is null now, and we left it true"
        );
    }
}
