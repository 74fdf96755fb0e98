//! Parses the text of a network configuration, as libcni does.

use serde_json::{Map, Value};

use super::network::{ConfigError, Network, kind_of};
use crate::version::{Cni, shown};
use edge_host::json::{describe, place};

type Result<T> = std::result::Result<T, ConfigError>;

/// Some editors begin a file of UTF-8 with it, and Go's parser refuses it.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// Parses a configuration; the extension of `name`, its file's name, decides whether it is a list or a single plugin.
///
/// Errors: what libcni refuses when it loads the file, and a name that it refuses only when a pod is started.
pub fn parse(text: &str, name: &str) -> Result<Network> {
    let value = json(text)?;
    let Some(object) = value.as_object() else { return Err(ConfigError::of("the file is not a JSON object")) };
    match extension(name) {
        "conflist" => list(object, name),
        _ => single(&value, object, name),
    }
}

pub(super) fn json(text: &str) -> Result<Value> {
    if text.trim().is_empty() {
        return Err(ConfigError::of("the file is empty"));
    }
    if text.starts_with(BYTE_ORDER_MARK) {
        let error = ConfigError::of("the file begins with a byte order mark, which is not valid JSON");
        return Err(ConfigError { line: Some(1), ..error.hint("save it as UTF-8 without a byte order mark") });
    }
    serde_json::from_str(text).map_err(|cause| ConfigError {
        line: Some(place(text, &cause).0),
        ..ConfigError::of(&format!("the file is not valid JSON: {}", describe(text, &cause)))
    })
}

fn list(object: &Map<String, Value>, file: &str) -> Result<Network> {
    if object.contains_key("type") && !object.contains_key("plugins") {
        return Err(ConfigError::of("a .conflist file must have a list of plugins, and this is a single plugin")
            .hint("put the plugin into \"plugins\": […], or rename the file to .conf"));
    }
    let name = match object.get("name") {
        Some(Value::String(name)) => name.as_str(),
        Some(other) => return Err(ConfigError::of(&format!("name: expected a string, found {other}"))),
        None => return Err(ConfigError::of("the network has no name").hint("add \"name\": \"…\"")),
    };
    let single = version(object)?;
    let mut ignored_versions = Vec::new();
    let highest = highest(object, single, &mut ignored_versions)?;
    let flag = |key: &str| match object.get(key) {
        None => Ok(false),
        Some(Value::Bool(flag)) => Ok(*flag),
        Some(Value::String(text)) if ["true", "false"].contains(&text.to_lowercase().as_str()) => {
            Ok(text.eq_ignore_ascii_case("true"))
        }
        Some(other) => Err(ConfigError::of(&format!("{key}: expected true or false, found {other}"))),
    };
    let (no_check, inlined) = (flag("disableCheck")?, flag("loadOnlyInlinedPlugins")?);
    let plugins = match object.get("plugins") {
        Some(Value::Array(plugins)) if !plugins.is_empty() => plugins.clone(),
        Some(_) => return Err(ConfigError::of("plugins: expected a list with at least one plugin")),
        None if inlined => {
            return Err(ConfigError::of("the network has no plugins, and loadOnlyInlinedPlugins is set"));
        }
        None => Vec::new(),
    };
    for (index, value) in plugins.iter().enumerate() {
        plugin(value, &format!("plugins[{index}]"))?;
    }
    let (name, is_named) = named(name, file)?;
    Ok(Network {
        name,
        is_named,
        version: highest,
        single: single.unwrap_or(Cni::DEFAULT),
        ignored_versions,
        plugins,
        has_check: !no_check,
        has_folder: !inlined,
        keys: keys(object),
    })
}

/// A single plugin, which libcni turns into a list with the same name and version.
fn single(value: &Value, object: &Map<String, Value>, file: &str) -> Result<Network> {
    if object.contains_key("plugins") && !object.contains_key("type") {
        return Err(ConfigError::of("the file is a list of plugins, which is only read from a .conflist file")
            .hint("rename the file to .conflist"));
    }
    plugin(value, "the plugin")?;
    let (name, is_named) = named(object.get("name").and_then(Value::as_str).unwrap_or_default(), file)?;
    let version = version(object)?.unwrap_or(Cni::DEFAULT);
    let plugins = vec![value.clone()];
    let ignored_versions = Vec::new();
    Ok(Network {
        name,
        is_named,
        version,
        single: version,
        ignored_versions,
        plugins,
        has_check: true,
        has_folder: false,
        keys: keys(object),
    })
}

/// The keys of an object, and those of `args` in it.
fn keys(object: &Map<String, Value>) -> Vec<String> {
    let args = object.get("args").and_then(Value::as_object).into_iter().flat_map(Map::keys);
    object.keys().cloned().chain(args.map(|key| format!("args.{key}"))).collect()
}

