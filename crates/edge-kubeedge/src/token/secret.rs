//! Secrets of Kubernetes as kubectl prints them, in JSON or YAML, alone or in a List.

use std::collections::BTreeMap;

use edge_yaml::{Document, Value};

use super::{SecretText, decode};

/// A Secret.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Secret {
    /// Its name.
    pub name: String,
    /// Its namespace; empty if it is not named.
    pub namespace: String,
    /// Its type: `kubernetes.io/service-account-token`.
    pub kind: String,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
    /// In base64, or as text (`stringData`).
    data: BTreeMap<String, (SecretText, bool)>,
}

/// What is wrong with a Secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// Not YAML or JSON.
    #[error("{0}")]
    Yaml(String),
    /// Several documents.
    #[error("it has more than one YAML document: expected one Secret, or a List")]
    Documents,
    /// Another kind of object.
    #[error("it is {0}: expected a Secret")]
    Kind(String),
    /// A List without Secrets.
    #[error("it is a List without a Secret")]
    NoSecret,
    /// A key that is expected is missing.
    #[error("the Secret has no {0}")]
    NoKey(String),
    /// A value that is not base64.
    #[error("{0} of the Secret is damaged: it is not base64")]
    Encoding(String),
    /// A value that is not text.
    #[error("{0} of the Secret is not text")]
    NotText(String),
}

/// The Secrets of a text: one, or those of a List; other objects of a List are left out.
///
/// # Errors
/// Why there is none.
pub fn secrets(text: &str) -> Result<Vec<Secret>, SecretError> {
    let document = Document::parse(text).map_err(|cause| SecretError::Yaml(cause.to_string()))?;
    if document.has_more_documents() {
        return Err(SecretError::Documents);
    }
    let value = document.as_go();
    let kind = text_of(&value, "kind");
    match kind.as_str() {
        "Secret" => Ok(vec![Secret::of(&value)]),
        "List" | "SecretList" => {
            let items = value.get("items").and_then(Value::as_sequence).map(Vec::as_slice).unwrap_or_default();
            // The items of a typed list have no kind of their own.
            let is_secret = |item: &&Value| kind == "SecretList" || text_of(item, "kind") == "Secret";
            let all: Vec<Secret> = items.iter().filter(is_secret).map(Secret::of).collect();
            if all.is_empty() { Err(SecretError::NoSecret) } else { Ok(all) }
        }
        "" => Err(SecretError::Kind("not an object of Kubernetes: it has no kind".to_owned())),
        other => Err(SecretError::Kind(format!("an object of kind {}", short(other)))),
    }
}

fn short(text: &str) -> String {
    text.chars().take(64).flat_map(char::escape_debug).collect()
}

fn text_of(value: &Value, key: &str) -> String {
    value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn texts(value: Option<&Value>) -> impl Iterator<Item = (String, String)> {
    let entries = value.and_then(Value::as_mapping).into_iter().flatten();
    entries.filter_map(|(key, value)| Some((key.as_str()?.to_owned(), value.as_str()?.to_owned())))
}

impl Secret {
    fn of(value: &Value) -> Secret {
        let meta = value.get("metadata").unwrap_or(&Value::Null);
        let encoded = texts(value.get("data")).map(|(key, text)| (key, (SecretText::new(text), true)));
        // The API server lets stringData win.
        let plain = texts(value.get("stringData")).map(|(key, text)| (key, (SecretText::new(text), false)));
        Secret {
            name: text_of(meta, "name"),
            namespace: text_of(meta, "namespace"),
            kind: text_of(value, "type"),
            annotations: texts(meta.get("annotations")).collect(),
            data: encoded.chain(plain).collect(),
        }
    }

    /// Whether it has this key.
    pub fn has(&self, key: &str) -> bool {
        self.data.contains_key(key)
    }

    /// Its keys, in order.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.data.keys().map(String::as_str)
    }

    /// The decoded value of a key.
    ///
    /// # Errors
    /// It has no such key, or its value is not base64.
    pub fn bytes(&self, key: &str) -> Result<Vec<u8>, SecretError> {
        let (text, is_encoded) = self.data.get(key).ok_or_else(|| SecretError::NoKey(key.to_owned()))?;
        if !is_encoded {
            return Ok(text.expose().as_bytes().to_vec());
        }
        let plain: String = text.expose().chars().filter(|c| !c.is_whitespace()).collect();
        decode(&plain).ok_or_else(|| SecretError::Encoding(key.to_owned()))
    }

    /// The same as text.
    ///
    /// # Errors
    /// As [`Secret::bytes`], and if it is not UTF-8.
    pub fn text(&self, key: &str) -> Result<SecretText, SecretError> {
        let text = String::from_utf8(self.bytes(key)?).map_err(|_| SecretError::NotText(key.to_owned()))?;
        Ok(SecretText::new(text))
    }

    /// `kubeedge/tokensecret`.
    pub fn title(&self) -> String {
        match (self.namespace.as_str(), self.name.as_str()) {
            ("", name) => short(name),
            (namespace, name) => format!("{}/{}", short(namespace), short(name)),
        }
    }
}
