//! `edge-redirect` on hosts with many rules, against the xtables programs that it must run.
//!
//! With nf_tables only a few chains are read, so the cost must not depend on the rules in other chains. With x_tables all
//! rules are read, as its programs cannot do less.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};
use edgeutils_tests::rules;

use super::case::{Case, Limit};
use super::measure::{Measure, Program};
use crate::workspace::{make_dir, write};

/// How many rules other programs have, in chains that are not read.
const COUNTS: [usize; 3] = [0, 10_000, 100_000];
const RULES: usize = 10_000;
const RUNS: u16 = 41;
const REDIRECT: &str = "10351=192.0.2.1:10003";

/// CPU time against that of the programs that must run.
const AGAINST_PROGRAMS: f64 = 1.5;
/// CPU time against that without rules in other chains.
const AGAINST_NONE: f64 = 1.2;
/// x_tables, wall clock: all rules are parsed, beside the restore of the programs.
const LEGACY: f64 = 1.3;

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

/// The programs that it must run with nf_tables: the chains before, a restore, the chains after.
const NFT_READ: &str = r#"
for chain in PREROUTING OUTPUT EDGEUTILS-STREAM; do "$1-nft" -t nat -v -S $chain > /run/chain 2>&1 || :; done
"#;

/// The same with x_tables: a save before, a restore, a save after; and each time the chains of nf_tables, as connections
/// pass the rules of both.
const LEGACY_READ: &str = r#"
for chain in PREROUTING OUTPUT EDGEUTILS-STREAM; do iptables-nft -t nat -v -S $chain > /run/chain 2>&1 || :; done
iptables-legacy-save --counters > /run/all
"#;

const RESTORE: &str = r#"
"$1-$2-restore" --noflush --counters <<'END'
*nat
:EDGEUTILS-STREAM - [0:0]
-A EDGEUTILS-STREAM -p tcp -m tcp --dport 10351 -j DNAT --to-destination 192.0.2.1:10003
-A OUTPUT -p tcp -m addrtype ! --dst-type LOCAL -m comment --comment "edgeutils: kubectl logs and exec" -j EDGEUTILS-STREAM
COMMIT
END
"#;

const CLEAN: &str = r#""$2" --force-namespace remove && rm -rf /var/lib/edgeutils"#;

/// A host, which is removed on drop.
pub(super) struct Host {
    child: Child,
}

impl Host {
    pub(super) fn start(backend: &str, rules: &Path, journal: &Path) -> Result<Host> {
        Host::of(START, &[Path::new(backend), rules, journal])
            .with_context(|| format!("cannot make a host with the rules of {} for {backend}", rules.display()))
    }

    /// A mount and a network namespace of their own, kept by a script that prints `ready`.
    pub(super) fn of(script: &str, args: &[&Path]) -> Result<Host> {
        let mut child = Command::new("unshare")
            .args(["--mount", "--net", "--propagation", "private", "--", "sh", "-c", script, "sh"])
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot run unshare")?;
        let stdout = child.stdout.take();
        let host = Host { child };
        let mut said = String::new();
        BufReader::new(stdout.context("no pipe")?).read_line(&mut said).context("cannot read from unshare")?;
        if said.trim() != "ready" {
            bail!("the script failed");
        }
        Ok(host)
    }

    /// A command line on it.
    pub(super) fn argv(&self, words: &[&str]) -> Vec<String> {
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

/// What is measured.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Verb {
    Status,
    Add,
    AddAgain,
}

impl Verb {
    fn name(self) -> &'static str {
        match self {
            Verb::Status => "status",
            Verb::Add => "add",
            Verb::AddAgain => "add, in order",
        }
    }

    /// The script of the programs that it must run.
    fn programs(self, read: &str) -> String {
        match self {
            // Of both address families.
            Verb::Status => format!("{read}set ip6tables; {read}"),
            Verb::Add => format!("{read}{RESTORE}{read}"),
            Verb::AddAgain => read.to_owned(),
        }
    }
}

