//! `edge-prep check`: what is not in the requested state.

use edge_host::{Error, Host, Outcome, Result};

use crate::cli::RequestArgs;
use crate::facts::Facts;
use crate::request::Request;
use crate::{cgroup, kernel, stored, swap};

pub(crate) fn check(host: &mut Host, args: &RequestArgs) -> Result<Outcome> {
    let request = match Request::of_args(args)? {
        Some(request) => request,
        None => stored::read(host)?.ok_or_else(|| {
            Error::usage("cannot check: no role and no option is given, and edge-prep apply has not run here")
                .hint("edge-prep check --for edgecore")
        })?,
    };
    let facts = Facts::read(host, &request)?;
    let mut findings = Vec::new();
    if let (Some(policy), Some(swap)) = (request.swap, &facts.swap) {
        findings.extend(swap::findings(swap, policy));
    }
    if let Some(cgroup) = &facts.cgroup {
        if let Some(error) = cgroup::unreadable(cgroup) {
            return Err(error);
        }
        findings.extend(cgroup::findings(cgroup));
    }
    findings.extend(kernel::findings(&facts.kernel, &request.modules, &request.sysctls));
    Ok(host.report.findings(&findings))
}
