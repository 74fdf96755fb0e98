//! Addresses and DNS names of certificates (SANs), and what is refused as one.

use std::collections::HashSet;
use std::fmt;
use std::net::IpAddr;

use edge_host::{Error, Result};

/// An address or a name, as a certificate contains it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Name {
    /// An IPv4 or IPv6 address.
    Ip(IpAddr),
    /// A DNS name in lower-case ASCII; a wildcard begins with `*.`.
    Dns(String),
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Name::Ip(ip) => write!(f, "IP:{ip}"),
            Name::Dns(name) => write!(f, "DNS:{name}"),
        }
    }
}

/// The longest name and label that DNS knows.
const MAX_NAME: usize = 253;
const MAX_LABEL: usize = 63;

/// Removes duplicates; the order stays.
pub fn collect(names: impl IntoIterator<Item = Name>) -> Vec<Name> {
    let mut seen: HashSet<Name> = HashSet::new();
    names.into_iter().filter(|name| seen.insert(name.clone())).collect()
}

/// Those of `all` that are not among `others`.
pub fn without(all: &[Name], others: &[Name]) -> Vec<Name> {
    let others: HashSet<&Name> = others.iter().collect();
    all.iter().filter(|name| !others.contains(name)).cloned().collect()
}

/// Those of `all` that are not in `names` and not covered by a wildcard in it.
pub fn uncovered(all: &[Name], names: &[Name]) -> Vec<Name> {
    let names: HashSet<&Name> = names.iter().collect();
    let wildcard = |name: &Name| match name {
        Name::Dns(name) => name.split_once('.').map(|(_, domain)| Name::Dns(format!("*.{domain}"))),
        Name::Ip(_) => None,
    };
    let is_covered = |name: &Name| names.contains(name) || wildcard(name).is_some_and(|name| names.contains(&name));
    all.iter().filter(|name| !is_covered(name)).cloned().collect()
}

/// Names as shown to users: `IP:192.0.2.1, DNS:cloud.example.com`.
pub fn shown(names: &[Name]) -> String {
    names.iter().map(Name::to_string).collect::<Vec<_>>().join(", ")
}

/// Names as options of the command line: `--ip 192.0.2.1 --dns '*.example.com'`.
pub fn options(names: &[Name]) -> String {
    as_options(names, "--ip", "--dns")
}

/// Those of edge nodes, in the same way: `--node-ip 192.0.2.7 --node-name edge-1`.
pub fn node_options(names: &[Name]) -> String {
    as_options(names, "--node-ip", "--node-name")
}

fn as_options(names: &[Name], ip: &str, dns: &str) -> String {
    let mut options = Vec::new();
    let ips: Vec<String> =
        names.iter().filter_map(|name| if let Name::Ip(ip) = name { Some(ip.to_string()) } else { None }).collect();
    let hosts: Vec<&str> =
        names.iter().filter_map(|name| if let Name::Dns(host) = name { Some(host.as_str()) } else { None }).collect();
    if !ips.is_empty() {
        options.push(format!("{ip} {}", ips.join(",")));
    }
    if !hosts.is_empty() {
        let all = hosts.join(",");
        // A shell would expand the star.
        options.push(if all.contains('*') { format!("{dns} '{all}'") } else { format!("{dns} {all}") });
    }
    options.join(" ")
}

/// An address given with `option`.
///
/// Errors: exit 2 with the reason, and with the right option where there is one.
pub fn address(option: &str, text: &str) -> Result<Name> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    match bare.parse::<IpAddr>() {
        // Clients compare a mapped address as an IPv4 address.
        Ok(ip) => reachable(option, text, ip.to_canonical()),
        Err(_) => Err(no_address(option, text)),
    }
}

fn reachable(option: &str, text: &str, ip: IpAddr) -> Result<Name> {
    let why = match ip {
        ip if ip.is_unspecified() => "it is the unspecified address, which no client can connect to",
        ip if ip.is_multicast() => "it is a multicast address",
        IpAddr::V4(ip) if ip.is_broadcast() => "it is a broadcast address",
        _ => return Ok(Name::Ip(ip)),
    };
    Err(wrong(option, text, why))
}

