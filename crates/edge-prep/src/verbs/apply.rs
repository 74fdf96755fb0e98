//! `edge-prep apply`: the plans of all parts as one run.

use edge_host::{Error, Exit, Host, Mode, Outcome, Plan, Result, apply_part};

use crate::cli::ApplyArgs;
use crate::request::{CgroupPolicy, Request, SwapPolicy};
use crate::{cgroup, kernel, reboot, stored, swap};

pub(crate) fn apply(host: &mut Host, args: &ApplyArgs) -> Result<Outcome> {
    let request = Request::of_args(&args.request)?.ok_or_else(|| {
        Error::usage("cannot apply: no role and no option is given").hint("edge-prep apply --for edgecore")
    })?;
    host.prepare_change()?;
    let mut plan = Plan::new();
    let kernel = kernel::facts(host, &request.modules, &request.sysctls)?;
    kernel::plan(&kernel, &request.modules, &request.sysctls, args.overrides, &mut plan)?;
    let overridden = if args.overrides { Vec::new() } else { kernel::overridden(&kernel, &request.sysctls) };
    let (mut advice, mut warnings) = (Vec::new(), kernel::blocked(&kernel, &request.modules));
    // What is not in effect after a reboot until somebody does something is not what was requested.
    let mut has_manual_step = !overridden.is_empty() || !warnings.is_empty();
    if let Some(policy) = request.swap {
        let facts = swap::facts(host)?;
        advice = swap::advice(&facts, policy);
        if policy == SwapPolicy::Off {
            warnings.extend(swap::without_source(&facts));
        }
        has_manual_step |= swap::plan(facts, policy, &mut plan)?;
    }
    let needs_reboot = match request.memory_cgroup {
        Some(CgroupPolicy::On) => {
            let facts = cgroup::facts(host)?;
            has_manual_step |= cgroup::has_manual_step(&facts);
            cgroup::plan(&facts, &mut plan)?
        }
        Some(CgroupPolicy::Keep) | None => false,
    };
    stored::plan(host, &request, args.request.role.is_some(), &mut plan)?;
    if !plan.is_empty() {
        plan.notes.extend(advice);
    }
    cgroup::report_volatile_changes(cgroup::volatile_root(host)?.as_deref(), &mut plan);
    warnings.extend(overridden.iter().map(|(_, text)| text.clone()));
    for text in &warnings {
        host.report.warning(text);
    }
    if !overridden.is_empty() {
        let options: Vec<String> = overridden.iter().map(|(sysctl, _)| sysctl.option()).collect();
        let command = format!("edge-prep apply {} --override", options.join(" "));
        host.report.hint(&format!("write into a file that sorts after it: {command}"));
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
