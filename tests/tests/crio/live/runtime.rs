//! CRI-O from a bundle under a real systemd, queried over the real CRI. Only the daemon is a stand-in.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::{Path, PathBuf};

use edgeutils_tests::systemd::Systemd;
use edgeutils_tests::tool::Ran;
use edgeutils_tests::{skip, standin, tool};

pub(super) struct Machine {
    pub(super) systemd: Systemd,
}

const CONFLIST: &str = "{\"cniVersion\": \"1.0.0\", \"name\": \"net\", \"plugins\": [{\"type\": \"bridge\", \
\"ipam\": {\"type\": \"host-local\", \"subnet\": \"10.85.0.0/16\"}}]}\n";

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
    pub(super) fn boot(test: &str, versions: &[&str]) -> Option<Machine> {
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

    pub(super) fn sh(&self, script: &str) -> Ran {
        self.systemd.sh(script)
    }

    pub(super) fn crio(&self, args: &str) -> Ran {
        self.sh(&format!("edge-crio --force-namespace {args}"))
    }

    pub(super) fn install(&self, version: &str, args: &str) -> Ran {
        self.sh(&format!(
            "archive=$(ls /run/usb/cri-o.*.v{version}.tar.gz); edge-crio --force-namespace install --version {version} \
             --archive $archive --sha256 $(sha256sum < $archive | cut -d' ' -f1) {args}"
        ))
    }

    /// Everything that an install may change, except for the journal.
    fn tree(&self) -> String {
        // CRI-O itself makes /etc/cni/net.d.
        let dirs = "/etc/crio /etc/containers /etc/default /etc/crictl.yaml /etc/systemd/system /opt/cni \
                    /usr/local/bin /usr/local/lib/systemd /usr/local/share/man /usr/libexec/crio /var/lib/edgeutils";
        let own = "-path '*/journal*' -o -path /var/lib/edgeutils -o -path /var/lib/edgeutils/lock";
        let names = format!("find {dirs} -not \\( {own} \\) 2>/dev/null | sort");
        self.sh(&format!("{names}; {}", self.sums(dirs))).stdout
    }

    /// Only the files and links.
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

pub(super) fn says(ran: &Ran, text: &str) {
    assert!(ran.stdout.contains(text) || ran.stderr.contains(text), "{text}:\n{}{}", ran.stdout, ran.stderr);
}

#[test]
fn bundle_is_installed_configured_removed_and_all_of_it_undone() {
    let Some(machine) = Machine::boot("crio_live bundle", &["1.30.4", "1.30.5"]) else { return };
    let (before, files) = (machine.tree(), machine.files());

    machine.install("1.30.4", "-n").expect(3);
    assert_eq!(machine.tree(), before, "a dry run");
    let ran = machine.install("1.30.4", "").expect(0);
    says(&ran, "cri-o 1.30.4 answers on /var/run/crio/crio.sock (CRI v1, systemd cgroups)");
    says(&ran, "pods get no network yet: /etc/cni/net.d: ");
    assert_eq!((machine.unit("ActiveState"), machine.unit("UnitFileState")), ("active".into(), "enabled".into()));
    machine.sh("systemd-analyze verify /usr/local/lib/systemd/system/crio.service").expect(0);

    let started = machine.unit("InvocationID");
    let again = machine.install("1.30.4", "").expect(0);
    says(&again, "already up to date");
    assert_eq!(machine.unit("InvocationID"), started, "an install without changes restarts nothing");
    machine.install("1.30.4", "-n").expect(0);

    // The daemon uses the requested configuration.
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
    assert!(environment.contains("NO_PROXY=10.0.0.0/8\n"), "NO_PROXY is kept: {environment}");
    assert_eq!(machine.sh("stat -c %a /etc/systemd/system/crio.service.d/20-edgeutils.conf").stdout, "600\n");

    // Upgrade of a running CRI-O.
    let ran = machine.install("1.30.5", "").expect(0);
    says(&ran, "cri-o 1.30.5 answers");

    // It is not removed while containers run.
    machine.sh("mkdir -p /run/cri-standin; echo nginx sidecar > /run/cri-standin/containers").expect(0);
    let full = machine.tree();
    let ran = machine.crio("remove").expect(4);
    says(&ran, "cannot remove CRI-O: 2 containers are running: nginx, sidecar");
    machine.crio("undo").expect(4);
    let ran = machine.install("1.30.5", "--cgroup-driver systemd").expect(4);
    says(&ran, "cannot change the cgroup driver from cgroupfs to systemd: 2 containers are running: nginx, sidecar");
    assert_eq!(machine.tree(), full, "refusals");
    machine.sh("rm /run/cri-standin/containers").expect(0);
    // The same while CRI-O does not answer; monitors of Podman, which uses the same program, are ignored.
    // The configured monitor is a copy of a shell, so that it runs until it is stopped.
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
    // Any user can give a process this name, and root can run another program with it.
    monitor("--unit=m3 --uid=1000", "/usr/bin/conmon", "-c y --exit-dir /var/run/crio/exits");
    monitor("--unit=m4", "/bin/sh", "conmon");
    machine.sh("cp /bin/sh /run/conmon; chmod 755 /run/conmon").expect(0);
    monitor("--unit=m5 --uid=1000", "/run/conmon", "-c y");
    monitor("--unit=m6", "/run/conmon", "-c y");
    machine.crio("remove -n").expect(3);
    for (unit, program) in [("m2", program), ("crio-conmon-1a2b", "/run/conmon"), ("m7", "/usr/bin/conmon")] {
        monitor(&format!("--unit={unit}"), program, "-c y --exit-dir /var/run/crio/exits");
        let ran = machine.crio("remove").expect(4);
        says(&ran, "cannot remove CRI-O: 1 container is running without CRI-O (conmon)");
        machine.sh(&format!("systemctl stop {unit}.service")).expect(0);
    }
    // A monitor whose program was replaced still counts.
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
fn check_reports_the_cause_of_a_missing_network() {
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
    fault("10-net.conflist:1: error: pods get no network: ");
    net(&CONFLIST.replace("bridge", "vlan"));
    fault("error: plugins[0].type: pods get no network: vlan");
    machine.sh("ln -s bridge /opt/cni/bin/vlan-old").expect(0);
    net(&CONFLIST.replace("bridge", "vlan-old"));
    fault("pods get no network: vlan-old");
    machine.sh(r"printf '\177ELF\1\1\1\0\0\0\0\0\0\0\0\0\2\0\50\0' > /opt/cni/bin/arm; truncate -s 64 /opt/cni/bin/arm; echo '#!/bin/sh' > /opt/cni/bin/script; echo text > /opt/cni/bin/text; chmod 755 /opt/cni/bin/*").expect(0);
    net(&CONFLIST.replace("bridge", "arm"));
    fault("/opt/cni/bin/arm is for arm");
    net(&CONFLIST.replace("bridge", "script"));
    fault("/opt/cni/bin/script");
    net(&CONFLIST.replace("bridge", "text"));
    fault("/opt/cni/bin/text");
    net(CONFLIST);
    assert!(machine.crio("check").expect(0).stdout.ends_with("no problems found\n"));
    let ran = machine.install("1.30.4", "").expect(0);
    assert!(!ran.stderr.contains("network"), "{}", ran.stderr);

    // No problems: a missing alias, and a user who cannot connect to the socket.
    machine.sh("rm /etc/systemd/system/cri-o.service").expect(0);
    assert!(machine.crio("check").expect(0).stdout.ends_with("no problems found\n"));
    machine.sh("chmod 660 /run/crio/crio.sock").expect(0);
    let ran =
        machine.sh("setpriv --reuid 65534 --regid 65534 --clear-groups edge-crio --force-namespace check").expect(0);
    says(
        &ran,
        "/var/run/crio/crio.sock: warning: this user cannot connect to it: the state of CRI-O is unknown\n    hint: run it as root",
    );
    // The running release may differ from the installed one.
    machine.sh("sed -i s/1.30.4/1.30.5/ /var/lib/edgeutils/edge-crio.json").expect(0);
    says(&machine.crio("check").expect(0), "crio.service: warning: CRI-O 1.30.4 is running, but 1.30.5 is installed");
}

#[test]
fn settings_are_piped_into_edgecore_yaml_and_check_reports_differences() {
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
    says(&ran, "edgecore uses the cgroup driver cgroupfs, but CRI-O uses systemd: pods cannot start");
    says(&ran, "edgecore uses the container runtime at unix:///run/containerd/containerd.sock instead of CRI-O");
    says(&ran, "kubelet is running besides edgecore");
    says(&ran, "Docker uses the cgroup driver cgroupfs");
    says(&ran, "/run/containerd/containerd.sock: warning: this is the socket of another container runtime");
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

    // The daemon's own answer is used, not files that were changed after it was started.
    machine.systemd.write(
        "/etc/crio/crio.conf.d/90-other.conf",
        "[crio.runtime]\ncgroup_manager = \"cgroupfs\"\nconmon_cgroup = \"pod\"\n",
        "644",
    );
    assert!(machine.crio("settings").expect(0).stdout.contains("cgroupDriver=systemd"));
    let ran = machine.crio("check").expect(3);
    says(
        &ran,
        "CRI-O uses the cgroup driver systemd, but its files set cgroupfs: they were changed after it was started",
    );
    let ran = machine.install("1.30.4", "--pause-image a/b:1 --cgroup-driver systemd").expect(0);
    says(
        &ran,
        "cgroup_manager will still be cgroupfs: /etc/crio/crio.conf.d/90-other.conf is read later and takes precedence",
    );
    machine.crio("remove").expect(0);
    let ran = machine.sh("rm -rf /etc/crio; edge-crio --force-namespace settings | edge-conf --force-namespace --kubeedge-version 1.23 enable crio -").expect(1);
    says(&ran, "edge-crio: cannot print the settings of CRI-O: it is not installed");
    says(&ran, "edge-conf: cannot use standard input: ");
}

#[test]
fn daemon_that_does_not_start_is_reported_with_its_log() {
    let Some(machine) = Machine::boot("crio_live failing", &["1.30.4"]) else { return };
    machine.sh("mkdir -p /run/cri-standin; echo 'cannot open the storage' > /run/cri-standin/fail").expect(0);
    let ran = machine.install("1.30.4", "--wait 60").expect(1);
    says(&ran, "level=fatal msg=\"cannot open the storage\"");
    says(&ran, "edge-crio: cannot start crio.service: it failed");
    says(&ran, ": CRI-O reports: cannot open the storage\nhint: ");
    // The files are installed, and removed from the stage.
    machine.sh("test -e /usr/local/bin/crio && test ! -e /var/lib/edgeutils/edge-crio").expect(0);
    let ran = machine.crio("check").expect(3);
    says(&ran, "/var/run/crio/crio.sock: error: cannot query the container runtime");
    says(&ran, "crio.service: error: CRI-O does not start, it reports: cannot open the storage");
    // A slow daemon, with the old version of the CRI.
    machine.sh("rm /run/cri-standin/fail; systemctl stop crio.service; systemctl reset-failed crio.service; echo 1500 > /run/cri-standin/slow; echo v1alpha2 > /run/cri-standin/api").expect(0);
    let ran = machine.install("1.30.4", "").expect(0);
    says(&ran, "cri-o 1.30.4 answers on /var/run/crio/crio.sock (CRI v1alpha2)");
    machine.sh("systemctl mask crio.service; systemctl daemon-reload; rm -f /run/cri-standin/slow").expect(0);
    let ran = machine.install("1.30.4", "--cgroup-driver cgroupfs");
    says(&ran, "crio.service");
    ran.expect(4);
}

#[test]
fn check_reports_stray_files_and_an_invalid_conmon_cgroup() {
    let Some(machine) = Machine::boot("crio_live strays", &["1.30.4"]) else { return };
    machine.systemd.write("/etc/cni/net.d/10-net.conflist", CONFLIST, "644");
    machine.install("1.30.4", "").expect(0);
    machine.systemd.write(
        "/etc/crio/crio.conf.d/99-old.conf.dpkg-dist",
        "[crio.runtime]\nconmon_cgroup = \"system.slice\"\ncgroup_manager = \"cgroupfs\"\n",
        "644",
    );
    let ran = machine.crio("check").expect(3);
    says(&ran, "/etc/crio/crio.conf.d/99-old.conf.dpkg-dist: warning: CRI-O loads this file, too");
    says(&ran, "conmon_cgroup: is \"system.slice\", but with the cgroupfs driver it must be pod: CRI-O does not start");
    // The stand-in refuses it as CRI-O does.
    machine.sh("systemctl restart crio.service").expect(1);
    // An option takes precedence over all files.
    machine
        .sh("cd /etc/crio/crio.conf.d; mv 99-old.conf.dpkg-dist /run; systemctl reset-failed crio.service")
        .expect(0);
    machine.systemd.write(
        "/etc/default/crio",
        "# --cgroup-manager\nCRIO_CONFIG_OPTIONS=--cgroup-manager=cgroupfs\n",
        "644",
    );
    machine.sh("systemctl restart crio.service").expect(0);
    let ran = machine.crio("check").expect(0);
    assert!(!ran.stdout.contains("overrides systemd in CRI-O's files"), "no file sets a driver: {}", ran.stdout);
    machine.systemd.write(
        "/etc/crio/crio.conf.d/15-driver.conf",
        "[crio.runtime]\ncgroup_manager = \"systemd\"\n",
        "644",
    );
    says(
        &machine.crio("check").expect(0),
        "/etc/default/crio:2: warning: the cgroup driver cgroupfs that is set here overrides systemd in CRI-O's files",
    );
    says(
        &machine.install("1.30.4", "--cgroup-driver systemd"),
        "cgroup_manager will still be cgroupfs: /etc/default/crio:2 sets it for crio.service and takes precedence",
    );
    // That has written a drop-in.
    machine.sh("rm /etc/crio/crio.conf.d/20-edgeutils.conf /etc/crio/crio.conf.d/15-driver.conf").expect(0);
    machine.sh("echo > /etc/default/crio; mv /run/99-old.conf.dpkg-dist /etc/crio/crio.conf.d").expect(0);
    // CRI-O loads files in subdirectories, and does not start if it cannot read one.
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
    says(&ran, "/etc/crio/crio.conf.d/old/x.conf: warning: CRI-O loads this file, too");
    assert!(machine.crio("settings").expect(0).stdout.contains("cgroupDriver=cgroupfs"));
    machine.sh("rm -r /etc/crio/crio.conf.d/old; ln -s gone /etc/crio/crio.conf.d/50-gone.conf").expect(0);
    says(
        &machine.crio("check").expect(3),
        "/etc/crio/crio.conf.d/50-gone.conf: error: the file is a broken symbolic link",
    );
    machine.sh("systemctl restart crio.service").expect(1);
}
