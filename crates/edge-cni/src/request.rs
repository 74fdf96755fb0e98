//! What a call asks for, checked without looking at the host.

use std::path::Path;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use edge_host::{Arch, Error, Result};
use ipnet::IpNet;

use crate::range::is_link_local;

/// What plugins can be built for: the architectures of their releases, and version 6 of 32-bit ARM.
const TARGETS: [Arch; 7] =
    [Arch::Amd64, Arch::Arm64, Arch::Arm, Arch::Armv6, Arch::Riscv64, Arch::Ppc64le, Arch::S390x];

/// Parses the architecture to build for.
pub(crate) fn target() -> impl TypedValueParser<Value = Arch> {
    let value = |arch: Arch| PossibleValue::new(arch.name()).aliases(arch.aliases());
    PossibleValuesParser::new(TARGETS.map(value)).try_map(|name| name.parse())
}

/// Refuses a relative path: a path on the host does not depend on the directory of the call.
pub(crate) fn absolute(dir: &Path) -> Result<()> {
    if dir.is_absolute() {
        return Ok(());
    }
    Err(Error::usage(format!("cannot use {}: it does not begin with /", dir.display())))
}

/// A network with pods on a bridge.
#[derive(Debug, Clone)]
pub(crate) struct Network {
    pub(crate) name: String,
    pub(crate) subnets: Vec<IpNet>,
}

/// Parses a subnet of the command line.
pub(crate) fn subnet(text: &str) -> std::result::Result<IpNet, String> {
    text.parse().map_err(|_| "it is no subnet: 10.85.0.0/16 or fd00:85::/64 is one".to_owned())
}

impl Network {
    /// Checks the name, each subnet by itself and all of them together. Errors: usage (2).
    pub(crate) fn new(name: &str, subnets: &[IpNet]) -> Result<Network> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if !name.bytes().all(plain)
            || !name.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric)
            || name.len() > 64
        {
            return Err(Error::usage(format!(
                "cannot name a network {name:?}: letters, digits, - _ and . are for names"
            )));
        }
        for subnet in subnets {
            let wrong = |what: &str| Error::usage(format!("cannot use {subnet}: {what}"));
            if subnet.trunc() != *subnet {
                return Err(wrong("it has bits behind its prefix").hint(format!("the subnet is {}", subnet.trunc())));
            }
            let address = subnet.addr();
            if address.is_loopback() || address.is_multicast() || address.is_unspecified() || is_link_local(address) {
                return Err(wrong("its addresses are not for pods").hint("such as 10.85.0.0/16, or fd00:85::/64"));
            }
            if subnet.max_prefix_len() - subnet.prefix_len() < 3 {
                return Err(wrong("it has room for no pod or two").hint("a node with its usual 110 pods needs a /25"));
            }
            let family = |other: &&IpNet| other.addr().is_ipv4() == address.is_ipv4();
            if subnets.iter().filter(family).count() > 1 {
                let family = if address.is_ipv4() { "IPv4" } else { "IPv6" };
                return Err(Error::usage(format!("cannot use {subnet}: there is another subnet for {family}"))
                    .hint("every pod gets one address of each; give one subnet of each"));
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
    fn network_takes_usable_subnets_and_plain_names() {
        for good in [&["10.85.0.0/16"][..], &["10.85.0.0/16", "fd00:85::/64"], &["fd00:85::/64"]] {
            assert!(Network::new("n", &nets(good)).is_ok(), "{good:?}");
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
