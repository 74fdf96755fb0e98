//! A link, as the kernel describes it.

use std::fmt;

use nix::libc::{
    IFLA_ADDRESS, IFLA_GROUP, IFLA_IFNAME, IFLA_INFO_DATA, IFLA_INFO_KIND, IFLA_LINK, IFLA_LINK_NETNSID, IFLA_LINKINFO,
    IFLA_MASTER,
};
use rtnetlink::packet_core::{DecodeError, Emitable, parse_u32};
use rtnetlink::packet_route::RouteNetlinkMessage;
use rtnetlink::packet_route::link::{LinkAttribute, LinkExtentMask, LinkFlags, LinkHeader, LinkMessage};

use crate::socket::{Decoded, attributes, value};

// include/uapi/linux/if_link.h.
const IFLA_VXLAN_ID: u16 = 1;
const IFLA_TUN_TYPE: u16 = 3;
/// The value of [`IFLA_TUN_TYPE`] of a tap.
const TAP: u8 = 2;

const BRIDGE: &str = "bridge";
const TUN: &str = "tun";
const VXLAN: &str = "vxlan";

/// A link.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Link {
    /// Its index: unique in its namespace, and not used again soon.
    pub index: u32,
    /// Its name; the kernel allows bytes that are not UTF-8, which are shown as `�`.
    pub name: String,
    /// Its kind as `ip -d link` shows it, such as `bridge` or `veth`, but `tap` for a tap; none of hardware.
    pub kind: Option<String>,
    /// Its hardware address; empty where it has none.
    pub mac: Vec<u8>,
    /// The index of its bridge or bond.
    pub master: Option<u32>,
    /// Whether it is up.
    pub is_up: bool,
    /// Its group; 0 unless someone has set one.
    pub group: u32,
    /// The index of the link that it is connected to, such as the other end of a veth.
    pub peer: Option<u32>,
    /// Whether that is in another network namespace.
    pub is_peer_elsewhere: bool,
    /// The network identifier of a vxlan.
    pub vni: Option<u32>,
}

/// What tells a link from another one that has the same name, or later the same index.
///
/// The address of a bridge is not part of it, because it changes with its members.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Identity {
    /// Its index.
    pub index: u32,
    /// Its name.
    pub name: String,
    kind: Option<String>,
    mac: Vec<u8>,
    vni: Option<u32>,
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.index, self.kind.as_deref().unwrap_or("hardware"))?;
        if let Some(vni) = self.vni {
            write!(f, " {vni}")?;
        }
        let mac: Vec<String> = self.mac.iter().map(|byte| format!("{byte:02x}")).collect();
        if mac.is_empty() { Ok(()) } else { write!(f, " {}", mac.join(":")) }
    }
}

impl Link {
    /// Its identity.
    pub fn identity(&self) -> Identity {
        let mac = if self.is(BRIDGE) { Vec::new() } else { self.mac.clone() };
        Identity { index: self.index, name: self.name.clone(), kind: self.kind.clone(), mac, vni: self.vni }
    }

    /// Whether it is of a kind.
    pub fn is(&self, kind: &str) -> bool {
        self.kind.as_deref() == Some(kind)
    }

    pub(crate) fn parse(body: &[u8]) -> Decoded<Link> {
        let header = LinkHeader::parse(body)?;
        let is_up = header.flags.contains(LinkFlags::Up);
        let mut link = Link { index: header.index, is_up, ..Link::default() };
        for attribute in attributes(&body[header.buffer_len()..])? {
            let value = attribute.value();
            match attribute.kind() {
                IFLA_ADDRESS => link.mac = value.to_vec(),
                IFLA_IFNAME => link.name = text(value),
                IFLA_LINK => link.peer = Some(parse_u32(value)?).filter(|index| *index != 0),
                IFLA_MASTER => link.master = Some(parse_u32(value)?).filter(|index| *index != 0),
                IFLA_GROUP => link.group = parse_u32(value)?,
                IFLA_LINK_NETNSID => link.is_peer_elsewhere = true,
                IFLA_LINKINFO => link.add_info(value)?,
                _ => {}
            }
        }
        Ok(Some(link))
    }

