//! Reads kubeconfigs: the access to a cluster that a context names.

pub mod editor;

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use edge_pki::cert::{Certificate, bundle_from_pem};
use edge_yaml::{Document, Value};

/// The lists of a kubeconfig, and the key of what each entry of them contains.
pub const LISTS: [(&str, &str); 3] = [("clusters", "cluster"), ("contexts", "context"), ("users", "user")];
/// Keys that name a file, and those that have its content.
const FILES: [(&str, &str, &str); 3] = [
    ("clusters", "certificate-authority", "certificate-authority-data"),
    ("users", "client-certificate", "client-certificate-data"),
    ("users", "client-key", "client-key-data"),
];

/// A kubeconfig.
#[derive(Debug)]
pub struct Kubeconfig<'t> {
    /// For edits.
    pub document: Document<'t>,
    value: Value,
    /// Where the first entry of each name is, for each of [`LISTS`].
    named: [HashMap<String, usize>; 3],
}

/// What a context names.
#[derive(Clone, PartialEq)]
pub struct Access {
    /// The name of the cluster.
    pub cluster_name: String,
    /// The name of the user.
    pub user_name: String,
    /// The cluster.
    pub cluster: Value,
    /// The user, with credentials.
    pub user: Value,
    /// The context.
    pub context: Value,
}

/// Without the credentials.
impl std::fmt::Debug for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Access({} at {})", self.user_name, self.cluster_name)
    }
}

impl<'t> Kubeconfig<'t> {
    /// Reads a text; an empty one is a kubeconfig without entries.
    ///
    /// # Errors
    /// Why it is not a kubeconfig.
    pub fn parse(text: &'t str) -> Result<Kubeconfig<'t>, String> {
        let document = Document::parse(text).map_err(|cause| cause.to_string())?;
        if document.has_more_documents() {
            return Err("it has more than one YAML document".to_owned());
        }
        let value = document.as_go();
        match (&value, value.get("kind").and_then(Value::as_str)) {
            (Value::Null, _) => {}
            (Value::Mapping(_), None | Some("Config")) => {}
            (Value::Mapping(_), Some(kind)) => return Err(format!("it is not a kubeconfig: its kind is {kind:?}")),
            _ => return Err("it is not a kubeconfig: expected settings, KEY: VALUE".to_owned()),
        }
        // kubectl reads none of a file in which one value has another type.
        let invalid =
            |what: String, expected: &str| Err(format!("it is not a valid kubeconfig: {what} is not {expected}"));
        for key in ["apiVersion", "kind", "current-context"] {
            if !matches!(value.get(key), None | Some(Value::Null | Value::String(_))) {
                return invalid(key.to_owned(), "a string");
            }
        }
        for (list, key) in LISTS {
            let entries = match value.get(list) {
                None | Some(Value::Null) => continue,
                Some(Value::Sequence(entries)) => entries,
                Some(_) => return invalid(list.to_owned(), "a list"),
            };
            for (index, entry) in entries.iter().enumerate() {
                if !matches!(entry, Value::Null | Value::Mapping(_)) {
                    return invalid(format!("{list}[{index}]"), "a mapping");
                }
                if !matches!(entry.get("name"), None | Some(Value::Null | Value::String(_))) {
                    return invalid(format!("the name of {list}[{index}]"), "a string");
                }
                if !matches!(entry.get(key), None | Some(Value::Null | Value::Mapping(_))) {
                    return invalid(format!("{key} of {list}[{index}]"), "a mapping");
                }
            }
        }
        let named = LISTS.map(|(list, _)| {
            let entries = value.get(list).and_then(Value::as_sequence).map(Vec::as_slice).unwrap_or_default();
            let mut named = HashMap::new();
            for (index, entry) in entries.iter().enumerate() {
                if let Some(name) = entry.get("name").and_then(Value::as_str) {
                    named.entry(name.to_owned()).or_insert(index);
                }
            }
            named
        });
        Ok(Kubeconfig { document, value, named })
    }

    fn entries(&self, list: &str) -> &[Value] {
        self.value.get(list).and_then(Value::as_sequence).map(Vec::as_slice).unwrap_or_default()
    }

    /// The names in a list, in order.
    pub fn names(&self, list: &str) -> Vec<String> {
        self.entries(list).iter().filter_map(|entry| entry.get("name")?.as_str().map(str::to_owned)).collect()
    }

    /// How many entries a list has.
    pub fn len(&self, list: &str) -> usize {
        self.entries(list).len()
    }

    /// Whether it has this key at the top.
    pub fn has(&self, key: &str) -> bool {
        self.value.get(key).is_some()
    }

    /// The entry of a list with this name: its index, and what it contains.
    pub fn entry(&self, list: &str, name: &str) -> Option<(usize, &Value)> {
        let (number, key) =
            LISTS.iter().enumerate().find_map(|(at, (other, key))| (*other == list).then_some((at, *key)))?;
        let index = *self.named.get(number)?.get(name)?;
        Some((index, self.entries(list).get(index)?.get(key).unwrap_or(&Value::Null)))
    }

    /// The current context, if there is one.
    pub fn current(&self) -> Option<&str> {
        self.value.get("current-context").and_then(Value::as_str).filter(|name| !name.is_empty())
    }

    /// What a context names.
    ///
    /// # Errors
    /// A part of it is missing.
    pub fn access(&self, context: &str) -> Result<Access, String> {
        let missing = |list: &str, name: &str| format!("{name:?} is not in its {list}");
        let (_, value) = self.entry("contexts", context).ok_or_else(|| missing("contexts", context))?;
        let name = |key: &str| {
            let name = value.get(key).and_then(Value::as_str).unwrap_or_default();
            if name.is_empty() { Err(format!("its context {context:?} names no {key}")) } else { Ok(name.to_owned()) }
        };
        let (cluster_name, user_name) = (name("cluster")?, name("user")?);
        let of = |list: &str, name: &str| {
            self.entry(list, name).map(|(_, value)| value.clone()).ok_or_else(|| missing(list, name))
        };
        Ok(Access {
            cluster: of("clusters", &cluster_name)?,
            user: of("users", &user_name)?,
            context: value.clone(),
            cluster_name,
            user_name,
        })
    }
}

fn text<'v>(value: &'v Value, key: &str) -> Option<&'v str> {
    value.get(key).and_then(Value::as_str).filter(|text| !text.is_empty())
}

