//! Addresses that the user names: looked at before anything is asked, so that a slip is a usage error.

use std::net::Ipv6Addr;

use edge_host::{Error, Result, shown_url};

/// What stands for a version's minor, a release and an architecture in a mirror's address.
const PLACES: [&str; 3] = ["{minor}", "{version}", "{arch}"];
/// Where only this machine itself answers.
const HERE: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// An address to download from: HTTPS, or plain HTTP on this very machine.
pub fn download(url: &str) -> Result<&str> {
    let text = plain(url)?;
    if let Some(rest) = text.strip_prefix("https://") {
        authority(rest).map_err(|why| bad(url, why))?;
        return Ok(url);
    }
    let Some(rest) = text.strip_prefix("http://") else { return Err(bad(url, "it does not begin with https://")) };
    let host = authority(rest).map_err(|why| bad(url, why))?;
    if HERE.contains(&host) {
        Ok(url)
    } else {
        Err(bad(url, "without TLS only this machine itself is asked").hint("an address that begins with https://"))
    }
}

/// The address of a repository for apt, which verifies what it gets by whatever way it came.
pub fn repository(url: &str) -> Result<&str> {
    let text = plain(url)?;
    if ["file:/", "mirror+file:/"].iter().any(|scheme| text.starts_with(scheme)) {
        return Ok(url);
    }
    let rest = ["https://", "http://"].iter().find_map(|scheme| text.strip_prefix(scheme)).ok_or_else(|| {
        bad(url, "it begins with none of https://, http:// and file:/")
            .hint("such as https://mirror.example/crio/{minor}/deb/")
    })?;
    authority(rest).map_err(|why| bad(url, why))?;
    if shown_url(url) != url {
        return Err(bad(url, "every user of this host can read a password in it")
            .hint("apt reads it from /etc/apt/auth.conf.d/NAME.conf: machine HOST login NAME password SECRET"));
    }
    Ok(url)
}

/// The host of what follows `scheme://`, or what is wrong with it.
pub fn authority(rest: &str) -> Result<&str, &'static str> {
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let place = rest[..end].rsplit_once('@').map_or(&rest[..end], |(_, place)| place);
    let (host, port) = match place.strip_prefix('[').and_then(|inner| inner.split_once(']')) {
        Some((host, port)) => {
            host.parse::<Ipv6Addr>().map_err(|_| "what stands in [ ] is no IPv6 address")?;
            (host, port)
        }
        None => place.split_once(':').map_or((place, ""), |(host, _)| (host, &place[host.len()..])),
    };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte) || !byte.is_ascii();
    if host.is_empty() {
        return Err("it names no host");
    }
    if !place.starts_with('[') && (!host.bytes().all(plain) || host.starts_with(['-', '.'])) {
        return Err("it names no host that can be");
    }
    let number = port.strip_prefix(':').map(|port| port.parse::<u16>().is_ok_and(|port| port > 0));
    match number {
        None if port.is_empty() => Ok(host),
        Some(true) => Ok(host),
        _ => Err("its port is no number from 1 to 65535"),
    }
}

/// The address with its places filled, as far as its form goes.
fn plain(url: &str) -> Result<String> {
    if url.is_empty() {
        return Err(Error::usage("cannot use an empty address").hint("such as https://mirror.example/crio/"));
    }
    if url.contains(|char: char| char.is_control() || char.is_whitespace()) {
        return Err(bad(url, "it holds white space"));
    }
    let text = PLACES.iter().fold(url.to_owned(), |text, place| text.replace(place, "0"));
    if text.contains(['{', '}']) {
        return Err(bad(url, "only {minor}, {version} and {arch} can stand in braces"));
    }
    Ok(text)
}

fn bad(url: &str, why: &str) -> Error {
    Error::usage(format!("cannot use the address {}: {why}", shown_url(url).escape_debug()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_tls_only_this_machine_is_asked() {
        for good in [
            "https://a.example/x",
            "https://a.example:8443/{version}/{arch}.tar.gz",
            "https://[2001:db8::1]:8443/",
            "http://localhost:1/x",
            "http://127.0.0.1/x",
            "http://[::1]:80/",
        ] {
            assert!(download(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "http://a.example/x",
            "ftp://a",
            "a.example",
            "http://localhost.example/",
            "http://127.0.0.1.example:80/",
            "https://a b",
            "http://localhost@a.example/",
            "https://",
            "https:///x",
            "https://:443/",
            "https://a:99999/",
            "https://a:/",
            "https://a:0/",
            "https://[::1/",
            "https://[x]/",
            "https://-a/",
            "https://a/{nonsense}/",
            "https://a\"b/",
        ] {
            assert!(download(bad).is_err(), "{bad}");
        }
        let error = download("http://me:secret@a.example/").unwrap_err().to_string();
        assert!(!error.contains("secret"), "{error}");
    }

    #[test]
    fn a_repository_is_an_address_that_apt_takes() {
        for good in ["https://m.example/{minor}/deb/", "http://10.0.0.1:8080/x", "file:/repo/", "mirror+file:/etc/m"] {
            assert!(repository(good).is_ok(), "{good}");
        }
        for bad in ["", "ftp://x", "x", "https://", "http://h:0/", "file:repo", "https://h/{x}", "https://a b", "-o"] {
            assert_eq!(repository(bad).unwrap_err().exit(), edge_host::Exit::Usage, "{bad}");
        }
        let error = repository("https://me:secret@m.example/").unwrap_err();
        assert!(error.to_string().contains("can read a password") && !error.to_string().contains("secret"), "{error}");
    }
}
