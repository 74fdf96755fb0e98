//! README.md and docs/: every command of their transcripts is run, and prints what the page shows.
//!
//! A block marked `console HOST` is a transcript: each line that begins with `$` is run on that host, followed by its output.
//! A comment `<!-- HOST: COMMAND -->` is run, too, and not shown. Hosts are root trees, new for each page:
//! `edge` a Raspberry Pi, `cloud` a host with kubeadm's CA and a cloudcore.yaml, `card` a computer with the card of a
//! Raspberry Pi mounted at /mnt. The home directory of all has what was built or downloaded before.
//!
//! With EDGEUTILS_WRITE_DOCS=1 the pages get the outputs of this run instead.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use edge_kubeedge::{Kind, Minor};
use edgeutils_tests::cni::{ARM64, fake_build, image_for, tiny};
use edgeutils_tests::defaults::render;
use edgeutils_tests::pages::{self, Kind as Part};
use edgeutils_tests::pki::Pki;
use edgeutils_tests::standin::bundle;
use edgeutils_tests::tool;
use edgeutils_tests::tree::Tree;
use edgeutils_tests::{skip, systems};
use sha2::{Digest, Sha256};

use crate::help::UTILITIES;

const WORKSPACE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
const CRIO: &str = "1.30.4";
/// Where the package has the scripts, and where a card is mounted.
const SHARE: &str = "/usr/share/edgeutils";
const CARD: &str = "/mnt";
const HINT: &str = "EDGEUTILS_WRITE_DOCS=1 cargo test -p edgeutils-tests --test node docs";

/// A root tree by its name in the pages.
struct Host {
    name: &'static str,
    tree: Tree,
    /// What the wrappers of the utilities do before they run one, and with which options.
    before: &'static str,
    options: String,
}

struct Hosts {
    hosts: [Host; 3],
    home: Tree,
    bin: Tree,
}

impl Hosts {
    fn new() -> Hosts {
        let home = Tree::new();
        let plugins = ["bridge", "host-local", "loopback", "portmap"].map(|name| (name, tiny(ARM64, name)));
        fake_build(&home.at("plugins"), "v1.9.1", "arm64", &plugins);
        std::fs::create_dir_all(home.at("bundles")).unwrap();
        let (archive, _) = bundle(&home.at("bundles"), CRIO, "arm64", &tiny(ARM64, "crio"));
        let sum: String = Sha256::digest(std::fs::read(&archive).unwrap()).iter().map(|b| format!("{b:02x}")).collect();
        let name = archive.file_name().unwrap().to_str().unwrap();
        home.write("bundles/SHA256SUMS", format!("{sum}  {name}\n"));
        home.write("kube-flannel.yml", include_str!("../manifest/shapes/flannel.yaml"));
        // What keadm join writes.
        home.write("edgecore.yaml", render(Kind::EdgeCore, Minor::new(22)));

        let in_tree = |name, tree: Tree| {
            let options = format!("--root {}", tree.path().display());
            Host { name, tree, before: "", options }
        };
        let refuse = "case \" $* \" in *' --root '* | *' --help '* | *' --file '*) ;; *) echo \"$0 without --root\"; exit 9 ;; esac";
        let card = Host { name: "card", tree: raspberry_pi(), before: refuse, options: String::new() };
        let hosts = [in_tree("edge", raspberry_pi()), in_tree("cloud", cloud_host()), card];
        let bin = Tree::new();
        for host in &hosts {
            for utility in UTILITIES {
                let wrapper = format!("{}/{utility}", host.name);
                // An image has no KubeEdge whose version it could read.
                let more = if utility == &"edge-conf" && host.name != "card" { "--kubeedge-version 1.22" } else { "" };
                let call = format!("{} {} {more}", tool::path(utility).display(), host.options);
                bin.write(&wrapper, format!("#!/bin/sh\n{}\nexec {call} \"$@\"\n", host.before));
                std::fs::set_permissions(bin.at(&wrapper), std::fs::Permissions::from_mode(0o755)).unwrap();
            }
        }
        Hosts { hosts, home, bin }
    }

    fn by_name(&self, name: &str) -> Option<&Host> {
        self.hosts.iter().find(|host| host.name == name)
    }

    fn sh(&self, host: &Host, command: &str) -> Command {
        let search = format!("{}:/usr/bin:/bin", self.bin.at(host.name).display());
        let mut sh = Command::new("sh");
        sh.args(["-c", &format!("exec 2>&1; {command}")]).current_dir(self.home.path());
        sh.env_clear().env("PATH", search).env("LC_ALL", "C.UTF-8").env("HOME", self.home.path());
        sh
    }

