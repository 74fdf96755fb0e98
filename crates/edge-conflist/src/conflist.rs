//! Network configurations as libcni reads them: lists of plugins, and single ones.

use std::path::{Path, PathBuf};

use edge_host::{Host, Result};
use serde_json::{Map, Value};

use crate::range::Range;
use crate::version::Cni;

/// Where runtimes look for network configurations.
pub const CONF_DIR: &str = "/etc/cni/net.d";
/// What libcni reads; anything else in the directory is no configuration.
const EXTENSIONS: [&str; 3] = ["conf", "conflist", "json"];
/// host-local and its kin by default.
pub const LEASES: &str = "/var/lib/cni/networks";

/// A file in the directory, read or not.
#[derive(Debug, Clone)]
pub struct File {
    /// Where it is.
    pub path: PathBuf,
    /// What it holds.
    pub content: std::result::Result<Network, Broken>,
}

/// Why a file is no configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// From 1, where the text itself is wrong.
    pub line: Option<usize>,
    /// The place in it, where only a pod meets it: a runtime takes the network for ready all the same.
    pub later: Option<&'static str>,
    /// What is wrong.
    pub text: String,
    /// What to do.
    pub hint: Option<String>,
}

/// A network.
#[derive(Debug, Clone)]
pub struct Network {
    /// Its name; that of its file where it has none.
    pub name: String,
    /// Whose name that is.
    pub named: Named,
    /// The version that the newest libcni takes: the highest of all that are listed and it knows.
    pub version: Cni,
    /// The version that a libcni without lists of versions takes: `cniVersion` alone.
    pub single: Cni,
    /// Each plugin's part as it is in the file.
    pub plugins: Vec<Value>,
    /// CHECK is not wanted.
    pub check: Check,
    more: More,
}

/// Where a network's name comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Named {
    /// From the file's content.
    ByItself,
    /// From the file's name, as CRI-O does it; containerd then fails each pod.
    ByFile,
}

/// Whether a network is to be checked once it is up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// It is.
    Wanted,
    /// `disableCheck`.
    Disabled,
}

/// Whether a directory named as the network adds plugins to it, as libcni reads it from 1.3.0 on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum More {
    Folder,
    Nothing,
}

/// The configurations of a directory in the order in which a runtime looks at them.
pub fn files(host: &Host, dir: &Path) -> Result<Vec<File>> {
    let mut files = Vec::new();
    for name in host.root.list(dir)? {
        let path = dir.join(&name);
        let name = name.to_string_lossy();
        if !EXTENSIONS.contains(&extension(&name)) {
            continue;
        }
        let content = match host.root.read(&path) {
            Ok(Some(bytes)) => {
                let network = parse(&String::from_utf8_lossy(&bytes), &name);
                match network {
                    Ok(network) => with_folder(host, dir, network)?,
                    broken => broken,
                }
            }
            // A dangling link is what a runtime cannot open either.
            Ok(None) => Err(Broken::of("it is a link to nothing").hint("mend or remove it")),
            Err(error) => Err(Broken::of(error.message()).hint("mend or remove it")),
        };
        files.push(File { path, content });
    }
    Ok(files)
}

/// The network with the plugins of its own directory.
fn with_folder(host: &Host, dir: &Path, mut network: Network) -> Result<std::result::Result<Network, Broken>> {
    if network.more == More::Folder {
        let own = dir.join(&network.name);
        let is_dir = matches!(host.root.find_link(&own)?.state, edge_host::State::Directory { .. });
        let names = if is_dir { host.root.list(&own)? } else { Vec::new() };
        for name in names.into_iter().filter_map(|name| name.into_string().ok()) {
            if extension(&name) != "conf" {
                continue;
            }
            let text = match host.root.read(&own.join(&name)) {
                Ok(text) => String::from_utf8_lossy(&text.unwrap_or_default()).into_owned(),
                Err(error) => return Ok(Err(Broken::of(error.message()))),
            };
            let of = |broken: Broken| Broken { line: None, text: format!("{name} of it: {}", broken.text), ..broken };
            match json(&text).and_then(|value| plugin(&value, "it").map(|()| value)) {
                Ok(value) => network.plugins.push(value),
                Err(broken) => return Ok(Err(of(broken))),
            }
        }
    }
    Ok(if network.plugins.is_empty() { Err(Broken::of("it has no plugins")) } else { Ok(network) })
}

/// Other names in the directory that look as if they were meant to be one: `10-x.conflist.disabled`.
pub fn left_aside(host: &Host, dir: &Path) -> Result<Vec<String>> {
    let names = host.root.list(dir)?.into_iter().filter_map(|name| name.into_string().ok());
    Ok(names.filter(|name| name.contains(".conf") && !EXTENSIONS.contains(&extension(name))).collect())
}

fn extension(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or_default()
}

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

