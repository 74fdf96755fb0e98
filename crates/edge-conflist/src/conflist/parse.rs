//! The text of a network configuration, read as libcni reads it.

use serde_json::{Map, Value};

use super::network::{Broken, Network, kind_of};
use crate::version::Cni;

/// Reads a configuration; `name` is its file's name, whose end says how it is read.
///
/// Fails as libcni does, and where a name is one that it refuses once a pod comes.
pub fn parse(text: &str, name: &str) -> std::result::Result<Network, Broken> {
    let value = json(text)?;
    let Some(object) = value.as_object() else { return Err(Broken::of("it is no JSON object")) };
    match extension(name) {
        "conflist" => list(object, name),
        _ => single(&value, object, name),
    }
}

pub(super) fn json(text: &str) -> std::result::Result<Value, Broken> {
    if text.trim().is_empty() {
        return Err(Broken::of("it is empty"));
    }
    let at = |cause: serde_json::Error| Broken {
        line: Some(cause.line()),
        ..Broken::of(&format!("it is no JSON: {cause}"))
    };
    serde_json::from_str(text).map_err(at)
}

fn list(object: &Map<String, Value>, file: &str) -> std::result::Result<Network, Broken> {
    if object.contains_key("type") && !object.contains_key("plugins") {
        return Err(Broken::of("it holds a single plugin, and a .conflist is read as a list")
            .hint("put the plugin into \"plugins\": […], or name the file .conf"));
    }
    let name = match object.get("name") {
        Some(Value::String(name)) => name.as_str(),
        Some(other) => return Err(Broken::of(&format!("name: {other} is no text"))),
        None => return Err(Broken::of("it has no name").hint("add \"name\": \"…\"")),
    };
    let single = version(object)?;
    let flag = |key: &str| match object.get(key) {
        None => Ok(false),
        Some(Value::Bool(flag)) => Ok(*flag),
        Some(Value::String(text)) if ["true", "false"].contains(&text.to_lowercase().as_str()) => {
            Ok(text.eq_ignore_ascii_case("true"))
        }
        Some(other) => Err(Broken::of(&format!("{key}: {other} is neither true nor false"))),
    };
    let (check, inlined) = (flag("disableCheck")?, flag("loadOnlyInlinedPlugins")?);
    let plugins = match object.get("plugins") {
        Some(Value::Array(plugins)) if !plugins.is_empty() => plugins.clone(),
        Some(_) => return Err(Broken::of("plugins is no list, or an empty one")),
        None if inlined => return Err(Broken::of("it has no plugins, and loadOnlyInlinedPlugins")),
        None => Vec::new(),
    };
    for (index, value) in plugins.iter().enumerate() {
        plugin(value, &format!("plugins[{index}]"))?;
    }
    let (name, is_named) = named(name, file)?;
    Ok(Network {
        name,
        is_named,
        version: highest(object, single)?,
        single: single.unwrap_or(Cni::UNSAID),
        plugins,
        has_check: !check,
        has_folder: !inlined,
    })
}

/// A single plugin, which libcni makes a list of: nothing but name, version and the plugin itself count.
fn single(value: &Value, object: &Map<String, Value>, file: &str) -> std::result::Result<Network, Broken> {
    if object.contains_key("plugins") && !object.contains_key("type") {
        return Err(Broken::of("it holds a list of plugins, and only a .conflist is read as a list")
            .hint("name the file .conflist"));
    }
    plugin(value, "it")?;
    let (name, is_named) = named(object.get("name").and_then(Value::as_str).unwrap_or_default(), file)?;
    let version = version(object)?.unwrap_or(Cni::UNSAID);
    let plugins = vec![value.clone()];
    Ok(Network { name, is_named, version, single: version, plugins, has_check: true, has_folder: false })
}

/// `cniVersion`; an empty one is none.
fn version(object: &Map<String, Value>) -> std::result::Result<Option<Cni>, Broken> {
    match object.get("cniVersion") {
        None => Ok(None),
        Some(Value::String(text)) if text.is_empty() => Ok(None),
        Some(Value::String(text)) => {
            text.parse().map(Some).map_err(|cause: String| Broken::of(&format!("cniVersion: {cause}")))
        }
        Some(other) => Err(Broken::of(&format!("cniVersion: {other} is no text, such as \"1.0.0\""))),
    }
}

/// The highest of `cniVersions` and `cniVersion` that libcni knows; what is newer is passed over.
fn highest(object: &Map<String, Value>, single: Option<Cni>) -> std::result::Result<Cni, Broken> {
    let Some(listed) = object.get("cniVersions") else { return Ok(single.unwrap_or(Cni::UNSAID)) };
    let Some(listed) = listed.as_array() else {
        return Err(Broken::of("cniVersions is no list, such as [\"0.4.0\", \"1.0.0\"]"));
    };
    let mut versions: Vec<Cni> = single.into_iter().collect();
    for (index, one) in listed.iter().enumerate() {
        let wrong = |cause: String| Broken::of(&format!("cniVersions[{index}]: {cause}"));
        let text = one.as_str().ok_or_else(|| wrong(format!("{one} is no text, such as \"1.0.0\"")))?;
        versions.push(text.parse().map_err(wrong)?);
    }
    let newest = versions.into_iter().filter(|version| *version <= Cni::NEWEST).max();
    Ok(newest.or(single).unwrap_or(Cni::UNSAID))
}

/// The name, and whether it is its own and not the file's; one that libcni refuses only once a pod comes is an error here.
fn named(name: &str, file: &str) -> std::result::Result<(String, bool), Broken> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let (name, is_named) = if name.is_empty() { (file, false) } else { (name, true) };
    if !name.bytes().all(plain) || !name.starts_with(|first: char| first.is_ascii_alphanumeric()) {
        let broken = Broken::of(&format!("its name {name:?} is refused when a pod comes"))
            .hint("letters, digits, -, _ and . are for names, a letter or digit first");
        return Err(Broken { later: Some("name"), ..broken });
    }
    Ok((name.to_owned(), is_named))
}

/// What libcni itself reads of a plugin's part has the type that it must have.
pub(super) fn plugin(value: &Value, at: &str) -> std::result::Result<(), Broken> {
    let Some(object) = value.as_object() else { return Err(Broken::of(&format!("{at} is no JSON object"))) };
    let typed = |key: &str, is: fn(&Value) -> bool, what: &str| match object.get(key) {
        Some(value) if !value.is_null() && !is(value) => Err(Broken::of(&format!("{at}: {key} is no {what}"))),
        _ => Ok(()),
    };
    for key in ["type", "name", "cniVersion"] {
        typed(key, Value::is_string, "text")?;
    }
    for key in ["ipam", "dns", "capabilities"] {
        typed(key, Value::is_object, "JSON object")?;
    }
    let flags = object.get("capabilities").and_then(Value::as_object);
    if flags.into_iter().flat_map(Map::values).any(|flag| !flag.is_boolean()) {
        return Err(Broken::of(&format!("{at}: a capability is neither true nor false")));
    }
    let ipam = object.get("ipam").and_then(|ipam| ipam.get("type"));
    if ipam.is_some_and(|kind| !kind.is_string()) {
        return Err(Broken::of(&format!("{at}: ipam.type is no text")));
    }
    if kind_of(value).is_empty() {
        return Err(Broken::of(&format!("{at} has no type")));
    }
    Ok(())
}

pub(super) fn extension(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or_default()
}
