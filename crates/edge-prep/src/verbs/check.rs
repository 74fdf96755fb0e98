//! `edge-prep check`: what is not in the requested state.

use edge_host::{Error, Host, Outcome, Result};

use crate::cli::RequestArgs;
use crate::request::{CgroupPolicy, Request};
use crate::{cgroup, kernel, stored, swap};

pub(crate) fn check(host: &mut Host, args: &RequestArgs) -> Result<Outcome> {
    let request = match Request::of_args(args)? {
        Some(request) => request,
        None => stored::read(host)?.ok_or_else(|| {
            Error::usage("cannot check: no role and no option is given, and edge-prep apply has not run here")
                .hint("edge-prep check --for edgecore")
        })?,
    };
    let kernel = kernel::facts(host, &request.modules, &request.sysctls)?;
    let mut findings = Vec::new();
    if let Some(policy) = request.swap {
        findings.extend(swap::findings(&swap::facts(host)?, policy));
    }
    if request.memory_cgroup == Some(CgroupPolicy::On) {
        let cgroup = cgroup::facts(host)?;
        if let Some(error) = cgroup::unreadable(&cgroup) {
            return Err(error);
        }
        findings.extend(cgroup::findings(&cgroup));
    }
    findings.extend(kernel::findings(&kernel, &request.modules, &request.sysctls));
    Ok(host.report.findings(&findings))
}
