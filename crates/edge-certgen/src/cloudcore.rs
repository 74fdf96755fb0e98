//! What cloudcore.yaml says about certificates: addresses, names and files.

use std::path::{Path, PathBuf};

use edge_host::{Host, Result};
use edge_kubeedge::paths::CLOUDCORE_YAML;
use edge_kubeedge::settings::{texts, written};
use edge_yaml::Value;

use crate::names::{self, Name};

/// What was found there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Cloudcore {
    /// What edge nodes and apiservers call it by.
    pub(crate) names: Vec<Name>,
    /// Entries that are neither an address nor a name.
    pub(crate) odd: Vec<String>,
    /// The stream's certificate, where the file names another than the usual one.
    pub(crate) stream_certificate: Option<PathBuf>,
}

/// Reads it; none where it is not there.
///
/// Errors: exit 1 where it cannot be read; what cannot be parsed comes back as the reason.
pub(crate) fn read(host: &Host) -> Result<Option<(PathBuf, std::result::Result<Cloudcore, String>)>> {
    let path = Path::new(CLOUDCORE_YAML);
    let Some(bytes) = host.root.read(path)? else { return Ok(None) };
    Ok(Some((host.root.display(path), parse(&String::from_utf8_lossy(&bytes)))))
}

fn parse(text: &str) -> std::result::Result<Cloudcore, String> {
    let document = edge_yaml::read(text).map_err(|cause| format!("it is no YAML: {cause}"))?;
    let mut found = Cloudcore::default();
    let listed = ["modules.cloudHub.advertiseAddress", "modules.cloudHub.dnsNames"];
    for entry in listed.iter().flat_map(|path| texts(&document, path)) {
        // An empty name is cloudcore's default, and means none.
        if entry.is_empty() {
            continue;
        }
        match names::address("", entry).or_else(|_| names::host("", entry)) {
            Ok(name) => found.names.push(name),
            Err(_) => found.odd.push(entry.to_owned()),
        }
    }
    let certificate = written(&document, "modules.cloudStream.tlsStreamCertFile").and_then(Value::as_str);
    found.stream_certificate = certificate.map(PathBuf::from);
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_names_are_found() {
        let found = parse(
            "modules:\n  cloudhub:\n    advertiseAddress:\n    - 192.0.2.1\n    - fd00::1\n    dnsNames:\n    - ''\n    - cloud.example.com\n    - not a name\n  cloudStream:\n    tlsStreamCertFile: /x.crt\n",
        )
        .unwrap();
        assert_eq!(names::shown(&found.names), "IP:192.0.2.1, IP:fd00::1, DNS:cloud.example.com");
        assert_eq!(found.odd, ["not a name"]);
        assert_eq!(found.stream_certificate, Some("/x.crt".into()));
    }

    #[test]
    fn a_file_without_any_is_no_error_and_no_yaml_is_said_to_be() {
        assert_eq!(parse("").unwrap(), Cloudcore::default());
        assert_eq!(parse("modules: 3").unwrap(), Cloudcore::default());
        assert!(parse("a: [").unwrap_err().contains("no YAML"));
    }
}
