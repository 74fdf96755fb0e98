//! `edge-cni check --live`: adds, checks and removes the network of a pod, as a runtime does.
//!
//! It runs in private network namespaces, with a view of the file system in which only memory is writable, so that
//! bridge, rules, leases and links disappear with them.

use edge_host::{Cmd, Error, Finding, Host, Result, Severity, in_private};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::unistd::geteuid;
use serde_json::{Map, Value, json};

use crate::catalog::Catalog;
use crate::conflist::{File, LEASES, Network, ipam_of, kind_of};
use crate::private_net::PrivateNet;
use crate::version::Cni;

/// Where plugins, iptables and daemons write.
const SCRATCH: [&str; 2] = ["/run", "/var/lib/cni"];
/// Where they may write: left as it is, read-only, where the plugins are below it.
const TEMPORARY: &str = "/tmp";
/// Keys that name a device of the host, which a private namespace does not have.
const DEVICES: [&str; 5] = ["master", "device", "hwaddr", "pciBusID", "kernelpath"];
const STEP: Duration = Duration::from_secs(30);
const INTERFACE: &str = "eth0";
const CONTAINER: &str = "edge-cni-check";

/// A trial of one network.
struct Trial<'a> {
    dirs: &'a [PathBuf],
    file: &'a File,
    network: &'a Network,
    findings: Vec<Finding>,
}

/// Fails where a trial is requested and not possible. Errors: usage (2) with --root, else 1.
pub(crate) fn require_possible(host: &Host, live: bool) -> Result<()> {
    if live && !host.root.is_live() {
        return Err(Error::usage("cannot use --live with --root: programs of an image are not run"));
    }
    if live && !geteuid().is_root() {
        return Err(Error::failed("cannot use --live: it needs root").hint("run it with sudo"));
    }
    Ok(())
}

/// Runs the trial: the findings, and a summary where there are none.
pub(crate) fn run(
    host: &Host,
    dirs: &[PathBuf],
    file: &File,
    network: &Network,
) -> Result<(Vec<Finding>, Option<String>)> {
    let mut places = Vec::new();
    for dir in dirs.iter().filter(|dir| host.root.find_link(dir).is_ok_and(|found| found.exists())) {
        places.push(host.root.canonical(dir)?);
    }
    // A directory that does not exist is made in an empty view of the one above it.
    let covered = SCRATCH.iter().filter_map(|scratch| Path::new(scratch).ancestors().find(|dir| dir.is_dir()));
    let covered: Vec<&Path> = covered.collect();
    let hidden = places.iter().find_map(|dir| Some((dir, covered.iter().find(|covered| dir.starts_with(covered))?)));
    let hidden = hidden.map(|(dir, covered)| {
        let (dir, covered) = (dir.display(), covered.display());
        format!("the plugins in {dir} are below {covered}, which is an empty directory during the test")
    });
    if let Some(why) = hidden.or(why_not_possible(network, &Catalog::read()?.standalone)) {
        return Ok((vec![Finding::new(Severity::Note, &file.path, format!("not tested: {why}"))], None));
    }
    let mut scratch: Vec<&Path> = SCRATCH.iter().map(Path::new).collect();
    if !places.iter().any(|dir| dir.starts_with(TEMPORARY)) {
        scratch.push(Path::new(TEMPORARY));
    }
    in_private(&scratch, || {
        let pod = PrivateNet::new()?;
        let mut trial = Trial { dirs: &places, file, network, findings: Vec::new() };
        let summary = trial.run(pod.path())?;
        Ok((trial.findings, summary))
    })
}

/// Why a network cannot work in private namespaces: it needs a device of the host, or a daemon of the cluster.
fn why_not_possible(network: &Network, standalone: &[String]) -> Option<String> {
    for plugin in &network.plugins {
        let kind = kind_of(plugin);
        if let Some(key) = DEVICES.iter().find(|key| plugin.get(**key).is_some()) {
            return Some(format!("{kind} needs a device of the host ({key})"));
        }
        if ["macvlan", "ipvlan", "vlan", "host-device"].contains(&kind) {
            return Some(format!("{kind} needs a device of the host"));
        }
        if ipam_of(plugin) == Some("dhcp") {
            return Some("dhcp needs its daemon and a server on the host's network".to_owned());
        }
    }
    let other = network.programs().into_iter().map(|(name, _)| name).find(|name| !standalone.contains(name));
    other.map(|name| format!("{name} may need a daemon of the host or the cluster"))
}

