//! One validator for each kind of value, for options, files, standard input and edits alike.
//!
//! Each accepts exactly what KubeEdge, or the library that it hands the value to, accepts.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr};

use crate::address::{
    Address, PLACEHOLDER, host_error, host_of, is_name, is_placeholder, is_unspecified, not_meant, port_of,
};
use crate::schema::is_quantity;
use crate::stream::service_at;

/// Why nothing can be connected to there.
const UNSPECIFIED: &str = "programs listen on this address, but cannot connect to it";

/// A kind of value, as a `rule` line of the key table names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueKind {
    /// `ip`: an IP address, as Go's `net.ParseIP` reads it.
    Ip,
    /// `ips`: one IP address, or an IPv4 and an IPv6 address separated by a comma.
    Ips,
    /// `ipv4-bind`: an IPv4 address. The program appends `:PORT` to it, which makes no valid address of IPv6.
    Ipv4Bind,
    /// `ip:port`: an IP address and a port.
    IpPort,
    /// `host:10004`: HOST:PORT of the service with this usual port.
    Dial(u16),
    /// `listen`: HOST:PORT to listen on; the host may be empty.
    Listen,
    /// `host`: a name or an IP address without a port.
    Host,
    /// `bind`: an IP address to listen on, of IPv6 in brackets, or localhost. The program appends `:PORT` to it.
    Bind,
    /// `https:10002`: https://HOST[:PORT] of the service with this usual port.
    Https(u16),
    /// `broker`: SCHEME://HOST:PORT of an MQTT broker.
    Broker,
    /// `broker-dial`: the same for the MQTT client, where the scheme and a local host may be missing.
    BrokerDial,
    /// `port`: a port from 1 to 65535.
    Port,
    /// `cri`: a CRI socket, unix:///PATH; a path alone is deprecated.
    Cri,
    /// `quantity`: an amount such as 10Mi, as Kubernetes writes it.
    Quantity,
    /// `unix`: a URL that begins with unix://.
    Unix,
    /// `node-name`: a DNS-1123 subdomain, as Kubernetes requires of a node's name.
    NodeName,
    /// `dns-name`: a DNS name, which may begin with `*.`.
    DnsName,
    /// `path`: an absolute path.
    Path,
    /// `0..100`, `1..`: a whole number, both ends included.
    Number(i64, i64),
    /// `a|b`, `=a`: one of these words.
    Choice(&'static str),
}

/// Why a value is not valid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct BadValue {
    text: String,
    is_tolerated: bool,
}

impl BadValue {
    /// Whether it works in spite of it: deprecated.
    #[must_use]
    pub fn is_tolerated(&self) -> bool {
        self.is_tolerated
    }
}

impl ValueKind {
    /// Reads the field of a `rule` line.
    #[must_use]
    pub fn parse(text: &'static str) -> Option<Self> {
        Some(match text {
            "ip" => Self::Ip,
            "ips" => Self::Ips,
            "ipv4-bind" => Self::Ipv4Bind,
            "ip:port" => Self::IpPort,
            "listen" => Self::Listen,
            "host" => Self::Host,
            "bind" => Self::Bind,
            "broker" => Self::Broker,
            "broker-dial" => Self::BrokerDial,
            "port" => Self::Port,
            "cri" => Self::Cri,
            "quantity" => Self::Quantity,
            "unix" => Self::Unix,
            "node-name" => Self::NodeName,
            "dns-name" => Self::DnsName,
            "path" => Self::Path,
            _ => return Self::parse_composite(text),
        })
    }

    fn parse_composite(text: &'static str) -> Option<Self> {
        if let Some(port) = text.strip_prefix("host:") {
            return port.parse().ok().map(Self::Dial);
        }
        if let Some(port) = text.strip_prefix("https:") {
            return port.parse().ok().map(Self::Https);
        }
        if let Some((least, most)) = text.split_once("..") {
            let most = if most.is_empty() { i64::MAX } else { most.parse().ok()? };
            return Some(Self::Number(least.parse().ok()?, most));
        }
        let words = text.strip_prefix('=');
        words.or_else(|| text.contains('|').then_some(text)).map(Self::Choice)
    }

