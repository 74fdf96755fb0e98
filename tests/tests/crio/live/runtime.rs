//! CRI-O from a bundle under a real systemd, asked over the real CRI. Only the daemon is a stand-in.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::{Path, PathBuf};

use edgeutils_tests::systemd::Systemd;
use edgeutils_tests::tool::Ran;
use edgeutils_tests::{skip, standin, tool};

struct Machine {
    systemd: Systemd,
}

const CONFLIST: &str = "{\"cniVersion\": \"1.0.0\", \"name\": \"net\", \"plugins\": [{\"type\": \"bridge\", \
\"ipam\": {\"type\": \"host-local\"}}]}\n";

fn bundles(dir: &Path, versions: &[&str]) -> Result<Vec<PathBuf>, String> {
    let arch = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
    let mut archives = Vec::new();
    for version in versions {
        let program = std::fs::read(standin::build(arch, version)?).unwrap();
        archives.push(standin::bundle(dir, version, arch, &program).0);
    }
    Ok(archives)
}

impl Machine {
    fn boot(test: &str, versions: &[&str]) -> Option<Machine> {
        let dir = tempfile::tempdir().unwrap();
        let booted = bundles(dir.path(), versions).and_then(|archives| {
            let mut programs = vec![tool::path("edge-crio"), tool::path("edge-conf")];
            programs.extend(archives);
            let programs: Vec<&Path> = programs.iter().map(PathBuf::as_path).collect();
            Systemd::boot(&programs)
        });
        match booted {
            Ok(systemd) => {
                let own = "rm -rf /etc/crio /etc/cni /etc/containers /opt/cni /etc/docker";
                systemd.sh(&format!("mkdir /run/usb; mv /usr/local/bin/cri-o.* /run/usb; {own}")).expect(0);
                Some(Machine { systemd })
            }
            Err(reason) => {
                skip(test, &reason);
                None
            }
        }
    }

    fn sh(&self, script: &str) -> Ran {
        self.systemd.sh(script)
    }

    fn crio(&self, args: &str) -> Ran {
        self.sh(&format!("edge-crio --force-namespace {args}"))
    }

    fn install(&self, version: &str, args: &str) -> Ran {
        self.sh(&format!(
            "archive=$(ls /run/usb/cri-o.*.v{version}.tar.gz); edge-crio --force-namespace install --version {version} \
             --archive $archive --sha256 $(sha256sum < $archive | cut -d' ' -f1) {args}"
        ))
    }

    /// Everything that an install may touch, but for the journal.
    fn tree(&self) -> String {
        let dirs = "/etc/crio /etc/containers /etc/cni /etc/default /etc/crictl.yaml /etc/systemd/system /opt/cni \
                    /usr/local/bin /usr/local/lib/systemd /usr/local/share/man /usr/libexec/crio /var/lib/edgeutils";
        let ours = "-path '*/journal*' -o -path /var/lib/edgeutils -o -path /var/lib/edgeutils/lock";
        let names = format!("find {dirs} -not \\( {ours} \\) 2>/dev/null | sort");
        self.sh(&format!("{names}; {}", self.sums(dirs))).stdout
    }

    /// The files alone, whatever directories are left.
    fn files(&self) -> String {
        let dirs = "/etc/crio /etc/containers /etc/crictl.yaml /etc/default /etc/systemd/system /opt/cni /usr/local/bin \
                    /usr/local/lib/systemd /usr/libexec/crio";
        self.sh(&format!("find {dirs} -type l 2>/dev/null | sort; {}", self.sums(dirs))).stdout
    }

    fn sums(&self, dirs: &str) -> String {
        format!(
            "find {dirs} -type f -not -path '*/journal/*' -not -path /var/lib/edgeutils/lock -exec sha256sum {{}} + 2>/dev/null | sort"
        )
    }

    fn unit(&self, property: &str) -> String {
        self.sh(&format!("systemctl show --value -p {property} crio.service")).expect(0).stdout.trim().to_owned()
    }
}

fn says(ran: &Ran, text: &str) {
    assert!(ran.stdout.contains(text) || ran.stderr.contains(text), "{text}:\n{}{}", ran.stdout, ran.stderr);
}

