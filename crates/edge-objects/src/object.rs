//! A Kubernetes object in a document, and where it is there.

use std::borrow::Cow;

use edge_yaml::{Path, Step, Value};

/// An object.
#[derive(Debug, Clone)]
pub struct Object<'v> {
    /// Its value.
    pub value: &'v Value,
    /// The path to it in its document.
    pub base: Vec<Step>,
    /// Its kind.
    pub kind: Cow<'v, str>,
    /// The group of its apiVersion: `apps`; empty for the core group.
    pub group: &'v str,
    /// Its name.
    pub name: &'v str,
    /// Its namespace; may be empty.
    pub namespace: &'v str,
}

/// Who manages an object, as far as it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manager<'v> {
    /// The object in its controller reference: kind and name.
    Owner(&'v str, &'v str),
    /// Helm.
    Helm,
}

impl<'v> Object<'v> {
    /// `DaemonSet kube-system/kube-proxy`.
    pub fn title(&self) -> String {
        let slash = if self.namespace.is_empty() { "" } else { "/" };
        format!("{} {}{slash}{}", self.kind, self.namespace, self.name)
    }

    /// The value below these keys.
    pub fn get(&self, keys: &[&str]) -> Option<&'v Value> {
        at(self.value, keys)
    }

    /// The text below these keys.
    pub fn text(&self, keys: &[&str]) -> Option<&'v str> {
        self.get(keys)?.as_str()
    }

    /// A path in the document, from these steps in the object; at least one.
    pub fn path(&self, steps: impl IntoIterator<Item = Step>) -> Option<Path> {
        Path::new(self.base.iter().cloned().chain(steps).collect())
    }

    /// The value of a label.
    pub fn label(&self, name: &str) -> Option<&'v str> {
        self.text(&["metadata", "labels", name])
    }

    /// Whether it was read from a cluster.
    pub fn is_from_cluster(&self) -> bool {
        ["resourceVersion", "uid"].iter().any(|key| self.get(&["metadata", key]).is_some_and(|value| !value.is_null()))
    }

    /// Whether its manifest was applied by `kubectl apply` on the client's side.
    pub fn was_applied(&self) -> bool {
        self.get(&["metadata", "annotations", "kubectl.kubernetes.io/last-applied-configuration"]).is_some()
    }

    /// Who manages it.
    pub fn manager(&self) -> Option<Manager<'v>> {
        let owners = self.get(&["metadata", "ownerReferences"]).and_then(Value::as_sequence);
        let owner = owners.into_iter().flatten().find(|owner| at(owner, &["controller"]) == Some(&Value::Bool(true)));
        if let Some(owner) = owner {
            let field = |key| at(owner, &[key]).and_then(Value::as_str).unwrap_or("?");
            return Some(Manager::Owner(field("kind"), field("name")));
        }
        let by_label = self.label("app.kubernetes.io/managed-by") == Some("Helm");
        let by_release = self.get(&["metadata", "annotations", "meta.helm.sh/release-name"]).is_some();
        (by_label || by_release).then_some(Manager::Helm)
    }
}

/// The value below these keys.
pub fn at<'v>(value: &'v Value, keys: &[&str]) -> Option<&'v Value> {
    keys.iter().try_fold(value, |value, key| value.as_mapping()?.get(*key))
}

/// Steps by keys.
pub fn keys(keys: &[&str]) -> Vec<Step> {
    keys.iter().map(|key| Step::Key((*key).to_owned())).collect()
}