    /// Checks a value.
    ///
    /// # Errors
    /// What is wrong with it, beginning with the value itself.
    pub fn check(self, text: &str) -> Result<(), BadValue> {
        let shown = format!("\"{}\"", edge_host::redact(text).chars().take(120).collect::<String>().escape_debug());
        let bad = |text: String| Err(BadValue { text, is_tolerated: false });
        let invalid = |name: &str, why: Option<&str>| {
            let why = not_meant(text).or(why).map(|why| format!(": {why}")).unwrap_or_default();
            bad(format!("{shown} is not a valid {name}{why}"))
        };
        let is_ip = text.parse::<IpAddr>().is_ok();
        match self {
            Self::Ip if is_ip => Ok(()),
            Self::Ip => invalid("IP address", None),
            Self::Ips if is_ip || is_pair(text) => Ok(()),
            Self::Ips => {
                invalid("IP address", Some("expected one, or an IPv4 and an IPv6 address with a comma between"))
            }
            Self::Ipv4Bind if text.parse::<Ipv4Addr>().is_ok() => Ok(()),
            Self::Ipv4Bind if is_ip => bad(format!(
                "{shown} is an IPv6 address, which cannot be listened on here, because no brackets are added before the port"
            )),
            Self::Ipv4Bind => invalid("IP address", None),
            Self::IpPort => match Address::parse(text) {
                Ok(address) if host_is_ip(address.host) => Ok(()),
                Ok(_) => invalid("IP:PORT", Some("the host is not an IP address")),
                Err(why) => invalid("IP:PORT", Some(&why.to_string())),
            },
            Self::Dial(usual) => match Address::parse(text) {
                Ok(address) if address.is_unspecified() => invalid("HOST:PORT", Some(UNSPECIFIED)),
                Ok(address) => wrong_service(address.port, usual).map_or(Ok(()), |why| bad(format!("{shown} {why}"))),
                Err(why) => invalid("HOST:PORT", Some(&why.to_string().replace("]:PORT", &format!("]:{usual}")))),
            },
            Self::Listen if text.strip_prefix(':').is_some_and(|port| port_of(port).is_some()) => Ok(()),
            Self::Listen => match Address::parse(text) {
                Ok(_) => Ok(()),
                Err(why) => invalid("HOST:PORT", Some(&why.to_string())),
            },
            Self::Host => host_error(text).map_or(Ok(()), |why| invalid("host", Some(&why))),
            Self::Bind => match host_error(text) {
                None if host_is_ip(text) || text == "localhost" => Ok(()),
                why => invalid("IP address", why.as_deref()),
            },
            Self::Https(usual) => https(text, usual).or_else(|why| match why {
                Wrong::Form(why) => invalid("URL", Some(&why)),
                Wrong::Service(why) => bad(format!("{shown} {why}")),
            }),
            Self::Broker => broker(text).or_else(|why| invalid("broker URL", Some(&why))),
            Self::BrokerDial => broker(&with_scheme(text)).or_else(|why| invalid("broker URL", Some(&why))),
            Self::Port => match port_of(text.strip_suffix(".0").unwrap_or(text)) {
                Some(_) => Ok(()),
                None => bad(format!("{shown} is not a port from 1 to 65535")),
            },
            Self::Cri => match cri(text) {
                Ok(()) => Ok(()),
                Err(None) => Err(BadValue {
                    text: format!("{shown} is deprecated without unix:// before it"),
                    is_tolerated: true,
                }),
                Err(Some(why)) => invalid("CRI socket", Some(why)),
            },
            Self::Quantity if is_quantity(text) => Ok(()),
            Self::Quantity => invalid("amount", Some("expected a number with a suffix such as Mi or Gi")),
            Self::Unix if text.to_ascii_lowercase().starts_with("unix://") => Ok(()),
            Self::Unix => bad(format!("{shown} must begin with unix://")),
            Self::NodeName if is_node_name(text) => Ok(()),
            Self::NodeName => {
                let why = not_meant(text).map(|why| format!(": {why}")).unwrap_or_default();
                bad(format!("{shown} is not a valid node name (lower-case letters, digits, - and .){why}"))
            }
            Self::DnsName if is_placeholder(text) => invalid("DNS name", Some(PLACEHOLDER)),
            Self::DnsName if is_name(text.strip_prefix("*.").unwrap_or(text)) => Ok(()),
            Self::DnsName => invalid("DNS name", is_ip.then_some("it is an IP address")),
            Self::Path if text.starts_with('/') => Ok(()),
            Self::Path => bad(format!("{shown} is not an absolute path")),
            // KubeEdge reads 15.0 as 15.
            Self::Number(least, most) => match text.strip_suffix(".0").unwrap_or(text).parse::<i64>() {
                Ok(number) if (least..=most).contains(&number) => Ok(()),
                _ if most == i64::MAX && least == 0 => bad(format!("must not be negative, but is {text}")),
                _ if most == i64::MAX && least == 1 => bad(format!("must be greater than 0, not {text}")),
                _ if most == i64::MAX => bad(format!("must be at least {least}, not {text}")),
                _ => bad(format!("must be from {least} to {most}, not {text}")),
            },
            Self::Choice(words) if words.split('|').any(|word| word == text) => Ok(()),
            Self::Choice(words) => bad(format!("must be {}, not {shown}", words.replace('|', " or "))),
        }
    }
}

