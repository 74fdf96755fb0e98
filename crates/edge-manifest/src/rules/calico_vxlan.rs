//! `calico-vxlan`: calico sends packets between nodes by VXLAN, and runs no BGP.
//!
//! The values are those of the calico-vxlan.yaml that calico publishes beside calico.yaml (calico v3.24 to v3.32); that
//! file has the mode CrossSubnet.

use edge_host::{Error, Exit, Result};
use edge_yaml::{Mapping, Step, Value};

use super::{Change, Rule};
use crate::cli::VxlanMode;
use crate::notes::Notes;
use crate::pod::{Pod, is_workload, list, spec_steps, text};
use crate::request::PodSubnets;
use edge_objects::object::{Object, keys};

const CONFIG: &str = "calico-config";
const NODE: &str = "calico-node";
const PROBES: [&str; 3] = ["livenessProbe", "readinessProbe", "startupProbe"];
/// Flags of the probes that ask bird, which does not run with VXLAN.
const BIRD: [&str; 2] = ["-bird-live", "-bird-ready"];

/// The rule.
#[derive(Debug)]
pub struct CalicoVxlan {
    mode: VxlanMode,
    subnets: PodSubnets,
    has_config: bool,
    has_node: bool,
    /// What else in the input deploys calico, and what to do about that.
    instead: Option<&'static str>,
}

impl CalicoVxlan {
    /// With this mode, and these networks for new pools.
    pub fn new(mode: VxlanMode, subnets: PodSubnets) -> CalicoVxlan {
        CalicoVxlan { mode, subnets, has_config: false, has_node: false, instead: None }
    }

    fn node(&self, pod: Pod<'_>) -> Result<Vec<Change>> {
        let mut changes = Vec::new();
        let Some(index) = pod.containers().iter().position(|container| text(container, "name") == Some(NODE)) else {
            return Ok(changes);
        };
        let container = &pod.containers()[index];
        let steps = |rest: Vec<Step>| {
            let mut steps = spec_steps(&["containers"]);
            steps.push(Step::Index(index));
            steps.extend(rest);
            steps
        };
        let env = list(container, &["env"]);
        let has = |name: &str| env.iter().any(|entry| text(entry, "name") == Some(name));
        let mode = self.mode.name();
        let mut wanted = vec![("CALICO_IPV4POOL_IPIP", "Never".to_owned()), ("CALICO_IPV4POOL_VXLAN", mode.to_owned())];
        if has("CALICO_IPV6POOL_VXLAN") {
            wanted.push(("CALICO_IPV6POOL_VXLAN", mode.to_owned()));
        }
        let pools = [("CALICO_IPV4POOL_CIDR", self.subnets.v4), ("CALICO_IPV6POOL_CIDR", self.subnets.v6)];
        wanted.extend(pools.iter().filter_map(|(name, subnet)| Some((*name, subnet.as_ref()?.to_string()))));
        let mut new_places = env.len()..;
        for (name, value) in wanted {
            let Some(at) = env.iter().position(|entry| text(entry, "name") == Some(name)) else {
                let mut entry = Mapping::new();
                entry.insert("name".into(), name.into());
                entry.insert("value".into(), value.clone().into());
                let next = new_places.next().unwrap_or_default();
                let place = [keys(&["env"]), vec![Step::Index(next)]].concat();
                changes.push(Change::set(steps(place), Value::Mapping(entry), format!("env {name}: unset -> {value}")));
                continue;
            };
            let before = env[at].as_mapping().and_then(|entry| entry.get("value"));
            if before.is_none() && env[at].as_mapping().is_some_and(|entry| entry.contains_key("valueFrom")) {
                return Err(
                    refused(&format!("env {name} has valueFrom")).hint(format!("set it where it comes from: {value}"))
                );
            }
            if before.and_then(Value::as_str) != Some(&value) {
                let place = [keys(&["env"]), vec![Step::Index(at)], keys(&["value"])].concat();
                let before = before.and_then(Value::as_str).unwrap_or("unset");
                changes.push(Change::set(steps(place), value.clone(), format!("env {name}: {before} -> {value}")));
            }
        }
        for probe in PROBES {
            let command = list(container, &[probe, "exec", "command"]);
            for at in (0..command.len()).rev() {
                if let Some(flag) = command[at].as_str().filter(|word| BIRD.contains(word)) {
                    let place = [keys(&[probe, "exec", "command"]), vec![Step::Index(at)]].concat();
                    changes.push(Change::unset(steps(place), format!("{probe}: removes {flag}")));
                }
            }
        }
        Ok(changes)
    }
}

impl Rule for CalicoVxlan {
    fn changes(&mut self, object: &Object<'_>, _: &mut Notes) -> Result<Vec<Change>> {
        match (object.kind.as_ref(), object.name) {
            ("ConfigMap", CONFIG) => {
                let place = ["data", "calico_backend"];
                let Some(before) = object.text(&place) else { return Ok(Vec::new()) };
                self.has_config = true;
                let detail = format!("data.calico_backend: {before} -> vxlan");
                Ok(if before == "vxlan" { Vec::new() } else { vec![Change::set(keys(&place), "vxlan", detail)] })
            }
            ("Installation", _) if object.group == "operator.tigera.io" => {
                self.instead = Some(
                    "the tigera-operator deploys calico: set spec.calicoNetwork.ipPools[].encapsulation to VXLAN in the Installation",
                );
                Ok(Vec::new())
            }
            ("ConfigMap", "canal-config") => {
                self.instead = Some("canal sends packets by flannel: edge-manifest flannel --backend vxlan");
                Ok(Vec::new())
            }
            ("DaemonSet", NODE) if is_workload(object) => {
                let Some(pod) = Pod::of(object) else { return Ok(Vec::new()) };
                self.has_node = true;
                self.node(pod)
            }
            _ => Ok(Vec::new()),
        }
    }

    fn finish(&mut self, changed: bool, notes: &mut Notes) -> Result<()> {
        if !self.has_config && !self.has_node {
            let cause = format!("it has neither ConfigMap {CONFIG} nor DaemonSet {NODE}");
            let hint = self.instead.unwrap_or("pass calico.yaml of the release");
            return Err(Error::cannot("change calico in", "", cause).hint(hint));
        }
        if !self.has_config {
            notes.add(format!("ConfigMap {CONFIG} is not in the input; its calico_backend must be vxlan, too"));
        }
        if !self.has_node {
            notes.add(format!("DaemonSet {NODE} is not in the input; it must be changed, too"));
        }
        if changed {
            let mode = self.mode.name();
            notes.add(format!(
                "a pool that exists keeps its mode; to change it: kubectl patch ippools.crd.projectcalico.org default-ipv4-ippool --type merge -p '{{\"spec\":{{\"ipipMode\":\"Never\",\"vxlanMode\":\"{mode}\"}}}}'"
            ));
        }
        Ok(())
    }
}

fn refused(cause: &str) -> Error {
    Error::failed(cause).with_exit(Exit::Refused)
}