impl Access {
    /// The address of the API server.
    pub fn server(&self) -> &str {
        text(&self.cluster, "server").unwrap_or_default()
    }

    /// The token of the user.
    pub fn token(&self) -> Option<&str> {
        text(&self.user, "token")
    }

    /// The CA of the cluster, where the kubeconfig contains it.
    pub fn authority(&self) -> Option<Certificate> {
        self.authorities().into_iter().next()
    }

    /// All CAs of the cluster.
    pub fn authorities(&self) -> Vec<Certificate> {
        let bytes = text(&self.cluster, "certificate-authority-data").and_then(|data| STANDARD.decode(data).ok());
        bytes.and_then(|bytes| bundle_from_pem(&bytes).ok()).unwrap_or_default()
    }

    /// The client certificate of the user, where the kubeconfig contains one, or why it cannot be read.
    pub fn client_certificate(&self) -> Option<Result<Certificate, String>> {
        client_certificate(&self.user)
    }

    /// A file that is named instead of being contained.
    pub fn file(&self) -> Option<&str> {
        FILES.iter().find_map(|(list, key, data)| {
            let value = self.part(list);
            if text(value, data).is_some() { None } else { text(value, key) }
        })
    }

    fn part(&self, list: &str) -> &Value {
        if list == "clusters" { &self.cluster } else { &self.user }
    }

