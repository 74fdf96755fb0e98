//! From the command line to what is wanted.

use edge_host::Result;

use crate::cli::WantedArgs;
use crate::kernel::{Module, Sysctl};
use crate::wanted::Wanted;

/// What these options ask for; none where they ask for nothing.
pub(crate) fn wanted(args: &WantedArgs) -> Result<Option<Wanted>> {
    let mut wanted = match args.role {
        Some(role) => Wanted::of_role(role)?,
        None => Wanted::default(),
    };
    wanted.swap = args.swap.or(wanted.swap);
    wanted.memory_cgroup = args.memory_cgroup.or(wanted.memory_cgroup);
    for name in &args.modules {
        let module = Module::parse(name)?;
        if !wanted.modules.iter().any(|other| other.kernel_name() == module.kernel_name()) {
            wanted.modules.push(module);
        }
    }
    for text in &args.sysctls {
        let sysctl = Sysctl::parse(text)?;
        // The last word on a key is the user's.
        wanted.sysctls.retain(|other| other.key != sysctl.key);
        wanted.sysctls.push(sysctl);
    }
    Ok((wanted != Wanted::default()).then_some(wanted))
}