#[test]
fn bundle_is_installed_asked_changed_removed_and_all_of_it_taken_back() {
    let Some(machine) = Machine::boot("crio_live bundle", &["1.30.4", "1.30.5"]) else { return };
    let (before, files) = (machine.tree(), machine.files());

    machine.install("1.30.4", "-n").expect(3);
    assert_eq!(machine.tree(), before, "a dry run");
    let ran = machine.install("1.30.4", "").expect(0);
    says(&ran, "cri-o 1.30.4 answers on /var/run/crio/crio.sock (CRI v1, systemd cgroups)");
    says(&ran, "pods get no network yet: /etc/cni/net.d/: no network configuration found");
    assert_eq!((machine.unit("ActiveState"), machine.unit("UnitFileState")), ("active".into(), "enabled".into()));
    machine.sh("systemd-analyze verify /usr/local/lib/systemd/system/crio.service").expect(0);

    let started = machine.unit("InvocationID");
    let again = machine.install("1.30.4", "").expect(0);
    says(&again, "already up to date");
    assert_eq!(machine.unit("InvocationID"), started, "an install of what is there restarts nothing");
    machine.install("1.30.4", "-n").expect(0);

    // What is asked of the configuration is what the daemon uses.
    let ran = machine.install("1.30.4", "--cgroup-driver cgroupfs --pause-image r.example/pause:1").expect(0);
    says(&ran, "(CRI v1, cgroupfs cgroups)");
    assert_ne!(machine.unit("InvocationID"), started);
    machine.install("1.30.4", "--proxy http://proxy.example:3128 --no-proxy 10.0.0.0/8").expect(0);
    let environment =
        machine.sh("tr '\\0' '\\n' < /proc/$(systemctl show --value -p MainPID crio.service)/environ").stdout;
    assert!(environment.contains("HTTPS_PROXY=http://proxy.example:3128\n"), "{environment}");
    assert!(environment.contains("NO_PROXY=10.0.0.0/8\n"), "{environment}");
    machine.sh("echo 'http://me:s3cret%2@proxy.example:1' > /run/proxy").expect(0);
    let secret = machine.install("1.30.4", "--proxy - < /run/proxy").expect(0);
    assert!(
        !secret.stdout.contains("s3cret") && !secret.stderr.contains("s3cret"),
        "{}{}",
        secret.stdout,
        secret.stderr
    );
    let environment =
        machine.sh("tr '\\0' '\\n' < /proc/$(systemctl show --value -p MainPID crio.service)/environ").stdout;
    assert!(environment.contains("HTTP_PROXY=http://me:s3cret%2@proxy.example:1\n"), "{environment}");
    assert!(environment.contains("NO_PROXY=10.0.0.0/8\n"), "what is not named stays: {environment}");
    assert_eq!(machine.sh("stat -c %a /etc/systemd/system/crio.service.d/20-edgeutils.conf").stdout, "600\n");

    // A newer release takes its place while it runs.
    let ran = machine.install("1.30.5", "").expect(0);
    says(&ran, "cri-o 1.30.5 answers");

    // Nothing of it is taken away under a container.
    machine.sh("mkdir -p /run/cri-standin; echo nginx sidecar > /run/cri-standin/containers").expect(0);
    let full = machine.tree();
    let ran = machine.crio("remove").expect(4);
    says(&ran, "cannot take CRI-O away: 2 containers run: nginx, sidecar");
    machine.crio("undo").expect(4);
    let ran = machine.install("1.30.5", "--cgroup-driver systemd").expect(4);
    says(&ran, "cannot change the cgroup driver from cgroupfs to systemd while 2 containers run (nginx, sidecar)");
    assert_eq!(machine.tree(), full, "refusals");
    machine.sh("rm /run/cri-standin/containers").expect(0);
    // Nor under one that runs while nobody can be asked; Podman's, by the same program, are not CRI-O's.
    // What is configured is a copy of a shell here, so that it runs until it is stopped.
    let program = "/usr/local/libexec/mon";
    machine.sh(&format!("mkdir -p /usr/local/libexec; cp /bin/sh {program}; cp /bin/sh /usr/bin/conmon")).expect(0);
    machine.systemd.write(
        "/etc/crio/crio.conf.d/30-monitor.conf",
        &format!("[crio.runtime.runtimes.crun]\nmonitor_path = \"{program}\"\n"),
        "644",
    );
    let monitor = |unit: &str, program: &str, args: &str| {
        let call = format!("systemd-run -q {unit} {program} -c 'sleep 600; exit' {args}");
        machine.sh(&call).expect(0);
    };
    monitor("--unit=m1", program, "--api-version 1 -c x --exit-command /usr/bin/podman");
    monitor("--unit=libpod-conmon-1", "/usr/bin/conmon", "-c x");
    // Any user can give a process this name, and root another program.
    monitor("--unit=m3 --uid=1000", "/usr/bin/conmon", "-c y --exit-dir /var/run/crio/exits");
    monitor("--unit=m4", "/bin/sh", "conmon");
    machine.sh("cp /bin/sh /run/conmon; chmod 755 /run/conmon").expect(0);
    monitor("--unit=m5 --uid=1000", "/run/conmon", "-c y");
    monitor("--unit=m6", "/run/conmon", "-c y");
    machine.crio("remove -n").expect(3);
    for (unit, program) in [("m2", program), ("crio-conmon-1a2b", "/run/conmon"), ("m7", "/usr/bin/conmon")] {
        monitor(&format!("--unit={unit}"), program, "-c y --exit-dir /var/run/crio/exits");
        let ran = machine.crio("remove").expect(4);
        says(&ran, "cannot take CRI-O away: 1 container runs without it (conmon)");
        machine.sh(&format!("systemctl stop {unit}.service")).expect(0);
    }
    // One whose program was replaced since is still one.
    monitor("--unit=m8", program, "-c y");
    machine.sh(&format!("rm {program}")).expect(0);
    says(&machine.crio("remove").expect(4), "(conmon)");
    machine.sh("systemctl stop m8.service; rm /etc/crio/crio.conf.d/30-monitor.conf").expect(0);

    machine.sh("mkdir -p /var/lib/containers/storage; echo mine > /var/lib/containers/storage/image").expect(0);
    machine.crio("remove").expect(0);
    assert_eq!(machine.unit("ActiveState"), "inactive");
    assert_eq!(machine.files(), files, "a removal");
    machine.sh("ls -d /etc/crio /usr/libexec/crio /etc/systemd/system/crio.service.d").expect(2);
    machine.sh("test -e /var/lib/containers/storage/image && test ! -e /var/run/crio/crio.sock").expect(0);
    machine.crio("undo").expect(0);
    assert_eq!(machine.tree(), full, "an undo of a removal");
    says(&machine.crio("check"), "cri-o 1.30.5 answers");

    for _ in 0..5 {
        machine.crio("undo").expect(0);
    }
    assert_eq!(machine.crio("undo").expect(0).stdout, "nothing to undo\n");
    assert_eq!(machine.tree(), before, "all undone");
    assert_eq!(machine.unit("LoadState"), "not-found");
}

