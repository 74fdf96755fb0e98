//! A mirror of an image registry, as options name it: `docker.io=https://mirror.example`.

use std::str::FromStr;

use crate::address::authority;

/// A registry and a mirror of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistryMirror {
    /// `docker.io`.
    pub host: String,
    /// `mirror.example:5000/path`.
    pub location: String,
    /// Reached without TLS.
    pub insecure: bool,
}

impl RegistryMirror {
    /// Its address, with its scheme.
    pub fn url(&self) -> String {
        format!("{}://{}", if self.insecure { "http" } else { "https" }, self.location)
    }
}

impl FromStr for RegistryMirror {
    type Err = String;

    fn from_str(text: &str) -> Result<RegistryMirror, String> {
        let bad = |why: &str| format!("{why}: expected HOST=URL, such as docker.io=https://mirror.example");
        let (host, url) = text.split_once('=').ok_or_else(|| bad("the = is missing"))?;
        let (insecure, location) = match (url.strip_prefix("https://"), url.strip_prefix("http://")) {
            (Some(rest), _) => (false, rest),
            (_, Some(rest)) => (true, rest),
            _ => return Err(bad("the address does not begin with https:// or http://")),
        };
        let location = location.trim_end_matches('/');
        if location.contains('@') {
            return Err(
                "the address must not contain credentials: the container runtime has a file for them".to_owned()
            );
        }
        let good = |text: &str| {
            let known = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:/[]".contains(&byte);
            !text.is_empty() && text.bytes().all(known) && !text.starts_with(['/', '-', '.']) && !text.contains("//")
        };
        if !good(host) || !good(location) {
            return Err(bad("it is not a valid registry"));
        }
        for place in [host, location] {
            authority(place).map_err(bad)?;
        }
        Ok(RegistryMirror { host: host.to_owned(), location: location.to_owned(), insecure })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mirror_must_be_a_registry_and_an_address() {
        for bad in [
            "docker.io",
            "=https://x",
            "docker.io=x",
            "a b=https://x",
            "d=https://u:p@x",
            "d=https://x\"y",
            "-d=https://x",
            "d=https://:5000",
            "d=https://x:99999/y",
        ] {
            assert!(bad.parse::<RegistryMirror>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn url_has_the_scheme_and_no_slash_at_its_end() {
        let url = |text: &str| text.parse::<RegistryMirror>().unwrap().url();
        assert_eq!(url("docker.io=https://m.example/hub/"), "https://m.example/hub");
        assert_eq!(url("quay.io=http://10.0.0.1:5000"), "http://10.0.0.1:5000");
    }
}
