//! Addresses in KubeEdge's files: `HOST:PORT`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

pub(crate) const PLACEHOLDER: &str = "it is a placeholder that must be replaced";
/// Words that documentation, and the hints of our own utilities, have in place of a host.
const WORDS: [&str; 8] = ["IP", "IPADDR", "ADDR", "ADDRESS", "HOST", "HOSTNAME", "NAME", "SERVER"];

/// Why a text is not a valid `HOST:PORT`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadAddress(String);

/// A valid `HOST:PORT`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address<'t> {
    /// The host, with the brackets of an IPv6 address.
    pub host: &'t str,
    /// The port, never 0.
    pub port: u16,
}

impl<'t> Address<'t> {
    /// Reads an address: a name, an IPv4 address or an IPv6 address in brackets, and a port.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &'t str) -> Result<Self, BadAddress> {
        let bad = |why: &str| Err(BadAddress(why.to_owned()));
        if let Some(why) = not_meant(text) {
            return bad(why);
        }
        if let Some((scheme, _)) = text.split_once("://") {
            return Err(BadAddress(format!("it must not begin with {scheme}://")));
        }
        if text.parse::<Ipv6Addr>().is_ok() {
            return bad("an IPv6 address needs brackets and a port: [2001:db8::1]:PORT");
        }
        if text.contains('/') {
            return bad("it must not contain a path");
        }
        let Some((host, port)) = text.rsplit_once(':').filter(|(_, port)| !port.ends_with(']')) else {
            return bad("the port is missing");
        };
        let Some(port) = port_of(port) else {
            return bad("the port is not a number from 1 to 65535");
        };
        match host_error(host) {
            Some(why) => Err(BadAddress(why)),
            None => Ok(Self { host, port }),
        }
    }

    /// Whether the host is `0.0.0.0` or `[::]`, on which a program listens, and to which none can connect.
    #[must_use]
    pub fn is_unspecified(&self) -> bool {
        is_unspecified(self.host)
    }

    /// Whether the host is a loopback address or `localhost`.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        is_loopback(self.host)
    }
}

/// Checks an address.
///
/// # Errors
/// As [`Address::parse`].
pub fn check(address: &str) -> Result<(), BadAddress> {
    Address::parse(address).map(|_| ())
}

/// What is wrong with a host: a name, an IPv4 address or an IPv6 address in brackets.
pub(crate) fn host_error(host: &str) -> Option<String> {
    let v6 = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let is_valid = match v6 {
        Some(v6) => v6.parse::<Ipv6Addr>().is_ok(),
        None => host.parse::<Ipv4Addr>().is_ok() || is_name(host),
    };
    if is_placeholder(host) {
        Some(PLACEHOLDER.to_owned())
    } else if is_valid {
        None
    } else if host.is_empty() {
        Some("the host is missing".to_owned())
    } else if host.contains(':') && v6.is_none() {
        Some("an IPv6 address needs brackets: [2001:db8::1]".to_owned())
    } else {
        Some("the host is neither an IP address nor a DNS name".to_owned())
    }
}

/// A port from 1 to 65535, in digits alone.
pub(crate) fn port_of(text: &str) -> Option<u16> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten().filter(|port| *port > 0)
}

/// Whether a host is a word that stands for one: `IP`, `CLOUDCORE_IP`, `192.168.x.x`.
pub(crate) fn is_placeholder(host: &str) -> bool {
    let is_word = |text: &str| WORDS.contains(&text);
    let labels: Vec<&str> = host.split('.').collect();
    let is_of = |label: &&str, is_right: fn(u8) -> bool| !label.is_empty() && label.bytes().all(is_right);
    let is_x = |label: &&str| is_of(label, |byte| byte.eq_ignore_ascii_case(&b'x'));
    let is_number = |label: &&str| is_of(label, |byte| byte.is_ascii_digit());
    let has_x = labels.len() == 4 && labels.iter().any(is_x) && labels.iter().all(|one| is_x(one) || is_number(one));
    is_word(host) || host.rsplit_once(['_', '-']).is_some_and(|(_, last)| is_word(last)) || has_x || is_yours(host)
}

