//! A port and where it is redirected to: typed before it reaches a rule.

use std::collections::HashSet;
use std::fmt;
use std::net::{IpAddr, SocketAddr};

use edge_firewall::Family;
use edge_host::{Error, Result};

/// One redirect: `10351=192.0.2.1:10003`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Pair {
    /// The port that the API server dials.
    pub(crate) port: u16,
    /// cloudcore's stream port.
    pub(crate) to: SocketAddr,
}

impl Pair {
    /// Reads `PORT=IP:PORT`, `PORT=[IPV6]:PORT`.
    pub(crate) fn parse(text: &str) -> Result<Pair> {
        let fail = |cause: &str, hint: &str| {
            Error::usage(format!("cannot use {text:?}: {cause}")).hint(if hint.is_empty() { FORM } else { hint })
        };
        let (port, to) = text.split_once('=').ok_or_else(|| fail("it is not PORT=IP:PORT", ""))?;
        let port = parse_port(port).ok_or_else(|| fail(&format!("{port:?} is no port from 1 to 65535"), ""))?;
        let (address, to_port) = to.rsplit_once(':').ok_or_else(|| fail("there is no port behind the address", ""))?;
        if address.is_empty() {
            return Err(fail("the address is empty", ""));
        }
        if to.parse::<IpAddr>().is_ok_and(|address| address.is_ipv6()) {
            return Err(fail("an IPv6 address stands in brackets before its port", BRACKETS));
        }
        let to_port =
            parse_port(to_port).ok_or_else(|| fail(&format!("{to_port:?} is no port from 1 to 65535"), ""))?;
        let bare = address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let address: IpAddr = match bare.unwrap_or(address).parse() {
            Ok(IpAddr::V6(_)) if bare.is_none() => {
                return Err(fail("an IPv6 address stands in brackets before its port", BRACKETS));
            }
            Ok(IpAddr::V4(_)) if bare.is_some() => return Err(fail("only an IPv6 address stands in brackets", "")),
            Ok(address) => address,
            Err(_) if address.contains('%') => return Err(fail("a rule has no place for a zone", "")),
            Err(_) => {
                return Err(fail(
                    &format!("{address:?} is no IP address"),
                    "a rule holds an address and cannot follow a name; `getent hosts NAME` shows it",
                ));
            }
        };
        Pair::new(port, SocketAddr::new(address, to_port)).map_err(|cause| fail(cause, ""))
    }

    /// A pair whose address can be one of another host; otherwise why not.
    pub(crate) fn new(port: u16, to: SocketAddr) -> Result<Pair, &'static str> {
        let cause = match to.ip() {
            ip if ip.is_unspecified() => "the address stands for none",
            ip if ip.is_loopback() => {
                "a connection to an edge node cannot end at a loopback address: give the host's own"
            }
            ip if ip.is_multicast() => "a multicast address is no host",
            IpAddr::V4(ip) if ip.is_broadcast() => "a broadcast address is no host",
            IpAddr::V6(ip) if ip.is_unicast_link_local() => {
                "a link-local address needs a zone, and a rule has no place for it"
            }
            IpAddr::V6(ip) if ip.to_ipv4_mapped().is_some() => "an IPv4 address is written as such",
            _ if port == 0 || to.port() == 0 => "port 0 is none",
            // A zone has no place in a rule; without one both are equal again.
            ip => return Ok(Pair { port, to: SocketAddr::new(ip, to.port()) }),
        };
        Err(cause)
    }

    /// What only one redirect can have: a port of a family.
    fn slot(self) -> (u16, bool) {
        (self.port, self.to.is_ipv4())
    }

    /// The family of its rules.
    pub(crate) fn family(self) -> Family {
        if self.to.is_ipv4() { Family::V4 } else { Family::V6 }
    }
}

const FORM: &str = "it looks like 10351=192.0.2.1:10003 or 10351=[2001:db8::1]:10003";
const BRACKETS: &str = "it looks like 10351=[2001:db8::1]:10003";

/// Digits only: the standard parser takes a sign as well.
fn parse_port(text: &str) -> Option<u16> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|port| digits && *port != 0)
}

impl fmt::Display for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.port, self.to)
    }
}

/// Sorted, each once; refuses two targets of one port in one family.
pub(crate) fn distinct(mut pairs: Vec<Pair>) -> Result<Vec<Pair>> {
    pairs.sort();
    pairs.dedup();
    // Sorted by port, and within a port IPv4 first.
    for both in pairs.windows(2) {
        let [pair, other] = both else { continue };
        if pair.slot() == other.slot() {
            return Err(Error::usage(format!(
                "cannot redirect port {} to both {} and {}: a connection goes to one of them",
                pair.port, pair.to, other.to
            ))
            .hint("each cloudcore has a port of its own: kubectl get configmap -n kubeedge tunnelport -o json shows them, --tunnelport takes them"));
        }
    }
    Ok(pairs)
}

