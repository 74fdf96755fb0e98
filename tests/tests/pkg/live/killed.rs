//! dpkg and edge-pkg killed together, in the middle of an upgrade of several packages.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use edgeutils_tests::apt::{AptHost, KILL_AT};

use super::{CALLS, KUBERNETES, on_both};

fn same_call_resumes_a_killed_upgrade(host: &AptHost) {
    host.sh(KUBERNETES).expect(0);
    host.sh(&format!("{CALLS} mirror --version 1.33")).expect(0);
    for (place, power) in
        [("/usr/share/kubeadm/version.dpkg-new", "power"), ("/usr/share/kubectl/version.dpkg-new", "")]
    {
        host.sh(&format!("{CALLS}{KILL_AT} kill_at {place} {power}; mirror --version 1.34"));
        assert_eq!(host.sh("tail -n 1 /killed; rm /killed").stdout, "+++ killed by SIGKILL +++\n", "{place}");
        let half = host.sh("dpkg --audit; ls /var/lib/dpkg/updates").stdout;
        assert!(half.contains("kube"), "nothing is half-done at {place}: {half}");
        let found = host.sh("edge-pkg check").expect(3);
        assert!(
            found.stdout.contains("its installation was interrupted\n    hint: repair it: edge-apt wait --repair"),
            "{found:?}"
        );
        let again = host.sh(&format!("{CALLS} mirror --version 1.34")).expect(0);
        assert!(again.stderr.contains("note: resuming the interrupted dpkg\n"), "{place}: {}", again.stderr);
        let states = host.sh(&format!("{CALLS} states")).stdout;
        assert_eq!(
            states,
            "kubelet hi 1.34.10-1.1\nkubeadm hi 1.34.10-1.1\nkubectl hi 1.34.10-1.1\ncri-tools hi 1.34.0-1.1\nkubernetes-cni hi 1.7.1-1.1\n"
        );
        host.sh("edge-pkg check").expect(0);
        host.look();
        // Back to the older version for the next place.
        host.sh(&format!("{CALLS} pkg remove kubernetes && mirror --version 1.33")).expect(0);
    }
}

on_both!(same_call_resumes_a_killed_upgrade);
