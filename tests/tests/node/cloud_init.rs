//! scripts/cloud-init: the user-data at the first boot of a Debian, by the real cloud-init and systemd.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::cell::Cell;
use std::path::Path;
use std::process::Command;

use edge_kubeedge::{Kind, Minor};
use edgeutils_tests::cni::{AMD64, ARM64, own_arch, sha256, tiny};
use edgeutils_tests::defaults::render;
use edgeutils_tests::pki::Pki;
use edgeutils_tests::systemd::Systemd;
use edgeutils_tests::tree::Tree;
use edgeutils_tests::{fleet, skip};

use crate::release;

const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/cloud-init");
const SEED: &str = "/var/lib/cloud/seed/nocloud";
const LOG: &str = "/var/log/edgeutils-node.log";
/// The utilities work on an image, as they would refuse to change a machine that is a namespace.
const IMAGE: &str = "/srv/image";

/// The machine, and what it installs.
struct Machine {
    systemd: Systemd,
    /// Address and checksum of the package, then of an archive of CNI plugins.
    files: [(String, String); 2],
    instance: Cell<u32>,
}

impl Machine {
    fn boot() -> Result<Machine, String> {
        let release = Tree::new();
        let tree = fleet::tree()?;
        release::make(release.path());
        release.write("loopback", tiny(if own_arch() == "arm64" { ARM64 } else { AMD64 }, "loopback"));
        let plugins = release.at(&format!("cni-plugins-linux-{}-v1.9.1.tgz", own_arch()));
        let mut tar = Command::new("tar");
        assert!(
            tar.arg("-C").arg(release.path()).arg("-czf").arg(&plugins).arg("loopback").status().unwrap().success()
        );
        let files = [release::file(release.path(), "deb"), plugins];
        // Their place is that of programs.
        let systemd = Systemd::boot_tree(&tree, "dbus.service", &[&files[0], &files[1]])?;
        systemd.write(
            "/etc/cloud/cloud.cfg.d/90-test.cfg",
            "datasource_list: [NoCloud]\nnetwork: {config: disabled}\nlocale: false\n",
            "644",
        );
        let files = files.map(|file| {
            let name = file.file_name().unwrap().to_string_lossy();
            (format!("file:///usr/local/bin/{name}"), sha256(&std::fs::read(&file).unwrap()))
        });
        Ok(Machine { systemd, files, instance: Cell::new(0) })
    }

    /// A first boot of a new instance with the user-data of this name, and values for node.env. The status that
    /// cloud-init reports at its end.
    fn first_boot(&self, name: &str, values: &[(&str, &str)]) -> String {
        let mut text = std::fs::read_to_string(Path::new(SCRIPTS).join(name)).unwrap();
        let own = [("PACKAGE", self.files[0].0.as_str()), ("SHA256", &self.files[0].1), ("ROOT", IMAGE)];
        for (name, value) in own.iter().chain(values) {
            let line = format!("      {name}=");
            let kept: Vec<&str> = text.lines().filter(|other| !other.starts_with(&line)).collect();
            text = kept.join("\n").replacen("content: |\n", &format!("content: |\n{line}{value}\n"), 1) + "\n";
        }
        self.instance.set(self.instance.get() + 1);
        self.systemd.write(&format!("{SEED}/user-data"), &text, "600");
        self.systemd.write(
            &format!("{SEED}/meta-data"),
            &format!("instance-id: test-{}\n", self.instance.get()),
            "644",
        );
        let schema = self.systemd.sh(&format!("cloud-init schema --config-file {SEED}/user-data"));
        assert!(schema.code == 0 && schema.stdout.contains("Valid cloud-config"), "{}{}", schema.stdout, schema.stderr);
        self.systemd.sh(&format!(
            "rm -rf /run/cloud-init {LOG}
            cloud-init init --local; cloud-init init; cloud-init modules --mode=config; cloud-init modules --mode=final"
        ));
        self.systemd.sh("cloud-init status --long").stdout
    }

    fn log(&self) -> String {
        self.systemd.read(LOG)
    }
}

#[test]
fn user_data_prepares_nodes_and_a_failed_step_is_in_the_status() {
    let machine = match Machine::boot() {
        Ok(machine) => machine,
        Err(reason) => return skip("user_data_prepares_nodes_and_a_failed_step_is_in_the_status", &reason),
    };
    let host = &machine.systemd;
    host.write(&format!("{IMAGE}/etc/os-release"), "ID=debian\nVERSION_ID=12\n", "644");
    host.sh(&format!("mkdir {IMAGE}/bin; cp /bin/sh {IMAGE}/bin/")).expect(0);
    let file = format!("{IMAGE}/etc/kubeedge/config/edgecore.yaml");
    host.write(&file, &render(Kind::EdgeCore, Minor::new(12)), "640");

    // Another file than the one with the checksum is not installed.
    let sum = "0".repeat(64);
    let status = machine.first_boot("edge-node.yaml", &[("SHA256", &sum)]);
    assert!(status.contains("status: error\n") && status.contains("edgeutils-1-install"), "{status}");
    assert!(machine.log().contains("edgeutils.deb: FAILED"), "{}", machine.log());
    assert_ne!(host.sh("command -v edge-prep").code, 0);

    // A setting that the script refuses.
    let status = machine.first_boot("edge-node.yaml", &[("CLOUDCORE", "nonsense!")]);
    assert!(status.contains("status: error\n") && status.contains("failures (edgeutils-2-edge-node)"), "{status}");
    assert!(machine.log().contains("CLOUDCORE is not valid; nothing was changed"), "{}", machine.log());

    let (plugins, sum) = &machine.files[1];
    let values = [("CLOUDCORE", "192.0.2.9"), ("CNI_ARCHIVE", plugins.as_str()), ("CNI_SHA256", sum)];
    let status = machine.first_boot("edge-node.yaml", &values);
    assert!(status.contains("status: done\n"), "{status}{}", machine.log());
    host.sh(&format!("test -e {IMAGE}/opt/cni/bin/loopback")).expect(0);
    assert!(host.read(&file).contains("server: 192.0.2.9:10004\n"));
    assert!(machine.log().contains("\nedge-node.sh: done\n"), "{}", machine.log());

    let pki = Pki::usual("ca");
    for name in ["ca.crt", "ca.key"] {
        let path = format!("{IMAGE}/etc/kubernetes/pki/{name}");
        host.write(&path, &std::fs::read_to_string(pki.at(name)).unwrap(), "600");
    }
    let file = format!("{IMAGE}/etc/kubeedge/config/cloudcore.yaml");
    host.write(&file, &render(Kind::CloudCore, Minor::new(7)), "640");
    host.sh(&format!("rm {IMAGE}/etc/kubeedge/config/edgecore.yaml /var/lib/cloud/scripts/per-instance/*")).expect(0);
    let status = machine.first_boot("cloud-node.yaml", &[]);
    assert!(status.contains("status: done\n"), "{status}{}", machine.log());
    host.sh(&format!("test -e {IMAGE}/etc/kubeedge/certs/stream.crt")).expect(0);
    assert!(machine.log().contains("\ncloud-node.sh: done\n"), "{}", machine.log());
}
