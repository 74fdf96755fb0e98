//! What the user requests, validated without reading the host.

use std::net::IpAddr;
use std::path::Path;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use edge_host::{Arch, Error, Result};
use ipnet::IpNet;

use crate::range::is_link_local;

/// The architectures to build for: those of the releases, and ARMv6.
const TARGETS: [Arch; 7] =
    [Arch::Amd64, Arch::Arm64, Arch::Arm, Arch::Armv6, Arch::Riscv64, Arch::Ppc64le, Arch::S390x];

/// Parses the architecture to build for.
pub(crate) fn target() -> impl TypedValueParser<Value = Arch> {
    let value = |arch: Arch| PossibleValue::new(arch.name()).aliases(arch.aliases());
    PossibleValuesParser::new(TARGETS.map(value)).try_map(|name| name.parse())
}

/// Refuses a relative path, as a path on the host must not depend on the current directory. Errors: usage (2).
pub(crate) fn absolute(dir: &Path) -> Result<()> {
    if dir.is_absolute() {
        return Ok(());
    }
    Err(Error::usage(format!("cannot use {}: expected an absolute path", dir.display())))
}

/// A bridge network for pods.
#[derive(Debug, Clone)]
pub(crate) struct Network {
    pub(crate) name: String,
    pub(crate) subnets: Vec<IpNet>,
}

/// Parses a subnet in CIDR notation. Errors: the text and what was expected.
pub(crate) fn subnet(text: &str) -> std::result::Result<IpNet, String> {
    let invalid = |why: &str| Err(format!("{text:?} is not a valid CIDR: {why}"));
    let Some((address, prefix)) = text.split_once('/') else {
        return invalid("the prefix length is missing, such as in 10.85.0.0/16 or fd00:85::/64");
    };
    let Ok(address) = address.parse::<IpAddr>() else {
        return invalid("expected an IP address before the /, such as in 10.85.0.0/16 or fd00:85::/64");
    };
    let longest = if address.is_ipv4() { 32 } else { 128 };
    match prefix.parse().ok().and_then(|prefix| IpNet::new(address, prefix).ok()) {
        Some(subnet) => Ok(subnet),
        None => invalid(&format!("the prefix length must be 0 to {longest}")),
    }
}

impl Network {
    /// Validates the name and the subnets. Errors: usage (2).
    pub(crate) fn new(name: &str, subnets: &[IpNet]) -> Result<Network> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if !name.bytes().all(is_plain)
            || !name.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric)
            || name.len() > 64
        {
            return Err(Error::usage(format!(
                "cannot use the name {name:?}: expected at most 64 letters, digits, - _ and ., with a letter or digit first"
            )));
        }
        for subnet in subnets {
            let wrong = |what: &str| Error::usage(format!("cannot use {subnet}: {what}"));
            if subnet.trunc() != *subnet {
                return Err(wrong("it has host bits set").hint(format!("use --subnet {}", subnet.trunc())));
            }
            let address = subnet.addr();
            if address.is_loopback() || address.is_multicast() || address.is_unspecified() || is_link_local(address) {
                return Err(
                    wrong("it is reserved").hint("use a private subnet such as --subnet 10.85.0.0/16 or fd00:85::/64")
                );
            }
            if subnet.max_prefix_len() - subnet.prefix_len() < 3 {
                let enough = subnet.max_prefix_len() - 7;
                return Err(wrong("it is too small")
                    .hint(format!("use a /{enough} or larger for the usual 110 pods of a node")));
            }
            let family = |other: &&IpNet| other.addr().is_ipv4() == address.is_ipv4();
            if subnets.iter().filter(family).count() > 1 {
                let family = if address.is_ipv4() { "IPv4" } else { "IPv6" };
                return Err(Error::usage(format!("cannot use {subnet}: there is already a subnet for {family}"))
                    .hint("use at most one --subnet for IPv4 and one for IPv6"));
            }
        }
        Ok(Network { name: name.to_owned(), subnets: subnets.to_vec() })
    }
}

#[cfg(test)]
mod tests {
    use edge_host::Exit;

    use super::*;

    fn nets(texts: &[&str]) -> Vec<IpNet> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn subnet_errors_state_what_was_expected() {
        assert_eq!(subnet("fd00:85::/64").unwrap().to_string(), "fd00:85::/64");
        for (text, want) in [
            ("10.85.0.0/99", "\"10.85.0.0/99\" is not a valid CIDR: the prefix length must be 0 to 32"),
            ("fd00::/x", "\"fd00::/x\" is not a valid CIDR: the prefix length must be 0 to 128"),
            ("10.85.0.0/999", "\"10.85.0.0/999\" is not a valid CIDR: the prefix length must be 0 to 32"),
        ] {
            assert_eq!(subnet(text).unwrap_err(), want);
        }
        assert!(subnet("10.85.0.0").unwrap_err().contains("the prefix length is missing"));
        assert!(subnet("10.85.0/16").unwrap_err().contains("expected an IP address before the /"));
    }

    #[test]
    fn network_refuses_unusable_subnets_and_names() {
        for valid in [&["10.85.0.0/16"][..], &["10.85.0.0/16", "fd00:85::/64"], &["fd00:85::/64"]] {
            assert!(Network::new("n", &nets(valid)).is_ok(), "{valid:?}");
        }
        for bad in [
            &["10.85.0.1/16"][..],
            &["127.0.0.0/8"],
            &["224.0.0.0/8"],
            &["169.254.0.0/16"],
            &["fe80::/64"],
            &["0.0.0.0/0"],
            &["::/0"],
            &["10.0.0.0/30"],
            &["10.85.0.0/16", "10.86.0.0/16"],
        ] {
            assert_eq!(Network::new("n", &nets(bad)).unwrap_err().exit(), Exit::Usage, "{bad:?}");
        }
        for name in ["", "a/b", "-x", ".x", "a b", "ä"] {
            assert!(Network::new(name, &nets(&["10.85.0.0/16"])).is_err(), "{name}");
        }
    }
}
