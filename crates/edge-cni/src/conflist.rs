//! Network configurations as libcni reads them: lists of plugins, and single ones.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use edge_host::{Host, Result};
use ipnet::IpNet;
use serde_json::Value;

use crate::version::Cni;

/// Where runtimes look for network configurations.
pub(crate) const CONF_DIR: &str = "/etc/cni/net.d";
/// What libcni reads; anything else in the directory is no configuration.
const EXTENSIONS: [&str; 3] = ["conf", "conflist", "json"];
/// host-local and its kin by default.
pub(crate) const LEASES: &str = "/var/lib/cni/networks";

/// A file in the directory, read or not.
#[derive(Debug, Clone)]
pub(crate) struct File {
    pub(crate) path: PathBuf,
    pub(crate) content: std::result::Result<Network, Broken>,
}

/// Why a file is no configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Broken {
    /// From 1, where the text itself is wrong.
    pub(crate) line: Option<usize>,
    pub(crate) text: String,
    pub(crate) hint: Option<String>,
}

/// A network.
#[derive(Debug, Clone)]
pub(crate) struct Network {
    pub(crate) name: String,
    pub(crate) version: Cni,
    /// Each plugin's part as it is in the file.
    pub(crate) plugins: Vec<Value>,
    /// CHECK is not wanted.
    pub(crate) check: Check,
}

/// Whether a network is to be checked once it is up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Check {
    Wanted,
    Disabled,
}

/// The configurations of a directory in the order in which a runtime looks at them.
pub(crate) fn files(host: &Host, dir: &Path) -> Result<Vec<File>> {
    let mut files = Vec::new();
    for name in host.root.list(dir)? {
        let path = dir.join(name);
        let kind = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default().to_owned();
        if !EXTENSIONS.contains(&kind.as_str()) {
            continue;
        }
        let content = match host.root.read(&path) {
            Ok(Some(bytes)) => parse(&String::from_utf8_lossy(&bytes), &kind),
            // A dangling link is what a runtime cannot open either.
            Ok(None) => Err(Broken::of("it is a link to nothing")),
            Err(error) => Err(Broken::of(error.message())),
        };
        files.push(File { path, content });
    }
    Ok(files)
}

/// Other names in the directory that look as if they were meant to be one: `10-x.conflist.disabled`.
pub(crate) fn left_aside(host: &Host, dir: &Path) -> Result<Vec<String>> {
    let names = host.root.list(dir)?.into_iter().filter_map(|name| name.into_string().ok());
    let meant = |name: &String| {
        let extension = Path::new(name).extension().and_then(|one| one.to_str()).unwrap_or_default();
        name.contains(".conf") && !EXTENSIONS.contains(&extension)
    };
    Ok(names.filter(meant).collect())
}

/// Reads a configuration; `kind` is its file's extension.
pub(crate) fn parse(text: &str, kind: &str) -> std::result::Result<Network, Broken> {
    if text.trim().is_empty() {
        return Err(Broken::of("it is empty"));
    }
    let value: Value = serde_json::from_str(text)
        .map_err(|cause| Broken { line: Some(cause.line()), ..Broken::of(&format!("it is no JSON: {cause}")) })?;
    let Some(object) = value.as_object() else { return Err(Broken::of("it is no JSON object")) };
    let version = match object.get("cniVersion") {
        None => Cni::UNSAID,
        // To libcni an empty one is none.
        Some(Value::String(text)) if text.is_empty() => Cni::UNSAID,
        Some(Value::String(text)) => {
            text.parse().map_err(|cause: String| Broken::of(&format!("cniVersion: {cause}")))?
        }
        Some(other) => return Err(Broken::of(&format!("cniVersion: {other} is no text, such as \"1.0.0\""))),
    };
    let list = object.get("plugins");
    let plugins = match (kind, list) {
        ("conflist", Some(Value::Array(plugins))) if !plugins.is_empty() => plugins.clone(),
        ("conflist", Some(_)) => return Err(Broken::of("plugins is no list, or an empty one")),
        ("conflist", None) if object.contains_key("type") => {
            return Err(Broken::of("it holds a single plugin, and a .conflist is read as a list")
                .hint("put the plugin into \"plugins\": […], or name the file .conf"));
        }
        ("conflist", None) => return Err(Broken::of("it has no plugins")),
        (_, Some(_)) if !object.contains_key("type") => {
            return Err(Broken::of("it holds a list of plugins, and only a .conflist is read as a list")
                .hint("name the file .conflist"));
        }
        _ => vec![value.clone()],
    };
    let name = object.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
    if name.is_empty() {
        return Err(Broken::of("it has no name"));
    }
    if let Some(index) = plugins.iter().position(|plugin| kind_of(plugin).is_empty()) {
        return Err(Broken::of(&format!("plugins[{index}] has no type")));
    }
    let disabled = match object.get("disableCheck") {
        Some(Value::Bool(disabled)) => *disabled,
        Some(Value::String(text)) => text == "true",
        _ => false,
    };
    Ok(Network { name, version, plugins, check: if disabled { Check::Disabled } else { Check::Wanted } })
}

