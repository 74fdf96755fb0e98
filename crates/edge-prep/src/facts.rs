//! What is read of a host, of the parts that a request names.

use edge_host::{Host, Result};

use crate::request::{CgroupPolicy, Request};
use crate::{cgroup, kernel, swap};

/// The facts about the requested parts.
#[derive(Debug)]
pub(crate) struct Facts {
    pub(crate) kernel: kernel::Facts,
    /// None where swap is not requested.
    pub(crate) swap: Option<swap::Facts>,
    /// None where the memory cgroup is not requested, or may stay as it is.
    pub(crate) cgroup: Option<cgroup::Facts>,
}

impl Facts {
    pub(crate) fn read(host: &Host, request: &Request) -> Result<Facts> {
        let needs_cgroup = request.memory_cgroup == Some(CgroupPolicy::On);
        Ok(Facts {
            kernel: kernel::facts(host, &request.modules, &request.sysctls)?,
            swap: request.swap.map(|_| swap::facts(host)).transpose()?,
            cgroup: needs_cgroup.then(|| cgroup::facts(host)).transpose()?,
        })
    }
}
