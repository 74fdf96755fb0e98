//! Counts the monitors of CRI-O's containers (conmon), which keep running while CRI-O itself is down.
//!
//! Any user can name a process conmon, and Podman uses the same program. CRI-O's monitors are owned by root, run the
//! program that CRI-O is configured with or ships, and are in a cgroup named by CRI-O (`crio-conmon-ID.scope`, or
//! `crio-conmon-ID` below kubepods with the cgroupfs driver; cri-o's internal/config/cgmgr).

use std::path::{Path, PathBuf};

use edge_host::{Host, Result, processes};

use crate::config::Effective;

const NAMES: [&str; 2] = ["conmon", "conmonrs"];
/// Where packages and bundles of CRI-O install them, and where CRI-O looks if none is configured.
const PLACES: [&str; 7] = [
    "/usr/libexec/crio/conmon",
    "/usr/libexec/crio/conmonrs",
    "/usr/local/bin/conmon",
    "/usr/local/bin/conmonrs",
    "/usr/bin/conmon",
    "/usr/bin/conmonrs",
    "/usr/libexec/podman/conmon",
];
/// An option that Podman always gives them, and CRI-O never.
const PODMAN_OPTION: &str = "--exit-command";

/// The number of running monitors of CRI-O's containers.
pub(crate) fn count(host: &Host, config: &Effective) -> Result<usize> {
    let configured = config.monitors.iter().map(PathBuf::as_path);
    let mut known: Vec<PathBuf> = configured.chain(PLACES.map(Path::new)).map(Path::to_path_buf).collect();
    // The path of a process's executable is without links.
    known.extend(known.clone().iter().filter_map(|path| host.root.canonical(path).ok()));
    let is_monitor = |process: &edge_host::Process<'_>| {
        let Some(program) = process.executable() else { return false };
        let (is_known, has_name) = (known.contains(&program), NAMES.iter().any(|name| program.ends_with(name)));
        // Only then is more read of the process.
        (is_known || has_name)
            && process.user() == Some(0)
            && match group_of(&process.cgroups()) {
                Group::Crio => true,
                Group::Podman => false,
                // CRI-O ignores a failure to move it into its cgroup.
                Group::Unknown => is_known && !process.arguments().iter().any(|word| word == PODMAN_OPTION),
            }
    };
    Ok(processes(&host.root)?.iter().filter(|process| is_monitor(process)).count())
}

/// The owner of a cgroup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Group {
    Crio,
    Podman,
    /// Neither, or the process has no cgroup.
    Unknown,
}

fn group_of(paths: &[String]) -> Group {
    let any = |is: &dyn Fn(&str) -> bool| paths.iter().flat_map(|path| path.split('/')).any(is);
    if any(&|name| name.starts_with("libpod")) {
        return Group::Podman;
    }
    let is_crio = |name: &str| {
        name.starts_with("crio-") || name.starts_with("kubepods") || ["crio.service", "cri-o.service"].contains(&name)
    };
    if any(&is_crio) { Group::Crio } else { Group::Unknown }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn group_of_finds_the_owner_of_a_cgroup() {
        for (paths, want) in [
            (&["/system.slice/crio-conmon-1a2b.scope"][..], Group::Crio),
            (&["/", "/kubepods/burstable/pod1/crio-conmon-1a2b"], Group::Crio),
            (&["/kubepods.slice/kubepods-pod1.slice/crio-conmon-1a2b.scope"], Group::Crio),
            (&["/podruntime.slice/crio-conmon-1a2b.scope"], Group::Crio),
            (&["/../../system.slice/crio.service"], Group::Crio),
            (&["/machine.slice/libpod-conmon-1a2b.scope"], Group::Podman),
            (&["/user.slice/user-0.slice/session-1.scope"], Group::Unknown),
            (&["/system.slice/notcrio.service"], Group::Unknown),
            (&["/", "/"], Group::Unknown),
            (&[], Group::Unknown),
        ] {
            let paths: Vec<String> = paths.iter().map(|path| (*path).to_owned()).collect();
            assert_eq!(group_of(&paths), want, "{paths:?}");
        }
    }
}
