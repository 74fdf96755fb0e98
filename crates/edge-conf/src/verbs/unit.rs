//! `edge-conf unit COMPONENT`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use edge_host::action::{Bytes, Effect, EffectVerb, Run};
use edge_host::{Error, Exit, Host, Inverse, Mode, Node, Outcome, Plan, Result, Severity, apply};
use edge_kubeedge::Kind;
use edge_systemd::{ADMIN_UNITS, UnitFacts, is_running, systemctl};

use crate::by_hand::{self, ByHand, Runs};
use crate::cli::Options;
use crate::restart;

/// cloudcore ends at once; edgecore first ends its connections.
const GRACE: Duration = Duration::from_secs(30);
const START_WITHIN: Duration = Duration::from_secs(90);

pub(crate) fn run(host: &mut Host, options: &Options, kind: Kind) -> Result<Outcome> {
    let (name, program) = (kind.unit(), kind.program());
    host.must_be_live("write a unit", "it is for a process of the running system", "run it on the host")?;
    host.prepare_change()?;
    if !is_running(&host.root)? {
        return Err(Error::failed(format!("cannot write a unit for {program}: this host does not run systemd"))
            .hint(format!("start {program} from the service manager of this host")));
    }
    let mut plan = Plan::new();
    let facts = UnitFacts::read(&host.root, name)?;
    // Without an inverse: an undo does not end a cloudcore that the nodes are connected to.
    let start = || Run::new(systemctl::argv(&["start"], name), START_WITHIN);
    let process = match by_hand::find(&host.root, kind)? {
        // An earlier call was interrupted after it had enabled the unit and ended the process. A unit may also run
        // another program, such as a container, and then it is active.
        Runs::No if options.restart && facts.is_enabled && !facts.is_masked && !systemctl::is_active(name)? => {
            plan.run(start(), format!("no {program} runs"));
            let outcome = apply(host, plan)?;
            return if is_done(host, outcome) { restart::wait(host, name).map(|()| outcome) } else { Ok(outcome) };
        }
        Runs::No => {
            host.report.note(&format!("no {program} was started by hand: none runs outside of containers"));
            return apply(host, plan);
        }
        Runs::InUnit(unit) => {
            if let Some(finding) = UnitFacts::read(&host.root, &unit)?.not_started(Severity::Note) {
                plan.note(format!("{unit}: {}; {}", finding.text, finding.hint.unwrap_or_default()));
            }
            return apply(host, plan);
        }
        Runs::ByHand(process) => process,
    };
    let path = Path::new(ADMIN_UNITS).join(name);
    let facts = match &facts.file {
        Some(_) => {
            note_other_command(host, &facts, &process)?;
            facts
        }
        None => {
            let text = process.unit(kind)?;
            let was = host.root.find_link(&path)?;
            let node = Node::File { content: Bytes::Known(text.clone().into_bytes()), mode: 0o644 };
            plan.write(&path, was, node, Inverse::Whole, format!("it runs {}", process.command()));
            facts.with_file(&host.root, &path, &text)?
        }
    };
    facts.enable(&mut plan)?;
    if !plan.is_empty() {
        plan.run(systemctl::reload(), "so that systemd reads the unit");
        plan.note(format!("an undo removes the unit; {program} keeps running until it ends or the host reboots"));
    }
    if options.restart {
        let id = process.id.clone();
        let object = format!("process {} ({})", id.pid(), process.program.display());
        let perform = Box::new(move || id.end(GRACE));
        plan.effect(Effect { verb: EffectVerb::End, object, perform }, format!("{name} runs {program} instead"));
        plan.run(start(), "in place of the process");
    }
    let outcome = apply(host, plan)?;
    if is_done(host, outcome) {
        if options.restart {
            return restart::wait(host, name).map(|()| outcome).map_err(|error| {
                error.hint(format!("to start it by hand again: systemctl stop {name}; nohup {} &", process.command()))
            });
        }
        let pid = process.id.pid();
        host.report.hint(&format!(
            "process {pid} keeps running; to run {program} in {name} instead: edge-conf unit {program} --restart"
        ));
    }
    Ok(outcome)
}

fn is_done(host: &Host, outcome: Outcome) -> bool {
    host.mode == Mode::Apply && outcome.exit == Exit::Done
}

/// A unit that exists is the administrator's: what it runs instead is said.
fn note_other_command(host: &mut Host, facts: &UnitFacts, process: &ByHand) -> Result<()> {
    let units = edge_systemd::Units::read(&host.root, edge_systemd::Scope::Now)?;
    let commands = units.settings(&units.find(&facts.name)?)?.exec_start();
    let Some(command) = commands.first() else { return Ok(()) };
    let program = command.argv.first().map(PathBuf::from).unwrap_or_default();
    let is_same = host.root.canonical(&program).is_ok_and(|program| program == process.program)
        && command.argv.get(1..).unwrap_or_default() == process.arguments;
    if !is_same {
        let (name, runs) = (&facts.name, command.argv.join(" "));
        host.report.note(&format!("{name} exists and runs {runs}; the process runs {}", process.command()));
    }
    Ok(())
}
