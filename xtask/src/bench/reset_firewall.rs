//! `edge-reset` on a host with 20,000 rules of kube-proxy among 5,000 of others, against the programs that it must run.

use std::path::Path;

use anyhow::Result;
use edgeutils_tests::rules;

use super::case::{Case, Limit};
use super::firewall::Host;
use super::measure::{Measure, Program};
use crate::workspace::{make_dir, write};

const SERVICES: usize = 2_500;
const RUNS: u16 = 11;
/// Wall clock, against one save and the bare restore of the script.
const AGAINST_PROGRAMS: f64 = 1.5;
/// What edge-reset itself may add to the CPU time of the programs, in milliseconds.
const OWN_CPU: f64 = 150.0;

/// Restores the rules; $1 is the backend, $2 the rules.
const FILL: &str = r#"rm -rf /var/lib/edgeutils && "iptables-$1-restore" --counters < "$2""#;
/// One save and the script in $3; and the chains of both backends and families, which must be looked for.
const PROGRAMS: &str = r#"
for program in iptables ip6tables; do "$program-nft-save" --counters > /run/all; done
nft list flowtables > /run/tables
"iptables-$1-save" --counters > /run/all
"iptables-$1-restore" --noflush --counters < "$3"
"#;

/// The cases, and their hosts, which must exist while they are measured.
pub(super) fn cases(bin: &Path, scratch: &Path) -> Result<(Vec<Case>, Vec<Host>)> {
    let (mut cases, mut hosts) = (Vec::new(), Vec::new());
    let own = bin.join("edge-reset").to_string_lossy().into_owned();
    let (text, script) = rules::services(SERVICES);
    let (rules, removal) = (scratch.join("services.rules"), scratch.join("services.removal"));
    write(&rules, text)?;
    write(&removal, script)?;
    let (rules_path, removal_path) = (rules.to_string_lossy(), removal.to_string_lossy());
    for backend in ["nft", "legacy"] {
        let journal = scratch.join(format!("reset-{backend}"));
        make_dir(&journal)?;
        let host = Host::start(backend, &rules, &journal)?;
        let fill = host.argv(&["sh", "-c", FILL, "sh", backend, &rules_path]);
        let apply = [&own, "--force-namespace", "apply", "--yes", "--only", "firewall"];
        let edgeutils = Program::new("edge-reset", &host.argv(&apply)).after(&fill);
        let programs = host.argv(&["sh", "-c", PROGRAMS, "sh", backend, &rules_path, &removal_path]);
        let reference = Program::new("iptables", &programs).after(&fill);
        for (measure, limit) in
            [(Measure::Wall, Limit::Times(AGAINST_PROGRAMS)), (Measure::Cpu, Limit::TimesAnd(1.0, OWN_CPU))]
        {
            let name = format!("edge-reset apply, 20000 rules of 25000, {backend}");
            cases.push(Case::new(&name, (&edgeutils, &reference), measure, limit, RUNS));
        }
        hosts.push(host);
    }
    Ok((cases, hosts))
}
