//! Scripts on a node of their own: private mount, PID, network and UTS namespaces with empty /etc, /run, /var and /mnt,
//! and control groups that are the node's alone, in cgroup v2 and in hierarchies of v1 where the machine has them.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use edge_host::{Cgroup, hierarchies};

use crate::tool::{self, Ran};

/// The hierarchies of v1 that a node has, if they are mounted by these names.
const V1: [&str; 2] = ["pids", "freezer"];

/// $1 is the name of the node's groups, the rest are `MOUNT=HIERARCHY`. The first shell enters the groups, the second one
/// mounts the hierarchies anew, so that these are their tops.
const START: &str = r#"
name=$1; shift
for each; do echo 0 > "${each%%=*}/$name/cgroup.procs" || exit 98; done
exec unshare -mpnuiC --fork --kill-child --propagation private sh -uc "$SETUP" sh "$@"
"#;

/// On the files of this machine.
const SETUP: &str = r#"
exec 2>&1
mount -t proc proc /proc || exit 97
for dir in /etc /run /var /mnt /sys/fs/cgroup; do mount -t tmpfs -o size=64m,mode=755 tmpfs "$dir" || exit 99; done
for each; do
    top=/sys/fs/cgroup/${each#*=}; mkdir "$top"
    if [ "${each#*=}" = unified ]; then mount -t cgroup2 none "$top"; else mount -t cgroup -o "${each#*=}" none "$top"; fi || exit 96
done
ip link set lo up
cd /mnt
eval "$SCRIPT"
"#;

/// For every script.
const PRELUDE: &str = r#"
edge() { edge-reset --force-namespace "$@"; echo "exit $?"; }
until_true() { tries=0; until "$@" 2> /dev/null; do tries=$((tries + 1)); [ $tries -lt 500 ] || { echo "never: $*"; exit 95; }; sleep 0.02; done; }
# A program in the background, in the control group of this name in every hierarchy.
in_group() {
    group=$1; shift
    for top in /sys/fs/cgroup/*; do mkdir -p "$top/$group"; done
    sh -c "for top in /sys/fs/cgroup/*; do echo 0 > \$top/$group/cgroup.procs; done; exec \"\$@\"" sh "$@" &
    last=$!
    until_true grep -q "/$group$" "/proc/$last/cgroup"
}
"#;

/// The control groups of a node, removed with it.
struct Groups {
    name: String,
    tops: Vec<(Cgroup, String)>,
}

impl Groups {
    fn make(v1: &[&str]) -> Groups {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let name = format!("edgeutils-node-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let mut groups = Groups { name, tops: Vec::new() };
        for top in hierarchies().unwrap() {
            let dir = top.dir();
            let is_v2 = dir.join("cgroup.controllers").exists();
            let last = dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let kind = if is_v2 { "unified".to_owned() } else { last };
            if (is_v2 || v1.contains(&kind.as_str())) && std::fs::create_dir(dir.join(&groups.name)).is_ok() {
                groups.tops.push((top, kind));
            }
        }
        groups
    }
}

impl Drop for Groups {
    fn drop(&mut self) {
        for (top, _) in &self.tops {
            if let Ok(Some(group)) = top.child(&self.name) {
                let _ = group.end(Duration::from_secs(20));
                let _ = group.remove();
            }
        }
    }
}

/// Runs a shell script there, with directories of programs before the usual ones; what it and all in it printed is in
/// `stdout`.
pub fn script(programs: &[&Path], text: &str) -> Ran {
    let own = tool::path("edge-reset");
    let dirs = programs.iter().map(|program| program.parent().unwrap()).chain([own.parent().unwrap()]);
    let path: Vec<PathBuf> =
        dirs.map(Path::to_path_buf).chain(["/usr/local/bin", "/usr/sbin", "/usr/bin"].map(PathBuf::from)).collect();
    run(&V1, SETUP, &[("PATH", &std::env::join_paths(path).unwrap())], text)
}

/// The same with another setup of the node, which is given the hierarchies as arguments and ends with the script.
pub(crate) fn run(v1: &[&str], setup: &str, variables: &[(&str, &OsStr)], text: &str) -> Ran {
    let groups = Groups::make(v1);
    let output = Command::new("timeout")
        .args(["--kill-after=1", "120", "sh", "-c", START, "sh", &groups.name])
        .args(groups.tops.iter().map(|(top, kind)| format!("{}={kind}", top.dir().display())))
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("SETUP", setup)
        .env("SCRIPT", format!("{PRELUDE}{text}"))
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    Ran::of(&output)
}
