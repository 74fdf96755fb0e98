//! A whole join against the double of cloudcore, under a real systemd.

use super::machine::{JOIN, Machine, says};

#[test]
fn apply_joins_once_and_undo_reverts_all_of_it() {
    let Some(machine) = Machine::boot("apply_joins_once_and_undo_reverts_all_of_it") else { return };
    machine.serve("--version 1.23");
    let before = machine.tree();
    let dry = machine.sh(&format!("{JOIN} --token /run/cloud/token -n")).expect(3);
    says(&dry, "/etc/kubeedge/certs/server.key");
    says(&dry, "    subject O=system:nodes, CN=system:node:edge1\n");
    assert_eq!(machine.tree(), before, "a dry run");

    let ran = machine.sh(&format!("{JOIN} --token - --label site=a < /run/cloud/token")).expect(0);
    says(&ran, "edgecore v1.23.1 is connected to 127.0.0.1:10000 as edge1");
    says(&ran, "    subject O=system:nodes, CN=system:node:edge1\n");
    machine.has_no_token(&[&dry, &ran]);
    machine
        .sh("systemctl is-active edgecore && systemctl is-enabled edgecore && systemd-analyze verify /etc/systemd/system/edgecore.service")
        .expect(0);
    let modes = machine.sh("cd /etc/kubeedge; stat -c '%a' ca/rootCA.crt certs/server.crt certs/server.key").stdout;
    assert_eq!(modes, "600\n600\n600\n");
    machine.sh("grep -q 'BEGIN EC PRIVATE KEY' /etc/kubeedge/certs/server.key").expect(0);
    machine.sh("openssl verify -CAfile /run/cloud/ca.crt /etc/kubeedge/certs/server.crt").expect(0);
    let yaml = machine.systemd.read("/etc/kubeedge/config/edgecore.yaml");
    assert!(
        yaml.contains("hostnameOverride: edge1\n") && yaml.contains("site: a\n") && !yaml.contains("token"),
        "{yaml}"
    );

    // The pair is good, so no token is needed, and nothing is restarted. edgecore and keadm have made files.
    machine.sh("mkdir /etc/kubeedge/manifests /etc/kubeedge/backup; touch /etc/kubeedge/upgrade_report.json").expect(0);
    let (joined, started) = (machine.tree(), machine.sh("systemctl show -p InvocationID edgecore").stdout);
    let again = machine.sh(&format!("{JOIN} --label site=a")).expect(0);
    says(&again, "already up to date");
    assert!(!again.stderr.contains("another installation"), "{}", again.stderr);
    assert_eq!(
        (machine.tree(), machine.sh("systemctl show -p InvocationID edgecore").stdout),
        (joined, started.clone())
    );
    // Another setting restarts it.
    machine.sh(&format!("{JOIN} --label site=b")).expect(0);
    assert_ne!(machine.sh("systemctl show -p InvocationID edgecore").stdout, started);
    says(
        &machine.sh("edge-join --force-namespace apply --cloudcore 127.0.0.1 --version 1.22.0").expect(4),
        "keadm upgrade edge --toVersion v1.22.0",
    );

    machine
        .sh("rm -r /etc/kubeedge/manifests /etc/kubeedge/backup /etc/kubeedge/upgrade_report.json && edge-join --force-namespace undo && edge-join --force-namespace undo")
        .expect(0);
    assert_eq!(machine.tree(), before, "undone");
    assert_eq!(machine.sh("systemctl is-active edgecore").stdout.trim(), "inactive");
}

#[test]
fn apply_with_a_refused_token_changes_nothing() {
    let Some(machine) = Machine::boot("apply_with_a_refused_token_changes_nothing") else { return };
    machine.serve("--version 1.23");
    let before = machine.tree();
    machine.sh("/run/cloudcore make /run/other --san 127.0.0.1; /run/cloudcore token /run/cloud --seconds -5 > /run/expired").expect(0);
    // Of the right CA, signed with another key.
    machine
        .sh("printf '%s.%s' \"$(cut -d. -f1 /run/cloud/token)\" \"$(cut -d. -f2- /run/other/token)\" > /run/forged")
        .expect(0);
    for (token, why) in [
        ("/run/expired", "it expired on "),
        ("/run/other/token", "it is for the CA sha256:"),
        ("/run/forged", "cloudcore refuses the token"),
        ("/etc/hosts", "it cannot be used"),
    ] {
        let ran = machine.sh(&format!("{JOIN} --token {token}")).expect(1);
        says(&ran, why);
        assert_eq!(machine.tree(), before, "{token}");
    }
    let without = machine.sh(JOIN).expect(2);
    says(&without, "cannot join without --token");
    says(&without, "| ssh edge edge-join apply --cloudcore 127.0.0.1 --version 1.23.1 --token -");
    // The tokens of this test begin as that of the double.
    machine.sh("rm -rf /run/expired /run/forged /run/other").expect(0);
    machine.has_no_token(&[]);
}