enum Wrong {
    Form(String),
    Service(String),
}

/// The port is the usual one of another service of cloudcore.
fn wrong_service(port: u16, usual: u16) -> Option<String> {
    let service = service_at(port).filter(|_| port != usual)?;
    Some(format!("has port {port}, which is {service}; expected {usual}"))
}

fn host_is_ip(host: &str) -> bool {
    host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().is_ok()
}

fn is_pair(text: &str) -> bool {
    let both = text.split_once(',').map(|(one, other)| (one.trim().parse::<IpAddr>(), other.trim().parse::<IpAddr>()));
    matches!(both, Some((Ok(one), Ok(other))) if one.is_ipv4() != other.is_ipv4())
}

/// The edge node appends a path, such as /ca.crt.
fn https(text: &str, usual: u16) -> Result<(), Wrong> {
    let form = |why: &str| Err(Wrong::Form(why.to_owned()));
    let Some(rest) = text.get(..8).filter(|scheme| scheme.eq_ignore_ascii_case("https://")).map(|_| &text[8..]) else {
        return form("it must begin with https://");
    };
    let host = rest.strip_suffix('/').unwrap_or(rest);
    if host.contains(['/', '?', '#']) {
        return form("it must not contain a path");
    }
    if host.contains('@') {
        return form("it must not contain user information");
    }
    let is_alone = host.ends_with(']') || !host.contains(':');
    if is_unspecified(host_of(host).filter(|_| !is_alone).unwrap_or(host)) {
        return form(UNSPECIFIED);
    }
    if is_alone {
        return host_error(host).map_or(Ok(()), |why| Err(Wrong::Form(why)));
    }
    match Address::parse(host) {
        Ok(address) => wrong_service(address.port, usual).map_or(Ok(()), |why| Err(Wrong::Service(why))),
        Err(why) => Err(Wrong::Form(why.to_string())),
    }
}

/// The schemes of the MQTT client (paho.mqtt.golang v1.2 to v1.4 `netconn.go`).
fn broker(text: &str) -> Result<(), String> {
    const SCHEMES: [&str; 10] = ["tcp", "mqtt", "ssl", "tls", "mqtts", "mqtt+ssl", "tcps", "ws", "wss", "unix"];
    let (scheme, rest) = text.split_once("://").ok_or("it must begin with a scheme such as tcp://")?;
    if !SCHEMES.contains(&scheme.to_ascii_lowercase().as_str()) {
        return Err(format!("{scheme}:// is not a scheme of MQTT; use tcp:// or ssl://"));
    }
    let host = rest.split('/').next().unwrap_or_default();
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    let may_lack_port = scheme.starts_with("ws") && host_error(host).is_none();
    if scheme == "unix" || may_lack_port {
        Ok(())
    } else {
        Address::parse(host).map(|_| ()).map_err(|why| why.to_string())
    }
}

/// A broker as the MQTT client completes it (paho.mqtt.golang v1.2 to v1.4 `options.go`, `AddBroker`).
fn with_scheme(text: &str) -> Cow<'_, str> {
    match text {
        _ if text.contains("://") => Cow::Borrowed(text),
        _ if text.starts_with(':') => Cow::Owned(format!("tcp://127.0.0.1{text}")),
        _ => Cow::Owned(format!("tcp://{text}")),
    }
}

/// A socket as kubelet parses it (kubernetes `pkg/kubelet/util/util_unix.go`): a text without a scheme gets unix://,
/// and the part after unix:// up to the first / is a host, which is dropped.
fn cri(text: &str) -> Result<(), Option<&'static str>> {
    if text.contains(char::is_whitespace) || text.contains(char::is_control) {
        return Err(Some("it contains white space"));
    }
    let path = match text.split_once(':') {
        Some(("unix", rest)) => rest.strip_prefix("//").unwrap_or(rest),
        Some((scheme, _)) if !scheme.contains('/') => return Err(Some("only unix:// is supported")),
        _ if text.starts_with('/') && !text.starts_with("//") => return Err(None),
        _ => text,
    };
    if path.starts_with('/') && path.len() > 1 {
        Ok(())
    } else {
        Err(Some("expected unix:// and an absolute path, such as unix:///run/containerd/containerd.sock"))
    }
}

/// Whether it is a DNS-1123 subdomain, as Kubernetes requires of a node's name.
pub fn is_node_name(name: &str) -> bool {
    let letter = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let label = |label: &str| {
        let bytes = label.as_bytes();
        bytes.first().is_some_and(letter)
            && bytes.last().is_some_and(letter)
            && bytes.iter().all(|byte| letter(byte) || *byte == b'-')
    };
    name.len() <= 253 && name.split('.').all(label)
}

#[cfg(test)]
mod tests;
