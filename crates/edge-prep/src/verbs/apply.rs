//! `edge-prep apply`: the plans of all parts as one run.

use edge_host::{Error, Exit, Host, Mode, Outcome, Plan, Result, apply_part};

use crate::cli::ApplyArgs;
use crate::facts::Facts;
use crate::plan::{Planned, plan};
use crate::request::Request;
use crate::{cgroup, kernel, reboot, stored};

pub(crate) fn apply(host: &mut Host, args: &ApplyArgs) -> Result<Outcome> {
    let request = Request::of_args(&args.request)?.ok_or_else(|| {
        Error::usage("cannot apply: no role and no option is given").hint("edge-prep apply --for edgecore")
    })?;
    host.prepare_change()?;
    let Planned { mut plan, warnings, hint, advice, mut has_manual_step, needs_reboot } =
        plan(Facts::read(host, &request)?, &request, args.overrides)?;
    stored::plan(host, &request, args.request.role.is_some(), &mut plan)?;
    if !plan.is_empty() {
        plan.notes.extend(advice);
    }
    cgroup::report_volatile_changes(cgroup::volatile_root(host)?.as_deref(), &mut plan);
    for text in &warnings {
        host.report.warning(text);
    }
    if let Some(hint) = hint {
        host.report.hint(&hint);
    }
    apply_part(host, plan)?;

    // Bridge sysctls exist only once their module is loaded.
    let mut plan = Plan::new();
    let kernel = kernel::facts(host, &request.modules, &request.sysctls)?;
    let missing = kernel::missing(&kernel, &request.sysctls);
    let waits = !missing.is_empty();
    if waits && host.mode == Mode::DryRun {
        plan.note("sysctls that appear with their modules would be set next");
    } else {
        // As `check` says.
        has_manual_step |= waits;
        for (text, hint) in &missing {
            host.report.warning(text);
            host.report.hint(hint);
        }
    }
    kernel::live_plan(&kernel, &request.sysctls, &mut plan);
    let mut outcome = edge_host::apply(host, plan)?;
    if waits && host.mode == Mode::DryRun {
        outcome.exit = outcome.exit.worst(Exit::Differs);
        outcome.changed = true;
    }
    if has_manual_step {
        outcome.exit = outcome.exit.worst(Exit::Differs);
        host.report.manual_step();
    }
    if needs_reboot {
        outcome.reboot = true;
        host.report.note("reboot, then run: edge-prep check");
        if !args.request.no_reboot_flag {
            reboot::require(host)?;
        }
    }
    Ok(outcome)
}