/// `cniVersion`; none where the file is empty.
fn version(object: &Map<String, Value>) -> Result<Option<Cni>> {
    match object.get("cniVersion") {
        None => Ok(None),
        Some(Value::String(text)) if text.is_empty() => Ok(None),
        Some(Value::String(text)) => text.parse().map(Some).map_err(|_| not_a_version("cniVersion", text)),
        Some(other) => {
            let text = format!("expected a string such as \"1.0.0\", found {other}");
            Err(ConfigError::of(&text).at("cniVersion").hint("write the version in double quotes"))
        }
    }
}

/// The error of a version that no plugin supports, with the nearest one that exists.
fn not_a_version(setting: &str, text: &str) -> ConfigError {
    let nearest = Cni::nearest(text);
    let (text, all) = (format!("{text:?} is not a CNI version"), shown(&Cni::ALL));
    ConfigError::of(&format!("{text}: the versions are {all}"))
        .at(setting)
        .hint(&format!("set the nearest, \"{nearest}\""))
}

/// The highest of `cniVersions` and `cniVersion` that libcni supports; newer ones are ignored.
fn highest(object: &Map<String, Value>, single: Option<Cni>, ignored: &mut Vec<(String, String)>) -> Result<Cni> {
    let Some(listed) = object.get("cniVersions") else { return Ok(single.unwrap_or(Cni::DEFAULT)) };
    let Some(listed) = listed.as_array() else {
        return Err(ConfigError::of("expected a list such as [\"0.4.0\", \"1.0.0\"]").at("cniVersions"));
    };
    let mut versions: Vec<Cni> = single.into_iter().collect();
    let mut unknown: Vec<(String, &str)> = Vec::new();
    for (index, one) in listed.iter().enumerate() {
        let setting = format!("cniVersions[{index}]");
        let text = one.as_str().ok_or_else(|| {
            ConfigError::of(&format!("expected a string such as \"1.0.0\", found {one}")).at(&setting)
        })?;
        match text.parse::<Cni>() {
            Ok(version) => versions.push(version),
            Err(_) if Cni::is_newer_than_all(text) == Some(true) => ignored.push((setting, text.to_owned())),
            Err(_) => unknown.push((setting, text)),
        }
    }
    let newest = versions.into_iter().max();
    for (setting, text) in unknown {
        // libcni refuses what it cannot compare, and would choose this one where it is the highest.
        if Cni::is_newer_than_all(text).is_none() || newest.is_none_or(|newest| newest < Cni::nearest(text)) {
            return Err(not_a_version(&setting, text));
        }
        ignored.push((setting, text.to_owned()));
    }
    Ok(newest.unwrap_or(Cni::DEFAULT))
}

/// The network's name, and whether it is set in the file and not taken from the file's name.
///
/// Errors: a name that libcni refuses, which it does only when a pod is started.
fn named(name: &str, file: &str) -> Result<(String, bool)> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let (name, is_named) = if name.is_empty() { (file, false) } else { (name, true) };
    if !name.bytes().all(is_plain) || !name.starts_with(|first: char| first.is_ascii_alphanumeric()) {
        let error = ConfigError::of(&format!("{name:?} is not a valid network name: each pod fails"))
            .hint("use letters, digits, - _ and . with a letter or digit first");
        return Err(ConfigError { is_for_pods: true, ..error.at("name") });
    }
    Ok((name.to_owned(), is_named))
}

/// Checks the types of those keys of a plugin that libcni itself reads.
pub(super) fn plugin(value: &Value, at: &str) -> Result<()> {
    let Some(object) = value.as_object() else { return Err(ConfigError::of(&format!("{at} is not a JSON object"))) };
    let typed = |key: &str, is: fn(&Value) -> bool, what: &str| match object.get(key) {
        Some(value) if !value.is_null() && !is(value) => Err(ConfigError::of(&format!("{at}: {key} is not a {what}"))),
        _ => Ok(()),
    };
    for key in ["type", "name", "cniVersion"] {
        typed(key, Value::is_string, "string")?;
    }
    for key in ["ipam", "dns", "capabilities"] {
        typed(key, Value::is_object, "JSON object")?;
    }
    let flags = object.get("capabilities").and_then(Value::as_object);
    if flags.into_iter().flat_map(Map::values).any(|flag| !flag.is_boolean()) {
        return Err(ConfigError::of(&format!("{at}: a capability must be true or false")));
    }
    let ipam = object.get("ipam").and_then(|ipam| ipam.get("type"));
    if ipam.is_some_and(|kind| !kind.is_string()) {
        return Err(ConfigError::of(&format!("{at}: ipam.type is not a string")));
    }
    if kind_of(value).is_empty() {
        return Err(ConfigError::of(&format!("{at} has no type")));
    }
    Ok(())
}

pub(super) fn extension(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or_default()
}
