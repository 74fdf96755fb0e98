//! The monitors of CRI-O's containers (conmon): what holds a container's streams, also while CRI-O itself is down.
//!
//! Any user can call a process conmon, and Podman uses the same program. CRI-O's are root's, run the program that
//! CRI-O is configured with or ships, and are in a control group that CRI-O names (`crio-conmon-ID.scope`, or
//! `crio-conmon-ID` below kubepods with the cgroupfs driver; cri-o's internal/config/cgmgr).

use std::path::{Path, PathBuf};

use edge_host::{Host, Result, processes};

use crate::config::Effective;

const NAMES: [&str; 2] = ["conmon", "conmonrs"];
/// Where CRI-O's packages and bundles have them, and where CRI-O finds one that is not configured.
const PLACES: [&str; 7] = [
    "/usr/libexec/crio/conmon",
    "/usr/libexec/crio/conmonrs",
    "/usr/local/bin/conmon",
    "/usr/local/bin/conmonrs",
    "/usr/bin/conmon",
    "/usr/bin/conmonrs",
    "/usr/libexec/podman/conmon",
];
/// What Podman starts them with to hear of a container's end, and CRI-O never does.
const PODMANS: &str = "--exit-command";

/// How many of them run.
pub(crate) fn of_crio(host: &Host, config: &Effective) -> Result<usize> {
    let configured = config.monitors.iter().map(PathBuf::as_path);
    let mut known: Vec<PathBuf> = configured.chain(PLACES.map(Path::new)).map(Path::to_path_buf).collect();
    // A process is known by the path without links.
    known.extend(known.clone().iter().filter_map(|path| host.root.canonical(path).ok()));
    let is_monitor = |process: &edge_host::Process<'_>| {
        let Some(program) = process.executable() else { return false };
        let (is_known, has_name) = (known.contains(&program), NAMES.iter().any(|name| program.ends_with(name)));
        // Everything else of a host's processes is not looked at.
        (is_known || has_name)
            && process.user() == Some(0)
            && match group_of(&process.cgroups()) {
                Group::Crios => true,
                Group::Podmans => false,
                // CRI-O could not move it, and goes on all the same.
                Group::Unknown => is_known && !process.arguments().iter().any(|word| word == PODMANS),
            }
    };
    Ok(processes(&host.root)?.iter().filter(|process| is_monitor(process)).count())
}

/// Whose control group it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Group {
    Crios,
    Podmans,
    /// Of neither, or there are none.
    Unknown,
}

fn group_of(paths: &[String]) -> Group {
    let any = |is: &dyn Fn(&str) -> bool| paths.iter().flat_map(|path| path.split('/')).any(is);
    if any(&|name| name.starts_with("libpod")) {
        return Group::Podmans;
    }
    let is_crios = |name: &str| {
        name.starts_with("crio-") || name.starts_with("kubepods") || ["crio.service", "cri-o.service"].contains(&name)
    };
    if any(&is_crios) { Group::Crios } else { Group::Unknown }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_tells_whose_monitor_it_is() {
        for (paths, want) in [
            (&["/system.slice/crio-conmon-1a2b.scope"][..], Group::Crios),
            (&["/", "/kubepods/burstable/pod1/crio-conmon-1a2b"], Group::Crios),
            (&["/kubepods.slice/kubepods-pod1.slice/crio-conmon-1a2b.scope"], Group::Crios),
            (&["/podruntime.slice/crio-conmon-1a2b.scope"], Group::Crios),
            (&["/../../system.slice/crio.service"], Group::Crios),
            (&["/machine.slice/libpod-conmon-1a2b.scope"], Group::Podmans),
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
