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
    /// The address of the bridge.
    pub gateway: IpAddr,
}

/// The entries of an `ipam` of host-local, each with its setting: the older form with one subnet, then the list.
pub fn listed(ipam: &Value) -> Vec<(String, &Value)> {
    let old = Some(("ipam".to_owned(), ipam)).filter(|_| ipam.get("subnet").is_some());
    let sets = ipam.get("ranges").and_then(Value::as_array).into_iter().flatten().enumerate();
    let entries = sets.flat_map(|(set, entries)| {
        let entries = entries.as_array().into_iter().flatten().enumerate();
        entries.map(move |(index, entry)| (format!("ipam.ranges[{set}][{index}]"), entry))
    });
    old.into_iter().chain(entries).collect()
}

impl Range {
    /// Parses an entry of `ranges`, or an `ipam` with one subnet.
    ///
    /// Errors: the key and what host-local refuses (plugins v1.9.1, allocator/range.go).
    pub fn parse(value: &Value) -> std::result::Result<Range, (&'static str, String)> {
        let text = |key: &'static str| match value.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.as_str())),
            Some(other) => Err((key, format!("expected a string, found {other}"))),
        };
        let Some(given) = text("subnet")? else { return Err(("subnet", "the subnet is not set".to_owned())) };
        let subnet = parse_subnet(given).map_err(|cause| ("subnet", cause))?;
        let wrong = |what: String| Err(("subnet", format!("{given:?} {what}")));
        if subnet.prefix_len() + 2 > subnet.max_prefix_len() {
            return wrong(format!("has no address for a pod: the longest prefix is /{}", subnet.max_prefix_len() - 2));
        }
        if subnet.trunc() != subnet {
            return wrong(format!("has host bits set: the subnet is {}", subnet.trunc()));
        }
        let address = |key: &'static str| {
            let Some(text) = text(key)?.filter(|text| !text.is_empty()) else { return Ok(None) };
            let wrong = |what: &str| (key, format!("{text:?} {what}"));
            // Go accepts IPv4 in the form of IPv6.
            let address = text.parse::<IpAddr>().map_err(|_| wrong("is not a valid IP address"))?.to_canonical();
            Ok(Some((address, wrong(&format!("is not in the subnet {subnet}")))))
        };
        let inside = |key: &'static str| match address(key)? {
            Some((address, outside)) if !subnet.contains(&address) => Err(outside),
            found => Ok(found.map(|(address, _)| address)),
        };
        // The first address is that of the subnet, and the last one of IPv4 is for broadcast.
        let (low, high) = (number(subnet.network()), number(subnet.broadcast()));
        let top = if subnet.addr().is_ipv4() { high.saturating_sub(1) } else { high };
        let first = inside("rangeStart")?.unwrap_or_else(|| address_of(subnet, low.saturating_add(1)));
        let last = inside("rangeEnd")?.unwrap_or_else(|| address_of(subnet, top));
        if number(last) < number(first) {
            return Err(("rangeEnd", format!("{last} is before the first address {first}")));
        }
        // host-local accepts a gateway of another subnet.
        let gateway = address("gateway")?.map(|(address, _)| address);
        Ok(Range { subnet, first, last, gateway: gateway.unwrap_or_else(|| address_of(subnet, low.saturating_add(1))) })
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

/// Parses a subnet; errors in the words of the user.
pub(crate) fn parse_subnet(text: &str) -> std::result::Result<IpNet, String> {
    let invalid = |why: &str| format!("{text:?} is not a valid CIDR: {why}");
    let Some((address, prefix)) = text.split_once('/') else {
        return Err(invalid("the prefix length is missing, such as in 10.85.0.0/16"));
    };
    let Ok(address) = address.parse::<IpAddr>() else {
        return Err(invalid("expected an IP address before the /"));
    };
    let longest = if address.is_ipv4() { 32 } else { 128 };
    let digits = !prefix.is_empty() && prefix.bytes().all(|byte| byte.is_ascii_digit());
    let number = prefix.parse::<u8>().ok().filter(|prefix| digits && *prefix <= longest);
    let subnet = number.and_then(|prefix| IpNet::new(address, prefix).ok());
    subnet.ok_or_else(|| invalid(&format!("the prefix length must be 0 to {longest}")))
}

