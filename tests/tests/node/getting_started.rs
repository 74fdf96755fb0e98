//! docs/getting-started.md: every command of its transcripts is run, and prints what the page shows.
//!
//! With EDGEUTILS_WRITE_GUIDE=1 the page gets the outputs of this run instead.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use edge_kubeedge::{Kind, Minor};
use edgeutils_tests::cni::{ARM64, fake_build, image_for, tiny};
use edgeutils_tests::defaults::render;
use edgeutils_tests::pki::Pki;
use edgeutils_tests::standin::bundle;
use edgeutils_tests::tool;
use edgeutils_tests::tree::Tree;
use edgeutils_tests::{skip, systems};
use sha2::{Digest, Sha256};

use crate::help::UTILITIES;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/getting-started.md");
const CRIO: &str = "1.30.4";

/// A node and a cloud host as root trees, and a home directory with what was built or downloaded before.
struct Hosts {
    edge: Tree,
    cloud: Tree,
    home: Tree,
    bin: Tree,
}

impl Hosts {
    fn new() -> Hosts {
        let hosts = Hosts {
            edge: systems::by_name(systems::RASPBERRY_PI_OS_12),
            cloud: Tree::new(),
            home: Tree::new(),
            bin: Tree::new(),
        };
        image_for(&hosts.edge, ARM64);
        let plugins = ["bridge", "host-local", "loopback", "portmap"].map(|name| (name, tiny(ARM64, name)));
        fake_build(&hosts.home.at("plugins"), "v1.9.1", "arm64", &plugins);
        std::fs::create_dir_all(hosts.home.at("bundles")).unwrap();
        let (archive, _) = bundle(&hosts.home.at("bundles"), CRIO, "arm64", &tiny(ARM64, "crio"));
        let sum: String = Sha256::digest(std::fs::read(&archive).unwrap()).iter().map(|b| format!("{b:02x}")).collect();
        let name = archive.file_name().unwrap().to_str().unwrap();
        hosts.home.write("bundles/SHA256SUMS", format!("{sum}  {name}\n"));

        let pki = Pki::usual("ca");
        for name in ["ca.crt", "ca.key"] {
            hosts.cloud.write(&format!("etc/kubernetes/pki/{name}"), std::fs::read(pki.at(name)).unwrap());
        }
        // keadm init --advertise-address=192.0.2.1
        let config = render(Kind::CloudCore, Minor::new(22)).replace("192.0.2.2", "192.0.2.1");
        hosts.cloud.write("etc/kubeedge/config/cloudcore.yaml", config);
        hosts.cloud.write("usr/local/bin/edge-redirect", "");
        for (host, tree) in [("edge", &hosts.edge), ("cloud", &hosts.cloud)] {
            for utility in UTILITIES {
                let (wrapper, program) = (format!("{host}/{utility}"), tool::path(utility));
                // An image has no KubeEdge whose version it could read.
                let more = if utility == &"edge-conf" { "--kubeedge-version 1.22" } else { "" };
                let call = format!("{} --root {} {more}", program.display(), tree.path().display());
                let text = format!("#!/bin/sh\nexec {call} \"$@\"\n");
                hosts.bin.write(&wrapper, text);
                std::fs::set_permissions(hosts.bin.at(&wrapper), std::fs::Permissions::from_mode(0o755)).unwrap();
            }
        }
        hosts
    }

    fn output(&self, host: &str, command: &str) -> String {
        let search = format!("{}:/usr/bin:/bin", self.bin.at(host).display());
        let mut sh = Command::new("sh");
        sh.args(["-c", &format!("exec 2>&1; {command}")]).current_dir(self.home.path());
        let output = sh.env_clear().env("PATH", search).env("LC_ALL", "C.UTF-8").output().unwrap();
        let mut text = String::from_utf8(output.stdout).unwrap();
        for tree in [&self.edge, &self.cloud] {
            let root = tree.path().to_str().unwrap();
            text = text.replace(&format!("--root {root} "), "").replace(root, "");
        }
        text.replace(&format!("{}/", self.home.path().display()), "")
    }

    /// The page with the outputs of its commands, in its order.
    fn play(&self, page: &str) -> String {
        let mut played = String::new();
        let mut host = None;
        for line in page.lines() {
            if line.starts_with("```") {
                host = line.strip_prefix("```console ");
            } else if host.is_some() && !line.starts_with("$ ") {
                continue;
            } else if line.starts_with("keadm join") {
                self.edge.write("etc/kubeedge/config/edgecore.yaml", render(Kind::EdgeCore, Minor::new(22)));
            }
            played.push_str(line);
            played.push('\n');
            if let (Some(host), Some(command)) = (host, line.strip_prefix("$ ")) {
                played.push_str(&self.output(host, command));
            }
        }
        played
    }
}

/// Without dates, and without the names of runs. One second after it was made, a certificate has a whole day less.
fn undated(text: &str) -> String {
    let is_varying = |word: &str| word.len() >= 8 && word.starts_with("20") && word.contains(['-', 'T']);
    let line = |line: &str| {
        line.split(' ').map(|word| if is_varying(word) { "DATE" } else { word }).collect::<Vec<_>>().join(" ")
    };
    text.replace("for 824 days", "for 825 days").lines().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn getting_started_shows_the_output_of_its_commands() {
    if !std::env::var_os(tool::RUNNER).unwrap_or_default().is_empty() {
        return skip("getting_started_shows_the_output_of_its_commands", "not under an emulator");
    }
    let page = std::fs::read_to_string(Path::new(PAGE)).unwrap();
    let played = Hosts::new().play(&page);
    if std::env::var_os("EDGEUTILS_WRITE_GUIDE").is_some() {
        std::fs::write(PAGE, played).unwrap();
        return;
    }
    let hint = "EDGEUTILS_WRITE_GUIDE=1 cargo test -p edgeutils-tests --test node getting_started";
    for (shown, found) in undated(&page).lines().zip(undated(&played).lines()) {
        assert_eq!(shown, found, "the page is outdated: {hint}");
    }
    assert_eq!(undated(&page).lines().count(), undated(&played).lines().count(), "{hint}");
}
