//! What an interrupted dpkg left: finished, and nothing else touched.

use std::time::Duration;

use edge_host::action::{Run, Turn};
use edge_host::{Action, Error, Exit, Host, Mode, Outcome, Plan, Result, Root, apply_part};

use crate::apt::{self, DPKG_CONFFILES, Scope, Simulated};
use crate::status::{self, is_interrupted};
use crate::trouble::of_run;

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

/// Finishes it: `dpkg --configure -a`, and `apt-get -f install` only if packages are missing or torn.
/// Nothing asks, changed configuration files stay as they are. Needs apt's locks to be free.
///
/// Refuses (exit 4) where apt would remove packages to mend others. Exit 3 where something is left.
pub fn repair(host: &mut Host) -> Result<Outcome> {
    let before = unfinished(&host.root)?;
    // Where dpkg was stopped in the middle apt does nothing, not even look.
    let is_stopped = is_interrupted(&host.root)?;
    let broken = if is_stopped { None } else { broken()? };
    let mut plan = Plan::new();
    if !before.is_empty() && broken.is_none() {
        configure(&mut plan).details = before;
        if host.mode == Mode::DryRun && is_stopped {
            plan.note("then, if packages are broken after that: apt-get -f install");
        }
    }
    let configured = apply_part(host, plan);
    let broken = match (host.mode, &configured) {
        (Mode::DryRun, _) => broken,
        // One that needs another package, or has to be unpacked again, cannot be configured: that is next.
        (Mode::Apply, _) if is_interrupted(&host.root)? => None,
        (Mode::Apply, _) => self::broken()?,
    };
    let configured = configured.map_err(|error| of_run(error, "finish what dpkg left"));
    if let (Err(error), None) = (&configured, &broken) {
        return Err(error.clone());
    }
    let mut plan = Plan::new();
    if let Some(would) = broken {
        mend(&would, &mut plan)?;
    }
    let mended = edge_host::apply(host, plan);
    let mut outcome = mended.map_err(|error| of_run(error, "mend the broken packages"))?;
    if host.mode == Mode::Apply {
        for left in unfinished(&host.root)? {
            host.report.warning(&format!("{left} all the same: apt-get install --reinstall of it, or apt-get remove"));
            outcome.exit = outcome.exit.worst(Exit::Differs);
        }
    }
    Ok(outcome)
}

fn configure(plan: &mut Plan) -> &mut Action {
    let mut argv: Vec<String> = ["dpkg", "--configure", "-a"].map(str::to_owned).to_vec();
    argv.extend(DPKG_CONFFILES.map(str::to_owned));
    plan.run(run(argv, AUDIT), "nothing asks; changed configuration files stay")
}

/// What apt would do to have every package's dependencies; `None` where it has nothing to do.
fn broken() -> Result<Option<Simulated>> {
    let would = apt::simulate(&Scope::default(), &fix_broken(), "mend the broken packages")?;
    Ok(if would == Simulated::default() { None } else { Some(would) })
}

fn fix_broken() -> Vec<String> {
    [vec!["--fix-broken".to_owned(), "install".to_owned()], apt::options()].concat()
}

fn mend(would: &Simulated, plan: &mut Plan) -> Result<()> {
    if !would.removed.is_empty() {
        let names = would.removed.join(" ");
        return Err(Error::refused(format!("cannot mend the broken packages: apt would remove {names}")).hint(
            format!("bring what they need (edge-apt wait --update, an offline folder), or apt-get remove {names}"),
        ));
    }
    let argv = [vec!["apt-get".to_owned()], fix_broken()].concat();
    let lines = would.unpacked.iter().map(|change| format!("{} {}", change.name, change.version)).collect();
    plan.run(run(argv, IS_CONSISTENT), "packages are missing or torn").details = lines;
    Ok(())
}

fn run(argv: Vec<String>, probe: &str) -> Run {
    let probe = Some(["sh", "-c", probe].map(str::to_owned).to_vec());
    Run { argv, probe, inverse: None, turn: Turn::Reverse, deadline: DEADLINE }
}
