//! modprobe.d: the lines that keep a module from being loaded, and those that define one by name.
//!
//! `blacklist` does so at boot (systemd-modules-load honors it), and `install NAME /bin/false` always (modprobe.d(5)).

use std::collections::{BTreeMap, BTreeSet};
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

/// The lines of all files, by the kernel name of the module.
#[derive(Debug, Clone, Default)]
pub(super) struct Modprobe {
    pub(super) blocked: BTreeMap<String, Blocked>,
    /// The names that `alias` and `install` define, which modprobe takes although no module has them.
    pub(super) defined: BTreeSet<String>,
}

/// Reads the files of modprobe.d.
pub(super) fn read(host: &Host) -> Result<Modprobe> {
    let mut all = Modprobe::default();
    for (file, found) in effective_files(host, &DIRS)? {
        add(&mut all, &file, &String::from_utf8_lossy(&found.bytes));
    }
    Ok(all)
}

fn add(all: &mut Modprobe, file: &Path, text: &str) {
    for (line, text) in (1..).zip(text.lines()) {
        let words: Vec<&str> = text.split_whitespace().collect();
        if let ["alias" | "install", name, _, ..] = words[..] {
            all.defined.insert(name.replace('-', "_"));
        }
        let always = match words[..] {
            ["blacklist", _, ..] => false,
            ["install", _, command, ..] if NOTHING.contains(&command.rsplit('/').next().unwrap_or_default()) => true,
            _ => continue,
        };
        let blocked = Blocked { file: file.to_path_buf(), line, always };
        let old = all.blocked.entry(words[1].replace('-', "_")).or_insert_with(|| blocked.clone());
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
        let mut all = Modprobe::default();
        let text = "# blacklist no\nblacklist br-netfilter\ninstall overlay /bin/true\ninstall br_netfilter /bin/false\n\
            install a /sbin/modprobe --ignore-install a && true\noptions b x=1\nblacklist\n";
        add(&mut all, Path::new("/f"), text);
        let of = |line, always| Blocked { file: "/f".into(), line, always };
        assert_eq!(
            all.blocked.into_iter().collect::<Vec<_>>(),
            [("br_netfilter".to_owned(), of(4, true)), ("overlay".to_owned(), of(3, true))]
        );
        assert_eq!(all.defined.into_iter().collect::<Vec<_>>(), ["a", "br_netfilter", "overlay"]);
    }
}