#[test]
fn apply_reports_why_edgecore_does_not_join() {
    let Some(machine) = Machine::boot("apply_reports_why_edgecore_does_not_join") else { return };
    for (options, behavior, why) in [
        ("--version 1.23 --mode not-found", "", "the API server has no node edge1"),
        ("--version 1.23", "short", "the cgroup driver is not that of the runtime"),
    ] {
        machine.serve(options);
        machine.sh("mkdir -p /etc/systemd/system/edgecore.service.d").expect(0);
        machine.systemd.write(
            "/etc/systemd/system/edgecore.service.d/test.conf",
            &format!("[Service]\nEnvironment=EDGECORE_STANDIN={behavior}\nRestartSec=1\n"),
            "644",
        );
        let ran = machine.sh(&format!("{JOIN} --token /run/cloud/token --wait 15")).expect(1);
        says(&ran, why);
        machine.has_no_token(&[&ran]);
        machine.sh("edge-join --force-namespace undo").expect(0);
    }
}

#[test]
fn first_boot_joins_and_deletes_the_token() {
    let Some(machine) = Machine::boot("first_boot_joins_and_deletes_the_token") else { return };
    machine.serve("--version 1.23");
    let image = "/run/image";
    machine
        .sh(&format!(
            "mkdir -p {image}/etc {image}/usr/bin; cp /etc/os-release {image}/etc/; cp /bin/true {image}/usr/bin/env; cp /usr/local/bin/edge-join {image}/usr/bin/
             mkdir -p $(dirname {image}$(readlink -f /lib64/ld-linux-x86-64.so.2 || echo /x/y)); true
             edge-join --root {image} apply --cloudcore 127.0.0.1 --version 1.23.1 --archive /run/edgecore-1.23.1"
        ))
        .expect(0);
    // The host boots from the image.
    machine
        .sh(&format!(
            "cp -a {image}/etc/kubeedge /etc/; cp {image}/etc/systemd/system/*.service /etc/systemd/system/; cp -a {image}/usr/local/bin/edgecore /usr/local/bin/
             cp /usr/local/bin/edge-join /usr/bin/edge-join; sed -i 's/apply --first-boot/--force-namespace apply --first-boot/' /etc/systemd/system/edge-join-first-boot.service
             systemctl daemon-reload"
        ))
        .expect(0);
    let refused = |mode: &str, why: &str| {
        machine.sh(&format!("install -m {mode} -D /run/cloud/token /etc/edgeutils/join-token")).expect(0);
        machine.sh("systemctl start edge-join-first-boot").expect(1);
        says(&machine.sh("journalctl --no-pager -u edge-join-first-boot"), why);
        machine.sh("test -e /etc/edgeutils/join-token && systemctl reset-failed edge-join-first-boot").expect(0);
    };
    refused("644", "its mode is 0644");
    machine
        .sh("install -m 600 -D /run/cloud/token /etc/edgeutils/join-token; systemctl start edge-join-first-boot")
        .expect(0);
    says(
        &machine.sh("journalctl --no-pager -u edge-join-first-boot"),
        "edgecore v1.23.1 is connected to 127.0.0.1:10000 as edge1",
    );
    machine
        .sh("systemctl is-active edgecore && systemctl is-enabled edgecore && ! test -e /etc/edgeutils/join-token")
        .expect(0);
    machine.has_no_token(&[]);
}

