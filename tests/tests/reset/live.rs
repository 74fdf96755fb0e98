//! Tests in private namespaces, which an emulated machine does not have.

mod cgroups;
mod files;
mod firewall;
mod full;
mod links;
mod mounts;
mod plan;
mod pods;
mod processes;
mod purge;
mod runtimes;
mod units;

use edgeutils_tests::live::cannot_unshare;
use edgeutils_tests::tool;

/// A host with an /etc of its own, without networks of CNI.
const ETC: &str = r#"
mkdir -p /mnt/up /mnt/work /run/netns
mount -t overlay overlay -o lowerdir=/etc,upperdir=/mnt/up,workdir=/mnt/work /etc || exit 99
rm -rf /etc/cni; mkdir -p /etc/cni/net.d /var/lib/cni/results
"#;

/// Runs a script there, and compares what it prints line by line; `reset` runs a phase.
#[track_caller]
fn transcript(phase: &str, test: &str, text: &str, want: &str) {
    if !cannot_unshare(test) {
        let program = tool::path("edge-reset").to_string_lossy().into_owned();
        let reset = format!("reset() {{ edge \"$@\" --only {phase}; }}\n");
        edgeutils_tests::live::transcript(&program, &format!("{ETC}{reset}{text}"), want);
    }
}
