//! What flanneld writes about its network.

use std::path::Path;

use edge_host::{Host, Result};
use ipnet::IpNet;

const SUBNET_ENV: &str = "/run/flannel/subnet.env";

/// The networks of all nodes, and the part of this one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Flannel {
    pub(super) exists: bool,
    pub(super) networks: Vec<IpNet>,
    pub(super) subnets: Vec<IpNet>,
}

impl Flannel {
    pub(super) fn read(host: &Host) -> Result<Flannel> {
        let text = host.root.read(Path::new(SUBNET_ENV))?;
        Ok(text.map(|text| Flannel::parse(&String::from_utf8_lossy(&text))).unwrap_or_default())
    }

    pub(super) fn parse(text: &str) -> Flannel {
        let mut flannel = Flannel { exists: true, ..Flannel::default() };
        for (key, value) in text.lines().filter_map(|line| line.split_once('=')) {
            // Several networks are separated by commas.
            let nets = value.split(',').filter_map(|net| net.trim().parse::<IpNet>().ok()).map(|net| net.trunc());
            match key.trim() {
                "FLANNEL_NETWORK" | "FLANNEL_IPV6_NETWORK" => flannel.networks.extend(nets),
                "FLANNEL_SUBNET" | "FLANNEL_IPV6_SUBNET" => flannel.subnets.extend(nets),
                _ => {}
            }
        }
        flannel
    }

    /// The network that an address is in.
    pub(super) fn network_of(&self, address: IpNet) -> Option<IpNet> {
        self.networks.iter().copied().find(|network| network.contains(&address))
    }
}
