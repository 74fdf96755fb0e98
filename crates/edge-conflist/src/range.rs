//! Address ranges of host-local, and subnets.

use std::net::IpAddr;

use ipnet::IpNet;
use serde_json::Value;

/// The addresses of a subnet that host-local allocates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// The subnet, without host bits.
    pub subnet: IpNet,
    /// The first address.
    pub first: IpAddr,
    /// The last one.
    pub last: IpAddr,
    gateway: IpAddr,
}

impl Range {
    /// Parses an entry of `ranges`, or an `ipam` with one subnet; none without a valid subnet.
    pub fn parse(value: &Value) -> Option<Range> {
        let subnet: IpNet = value.get("subnet")?.as_str()?.parse().ok()?;
        let subnet = subnet.trunc();
        let address = |key: &str| value.get(key).and_then(Value::as_str).and_then(|text| text.parse().ok());
        // The first address is that of the subnet, and the last one of IPv4 is for broadcast.
        let (low, high) = (number(subnet.network()), number(subnet.broadcast()));
        let top = if subnet.addr().is_ipv4() { high.saturating_sub(1) } else { high };
        Some(Range {
            subnet,
            first: address("rangeStart").unwrap_or_else(|| address_of(subnet, low.saturating_add(1))),
            last: address("rangeEnd").unwrap_or_else(|| address_of(subnet, top)),
            gateway: address("gateway").unwrap_or_else(|| address_of(subnet, low.saturating_add(1))),
        })
    }

    /// How many pods can have an address: the gateway's is not allocated.
    pub fn capacity(&self) -> u128 {
        let all = number(self.last).saturating_sub(number(self.first)).saturating_add(1);
        all - u128::from(self.contains(self.gateway))
    }

    /// Whether an address is in the range.
    pub fn contains(&self, address: IpAddr) -> bool {
        address.is_ipv4() == self.first.is_ipv4() && (self.first..=self.last).contains(&address)
    }
}

/// Whether two subnets share an address.
pub fn overlap(one: IpNet, other: IpNet) -> bool {
    one.contains(&other) || other.contains(&one)
}

/// Whether an address is link-local.
pub fn is_link_local(address: IpAddr) -> bool {
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
mod tests {
    use super::*;

    #[test]
    fn overlap_is_true_where_one_subnet_contains_the_other() {
        let of = |text: &str| text.parse::<IpNet>().unwrap();
        assert!(overlap(of("10.0.0.0/8"), of("10.85.0.0/16")) && overlap(of("10.85.0.0/16"), of("10.0.0.0/8")));
        assert!(!overlap(of("10.84.0.0/16"), of("10.85.0.0/16")) && !overlap(of("::/0"), of("10.85.0.0/16")));
    }

    #[test]
    fn range_of_the_very_last_address_does_not_overflow() {
        for subnet in ["255.255.255.255/32", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128"] {
            let range = Range::parse(&serde_json::json!({"subnet": subnet})).unwrap();
            assert_eq!(range.first, subnet.parse::<IpNet>().unwrap().addr(), "{subnet}");
        }
    }

    proptest::proptest! {
        #[test]
        fn capacity_never_overflows(first in "[0-9a-f.:]{0,12}", last in "[0-9a-f.:]{0,12}", prefix in 0u8..=32) {
            let value = serde_json::json!({"subnet": format!("10.0.0.0/{prefix}"), "rangeStart": first, "rangeEnd": last});
            Range::parse(&value).map(|range| range.capacity());
            let value = serde_json::json!({"subnet": format!("fd00::/{}", prefix * 4), "rangeStart": first});
            Range::parse(&value).map(|range| range.capacity());
        }
    }
}
