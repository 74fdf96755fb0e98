//! What is known of KubeEdge and of the services around the firewall: data/kubeedge.toml.

use edge_host::{Error, Result};
use toml_edit::{DocumentMut, Item};

const DATA: &str = include_str!("../data/kubeedge.toml");

/// The knowledge, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Known {
    /// cloudcore's stream port.
    pub(crate) stream_port: u16,
    /// The first tunnel port from a minor version on, oldest first.
    tunnel_ports: Vec<(u16, u16)>,
    /// The minor version from which cloudcore keeps a chain of its own.
    kept_since: u16,
    /// That chain.
    pub(crate) kept_chain: String,
    /// The annotation of the config map.
    pub(crate) annotation: String,
    /// Units that flush rules.
    pub(crate) flush: Vec<String>,
    /// Units that need the redirect.
    pub(crate) need: Vec<String>,
}

impl Known {
    pub(crate) fn read() -> Result<Known> {
        parse(DATA).ok_or_else(|| Error::failed("cannot read the data that this program was built with"))
    }

    /// The port that the API server dials, by version (`1.8.2`, `v1.8`).
    pub(crate) fn tunnel_port(&self, version: &str) -> Result<u16> {
        let minor = minor(version).ok_or_else(|| {
            Error::usage(format!("cannot use --kubeedge-version {version}: it is no version of KubeEdge 1"))
                .hint("it looks like 1.8.2; cloudcore --version prints it")
        })?;
        let port = self.tunnel_ports.iter().rev().find(|(since, _)| *since <= minor).map(|(_, port)| *port);
        port.ok_or_else(|| {
            let first = self.tunnel_ports.first().map_or(0, |(since, _)| *since);
            Error::usage(format!("cannot use --kubeedge-version {version}: kubectl logs came with KubeEdge 1.{first}"))
        })
    }

    /// Whether cloudcore of this version keeps the redirect itself, on its own host and for IPv4.
    pub(crate) fn is_kept(&self, version: &str) -> bool {
        minor(version).is_some_and(|minor| minor >= self.kept_since)
    }

    /// Every first port of any version.
    pub(crate) fn is_tunnel_port(&self, port: u16) -> bool {
        self.tunnel_ports.iter().any(|(_, known)| *known == port)
    }
}

fn minor(version: &str) -> Option<u16> {
    let mut parts = version.strip_prefix('v').unwrap_or(version).splitn(3, '.');
    let number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit()).then(|| part.parse().ok()).flatten();
    let (major, minor) = (number(parts.next()?)?, number(parts.next()?)?);
    // Behind the patch level anything goes: 1.12.0-beta.1, 1.8.2+k3s.
    let patch = parts.next().is_none_or(|patch| patch.starts_with(|c: char| c.is_ascii_digit()));
    (major == 1_u16 && patch).then_some(minor)
}

fn parse(text: &str) -> Option<Known> {
    let document: DocumentMut = text.parse().ok()?;
    let number = |item: Option<&Item>| u16::try_from(item?.as_integer()?).ok();
    let text = |table: &str, key: &str| Some(document.get(table)?.get(key)?.as_str()?.to_owned());
    let list = |key: &str| {
        let array = document.get("units")?.get(key)?.as_array()?;
        array.iter().map(|item| item.as_str().map(str::to_owned)).collect::<Option<Vec<String>>>()
    };
    let ports = document.get("tunnel_port")?.as_array_of_tables()?;
    let tunnel_ports = ports.iter().map(|row| Some((number(row.get("since"))?, number(row.get("port"))?)));
    Some(Known {
        stream_port: number(document.get("stream_port"))?,
        tunnel_ports: tunnel_ports.collect::<Option<Vec<_>>>()?,
        kept_since: number(document.get("kept")?.get("since"))?,
        kept_chain: text("kept", "chain")?,
        annotation: text("record", "annotation")?,
        flush: list("flush")?,
        need: list("need")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_follows_from_the_version() {
        let known = Known::read().unwrap();
        for (version, port) in [
            ("1.3", 10350),
            ("1.4.0", 10350),
            ("v1.6.2", 10350),
            ("1.7.0", 10351),
            ("1.8.2", 10351),
            ("1.23.1", 10351),
            ("v1.12.0-beta.1", 10351),
        ] {
            assert_eq!(known.tunnel_port(version).unwrap(), port, "{version}");
        }
        for bad in ["", "1", "2.0", "1.x", "1.-7", "1.8.x", "v", "latest", "1.+8", "1.2", "0.9", "1.99999999"] {
            let error = known.tunnel_port(bad).unwrap_err();
            assert_eq!(error.exit(), edge_host::Exit::Usage, "{bad}: {error}");
        }
        assert!(known.is_kept("v1.8.0") && known.is_kept("1.23") && !known.is_kept("1.7.2"));
        assert!(known.is_tunnel_port(10350) && known.is_tunnel_port(10351) && !known.is_tunnel_port(10352));
    }
}