impl Trial<'_> {
    fn run(&mut self, pod: &Path) -> Result<Option<String>> {
        let mut result: Option<Value> = None;
        let mut added = 0;
        for plugin in &self.network.plugins {
            added += 1;
            match self.step("ADD", plugin, result.as_ref(), pod)? {
                Ok(output) => result = serde_json::from_str(&output).ok().or(result),
                Err(finding) => {
                    self.findings.push(finding);
                    break;
                }
            }
        }
        let checks = self.findings.is_empty() && self.network.version >= Cni::WITH_CHECK && self.network.has_check;
        if checks {
            for plugin in &self.network.plugins {
                if let Err(finding) = self.step("CHECK", plugin, result.as_ref(), pod)? {
                    self.findings.push(finding);
                }
            }
        }
        for plugin in self.network.plugins[..added].iter().rev() {
            if let Err(finding) = self.step("DEL", plugin, result.as_ref(), pod)? {
                self.findings.push(finding);
            }
        }
        if let Some(address) = self.leases()?.first() {
            let text = format!("DEL does not release the lease of {address}: the range runs out of addresses");
            self.findings.push(Finding::error(&self.file.path, text));
        }
        if !self.findings.is_empty() {
            return Ok(None);
        }
        let addresses = addresses(result.as_ref());
        let addresses = if addresses.is_empty() { "no address".to_owned() } else { addresses.join(" and ") };
        let check = if checks { ", CHECK succeeded" } else { "" };
        Ok(Some(format!("tested {}: ADD assigned {addresses}{check}, DEL left nothing behind", self.network.name)))
    }

    /// Runs one verb of one plugin; its output, or the finding.
    fn step(
        &self,
        verb: &str,
        plugin: &Value,
        result: Option<&Value>,
        pod: &Path,
    ) -> Result<std::result::Result<String, Finding>> {
        let kind = kind_of(plugin);
        let dir = self.dirs.iter().find(|dir| dir.join(kind).is_file()).or(self.dirs.first());
        let path = self.dirs.iter().map(|dir| dir.to_string_lossy()).collect::<Vec<_>>().join(":");
        let output = Cmd::at(dir.map(|dir| dir.join(kind)).unwrap_or_else(|| PathBuf::from(kind)))
            .env("CNI_COMMAND", verb)
            .env("CNI_CONTAINERID", CONTAINER)
            .env("CNI_NETNS", pod)
            .env("CNI_IFNAME", INTERFACE)
            .env("CNI_PATH", path)
            .stdin(self.input(plugin, result))
            .deadline(STEP)
            .output();
        let finding = |cause: String| {
            let index = self.network.plugins.iter().position(|other| other == plugin).unwrap_or_default();
            let finding = Finding::error(&self.file.path, format!("{verb} by {kind} failed: {cause}"));
            let finding = finding.at(&format!("plugins[{index}]"));
            match hint_for(&cause) {
                Some(hint) => finding.hint(hint),
                None => finding,
            }
        };
        Ok(match output {
            Ok(output) if output.status.success() => Ok(output.stdout),
            Ok(output) => {
                let text = error_of(&output.stdout).unwrap_or_else(|| output.stderr.trim().replace('\n', "; "));
                Err(finding(if text.is_empty() { output.status.to_string() } else { text }))
            }
            Err(error) => Err(finding(error.message().to_owned())),
        })
    }

    /// The configuration of a plugin as a runtime passes it.
    fn input(&self, plugin: &Value, result: Option<&Value>) -> Vec<u8> {
        let mut object = plugin.as_object().cloned().unwrap_or_default();
        object.insert("name".into(), json!(self.network.name));
        object.insert("cniVersion".into(), json!(self.network.version.to_string()));
        if let Some(result) = result {
            object.insert("prevResult".into(), result.clone());
        }
        let has_ports = object.get("capabilities").and_then(|all| all.get("portMappings")) == Some(&json!(true));
        let mut runtime = Map::new();
        if has_ports {
            runtime.insert("portMappings".into(), json!([{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]));
        }
        object.remove("capabilities");
        if !runtime.is_empty() {
            object.insert("runtimeConfig".into(), Value::Object(runtime));
        }
        // Leases are kept in memory, wherever they are on the host.
        if let Some(ipam) = object.get_mut("ipam").and_then(Value::as_object_mut)
            && ipam.contains_key("dataDir")
        {
            ipam.insert("dataDir".into(), json!(LEASES));
        }
        Value::Object(object).to_string().into_bytes()
    }

    /// The addresses with a lease.
    fn leases(&self) -> Result<Vec<IpAddr>> {
        let dir = Path::new(LEASES).join(&self.network.name);
        let mut leases = Vec::new();
        match std::fs::read_dir(&dir) {
            Ok(entries) => {
                let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
                leases.extend(names.filter_map(|name| name.parse::<IpAddr>().ok()));
            }
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => {}
            Err(cause) => return Err(Error::io("list", &dir, &cause)),
        }
        Ok(leases)
    }
}

