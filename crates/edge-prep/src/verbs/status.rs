//! `edge-prep status`: the state of swap, memory cgroup, modules and sysctls.

use edge_host::{Host, Outcome, Result, StatusLine};

use crate::facts::Facts;
use crate::request::{Request, Role};
use crate::{cgroup, kernel, stored, swap};

pub(crate) fn status(host: &mut Host) -> Result<Outcome> {
    // Modules and sysctls: those of the roles, and those of the last apply.
    let mut request = Request::of_role(Role::Edgecore)?;
    if let Some(stored) = stored::read(host)? {
        request.modules.extend(stored.modules);
        request.sysctls.extend(stored.sysctls);
    }
    let (mut names, mut keys) = (Vec::new(), Vec::new());
    request.modules.retain(|module| is_new(&mut names, module.name()));
    request.sysctls.retain(|sysctl| is_new(&mut keys, &sysctl.key));
    let facts = Facts::read(host, &request)?;
    let mut lines: Vec<StatusLine> = facts.swap.iter().flat_map(swap::status).collect();
    lines.extend(facts.cgroup.iter().flat_map(cgroup::status));
    lines.extend(kernel::status(&facts.kernel, &request.modules, &request.sysctls));
    for line in &lines {
        host.report.status(line);
    }
    facts.cgroup.as_ref().and_then(cgroup::unreadable).map_or(Ok(Outcome::default()), Err)
}

fn is_new(seen: &mut Vec<String>, name: &str) -> bool {
    let is_new = !seen.iter().any(|other| other == name);
    seen.push(name.to_owned());
    is_new
}