#[test]
fn true_cause_of_a_missing_network_is_named() {
    let Some(machine) = Machine::boot("crio_live network", &["1.30.4"]) else { return };
    machine.install("1.30.4", "").expect(0);
    let net = |text: &str| machine.systemd.write("/etc/cni/net.d/10-net.conflist", text, "644");
    let fault = |text: &str| {
        let ran = machine.crio("check").expect(3);
        says(&ran, text);
        says(&ran, "    hint: ");
        assert_eq!(ran.stdout.matches("error: ").count(), 1, "{}", ran.stdout);
    };
    machine.sh("mkdir -p /etc/cni/net.d; echo {} > /etc/cni/net.d/10-x.conflist.disabled").expect(0);
    fault("hint: rename 10-x.conflist.disabled to end in .conflist");
    net("{\"cniVersion\": \"1.0.0\",");
    fault("10-net.conflist:1: error: pods get no network: it is not valid JSON");
    net(&CONFLIST.replace("bridge", "vlan"));
    fault("error: plugins[0].type: pods get no network: vlan is not in /opt/cni/bin/");
    machine.sh("ln -s bridge /opt/cni/bin/vlan-old").expect(0);
    net(&CONFLIST.replace("bridge", "vlan-old"));
    fault("vlan-old supports CNI versions up to 0.4.0, but the network requires 1.0.0");
    machine.sh(r"printf '\177ELF\1\1\1\0\0\0\0\0\0\0\0\0\2\0\50\0' > /opt/cni/bin/arm; truncate -s 64 /opt/cni/bin/arm; echo '#!/bin/sh' > /opt/cni/bin/script; echo text > /opt/cni/bin/text; chmod 755 /opt/cni/bin/*").expect(0);
    net(&CONFLIST.replace("bridge", "arm"));
    fault("/opt/cni/bin/arm is for arm, and this is ");
    net(&CONFLIST.replace("bridge", "script"));
    fault("script does not report its version: cannot read the version of /opt/cni/bin/script");
    net(&CONFLIST.replace("bridge", "text"));
    fault("/opt/cni/bin/text is not a program");
    net(CONFLIST);
    assert!(machine.crio("check").expect(0).stdout.ends_with("no problems found\n"));
    let ran = machine.install("1.30.4", "").expect(0);
    assert!(!ran.stderr.contains("network"), "{}", ran.stderr);

    // What is no fault: another name that is gone, and a user whom the socket is not for.
    machine.sh("rm /etc/systemd/system/cri-o.service").expect(0);
    assert!(machine.crio("check").expect(0).stdout.ends_with("no problems found\n"));
    machine.sh("chmod 660 /run/crio/crio.sock").expect(0);
    let ran =
        machine.sh("setpriv --reuid 65534 --regid 65534 --clear-groups edge-crio --force-namespace check").expect(0);
    says(&ran, "warning: /var/run/crio/crio.sock: is not for this user: CRI-O was not asked\n    hint: run edge-crio");
    // What runs is not always what is installed.
    machine.sh("sed -i s/1.30.4/1.30.5/ /var/lib/edgeutils/edge-crio.json").expect(0);
    says(&machine.crio("check").expect(0), "warning: crio.service: CRI-O 1.30.4 runs, and 1.30.5 is installed");
}

