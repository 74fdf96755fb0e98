//! Rules in the chains of others that have no comment of their program: recognized by all of their words.

use std::net::IpAddr;
use std::path::Path;

use edge_firewall::{Dnat, Rule, same_rule, words};
use edge_host::{Host, Result};
use edge_kubeedge::stream::STREAM_PORT;

use super::data::{self, Data, Proof};
use super::pods::Pods;

/// flannel's network and subnet on this host.
const FLANNEL: &str = "/run/flannel/subnet.env";
/// The ports that guides redirect: the API server dials the first, and further cloudcores negotiate the next ones.
const GUIDE_PORTS: std::ops::RangeInclusive<u16> = 10350..=10549;
const CNI_FORWARD: &str = "CNI-FORWARD";
const CNI_ISOLATION: &str = "CNI-ISOLATION-STAGE-";

/// Recognizes rules.
pub(super) struct Recognizer<'d> {
    data: &'d Data,
    pods: &'d Pods<'d>,
    /// Table, chain and rule of flannel.
    flannel: Vec<(&'static str, &'static str, String)>,
}

impl<'d> Recognizer<'d> {
    pub(super) fn read(host: &Host, data: &'d Data, pods: &'d Pods<'d>) -> Result<Recognizer<'d>> {
        let text = host.root.read(Path::new(FLANNEL))?.unwrap_or_default();
        let flannel = flannel_rules(&String::from_utf8_lossy(&text)).unwrap_or_default();
        Ok(Recognizer { data, pods, flannel })
    }

    /// The entry of a rule, and whether it is the redirect of a guide.
    pub(super) fn of(&self, rule: &Rule<'_>, table: &str) -> Option<(&'d data::Rule<Proof>, bool)> {
        let entry = self.data.recognized.iter().find(|entry| match entry.own {
            Proof::Guide => table == "nat" && is_guide(rule),
            Proof::Flannel => self.is_flannel(rule, table),
            Proof::CniFirewall => table == "filter" && self.is_of_pod(rule),
            Proof::EdgemeshCni => table == "nat" && rule.chain == "POSTROUTING" && self.is_edgemesh(rule.text),
            Proof::Network => false,
        })?;
        Some((entry, entry.own == Proof::Guide))
    }

    fn is_flannel(&self, rule: &Rule<'_>, table: &str) -> bool {
        self.flannel
            .iter()
            .any(|(in_table, chain, text)| (*in_table, *chain) == (table, rule.chain) && same_rule(text, rule.text))
    }

    /// A rule of the plugin firewall: for the address of one pod, or for a bridge of pods.
    fn is_of_pod(&self, rule: &Rule<'_>) -> bool {
        let is_isolation = rule.chain.starts_with(CNI_ISOLATION);
        if rule.chain != CNI_FORWARD && !is_isolation {
            return false;
        }
        let mut words = words(rule.text);
        let mut is_own = false;
        while let Some(word) = words.next() {
            if word == "!" {
                continue;
            }
            let value = words.next().unwrap_or_default();
            match &*word {
                "-s" | "-d" if !is_isolation => {
                    let address = value.split_once('/').map_or(&*value, |(address, _)| address).parse::<IpAddr>();
                    let is_host = value.ends_with("/32") || value.ends_with("/128");
                    if !is_host || !address.is_ok_and(|address| self.pods.has_address(address)) {
                        return false;
                    }
                    is_own = true;
                }
                "-i" | "-o" if is_isolation => {
                    if !self.pods.has_bridge(&value) {
                        return false;
                    }
                    is_own = true;
                }
                "-m" if ["conntrack", "comment"].contains(&&*value) => {}
                "--ctstate" | "-j" => {}
                "--comment" if is_isolation => {}
                _ => return false,
            }
        }
        is_own
    }

    /// `-s SUBNET ! -o docker0 -j ACCEPT`.
    fn is_edgemesh(&self, rule: &str) -> bool {
        let Some(subnet) = rule.strip_prefix("-s ").and_then(|rest| rest.strip_suffix(" ! -o docker0 -j ACCEPT"))
        else {
            return false;
        };
        self.pods.has_subnet(subnet)
    }
}

fn is_guide(rule: &Rule<'_>) -> bool {
    let stream = format!(":{STREAM_PORT}");
    ["OUTPUT", "PREROUTING"].contains(&rule.chain)
        && Dnat::of(rule.text)
            .is_some_and(|dnat| dnat.is_plain && GUIDE_PORTS.contains(&dnat.port) && dnat.to.ends_with(&stream))
}

/// The rules of flannel up to 0.16 for this network (`network/iptables.go`).
fn flannel_rules(env: &str) -> Option<Vec<(&'static str, &'static str, String)>> {
    let value = |key: &str| env.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    let network: ipnet::IpNet = value("FLANNEL_NETWORK")?.parse().ok()?;
    let subnet: ipnet::IpNet = value("FLANNEL_SUBNET")?.parse().ok()?;
    let (network, subnet) = (network.trunc(), subnet.trunc());
    let masquerade = |rule: String| [rule.clone(), format!("{rule} --random-fully")];
    let mut rules = vec![
        ("nat", "POSTROUTING", format!("-s {network} -d {network} -j RETURN")),
        ("nat", "POSTROUTING", format!("! -s {network} -d {subnet} -j RETURN")),
        ("filter", "FORWARD", format!("-s {network} -j ACCEPT")),
        ("filter", "FORWARD", format!("-d {network} -j ACCEPT")),
    ];
    let both = masquerade(format!("-s {network} ! -d 224.0.0.0/4 -j MASQUERADE"))
        .into_iter()
        .chain(masquerade(format!("! -s {network} -d {network} -j MASQUERADE")));
    rules.extend(both.map(|rule| ("nat", "POSTROUTING", rule)));
    Some(rules)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule<'r>(chain: &'r str, text: &'r str) -> Rule<'r> {
        Rule { counters: None, chain, text }
    }

    #[test]
    fn redirects_of_guides_are_plain_and_lead_to_the_stream_port() {
        let good = "-p tcp -m tcp --dport 10350 -j DNAT --to-destination 192.0.2.1:10003";
        assert!(is_guide(&rule("OUTPUT", good)) && is_guide(&rule("PREROUTING", good)));
        for (chain, text) in [
            ("DOCKER", good.to_owned()),
            ("OUTPUT", good.replace("10350", "443")),
            ("OUTPUT", good.replace(":10003", ":8080")),
            ("OUTPUT", good.replace("-p tcp -m", "-s 192.0.2.0/24 -p tcp -m")),
            ("OUTPUT", good.replace("-j DNAT --to-destination 192.0.2.1:10003", "-j ACCEPT")),
        ] {
            assert!(!is_guide(&rule(chain, &text)), "{chain} {text}");
        }
    }

    #[test]
    fn flannel_rules_are_those_of_its_network() {
        let env =
            "FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_SUBNET=10.244.1.1/24\nFLANNEL_MTU=1450\nFLANNEL_IPMASQ=true\n";
        let rules = flannel_rules(env).unwrap();
        assert_eq!(rules.len(), 8);
        assert!(rules.iter().any(|(.., rule)| rule == "! -s 10.244.0.0/16 -d 10.244.1.0/24 -j RETURN"));
        assert!(flannel_rules("FLANNEL_NETWORK=x\nFLANNEL_SUBNET=10.244.1.1/24\n").is_none());
        assert!(flannel_rules("").is_none());
    }
}
