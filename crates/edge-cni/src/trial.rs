//! `edge-cni check --live`: a pod's network added, checked and removed as a runtime does it.
//!
//! All of it happens in network namespaces of its own, behind a view of the files in which nothing
//! but memory can be written to: bridge, rules, leases and links end with them.

use edge_host::{Cmd, Error, Finding, Host, Result, Severity, in_private};
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use nix::unistd::geteuid;
use serde_json::{Map, Value, json};

use crate::conflist::{File, LEASES, Network, ipam_of, kind_of};
use crate::private_net::PrivateNet;
use crate::releases::Releases;
use crate::version::Cni;

/// Where plugins, iptables and daemons keep what they write.
const SCRATCH: [&str; 3] = ["/run", "/var/lib/cni", "/tmp"];
/// Keys that name a device of the host, which is not in a namespace of our own.
const DEVICES: [&str; 5] = ["master", "device", "hwaddr", "pciBusID", "kernelpath"];
const STEP: Duration = Duration::from_secs(30);
const INTERFACE: &str = "eth0";
const CONTAINER: &str = "edge-cni-check";

/// How far a trial came.
struct Trial<'a> {
    dir: &'a Path,
    file: &'a File,
    network: &'a Network,
    findings: Vec<Finding>,
}

/// Fails where a trial is asked for and cannot be made.
pub(crate) fn possible(host: &Host, live: bool) -> Result<()> {
    if live && !host.root.is_live() {
        return Err(Error::usage("cannot check --live with --root: no program is run for an image"));
    }
    if live && !geteuid().is_root() {
        return Err(Error::failed("cannot check --live: not run as root").hint("run it with sudo"));
    }
    Ok(())
}

/// Makes the trial: what was found, and what to say where it went well.
pub(crate) fn run(host: &Host, dir: &Path, file: &File, network: &Network) -> Result<(Vec<Finding>, Option<String>)> {
    if let Some(why) = untriable(network, &Releases::known()?.alone) {
        return Ok((vec![Finding::new(Severity::Note, &file.path, format!("not tried: {why}"))], None));
    }
    let dir = host.root.canonical(dir)?;
    let scratch = SCRATCH.map(Path::new);
    in_private(&scratch, || {
        let pod = PrivateNet::new()?;
        let mut trial = Trial { dir: &dir, file, network, findings: Vec::new() };
        let said = trial.all(pod.path())?;
        Ok((trial.findings, said))
    })
}

/// Why a network cannot be had in namespaces of our own; those of clusters ask a daemon, and what they say
/// where there is none is no fault of the network.
fn untriable(network: &Network, alone: &[String]) -> Option<String> {
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
    let foreign = network.programs().into_iter().map(|(name, _)| name).find(|name| !alone.contains(name));
    foreign.map(|name| format!("{name} may need a daemon of the host or the cluster"))
}