#[test]
fn settings_go_through_a_pipe_into_edgecore_yaml_and_check_knows_when_they_did_not() {
    let Some(machine) = Machine::boot("crio_live settings", &["1.30.4"]) else { return };
    machine.systemd.write("/etc/cni/net.d/10-net.conflist", CONFLIST, "644");
    machine.systemd.write(
        "/etc/kubeedge/config/edgecore.yaml",
        "apiVersion: edgecore.config.kubeedge.io/v1alpha2\nkind: EdgeCore\nmodules:\n  edged:\n    tailoredKubeletConfig:\n      cgroupDriver: cgroupfs\n      containerRuntimeEndpoint: unix:///run/containerd/containerd.sock\n",
        "640",
    );
    machine.install("1.30.4", "--cgroup-driver systemd").expect(0);
    machine.sh("mkdir -p /run/containerd /etc/docker /var/lib/kubelet; touch /run/containerd/containerd.sock; echo '{\"exec-opts\": [\"native.cgroupdriver=cgroupfs\"]}' > /etc/docker/daemon.json; cp /bin/sleep /run/kubelet; systemd-run -q --unit=k /run/kubelet 600").expect(0);
    let ran = machine.crio("check").expect(3);
    says(&ran, "edgecore makes cgroups by cgroupfs, and CRI-O by systemd: no pod starts");
    says(&ran, "edgecore asks the runtime at unix:///run/containerd/containerd.sock, and not CRI-O");
    says(&ran, "kubelet runs beside edgecore");
    says(&ran, "docker makes cgroups by cgroupfs");
    says(&ran, "warning: /run/containerd/containerd.sock: another container runtime listens here as well");
    machine.sh("systemctl stop k.service; rm /run/containerd/containerd.sock").expect(0);

    // sh has no pipefail: the consumer must see that the producer failed.
    machine
        .sh("edge-crio --force-namespace settings | edge-conf --force-namespace --kubeedge-version 1.23 enable crio -")
        .expect(0);
    assert!(machine.crio("check").expect(0).stdout.ends_with("no problems found\n"));
    let keadm = machine.crio("settings --format keadm --kubeedge-version 1.12").expect(0);
    assert_eq!(
        keadm.stdout,
        "--runtimetype=remote --remote-runtime-endpoint=unix:///var/run/crio/crio.sock --cgroupdriver=systemd\n"
    );
    machine.crio("--json settings").expect(2);

    // The daemon's word counts, not that of files changed since it was started.
    machine.systemd.write(
        "/etc/crio/crio.conf.d/90-other.conf",
        "[crio.runtime]\ncgroup_manager = \"cgroupfs\"\nconmon_cgroup = \"pod\"\n",
        "644",
    );
    assert!(machine.crio("settings").expect(0).stdout.contains("cgroupDriver=systemd"));
    let ran = machine.crio("check").expect(3);
    says(&ran, "CRI-O uses systemd, and its files say cgroupfs: they were changed since it was started");
    let ran = machine.install("1.30.4", "--pause-image a/b:1 --cgroup-driver systemd").expect(0);
    says(
        &ran,
        "cgroup_manager will be cgroupfs all the same: /etc/crio/crio.conf.d/90-other.conf comes later and sets it",
    );
    machine.crio("remove").expect(0);
    let ran = machine.sh("rm -rf /etc/crio; edge-crio --force-namespace settings | edge-conf --force-namespace --kubeedge-version 1.23 enable crio -").expect(1);
    says(&ran, "edge-crio: cannot tell CRI-O's settings: it is not installed here");
    says(&ran, "edge-conf: cannot use standard input: it is empty");
}

