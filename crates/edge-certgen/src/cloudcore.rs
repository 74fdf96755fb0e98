//! The part of cloudcore.yaml that is about certificates: addresses, names and files.

use std::path::{Path, PathBuf};

use edge_host::{Host, Result};
use edge_kubeedge::paths::CLOUDCORE_YAML;
use edge_kubeedge::settings::{texts, written};
use edge_kubeedge::spelling::spelled;
use edge_yaml::{Document, Value};

use crate::names::{self, Name};

/// The settings that list what clients connect to.
const LISTS: [&str; 2] = ["modules.cloudHub.advertiseAddress", "modules.cloudHub.dnsNames"];

/// What the file contains.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Cloudcore {
    /// The addresses and names that edge nodes and apiservers connect to.
    pub(crate) names: Vec<Name>,
    /// The line of the first of them.
    pub(crate) line: Option<usize>,
    /// Entries that are neither an address nor a name.
    pub(crate) invalid: Vec<String>,
    /// The certificate of the stream server, where the file sets it.
    pub(crate) stream_certificate: Option<PathBuf>,
}

/// Reads the file: its path, and what it contains or why it cannot be parsed. None where it does not exist.
///
/// Errors: exit 1 where it cannot be read.
pub(crate) fn read(host: &Host) -> Result<Option<(PathBuf, std::result::Result<Cloudcore, String>)>> {
    let path = Path::new(CLOUDCORE_YAML);
    let Some(bytes) = host.root.read(path)? else { return Ok(None) };
    Ok(Some((host.root.display(path), parse(&String::from_utf8_lossy(&bytes)))))
}

fn parse(text: &str) -> std::result::Result<Cloudcore, String> {
    let document = Document::parse(text).map_err(|cause| cause.to_string())?;
    let value = document.merged();
    let mut found = Cloudcore::default();
    for list in LISTS {
        // An empty name is cloudcore's default, and means none.
        for entry in texts(&value, list).filter(|entry| !entry.is_empty()) {
            match names::address("", entry).or_else(|_| names::host("", entry)) {
                Ok(name) => found.names.push(name),
                Err(_) => found.invalid.push(entry.to_owned()),
            }
        }
        if found.line.is_none() && !found.names.is_empty() {
            let steps: Vec<String> = list.split('.').map(str::to_owned).collect();
            found.line = spelled(&value, &steps).and_then(|path| document.position(&path)).map(|at| at.line);
        }
    }
    let certificate = written(&value, "modules.cloudStream.tlsStreamCertFile").and_then(Value::as_str);
    found.stream_certificate = certificate.map(PathBuf::from);
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parse_finds_addresses_and_names_with_their_line() {
        let found = parse(
            "modules:\n  cloudhub:\n    advertiseAddress:\n    - 192.0.2.1\n    - fd00::1\n    dnsNames:\n    - ''\n    - cloud.example.com\n    - not a name\n  cloudStream:\n    tlsStreamCertFile: /x.crt\n",
        )
        .unwrap();
        assert_eq!(names::shown(&found.names), "IP:192.0.2.1, IP:fd00::1, DNS:cloud.example.com");
        assert_eq!((found.line, found.invalid), (Some(3), vec!["not a name".to_owned()]));
        assert_eq!(found.stream_certificate, Some("/x.crt".into()));
    }

    #[test]
    fn parse_fails_only_on_invalid_yaml() {
        assert_eq!(parse("").unwrap(), Cloudcore::default());
        assert_eq!(parse("modules: 3").unwrap(), Cloudcore::default());
        assert!(parse("a: [").unwrap_err().contains("not valid YAML"));
    }
}