fn no_address(option: &str, text: &str) -> Error {
    if text.contains("://") {
        return wrong(option, text, "it is a URL").hint("pass only its host");
    }
    if let Ok(address) = text.parse::<std::net::SocketAddr>() {
        return wrong(option, text, "it has a port")
            .hint(format!("pass {} without the port: a certificate is valid for every port", address.ip()));
    }
    if let Some((ip, _)) = text.split_once('/').filter(|(ip, _)| ip.parse::<IpAddr>().is_ok()) {
        return wrong(option, text, "it is a network, not an address")
            .hint(format!("pass each address that clients use, such as {ip}"));
    }
    if let Some((ip, _)) = text.split_once('%').filter(|(ip, _)| ip.parse::<IpAddr>().is_ok()) {
        return wrong(option, text, "it has a zone, which a certificate cannot contain")
            .hint(format!("pass {ip} without the zone"));
    }
    let error = wrong(option, text, "it is not an IP address");
    let other = option.replace("ip", if option.contains("node") { "name" } else { "dns" });
    if other != option && host(&other, text).is_ok() {
        error.hint(format!("pass a name with {other} {text}"))
    } else {
        error
    }
}

/// A name given with `option`: Unicode is converted to its ASCII form, a final dot is removed.
///
/// Errors: exit 2 with the reason.
pub fn host(option: &str, text: &str) -> Result<Name> {
    let bad = |why: &str| Err(wrong(option, text, why));
    if text.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().is_ok() {
        let other = option.replace("dns", "ip").replace("name", "ip");
        return Err(wrong(option, text, "it is an IP address").hint(format!("pass an address with {other} {text}")));
    }
    if text.contains("://") {
        return Err(wrong(option, text, "it is a URL").hint("pass only its host"));
    }
    if let Some((name, port)) = text.rsplit_once(':').filter(|(_, port)| port.parse::<u32>().is_ok()) {
        let error = wrong(option, text, "it has a port");
        return Err(error.hint(format!("pass {name} without :{port}: a certificate is valid for every port")));
    }
    if text.chars().any(char::is_whitespace) {
        return Err(wrong(option, text, "it contains a space")
            .hint(format!("repeat {option}, or separate the names with commas")));
    }
    let dotless = text.strip_suffix('.').unwrap_or(text);
    let (wildcard, rest) = match dotless.strip_prefix("*.") {
        Some(rest) => ("*.", rest),
        None => ("", dotless),
    };
    if dotless == "*" {
        return bad("a wildcard needs a domain, such as *.example.com");
    }
    if rest.contains('*') {
        return bad("* must be the whole first label, such as *.example.com");
    }
    if rest.split('.').any(str::is_empty) {
        return bad("one of its labels is empty");
    }
    let Ok(ascii) = idna::domain_to_ascii(rest) else {
        return bad("it is not a valid domain name (IDNA)");
    };
    for label in ascii.split('.') {
        if label.len() > MAX_LABEL {
            return bad("one of its labels has more than 63 characters");
        }
        if label.starts_with('-') || label.ends_with('-') {
            return bad("one of its labels begins or ends with a hyphen");
        }
        // Host names must not have an underscore, but real ones do, and Go and OpenSSL accept it.
        if let Some(odd) = label.chars().find(|c| !c.is_ascii_alphanumeric() && !['-', '_'].contains(c)) {
            return bad(&format!("{odd:?} is not allowed in a name"));
        }
    }
    if wildcard.len() + ascii.len() > MAX_NAME {
        return bad("it has more than 253 characters");
    }
    if ascii.rsplit('.').next().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit())) {
        return bad("its last label is a number, so it is neither a name nor an address");
    }
    Ok(Name::Dns(format!("{wildcard}{ascii}")))
}

