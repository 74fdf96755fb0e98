//! A redirect of one port to an address, checked before it becomes a rule.

use std::collections::HashSet;
use std::fmt;
use std::net::{IpAddr, SocketAddr};

use edge_firewall::Family;
use edge_host::{Error, Result};

/// One redirect: `10351=192.0.2.1:10003`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Redirect {
    /// The port that the API server connects to.
    pub(crate) port: u16,
    /// The address and stream port of cloudcore.
    pub(crate) to: SocketAddr,
}

impl Redirect {
    /// Reads `PORT=IP:PORT`, `PORT=[IPV6]:PORT`.
    pub(crate) fn parse(text: &str) -> Result<Redirect> {
        let fail = |cause: &str, hint: &str| {
            Error::usage(format!("cannot use {text:?}: {cause}")).hint(if hint.is_empty() { FORM } else { hint })
        };
        let (port, to) = text.split_once('=').ok_or_else(|| fail("expected PORT=IP:PORT", ""))?;
        let port = parse_port(port).ok_or_else(|| fail(&format!("{port:?} is not a port from 1 to 65535"), ""))?;
        let (address, to_port) = to.rsplit_once(':').ok_or_else(|| fail("the address has no port", ""))?;
        if address.is_empty() {
            return Err(fail("the address is empty", ""));
        }
        if to.parse::<IpAddr>().is_ok_and(|address| address.is_ipv6()) {
            return Err(fail("an IPv6 address must be in brackets", BRACKETS));
        }
        let to_port =
            parse_port(to_port).ok_or_else(|| fail(&format!("{to_port:?} is not a port from 1 to 65535"), ""))?;
        let bare = address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let address: IpAddr = match bare.unwrap_or(address).parse() {
            Ok(IpAddr::V6(_)) if bare.is_none() => {
                return Err(fail("an IPv6 address must be in brackets", BRACKETS));
            }
            Ok(IpAddr::V4(_)) if bare.is_some() => return Err(fail("only an IPv6 address may be in brackets", "")),
            Ok(address) => address,
            Err(_) if address.contains('%') => return Err(fail("an address with a zone cannot be used in a rule", "")),
            Err(_) => {
                return Err(fail(
                    &format!("{address:?} is not a valid IP address"),
                    "use an IP address, as a rule cannot contain a host name: getent hosts NAME",
                ));
            }
        };
        Redirect::new(port, SocketAddr::new(address, to_port)).map_err(|cause| fail(cause, ""))
    }

    /// A redirect to an address that another host can have.
    ///
    /// Errors: why it cannot.
    pub(crate) fn new(port: u16, to: SocketAddr) -> Result<Redirect, &'static str> {
        let cause = match to.ip() {
            ip if ip.is_unspecified() => "the address is unspecified",
            ip if ip.is_loopback() => "it is a loopback address; use an address of the cloudcore host",
            ip if ip.is_multicast() => "it is a multicast address",
            IpAddr::V4(ip) if ip.is_broadcast() => "it is a broadcast address",
            IpAddr::V6(ip) if ip.is_unicast_link_local() => {
                "a link-local address needs a zone, which a rule cannot contain"
            }
            IpAddr::V6(ip) if ip.to_ipv4_mapped().is_some() => "it is an IPv4-mapped address; use the IPv4 address",
            _ if port == 0 || to.port() == 0 => "the port must be from 1 to 65535",
            // A rule cannot contain a zone; without it equal addresses compare equal.
            ip => return Ok(Redirect { port, to: SocketAddr::new(ip, to.port()) }),
        };
        Err(cause)
    }

    /// Only one redirect can have a port of an address family.
    fn slot(self) -> (u16, bool) {
        (self.port, self.to.is_ipv4())
    }

    /// The address family of its rule.
    pub(crate) fn family(self) -> Family {
        if self.to.is_ipv4() { Family::V4 } else { Family::V6 }
    }
}

const FORM: &str = "for example 10351=192.0.2.1:10003 or 10351=[2001:db8::1]:10003";
const BRACKETS: &str = "for example 10351=[2001:db8::1]:10003";

/// Digits only: the standard parser also accepts a sign.
fn parse_port(text: &str) -> Option<u16> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|port| digits && *port != 0)
}

impl fmt::Display for Redirect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.port, self.to)
    }
}

/// Sorts and deduplicates redirects.
///
/// Errors: exit 2 for two destinations of one port in one address family.
pub(crate) fn distinct(mut redirects: Vec<Redirect>) -> Result<Vec<Redirect>> {
    redirects.sort();
    redirects.dedup();
    // Sorted by port, and within a port IPv4 first.
    for both in redirects.windows(2) {
        let [redirect, other] = both else { continue };
        if redirect.slot() == other.slot() {
            return Err(Error::usage(format!(
                "cannot redirect port {} to both {} and {}: a port has one destination per address family",
                redirect.port, redirect.to, other.to
            ))
            .hint("each cloudcore has its own port: kubectl get configmap -n kubeedge tunnelport -o json | edge-redirect add --tunnelport -"));
        }
    }
    Ok(redirects)
}

