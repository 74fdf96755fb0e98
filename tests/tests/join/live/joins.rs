//! Joins of other versions, with other options, and to another cloudcore than before.

use std::time::{Duration, Instant};

use super::machine::{JOIN, Machine, says};

#[test]
fn apply_joins_a_cloudcore_of_each_version() {
    let versions = ["1.8.2", "1.18.3", "1.20.0"];
    let Some(machine) = Machine::boot_with("apply_joins_a_cloudcore_of_each_version", &versions) else { return };
    let before = machine.tree();
    for version in versions {
        let minor = version.rsplit_once('.').unwrap().0;
        // As the first versions are by default: kubectl logs is off.
        let mode = if minor == "1.8" { "--mode no-tunnel" } else { "" };
        machine.serve(&format!("--version {minor} {mode}"));
        let join = format!(
            "edge-join --force-namespace apply --cloudcore 127.0.0.1 --version {version} --archive /run/programs/edgecore-{version}"
        );
        let ran = machine.sh(&format!("{join} --token - < /run/cloud/token")).expect(0);
        says(&ran, &format!("edgecore v{version} is connected to 127.0.0.1:10000 as edge1"));
        let subject = machine.sh("openssl x509 -in /etc/kubeedge/certs/server.crt -noout -subject").stdout;
        let name = if minor == "1.8" { "CN = kubeedge.io" } else { "CN = system:node:edge1" };
        assert!(subject.replace('=', " = ").replace("  ", " ").contains(name), "{version}: {subject}");
        let yaml = machine.systemd.read("/etc/kubeedge/config/edgecore.yaml");
        // The first versions do not know which version wrote the file.
        assert!(yaml.contains("hostnameOverride: edge1\n") && !yaml.contains("edgecoreVersion"), "{version}: {yaml}");
        let api = if minor == "1.8" { "v1alpha1" } else { "v1alpha2" };
        assert!(yaml.contains(&format!("edgecore.config.kubeedge.io/{api}\n")), "{version}: {yaml}");
        says(&machine.sh(&join).expect(0), "already up to date");
        machine.has_no_token(&[&ran]);
        machine.sh("edge-join --force-namespace undo").expect(0);
        assert_eq!(machine.tree(), before, "{version}");
    }
}

#[test]
fn apply_replaces_the_pair_of_another_cloudcore_and_undo_restores_it() {
    let test = "apply_replaces_the_pair_of_another_cloudcore_and_undo_restores_it";
    let Some(machine) = Machine::boot(test) else { return };
    machine.serve("--version 1.23");
    machine.sh(&format!("{JOIN} --token /run/cloud/token")).expect(0);
    let joined = machine.tree();
    machine.sh("mv /run/cloud /run/before; /run/cloudcore make /run/cloud --san 127.0.0.1").expect(0);
    machine.serve("--version 1.23");
    says(&machine.sh(JOIN).expect(2), "the certificate of this node is from another cloudcore");
    // The token of the other one is not sent.
    says(&machine.sh(&format!("{JOIN} --token /run/before/token")).expect(1), "it is for the CA sha256:");
    assert_eq!(machine.tree(), joined);
    let ran = machine.sh(&format!("{JOIN} --token /run/cloud/token")).expect(0);
    says(&ran, "a new certificate is needed: the certificate of this node is from another cloudcore");
    says(&ran, "edgecore v1.23.1 is connected to 127.0.0.1:10000 as edge1");
    let files = "/etc/kubeedge/ca/rootCA.crt /etc/kubeedge/certs/server.crt /etc/kubeedge/certs/server.key";
    let pair = || machine.sh(&format!("sha256sum {files}; stat -c '%a %u:%g' {files}")).stdout;
    machine.sh("openssl verify -CAfile /run/cloud/ca.crt /etc/kubeedge/certs/server.crt").expect(0);
    machine.sh("cmp /run/cloud/ca.crt /etc/kubeedge/ca/rootCA.crt").expect(0);
    let new = pair();
    machine.sh("edge-join --force-namespace undo").expect(0);
    assert_eq!(machine.tree(), joined, "undone");
    machine.sh("openssl verify -CAfile /run/before/ca.crt /etc/kubeedge/certs/server.crt").expect(0);
    assert!(new.lines().zip(pair().lines()).take(3).all(|(new, old)| new != old), "{new}");
    machine.sh("rm -r /run/before").expect(0);
    machine.has_no_token(&[&ran]);
}