impl Broken {
    fn of(text: &str) -> Broken {
        Broken { line: None, text: text.to_owned(), hint: None }
    }

    fn hint(self, hint: &str) -> Broken {
        Broken { hint: Some(hint.to_owned()), ..self }
    }
}

/// A plugin's type: the name of its program.
pub(crate) fn kind_of(plugin: &Value) -> &str {
    plugin.get("type").and_then(Value::as_str).unwrap_or_default()
}

/// The plugin that gives a plugin its addresses.
pub(crate) fn ipam_of(plugin: &Value) -> Option<&str> {
    plugin.get("ipam")?.get("type")?.as_str().filter(|kind| !kind.is_empty())
}

/// Addresses that host-local gives away: from the first to the last of a subnet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) subnet: IpNet,
    pub(crate) first: IpAddr,
    pub(crate) last: IpAddr,
    gateway: IpAddr,
}

impl Network {
    /// The programs that a runtime runs for it, with where each is named.
    pub(crate) fn programs(&self) -> Vec<(String, String)> {
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
    pub(crate) fn ranges(&self) -> Vec<Range> {
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
    pub(crate) fn leases(&self) -> PathBuf {
        let dirs = self.plugins.iter().filter_map(|plugin| plugin.get("ipam")?.get("dataDir")?.as_str());
        let dir = dirs.into_iter().find(|dir| dir.starts_with('/')).unwrap_or(LEASES);
        Path::new(dir).join(&self.name)
    }

    /// The bridge that it uses.
    pub(crate) fn bridge(&self) -> Option<&str> {
        let plugin = self.plugins.iter().find(|plugin| kind_of(plugin) == "bridge")?;
        Some(plugin.get("bridge").and_then(Value::as_str).filter(|name| !name.is_empty()).unwrap_or("cni0"))
    }
}

impl Range {
    fn parse(value: &Value) -> Option<Range> {
        let subnet: IpNet = value.get("subnet")?.as_str()?.parse().ok()?;
        let subnet = subnet.trunc();
        let address = |key: &str| value.get(key).and_then(Value::as_str).and_then(|text| text.parse().ok());
        // The first address is the subnet's own, and IPv4's last is for broadcast.
        let (low, high) = (number(subnet.network()), number(subnet.broadcast()));
        let top = if subnet.addr().is_ipv4() { high.saturating_sub(1) } else { high };
        Some(Range {
            subnet,
            first: address("rangeStart").unwrap_or_else(|| address_of(subnet, low + 1)),
            last: address("rangeEnd").unwrap_or_else(|| address_of(subnet, top)),
            gateway: address("gateway").unwrap_or_else(|| address_of(subnet, low + 1)),
        })
    }

    /// How many pods get an address: the gateway's own is not given away.
    pub(crate) fn capacity(&self) -> u128 {
        let all = number(self.last).saturating_sub(number(self.first)).saturating_add(1);
        all - u128::from(self.holds(self.gateway))
    }

    /// Whether an address is one of these.
    pub(crate) fn holds(&self, address: IpAddr) -> bool {
        address.is_ipv4() == self.first.is_ipv4() && (self.first..=self.last).contains(&address)
    }
}

/// Whether two subnets share an address.
pub(crate) fn overlap(one: IpNet, other: IpNet) -> bool {
    one.contains(&other) || other.contains(&one)
}

/// Whether an address is of one link only.
pub(crate) fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.segments()[0] & 0xffc0 == 0xfe80,
    }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(u32::from(address)),
        IpAddr::V6(address) => u128::from(address),
    }
}

fn address_of(subnet: IpNet, number: u128) -> IpAddr {
    match subnet {
        IpNet::V4(_) => IpAddr::V4(u32::try_from(number).unwrap_or(u32::MAX).into()),
        IpNet::V6(_) => IpAddr::V6(number.into()),
    }
}

#[cfg(test)]
mod tests;
