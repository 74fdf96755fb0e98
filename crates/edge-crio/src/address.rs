//! Validates the addresses of mirrors, which may contain placeholders.

use edge_fetch::address::{authority, bad, check, plain};
use edge_host::{Result, shown_url};

/// Placeholders for the minor version, the release and the architecture.
const PLACES: [&str; 3] = ["{minor}", "{version}", "{arch}"];

/// Validates an address to download from. Errors: usage (2).
pub fn download(url: &str) -> Result<&str> {
    check(url, &filled(url)?)?;
    Ok(url)
}

/// Validates the address of an apt repository; it needs no TLS, as apt verifies signatures. Errors: usage (2).
pub fn repository(url: &str) -> Result<&str> {
    let text = filled(url)?;
    if ["file:/", "mirror+file:/"].iter().any(|scheme| text.starts_with(scheme)) {
        return Ok(url);
    }
    let rest = ["https://", "http://"].iter().find_map(|scheme| text.strip_prefix(scheme)).ok_or_else(|| {
        bad(url, "it does not begin with https://, http:// or file:/")
            .hint("give an address such as https://mirror.example/crio/{minor}/deb/")
    })?;
    authority(rest).map_err(|why| bad(url, why))?;
    if shown_url(url) != url {
        return Err(bad(url, "every user of this host can read a password in it")
            .hint("put it into /etc/apt/auth.conf.d/NAME.conf: machine HOST login NAME password SECRET"));
    }
    Ok(url)
}

/// The address with each placeholder replaced, so that it can be validated.
fn filled(url: &str) -> Result<String> {
    plain(url)?;
    let text = PLACES.iter().fold(url.to_owned(), |text, place| text.replace(place, "0"));
    if text.contains(['{', '}']) {
        return Err(bad(url, "the only placeholders are {minor}, {version} and {arch}"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn download_accepts_only_known_placeholders() {
        assert!(download("https://a.example:8443/{version}/{arch}.tar.gz").is_ok());
        for bad in ["https://a/{nonsense}/", "http://a.example/{arch}", "https://{minor/"] {
            assert!(download(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn repository_accepts_addresses_that_apt_supports() {
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
