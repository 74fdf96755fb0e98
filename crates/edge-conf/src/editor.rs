//! Takes back single settings in a file that has changed since, as edgecore's own rewrites do.

use edge_host::{Editor, Error, Result};
use edge_yaml::{Document, Edit};
use serde_json::Value as Json;

use crate::plan::{EDITOR, yaml_error};
use crate::record::{Same, Side};
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
