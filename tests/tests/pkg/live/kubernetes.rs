//! The packages of Kubernetes, with the real apt and dpkg and signed repositories.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::{Duration, Instant};

use edgeutils_tests::apt::AptHost;
use edgeutils_tests::tool::Ran;

use super::{CALLS, KUBERNETES, on_both};

/// Entries of guides: of dead repositories in three files and two formats, and of another minor version of the same one.
const GUIDES: &str = "
dir=/etc/apt/sources.list.d
echo 'deb http://apt.kubernetes.io/ kubernetes-xenial main # of a guide' > /etc/apt/sources.list
printf 'deb [signed-by=/usr/share/keyrings/x.gpg] https://packages.cloud.google.com/apt kubernetes-xenial main\\n' > $dir/kubernetes.list
printf '# mine\\nTypes: deb\\nURIs: https://apt.kubernetes.io\\nSuites: kubernetes-xenial\\nComponents: main\\nSigned-By: /x.gpg\\n' > $dir/old.sources
printf 'deb https://pkgs.k8s.io/core:/stable:/v1.30/deb/ /\\n' > $dir/guide.list
";

/// What a removal removes.
const REMOVED: &str = "states; find /etc/apt -type f; ls -l /etc/systemd/system/*.wants | grep -o kubelet.service.*";

fn sh(host: &AptHost, script: &str) -> Ran {
    host.sh(&format!("{CALLS}{script}"))
}

fn install_replaces_dead_sources_pins_holds_and_is_undone(host: &AptHost) {
    host.sh(KUBERNETES).expect(0);
    host.sh(GUIDES).expect(0);
    let update = "apt-get update -o APT::Update::Error-Mode=any -o Acquire::Retries=0 2>&1";
    assert_ne!(host.sh(update).code, 0, "the guides' repositories break apt-get update");
    let look = "find /etc/apt -type f -exec sha256sum {} + | sort -k 2; dpkg -l | sha256sum";
    let before = host.sh(look).stdout;

    let found = sh(host, "pkg check").expect(3);
    for line in [
        "/etc/apt/sources.list:1: error: http://apt.kubernetes.io/ is obsolete: removed in March 2024",
        "/etc/apt/sources.list.d/kubernetes.list:1: error: https://packages.cloud.google.com/apt is obsolete",
        "/etc/apt/sources.list.d/old.sources:3: error: https://apt.kubernetes.io is obsolete",
        "error: Kubernetes, containerd and Docker are not installed",
    ] {
        assert!(found.stdout.contains(line), "{line}: {}", found.stdout);
    }
    assert!(found.stdout.ends_with("\n4 problems found\n"), "{}", found.stdout);
    let planned = sh(host, "mirror --version 1.34 -n").expect(3);
    assert!(
        planned.stdout.contains("would write /etc/apt/sources.list.d/old.sources: disables obsolete entries"),
        "{planned:?}"
    );
    assert!(
        planned.stderr.contains("apt-get install kubelet (1.34.*), kubeadm (1.34.*), kubectl (1.34.*), cri-tools"),
        "{planned:?}"
    );
    assert_eq!(host.sh(look).stdout, before, "a dry run");

    let ran = sh(host, "mirror --version 1.34").expect(0);
    assert_eq!(ran.stdout.matches("ran apt-get install").count(), 1, "{}", ran.stdout);
    assert!(ran.stdout.contains("kubelet 1.34.10-1.1 is installed and held\n"), "{}", ran.stdout);
    let states = sh(host, "states").stdout;
    assert_eq!(
        states,
        "kubelet hi 1.34.10-1.1\nkubeadm hi 1.34.10-1.1\nkubectl hi 1.34.10-1.1\ncri-tools hi 1.34.0-1.1\nkubernetes-cni hi 1.7.1-1.1\n"
    );
    let files =
        host.sh("cat /etc/apt/sources.list /etc/apt/sources.list.d/{kubernetes.list,guide.list,old.sources}").stdout;
    assert!(
        files.starts_with("# deb http://apt.kubernetes.io/ kubernetes-xenial main # of a guide\n# deb [signed-by"),
        "{files}"
    );
    assert!(
        files.contains("# deb https://pkgs.k8s.io/") && files.contains("# mine\nEnabled: no\nTypes: deb\n"),
        "{files}"
    );
    let updated = host.sh(update);
    assert_eq!(updated.code, 0, "{}", updated.stdout);
    // The pin is apt's own reading of it: another minor version is not a candidate, although its repository is there.
    host.sh("echo 'deb [trusted=yes] file:/k8s/v1.35/ /' > /etc/apt/sources.list.d/next.list; apt-get update; apt-mark unhold kubelet").expect(0);
    let policy = host.sh("apt-cache policy kubelet").stdout;
    assert!(policy.contains("Candidate: 1.34.10-1.1\n") && policy.contains("1.35.1-1.1 500"), "{policy}");
    assert!(host.sh("apt-get -s -q upgrade").stdout.contains("\n0 upgraded"), "{policy}");

    // The lost hold is found, and set again by the same call, which does nothing else.
    let found = sh(host, "pkg check").expect(3);
    let said = "error: kubelet is not held: the next upgrade of the system may change its version\n    hint: hold it again: edge-pkg install kubernetes --version 1.34.10\n";
    assert!(found.stdout.contains(said), "{}", found.stdout);
    let again = sh(host, "mirror --version 1.34").expect(0);
    assert!(
        again.stdout.contains("ran apt-mark hold kubelet") && again.stdout.ends_with("\n1 change\n"),
        "{}",
        again.stdout
    );
    sh(host, "pkg undo").expect(0);
    sh(host, "mirror --version 1.34").expect(0);

    // The second call needs no program of apt and no network, and less than a second.
    let begin = Instant::now();
    let again = sh(
        host,
        "mkdir /aside; mv /usr/bin/apt* /usr/bin/dpkg* /k8s /aside; mirror --version 1.34; code=$?; mv /aside/k8s /; mv /aside/* /usr/bin; exit $code",
    );
    let took = begin.elapsed();
    assert!(again.clone().expect(0).stdout.ends_with("already up to date\n"), "{again:?}");
    assert!(took < Duration::from_secs(1), "{took:?}");
    host.sh("rm /etc/apt/sources.list.d/next.list").expect(0);
    sh(host, "pkg undo && pkg undo").expect(0);
    assert_eq!(host.sh(look).stdout, before, "after the undo");
}