    fn add_info(&mut self, info: &[u8]) -> Result<(), DecodeError> {
        let info = attributes(info)?;
        let data = attributes(value(&info, IFLA_INFO_DATA).unwrap_or_default())?;
        self.kind = value(&info, IFLA_INFO_KIND).map(text);
        match self.kind.as_deref() {
            Some(VXLAN) => self.vni = value(&data, IFLA_VXLAN_ID).map(parse_u32).transpose()?,
            Some(TUN) if value(&data, IFLA_TUN_TYPE) == Some(&[TAP]) => self.kind = Some("tap".to_owned()),
            _ => {}
        }
        Ok(())
    }

    pub(crate) fn list() -> RouteNetlinkMessage {
        RouteNetlinkMessage::GetLink(message(0, LinkAttribute::ExtMask(vec![LinkExtentMask::SkipStats])))
    }

    /// Deletes the link of an index.
    pub(crate) fn delete_one(index: u32) -> RouteNetlinkMessage {
        RouteNetlinkMessage::DelLink(message(index, None))
    }

    /// Deletes all links of a group.
    pub(crate) fn delete_group(group: u32) -> RouteNetlinkMessage {
        RouteNetlinkMessage::DelLink(message(0, LinkAttribute::Group(group)))
    }

    pub(crate) fn set_group(index: u32, group: u32) -> RouteNetlinkMessage {
        RouteNetlinkMessage::SetLink(message(index, LinkAttribute::Group(group)))
    }
}

/// The bytes of a string, which ends with a zero.
fn text(value: &[u8]) -> String {
    String::from_utf8_lossy(value.strip_suffix(&[0]).unwrap_or(value)).into_owned()
}

fn message(index: u32, attribute: impl Into<Option<LinkAttribute>>) -> LinkMessage {
    let mut message = LinkMessage::default();
    message.header.index = index;
    message.attributes.extend(attribute.into());
    message
}

#[cfg(test)]
mod tests {
    use super::*;
    use rtnetlink::packet_core::DefaultNla;
    use rtnetlink::packet_route::link::{InfoData, InfoKind, InfoTun, InfoVxlan, LinkInfo};

    fn parsed(attributes: Vec<LinkAttribute>) -> Link {
        let mut message = message(7, None);
        message.attributes = attributes;
        let mut body = vec![0; message.buffer_len()];
        message.emit(&mut body);
        Link::parse(&body).unwrap().unwrap()
    }

    fn info(kind: InfoKind, data: InfoData) -> LinkAttribute {
        LinkAttribute::LinkInfo(vec![LinkInfo::Kind(kind), LinkInfo::Data(data)])
    }

    #[test]
    fn parse_reads_kind_and_data() {
        let link = parsed(vec![
            LinkAttribute::IfName("flannel.4096".to_owned()),
            LinkAttribute::Address(vec![2, 0, 0, 0, 0, 1]),
            info(InfoKind::Vxlan, InfoData::Vxlan(vec![InfoVxlan::Id(4096)])),
        ]);
        assert_eq!((link.name.as_str(), link.kind.as_deref(), link.vni), ("flannel.4096", Some("vxlan"), Some(4096)));
        assert_eq!(link.identity().to_string(), "7 vxlan 4096 02:00:00:00:00:01");
        let tun = |kind: u8| InfoData::Tun(vec![InfoTun::Other(DefaultNla::new(IFLA_TUN_TYPE, vec![kind]))]);
        assert_eq!(parsed(vec![info(InfoKind::Tun, tun(1))]).kind.as_deref(), Some("tun"));
        assert_eq!(parsed(vec![info(InfoKind::Tun, tun(2))]).kind.as_deref(), Some("tap"));
        assert_eq!(parsed(Vec::new()).identity().to_string(), "7 hardware");
    }

    #[test]
    fn identity_of_a_bridge_does_not_depend_on_its_members() {
        let bridge = |mac: u8| {
            let own = LinkAttribute::Address(vec![mac; 6]);
            parsed(vec![own, info(InfoKind::Bridge, InfoData::Bridge(Vec::new()))])
        };
        assert_eq!(bridge(1).identity(), bridge(2).identity());
    }
}
