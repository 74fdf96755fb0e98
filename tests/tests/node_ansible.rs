//! scripts/ansible: changed, ok and failed as ansible reports them, and check mode.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::Path;
use std::process::Command;

use edge_conf::schema::{Kind, Minor, render};
use edgeutils_tests::tool::{self, Ran};
use edgeutils_tests::tree::{Tree, assert_same};
use edgeutils_tests::{skip, systems};
use serde_json::Value;

const PLAY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/ansible/edge-node.yaml");
const EDGECORE: &str = "etc/kubeedge/config/edgecore.yaml";

/// What one play said of its only host.
struct Played {
    ran: Ran,
    stats: Value,
}

fn play(root: &Tree, cloudcore: &str, args: &[&str]) -> Played {
    let home = Tree::new();
    let variables = serde_json::json!({
        "edgeutils_bin": tool::path("edge-conf").parent().unwrap(),
        "edgeutils_root": root.path(),
        "edgeutils_cloudcore": cloudcore,
    });
    let mut command = Command::new("ansible-playbook");
    command.args(["-i", "localhost,", "-c", "local", PLAY, "-e", &variables.to_string()]).args(args);
    command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("HOME", home.path());
    command.env("LC_ALL", "C.UTF-8").env("ANSIBLE_STDOUT_CALLBACK", "json").env("ANSIBLE_LOCALHOST_WARNING", "false");
    let ran = Ran::of(&command.output().unwrap());
    let report: Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{}{}", ran.stdout, ran.stderr));
    Played { stats: report["stats"]["localhost"].clone(), ran }
}

impl Played {
    #[track_caller]
    fn expect(&self, code: i32, changed: u64, failed: u64) {
        let counted = [&self.stats["changed"], &self.stats["failures"]].map(|count| count.as_u64().unwrap());
        assert_eq!((self.ran.code, counted), (code, [changed, failed]), "{}{}", self.ran.stdout, self.ran.stderr);
    }
}

#[test]
fn a_play_reports_what_the_utilities_changed() {
    if !Path::new("/usr/bin/ansible-playbook").exists() {
        return skip("a_play_reports_what_the_utilities_changed", "no ansible-playbook");
    }
    let root = systems::by_name(systems::UBUNTU_24_04);
    root.write(EDGECORE, render(Kind::EdgeCore, Minor::new(12)));
    let before = root.snapshot();
    play(&root, "192.0.2.9", &["--check"]).expect(0, 3, 0);
    assert_same(&root.snapshot(), &before, "check mode");

    play(&root, "192.0.2.9", &[]).expect(0, 3, 0);
    assert!(root.read(EDGECORE).contains("server: 192.0.2.9:10004\n"));
    play(&root, "192.0.2.9", &["--check"]).expect(0, 0, 0);
    play(&root, "192.0.2.9", &[]).expect(0, 0, 0);

    let played = play(&root, "nonsense!", &[]);
    played.expect(2, 0, 1);
    assert!(played.ran.stdout.contains("cannot use --server"), "{}", played.ran.stdout);
}
