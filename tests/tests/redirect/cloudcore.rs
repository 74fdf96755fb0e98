//! edge-redirect with --root in an image of cloudcore's host: cloudcore.yaml decides.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use edge_kubeedge::{Kind, Minor};
use edgeutils_tests::defaults::render;
use edgeutils_tests::tree::{Tree, assert_same};

use crate::tree::{FILE, image, redirect};

const YAML: &str = "etc/kubeedge/config/cloudcore.yaml";

fn add(version: &str) -> Vec<String> {
    ["add", "--cloudcore", "192.0.2.1", "--kubeedge-version", version, "--persist"].map(str::to_owned).to_vec()
}

fn run(tree: &Tree, args: &[String], more: &[&str]) -> edgeutils_tests::tool::Ran {
    let args: Vec<&str> = args.iter().map(String::as_str).chain(more.iter().copied()).collect();
    redirect(tree, &args)
}

#[test]
fn add_writes_what_cloudcore_does_not_manage() {
    let default = |minor| render(Kind::CloudCore, Minor::new(minor));
    for (version, yaml) in [
        (
            "1.18.3",
            default(18).replace("    enable: true\n    mode: internal", "    enable: false\n    mode: internal"),
        ),
        ("1.23.1", default(23).replace("mode: internal", "mode: external")),
        ("1.9.5", "modules:\n  IptablesManager:\n    Enable: no\n".to_owned()),
        ("1.7.2", default(7)),
        ("1.12", "modules: [".to_owned()),
    ] {
        let tree = image();
        tree.write(YAML, &yaml);
        run(&tree, &add(version), &["-n"]).expect(3);
        run(&tree, &add(version), &[]).expect(0);
        assert!(tree.read(FILE).contains("10351=192.0.2.1:10003"), "{version}");
        assert_eq!(run(&tree, &add(version), &[]).expect(0).stdout, "already up to date\n");
    }
    // What cannot be read decides nothing.
    let tree = image();
    std::fs::create_dir_all(tree.at(YAML)).unwrap();
    redirect(&tree, &["add", "10351=192.0.2.1:10003", "--persist"]).expect(0);
    redirect(&tree, &["status"]).expect(0);
    // Without cloudcore.yaml, cloudcore runs elsewhere or in a pod.
    let tree = image();
    run(&tree, &add("1.18.3"), &[]).expect(0);
    assert!(tree.at(FILE).exists());
}

#[test]
fn add_claims_nothing_where_cloudcore_manages_its_chain() {
    for (version, yaml) in [
        ("1.18.3", render(Kind::CloudCore, Minor::new(18))),
        ("1.8.2", render(Kind::CloudCore, Minor::new(8))),
        ("1.12", "modules: {iptablesManager: null}".to_owned()),
    ] {
        let tree = image();
        tree.write(YAML, &yaml);
        let before = tree.snapshot();
        for more in [&[][..], &["-n"]] {
            let ran = run(&tree, &add(version), more).expect(0);
            assert_eq!(ran.stdout, "", "{version}");
            assert!(
                ran.stderr.contains("cloudcore manages TUNNEL-PORT itself once it runs on this host"),
                "{}",
                ran.stderr
            );
            assert_same(&tree.snapshot(), &before, version);
        }
        run(&tree, &add(version), &["--force"]).expect(0);
        assert!(tree.at(FILE).exists());
    }
    let tree = image();
    tree.write(YAML, render(Kind::CloudCore, Minor::new(18)));
    let ran = redirect(&tree, &["check"]).expect(0);
    assert!(
        ran.stdout.contains("cloudcore.yaml: note: modules.iptablesManager: cloudcore manages TUNNEL-PORT itself"),
        "{}",
        ran.stdout
    );
    let ran = redirect(&tree, &["status"]).expect(0);
    assert!(ran.stdout.starts_with("chain TUNNEL-PORT: unknown: managed by cloudcore once it runs"), "{}", ran.stdout);
}

#[test]
fn check_does_not_know_what_depends_on_an_unknown_version() {
    let tree = image();
    tree.write(YAML, render(Kind::CloudCore, Minor::new(8)));
    let ran = redirect(&tree, &["check"]).expect(0);
    let said = "cloudcore.yaml: warning: it is unknown whether cloudcore manages TUNNEL-PORT itself";
    assert!(ran.stdout.contains(said) && ran.stdout.ends_with("no errors, 1 warning\n"), "{}", ran.stdout);
    redirect(&tree, &["add", "10351=192.0.2.1:10003", "--persist"]).expect(0);
    assert_eq!(redirect(&tree, &["check"]).expect(0).stdout, "no problems found\n");
}

#[test]
fn configuration_is_the_one_that_the_unit_names() {
    let tree = image();
    tree.write(YAML, render(Kind::CloudCore, Minor::new(18)));
    tree.write("srv/cloudcore.yaml", "modules: {iptablesManager: {mode: external}}\n");
    tree.write(
        "etc/systemd/system/cloudcore.service",
        "[Service]\nExecStart=/usr/local/bin/cloudcore --config=/srv/cloudcore.yaml\n",
    );
    run(&tree, &add("1.18.3"), &[]).expect(0);
    assert!(tree.at(FILE).exists());
    tree.write(
        "etc/systemd/system/cloudcore.service.d/x.conf",
        "[Service]\nExecStart=\nExecStart=/usr/local/bin/cloudcore\n",
    );
    assert_eq!(run(&tree, &add("1.18.3"), &[]).expect(0).stdout, "");
}