/// The error for an address or name given with `option` (exit 2), and why it is refused.
pub fn wrong(option: &str, text: &str, why: &str) -> Error {
    if text.is_empty() {
        return Error::usage(format!("cannot use an empty {option}: expected an address or a name"));
    }
    let text: String = text.chars().take(80).flat_map(char::escape_debug).collect();
    Error::usage(format!("cannot use {option} \"{text}\": {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> String {
        host("--dns", text).unwrap().to_string()
    }

    fn refusal(made: Result<Name>) -> String {
        let error = made.unwrap_err();
        format!("{} ({})", error.message(), error.hint_text().unwrap_or_default())
    }

    #[test]
    fn host_returns_the_ascii_form() {
        assert_eq!(name("Cloud.Example.COM."), "DNS:cloud.example.com");
        assert_eq!(name("*.example.com"), "DNS:*.example.com");
        assert_eq!(name("bücher.example"), "DNS:xn--bcher-kva.example");
        assert_eq!(name("*.bücher.example"), "DNS:*.xn--bcher-kva.example");
        assert_eq!(name("xn--bcher-kva.example"), "DNS:xn--bcher-kva.example");
        assert_eq!(name("edge_1"), "DNS:edge_1");
        assert_eq!(name("localhost"), "DNS:localhost");
    }

    #[test]
    fn address_returns_the_shortest_form() {
        let ip = |text| address("--ip", text).unwrap().to_string();
        assert_eq!(ip("192.0.2.1"), "IP:192.0.2.1");
        assert_eq!(ip("FD00:0:0::1"), "IP:fd00::1");
        assert_eq!(ip("[fd00::1]"), "IP:fd00::1");
        assert_eq!(ip("::ffff:192.0.2.1"), "IP:192.0.2.1");
        assert_eq!(ip("127.0.0.1"), "IP:127.0.0.1");
    }

    #[test]
    fn invalid_names_are_refused_with_the_reason() {
        for (text, why) in [
            ("https://a.example", "it is a URL"),
            ("a.example:10003", "it has a port"),
            ("a b", "it contains a space"),
            ("", "cannot use an empty --dns"),
            ("a..b", "labels is empty"),
            (".a", "labels is empty"),
            ("*", "a wildcard needs"),
            ("a.*.example", "must be the whole first label"),
            ("w*.example", "must be the whole first label"),
            ("*.*.example", "must be the whole first label"),
            ("-a.example", "hyphen"),
            ("a/b", "'/' is not allowed"),
            ("a@b", "'@' is not allowed"),
            ("xn--a\u{0}", "IDNA"),
            ("1.2.3", "last label is a number"),
            ("300.1.1.1", "last label is a number"),
            (&"a".repeat(64), "63"),
            (&["abcdefgh"; 30].join("."), "253"),
            ("192.0.2.1", "pass an address with --ip 192.0.2.1"),
            ("[fd00::1]", "it is an IP address"),
        ] {
            let said = refusal(host("--dns", text));
            assert!(said.contains(why), "{text}: {said}");
        }
        for (text, why) in [
            ("cloud.example.com", "pass a name with --dns cloud.example.com"),
            ("192.0.2.1:10003", "pass 192.0.2.1 without the port"),
            ("192.0.2.0/24", "it is a network, not an address"),
            ("fe80::1%eth0", "it has a zone"),
            ("0.0.0.0", "unspecified"),
            ("::", "unspecified"),
            ("255.255.255.255", "broadcast"),
            ("ff02::1", "multicast"),
            ("192.168.001.001", "it is not an IP address"),
            ("http://192.0.2.1", "it is a URL"),
            ("", "cannot use an empty --ip"),
        ] {
            let said = refusal(address("--ip", text));
            assert!(said.contains(why), "{text}: {said}");
        }
        assert!(refusal(address("--node-ip", "edge-1")).contains("pass a name with --node-name edge-1"));
        assert!(refusal(host("--node-name", "192.0.2.9")).contains("pass an address with --node-ip 192.0.2.9"));
    }

    proptest::proptest! {
        #[test]
        fn host_accepts_its_own_result_unchanged(text in "\\PC{0,40}") {
            if let Ok(Name::Dns(name)) = host("--dns", &text) {
                proptest::prop_assert!(name.is_ascii() && name.len() <= MAX_NAME);
                let again = host("--dns", &name).unwrap();
                proptest::prop_assert_eq!(again, Name::Dns(name));
            }
        }
    }
}