fn json(text: &str) -> std::result::Result<Value, Broken> {
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
    let (name, named) = named(name, file)?;
    Ok(Network {
        name,
        named,
        version: highest(object, single)?,
        single: single.unwrap_or(Cni::UNSAID),
        plugins,
        check: if check { Check::Disabled } else { Check::Wanted },
        more: if inlined { More::Nothing } else { More::Folder },
    })
}

/// A single plugin, which libcni makes a list of: nothing but name, version and the plugin itself count.
fn single(value: &Value, object: &Map<String, Value>, file: &str) -> std::result::Result<Network, Broken> {
    if object.contains_key("plugins") && !object.contains_key("type") {
        return Err(Broken::of("it holds a list of plugins, and only a .conflist is read as a list")
            .hint("name the file .conflist"));
    }
    plugin(value, "it")?;
    let (name, named) = named(object.get("name").and_then(Value::as_str).unwrap_or_default(), file)?;
    let version = version(object)?.unwrap_or(Cni::UNSAID);
    let plugins = vec![value.clone()];
    Ok(Network { name, named, version, single: version, plugins, check: Check::Wanted, more: More::Nothing })
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

/// The name, or the file's; one that libcni refuses only once a pod comes is an error here.
fn named(name: &str, file: &str) -> std::result::Result<(String, Named), Broken> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let (name, named) = if name.is_empty() { (file, Named::ByFile) } else { (name, Named::ByItself) };
    if !name.bytes().all(plain) || !name.starts_with(|first: char| first.is_ascii_alphanumeric()) {
        let broken = Broken::of(&format!("its name {name:?} is refused when a pod comes"))
            .hint("letters, digits, -, _ and . are for names, a letter or digit first");
        return Err(Broken { later: Some("name"), ..broken });
    }
    Ok((name.to_owned(), named))
}

/// What libcni itself reads of a plugin's part has the type that it must have.
fn plugin(value: &Value, at: &str) -> std::result::Result<(), Broken> {
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

impl Broken {
    fn of(text: &str) -> Broken {
        Broken { line: None, later: None, text: text.to_owned(), hint: None }
    }

    fn hint(self, hint: &str) -> Broken {
        Broken { hint: Some(hint.to_owned()), ..self }
    }
}

/// A plugin's type: the name of its program.
pub fn kind_of(plugin: &Value) -> &str {
    plugin.get("type").and_then(Value::as_str).unwrap_or_default()
}

/// The plugin that gives a plugin its addresses.
pub fn ipam_of(plugin: &Value) -> Option<&str> {
    plugin.get("ipam")?.get("type")?.as_str().filter(|kind| !kind.is_empty())
}

impl Network {
    /// The version that a runtime takes whose libcni reads up to this one.
    pub fn version_for(&self, reads: Cni) -> Cni {
        if reads >= Cni::WITH_VERSIONS { self.version } else { self.single }
    }

    /// The programs that a runtime runs for it, with where each is named.
    pub fn programs(&self) -> Vec<(String, String)> {
        let mut all = Vec::new();
        for (index, plugin) in self.plugins.iter().enumerate() {
            all.push((kind_of(plugin).to_owned(), format!("plugins[{index}].type")));
            if let Some(ipam) = ipam_of(plugin) {
                all.push((ipam.to_owned(), format!("plugins[{index}].ipam.type")));
            }
        }
        all
    }

    /// What host-local gives away; what it would not understand is left out, and its own error tells.
    pub fn ranges(&self) -> Vec<Range> {
        let host_local = self.plugins.iter().filter(|plugin| ipam_of(plugin) == Some("host-local"));
        let mut all = Vec::new();
        for ipam in host_local.filter_map(|plugin| plugin.get("ipam")) {
            let sets = ipam.get("ranges").and_then(Value::as_array).into_iter().flatten();
            let listed = sets.filter_map(Value::as_array).flatten();
            // Before ranges there was one subnet, and it still works.
            let old = std::iter::once(ipam).filter(|ipam| ipam.get("subnet").is_some());
            all.extend(old.chain(listed).filter_map(Range::parse));
        }
        all
    }

    /// Where host-local keeps the leases of this network.
    pub fn leases(&self) -> PathBuf {
        let dirs = self.plugins.iter().filter_map(|plugin| plugin.get("ipam")?.get("dataDir")?.as_str());
        let dir = dirs.into_iter().find(|dir| dir.starts_with('/')).unwrap_or(LEASES);
        Path::new(dir).join(&self.name)
    }

    /// The bridge that it uses.
    pub fn bridge(&self) -> Option<&str> {
        let plugin = self.plugins.iter().find(|plugin| kind_of(plugin) == "bridge")?;
        Some(plugin.get("bridge").and_then(Value::as_str).filter(|name| !name.is_empty()).unwrap_or("cni0"))
    }
}

#[cfg(test)]
mod tests;
