//! cloud-node.sh on a host whose cloudcore was started by hand: it gets a unit, and undo-node.sh removes that.

use edge_kubeedge::{Kind, Minor};
use edgeutils_tests::defaults::render;
use edgeutils_tests::pki::Pki;
use edgeutils_tests::systemd::Systemd;
use edgeutils_tests::{skip, tool};

const UNIT: &str = "/etc/systemd/system/cloudcore.service";
const SCRIPTS: [&str; 3] = ["cloud-node.sh", "settings.sh", "undo-node.sh"];
const TOOLS: [&str; 3] = ["edge-conf", "edge-certgen", "edge-redirect"];

#[test]
fn cloud_script_gives_a_cloudcore_that_was_started_by_hand_a_unit() {
    let tools = TOOLS.map(tool::path);
    let tools: Vec<_> = tools.iter().map(|path| path.as_path()).collect();
    let machine = match Systemd::boot(&tools) {
        Ok(machine) => machine,
        Err(reason) => return skip("node_script_by_hand", &reason),
    };
    let scripts = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts");
    for name in SCRIPTS {
        machine.write(&format!("/root/{name}"), &std::fs::read_to_string(scripts.join(name)).unwrap(), "755");
    }
    let pki = Pki::usual("ca");
    machine.sh("mkdir -p /etc/kubernetes/pki").expect(0);
    for name in ["ca.crt", "ca.key"] {
        let text = std::fs::read_to_string(pki.at(name)).unwrap();
        machine.write(&format!("/etc/kubernetes/pki/{name}"), &text, "600");
    }
    machine.write("/etc/kubeedge/config/cloudcore.yaml", &render(Kind::CloudCore, Minor::new(7)), "644");
    machine
        .sh("cp /bin/sleep /usr/local/bin/cloudcore; cd /; nohup cloudcore 1000 > /dev/null 2>&1 & sleep 0.2")
        .expect(0);
    let by_hand = machine.sh("pidof cloudcore").expect(0).stdout;
    let script = |variables: &str, options: &str| {
        machine.sh(&format!("KUBEEDGE_VERSION=1.7.2 {variables} sh /root/cloud-node.sh --force-namespace {options}"))
    };

    let ran = script("", "-n").expect(3);
    assert!(ran.stdout.contains(&format!("would write {UNIT}")), "{}", ran.stdout);
    let ran = script("", "").expect(0);
    assert!(ran.stderr.ends_with("cloud-node.sh: next: edge-conf unit cloudcore --restart\n"), "{}", ran.stderr);
    assert_eq!(machine.sh("pidof cloudcore").expect(0).stdout, by_hand, "without RESTART=yes it runs on");

    let ran = script("RESTART=yes", "").expect(0);
    assert!(ran.stderr.ends_with("cloud-node.sh: done\n"), "{}", ran.stderr);
    let in_unit = machine.sh("systemctl show -p MainPID --value cloudcore").expect(0).stdout;
    assert_eq!(machine.sh("pidof cloudcore").expect(0).stdout, in_unit);
    assert_ne!(in_unit, by_hand);
    let again = script("RESTART=yes", "").expect(0);
    assert_eq!(again.stdout, "already up to date\n".repeat(4));

    machine.sh("sh /root/undo-node.sh --force-namespace").expect(0);
    machine.sh(&format!("test ! -e {UNIT} && test ! -e /etc/kubeedge/certs/stream.crt")).expect(0);
    assert_eq!(machine.sh("pidof cloudcore").expect(0).stdout, in_unit, "an undo does not end it");
}