/// Those of `before`, with `new` in the place of what one has of the same port and family.
pub(crate) fn merged(before: &[Pair], new: &[Pair]) -> Vec<Pair> {
    let slots: HashSet<(u16, bool)> = new.iter().map(|pair| pair.slot()).collect();
    let replaced = |old: &Pair| slots.contains(&old.slot());
    let mut pairs: Vec<Pair> = before.iter().copied().filter(|old| !replaced(old)).chain(new.iter().copied()).collect();
    pairs.sort();
    pairs.dedup();
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_no_redirect_is_refused_with_the_reason() {
        for (text, cause) in [
            ("", "not PORT=IP:PORT"),
            ("10350", "not PORT=IP:PORT"),
            ("=1.2.3.4:5", "\"\" is no port"),
            ("0=1.2.3.4:5", "\"0\" is no port"),
            ("70000=1.2.3.4:5", "\"70000\" is no port"),
            ("+1=1.2.3.4:5", "\"+1\" is no port"),
            ("1=1.2.3.4:0", "\"0\" is no port"),
            ("1=1.2.3.4:x", "\"x\" is no port"),
            ("1=1.2.3.4", "no port behind the address"),
            ("1=:10003", "the address is empty"),
            ("1=cloudcore:10003", "\"cloudcore\" is no IP address"),
            ("1=1.2.3.4 1.2.3.5:10003", "is no IP address"),
            ("1=1.2.3.256:10003", "is no IP address"),
            ("1=2001:db8::1:10003", "in brackets"),
            ("1=::1", "in brackets"),
            ("1=[1.2.3.4]:5", "only an IPv6 address"),
            ("1=[fe80::1%eth0]:5", "zone"),
            ("1=[fe80::1]:5", "zone"),
            ("1=[::]:5", "stands for none"),
            ("1=0.0.0.0:5", "stands for none"),
            ("1=127.0.0.1:5", "loopback"),
            ("1=[::1]:5", "loopback"),
            ("1=224.0.0.1:5", "multicast"),
            ("1=255.255.255.255:5", "broadcast"),
            ("1=[::ffff:1.2.3.4]:5", "written as such"),
            ("1=1.2.3.4:5\n-j ACCEPT", "is no port"),
        ] {
            let error = Pair::parse(text).unwrap_err();
            assert!(error.message().contains(cause), "{text:?}: {error}");
            assert_eq!(error.exit(), edge_host::Exit::Usage);
            assert!(error.hint_text().is_some() && !error.message().contains('\n'));
        }
    }

    #[test]
    fn a_port_goes_to_one_place_in_each_family() {
        let pairs = |texts: &[&str]| texts.iter().map(|text| Pair::parse(text).unwrap()).collect::<Vec<_>>();
        let both = pairs(&["1=1.2.3.4:5", "1=[2001:db8::1]:5", "1=1.2.3.4:5", "2=1.2.3.4:5"]);
        assert_eq!(distinct(both.clone()).unwrap().len(), 3);
        let error = distinct(pairs(&["1=1.2.3.4:5", "1=1.2.3.5:5"])).unwrap_err();
        assert!(error.message().contains("port 1 to both 1.2.3.4:5 and 1.2.3.5:5"), "{error}");
        let merged = merged(&both, &pairs(&["1=9.9.9.9:9"]));
        assert_eq!(merged, pairs(&["1=9.9.9.9:9", "1=[2001:db8::1]:5", "2=1.2.3.4:5"]));
    }

    #[test]
    fn every_port_at_once_is_merged_in_no_time() {
        let to = |last: u8| SocketAddr::from(([192, 0, 2, last], 10003));
        let all = |last| (1..=u16::MAX).map(|port| Pair::new(port, to(last)).unwrap()).collect::<Vec<_>>();
        let (old, new) = (all(1), all(2));
        // Each with each would be four billion comparisons.
        assert_eq!(merged(&old, &new), new);
        assert_eq!(distinct(new.clone()).unwrap(), new);
        assert!(distinct(old.into_iter().chain(new).collect()).is_err());
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_as_the_same(port in 1_u16.., to in any::<SocketAddr>()) {
            if let Ok(pair) = Pair::new(port, to) {
                prop_assert_eq!(Pair::parse(&pair.to_string()).unwrap(), pair);
            }
        }

        #[test]
        fn no_text_is_a_reason_to_stop(text in ".{0,40}") {
            let _ = Pair::parse(&text);
        }
    }
}
