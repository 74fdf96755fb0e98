//! Plans all parts of a request as one run, from the facts.

use edge_host::{Plan, Result};

use crate::facts::Facts;
use crate::request::{Request, SwapPolicy};
use crate::{cgroup, kernel, swap};

/// What is done before the modules are loaded, and what is not done by it.
#[derive(Debug, Default)]
pub(crate) struct Planned {
    pub(crate) plan: Plan,
    pub(crate) warnings: Vec<String>,
    /// What to do where a later file overrides a requested sysctl.
    pub(crate) hint: Option<String>,
    /// For a plan that changes something.
    pub(crate) advice: Vec<String>,
    /// Whether something is not in effect after a reboot until somebody does something: not what was requested.
    pub(crate) has_manual_step: bool,
    pub(crate) needs_reboot: bool,
}

/// Plans the request. `overrides`: a sysctl that a later file sets to a different value goes into a file after that.
pub(crate) fn plan(facts: Facts, request: &Request, overrides: bool) -> Result<Planned> {
    let Facts { kernel, swap, cgroup } = facts;
    let mut planned = Planned { warnings: kernel::blocked(&kernel, &request.modules), ..Planned::default() };
    kernel::plan(&kernel, &request.modules, &request.sysctls, overrides, &mut planned.plan)?;
    let overridden = if overrides { Vec::new() } else { kernel::overridden(&kernel, &request.sysctls) };
    planned.has_manual_step = !overridden.is_empty() || !planned.warnings.is_empty();
    if let (Some(policy), Some(facts)) = (request.swap, swap) {
        planned.advice = swap::advice(&facts, policy);
        if policy == SwapPolicy::Off {
            planned.warnings.extend(swap::without_source(&facts));
        }
        planned.has_manual_step |= swap::plan(facts, policy, &mut planned.plan)?;
    }
    if let Some(facts) = cgroup {
        planned.has_manual_step |= cgroup::has_manual_step(&facts);
        planned.needs_reboot = cgroup::plan(&facts, &mut planned.plan)?;
    }
    if !overridden.is_empty() {
        let options: Vec<String> = overridden.iter().map(|(sysctl, _)| sysctl.option()).collect();
        let command = format!("edge-prep apply {} --override", options.join(" "));
        planned.hint = Some(format!("write into a file that sorts after it: {command}"));
    }
    planned.warnings.extend(overridden.into_iter().map(|(_, text)| text));
    Ok(planned)
}