fn upgrade_moves_all_packages_and_wrong_ones_are_refused(host: &AptHost) {
    host.sh(KUBERNETES).expect(0);
    sh(host, "mirror --version 1.33 --role node").expect(0);
    assert!(sh(host, "states").stdout.contains("kubectl none\n"));
    let before = host.look();
    for (call, code, said) in [
        (
            "mirror --version 1.35",
            4,
            "kubelet 1.33.5-1.1 is installed, and kubeadm does not skip minor versions\nhint: upgrade to the next minor version first: edge-pkg install kubernetes --version 1.34\n",
        ),
        (
            "mirror --version 1.32",
            4,
            "does not support downgrades\nhint: to downgrade anyway, remove the packages first: edge-pkg remove kubernetes\n",
        ),
        ("mirror --version 1.33.4", 4, "does not support downgrades"),
        (
            "mirror --version 1.34.3",
            1,
            "cannot find kubelet 1.34.3.* in file:/k8s/v1.34/: it has 1.34.10-1.1, 1.34.9-1.1, 1.34.2-1.1\nhint: ",
        ),
        (
            "mkdir -p /etc/systemd/system; echo > /etc/systemd/system/edgecore.service; mirror --version 1.33; code=$?; rm /etc/systemd/system/edgecore.service; exit $code",
            4,
            "edgecore is on this node (/etc/systemd/system/edgecore.service)",
        ),
        (
            "edge-pkg --force-namespace install kubernetes --version 1.34 --apt-mirror file:/k8s/v{minor}/ --key /keys/other.asc --fingerprint $(cat /keys/upstream.fpr)",
            4,
            "its fingerprint is",
        ),
        (
            "edge-pkg --force-namespace install kubernetes --version 1.34 --apt-mirror file:/k8s/v{minor}/ --key /nowhere --fingerprint $(cat /keys/upstream.fpr)",
            1,
            "cannot read /nowhere: it does not exist",
        ),
        (
            "pkg install kubernetes --version 1.34 --apt-mirror packages.example.org",
            2,
            "cannot use the repository's address",
        ),
    ] {
        let ran = sh(host, call);
        assert!(ran.stderr.contains(said), "{call}: {}", ran.stderr);
        ran.expect(code);
        host.looks_as(&before, call);
    }
    // The hold of before does not prevent the upgrade, which also moves the tools.
    sh(host, "mkdir -p /etc/kubernetes; touch /etc/kubernetes/kubelet.conf").expect(0);
    let up = sh(host, "mirror --version 1.34.9 --role node").expect(0);
    assert!(
        up.stderr
            .contains("warning: kubelet 1.34 must not be newer than the API server: upgrade the control plane first"),
        "{}",
        up.stderr
    );
    assert_eq!(
        sh(host, "states").stdout,
        "kubelet hi 1.34.9-1.1\nkubeadm hi 1.34.9-1.1\nkubectl none\ncri-tools hi 1.34.0-1.1\nkubernetes-cni hi 1.7.1-1.1\n"
    );
    assert!(host.sh("cat /etc/apt/preferences.d/kubernetes").stdout.contains("\nPin: version 1.34.9-*\n"));
    assert!(sh(host, "mirror --version 1.34.9 --role node").expect(0).stdout.ends_with("already up to date\n"));
    // The tools of the next repository are the same.
    sh(host, "mirror --version 1.34.10 && mirror --version 1.35").expect(0);
    assert_eq!(
        sh(host, "states").stdout,
        "kubelet hi 1.35.1-1.1\nkubeadm hi 1.35.1-1.1\nkubectl hi 1.35.1-1.1\ncri-tools hi 1.34.0-1.1\nkubernetes-cni hi 1.7.1-1.1\n"
    );
    let left = sh(host, "pkg remove kubernetes").expect(4);
    assert!(left.stderr.contains("this node is part of a cluster (/etc/kubernetes/kubelet.conf exists)\nhint: leave the cluster first: kubeadm reset"), "{left:?}");
}