/// `before` with those of `new`, which replace redirects of the same port and address family.
pub(crate) fn merged(before: &[Redirect], new: &[Redirect]) -> Vec<Redirect> {
    let slots: HashSet<(u16, bool)> = new.iter().map(|redirect| redirect.slot()).collect();
    let replaced = |old: &Redirect| slots.contains(&old.slot());
    let mut redirects: Vec<Redirect> =
        before.iter().copied().filter(|old| !replaced(old)).chain(new.iter().copied()).collect();
    redirects.sort();
    redirects.dedup();
    redirects
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn parse_refuses_invalid_redirects_with_the_reason() {
        for (text, cause) in [
            ("", "expected PORT=IP:PORT"),
            ("10350", "expected PORT=IP:PORT"),
            ("=1.2.3.4:5", "\"\" is not a port"),
            ("0=1.2.3.4:5", "\"0\" is not a port"),
            ("70000=1.2.3.4:5", "\"70000\" is not a port"),
            ("+1=1.2.3.4:5", "\"+1\" is not a port"),
            ("1=1.2.3.4:0", "\"0\" is not a port"),
            ("1=1.2.3.4:x", "\"x\" is not a port"),
            ("1=1.2.3.4", "the address has no port"),
            ("1=:10003", "the address is empty"),
            ("1=cloudcore:10003", "\"cloudcore\" is not a valid IP address"),
            ("1=1.2.3.4 1.2.3.5:10003", "is not a valid IP address"),
            ("1=1.2.3.256:10003", "is not a valid IP address"),
            ("1=2001:db8::1:10003", "in brackets"),
            ("1=::1", "in brackets"),
            ("1=[1.2.3.4]:5", "only an IPv6 address"),
            ("1=[fe80::1%eth0]:5", "zone"),
            ("1=[fe80::1]:5", "zone"),
            ("1=[::]:5", "unspecified"),
            ("1=0.0.0.0:5", "unspecified"),
            ("1=127.0.0.1:5", "loopback"),
            ("1=[::1]:5", "loopback"),
            ("1=224.0.0.1:5", "multicast"),
            ("1=255.255.255.255:5", "broadcast"),
            ("1=[::ffff:1.2.3.4]:5", "IPv4-mapped"),
            ("1=1.2.3.4:5\n-j ACCEPT", "is not a port"),
        ] {
            let error = Redirect::parse(text).unwrap_err();
            assert!(error.message().contains(cause), "{text:?}: {error}");
            assert_eq!(error.exit(), edge_host::Exit::Usage);
            assert!(error.hint_text().is_some() && !error.message().contains('\n'));
        }
    }

    #[test]
    fn distinct_allows_one_destination_per_port_and_family() {
        let redirects = |texts: &[&str]| texts.iter().map(|text| Redirect::parse(text).unwrap()).collect::<Vec<_>>();
        let both = redirects(&["1=1.2.3.4:5", "1=[2001:db8::1]:5", "1=1.2.3.4:5", "2=1.2.3.4:5"]);
        assert_eq!(distinct(both.clone()).unwrap().len(), 3);
        let error = distinct(redirects(&["1=1.2.3.4:5", "1=1.2.3.5:5"])).unwrap_err();
        assert!(error.message().contains("port 1 to both 1.2.3.4:5 and 1.2.3.5:5"), "{error}");
        let merged = merged(&both, &redirects(&["1=9.9.9.9:9"]));
        assert_eq!(merged, redirects(&["1=9.9.9.9:9", "1=[2001:db8::1]:5", "2=1.2.3.4:5"]));
    }

    #[test]
    fn merged_takes_linear_time() {
        let to = |last: u8| SocketAddr::from(([192, 0, 2, last], 10003));
        let all = |last| (1..=u16::MAX).map(|port| Redirect::new(port, to(last)).unwrap()).collect::<Vec<_>>();
        let (old, new) = (all(1), all(2));
        // Comparing each with each would take four billion steps.
        assert_eq!(merged(&old, &new), new);
        assert_eq!(distinct(new.clone()).unwrap(), new);
        assert!(distinct(old.into_iter().chain(new).collect()).is_err());
    }

    proptest! {
        #[test]
        fn display_is_parsed_as_the_same_redirect(port in 1_u16.., to in any::<SocketAddr>()) {
            if let Ok(redirect) = Redirect::new(port, to) {
                prop_assert_eq!(Redirect::parse(&redirect.to_string()).unwrap(), redirect);
            }
        }

        #[test]
        fn parse_never_panics(text in ".{0,40}") {
            let _ = Redirect::parse(&text);
        }
    }
}
