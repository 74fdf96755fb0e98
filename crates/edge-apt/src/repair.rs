//! What an interrupted dpkg left: finished, and nothing else touched.

use std::time::Duration;

use edge_host::action::{Run, UndoOrder};
use edge_host::{Action, Cmd, Error, Exit, Host, Mode, Outcome, Plan, Result, Root, apply_part};

use crate::apt::{self, DPKG_CONFFILES, Scope, Simulated};
use crate::diagnose::of_run;
use crate::status::{self, is_interrupted};

const DEADLINE: Duration = Duration::from_secs(30 * 60);
const AUDIT: &str = "test -z \"$(dpkg --audit)\"";
/// A torn package is no inconsistency to apt.
const IS_CONSISTENT: &str = "test -z \"$(dpkg --audit)\" && apt-get check -q";

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

/// Finishes it: `dpkg --configure -a`, and `apt-get -f install` only if packages are missing or torn,
/// the torn ones by name: apt takes them for installed.
/// Nothing asks, changed configuration files stay as they are. Needs apt's locks to be free.
///
/// Refuses (exit 4) where apt would remove packages to mend others. Exit 3 where something is left.
pub fn repair(host: &mut Host) -> Result<Outcome> {
    let before = unfinished(&host.root)?;
    // Where dpkg was stopped in the middle apt does nothing, not even look.
    let is_stopped = is_interrupted(&host.root)?;
    let broken = if is_stopped { None } else { broken(&host.root)? };
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
        (Mode::Apply, _) => self::broken(&host.root)?,
    };
    let configured = configured.map_err(|error| of_run(error, "finish what dpkg left"));
    if let (Err(error), None) = (&configured, &broken) {
        return Err(error.clone());
    }
    let mut plan = Plan::new();
    if let Some(would) = broken {
        mend(&would, &fix_broken(&host.root)?, &mut plan)?;
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

/// Lets dpkg write down how far it came, and configure what is unpacked. No part of a plan, as the run that
/// goes on owes the command that was ended: its record has the way back.
pub(crate) fn finish_interrupted(root: &Root) -> Result<()> {
    let dpkg = Cmd::of_argv(&configure_all())?;
    let output = dpkg.output()?;
    // What needs a torn package cannot be configured yet: that is unpacked again next.
    if !is_interrupted(root)? {
        return Ok(());
    }
    dpkg.succeeded(output).map_err(|error| of_run(error, "finish what dpkg left"))?;
    Err(Error::failed("cannot finish what dpkg left: it was interrupted again").hint("run the same command again"))
}

/// Unpacks torn packages again, from these sources or files.
pub(crate) fn unpack_again(root: &Root, torn: &[String], from: &[String], scope: &Scope) -> Result<()> {
    let what = format!("unpack {} again", torn.join(", "));
    let call = [again(from), apt::options()].concat();
    may_not_go(&apt::simulate(scope, &call, &what)?)?;
    let done = Cmd::find("apt-get")?.args(call).args(scope.options()).run();
    done.map_err(|error| of_run(error, &what))?;
    match status::of(root)?.needs_reinstall().as_slice() {
        [] => Ok(()),
        left => Err(Error::failed(format!("cannot {what}: {} is torn all the same", left.join(", ")))
            .hint("edge-apt wait --repair says why")),
    }
}

fn configure_all() -> Vec<String> {
    let mut argv: Vec<String> = ["dpkg", "--configure", "-a"].map(str::to_owned).to_vec();
    argv.extend(DPKG_CONFFILES.map(str::to_owned));
    argv
}

fn configure(plan: &mut Plan) -> &mut Action {
    plan.run(run(configure_all(), AUDIT), "nothing asks; changed configuration files stay")
}

/// What apt would do to have every package whole and its dependencies; `None` where it has nothing to do.
fn broken(root: &Root) -> Result<Option<Simulated>> {
    let would = apt::simulate(&Scope::default(), &fix_broken(root)?, "mend the broken packages")?;
    Ok(if would == Simulated::default() { None } else { Some(would) })
}

fn fix_broken(root: &Root) -> Result<Vec<String>> {
    Ok([again(&status::of(root)?.needs_reinstall()), apt::options()].concat())
}

/// Torn packages are named: apt takes them for installed.
fn again(torn: &[String]) -> Vec<String> {
    let named = if torn.is_empty() { Vec::new() } else { [&["--reinstall".to_owned()], torn].concat() };
    [vec!["--fix-broken".to_owned(), "install".to_owned()], named].concat()
}

/// What is broken is not mended by taking packages away.
fn may_not_go(would: &Simulated) -> Result<()> {
    if would.removed.is_empty() {
        return Ok(());
    }
    let names = would.removed.join(" ");
    Err(Error::refused(format!("cannot mend the broken packages: apt would remove {names}"))
        .hint(format!("bring what they need (edge-apt wait --update, an offline folder), or apt-get remove {names}")))
}

fn mend(would: &Simulated, fix_broken: &[String], plan: &mut Plan) -> Result<()> {
    may_not_go(would)?;
    let argv = [&["apt-get".to_owned()], fix_broken].concat();
    let lines = would.unpacked.iter().map(|change| format!("{} {}", change.name, change.version)).collect();
    plan.run(run(argv, IS_CONSISTENT), "packages are missing or torn").details = lines;
    Ok(())
}

fn run(argv: Vec<String>, probe: &str) -> Run {
    let probe = Some(["sh", "-c", probe].map(str::to_owned).to_vec());
    Run { argv, probe, inverse: None, undo_order: UndoOrder::Reverse, deadline: DEADLINE }
}
