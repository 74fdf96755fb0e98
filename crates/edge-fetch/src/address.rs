//! Addresses that a user names, checked before anything is downloaded, so that a typing error is a usage error.

use std::net::Ipv6Addr;

use edge_host::{Error, Result, shown_url};

/// Names under which only this machine itself answers.
const HERE: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// Checks an address to download from: HTTPS, or plain HTTP on this very machine.
///
/// `url` is what the user gave; `filled` is the same with placeholders, if there are any, filled in.
/// Errors: usage (2).
pub fn check(url: &str, filled: &str) -> Result<()> {
    plain(url)?;
    let host = |rest: &str| authority(rest).map(str::to_owned).map_err(|why| bad(url, why));
    if let Some(rest) = filled.strip_prefix("https://") {
        return host(rest).map(|_| ());
    }
    let Some(rest) = filled.strip_prefix("http://") else { return Err(bad(url, "it does not begin with https://")) };
    if HERE.contains(&host(rest)?.as_str()) {
        return Ok(());
    }
    Err(bad(url, "without TLS only this machine itself is asked").hint("an address that begins with https://"))
}

/// Refuses an empty address and one with white space, which would end it on a command line or in a file.
pub fn plain(url: &str) -> Result<()> {
    if url.is_empty() {
        return Err(Error::usage("cannot use an empty address").hint("such as https://mirror.example/crio/"));
    }
    if url.contains(|char: char| char.is_control() || char.is_whitespace()) {
        return Err(bad(url, "it holds white space"));
    }
    Ok(())
}

/// The error for an address, without the password in it.
pub fn bad(url: &str, why: &str) -> Error {
    Error::usage(format!("cannot use the address {}: {why}", shown_url(url).escape_debug()))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_takes_http_only_of_this_machine() {
        for good in [
            "https://a.example/x",
            "https://a.example:8443/x.tar.gz",
            "https://[2001:db8::1]:8443/",
            "http://localhost:1/x",
            "http://127.0.0.1/x",
            "http://[::1]:80/",
        ] {
            assert!(check(good, good).is_ok(), "{good}");
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