#[test]
fn labels_and_taints_are_written_and_wait_is_the_longest_time() {
    let Some(machine) = Machine::boot("labels_and_taints_are_written_and_wait_is_the_longest_time") else { return };
    machine.serve("--version 1.23");
    machine.sh("mkdir -p /etc/systemd/system/edgecore.service.d").expect(0);
    let drop_in = "/etc/systemd/system/edgecore.service.d/test.conf";
    machine.systemd.write(drop_in, "[Service]\nEnvironment=EDGECORE_STANDIN=silent\n", "644");
    let more = "--label site=a --label a.example/b.c=D_1 --taint edge=true:NoExecute --taint only:NoSchedule";
    let began = Instant::now();
    let ran = machine.sh(&format!("{JOIN} {more} --token /run/cloud/token --wait 11")).expect(1);
    assert!((11..20).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
    says(&ran, "cannot join: after 11 s, it has no connection to the hub at 127.0.0.1:10000");
    let yaml = machine.systemd.read("/etc/kubeedge/config/edgecore.yaml");
    let labels = "    nodeLabels:\n      site: a\n      a.example/b.c: D_1\n";
    assert!(yaml.contains(labels), "{yaml}");
    let taints = "registerWithTaints:\n";
    let after = yaml.split(taints).nth(1).unwrap_or_default();
    let words: Vec<&str> = after.split(['\n', ' ', '-']).filter(|word| !word.is_empty()).take(10).collect();
    assert_eq!(words.join(" "), "key: edge value: \"true\" effect: NoExecute key: only effect: NoSchedule", "{yaml}");
    // The same call completes the join as soon as edgecore connects, long before the time is over.
    machine.sh(&format!("rm {drop_in}; systemctl daemon-reload; systemctl restart edgecore")).expect(0);
    let began = Instant::now();
    says(&machine.sh(&format!("{JOIN} {more} --wait 600")).expect(0), "is connected to 127.0.0.1:10000 as edge1");
    assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
}

#[test]
fn token_is_in_the_arguments_of_no_process_while_apply_runs() {
    let Some(machine) = Machine::boot("token_is_in_the_arguments_of_no_process_while_apply_runs") else { return };
    machine.serve("--version 1.23");
    machine.systemd.write(
        "/run/watch.sh",
        "touch /run/watching; while [ -e /run/watching ]; do cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null; done | tr '\\0' '\\n' | grep -aF -f /run/cloud/parts > /run/seen\n",
        "644",
    );
    // The watcher sees a token that is an argument for a moment.
    let watched = |call: &str| {
        machine
            .sh(&format!(
                "tr . '\\n' < /run/cloud/token | tail -n 2 > /run/cloud/parts; sh /run/watch.sh & sleep 0.5
                 {call} > /run/out 2>&1; code=$?; rm /run/watching; wait; cat /run/out; wc -l < /run/seen; exit $code"
            ))
            .expect(0)
            .stdout
    };
    let last = |said: String| said.lines().last().unwrap().parse::<u32>().unwrap();
    assert!(last(watched("sh -c 'sleep 0.3' x $(cat /run/cloud/token)")) > 0, "the watcher does not work");
    assert_eq!(last(watched(&format!("{JOIN} --token /run/cloud/token"))), 0);
    machine.sh("edge-join --force-namespace undo").expect(0);
    assert_eq!(last(watched(&format!("{JOIN} --token - --no-start < /run/cloud/token"))), 0);
}