#[test]
fn daemon_that_does_not_come_up_is_told_of_with_its_log() {
    let Some(machine) = Machine::boot("crio_live failing", &["1.30.4"]) else { return };
    machine.sh("mkdir -p /run/cri-standin; echo 'cannot open the storage' > /run/cri-standin/fail").expect(0);
    let ran = machine.install("1.30.4", "--wait 60").expect(1);
    says(&ran, "level=fatal msg=\"cannot open the storage\"");
    says(&ran, "edge-crio: cannot start crio.service: it ended ");
    // What was unpacked is in place, and not kept a second time.
    machine.sh("test -e /usr/local/bin/crio && test ! -e /var/lib/edgeutils/edge-crio").expect(0);
    let ran = machine.crio("check").expect(3);
    says(&ran, "/var/run/crio/crio.sock: error: cannot ask the runtime");
    // A slow one is waited for, and an old one is asked in its own words.
    machine.sh("rm /run/cri-standin/fail; systemctl stop crio.service; systemctl reset-failed crio.service; echo 1500 > /run/cri-standin/slow; echo v1alpha2 > /run/cri-standin/api").expect(0);
    let ran = machine.install("1.30.4", "").expect(0);
    says(&ran, "cri-o 1.30.4 answers on /var/run/crio/crio.sock (CRI v1alpha2)");
    machine.sh("systemctl mask crio.service; systemctl daemon-reload; rm -f /run/cri-standin/slow").expect(0);
    let ran = machine.install("1.30.4", "--cgroup-driver cgroupfs");
    says(&ran, "crio.service");
    ran.expect(4);
}

