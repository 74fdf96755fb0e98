//! The configuration inside a Kubernetes ConfigMap, which is edited while the rest stays unchanged.

use edge_host::{Error, Result};
use edge_yaml::{Document, Edit, Path, Step, Value};

const GET_IT: &str = "get that of cloudcore: kubectl get configmap -n kubeedge cloudcore -o yaml";

/// The entry of a ConfigMap that contains a configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Its path in the ConfigMap.
    pub path: Path,
    /// Its text.
    pub text: String,
}

/// The configuration inside, if the document is a ConfigMap.
pub fn find_entry(document: &Document<'_>) -> Result<Option<Entry>> {
    let value = document.value();
    match value.get("kind").and_then(Value::as_str) {
        Some("ConfigMap") => {}
        Some(kind @ ("List" | "ConfigMapList")) => {
            return Err(Error::failed(format!("cannot edit a {kind}: expected a single ConfigMap")).hint(GET_IT));
        }
        _ => return Ok(None),
    }
    let data = value.get("data").and_then(Value::as_mapping);
    let texts = data.into_iter().flatten().filter_map(|(name, text)| Some((name.as_str()?, text.as_str()?)));
    let configs: Vec<(&str, &str)> = texts.filter(|(name, text)| is_configuration(name, text)).collect();
    match configs.as_slice() {
        [(name, text)] => {
            let steps = vec![Step::Key("data".to_owned()), Step::Key((*name).to_owned())];
            Ok(Path::new(steps).map(|path| Entry { path, text: (*text).to_owned() }))
        }
        [] => Err(Error::failed("cannot edit this ConfigMap: its data has neither cloudcore.yaml nor edgecore.yaml")
            .hint(GET_IT)),
        _ => Err(Error::refused("cannot edit this ConfigMap: its data has more than one configuration")
            .hint("save the entry to a file of its own and edit that file")),
    }
}

fn is_configuration(name: &str, text: &str) -> bool {
    let by_name = || name.starts_with("cloudcore") || name.starts_with("edgecore");
    match edge_yaml::read(text) {
        Ok(value) if value.is_mapping() => edge_kubeedge::kind_of(&value, Some(std::path::Path::new(name))).is_some(),
        // The editor reports a syntax error with its line.
        _ => by_name(),
    }
}

/// The ConfigMap's text with the entry replaced.
pub fn replace_entry(document: &Document<'_>, entry: &Entry, text: &str) -> Result<String, edge_yaml::Error> {
    let edit = Edit::Set { path: entry.path.clone(), value: Value::from(text) };
    Ok(document.apply(&[edit])?.text)
}
