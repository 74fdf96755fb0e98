//! The flags that dockerd is started with, and the keys of daemon.json for which they stand: it does not start with both.

use std::path::PathBuf;

use edge_systemd::Word;

/// Flags whose keys have another name (moby, `cmd/dockerd/config.go` and `config_unix.go`, since v29 in `daemon/command`).
const KEYS: [(&str, &str); 15] = [
    ("add-runtime", "runtimes"),
    ("authorization-plugin", "authorization-plugins"),
    ("cdi-spec-dir", "cdi-spec-dirs"),
    ("default-address-pool", "default-address-pools"),
    ("default-network-opt", "default-network-opts"),
    ("default-ulimit", "default-ulimits"),
    ("dns-opt", "dns-opts"),
    ("exec-opt", "exec-opts"),
    ("host", "hosts"),
    ("insecure-registry", "insecure-registries"),
    ("label", "labels"),
    ("log-opt", "log-opts"),
    ("node-generic-resource", "node-generic-resources"),
    ("registry-mirror", "registry-mirrors"),
    ("storage-opt", "storage-opts"),
];
const SHORT: [(char, &str); 7] = [
    ('H', "host"),
    ('l', "log-level"),
    ('b', "bridge"),
    ('G', "group"),
    ('p', "pidfile"),
    ('s', "storage-driver"),
    ('g', "data-root"),
];
/// Short flags without a value: debug, restart (of old versions), version and help.
const SWITCHES: [char; 4] = ['D', 'r', 'v', 'h'];
/// Keys that may be in both (moby, `skipDuplicates` in daemon/config/config.go, since 18.09).
const MERGED: [&str; 1] = ["runtimes"];

/// A flag of the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flag {
    /// Its long name: `registry-mirror`.
    pub name: String,
    /// Its value, if it has one.
    pub value: Option<String>,
    /// The file that sets it.
    pub file: PathBuf,
    /// The line in it.
    pub line: usize,
}

impl Flag {
    /// The key of daemon.json for it.
    pub fn key(&self) -> &str {
        KEYS.iter().find(|(flag, _)| *flag == self.name).map_or(&self.name, |(_, key)| key)
    }

    /// Whether dockerd merges it with the key.
    pub fn is_merged(&self) -> bool {
        MERGED.contains(&self.key())
    }

    /// Where it is: `FILE:LINE`.
    pub fn place(&self) -> String {
        format!("{}:{}", self.file.display(), self.line)
    }
}

/// The flags in the words after the program.
pub fn parse(words: &[Word]) -> Vec<Flag> {
    let mut all: Vec<Flag> = Vec::new();
    let mut takes_next = false;
    for word in words.iter().skip(1) {
        let text = word.text.as_str();
        let flag = |name: &str, value: Option<&str>| Flag {
            name: name.to_owned(),
            value: value.map(str::to_owned),
            file: word.file.clone(),
            line: word.line,
        };
        if let Some(long) = text.strip_prefix("--") {
            let (name, value) = long.split_once('=').map_or((long, None), |(name, value)| (name, Some(value)));
            takes_next = value.is_none();
            all.push(flag(name, value));
        } else if let Some(cluster) = text.strip_prefix('-').filter(|cluster| !cluster.is_empty()) {
            // Flags without a value may be joined with the next: -DH fd://.
            let switches = cluster.len() - cluster.trim_start_matches(SWITCHES).len();
            let (switches, rest) = cluster.split_at(switches);
            all.extend(switches.contains('D').then(|| flag("debug", None)));
            takes_next = false;
            let Some(short) = rest.chars().next() else { continue };
            let value = rest[short.len_utf8()..].trim_start_matches('=');
            if let Some((_, name)) = SHORT.iter().find(|(letter, _)| *letter == short) {
                all.push(flag(name, (!value.is_empty()).then_some(value)));
            }
            takes_next = value.is_empty();
        } else if takes_next && let Some(last) = all.last_mut() {
            last.value = Some(text.to_owned());
            takes_next = false;
        }
    }
    all
}
