//! `flannel`: the network of the pods and the backend, in the JSON inside flannel's ConfigMap.

use edge_host::{Error, Exit, Result};
use edge_yaml::{Document, Edit, Path, Step, Value};

use super::{Change, Rule};
use crate::cli::FlannelBackend;
use crate::notes::Notes;
use crate::request::PodSubnets;
use edge_objects::object::{Object, at, keys};

/// The entry of the ConfigMap.
const ENTRY: [&str; 2] = ["data", "net-conf.json"];

/// The names of its DaemonSets begin with this.
const DAEMONS: &str = "kube-flannel";

/// The rule.
#[derive(Debug)]
pub struct Flannel {
    subnets: PodSubnets,
    backend: Option<FlannelBackend>,
    is_found: bool,
    /// The DaemonSets that read it: namespace and name.
    daemons: Vec<(String, String)>,
}

impl Flannel {
    /// Sets these networks and this backend. Errors: usage (2) if neither is given.
    pub fn new(subnets: PodSubnets, backend: Option<FlannelBackend>) -> Result<Flannel> {
        if subnets.is_empty() && backend.is_none() {
            return Err(Error::usage("cannot change flannel: neither --pod-subnet nor --backend is given")
                .hint("edge-manifest flannel --pod-subnet 10.244.0.0/16"));
        }
        Ok(Flannel { subnets, backend, is_found: false, daemons: Vec::new() })
    }

    /// The settings: path, value.
    fn settings(&self, conf: &Value) -> Vec<(&'static [&'static str], Value)> {
        let mut settings: Vec<(&[&str], Value)> = Vec::new();
        if let Some(subnet) = self.subnets.v4 {
            settings.push((&["Network"], subnet.to_string().into()));
            if at(conf, &["EnableIPv4"]) == Some(&Value::Bool(false)) {
                settings.push((&["EnableIPv4"], true.into()));
            }
        }
        if let Some(subnet) = self.subnets.v6 {
            settings.push((&["EnableIPv6"], true.into()));
            settings.push((&["IPv6Network"], subnet.to_string().into()));
        }
        if let Some(backend) = self.backend {
            settings.push((&["Backend", "Type"], backend.name().into()));
        }
        settings.retain(|(place, value)| at(conf, place) != Some(value));
        settings
    }

    /// Refuses a network that is smaller than the part of it for each node.
    fn require_room(&self, conf: &Value) -> Result<()> {
        for (key, subnet) in [("SubnetLen", self.subnets.v4), ("IPv6SubnetLen", self.subnets.v6)] {
            let length = at(conf, &[key]).and_then(Value::as_u64);
            if let (Some(length), Some(subnet)) = (length, subnet)
                && u64::from(subnet.prefix_len()) > length
            {
                let cause = format!("{subnet} is smaller than the /{length} for each node ({key} in net-conf.json)");
                return Err(Error::failed(cause).with_exit(Exit::Refused));
            }
        }
        Ok(())
    }
}

impl Rule for Flannel {
    fn changes(&mut self, object: &Object<'_>, _: &mut Notes) -> Result<Vec<Change>> {
        if object.kind == "DaemonSet" && object.name.starts_with(DAEMONS) {
            self.daemons.push((object.namespace.to_owned(), object.name.to_owned()));
        }
        let Some(inner) = object.text(&ENTRY).filter(|_| object.kind == "ConfigMap") else { return Ok(Vec::new()) };
        let invalid = |error: &edge_yaml::Error| Error::failed(format!("net-conf.json: {error}"));
        let document = Document::parse(inner).map_err(|error| invalid(&error))?;
        let conf = document.value();
        if !conf.is_mapping() {
            return Err(Error::failed("net-conf.json is not a JSON object"));
        }
        self.require_room(conf)?;
        self.is_found = true;
        let settings = self.settings(conf);
        if settings.is_empty() {
            return Ok(Vec::new());
        }
        let shown = |value: Option<&Value>| match value {
            None => "unset".to_owned(),
            Some(Value::String(text)) => text.clone(),
            Some(Value::Bool(is_set)) => is_set.to_string(),
            Some(_) => "another value".to_owned(),
        };
        let details: Vec<String> = settings
            .iter()
            .map(|(place, value)| {
                format!("net-conf.json {}: {} -> {}", place.join("."), shown(at(conf, place)), shown(Some(value)))
            })
            .collect();
        let edits: Vec<Edit> = settings
            .into_iter()
            .filter_map(|(place, value)| {
                let steps: Vec<Step> = keys(place);
                Some(Edit::Set { path: Path::new(steps)?, value })
            })
            .collect();
        let edited = document.apply(&edits).map_err(|error| invalid(&error).with_exit(Exit::Refused))?;
        Ok(vec![Change::set(keys(&ENTRY), edited.text, details.join("; "))])
    }

    fn finish(&mut self, changed: bool, notes: &mut Notes) -> Result<()> {
        if !self.is_found {
            return Err(Error::cannot("change flannel in", "", "it has no ConfigMap with net-conf.json")
                .hint("pass kube-flannel.yml of the release"));
        }
        if changed {
            let restart = match self.daemons.first() {
                Some((namespace, name)) if !namespace.is_empty() => {
                    format!(": kubectl rollout restart -n {namespace} daemonset {name}")
                }
                _ => String::new(),
            };
            notes.add(format!("flannel reads net-conf.json when it starts: restart it if it runs already{restart}"));
        }
        if changed && !self.subnets.is_empty() {
            notes.add("nodes keep the podCIDR that they have; it must be in this network: kubectl get nodes -o custom-columns=NAME:.metadata.name,CIDR:.spec.podCIDRs");
        }
        Ok(())
    }
}
