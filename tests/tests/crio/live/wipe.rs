//! Another minor version of CRI-O removes all containers when it starts, and a dry run shows every change of a run.

use edgeutils_tests::tool::Ran;

use super::runtime::{Machine, says};

/// The changes in the records of a call: what and where.
pub(super) fn changes(ran: &Ran) -> Vec<String> {
    let records = ran.stdout.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    records.filter(|one| one["type"] == "action").map(|one| format!("{} {}", one["do"], one["object"])).collect()
}

#[test]
fn another_minor_version_is_refused_while_containers_run() {
    let Some(machine) = Machine::boot("crio_live wipe", &["1.30.4", "1.30.5", "1.31.2", "1.29.3"]) else { return };
    // On a bare host a dry run lists what a run does, enabling and starting included.
    let planned = changes(&machine.install("1.30.4", "-n --json").expect(3));
    let done = changes(&machine.install("1.30.4", "--json").expect(0));
    assert_eq!(planned, done);
    for step in ["multi-user.target.wants/crio.service", "systemctl start --no-block -- crio.service"] {
        assert!(done.iter().any(|change| change.contains(step)), "{step}: {done:#?}");
    }
    let containers = "mkdir -p /run/cri-standin; echo nginx sidecar > /run/cri-standin/containers";
    machine.sh(containers).expect(0);
    let started = machine.sh("systemctl show --value -p InvocationID crio.service").stdout;
    for (version, args) in [("1.31.2", ""), ("1.31.2", "-n"), ("1.29.3", ""), ("1.29.3", "--pause-image a/b -n")] {
        let ran = machine.install(version, args).expect(4);
        let minor = &version[..4];
        says(
            &ran,
            &format!(
                "cannot install CRI-O {version}: 2 containers are running: nginx, sidecar, and CRI-O removes all \
                 containers when it starts as {minor} instead of 1.30\nhint: drain the node first"
            ),
        );
    }
    assert_eq!(machine.sh("systemctl show --value -p InvocationID crio.service").stdout, started);
    // Another release of the same minor version keeps them.
    machine.install("1.30.5", "").expect(0);
    // What CRI-O recorded counts, and images are removed only if it records a version for them.
    machine.sh("echo '\"1.31.9+abc\"' > /run/crio/version").expect(0);
    machine.install("1.31.2", "-n").expect(3);
    machine.sh("echo '\"1.30.5\"' > /run/crio/version").expect(0);
    machine.systemd.write(
        "/etc/crio/crio.conf.d/40-images.conf",
        "[crio]\nversion_file_persist = \"/var/lib/crio/version\"\n",
        "644",
    );
    says(&machine.install("1.31.2", "").expect(4), "CRI-O removes all containers and their images when it starts");
    // Without internal_wipe it removes nothing.
    machine.systemd.write("/etc/crio/crio.conf.d/40-images.conf", "[crio]\ninternal_wipe = false\n", "644");
    machine.install("1.31.2", "-n").expect(3);
    machine.sh("rm /etc/crio/crio.conf.d/40-images.conf; rm /run/crio/version").expect(0);
    // CRI-O does not answer: the containers are found by their processes.
    let id = "0123456789abcdef".repeat(4);
    machine.sh("rm /run/cri-standin/containers; systemctl stop crio.service").expect(0);
    machine
        .sh(&format!("systemd-run -q --unit=crio-{id}.scope --scope sleep 600 >/dev/null 2>&1 </dev/null & sleep 1"))
        .expect(0);
    says(&machine.install("1.31.2", "").expect(4), "cannot install CRI-O 1.31.2: 1 container is running without CRI-O");
    says(&machine.crio("remove").expect(4), "cannot remove CRI-O: 1 container is running without CRI-O");
    says(&machine.crio("remove -n --yes").expect(3), "containers keep running until the next boot, without CRI-O");
    machine.sh(&format!("systemctl stop crio-{id}.scope; systemctl start crio.service; {containers}")).expect(0);

    let planned = machine.install("1.31.2", "-n --yes").expect(3);
    says(&planned, "CRI-O removes all containers when it starts as 1.31 instead of 1.30; 2 containers are running");
    let planned = changes(&machine.install("1.31.2", "-n --yes --json").expect(3));
    assert_eq!(planned, changes(&machine.install("1.31.2", "--yes --json").expect(0)));
    says(&machine.crio("check"), "cri-o 1.31.2 answers");
}
