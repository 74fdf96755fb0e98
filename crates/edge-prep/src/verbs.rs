//! `edge-prep status`, `apply` and `verify`: what the parts have to say, in one order.

use edge_host::{Error, Exit, Host, Mode, Outcome, Plan, Result, apply_part};

use crate::cgroup::Reboot;
use crate::cli::WantedArgs;
use crate::reboot;
use crate::wanted::{MemoryCgroup, Role, Wanted};
use crate::{asked, cgroup, kernel, stored, swap};

pub(crate) fn status(host: &mut Host) -> Result<Outcome> {
    // Modules and sysctls: those that a role would ask for, and those that were asked for.
    let mut wanted = Wanted::of_role(Role::Edgecore)?;
    if let Some(stored) = stored::read(host)? {
        wanted.modules.extend(stored.modules);
        wanted.sysctls.extend(stored.sysctls);
    }
    let (mut names, mut keys) = (Vec::new(), Vec::new());
    wanted.modules.retain(|module| is_new(&mut names, module.name()));
    wanted.sysctls.retain(|sysctl| is_new(&mut keys, &sysctl.key));
    let mut lines = swap::status(&swap::facts(host)?);
    let cgroup = cgroup::facts(host)?;
    lines.extend(cgroup::status(&cgroup));
    let kernel = kernel::facts(host, &wanted.modules, &wanted.sysctls)?;
    lines.extend(kernel::status(&kernel, &wanted.modules, &wanted.sysctls));
    for line in &lines {
        host.report.status(line);
    }
    cgroup::unreadable(&cgroup).map_or(Ok(Outcome::default()), Err)
}

fn is_new(seen: &mut Vec<String>, name: &str) -> bool {
    let is_new = !seen.iter().any(|other| other == name);
    seen.push(name.to_owned());
    is_new
}

pub(crate) fn apply(host: &mut Host, args: &WantedArgs) -> Result<Outcome> {
    let wanted = asked::wanted(args)?.ok_or_else(Wanted::nothing)?;
    host.prepare_change()?;
    let mut plan = Plan::new();
    let mut reboot = Reboot::No;
    let kernel = kernel::facts(host, &wanted.modules, &wanted.sysctls)?;
    kernel::plan(&kernel, &wanted.modules, &wanted.sysctls, &mut plan)?;
    let mut by_hand = false;
    if let Some(policy) = wanted.swap {
        let facts = swap::facts(host)?;
        swap::plan(&facts, policy, &mut plan)?;
        by_hand = swap::leaves_by_hand(&facts, policy);
    }
    if let Some(policy) = wanted.memory_cgroup {
        reboot = cgroup::plan(&cgroup::facts(host)?, policy, &mut plan)?;
    }
    stored::plan(host, &wanted, &mut plan)?;
    cgroup::report_volatile_changes(&cgroup::overlay_over(host)?, &mut plan);
    apply_part(host, plan)?;

    // Bridge sysctls are there only once their module is.
    let mut plan = Plan::new();
    let kernel = kernel::facts(host, &wanted.modules, &wanted.sysctls)?;
    let waits = kernel::waits_for_module(&kernel, &wanted.sysctls);
    if waits && host.mode == Mode::DryRun {
        plan.note("then, depending on that: sysctls that appear with their modules");
    } else if waits {
        plan.note("some sysctls are not there, as no loaded module brings them; they are set at boot");
    }
    kernel::live_plan(&kernel, &wanted.sysctls, &mut plan);
    let mut outcome = edge_host::apply(host, plan)?;
    if waits && host.mode == Mode::DryRun {
        outcome.exit = outcome.exit.worst(Exit::Differs);
        outcome.changed = true;
    }
    if by_hand {
        // Swap will be back after a reboot, and that is not what was asked for.
        outcome.exit = outcome.exit.worst(Exit::Differs);
    }
    if reboot == Reboot::Needed {
        outcome.reboot = true;
        host.report.note("a reboot is needed: then run edge-prep verify");
        if !args.no_reboot_flag {
            reboot::require(host)?;
        }
    }
    Ok(outcome)
}

pub(crate) fn verify(host: &mut Host, args: &WantedArgs) -> Result<Outcome> {
    let wanted = match asked::wanted(args)? {
        Some(wanted) => wanted,
        None => stored::read(host)?.ok_or_else(|| {
            Error::usage("cannot verify: nothing was applied here yet")
                .hint("say what is wanted: edge-prep verify --for edgecore")
        })?,
    };
    let kernel = kernel::facts(host, &wanted.modules, &wanted.sysctls)?;
    let mut faults = Vec::new();
    if let Some(policy) = wanted.swap {
        faults.extend(swap::faults(&swap::facts(host)?, policy));
    }
    if let Some(policy) = wanted.memory_cgroup {
        let cgroup = cgroup::facts(host)?;
        if let Some(error) = cgroup::unreadable(&cgroup).filter(|_| policy == MemoryCgroup::On) {
            return Err(error);
        }
        faults.extend(cgroup::faults(&cgroup, policy));
    }
    faults.extend(kernel::faults(&kernel, &wanted.modules, &wanted.sysctls));
    Ok(host.report.findings(&faults))
}