/// The error that a plugin prints, in the format of the specification.
fn error_of(stdout: &str) -> Option<String> {
    let error: Value = serde_json::from_str(stdout).ok()?;
    let message = error.get("msg")?.as_str()?.trim();
    let details = error.get("details").and_then(Value::as_str).filter(|details| !details.is_empty());
    let details = details.map(|details| format!(": {}", details.trim())).unwrap_or_default();
    Some(format!("{message}{details}").replace('\n', "; "))
}

/// The hint for a usual cause.
fn hint_for(cause: &str) -> Option<&'static str> {
    if cause.contains("\"iptables\": executable file not found") || cause.contains("could not find iptables") {
        return Some("install iptables: apt-get install iptables");
    }
    if cause.contains("operation not supported") || cause.contains("Operation not supported") {
        return Some("load the kernel modules: modprobe -a bridge veth");
    }
    None
}

fn addresses(result: Option<&Value>) -> Vec<String> {
    let ips = result.and_then(|result| result.get("ips")).and_then(Value::as_array).into_iter().flatten();
    ips.filter_map(|ip| Some(ip.get("address")?.as_str()?.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conflist::parse;

    #[test]
    fn why_not_possible_names_devices_and_daemons() {
        let standalone = Catalog::read().unwrap().standalone;
        for (plugin, possible) in [
            (r#"{"type": "bridge"}"#, true),
            (r#"{"type": "flannel"}"#, false),
            (r#"{"type": "bridge", "ipam": {"type": "host-local"}}"#, true),
            (r#"{"type": "bridge", "ipam": {"type": "whereabouts"}}"#, false),
            (r#"{"type": "macvlan", "master": "eth0"}"#, false),
            (r#"{"type": "host-device"}"#, false),
            (r#"{"type": "bridge", "ipam": {"type": "dhcp"}}"#, false),
        ] {
            let network = parse(&format!(r#"{{"name": "n", "plugins": [{plugin}]}}"#), "conflist").unwrap();
            assert_eq!(why_not_possible(&network, &standalone).is_none(), possible, "{plugin}");
        }
    }

    #[test]
    fn error_of_reads_message_and_details() {
        assert_eq!(error_of(r#"{"code": 1, "msg": "a", "details": "b\nc"}"#).as_deref(), Some("a: b; c"));
        assert_eq!(error_of("panic"), None);
        let result = json!({"ips": [{"address": "10.85.0.2/16"}, {"address": "fd00::2/64"}]});
        assert_eq!(addresses(Some(&result)), ["10.85.0.2/16", "fd00::2/64"]);
    }
}
