//! `edge-redirect` on a host with ten thousand rules, against the xtables programs that it must run.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};
use edgeutils_tests::rules;

use super::case::{Case, Limit};
use super::measure::{Measure, Program};
use crate::workspace::{make_dir, write};

const RULES: usize = 10_000;
const RUNS: u16 = 41;

/// Without changes, only saves are run: one more than theirs, for the empty backend.
const IN_ORDER: f64 = 1.3;

/// Rules of many owners in a network namespace of its own; $1 is the backend, $2 the rules, $3 a
/// directory of the real file system for the journal, whose writes count.
const START: &str = r#"
set -e
for dir in /run /mnt; do mount -t tmpfs -o mode=755 tmpfs "$dir"; done
mkdir -p "$3" && mount --bind "$3" /var/lib
"iptables-$1-restore" --counters < "$2"
echo ready
exec sleep 3600
"#;

/// The programs that it must run: a save before, a restore, a save after. $1 is the backend.
const ADD: &str = r#"
set -e
"iptables-$1-save" --counters > /run/before
"iptables-$1-restore" --noflush --counters <<'END'
*nat
:EDGEUTILS-STREAM - [0:0]
-A EDGEUTILS-STREAM -p tcp -m tcp --dport 10351 -j DNAT --to-destination 192.0.2.1:10003
-A OUTPUT -p tcp -m addrtype ! --dst-type LOCAL -m comment --comment "edgeutils: kubectl logs and exec" -j EDGEUTILS-STREAM
COMMIT
END
"iptables-$1-save" --counters > /run/after
"#;

/// The program that it must run without changes.
const LOOK: &str = r#""iptables-$1-save" --counters > /run/before"#;

const CLEAN: &str = r#""$2" --force-namespace remove && rm -rf /var/lib/edgeutils"#;

/// A host, which is removed on drop.
pub(super) struct Host {
    child: Child,
}

impl Host {
    fn start(backend: &str, rules: &Path, journal: &Path) -> Result<Host> {
        let mut child = Command::new("unshare")
            .args(["--mount", "--net", "--propagation", "private", "--", "sh", "-c", START, "sh", backend])
            .args([rules, journal])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot run unshare")?;
        let stdout = child.stdout.take();
        let host = Host { child };
        let mut said = String::new();
        BufReader::new(stdout.context("no pipe")?).read_line(&mut said).context("cannot read from unshare")?;
        if said.trim() != "ready" {
            bail!("cannot make a host with {RULES} rules for {backend}");
        }
        Ok(host)
    }

    /// A command line on it.
    fn argv(&self, words: &[&str]) -> Vec<String> {
        let pid = self.child.id().to_string();
        let enter = ["nsenter", "--target", &pid, "--mount", "--net", "--"];
        enter.iter().chain(words).map(|&word| word.to_owned()).collect()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // It may have exited already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The cases, and their hosts, which must exist while they are measured. Empty without root.
pub(super) fn cases(bin: &Path, scratch: &Path) -> Result<(Vec<Case>, Vec<Host>)> {
    let (mut cases, mut hosts) = (Vec::new(), Vec::new());
    if !nix::unistd::geteuid().is_root() {
        eprintln!("edge-redirect is not measured: not running as root");
        return Ok((cases, hosts));
    }
    let own = bin.join("edge-redirect").to_string_lossy().into_owned();
    let file = scratch.join("rules");
    write(&file, rules::foreign(RULES))?;
    for backend in ["nft", "legacy"] {
        for (what, theirs, is_new, limit) in [("add", ADD, true, 1.3), ("add, in order", LOOK, false, IN_ORDER)] {
            let journal = scratch.join(format!("{backend}-{is_new}"));
            make_dir(&journal)?;
            let host = Host::start(backend, &file, &journal)?;
            let add = host.argv(&[&own, "--force-namespace", "add", "10351=192.0.2.1:10003", "--backend", backend]);
            let mut ours = Program::new("edge-redirect", &add);
            let mut theirs = Program::new("iptables", &host.argv(&["sh", "-c", theirs, "sh", backend]));
            if is_new {
                let clean = host.argv(&["sh", "-c", CLEAN, "sh", backend, &own]);
                (ours, theirs) = (ours.after(&clean), theirs.after(&clean));
            } else {
                ours.time()?;
            }
            let name = format!("edge-redirect {what}, {RULES} rules, {backend}");
            cases.push(Case { name, ours, theirs, measure: Measure::Wall, limit: Limit::Times(limit), runs: RUNS });
            hosts.push(host);
        }
    }
    Ok((cases, hosts))
}
