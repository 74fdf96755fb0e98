//! The proxy for downloads, and the hosts that it is not used for.

use std::net::IpAddr;

use edge_host::{Error, Result, has_credentials, shown_url};
use ipnet::IpNet;

use crate::address::authority;

/// A proxy server.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    url: String,
    except: Option<String>,
}

impl Proxy {
    /// Parses `http://host:port` and a list in the format of NO_PROXY. Errors: usage (2).
    pub fn parse(url: &str, except: Option<&str>) -> Result<Proxy> {
        let bad = |why: &str| {
            Error::usage(format!("cannot use the proxy {}: {why}", shown_url(url).escape_debug()))
                .hint("use one such as http://proxy.example:3128")
        };
        let rest = ["http://", "https://", "socks5://"].iter().find_map(|scheme| url.strip_prefix(scheme));
        let rest = rest.ok_or_else(|| bad("it must begin with http://, https:// or socks5://"))?;
        if url.contains(|char: char| char.is_control() || char.is_whitespace()) {
            return Err(bad("it contains whitespace"));
        }
        authority(rest).map_err(bad)?;
        if let Some(list) = except
            && (list.is_empty() || list.contains(char::is_control))
        {
            return Err(Error::usage(
                "cannot use --no-proxy: expected a list such as localhost,10.0.0.0/8,.cluster.local",
            ));
        }
        Ok(Proxy { url: url.to_owned(), except: except.map(str::to_owned) })
    }

    /// Whether the address contains a user name or password.
    pub fn has_credentials(&self) -> bool {
        has_credentials(&self.url)
    }

    /// The address without credentials.
    pub fn shown(&self) -> String {
        shown_url(&self.url)
    }

    /// Whether a download uses the proxy; the list is interpreted as Go does with NO_PROXY.
    pub fn is_for(&self, url: &str) -> bool {
        let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
        let Ok(host) = authority(rest) else { return true };
        let address = host.parse::<IpAddr>().ok();
        let is_listed = |entry: &str| {
            let entry = entry.trim();
            if let Ok(net) = entry.parse::<IpNet>() {
                return address.is_some_and(|address| net.contains(&address));
            }
            if let Some(address) = address {
                return entry == "*" || entry.trim_matches(['[', ']']).parse() == Ok(address);
            }
            let (entry, host) = (entry.to_ascii_lowercase(), host.to_ascii_lowercase());
            let domain = entry.strip_prefix('*').unwrap_or(&entry);
            match domain.strip_prefix('.') {
                // A leading dot excludes the domain itself.
                Some(domain) => host.strip_suffix(domain).is_some_and(|front| front.ends_with('.')),
                None if domain.is_empty() => entry == "*",
                None => host.strip_suffix(domain).is_some_and(|front| front.is_empty() || front.ends_with('.')),
            }
        };
        !self.except.as_deref().unwrap_or_default().split(',').any(is_listed)
    }

    /// The address itself.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The hosts that it is not used for, separated by commas.
    pub fn except(&self) -> Option<&str> {
        self.except.as_deref()
    }
}

impl std::fmt::Debug for Proxy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Proxy({})", self.shown())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxy_parses_addresses_and_hides_passwords() {
        for bad in [
            "proxy:3128",
            "http://",
            "http://:80",
            "http://p:0/",
            "http://p:x",
            "ftp://x",
            "http://a\nb",
            "http://u:secret@a b",
        ] {
            let error = Proxy::parse(bad, None).unwrap_err().to_string();
            assert!(error.starts_with("cannot use the proxy") && !error.contains("secret"), "{error}");
        }
        assert!(Proxy::parse("http://a:1", Some("")).is_err());
        assert!(!Proxy::parse("http://a:1", None).unwrap().has_credentials());
    }

    #[test]
    fn proxy_is_not_for_hosts_in_the_list() {
        let is_for = |list: &str, url: &str| Proxy::parse("http://p:1", Some(list)).unwrap().is_for(url);
        for (list, url, want) in [
            ("10.0.0.0/8", "https://10.1.2.3:8443/x", false),
            ("10.0.0.0/8", "https://11.1.2.3/x", true),
            ("fd00::/8, 192.0.2.1", "https://[fd00::1]/x", false),
            ("fd00::/8, 192.0.2.1", "https://192.0.2.1/x", false),
            ("example.com", "https://example.com/", false),
            ("example.com", "https://m.Example.com:1/", false),
            ("example.com", "https://notexample.com/", true),
            (".example.com", "https://example.com/", true),
            (".example.com", "https://m.example.com/", false),
            ("*", "https://a/", false),
            ("a,,b", "https://c/", true),
        ] {
            assert_eq!(is_for(list, url), want, "{list} {url}");
        }
        assert!(Proxy::parse("http://p:1", None).unwrap().is_for("https://a/"));
    }
}