fn expired_key_is_refused_and_renewed_under_its_fingerprint(host: &AptHost) {
    host.sh(KUBERNETES).expect(0);
    let before = host.look();
    let expired = "edge-pkg --force-namespace install kubernetes --version 1.34 --apt-mirror file:/k8s/v{minor}/ --key /keys/expired.asc --fingerprint $(cat /keys/upstream.fpr)";
    let ran = sh(host, expired).expect(4);
    assert!(ran.stderr.contains("it expired on 2024-12-31"), "{}", ran.stderr);
    host.looks_as(&before, "an expired key");
    let old = sh(host, "pkg install kubernetes --version 1.23").expect(1);
    assert!(
        old.stderr.contains(
            "only 1.24 and newer\nhint: if you have the packages, install them from a directory: --offline DIR\n"
        ),
        "{}",
        old.stderr
    );
    host.looks_as(&before, "a version that no repository has");
    sh(host, "mirror --version 1.34 && pkg check").expect(0);
    // Years later, on the host.
    host.sh("cp /keys/expired.asc /etc/apt/keyrings/kubernetes.asc").expect(0);
    let found = sh(host, "pkg check").expect(3);
    assert!(
        found.stdout.contains("/etc/apt/keyrings/kubernetes.asc: error: ") && found.stdout.contains("it expired on"),
        "{}",
        found.stdout
    );
    let ran = sh(host, "mirror --version 1.34").expect(0);
    assert!(ran.stdout.contains("wrote /etc/apt/keyrings/kubernetes.asc"), "{}", ran.stdout);
    sh(host, "pkg check; cmp /keys/upstream.asc /etc/apt/keyrings/kubernetes.asc").expect(0);
    host.sh("rm /etc/apt/keyrings/kubernetes.asc").expect(0);
    let found = sh(host, "pkg check").expect(3);
    assert!(found.stdout.contains("the key of the repository is missing: apt-get update fails"), "{}", found.stdout);
}