    /// Puts the content of the files that it names in their place, as its new owner may not be able to read them.
    ///
    /// # Errors
    /// Of `read`, which gets each path as it is written.
    pub fn embed<E>(&mut self, read: impl Fn(&str) -> Result<Vec<u8>, E>) -> Result<(), E> {
        for (list, key, data) in FILES {
            let value = if list == "clusters" { &mut self.cluster } else { &mut self.user };
            let Some(path) = text(value, key).map(str::to_owned) else { continue };
            let has_data = text(value, data).is_some();
            let bytes = if has_data { None } else { Some(read(&path)?) };
            let Value::Mapping(entries) = value else { continue };
            entries.remove(key);
            if let Some(bytes) = bytes {
                entries.insert(Value::from(data), Value::from(STANDARD.encode(bytes)));
            }
        }
        Ok(())
    }
}

/// The client certificate of an entry of `users`.
pub fn client_certificate(user: &Value) -> Option<Result<Certificate, String>> {
    let data = text(user, "client-certificate-data")?;
    let bytes = STANDARD.decode(data).map_err(|_| "it is not base64".to_owned());
    Some(bytes.and_then(|bytes| Certificate::from_pem(&bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn access_is_that_of_a_context() {
        let text = "clusters: [{name: c, cluster: {server: 'https://192.0.2.1:6443'}}]\nusers: [{name: u, user: {token: t}}]\n\
                    contexts: [{name: a, context: {cluster: c, user: u}}, {name: b, context: {cluster: c, user: x}}, {name: d}]\ncurrent-context: ''\n";
        let config = Kubeconfig::parse(text).unwrap();
        let access = config.access("a").unwrap();
        assert_eq!((access.server(), access.token()), ("https://192.0.2.1:6443", Some("t")));
        assert_eq!(format!("{access:?}"), "Access(u at c)");
        assert_eq!((config.current(), config.names("contexts")), (None, vec!["a".into(), "b".into(), "d".into()]));
        for (name, why) in [("b", "\"x\" is not in its users"), ("d", "names no cluster"), ("e", "not in its contexts")]
        {
            assert!(config.access(name).unwrap_err().contains(why), "{name}");
        }
    }

    #[test]
    fn parse_refuses_what_is_not_a_kubeconfig() {
        assert_eq!(Kubeconfig::parse("").unwrap().len("users"), 0);
        // As kubectl reads them.
        Kubeconfig::parse("current-context:\nkind: ~\nusers: [~, {name: u, user: ~}]\nclusters: [{}]\n").unwrap();
        for (text, why) in [
            ("kind: Pod", "its kind is \"Pod\""),
            ("- a", "expected settings"),
            ("users: {}", "users is not a list"),
            ("current-context: [a]", "current-context is not a string"),
            ("current-context: 5", "current-context is not a string"),
            ("apiVersion: {}", "apiVersion is not a string"),
            ("kind: []", "kind is not a string"),
            ("users: [{name: u}, 5]", "users[1] is not a mapping"),
            ("contexts: [{name: 5}]", "the name of contexts[0] is not a string"),
            ("clusters: [{name: c, cluster: [s]}]", "cluster of clusters[0] is not a mapping"),
            ("a: 1\n---\nb: 1\n", "more than one YAML document"),
            ("a: [", "not valid YAML"),
        ] {
            let said = Kubeconfig::parse(text).unwrap_err();
            assert!(said.contains(why), "{text}: {said}");
        }
    }

    #[test]
    fn embed_replaces_files_by_their_content() {
        let text = "clusters: [{name: c, cluster: {certificate-authority: ca.crt}}]\nusers: [{name: u, user: {client-key: /k, client-key-data: eA==}}]\n\
                    contexts: [{name: a, context: {cluster: c, user: u}}]\n";
        let mut access = Kubeconfig::parse(text).unwrap().access("a").unwrap();
        assert_eq!(access.file(), Some("ca.crt"));
        access.embed(|path| if path == "ca.crt" { Ok(b"pem".to_vec()) } else { Err(path.to_owned()) }).unwrap();
        assert_eq!(access.cluster.get("certificate-authority-data").and_then(Value::as_str), Some("cGVt"));
        assert!(access.file().is_none() && access.user.get("client-key").is_none());
    }
}