/// Whether two ranges share an address, as host-local compares them.
pub fn share_addresses(one: &Range, other: &Range) -> bool {
    one.contains(other.first) || one.contains(other.last) || other.contains(one.first) || other.contains(one.last)
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
    fn range_of_the_very_last_addresses_does_not_overflow() {
        for subnet in ["255.255.255.252/30", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffc/126"] {
            let range = Range::parse(&serde_json::json!({"subnet": subnet})).unwrap();
            assert!(range.capacity() > 0, "{subnet}");
        }
    }

    #[test]
    fn range_is_refused_as_host_local_refuses_it() {
        for (value, key, want) in [
            (serde_json::json!({}), "subnet", "the subnet is not set"),
            (serde_json::json!({"subnet": 5}), "subnet", "expected a string, found 5"),
            (
                serde_json::json!({"subnet": "10.0.0.0/99"}),
                "subnet",
                "\"10.0.0.0/99\" is not a valid CIDR: the prefix length must be 0 to 32",
            ),
            (
                serde_json::json!({"subnet": "fd00::/129"}),
                "subnet",
                "\"fd00::/129\" is not a valid CIDR: the prefix length must be 0 to 128",
            ),
            (
                serde_json::json!({"subnet": "10.0.0.7/24"}),
                "subnet",
                "\"10.0.0.7/24\" has host bits set: the subnet is 10.0.0.0/24",
            ),
            (
                serde_json::json!({"subnet": "10.0.0.0/31"}),
                "subnet",
                "\"10.0.0.0/31\" has no address for a pod: the longest prefix is /30",
            ),
            (
                serde_json::json!({"subnet": "10.0.0.0/24", "rangeStart": "10.0.1.1"}),
                "rangeStart",
                "\"10.0.1.1\" is not in the subnet 10.0.0.0/24",
            ),
            (
                serde_json::json!({"subnet": "10.0.0.0/24", "rangeEnd": "fd00::1"}),
                "rangeEnd",
                "\"fd00::1\" is not in the subnet 10.0.0.0/24",
            ),
            (
                serde_json::json!({"subnet": "10.0.0.0/24", "gateway": "10.0.0"}),
                "gateway",
                "\"10.0.0\" is not a valid IP address",
            ),
            (
                serde_json::json!({"subnet": "10.0.0.0/24", "rangeStart": "10.0.0.9", "rangeEnd": "10.0.0.5"}),
                "rangeEnd",
                "10.0.0.5 is before the first address 10.0.0.9",
            ),
        ] {
            assert_eq!(Range::parse(&value), Err((key, want.to_owned())), "{value}");
        }
        let valid =
            serde_json::json!({"subnet": "10.0.0.0/30", "gateway": "192.0.2.1", "rangeStart": "::ffff:10.0.0.1"});
        assert_eq!(Range::parse(&valid).unwrap().capacity(), 2);
    }

    proptest::proptest! {
        #[test]
        fn capacity_never_overflows(first in "[0-9a-f.:]{0,12}", last in "[0-9a-f.:]{0,12}", prefix in 0u8..=32) {
            let value = serde_json::json!({"subnet": format!("10.0.0.0/{prefix}"), "rangeStart": first, "rangeEnd": last});
            Range::parse(&value).map(|range| range.capacity()).ok();
            let value = serde_json::json!({"subnet": format!("fd00::/{}", prefix * 4), "rangeStart": first});
            Range::parse(&value).map(|range| range.capacity()).ok();
        }
    }
}
