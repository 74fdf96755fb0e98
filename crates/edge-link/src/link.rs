//! A link, as the kernel describes it.

use std::fmt;
use std::io;

use crate::message::{Request, attributes, bytes, text, u32_at};

/// `RTM_GETLINK`.
const GET: u16 = 18;
/// `RTM_DELLINK`.
const DELETE: u16 = 17;
/// `RTM_SETLINK`.
const SET: u16 = 19;
/// The length of `struct ifinfomsg`.
const FIXED: usize = 16;
/// `IFF_UP`.
const UP: u32 = 1;

// Attributes: include/uapi/linux/if_link.h.
const ADDRESS: u16 = 1;
const NAME: u16 = 3;
const PEER: u16 = 5;
const MASTER: u16 = 10;
const INFO: u16 = 18;
const GROUP: u16 = 27;
const EXT_MASK: u16 = 29;
const PEER_NAMESPACE: u16 = 37;
const INFO_KIND: u16 = 1;
const INFO_DATA: u16 = 2;
const VXLAN_ID: u16 = 1;
const TUN_TYPE: u16 = 3;
/// `RTEXT_FILTER_SKIP_STATS`.
const WITHOUT_COUNTERS: u32 = 8;
/// The value of [`TUN_TYPE`] of a tap.
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

    pub(crate) fn parse(body: &[u8]) -> io::Result<Option<Link>> {
        let fixed: [u8; FIXED] = bytes(body, 0)?;
        let mut link = Link { index: u32_at(&fixed, 4)?, is_up: u32_at(&fixed, 8)? & UP != 0, ..Link::default() };
        for (kind, value) in attributes(body.get(FIXED..).unwrap_or_default())? {
            match kind {
                ADDRESS => link.mac = value.to_vec(),
                NAME => link.name = text(value),
                PEER => link.peer = Some(u32_at(value, 0)?).filter(|index| *index != 0),
                MASTER => link.master = Some(u32_at(value, 0)?).filter(|index| *index != 0),
                GROUP => link.group = u32_at(value, 0)?,
                PEER_NAMESPACE => link.is_peer_elsewhere = true,
                INFO => link.add_info(value)?,
                _ => {}
            }
        }
        Ok(Some(link))
    }

    fn add_info(&mut self, info: &[u8]) -> io::Result<()> {
        let info = attributes(info)?;
        let of = |kind: u16| info.iter().find(|(own, _)| *own == kind).map(|(_, value)| *value);
        self.kind = of(INFO_KIND).map(text);
        let data = attributes(of(INFO_DATA).unwrap_or_default())?;
        let of = |kind: u16| data.iter().find(|(own, _)| *own == kind).map(|(_, value)| *value);
        match self.kind.as_deref() {
            Some(VXLAN) => self.vni = of(VXLAN_ID).map(|value| u32_at(value, 0)).transpose()?,
            Some(TUN) if of(TUN_TYPE) == Some(&[TAP]) => self.kind = Some("tap".to_owned()),
            _ => {}
        }
        Ok(())
    }

    pub(crate) fn list() -> Request {
        Request::new(GET, vec![0; FIXED]).with(EXT_MASK, &WITHOUT_COUNTERS.to_ne_bytes())
    }

    /// Deletes the link of an index.
    pub(crate) fn delete_one(index: u32) -> Request {
        Request::new(DELETE, fixed(index))
    }

    /// Deletes all links of a group.
    pub(crate) fn delete_group(group: u32) -> Request {
        Request::new(DELETE, fixed(0)).with(GROUP, &group.to_ne_bytes())
    }

    pub(crate) fn set_group(index: u32, group: u32) -> Request {
        Request::new(SET, fixed(index)).with(GROUP, &group.to_ne_bytes())
    }
}

fn fixed(index: u32) -> Vec<u8> {
    let mut fixed = vec![0; FIXED];
    fixed[4..8].copy_from_slice(&index.to_ne_bytes());
    fixed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::messages;

    fn nested(kind: u16, inner: &Request) -> (u16, Vec<u8>) {
        let encoded = inner.encode(0, 0);
        (kind, messages(&encoded).unwrap()[0].body.to_vec())
    }

    fn parsed(attributes: &[(u16, Vec<u8>)]) -> Link {
        let request = Request::new(16, fixed(7));
        let request = attributes.iter().fold(request, |request, (kind, value)| request.with(*kind, value));
        Link::parse(messages(&request.encode(0, 1)).unwrap()[0].body).unwrap().unwrap()
    }

    fn info(kind: &str, data: &Request) -> (u16, Vec<u8>) {
        let data = nested(INFO_DATA, data);
        nested(INFO, &Request::new(0, Vec::new()).with(INFO_KIND, kind.as_bytes()).with(data.0, &data.1))
    }

    #[test]
    fn parse_reads_kind_and_data() {
        let vxlan = Request::new(0, Vec::new()).with(VXLAN_ID, &4096u32.to_ne_bytes());
        let link =
            parsed(&[(NAME, b"flannel.4096\0".to_vec()), (ADDRESS, vec![2, 0, 0, 0, 0, 1]), info("vxlan", &vxlan)]);
        assert_eq!((link.name.as_str(), link.kind.as_deref(), link.vni), ("flannel.4096", Some("vxlan"), Some(4096)));
        assert_eq!(link.identity().to_string(), "7 vxlan 4096 02:00:00:00:00:01");
        let tun = |kind: u8| Request::new(0, Vec::new()).with(TUN_TYPE, &[kind]);
        assert_eq!(parsed(&[info("tun", &tun(1))]).kind.as_deref(), Some("tun"));
        assert_eq!(parsed(&[info("tun", &tun(2))]).kind.as_deref(), Some("tap"));
        assert_eq!(parsed(&[]).identity().to_string(), "7 hardware");
    }

    #[test]
    fn identity_of_a_bridge_does_not_depend_on_its_members() {
        let bridge = |mac: u8| parsed(&[(ADDRESS, vec![mac; 6]), info("bridge", &Request::new(0, Vec::new()))]);
        assert_eq!(bridge(1).identity(), bridge(2).identity());
    }
}