#[test]
fn stray_files_and_a_wrong_conmon_group_are_found() {
    let Some(machine) = Machine::boot("crio_live strays", &["1.30.4"]) else { return };
    machine.systemd.write("/etc/cni/net.d/10-net.conflist", CONFLIST, "644");
    machine.install("1.30.4", "").expect(0);
    machine.systemd.write(
        "/etc/crio/crio.conf.d/99-old.conf.dpkg-dist",
        "[crio.runtime]\nconmon_cgroup = \"system.slice\"\ncgroup_manager = \"cgroupfs\"\n",
        "644",
    );
    let ran = machine.crio("check").expect(3);
    says(&ran, "warning: /etc/crio/crio.conf.d/99-old.conf.dpkg-dist: CRI-O loads it too");
    says(&ran, "conmon_cgroup: is \"system.slice\", but with the cgroupfs driver it must be pod: CRI-O does not start");
    // And so it is: the stand-in refuses as CRI-O does.
    machine.sh("systemctl restart crio.service").expect(1);
    // An option counts before all files.
    machine
        .sh("cd /etc/crio/crio.conf.d; mv 99-old.conf.dpkg-dist /run; systemctl reset-failed crio.service")
        .expect(0);
    machine.systemd.write(
        "/etc/default/crio",
        "# --cgroup-manager\nCRIO_CONFIG_OPTIONS=--cgroup-manager=cgroupfs\n",
        "644",
    );
    machine.sh("systemctl restart crio.service").expect(0);
    says(
        &machine.crio("check").expect(0),
        "warning: /etc/default/crio:2: CRI-O uses cgroupfs by this option, and its files say systemd",
    );
    machine.sh("echo > /etc/default/crio; mv /run/99-old.conf.dpkg-dist /etc/crio/crio.conf.d").expect(0);
    // It goes into directories, and ends at what it cannot read.
    machine
        .sh("cd /etc/crio/crio.conf.d; rm 99-old.conf.dpkg-dist; mkdir old; systemctl reset-failed crio.service")
        .expect(0);
    machine.systemd.write(
        "/etc/crio/crio.conf.d/old/x.conf",
        "[crio.runtime]\ncgroup_manager = \"cgroupfs\"\nconmon_cgroup = \"pod\"\n",
        "644",
    );
    machine.sh("systemctl restart crio.service").expect(0);
    let ran = machine.crio("check").expect(0);
    says(&ran, "warning: /etc/crio/crio.conf.d/old/x.conf: CRI-O loads it too");
    assert!(machine.crio("settings").expect(0).stdout.contains("cgroupDriver=cgroupfs"));
    machine.sh("rm -r /etc/crio/crio.conf.d/old; ln -s gone /etc/crio/crio.conf.d/50-gone.conf").expect(0);
    says(&machine.crio("check").expect(3), "/etc/crio/crio.conf.d/50-gone.conf: error: is a link to nothing");
    machine.sh("systemctl restart crio.service").expect(1);
}

#[test]
fn metacopy_goes_where_this_kernel_refuses_it_and_only_there() {
    let Some(machine) = Machine::boot("crio_live metacopy", &["1.30.4"]) else { return };
    let file = "/etc/containers/storage.conf";
    let conf = |options: &str| {
        format!("# ours\n[storage]\ndriver = \"overlay\"\n[storage.options]\nmountopt = \"{options}\" # why\n")
    };
    // The kernel refuses the two together, and so has the older one that knows neither.
    machine.systemd.write(file, &conf("nodev,metacopy=on,redirect_dir=off"), "644");
    machine.sh("grep ' overlay ' /proc/self/mountinfo > /run/mounts").expect(0);
    says(
        &machine.install("1.30.4", "-n").expect(3),
        "would write /etc/containers/storage.conf: with it CRI-O before 1.24 starts no pod",
    );
    machine.install("1.30.4", "").expect(0);
    assert_eq!(machine.systemd.read(file), conf("nodev,redirect_dir=off"));
    machine.crio("undo").expect(0);
    assert_eq!(machine.systemd.read(file), conf("nodev,metacopy=on,redirect_dir=off"));
    // It works here: it stays.
    machine.systemd.write(file, &conf("nodev,metacopy=on"), "644");
    machine.install("1.30.4", "").expect(0);
    assert_eq!(machine.systemd.read(file), conf("nodev,metacopy=on"));
    // Of the distribution's file a copy is made, as it is not ours to change.
    machine.sh(&format!("mkdir -p /usr/share/containers; mv {file} /usr/share/containers/storage.conf; sed -i s/metacopy=on/metacopy=on,redirect_dir=off/ /usr/share/containers/storage.conf")).expect(0);
    says(
        &machine.crio("check"),
        "/usr/share/containers/storage.conf mountopt: asks for nodev,metacopy=on,redirect_dir=off, and this kernel refuses metacopy: CRI-O goes without it",
    );
    machine.install("1.30.4", "").expect(0);
    assert_eq!(machine.systemd.read(file), conf("nodev,redirect_dir=off"));
    // The probe leaves nothing mounted.
    machine.sh("grep ' overlay ' /proc/self/mountinfo | diff /run/mounts -").expect(0);
}
