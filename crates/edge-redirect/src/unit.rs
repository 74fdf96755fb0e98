//! The unit that restores the redirects at boot, and the program that it starts.

use std::fmt::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use edge_host::{Error, Exit, Host, Result, ResultExt, Root, SEARCH_PATH, State};
use edge_systemd::quoted_path;

/// The redirects that it restores.
pub(crate) const FILE: &str = "/etc/edgeutils/redirect.toml";
/// Services that replace or flush all rules when they start: the unit starts after them, and restarts with them.
const FLUSH: [&str; 6] = [
    "nftables.service",
    "netfilter-persistent.service",
    "iptables.service",
    "ip6tables.service",
    "ufw.service",
    "firewalld.service",
];
/// Services that run the API server, which needs the redirects.
const NEED: [&str; 4] = ["kubelet.service", "k3s.service", "rke2-server.service", "k0scontroller.service"];
const OWN_NAME: &str = "edge-redirect";
/// The path of the program in an image that does not have it yet.
const EXPECTED: &str = "/usr/local/bin/edge-redirect";
const TOP: &str = "/";
/// Mode bits that let users other than the owner write.
const WRITABLE: u32 = 0o022;

/// The program that the unit starts, and a note about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Program {
    pub(crate) path: String,
    pub(crate) note: Option<String>,
}

/// Finds the program for the unit: this one, or the one in the image.
///
/// Errors: exit 4 for a program that users other than root can replace, as the unit would run it as root.
pub(crate) fn program(host: &Host) -> Result<Program> {
    if host.root.is_live() {
        let path = std::env::current_exe().on("find", "the path of this program")?;
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
    let note = format!("{} does not exist yet: install it, as the unit starts it", shown.display());
    Ok(Program { path: EXPECTED.to_owned(), note: Some(note) })
}

fn text(path: &Path) -> Result<String> {
    let refused = || Error::cannot("use", path, "a path in a unit must be UTF-8").with_exit(Exit::Refused);
    path.to_str().map(str::to_owned).ok_or_else(refused)
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
            .hint(format!(
                "install it for root and run {EXPECTED}: install -o root -g root -m 755 {} {EXPECTED}",
                root.display(&path).display()
            ))
    };
    let judge = |what: &Path, mode: u32, uid: u32| {
        if mode & WRITABLE != 0 {
            return Err(refused(what, "is writable by users other than root"));
        }
        if uid != 0 && uid != owner {
            return Err(refused(what, "is not owned by root"));
        }
        Ok(())
    };
    let Some(file) = root.open(&path)? else { return Err(refused(&path, "no longer exists")) };
    let meta = file.metadata().on("read", root.display(&path))?;
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
/// Errors: exit 4 for a path that a unit cannot contain.
pub(crate) fn render(program: &str) -> Result<String> {
    let (flush, need) = (FLUSH.join(" "), NEED.join(" "));
    let program = quoted_path(program)?;
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = write!(
        text,
        "\
# Created by edge-redirect add --persist, removed by edge-redirect remove.
[Unit]
Description=Redirect kubectl logs and exec to cloudcore
ConditionPathExists={FILE}
# These services replace or flush all rules when they start or restart.
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
    fn render_orders_the_unit_after_firewalls_and_before_the_api_server() {
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
