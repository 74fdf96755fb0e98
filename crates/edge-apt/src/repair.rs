//! Repairs an interrupted installation, and changes nothing else.

use std::time::Duration;

use edge_host::action::Run;
use edge_host::{Action, Cmd, Error, Exit, Host, Mode, Outcome, Plan, Result, Root, apply_part};

use crate::apt::{self, DPKG_CONFFILES, Scope, Simulated};
use crate::diagnose::of_run;
use crate::status::{self, is_interrupted};

pub(crate) const DEADLINE: Duration = Duration::from_secs(30 * 60);
const AUDIT: &str = "test -z \"$(dpkg --audit)\"";
/// Both, as apt takes a half-installed package for installed.
const IS_CONSISTENT: &str = "test -z \"$(dpkg --audit)\" && apt-get check -q";

/// What is unfinished, one line each; empty if nothing must be repaired.
pub fn unfinished(root: &Root) -> Result<Vec<String>> {
    let mut all = Vec::new();
    if is_interrupted(root)? {
        all.push("dpkg was interrupted".to_owned());
    }
    for package in status::of(root)?.unfinished() {
        let state = if package.must_be_reinstalled {
            "half-installed and must be unpacked again"
        } else {
            package.state.as_str()
        };
        all.push(format!("{} is {state}", package.name));
    }
    Ok(all)
}

/// Repairs it: `dpkg --configure -a`, and `apt-get -f install` only if packages are missing or half-installed, the
/// latter by name, as apt takes them for installed.
/// Asks no questions, keeps changed configuration files. apt's locks must be free.
///
/// Refuses (exit 4) if apt would remove packages to repair others. Exit 3 if something is still unfinished.
pub fn repair(host: &mut Host) -> Result<Outcome> {
    let before = unfinished(&host.root)?;
    // While dpkg is interrupted apt refuses even a simulation.
    let is_stopped = is_interrupted(&host.root)?;
    let broken = if is_stopped { None } else { broken(&host.root)? };
    let mut plan = Plan::new();
    if !before.is_empty() && broken.is_none() {
        configure(&mut plan).details = before;
        if host.mode == Mode::DryRun && is_stopped {
            plan.note("then, if packages are still broken: apt-get -f install");
        }
    }
    let configured = apply_part(host, plan);
    let broken = match (host.mode, &configured) {
        (Mode::DryRun, _) => broken,
        // What needs another package, or must be unpacked again, cannot be configured yet: that is next.
        (Mode::Apply, _) if is_interrupted(&host.root)? => None,
        (Mode::Apply, _) => self::broken(&host.root)?,
    };
    let configured = configured.map_err(|error| of_run(error, "repair the interrupted installation"));
    if let (Err(error), None) = (&configured, &broken) {
        return Err(error.clone());
    }
    let mut plan = Plan::new();
    if let Some(would) = broken {
        plan_repair(&would, &fix_broken(&host.root)?, &mut plan)?;
    }
    let repaired = edge_host::apply(host, plan);
    let mut outcome = repaired.map_err(|error| of_run(error, "repair the broken packages"))?;
    if host.mode == Mode::Apply {
        for left in unfinished(&host.root)? {
            host.report.warning(&format!("{left} after the repair: reinstall it with apt-get install --reinstall, or remove it with apt-get remove"));
            outcome.exit = outcome.exit.worst(Exit::Differs);
            host.report.manual_step();
        }
    }
    Ok(outcome)
}

/// Configures what dpkg has unpacked. Not part of a plan, as the resumed run repeats the command that was killed, and
/// that record has the inverse.
pub(crate) fn configure_interrupted(root: &Root) -> Result<()> {
    let dpkg = Cmd::of_argv(&configure_all())?;
    let output = dpkg.output()?;
    // What needs a half-installed package cannot be configured yet: that is unpacked again next.
    if !is_interrupted(root)? {
        return Ok(());
    }
    dpkg.succeeded(output).map_err(|error| of_run(error, "repair the interrupted installation"))?;
    Err(Error::failed("cannot repair the interrupted installation: dpkg was interrupted again")
        .hint("run the same command again"))
}

/// Unpacks half-installed packages again, from these sources or files.
pub(crate) fn reinstall(root: &Root, broken: &[String], from: &[String], scope: &Scope) -> Result<()> {
    let what = format!("unpack {} again", broken.join(", "));
    let call = [again(from), apt::options()].concat();
    refuse_removals(&apt::simulate(scope, &call, &what)?)?;
    let done = Cmd::find("apt-get")?.args(call).args(scope.options()).run();
    done.map_err(|error| of_run(error, &what))?;
    match status::of(root)?.needs_reinstall().as_slice() {
        [] => Ok(()),
        left => Err(Error::failed(format!("cannot {what}: {} is still half-installed", left.join(", ")))
            .hint("show the cause: edge-apt wait --repair")),
    }
}

fn configure_all() -> Vec<String> {
    let mut argv: Vec<String> = ["dpkg", "--configure", "-a"].map(str::to_owned).to_vec();
    argv.extend(DPKG_CONFFILES.map(str::to_owned));
    argv
}

fn configure(plan: &mut Plan) -> &mut Action {
    plan.run(run(configure_all(), AUDIT), "without questions; changed configuration files are kept")
}

/// What apt would do to repair packages and dependencies; none if nothing.
fn broken(root: &Root) -> Result<Option<Simulated>> {
    let would = apt::simulate(&Scope::default(), &fix_broken(root)?, "repair the broken packages")?;
    Ok(if would == Simulated::default() { None } else { Some(would) })
}

fn fix_broken(root: &Root) -> Result<Vec<String>> {
    Ok([again(&status::of(root)?.needs_reinstall()), apt::options()].concat())
}

/// Half-installed packages are named, as apt takes them for installed.
fn again(broken: &[String]) -> Vec<String> {
    let named = if broken.is_empty() { Vec::new() } else { [&["--reinstall".to_owned()], broken].concat() };
    [vec!["--fix-broken".to_owned(), "install".to_owned()], named].concat()
}

/// Packages are not repaired by removing others.
fn refuse_removals(would: &Simulated) -> Result<()> {
    if would.removed.is_empty() {
        return Ok(());
    }
    let names = would.removed.join(" ");
    Err(Error::refused(format!("cannot repair the broken packages: apt would remove {names}"))
        .hint(format!("make the packages that they need available (edge-apt wait --update, an offline folder), or remove them: apt-get remove {names}")))
}

fn plan_repair(would: &Simulated, fix_broken: &[String], plan: &mut Plan) -> Result<()> {
    refuse_removals(would)?;
    let argv = [&["apt-get".to_owned()], fix_broken].concat();
    let lines = would.unpacked.iter().map(|change| format!("{} {}", change.name, change.version)).collect();
    plan.run(run(argv, IS_CONSISTENT), "packages are missing or half-installed").details = lines;
    Ok(())
}

fn run(argv: Vec<String>, probe: &str) -> Run {
    Run::new(argv, DEADLINE).with_probe(["sh", "-c", probe])
}