/// A call on a host, and the programs that it must run.
fn pair(host: &Host, own: &str, verb: Verb, backend: &str) -> (Program, Program) {
    let add = [own, "--force-namespace", "add", REDIRECT, "--backend", backend];
    let (call, name) = if verb == Verb::Status { (vec![own, "status"], "status") } else { (add.to_vec(), "add") };
    let read = if backend == "nft" { NFT_READ } else { LEGACY_READ };
    let script = verb.programs(read);
    let edgeutils = Program::new(&format!("edge-redirect {name}"), &host.argv(&call));
    let reference = Program::new("iptables", &host.argv(&["sh", "-c", &script, "sh", "iptables", backend]));
    let before = match verb {
        Verb::Add => host.argv(&["sh", "-c", CLEAN, "sh", backend, own]),
        Verb::Status | Verb::AddAgain => host.argv(&add),
    };
    (edgeutils.after(&before), reference.after(&before))
}

/// Rules in chains that no other rule jumps to: the kernel checks all chains that are reached whenever a rule is added.
fn unreached(count: usize) -> String {
    let mut text =
        "*nat\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n"
            .to_owned();
    let chains = count.div_ceil(100);
    text.extend((0..chains).map(|chain| format!(":OTHER-{chain} - [0:0]\n")));
    text.extend(
        (0..count)
            .map(|rule| format!("-A OTHER-{} -p tcp -m tcp --dport {} -j RETURN\n", rule / 100, rule % 60_000 + 1)),
    );
    text + "-A OUTPUT -p udp -j ACCEPT\n-A PREROUTING -p udp -j ACCEPT\nCOMMIT\n"
}

/// The cases, and their hosts, which must exist while they are measured.
pub(super) fn cases(bin: &Path, scratch: &Path) -> Result<(Vec<Case>, Vec<Host>)> {
    let (mut cases, mut hosts) = (Vec::new(), Vec::new());
    let own = bin.join("edge-redirect").to_string_lossy().into_owned();
    let host = |name: String, backend: &str, text: String| {
        let (file, journal) = (scratch.join(format!("{name}.rules")), scratch.join(name));
        write(&file, text)?;
        make_dir(&journal)?;
        Host::start(backend, &file, &journal)
    };
    for count in COUNTS {
        let on = host(format!("nft-{count}"), "nft", rules::foreign(count))?;
        for verb in [Verb::Status, Verb::Add, Verb::AddAgain] {
            let (edgeutils, reference) = pair(&on, &own, verb, "nft");
            let name = format!("edge-redirect {}, {count} other rules, nft", verb.name());
            let limit = Limit::Times(AGAINST_PROGRAMS);
            cases.push(Case { name, edgeutils, reference, measure: Measure::Cpu, limit, runs: RUNS });
        }
        hosts.push(on);
    }
    let none = host("unreached-0".to_owned(), "nft", unreached(0))?;
    for count in COUNTS.into_iter().skip(1) {
        let on = host(format!("unreached-{count}"), "nft", unreached(count))?;
        for verb in [Verb::Status, Verb::Add, Verb::AddAgain] {
            let (edgeutils, reference) = (pair(&on, &own, verb, "nft").0, pair(&none, &own, verb, "nft").0);
            let name = format!("edge-redirect {}, {count} other rules against none, nft", verb.name());
            let limit = Limit::Times(AGAINST_NONE);
            cases.push(Case { name, edgeutils, reference, measure: Measure::Cpu, limit, runs: RUNS });
        }
        hosts.push(on);
    }
    hosts.push(none);
    let on = host("legacy".to_owned(), "legacy", rules::foreign(RULES))?;
    for verb in [Verb::Add, Verb::AddAgain] {
        let (edgeutils, reference) = pair(&on, &own, verb, "legacy");
        let name = format!("edge-redirect {}, {RULES} rules, legacy", verb.name());
        cases.push(Case {
            name,
            edgeutils,
            reference,
            measure: Measure::Wall,
            limit: Limit::Times(LEGACY),
            runs: RUNS,
        });
    }
    hosts.push(on);
    Ok((cases, hosts))
}
