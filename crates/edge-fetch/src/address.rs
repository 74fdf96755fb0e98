//! Checks the addresses of downloads before anything is changed, so that a typing error is a usage error.

use std::net::Ipv6Addr;

use edge_host::{Error, Result, shown_url};

/// Names of this host's loopback interface.
const LOCAL: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// Checks an address to download from: HTTPS, or plain HTTP from this host.
///
/// `url` is what the user gave, for messages; `filled` is the same with placeholders replaced.
/// Errors: usage (2).
pub fn check(url: &str, filled: &str) -> Result<()> {
    plain(url)?;
    let host = |rest: &str| authority(rest).map(str::to_owned).map_err(|why| bad(url, why));
    if let Some(rest) = filled.strip_prefix("https://") {
        return host(rest).map(|_| ());
    }
    let Some(rest) = filled.strip_prefix("http://") else { return Err(bad(url, "it must begin with https://")) };
    if LOCAL.contains(&host(rest)?.as_str()) {
        return Ok(());
    }
    Err(bad(url, "plain HTTP is allowed only for localhost").hint("use an address that begins with https://"))
}

/// Refuses an empty address, and one with whitespace, which would end it in a configuration file.
pub fn plain(url: &str) -> Result<()> {
    if url.is_empty() {
        return Err(Error::usage("cannot use an empty address").hint("use one such as https://mirror.example/crio/"));
    }
    if url.contains(|char: char| char.is_control() || char.is_whitespace()) {
        return Err(bad(url, "it contains whitespace"));
    }
    Ok(())
}

/// The usage error for an address, shown without its password.
pub fn bad(url: &str, why: &str) -> Error {
    Error::usage(format!("cannot use the address {}: {why}", shown_url(url).escape_debug()))
}

/// The host in the text after `scheme://`, or what is wrong with it.
pub fn authority(rest: &str) -> Result<&str, &'static str> {
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let place = rest[..end].rsplit_once('@').map_or(&rest[..end], |(_, place)| place);
    let (host, port) = match place.strip_prefix('[').and_then(|inner| inner.split_once(']')) {
        Some((host, port)) => {
            host.parse::<Ipv6Addr>().map_err(|_| "expected an IPv6 address in the brackets")?;
            (host, port)
        }
        None => place.split_once(':').map_or((place, ""), |(host, _)| (host, &place[host.len()..])),
    };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte) || !byte.is_ascii();
    if host.is_empty() {
        return Err("it has no host");
    }
    if !place.starts_with('[') && (!host.bytes().all(plain) || host.starts_with(['-', '.'])) {
        return Err("its host is not a valid name");
    }
    let number = port.strip_prefix(':').map(|port| port.parse::<u16>().is_ok_and(|port| port > 0));
    match number {
        None if port.is_empty() => Ok(host),
        Some(true) => Ok(host),
        _ => Err("its port is not a number from 1 to 65535"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_allows_http_only_for_this_host() {
        for valid in [
            "https://a.example/x",
            "https://a.example:8443/x.tar.gz",
            "https://[2001:db8::1]:8443/",
            "http://localhost:1/x",
            "http://127.0.0.1/x",
            "http://[::1]:80/",
        ] {
            assert!(check(valid, valid).is_ok(), "{valid}");
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
            "https://a\"b/",
        ] {
            assert!(check(bad, bad).is_err(), "{bad}");
        }
        let error = check("http://me:secret@a.example/", "http://me:secret@a.example/").unwrap_err().to_string();
        assert!(!error.contains("secret"), "{error}");
    }
}