    /// What a command prints.
    fn output(&self, host: &Host, command: &str) -> String {
        let root = host.tree.path().to_str().unwrap();
        let is_card = host.options.is_empty();
        let command = if is_card { command.replace(CARD, root) } else { command.to_owned() };
        let output = self.sh(host, &command.replace(SHARE, WORKSPACE)).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap().replace(WORKSPACE, SHARE);
        let text = if is_card {
            text.replace(root, CARD)
        } else {
            text.replace(&format!("{} ", host.options), "").replace(root, "")
        };
        text.replace(&format!("{}/", self.home.path().display()), "")
    }

    /// Runs a command of a comment in the tree itself.
    fn set_up(&self, host: &Host, command: &str) {
        let output = self.sh(host, command).current_dir(host.tree.path()).output().unwrap();
        assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stdout));
    }

    /// The page with the outputs of its commands, in its order.
    fn play(&self, path: &Path, page: &str) -> String {
        let mut played = String::new();
        let mut at = 0;
        for part in pages::read(page).parts {
            let place = || format!("{}:{}", path.display(), part.line);
            match &part.kind {
                Part::Comment => {
                    let host =
                        part.text.split_once(": ").and_then(|(name, command)| Some((self.by_name(name)?, command)));
                    if let Some((host, command)) = host {
                        self.set_up(host, command);
                    }
                }
                Part::Block(info) if info.starts_with("console") => {
                    let name = info.trim_start_matches("console").trim();
                    let host = self.by_name(name).unwrap_or_else(|| panic!("{}: unknown host {name:?}", place()));
                    let commands: Vec<&str> = part.text.lines().filter_map(|line| line.strip_prefix("$ ")).collect();
                    assert!(part.text.starts_with("$ "), "{}: a transcript begins with a command", place());
                    played.push_str(&page[at..part.range.start]);
                    for command in commands {
                        played.push_str(&format!("$ {command}\n{}", self.output(host, command)));
                    }
                    at = part.range.end;
                }
                _ => {}
            }
        }
        played + &page[at..]
    }
}

fn raspberry_pi() -> Tree {
    let tree = systems::by_name(systems::RASPBERRY_PI_OS_12);
    image_for(&tree, ARM64);
    tree
}

/// With kubeadm's CA, and what `keadm init --advertise-address=192.0.2.1` writes.
fn cloud_host() -> Tree {
    let tree = Tree::new();
    let pki = Pki::usual("ca");
    for name in ["ca.crt", "ca.key"] {
        tree.write(&format!("etc/kubernetes/pki/{name}"), std::fs::read(pki.at(name)).unwrap());
    }
    let config = render(Kind::CloudCore, Minor::new(22)).replace("192.0.2.2", "192.0.2.1");
    tree.write("etc/kubeedge/config/cloudcore.yaml", config);
    tree.write("usr/local/bin/edge-redirect", "");
    tree
}

/// README.md and every page of docs/.
fn all() -> Vec<PathBuf> {
    let workspace = Path::new(WORKSPACE);
    let mut found = vec![workspace.join("README.md")];
    let listed = std::fs::read_dir(workspace.join("docs")).unwrap().map(|entry| entry.unwrap().path());
    found.extend(listed.filter(|path| path.extension().is_some_and(|extension| extension == "md")));
    found.sort();
    found
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
fn docs_show_the_output_of_their_commands() {
    if !std::env::var_os(tool::RUNNER).unwrap_or_default().is_empty() {
        return skip("docs_show_the_output_of_their_commands", "not under an emulator");
    }
    let mut outdated = Vec::new();
    for path in all() {
        let page = std::fs::read_to_string(&path).unwrap();
        let played = Hosts::new().play(&path, &page);
        let (page, found) = (undated(&page), undated(&played));
        if page == found {
            continue;
        }
        if std::env::var_os("EDGEUTILS_WRITE_DOCS").is_some() {
            std::fs::write(&path, played).unwrap();
            continue;
        }
        let difference = page.lines().zip(found.lines()).find(|(shown, found)| shown != found);
        outdated.push(format!("{}: {difference:#?}", path.display()));
    }
    assert!(outdated.is_empty(), "{HINT}\n{}", outdated.join("\n"));
}
