//! The unit that brings the redirect back at boot, and the program it starts.

use std::fmt::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use edge_host::{Error, Host, Result, Root, SEARCH_PATH, State};
use edge_systemd::quoted_path;

/// What it restores.
pub(crate) const FILE: &str = "/etc/edgeutils/redirect.toml";
/// Services that replace or flush all rules when they start: the redirect comes after them, and again when they are
/// restarted.
const FLUSH: [&str; 6] = [
    "nftables.service",
    "netfilter-persistent.service",
    "iptables.service",
    "ip6tables.service",
    "ufw.service",
    "firewalld.service",
];
/// What runs the API server, which needs the redirect.
const NEED: [&str; 4] = ["kubelet.service", "k3s.service", "rke2-server.service", "k0scontroller.service"];
const OWN_NAME: &str = "edge-redirect";
/// Where it is expected in an image that does not have it yet.
const EXPECTED: &str = "/usr/local/bin/edge-redirect";
const TOP: &str = "/";
/// Bits with which others than the owner may write.
const WRITABLE: u32 = 0o022;

/// A program for the unit, and what there is to say about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Program {
    pub(crate) path: String,
    pub(crate) note: Option<String>,
}

/// The program that the unit starts: this one, or the one that the image has.
///
/// Refuses (exit 4) one that others than root may replace: the unit would run their program as root
/// at the next boot.
pub(crate) fn program(host: &Host) -> Result<Program> {
    if host.root.is_live() {
        let path = std::env::current_exe()
            .map_err(|cause| Error::failed(format!("cannot find out where this program is: {cause}")))?;
        check(&host.root, &path)?;
        return Ok(Program { path: text(&path)?, note: None });
    }
    for dir in SEARCH_PATH.split(':') {
        let path = Path::new(dir).join(OWN_NAME);
        if host.root.open(&path)?.is_some() {
            check(&host.root, &path)?;
            return Ok(Program { path: text(&path)?, note: None });
        }
    }
    let shown = host.root.display(Path::new(EXPECTED));
    let note = format!("{} is not there yet, and the unit starts it: put it there", shown.display());
    Ok(Program { path: EXPECTED.to_owned(), note: Some(note) })
}

fn text(path: &Path) -> Result<String> {
    let fail = || Error::refused(format!("cannot name {} in a unit: it is not UTF-8", path.display()));
    path.to_str().map(str::to_owned).ok_or_else(fail)
}

fn check(root: &Root, path: &Path) -> Result<()> {
    let owner = match root.find(Path::new(TOP))?.state {
        State::Directory { uid, .. } => uid,
        _ => 0,
    };
    let path = root.canonical(path)?;
    let refused = |what: &Path, why: &str| {
        let shown = root.display(what);
        Error::refused(format!("cannot start {} at boot: {} {why}", root.display(&path).display(), shown.display()))
            .hint(format!("install -o root -g root -m 755 {OWN_NAME} {EXPECTED}, and run that one"))
    };
    let judge = |what: &Path, mode: u32, uid: u32| {
        if mode & WRITABLE != 0 {
            return Err(refused(what, "is writable by others than root"));
        }
        if uid != 0 && uid != owner {
            return Err(refused(what, "does not belong to root"));
        }
        Ok(())
    };
    let Some(file) = root.open(&path)? else { return Err(refused(&path, "is gone")) };
    let meta = file.metadata().map_err(|cause| Error::io("read", root.display(&path), &cause))?;
    judge(&path, meta.mode(), meta.uid())?;
    for dir in path.ancestors().skip(1) {
        let dir: PathBuf = dir.to_owned();
        if let State::Directory { mode, uid, .. } = root.find(&dir)?.state {
            judge(&dir, mode, uid)?;
        }
    }
    Ok(())
}

/// The text of the unit.
///
/// Errors: exit 4 for a path that a unit cannot hold.
pub(crate) fn render(program: &str) -> Result<String> {
    let (flush, need) = (FLUSH.join(" "), NEED.join(" "));
    let program = quoted_path(program)?;
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = write!(
        text,
        "\
# Written by edge-redirect add --persist; edge-redirect remove takes it away.
[Unit]
Description=Redirect of kubectl logs and exec to cloudcore
ConditionPathExists={FILE}
# They replace or flush all rules when they start, and again when they are restarted.
After={flush}
PartOf={flush}
Before={need}

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart={program} restore

[Install]
WantedBy=multi-user.target
"
    );
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unit_stands_between_those_that_flush_and_those_that_need_it() {
        let text = render("/x/edge-redirect").unwrap();
        let line = |key: &str| text.lines().find_map(|line| line.strip_prefix(key)).unwrap();
        for unit in ["nftables", "netfilter-persistent", "ufw", "firewalld"] {
            assert!(line("After=").contains(&format!("{unit}.service")), "{unit}");
        }
        for unit in ["kubelet.service", "k3s.service"] {
            assert!(line("Before=").split(' ').any(|other| other == unit), "{unit}");
        }
        assert_eq!(line("ExecStart="), "/x/edge-redirect restore");
    }
}
