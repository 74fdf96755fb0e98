//! A proxy for CRI-O's own downloads of images, in a drop-in of its unit.

use std::net::IpAddr;

use edge_host::{Error, Result, has_credentials, shown_url};
use edge_systemd::quoted_variable;
use ipnet::IpNet;

/// The line of what is excepted.
const EXCEPT: &str = "Environment=\"NO_PROXY=";

/// A proxy.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    url: String,
    except: Option<String>,
}

impl Proxy {
    /// `http://host:port`, and the hosts it is not used for.
    pub fn parse(url: &str, except: Option<&str>) -> Result<Proxy> {
        let bad = |why: &str| {
            Error::usage(format!("cannot use the proxy {}: {why}", shown_url(url).escape_debug()))
                .hint("such as http://proxy.example:3128")
        };
        let rest = ["http://", "https://", "socks5://"].iter().find_map(|scheme| url.strip_prefix(scheme));
        let rest = rest.ok_or_else(|| bad("it begins with none of http://, https:// and socks5://"))?;
        if url.contains(|char: char| char.is_control() || char.is_whitespace()) {
            return Err(bad("it holds white space"));
        }
        crate::address::authority(rest).map_err(bad)?;
        if let Some(list) = except {
            if list.is_empty() || list.contains(char::is_control) {
                return Err(Error::usage(
                    "cannot use --no-proxy: a list such as localhost,10.0.0.0/8,.cluster.local is wanted",
                ));
            }
        }
        Ok(Proxy { url: url.to_owned(), except: except.map(str::to_owned) })
    }

    /// With a name and a password in it.
    pub fn has_credentials(&self) -> bool {
        has_credentials(&self.url)
    }

    /// The address without credentials.
    pub fn shown(&self) -> String {
        shown_url(&self.url)
    }

    /// Whether a download goes through it: what is listed is asked directly, as CRI-O itself reads the list.
    pub fn is_for(&self, url: &str) -> bool {
        let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
        let Ok(host) = crate::address::authority(rest) else { return true };
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
                // With a dot in front the domain itself is not meant.
                Some(domain) => host.strip_suffix(domain).is_some_and(|front| front.ends_with('.')),
                None if domain.is_empty() => entry == "*",
                None => host.strip_suffix(domain).is_some_and(|front| front.is_empty() || front.ends_with('.')),
            }
        };
        !self.except.as_deref().unwrap_or_default().split(',').any(is_listed)
    }

    /// The address itself, for our own downloads.
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl std::fmt::Debug for Proxy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Proxy({})", self.shown())
    }
}

/// The drop-in instead of `before`, and lines that show it. What `before` excepts stays where the proxy comes without
/// a list of its own.
pub fn proxy_drop_in(before: &str, proxy: &Proxy) -> (String, Vec<String>) {
    let mut text = "# Made by edge-crio; `edge-crio undo` takes it back.\n[Service]\n".to_owned();
    let mut details = Vec::new();
    let mut add = |name: &str, value: &str, shown: &str| {
        text.push_str(&format!("Environment={}\n", quoted_variable(name, value)));
        details.push(format!("{name}={shown}"));
    };
    for name in ["HTTP_PROXY", "HTTPS_PROXY"] {
        add(name, &proxy.url, &proxy.shown());
    }
    match &proxy.except {
        Some(except) => add("NO_PROXY", except, except),
        None => {
            for line in before.lines().filter(|line| line.starts_with(EXCEPT)) {
                text.push_str(&format!("{line}\n"));
            }
        }
    }
    (text, details)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_into_the_unit_is_quoted_and_not_shown() {
        let proxy = Proxy::parse("http://me:p%40ss\"w\\@proxy.example:3128", Some("10.0.0.0/8")).unwrap();
        let (text, details) = proxy_drop_in("", &proxy);
        assert!(text.contains("Environment=\"HTTP_PROXY=http://me:p%%40ss\\\"w\\\\@proxy.example:3128\"\n"), "{text}");
        assert!(text.ends_with("Environment=\"NO_PROXY=10.0.0.0/8\"\n"));
        assert_eq!(details[1], "HTTPS_PROXY=http://proxy.example:3128");
        assert!(!format!("{proxy:?}{details:?}").contains("ss"));
        assert!(proxy.has_credentials());
    }

    #[test]
    fn what_is_excepted_stays_until_a_list_is_given() {
        let of = |before: &str, url, except| proxy_drop_in(before, &Proxy::parse(url, except).unwrap()).0;
        let first = of("", "http://a:1", Some("10.0.0.0/8,50%"));
        let second = of(&first, "http://b:2", None);
        assert_eq!(second, first.replace("http://a:1", "http://b:2"));
        assert_eq!(of(&second, "http://b:2", None), second);
        assert_eq!(of(&second, "http://b:2", Some("c")), second.replace("10.0.0.0/8,50%%", "c"));
    }

    #[test]
    fn only_addresses_are_taken() {
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
    fn what_is_excepted_is_asked_directly() {
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