fn is_yours(text: &str) -> bool {
    ["YOUR_", "YOUR-", "your_"].iter().any(|start| text.starts_with(start))
}

/// What shows that a text is not a value: a placeholder, or quotes that are part of it.
#[must_use]
pub fn not_meant(text: &str) -> Option<&'static str> {
    let is_within = |open: &str, close: char| {
        text.split_once(open).is_some_and(|(_, rest)| rest.find(close).is_some_and(|length| length > 0))
    };
    if text.starts_with(['“', '”', '„', '‘', '’', '«', '»']) || text.ends_with(['“', '”', '‘', '’', '«', '»'])
    {
        Some("it has typographic quotes, which are part of the value")
    } else if is_within("${", '}') || is_within("{{", '}') || is_within("<", '>') || is_yours(text) {
        Some(PLACEHOLDER)
    } else {
        None
    }
}

/// Whether it is a DNS name; with a number as its last label it is an incomplete address.
pub(crate) fn is_name(host: &str) -> bool {
    let label = |label: &str| {
        let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        !label.is_empty()
            && label.len() < 64
            && label.bytes().all(inner)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let host = host.strip_suffix('.').unwrap_or(host);
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
    host.eq_ignore_ascii_case("localhost") || ip_of(host).is_some_and(|address| address.is_loopback())
}

/// Whether a host is `0.0.0.0` or `[::]`.
pub(crate) fn is_unspecified(host: &str) -> bool {
    ip_of(host).is_some_and(|address| address.is_unspecified())
}

/// The IP address that a host is, which may be in brackets; an IPv4 address within an IPv6 one is that.
fn ip_of(host: &str) -> Option<IpAddr> {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    bare.parse::<IpAddr>().ok().map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_has_a_host_and_a_port() {
        for good in [
            "192.0.2.1:10004",
            "[2001:db8::1]:10004",
            "cloud.example:1",
            "a-b:65535",
            "a_b.c.:1",
            "ip:1",
            "x:1",
            "x.example:1",
            "cloud-name:1",
        ] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for (bad, why) in [
            ("", "port is missing"),
            ("192.0.2.1", "port is missing"),
            ("[2001:db8::1]", "port is missing"),
            ("192.0.2.1:", "from 1 to 65535"),
            ("192.0.2.1:0", "from 1 to 65535"),
            ("192.0.2.1:+1", "from 1 to 65535"),
            ("192.0.2.1:65536", "from 1 to 65535"),
            ("999.1.1.1:1", "neither an IP"),
            ("192.0.2.300:10000", "neither an IP"),
            ("::1:1", "needs brackets"),
            ("2001:db8::1:10000", "needs brackets"),
            ("[x]:1", "neither an IP"),
            ("a b:1", "neither an IP"),
            ("http://x:1", "must not begin with http://"),
            ("x:1/a", "must not contain a path"),
            ("-a:1", "neither an IP"),
            (":1", "host is missing"),
            ("<CLOUD_IP>:10000", "placeholder"),
            ("${IP}:10000", "placeholder"),
            ("{{ ip }}:10000", "placeholder"),
            ("“192.0.2.1:10000”", "typographic quotes"),
            ("IP:10004", "placeholder"),
            ("CLOUDCORE_IP:10004", "placeholder"),
            ("CLOUD-IP:10000", "placeholder"),
            ("NAME:10000", "placeholder"),
            ("x.x.x.x:10000", "placeholder"),
            ("192.168.X.xxx:10000", "placeholder"),
            ("YOUR_CLOUD:10000", "placeholder"),
            ("your_server:10000", "placeholder"),
        ] {
            let error = check(bad).unwrap_err().to_string();
            assert!(error.contains(why), "{bad}: {error}");
        }
        assert_eq!(Address::parse("[::1]:7").unwrap(), Address { host: "[::1]", port: 7 });
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
