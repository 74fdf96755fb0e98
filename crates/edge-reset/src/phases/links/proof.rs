//! What proves that a link was made by the program whose name it has.

use std::net::IpAddr;

use edge_link::Link;
use serde::Deserialize;

use super::flannel::Flannel;
use super::view::View;
use crate::networks::Networks;

/// Every link of calico has it (felix `defaults`).
const CALICO_MAC: [u8; 6] = [0xee; 6];
/// So has the link-local address that comes from it.
const CALICO_LOCAL: &str = "fe80::ecee:eeff:feee:eeee";
/// The length of the random part of a veth's name in CNI's plugins (`ip.RandomVethName`), in hex.
const VETH_DIGITS: usize = 8;
const FLANNEL: &str = "flannel";
const VETH: &str = "veth";

/// A proof that needs code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Proof {
    Bridge,
    Member,
    Cache,
    Vni,
    Flannel,
    Subnet,
    Calico,
    Alone,
}

/// What came of looking for a proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It was seen, in these words.
    Proven(String),
    /// The link is something else.
    Other,
    /// It was not seen.
    Missing(String),
    /// The link is what it seems to be, and must not be deleted: why, and what to do.
    Refused(String, String),
    /// It belongs to another program.
    Kept(String),
}

/// What proofs are looked for in.
pub(super) struct Evidence<'a> {
    pub(super) networks: &'a Networks,
    pub(super) view: &'a View,
    pub(super) flannel: &'a Flannel,
}

impl Evidence<'_> {
    pub(super) fn look(&self, proof: Proof, link: &Link) -> Verdict {
        let seen = |is_seen: bool, yes: &str, no: &str| {
            if is_seen { Verdict::Proven(yes.to_owned()) } else { Verdict::Missing(no.to_owned()) }
        };
        match proof {
            Proof::Bridge => self.bridge(link),
            Proof::Member => self.member(link),
            Proof::Cache => match self.networks.of_interface(&link.name) {
                Some(network) => Verdict::Proven(format!("a container of the network {} has it", network.name)),
                None => Verdict::Missing("no container of a network of pods has it".to_owned()),
            },
            Proof::Vni => {
                let number = link.name.rsplit('.').next().and_then(|text| text.parse::<u32>().ok());
                let is_same = number.is_some() && number == link.vni;
                let vni = link.vni.map_or_else(|| "unknown".to_owned(), |vni| vni.to_string());
                seen(is_same, &format!("VNI {vni}"), &format!("its VNI is {vni}"))
            }
            Proof::Flannel => {
                let is_seen = self.flannel.exists || self.networks.use_plugin(FLANNEL);
                seen(is_seen, "this host uses flannel", "nothing else shows that this host uses flannel")
            }
            Proof::Subnet => {
                let own = self.view.addresses(link.index).find_map(|one| self.flannel.network_of(one));
                let own = own.map(|network| format!("its address is in flannel's network {network}"));
                own.map_or_else(|| Verdict::Missing("no address is in flannel's network".to_owned()), Verdict::Proven)
            }
            Proof::Calico => {
                let local = |address: IpAddr| address.to_string() == CALICO_LOCAL;
                let has_local = self.view.all_addresses(link.index).any(|one| local(one.addr()));
                seen(link.mac == CALICO_MAC || has_local, "calico's hardware address", "it has no address of calico")
            }
            Proof::Alone => match self.view.members(link.index).next() {
                None => Verdict::Proven("no members".to_owned()),
                Some(member) => foreign_member(member),
            },
        }
    }

    fn bridge(&self, link: &Link) -> Verdict {
        if let Some(other) = self.networks.foreign.iter().find(|network| network.bridges.contains(&link.name)) {
            let owner = other.owner.as_deref().unwrap_or_default();
            return Verdict::Kept(format!("the network {} uses it: {owner}", other.name));
        }
        let Some(network) = self.networks.of_bridge(&link.name) else { return Verdict::Other };
        if let Some(member) = self.view.members(link.index).find(|member| !self.is_of_pod(member)) {
            return foreign_member(member);
        }
        let mut proof = format!("a bridge of the network {}", network.name);
        for address in self.view.addresses(link.index) {
            match network.explains(address) {
                Some(why) => proof.push_str(&format!(", {address} {why}")),
                None => {
                    return Verdict::Refused(
                        format!("its address {address} is not of the network {}", network.name),
                        format!("if nothing else uses it: ip address delete {address} dev {}", link.name),
                    );
                }
            }
        }
        Verdict::Proven(proof)
    }

    fn member(&self, link: &Link) -> Verdict {
        if !self.is_of_pod(link) {
            return Verdict::Other;
        }
        if let Some(network) = self.networks.of_interface(&link.name) {
            return Verdict::Proven(format!("a container of the network {} has it", network.name));
        }
        let master = link.master.and_then(|master| self.view.link(master));
        match master.filter(|master| self.networks.of_bridge(&master.name).is_some()) {
            Some(master) => Verdict::Proven(format!("a member of {}", master.name)),
            None => Verdict::Other,
        }
    }

    /// Whether a link is the host's end of a pod's: libcni's entries name it, or it has a name that CNI's plugins choose
    /// and its other end is in another network namespace.
    fn is_of_pod(&self, link: &Link) -> bool {
        if !link.is(VETH) || self.networks.foreign_of_interface(&link.name).is_some() {
            return false;
        }
        let digits = link.name.strip_prefix(VETH).unwrap_or_default();
        let is_shape = digits.len() == VETH_DIGITS
            && digits.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        self.networks.of_interface(&link.name).is_some() || (is_shape && link.is_peer_elsewhere)
    }
}

fn foreign_member(member: &Link) -> Verdict {
    let kind = member.kind.as_deref().unwrap_or("hardware");
    Verdict::Refused(
        format!("its member {} ({kind}) is not of a pod", member.name),
        format!("if it does not need the bridge: ip link set dev {} nomaster", member.name),
    )
}