impl Trial<'_> {
    fn all(&mut self, pod: &Path) -> Result<Option<String>> {
        let mut result: Option<Value> = None;
        let mut added = 0;
        for plugin in &self.network.plugins {
            added += 1;
            match self.step("ADD", plugin, result.as_ref(), pod)? {
                Ok(said) => result = serde_json::from_str(&said).ok().or(result),
                Err(finding) => {
                    self.findings.push(finding);
                    break;
                }
            }
        }
        let went_well = self.findings.is_empty();
        let checks = self.network.version >= Cni::WITH_CHECK && self.network.has_check;
        if went_well && checks {
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
        let left = self.left()?;
        if let Some(address) = left.first() {
            let text = format!("after DEL the lease of {address} is still there: addresses run out");
            self.findings.push(Finding::error(&self.file.path, text));
        }
        if !self.findings.is_empty() {
            return Ok(None);
        }
        let addresses = addresses(result.as_ref());
        let addresses = if addresses.is_empty() { "no address".to_owned() } else { addresses.join(" and ") };
        let check = if checks { ", CHECK agreed" } else { "" };
        Ok(Some(format!("tried {}: ADD gave {addresses}{check}, DEL left nothing", self.network.name)))
    }

    /// One verb of one plugin; what it printed, or what is wrong with it.
    fn step(
        &self,
        verb: &str,
        plugin: &Value,
        result: Option<&Value>,
        pod: &Path,
    ) -> Result<std::result::Result<String, Finding>> {
        let kind = kind_of(plugin);
        let output = Cmd::at(self.dir.join(kind))
            .env("CNI_COMMAND", verb)
            .env("CNI_CONTAINERID", CONTAINER)
            .env("CNI_NETNS", pod)
            .env("CNI_IFNAME", INTERFACE)
            .env("CNI_PATH", self.dir)
            .stdin(self.input(plugin, result))
            .deadline(STEP)
            .output();
        let finding = |cause: String| {
            let index = self.network.plugins.iter().position(|other| other == plugin).unwrap_or_default();
            let finding = Finding::error(&self.file.path, format!("{verb} by {kind} fails: {cause}"));
            let finding = finding.at(&format!("plugins[{index}]"));
            match remedy(&cause) {
                Some(hint) => finding.hint(hint),
                None => finding,
            }
        };
        Ok(match output {
            Ok(output) if output.status.success() => Ok(output.stdout),
            Ok(output) => {
                let said = told(&output.stdout).unwrap_or_else(|| output.stderr.trim().replace('\n', "; "));
                Err(finding(if said.is_empty() { output.status.to_string() } else { said }))
            }
            Err(error) => Err(finding(error.message().to_owned())),
        })
    }

    /// A plugin's part as a runtime hands it over.
    fn input(&self, plugin: &Value, result: Option<&Value>) -> Vec<u8> {
        let mut object = plugin.as_object().cloned().unwrap_or_default();
        object.insert("name".into(), json!(self.network.name));
        object.insert("cniVersion".into(), json!(self.network.version.to_string()));
        if let Some(result) = result {
            object.insert("prevResult".into(), result.clone());
        }
        let wants_ports = object.get("capabilities").and_then(|all| all.get("portMappings")) == Some(&json!(true));
        let mut runtime = Map::new();
        if wants_ports {
            runtime.insert("portMappings".into(), json!([{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]));
        }
        object.remove("capabilities");
        if !runtime.is_empty() {
            object.insert("runtimeConfig".into(), Value::Object(runtime));
        }
        // Wherever leases are on the host, here they are in memory.
        if let Some(ipam) = object.get_mut("ipam").and_then(Value::as_object_mut)
            && ipam.contains_key("dataDir")
        {
            ipam.insert("dataDir".into(), json!(LEASES));
        }
        Value::Object(object).to_string().into_bytes()
    }

    /// Leases that are still there.
    fn left(&self) -> Result<Vec<IpAddr>> {
        let dir = Path::new(LEASES).join(&self.network.name);
        let mut left = Vec::new();
        match std::fs::read_dir(&dir) {
            Ok(entries) => {
                let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
                left.extend(names.filter_map(|name| name.parse::<IpAddr>().ok()));
            }
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => {}
            Err(cause) => return Err(Error::io("list", &dir, &cause)),
        }
        Ok(left)
    }
}

/// The error that a plugin prints, as the specification has it.
fn told(stdout: &str) -> Option<String> {
    let said: Value = serde_json::from_str(stdout).ok()?;
    let message = said.get("msg")?.as_str()?.trim();
    let details = said.get("details").and_then(Value::as_str).filter(|details| !details.is_empty());
    let details = details.map(|details| format!(": {}", details.trim())).unwrap_or_default();
    Some(format!("{message}{details}").replace('\n', "; "))
}

/// What to do about the usual causes.
fn remedy(cause: &str) -> Option<&'static str> {
    if cause.contains("\"iptables\": executable file not found") || cause.contains("could not find iptables") {
        return Some("install the package iptables");
    }
    if cause.contains("operation not supported") || cause.contains("Operation not supported") {
        return Some("the kernel lacks a module: modprobe bridge; modprobe veth");
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
    fn networks_that_need_more_of_the_host_are_not_tried() {
        let alone = Releases::known().unwrap().alone;
        for (plugin, good) in [
            (r#"{"type": "bridge"}"#, true),
            (r#"{"type": "flannel"}"#, false),
            (r#"{"type": "bridge", "ipam": {"type": "host-local"}}"#, true),
            (r#"{"type": "bridge", "ipam": {"type": "whereabouts"}}"#, false),
            (r#"{"type": "macvlan", "master": "eth0"}"#, false),
            (r#"{"type": "host-device"}"#, false),
            (r#"{"type": "bridge", "ipam": {"type": "dhcp"}}"#, false),
        ] {
            let network = parse(&format!(r#"{{"name": "n", "plugins": [{plugin}]}}"#), "conflist").unwrap();
            assert_eq!(untriable(&network, &alone).is_none(), good, "{plugin}");
        }
    }

    #[test]
    fn a_plugins_own_words_are_shown() {
        assert_eq!(told(r#"{"code": 1, "msg": "a", "details": "b\nc"}"#).as_deref(), Some("a: b; c"));
        assert_eq!(told("panic"), None);
        let result = json!({"ips": [{"address": "10.85.0.2/16"}, {"address": "fd00::2/64"}]});
        assert_eq!(addresses(Some(&result)), ["10.85.0.2/16", "fd00::2/64"]);
    }
}
