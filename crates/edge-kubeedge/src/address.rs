//! Addresses in KubeEdge's files: `HOST:PORT`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Why a text is not a valid `HOST:PORT`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadAddress(&'static str);

/// Checks an address: a name, an IPv4 address or an IPv6 address in brackets, and a port.
///
/// # Errors
/// What is wrong with it.
pub fn check(address: &str) -> Result<(), BadAddress> {
    let (host, port) = address.rsplit_once(':').ok_or(BadAddress("the port is missing"))?;
    if !port.parse::<u16>().is_ok_and(|port| port > 0) {
        return Err(BadAddress("the port is not a number from 1 to 65535"));
    }
    let v6 = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let is_valid = match v6 {
        Some(v6) => v6.parse::<Ipv6Addr>().is_ok(),
        None => host.parse::<Ipv4Addr>().is_ok() || is_name(host),
    };
    if is_valid { Ok(()) } else { Err(BadAddress("the host is neither an IP address nor a DNS name")) }
}

/// Whether it is a DNS name; with a number as its last label it is an incomplete address.
fn is_name(host: &str) -> bool {
    let label = |label: &str| {
        let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        !label.is_empty()
            && label.len() < 64
            && label.bytes().all(inner)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let last = host.rsplit('.').next().unwrap_or_default();
    host.len() < 254 && host.split('.').all(label) && !last.bytes().all(|byte| byte.is_ascii_digit())
}

/// The host of `host:port`, with the brackets of an IPv6 address.
#[must_use]
pub fn host_of(address: &str) -> Option<&str> {
    let (host, _) = address.rsplit_once(':')?;
    (!host.is_empty()).then_some(host)
}

/// Whether a host is a loopback address or `localhost`.
#[must_use]
pub fn is_loopback(host: &str) -> bool {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    bare.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_has_a_host_and_a_port() {
        for good in ["192.0.2.1:10004", "[2001:db8::1]:10004", "cloud.example:1", "a-b:65535"] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "192.0.2.1",
            "192.0.2.1:",
            "192.0.2.1:0",
            "192.0.2.1:65536",
            "999.1.1.1:1",
            "::1:1",
            "[x]:1",
            "a b:1",
            "http://x:1",
            "-a:1",
        ] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn loopback_host_has_many_names() {
        for own in ["127.0.0.1:1", "127.9.9.9:1", "[::1]:1", "localhost:1", "LocalHost:1"] {
            assert!(host_of(own).is_some_and(is_loopback), "{own}");
        }
        for other in ["192.0.2.1:1", "[2001:db8::1]:1", "cloud:1"] {
            assert!(host_of(other).is_some_and(|host| !is_loopback(host)), "{other}");
        }
        assert_eq!((host_of("x"), host_of(":1"), host_of("[::1]:1")), (None, None, Some("[::1]")));
    }
}