#[test]
fn first_boot_deletes_a_token_that_is_refused() {
    let Some(machine) = Machine::boot("first_boot_deletes_a_token_that_is_refused") else { return };
    machine.serve("--version 1.23");
    machine.sh("/run/cloudcore make /run/other --san 127.0.0.1").expect(0);
    machine
        .sh("printf '%s.%s' \"$(cut -d. -f1 /run/cloud/token)\" \"$(cut -d. -f2- /run/other/token)\" > /run/forged
             install -m 600 -D /run/forged /etc/edgeutils/join-token")
        .expect(0);
    let join = JOIN.replace(" apply", " apply --first-boot");
    says(&machine.sh(&join).expect(1), "cloudcore refuses the token");
    machine.sh("! test -e /etc/edgeutils/join-token && ! test -e /etc/kubeedge/certs").expect(0);
    // So is one that has expired by its clock.
    machine
        .sh("/run/cloudcore token /run/cloud --seconds -5 > /run/expired; install -m 600 -D /run/expired /etc/edgeutils/join-token")
        .expect(0);
    says(&machine.sh(&join).expect(1), "it expired on ");
    machine.sh("! test -e /etc/edgeutils/join-token").expect(0);
    // Another cloudcore has not seen it.
    machine.sh("install -m 600 -D /run/other/token /etc/edgeutils/join-token").expect(0);
    says(&machine.sh(&join).expect(1), "it is for the CA sha256:");
    machine.sh("test -e /etc/edgeutils/join-token").expect(0);
    // One that is incomplete was sent to nobody.
    machine.sh("head -c 100 /run/cloud/token > /run/half; install -m 600 -D /run/half /etc/edgeutils/join-token; rm /run/half").expect(0);
    says(&machine.sh(&join).expect(1), "it cannot be used");
    machine.sh("test -e /etc/edgeutils/join-token").expect(0);
    // Where cloudcore does not answer, the token is kept for another try.
    machine
        .sh("systemctl stop cloudcore-double; install -m 600 -D /run/cloud/token /etc/edgeutils/join-token")
        .expect(0);
    machine.sh(&join).expect(1);
    machine.sh("test -e /etc/edgeutils/join-token").expect(0);
}

#[test]
fn apply_refuses_a_host_on_which_edgecore_cannot_work() {
    let Some(machine) = Machine::boot("apply_refuses_a_host_on_which_edgecore_cannot_work") else { return };
    machine.serve("--version 1.23");
    let before = machine.tree();
    let join = format!("{JOIN} --token /run/cloud/token");
    // The unit has not started this one: a second would be started beside it.
    machine.sh("cp /bin/sleep /run/edgecore; systemd-run --quiet --unit=other /run/edgecore 600; sleep 0.3").expect(0);
    let ran = machine.sh(&join).expect(4);
    says(&ran, "another edgecore is running (process ");
    says(&ran, "edge-conf unit edgecore");
    says(&machine.sh("edge-join --force-namespace check").expect(3), "another edgecore is running (process ");
    machine.sh("systemctl stop other").expect(0);
    // No other name is made up for a host whose own cannot be that of a node.
    machine.sh("echo edge_1 > /proc/sys/kernel/hostname && sed -i s/edge1/edge_1/ /etc/hosts").expect(0);
    says(&machine.sh(&join).expect(4), "such as --node-name edge-1");
    machine.sh("hostname edge1 && sed -i s/edge_1/edge1/ /etc/hosts").expect(0);
    machine.sh("echo modules.edged.noSuchKey=1 > /run/settings").expect(0);
    says(&machine.sh(&format!("{join} --settings /run/settings")).expect(4), "noSuchKey");
    // The runtime is judged as edgecore will be configured.
    machine.start_runtime("systemd");
    says(&machine.sh(&join).expect(1), "its cgroup driver is systemd, and edgecore's is cgroupfs");
    machine.sh("systemctl stop runtime-standin").expect(0);
    says(&machine.sh(&join).expect(1), "the container runtime does not answer");
    assert_eq!(machine.tree(), before);
    assert_eq!(machine.sh("cat /run/record 2>/dev/null").stdout, "", "cloudcore was asked");
    machine.start_runtime("systemd");
    machine.sh("echo modules.edged.tailoredKubeletConfig.cgroupDriver=systemd > /run/settings").expect(0);
    machine.sh(&format!("{join} --settings /run/settings")).expect(0);
    machine.sh(&format!("{JOIN} --settings /run/settings")).expect(0);
}

#[test]
fn apply_without_a_start_verifies_all_that_it_otherwise_does() {
    let Some(machine) = Machine::boot("apply_without_a_start_verifies_all_that_it_otherwise_does") else { return };
    machine.serve("--version 1.23");
    machine.sh(&format!("{JOIN} --no-start --token /run/cloud/token")).expect(0);
    // A key that others can read is closed, and an undo restores what it was.
    machine.sh("cd /etc/kubeedge/certs; chmod 644 server.key; chown 1:1 server.key").expect(0);
    let key =
        |want: &str| assert_eq!(machine.sh("stat -c '%a %u:%g' /etc/kubeedge/certs/server.key").stdout.trim(), want);
    says(&machine.sh(&format!("{JOIN} --no-start -n")).expect(3), "/etc/kubeedge/certs/server.key");
    machine.sh(&format!("{JOIN} --no-start")).expect(0);
    key("600 0:0");
    machine.sh("edge-join --force-namespace undo").expect(0);
    key("644 1:1");
    machine.sh(&format!("{JOIN} --no-start")).expect(0);
    says(&machine.sh(&format!("{JOIN} --no-start")).expect(0), "already up to date");
    let before = machine.tree();
    for other in ["--hub-port 10009", "--https-port 10009"] {
        says(&machine.sh(&format!("{JOIN} --no-start {other}")).expect(1), "cannot connect to cloudcore");
    }
    // So is the same one: it may have another CA since, or other settings may be wrong.
    machine.sh("echo modules.edged.noSuchKey=1 > /run/settings").expect(0);
    says(&machine.sh(&format!("{JOIN} --no-start --settings /run/settings")).expect(4), "noSuchKey");
    machine.sh("mv /run/cloud /run/cloud.old; /run/cloudcore make /run/cloud --san 127.0.0.1").expect(0);
    machine.serve("--version 1.23");
    let other = machine.sh(&format!("{JOIN} --no-start")).expect(2);
    says(&other, "the certificate of this node is from another cloudcore");
    machine.sh("systemctl stop cloudcore-double").expect(0);
    says(&machine.sh(&format!("{JOIN} --no-start")).expect(1), "cannot connect to cloudcore");
    assert_eq!(machine.tree(), before);
}