fn directory_installs_what_no_repository_has(host: &AptHost) {
    host.sh(KUBERNETES).expect(0);
    host.sh("mkdir /usb; cp /k8s/v1.33/*.deb /k8s/v1.34/*.deb /usb; cd /debs; deb kubelet 1.18.6-00 'Depends: kubernetes-cni (>= 0.7.5)'
        deb kubeadm 1.18.6-00; deb kubectl 1.18.6-00; deb kubernetes-cni 0.8.6-00; deb cri-tools 1.13.0-01; mkdir /old; mv *.deb /old
        for dir in /usb /old; do cd $dir; sha256sum *.deb > SHA256SUMS; done
        echo 'deb http://apt.kubernetes.io/ kubernetes-xenial main' > /etc/apt/sources.list").expect(0);
    let before = host.sh("cat /etc/apt/sources.list; ls /etc/apt/*/").stdout;
    sh(host, "pkg install kubernetes --version 1.34 --offline /usb -n").expect(3);
    sh(host, "pkg install kubernetes --version 1.34 --offline /usb").expect(0);
    assert_eq!(
        sh(host, "states").stdout,
        "kubelet hi 1.34.10-1.1\nkubeadm hi 1.34.10-1.1\nkubectl hi 1.34.10-1.1\ncri-tools hi 1.34.0-1.1\nkubernetes-cni hi 1.7.1-1.1\n"
    );
    assert_eq!(
        host.sh("ls /etc/apt/sources.list.d; cat /etc/apt/sources.list").stdout,
        "# deb http://apt.kubernetes.io/ kubernetes-xenial main\n"
    );
    assert!(
        sh(host, "pkg install kubernetes --version 1.34 --offline /usb")
            .expect(0)
            .stdout
            .ends_with("already up to date\n")
    );
    // What is removed comes back from where it came from.
    sh(host, "pkg undo").expect(0);
    assert_eq!(host.sh("cat /etc/apt/sources.list; ls /etc/apt/*/").stdout, before);
    assert_eq!(
        sh(host, "states").stdout,
        "kubelet none\nkubeadm none\nkubectl none\ncri-tools none\nkubernetes-cni none\n"
    );
    sh(host, "pkg install kubernetes --version 1.18.6 --offline /old --role node").expect(0);
    assert_eq!(
        sh(host, "states").stdout,
        "kubelet hi 1.18.6-00\nkubeadm hi 1.18.6-00\nkubectl none\ncri-tools hi 1.13.0-01\nkubernetes-cni hi 0.8.6-00\n"
    );
    let ran = sh(host, "pkg remove kubernetes; rm /old/kubelet*; cd /old; sha256sum *.deb > SHA256SUMS; pkg install kubernetes --version 1.18 --offline /old").expect(1);
    assert!(ran.stderr.contains("cannot find kubelet 1.18.* for "), "{}", ran.stderr);
}

fn kubectl_of_another_vendor_is_neither_replaced_nor_removed(host: &AptHost) {
    host.sh(KUBERNETES).expect(0);
    host.sh("cd /debs; deb kubectl 1:528.0.0-0; dpkg -i kubectl_*.deb > /dev/null; rm kubectl_*").expect(0);
    let before = host.look();
    let ran = sh(host, "mirror --version 1.34").expect(4);
    assert!(ran.stderr.contains("\nhint: keep it and install the rest: add --role node; or"), "{}", ran.stderr);
    host.looks_as(&before, "a kubectl of another vendor");
    sh(host, "mirror --version 1.34 --role node").expect(0);
    let states = sh(host, "states").stdout;
    assert!(states.contains("kubelet hi 1.34.") && states.contains("kubectl ii 1:528.0.0-0\n"), "{states}");
    let ran = sh(host, "pkg remove kubernetes").expect(0);
    assert!(ran.stderr.contains("kubectl is not a package of Kubernetes' repository, and is kept"), "{}", ran.stderr);
    let states = sh(host, "states").stdout;
    assert!(states.starts_with("kubelet none") && states.contains("kubectl ii 1:528.0.0-0\n"), "{states}");
}

fn removal_is_exact_and_can_be_undone(host: &AptHost) {
    host.sh(KUBERNETES).expect(0);
    let before = host.sh("find /etc/apt -type f").stdout;
    sh(host, "mirror --version 1.34").expect(0);
    let installed = sh(host, REMOVED).stdout;
    assert!(installed.ends_with("kubelet.service -> /usr/lib/systemd/system/kubelet.service\n"), "{installed}");
    sh(host, "pkg remove kubernetes -n").expect(3);
    assert_eq!(sh(host, REMOVED).stdout, installed, "a dry run");
    // Another package needs one: nothing is removed.
    host.sh("deb edge-pods 1 'Depends: kubelet'; dpkg -i /debs/edge-pods_1_all.deb").expect(0);
    let needed = sh(host, "pkg remove kubernetes").expect(4);
    assert!(needed.stderr.contains("edge-pods depends on kubelet"), "{}", needed.stderr);
    host.sh("dpkg --purge edge-pods").expect(0);
    sh(host, "pkg remove kubernetes").expect(0);
    assert_eq!(
        sh(host, "states").stdout,
        "kubelet none\nkubeadm none\nkubectl none\ncri-tools none\nkubernetes-cni none\n"
    );
    assert_eq!(host.sh("find /etc/apt -type f; find /etc/systemd/system -name kubelet.service").stdout, before);
    assert!(sh(host, "pkg remove kubernetes").expect(0).stdout.ends_with("already up to date\n"));
    sh(host, "pkg undo").expect(0);
    assert_eq!(sh(host, REMOVED).stdout, installed);
}

on_both!(
    install_replaces_dead_sources_pins_holds_and_is_undone,
    upgrade_moves_all_packages_and_wrong_ones_are_refused,
    expired_key_is_refused_and_renewed_under_its_fingerprint,
    directory_installs_what_no_repository_has,
    kubectl_of_another_vendor_is_neither_replaced_nor_removed,
    removal_is_exact_and_can_be_undone,
);
