//! Undoes single entries of a kubeconfig that has changed since, such as one that kubectl has rewritten.

use edge_host::{Editor, Error, Result};
use edge_yaml::{Edit, Path, Step, Value};
use serde_json::Value as Json;
use sha2::{Digest, Sha256};

use super::Kubeconfig;

/// The kind of the inverse records.
pub const EDITOR: &str = "kubeconfig";

/// The editor of [`crate::plan`]'s inverse records.
///
/// A record has names and checksums: the entries contain private keys.
#[derive(Debug, Clone, Copy)]
pub struct EntriesEditor;

/// The checksum of an entry, whatever the order of its keys is: kubectl sorts them.
pub fn checksum(value: &Value) -> String {
    // A map of serde_json is sorted.
    let sorted = serde_json::to_value(value).unwrap_or(Json::Null).to_string();
    Sha256::digest(sorted.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The path of an entry, or of something in it.
pub fn path(list: &str, index: usize, rest: &[&str]) -> Option<Path> {
    let steps = [Step::Key(list.to_owned()), Step::Index(index)];
    Path::new(steps.into_iter().chain(rest.iter().map(|key| Step::Key((*key).to_owned()))).collect())
}

/// The path of the current context.
pub fn current() -> Option<Path> {
    Path::new(vec![Step::Key("current-context".to_owned())])
}

impl Editor for EntriesEditor {
    fn kind(&self) -> &'static str {
        EDITOR
    }

    fn revert(&self, now: &[u8], data: &Json) -> Result<Vec<u8>> {
        let mut text = std::str::from_utf8(now).map_err(|_| Error::refused("it is no longer UTF-8 text"))?.to_owned();
        if let Some(name) = data["renewed"].as_str() {
            let why = format!(
                "the previous credentials of {name} are kept only with the whole file, which was changed since"
            );
            return Err(Error::refused(why));
        }
        let added = data["added"].as_array().map(Vec::as_slice).unwrap_or_default();
        for entry in added.iter().rev() {
            let damaged = || Error::failed("its journal record is damaged");
            let [list, name, sha256] =
                ["list", "name", "sha256"].map(|key| entry[key].as_str().ok_or_else(damaged).map(str::to_owned));
            let (list, name, sha256) = (list?, name?, sha256?);
            text = edited(&text, |config| {
                let Some((index, value)) = config.entry(&list, &name) else { return Ok(None) };
                if checksum(value) != sha256 {
                    let what = format!("{name} in {list} was changed since");
                    return Err(Error::refused(what)
                        .hint(format!("remove it with kubectl: kubectl config unset {list}.{name}")));
                }
                Ok(path(&list, index, &[]).map(|path| Edit::Unset { path }))
            })?;
        }
        if let Some(context) = data["current"].as_str() {
            let before = data["current_before"].as_str();
            text = edited(&text, |config| {
                let path = current().filter(|_| config.current() == Some(context));
                Ok(path.map(|path| match before {
                    Some(before) => Edit::Set { path, value: Value::from(before) },
                    None => Edit::Unset { path },
                }))
            })?;
        }
        Ok(text.into_bytes())
    }
}

/// The text after an edit, if one is made.
fn edited(text: &str, edit: impl FnOnce(&Kubeconfig<'_>) -> Result<Option<Edit>>) -> Result<String> {
    let config = Kubeconfig::parse(text).map_err(Error::refused)?;
    let Some(edit) = edit(&config)? else { return Ok(text.to_owned()) };
    config.document.apply(&[edit]).map(|edited| edited.text).map_err(|cause| Error::refused(cause.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn revert(now: &str, data: &Json) -> Result<String> {
        EntriesEditor.revert(now.as_bytes(), data).map(|bytes| String::from_utf8(bytes).unwrap())
    }

    fn added(list: &str, name: &str, value: &str) -> Json {
        json!({"list": list, "name": name, "sha256": checksum(&edge_yaml::value(value).unwrap())})
    }

    #[test]
    fn revert_removes_only_the_recorded_entries() {
        let data = json!({"added": [added("clusters", "c", "{server: s, a: 1}"), added("users", "u", "{token: t}")], "current": "x"});
        // Rewritten by kubectl: another order of keys, another entry.
        let now = "clusters:\n- cluster:\n    a: 1\n    server: s\n  name: c\n- cluster: {server: o}\n  name: other\ncurrent-context: x\nusers:\n- name: u\n  user:\n    token: t\n";
        let want = "clusters:\n- cluster: {server: o}\n  name: other\nusers: []\n";
        assert_eq!(revert(now, &data).unwrap(), want);
        assert_eq!(revert(want, &data).unwrap(), want, "reverted already");
        let error = revert(&now.replace("token: t", "token: new"), &data).unwrap_err();
        assert!(error.message().contains("u in users was changed since"), "{error}");
        let other = revert(&now.replace("current-context: x", "current-context: other"), &data).unwrap();
        assert!(other.contains("current-context: other"), "{other}");
    }

    #[test]
    fn revert_restores_an_empty_current_context() {
        let data = json!({"added": [], "current": "x", "current_before": ""});
        assert_eq!(revert("current-context: x\n", &data).unwrap(), "current-context: \"\"\n");
    }

    #[test]
    fn revert_refuses_renewed_credentials_in_a_changed_file() {
        let error = revert("", &json!({"added": [], "renewed": "admin"})).unwrap_err();
        assert!(
            error.exit() == edge_host::Exit::Refused && error.message().contains("credentials of admin"),
            "{error}"
        );
    }
}
