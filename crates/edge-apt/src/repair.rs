//! What an interrupted dpkg left: finished, and nothing else touched.

use std::time::Duration;

use edge_host::action::{Run, Turn};
use edge_host::{Cmd, Error, Exit, Host, Outcome, Plan, Result, Root, apply_part};

use crate::apt::{self, CONFFILES, Scope};
use crate::facts::is_interrupted;
use crate::status;

const DEADLINE: Duration = Duration::from_secs(30 * 60);
const AUDIT: &str = "test -z \"$(dpkg --audit)\"";
const IS_CONSISTENT: &str = "apt-get check -q";

/// What is unfinished, a line each; empty where nothing is to be mended.
pub fn unfinished(root: &Root) -> Result<Vec<String>> {
    let mut all = Vec::new();
    if is_interrupted(root)? {
        all.push("dpkg was interrupted in the middle".to_owned());
    }
    for package in status::of(root)?.unfinished() {
        let state = if package.must_be_reinstalled { "torn, to be unpacked again" } else { package.state.as_str() };
        all.push(format!("{} is {state}", package.name));
    }
    Ok(all)
}

/// Finishes it: `dpkg --configure -a`, and `apt-get -f install` only if packages are broken after
/// that. Nothing asks, changed configuration files stay as they are. Needs apt's locks to be free.
///
/// Refuses (exit 4) where apt would remove packages to mend others. Exit 3 where something is left.
pub fn repair(host: &mut Host) -> Result<Outcome> {
    let mut plan = Plan::new();
    let before = unfinished(&host.root)?;
    if !before.is_empty() {
        let mut argv: Vec<String> = ["dpkg", "--configure", "-a"].map(str::to_owned).to_vec();
        argv.extend(
            CONFFILES
                .iter()
                .filter_map(|option| option.split_once('='))
                .map(|(_, option)| option.trim_start_matches('=').to_owned()),
        );
        plan.run(run(argv, AUDIT), "nothing asks; changed configuration files stay").details.clone_from(&before);
    }
    let dpkg_first = !plan.is_empty();
    if let Err(error) = apply_part(host, plan) {
        // What cannot be configured may be a package that has to be unpacked again, or one that is missing.
        if error.exit() != Exit::Failed || unfinished(&host.root)? == before {
            return Err(error);
        }
        host.report.warning(error.message());
    }
    let mut plan = Plan::new();
    let dry = host.mode == edge_host::Mode::DryRun;
    if dry && dpkg_first {
        plan.note("then, if packages are broken after that: apt-get -f install");
    } else if !is_consistent()? || !unfinished(&host.root)?.is_empty() {
        let arguments = [vec!["--fix-broken".to_owned(), "install".to_owned()], apt::options()].concat();
        let would = apt::simulate(&Scope::default(), &arguments, "mend the broken packages")?;
        if !would.removed.is_empty() {
            let names = would.removed.join(" ");
            return Err(Error::refused(format!("cannot mend the broken packages: apt would remove {names}")).hint(
                format!(
                    "if they may go: apt-get -f install; otherwise bring what they need, or apt-get remove {names}"
                ),
            ));
        }
        let argv = [vec!["apt-get".to_owned()], arguments].concat();
        let details = would.unpacked.iter().map(|change| format!("{} {}", change.name, change.version)).collect();
        plan.run(run(argv, IS_CONSISTENT), "packages are broken").details = details;
    }
    let mut outcome = edge_host::apply(host, plan)?;
    if !dry {
        for left in unfinished(&host.root)? {
            host.report.warning(&format!("{left} all the same: apt-get install --reinstall of it, or apt-get remove"));
            outcome.exit = outcome.exit.worst(Exit::Differs);
        }
    }
    Ok(outcome)
}

fn is_consistent() -> Result<bool> {
    Ok(Cmd::find("apt-get")?.args(["check", "-q"]).output()?.status.success())
}

fn run(argv: Vec<String>, probe: &str) -> Run {
    let probe = Some(["sh", "-c", probe].map(str::to_owned).to_vec());
    Run { argv, probe, inverse: None, turn: Turn::Reverse, deadline: DEADLINE }
}
