//! What the user requested, validated without reading the input.

use std::net::IpAddr;

use edge_host::{Error, Result};
use ipnet::IpNet;

/// The smallest networks of pods: each node gets a /24 of them, or a /64.
const LONGEST_PREFIX: [(u8, &str); 2] = [(24, "/24"), (64, "/64")];

/// Parses a network in CIDR notation. Errors: the text and what was expected.
pub fn subnet(text: &str) -> std::result::Result<IpNet, String> {
    let invalid = |why: &str| Err(format!("{text:?} is not a valid CIDR: {why}"));
    let Some((address, prefix)) = text.split_once('/') else {
        return invalid("the prefix length is missing, such as in 10.244.0.0/16 or fd00:10::/56");
    };
    let Ok(address) = address.parse::<IpAddr>() else {
        return invalid("expected an IP address before the /, such as in 10.244.0.0/16 or fd00:10::/56");
    };
    let longest = if address.is_ipv4() { 32 } else { 128 };
    match prefix.parse().ok().and_then(|prefix| IpNet::new(address, prefix).ok()) {
        Some(subnet) if subnet.trunc() == subnet => Ok(subnet),
        Some(subnet) => invalid(&format!("bits are set after the prefix; the network is {}", subnet.trunc())),
        None => invalid(&format!("the prefix length must be 0 to {longest}")),
    }
}

/// The longest value of a label.
const MAX_LABEL: usize = 63;

/// Parses the value of the label `kubernetes.io/hostname`. Errors: the text and what was expected.
pub fn host_name(text: &str) -> std::result::Result<String, String> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let has_ends = [text.bytes().next(), text.bytes().next_back()].iter().flatten().all(u8::is_ascii_alphanumeric);
    if text.is_empty() || text.len() > MAX_LABEL || !text.bytes().all(is_plain) || !has_ends {
        return Err(format!(
            "{text:?} is not a valid host name: expected 1 to {MAX_LABEL} letters, digits, \"-\", \"_\" and \".\", with a letter or digit at both ends"
        ));
    }
    Ok(text.to_owned())
}

/// The networks of the pods, at most one for each IP family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PodSubnets {
    /// IPv4.
    pub v4: Option<IpNet>,
    /// IPv6.
    pub v6: Option<IpNet>,
}

impl PodSubnets {
    /// Validates them. Errors: usage (2).
    pub fn new(subnets: &[IpNet], service_subnets: &[IpNet]) -> Result<PodSubnets> {
        let mut all = PodSubnets::default();
        for subnet in subnets {
            let is_v4 = subnet.addr().is_ipv4();
            let wrong = |why: String| Err(Error::usage(format!("cannot use --pod-subnet {subnet}: {why}")));
            let [v4, v6] = LONGEST_PREFIX;
            let (longest, shown) = if is_v4 { v4 } else { v6 };
            if subnet.prefix_len() > longest {
                return wrong(format!("it is smaller than {shown}, which a single node needs"));
            }
            if let Some(service) = service_subnets.iter().find(|service| overlap(service, subnet)) {
                return wrong(format!("it overlaps the network of the services, {service}"));
            }
            let slot = if is_v4 { &mut all.v4 } else { &mut all.v6 };
            if let Some(other) = slot.replace(*subnet) {
                return wrong(format!("{other} is given, too; expected one for each IP family"));
            }
        }
        Ok(all)
    }

    /// Whether none was given.
    pub fn is_empty(&self) -> bool {
        self.v4.is_none() && self.v6.is_none()
    }
}

fn overlap(one: &IpNet, other: &IpNet) -> bool {
    one.contains(other) || other.contains(one)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subnet_says_what_was_expected() {
        for (text, why) in [
            ("10.244.0.0", "the prefix length is missing"),
            ("10.244.0.0/33", "the prefix length must be 0 to 32"),
            ("fd00::/129", "the prefix length must be 0 to 128"),
            ("pods/16", "expected an IP address before the /"),
            ("10.244.1.0/16", "bits are set after the prefix; the network is 10.244.0.0/16"),
            ("fd00:10::1/56", "bits are set after the prefix; the network is fd00:10::/56"),
        ] {
            let error = subnet(text).unwrap_err();
            assert!(error.starts_with(&format!("{text:?} is not a valid CIDR: ")) && error.contains(why), "{error}");
        }
        assert!(subnet("10.244.0.0/16").is_ok() && subnet("fd00:10::/56").is_ok());
    }

    #[test]
    fn host_name_is_the_value_of_a_label() {
        for text in ["", "a b", "-a", "a.", &"a".repeat(64), "é"] {
            assert!(host_name(text).unwrap_err().contains("is not a valid host name"), "{text}");
        }
        assert_eq!(host_name("cloud-1.example.com").unwrap(), "cloud-1.example.com");
    }

    #[test]
    fn pod_subnets_must_be_large_enough_and_apart_from_services() {
        let parse = |list: &[&str]| list.iter().map(|text| subnet(text).unwrap()).collect::<Vec<_>>();
        let new = |pods: &[&str], services: &[&str]| PodSubnets::new(&parse(pods), &parse(services));
        for (pods, services, why) in [
            (&["10.1.1.0/25"] as &[&str], &[] as &[&str], "it is smaller than /24, which a single node needs"),
            (&["fd00::/65"], &[], "it is smaller than /64, which a single node needs"),
            (&["10.96.0.0/16"], &["10.96.0.0/12"], "it overlaps the network of the services, 10.96.0.0/12"),
            (&["10.0.0.0/8"], &["10.96.0.0/12"], "it overlaps the network of the services, 10.96.0.0/12"),
            (&["10.1.0.0/16", "10.2.0.0/16"], &[], "10.1.0.0/16 is given, too; expected one for each IP family"),
        ] {
            let error = new(pods, services).unwrap_err();
            assert!(error.message().ends_with(why) && error.exit() == edge_host::Exit::Usage, "{error}");
        }
        let both = new(&["fd00::/56", "10.1.0.0/16"], &["10.96.0.0/12", "fd01::/108"]).unwrap();
        assert!(both.v4.is_some() && both.v6.is_some() && !both.is_empty());
    }
}
