//! modprobe.d: the lines that keep a module from being loaded.
//!
//! `blacklist` does so at boot (systemd-modules-load honors it), and `install NAME /bin/false` always (modprobe.d(5)).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use edge_host::{Host, Result};

use super::modules::effective_files;

const DIRS: [&str; 5] =
    ["/etc/modprobe.d", "/run/modprobe.d", "/usr/local/lib/modprobe.d", "/usr/lib/modprobe.d", "/lib/modprobe.d"];
/// Commands that load nothing.
const NOTHING: [&str; 3] = ["true", "false", ":"];

/// A line that blocks a module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Blocked {
    pub(super) file: PathBuf,
    pub(super) line: usize,
    /// Whether modprobe cannot load it either.
    pub(super) always: bool,
}

/// The modules that are blocked, by kernel name.
pub(super) fn blocked(host: &Host) -> Result<BTreeMap<String, Blocked>> {
    let mut all = BTreeMap::new();
    for (file, found) in effective_files(host, &DIRS)? {
        add(&mut all, &file, &String::from_utf8_lossy(&found.bytes));
    }
    Ok(all)
}

fn add(all: &mut BTreeMap<String, Blocked>, file: &Path, text: &str) {
    for (line, text) in (1..).zip(text.lines()) {
        let words: Vec<&str> = text.split_whitespace().collect();
        let always = match words[..] {
            ["blacklist", _, ..] => false,
            ["install", _, command, ..] if NOTHING.contains(&command.rsplit('/').next().unwrap_or_default()) => true,
            _ => continue,
        };
        let blocked = Blocked { file: file.to_path_buf(), line, always };
        let old = all.entry(words[1].replace('-', "_")).or_insert_with(|| blocked.clone());
        if always && !old.always {
            *old = blocked;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn add_finds_lines_that_block_a_module() {
        let mut all = BTreeMap::new();
        let text = "# blacklist no\nblacklist br-netfilter\ninstall overlay /bin/true\ninstall br_netfilter /bin/false\n\
            install a /sbin/modprobe --ignore-install a && true\noptions b x=1\nblacklist\n";
        add(&mut all, Path::new("/f"), text);
        let of = |line, always| Blocked { file: "/f".into(), line, always };
        assert_eq!(
            all.into_iter().collect::<Vec<_>>(),
            [("br_netfilter".to_owned(), of(4, true)), ("overlay".to_owned(), of(3, true))]
        );
    }
}
