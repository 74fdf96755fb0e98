//! The part of cloudcore.yaml that is about certificates: addresses, names and files.

use std::path::PathBuf;

use edge_host::Host;
use edge_kubeedge::Kind;
use edge_kubeedge::paths::CLOUDCORE_YAML;
use edge_kubeedge::settings::{plain, written};
use edge_kubeedge::spelling::spelled;
use edge_kubeedge::unit::config_in_use;
use edge_pki::names::{self, Name};
use edge_yaml::{Document, Value};

/// The settings that list what clients connect to.
const LISTS: [&str; 2] = [ADDRESSES, "modules.cloudHub.dnsNames"];
/// How many invalid entries are reported with their line.
const MAX_LINES: usize = 20;
const ADDRESSES: &str = "modules.cloudHub.advertiseAddress";

/// What the file contains.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Cloudcore {
    /// The addresses and names that edge nodes and apiservers connect to.
    pub(crate) names: Vec<Name>,
    /// The line of the first of them.
    pub(crate) line: Option<usize>,
    /// Entries that are neither an address nor a name.
    pub(crate) invalid: Vec<Invalid>,
    /// The certificate of the stream server, where the file sets it.
    pub(crate) stream_certificate: Option<PathBuf>,
}

/// An entry that cloudcore cannot use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Invalid {
    pub(crate) setting: &'static str,
    pub(crate) line: Option<usize>,
    /// The entry as it is written.
    pub(crate) entry: String,
    /// What is wrong with it.
    pub(crate) why: &'static str,
}

/// Reads the file: its path on the host, and what it contains or why it cannot be read. None where it does not exist.
pub(crate) fn read(host: &Host) -> Option<(PathBuf, std::result::Result<Cloudcore, String>)> {
    let path = match config_in_use(&host.root, Kind::CloudCore) {
        Ok(file) => file.path,
        Err(error) => return Some((CLOUDCORE_YAML.into(), Err(error.message().to_owned()))),
    };
    let bytes = match host.root.read(&path) {
        Ok(bytes) => bytes?,
        Err(error) => return Some((path, Err(error.cause().to_owned()))),
    };
    let text = std::str::from_utf8(&bytes).map_err(|_| "it is not valid UTF-8".to_owned());
    Some((path, text.and_then(parse)))
}

fn parse(text: &str) -> std::result::Result<Cloudcore, String> {
    let document = Document::parse(text).map_err(|cause| cause.to_string())?;
    let value = document.merged();
    if !matches!(*value, Value::Mapping(_) | Value::Null) {
        return Err("it is not a configuration: expected settings, KEY: VALUE".to_owned());
    }
    let mut found = Cloudcore::default();
    for list in LISTS {
        let steps: Vec<String> = list.split('.').map(str::to_owned).collect();
        let line =
            |steps: &[String]| spelled(&value, steps).and_then(|path| document.position(&path)).map(|at| at.line);
        let mut invalid = |index: Option<usize>, entry: &Value, why| {
            let entry = plain(entry).unwrap_or_else(|| "a value that is not text".to_owned());
            let index = index.map(|index| format!("[{index}]"));
            let steps = [steps.as_slice(), index.as_slice()].concat();
            // Each search reads the file again.
            let line = if found.invalid.len() < MAX_LINES { line(&steps) } else { None };
            found.invalid.push(Invalid { setting: list, line, entry, why });
        };
        let entries = match written(&value, list) {
            None => continue,
            Some(Value::Sequence(entries)) => entries,
            Some(other) => {
                invalid(None, other, "it is not a list, and cloudcore does not start");
                continue;
            }
        };
        for (index, entry) in entries.iter().enumerate() {
            // An empty name is cloudcore's default, and means none.
            let text = match entry {
                Value::String(text) if text.is_empty() => continue,
                Value::String(text) => text,
                Value::Null => continue,
                other => {
                    invalid(Some(index), other, "it is not text, and cloudcore does not start");
                    continue;
                }
            };
            match names::address("", text).or_else(|_| names::host("", text)) {
                // cloudcore adds a nil address to its certificate, which fails (v1.8 to v1.23, `InitConfigure`).
                Ok(Name::Dns(_)) if list == ADDRESSES => {
                    invalid(
                        Some(index),
                        entry,
                        "it is not an IP address, and cloudcore does not start; a name belongs to dnsNames",
                    );
                }
                Ok(name) => found.names.push(name),
                Err(_) => invalid(Some(index), entry, "it is not a valid address or name"),
            }
        }
        if found.line.is_none() && !found.names.is_empty() {
            found.line = line(&steps);
        }
    }
    let certificate = written(&value, "modules.cloudStream.tlsStreamCertFile").and_then(Value::as_str);
    found.stream_certificate = certificate.filter(|path| !path.is_empty()).map(PathBuf::from);
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
        let invalid: Vec<_> = found.invalid.iter().map(|invalid| (invalid.line, invalid.entry.as_str())).collect();
        assert_eq!((found.line, invalid), (Some(3), vec![(Some(9), "not a name")]));
        assert_eq!(found.stream_certificate, Some("/x.crt".into()));
    }

    #[test]
    fn parse_fails_only_on_invalid_yaml() {
        assert_eq!(parse("").unwrap(), Cloudcore::default());
        assert_eq!(parse("modules: 3").unwrap(), Cloudcore::default());
        assert!(parse("a: [").unwrap_err().contains("not valid YAML"));
        assert!(parse("- a").unwrap_err().contains("not a configuration"));
    }

    #[test]
    fn parse_reports_what_cloudcore_cannot_use() {
        let of = |text: &str| {
            let found = parse(&format!("modules: {{cloudHub: {{AdvertiseAddress: {text}}}}}")).unwrap();
            found.invalid.iter().map(|invalid| format!("{}: {}", invalid.entry, invalid.why)).collect::<Vec<_>>()
        };
        for (text, why) in [
            ("192.0.2.1", "192.0.2.1: it is not a list"),
            ("[cloud.example.com]", "cloud.example.com: it is not an IP address"),
            ("[10.5]", "10.5: it is not text"),
            ("['192.0.2.1:10000']", "192.0.2.1:10000: it is not a valid"),
        ] {
            assert!(of(text).len() == 1 && of(text)[0].starts_with(why), "{:?}", of(text));
        }
        assert!(of("[192.0.2.1, null, '', 'fd00::1']").is_empty());
    }
}
