//! scripts/edge-node.sh and cloud-node.sh: the utilities as a shell script uses them.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::{Seek, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use edge_kubeedge::{Kind, Minor};
use edgeutils_tests::cni::{ARM64, fake_build, image_for, tiny};
use edgeutils_tests::defaults::render;
use edgeutils_tests::pki::Pki;
use edgeutils_tests::standin::bundle;
use edgeutils_tests::systems;
use edgeutils_tests::tool::{self, Ran};
use edgeutils_tests::tree::{Tree, assert_same};

mod live;
mod rehearsal;
mod undo;

const FILE: &str = "etc/kubeedge/config/edgecore.yaml";
const ENV: &str = "etc/edgeutils/node.env";

fn script(tree: &Tree, variables: &[(&str, &str)], args: &[&str]) -> Ran {
    named("edge-node.sh", tree, variables, args)
}

fn named(name: &str, tree: &Tree, variables: &[(&str, &str)], args: &[&str]) -> Ran {
    with_input(name, tree, variables, args, "")
}

fn with_input(name: &str, tree: &Tree, variables: &[(&str, &str)], args: &[&str], input: &str) -> Ran {
    with_programs(&programs(), name, tree, variables, args, input)
}

/// Wrappers, so that the script runs the utilities under an emulator too.
fn programs() -> Tree {
    let (bin, runner) = (Tree::new(), std::env::var(tool::RUNNER).unwrap_or_default());
    for name in ["edge-prep", "edge-cni", "edge-conf", "edge-crio", "edge-certgen", "edge-redirect", "edge-reset"] {
        program(&bin, name, &format!("exec {runner} {} \"$@\"", tool::path(name).display()));
    }
    bin
}

fn program(bin: &Tree, name: &str, text: &str) {
    bin.write(name, format!("#!/bin/sh\n{text}\n"));
    std::fs::set_permissions(bin.at(name), std::fs::Permissions::from_mode(0o755)).unwrap();
}

fn with_programs(bin: &Tree, name: &str, tree: &Tree, variables: &[(&str, &str)], args: &[&str], input: &str) -> Ran {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts").join(name);
    let search = format!("{}:/usr/bin:/bin", bin.path().display());
    let mut stdin = tempfile::tempfile().unwrap();
    stdin.write_all(input.as_bytes()).unwrap();
    stdin.rewind().unwrap();
    let mut command = Command::new("sh");
    command.arg(path).args(args).env_clear().env("PATH", search).env("ROOT", tree.path());
    Ran::of(&command.envs(variables.iter().copied()).stdin(stdin).output().unwrap())
}

#[test]
fn node_script_previews_applies_and_repeats_without_changes() {
    let tree = systems::by_name(systems::RASPBERRY_PI_OS_12);
    tree.write(FILE, render(Kind::EdgeCore, Minor::new(8)));
    let before = tree.snapshot();
    let cloudcore = [("CLOUDCORE", "192.0.2.9")];
    let ran = script(&tree, &cloudcore, &["-n"]).expect(3);
    assert!(ran.stdout.contains("would write") && ran.stdout.contains("-> 192.0.2.9:10004"), "{}", ran.stdout);
    let last = "\nedge-node.sh: dry run, nothing was changed: the same command without -n makes the changes\n";
    assert!(ran.stderr.ends_with(last), "{}", ran.stderr);
    assert_same(&tree.snapshot(), &before, "edge-node.sh -n");
    script(&tree, &cloudcore, &[]).expect(0);
    let text = tree.read(FILE);
    assert!(text.contains("server: 192.0.2.9:10004\n"), "{text}");
    assert!(
        text.contains("cgroupDriver: cgroupfs\n") && !text.contains("crio.sock"),
        "the runtime was changed: {text}"
    );
    let dry = script(&tree, &cloudcore, &["-n"]).expect(0);
    let again = script(&tree, &cloudcore, &[]).expect(0);
    assert_eq!([&dry.stdout, &again.stdout], [&"already up to date\n".repeat(2); 2]);
    assert!(again.stderr.ends_with("\nedge-node.sh: done\n"), "{}", again.stderr);
}

/// A node that is up to date but for the setting: nothing of it may change before all settings are valid.
#[test]
fn script_validates_all_settings_before_a_change() {
    let tree = systems::by_name(systems::RASPBERRY_PI_OS_12);
    tree.write(FILE, render(Kind::EdgeCore, Minor::new(12)));
    let before = tree.snapshot();
    for (variable, code, text) in [
        (("RUNTIME", "docker"), 2, "RUNTIME must be keep or crio, not \"docker\""),
        (("RUNTIME", "crio"), 4, "set CRIO_VERSION to install it"),
        (("RESTART", "1"), 2, "RESTART must be yes or no, not \"1\""),
        (("CLOUDCORE", "nonsense!"), 2, "cannot use --server"),
        (("CLOUDCORE", "192.0.2.300"), 2, "CLOUDCORE is not valid; nothing was changed"),
        (("CLOUDCORE", "192.0.2.1:10000"), 2, "CLOUDCORE must be an address without a port"),
        (("CLOUDCORE", "0.0.0.0"), 2, "CLOUDCORE must be the address of a host"),
        (("CLOUDCORE", "[2001:db8::1"), 2, "has only one bracket"),
        (("KUBEEDGE_VERSION", "1.2.3.4"), 2, "KUBEEDGE_VERSION is not valid"),
        (("POD_SUBNET", "10.85.0.0/16,10.86.0.0/16"), 2, "POD_SUBNET must have at most one IPv4"),
        (("CLOUDCORE", "2001:db8::g"), 2, "CLOUDCORE is not valid"),
        (("KUBEEDGE_VERSION", "latest"), 2, "KUBEEDGE_VERSION is not valid"),
        (("KUBEEDGE_VERSION", "1.21.0 --token=x"), 2, "KUBEEDGE_VERSION is not valid"),
        (("CRIO_VERSION", "34"), 2, "CRIO_VERSION or CRIO_OPTIONS is not valid"),
        (("SWAP", "none"), 2, "SWAP is not valid"),
        (("POD_SUBNET", "10.85.0.5/16"), 2, "POD_SUBNET is not valid"),
        (("CNI_PLUGINS", "/nonexistent"), 2, "CNI_PLUGINS must be a directory"),
        (("POD_SUBNET", "10.85.0.0/99"), 2, "POD_SUBNET is not valid"),
        (("POD_SUBNET", "10.85.0.0/16,fd00::/129"), 2, "POD_SUBNET is not valid"),
    ] {
        for args in [&["-n"][..], &[]] {
            let ran = script(&tree, &[variable], args);
            assert!(ran.code == code && ran.stderr.contains(text), "{variable:?} {}\n{}", ran.code, ran.stderr);
            assert_same(&tree.snapshot(), &before, "an invalid setting");
        }
    }
    let options = [("CRIO_VERSION", "1.34"), ("CRIO_OPTIONS", "--hold --wait soon")];
    let ran = script(&tree, &options, &[]).expect(2);
    assert!(ran.stderr.contains("invalid value 'soon' for '--wait"), "{}", ran.stderr);
    assert_same(&tree.snapshot(), &before, "an invalid option");
    // keadm would ignore a version that is not a release, and install the newest one.
    let bare = systems::by_name(systems::RASPBERRY_PI_OS_12);
    let ran = script(&bare, &[("KUBEEDGE_VERSION", "v1.21")], &[]).expect(2);
    assert!(ran.stderr.contains("must be a release, such as v1.21.0"), "{}", ran.stderr);
}

#[test]
fn help_of_the_scripts_is_complete() {
    for (name, settings) in [
        (
            "edge-node.sh",
            &["CLOUDCORE", "KUBEEDGE_VERSION", "SWAP", "CNI_PLUGINS", "POD_SUBNET", "RUNTIME", "RESTART"][..],
        ),
        ("cloud-node.sh", &["CLOUDCORE", "KUBEEDGE_VERSION", "NAMES", "CA_KEY", "RESTART"]),
    ] {
        for args in [&["--help"][..], &["-h"], &["-n", "--help"]] {
            let ran = named(name, &Tree::new(), &[("RUNTIME", "nonsense")], args).expect(0);
            assert!(settings.iter().all(|setting| ran.stdout.contains(setting)), "{}", ran.stdout);
            assert!(ran.stdout.contains("--dry-run") && ran.stdout.contains("node.env"), "{}", ran.stdout);
            assert!(!ran.stdout.contains("set -eu") && ran.stderr.is_empty(), "{}{}", ran.stdout, ran.stderr);
        }
    }
}

#[test]
fn settings_file_is_read_without_executing_it() {
    let tree = systems::by_name(systems::RASPBERRY_PI_OS_12);
    tree.write(FILE, render(Kind::EdgeCore, Minor::new(23)));
    let pwned = tree.at("pwned");
    let code = format!("$(touch {0})`touch {0}`", pwned.display());
    let text = format!(
        "\u{feff}# site 12\r\n\r\n  export CLOUDCORE = \"2001:db8::7\"  # \"cloud\"\r\nKUBEEDGE_VERSION=v1.23.1\r\n\
         SWAP='keep' # 'x'\r\nSWAP=keep\r\nSITE={code}\r\nCRIO_OPTIONS={code} # x\r\nPOD_SUBNET= # none\r\nRESTART=no"
    );
    tree.write(ENV, text);
    let ran = script(&tree, &[], &[]).expect(0);
    assert!(tree.read(FILE).contains("server: \"[2001:db8::7]:10004\"\n"), "{}", tree.read(FILE));
    assert!(ran.stderr.contains("node.env:7: unknown setting SITE is ignored\n"), "{}", ran.stderr);
    assert!(ran.stderr.contains(" --kubeedge-version v1.23.1 enable logs"), "{}", ran.stderr);
    assert!(!pwned.exists(), "the file was executed");
    // The environment takes precedence, also with an empty value.
    let ran = script(&tree, &[("CLOUDCORE", "192.0.2.3"), ("KUBEEDGE_VERSION", "")], &[]).expect(0);
    assert!(tree.read(FILE).contains("server: \"192.0.2.3:10004\"\n"), "{}", tree.read(FILE));
    assert!(
        ran.stderr.contains(&format!(": edge-conf --root {} enable logs", tree.path().display())),
        "{}",
        ran.stderr
    );
}

#[test]
fn settings_file_with_an_error_changes_nothing() {
    let tree = systems::by_name(systems::RASPBERRY_PI_OS_12);
    tree.write(FILE, render(Kind::EdgeCore, Minor::new(23)));
    for line in
        ["CLOUDCORE", "=x", "CLOUD CORE=x", "SWAP=\"keep", "SWAP='keep", "SWAP='keep'x", "SWAP=\"a\" \"b\"", "$(id)=x"]
    {
        tree.write(ENV, format!("# the second line\n{line}\n"));
        let before = tree.snapshot();
        let ran = script(&tree, &[], &[]).expect(2);
        let text = format!("edge-node.sh: cannot read {}: line 2 is not NAME=VALUE\n", tree.at(ENV).display());
        assert_eq!((ran.stdout.as_str(), ran.stderr), ("", text), "{line}");
        assert_same(&tree.snapshot(), &before, line);
    }
    std::fs::remove_file(tree.at(ENV)).unwrap();
    std::fs::create_dir(tree.at(ENV)).unwrap();
    let ran = script(&tree, &[], &[]).expect(1);
    assert!(ran.stderr.ends_with("node.env: it is not a readable file\n"), "{}", ran.stderr);
}

#[test]
fn dry_run_shows_every_step_of_a_bare_host() {
    let (tree, beside) = (systems::by_name(systems::DEBIAN_RASPI), Tree::new());
    image_for(&tree, ARM64);
    let plugins = ["bridge", "host-local", "loopback", "portmap"].map(|name| (name, tiny(ARM64, name)));
    fake_build(&beside.at("plugins"), "v1.9.1", "arm64", &plugins);
    let (archive, sum) = bundle(beside.path(), "1.30.4", "arm64", &tiny(ARM64, "crio"));
    let options = format!("--archive {} --sha256 {sum}", archive.display());
    let plugins = beside.at("plugins").display().to_string();
    let variables = [
        ("CLOUDCORE", "2001:db8::1"),
        ("KUBEEDGE_VERSION", "1.18.3"),
        ("CNI_PLUGINS", plugins.as_str()),
        ("POD_SUBNET", "10.85.0.0/16,fd00:85::/64"),
        ("CRIO_VERSION", "1.30.4"),
        ("CRIO_OPTIONS", options.as_str()),
    ];
    let before = tree.snapshot();
    let ran = script(&tree, &variables, &["-n"]).expect(3);
    let keadm = "keadm join --cloudcore-ipport=[2001:db8::1]:10000 --token=TOKEN --kubeedge-version=1.18.3";
    let mut rest = ran.stdout.as_str();
    for step in [
        "would write /etc/modules-load.d/90-edgeutils.conf",
        "would write /opt/cni/bin/portmap",
        &format!(
            "would run edge-cni --root {} conf bridge --subnet 10.85.0.0/16 --subnet fd00:85::/64, once the plugins are installed\n",
            tree.path().display()
        ),
        "would write /usr/local/bin/crio",
        &format!("{keadm} $(edge-crio settings --format keadm --kubeedge-version 1.18.3)\n"),
        "would run edge-conf enable logs --server [2001:db8::1]:10004, after keadm join\n",
        "would run edge-crio settings | edge-conf enable crio -, after keadm join\n",
    ] {
        let (_, after) = rest.split_once(step).unwrap_or_else(|| panic!("no {step:?} in order in:\n{}", ran.stdout));
        rest = after;
    }
    assert_same(&tree.snapshot(), &before, "edge-node.sh -n");
    // All of it, and the flags of the CRI-O that is installed now.
    let ran = script(&tree, &variables, &[]).expect(0);
    let flags = "--remote-runtime-endpoint=unix:///var/run/crio/crio.sock --cgroupdriver=systemd";
    assert!(ran.stdout.ends_with(&format!("{keadm} {flags}\n")), "{}", ran.stdout);
    assert!(tree.read("etc/cni/net.d/10-edgeutils.conflist").contains("fd00:85::/64"));
    let ran = script(&tree, &variables, &["-n"]).expect(0);
    assert!(ran.stdout.contains("would run edge-conf enable logs"), "{}", ran.stdout);
    // A failure of one step does not hide the others.
    let empty = tempfile::tempdir().unwrap();
    let empty = empty.path().to_str().unwrap();
    let broken = [("CNI_PLUGINS", empty), ("RUNTIME", "crio"), ("CLOUDCORE", "192.0.2.1")];
    let ran = script(&tree, &broken, &["-n"]).expect(1);
    assert!(ran.stderr.contains(&format!("cannot install from {empty}")), "{}", ran.stderr);
    assert!(ran.stderr.ends_with("nothing was changed: see the errors above\n"), "{}", ran.stderr);
    assert!(ran.stdout.contains("keadm join --cloudcore-ipport=192.0.2.1:10000"), "{}", ran.stdout);
    let ran = script(&tree, &broken, &[]).expect(1);
    assert!(
        ran.stderr
            .ends_with("\nedge-node.sh: nothing was changed: after the cause is fixed, run the same command again\n"),
        "{}",
        ran.stderr
    );
}

#[test]
fn records_are_alone_on_standard_output() {
    let tree = systems::by_name(systems::UBUNTU_24_04);
    let ran = script(&tree, &[("CLOUDCORE", "192.0.2.1")], &["--json", "-n"]).expect(3);
    assert!(ran.stdout.lines().all(|line| line.starts_with('{')), "{}", ran.stdout);
    assert!(ran.stderr.contains("\nkeadm join "), "{}", ran.stderr);
}

#[test]
fn cgroup_driver_is_that_of_crio() {
    let (tree, beside) = (systems::by_name(systems::DEBIAN_RASPI), Tree::new());
    image_for(&tree, ARM64);
    tree.write(FILE, render(Kind::EdgeCore, Minor::new(12)));
    let (archive, sum) = bundle(beside.path(), "1.30.4", "arm64", &tiny(ARM64, "crio"));
    let options = format!("--archive {} --sha256 {sum} --cgroup-driver cgroupfs", archive.display());
    let variables = [("CLOUDCORE", "192.0.2.9"), ("CRIO_VERSION", "1.30.4"), ("CRIO_OPTIONS", options.as_str())];
    script(&tree, &variables, &[]).expect(0);
    assert!(tree.read(FILE).contains("cgroupDriver: cgroupfs\n"), "{}", tree.read(FILE));
    let again = script(&tree, &variables, &[]).expect(0);
    assert_eq!(again.stdout, "already up to date\n".repeat(4));
}

#[test]
fn script_configures_nothing_before_the_join() {
    let tree = systems::by_name(systems::UBUNTU_24_04);
    let ran = script(&tree, &[("CLOUDCORE", "192.0.2.9"), ("RUNTIME", "keep"), ("KUBEEDGE_VERSION", "1.21.0")], &[]);
    let ran = ran.expect(0);
    assert!(
        ran.stderr
            .ends_with("edge-node.sh: edgecore.yaml does not exist yet: run keadm join, then this script again\n")
    );
    let line = "\nkeadm join --cloudcore-ipport=192.0.2.9:10000 --token=TOKEN --kubeedge-version=1.21.0\n";
    assert!(ran.stdout.ends_with(line), "{}", ran.stdout);
    assert!(tree.read("boot/firmware/cmdline.txt").trim_end().ends_with(" cgroup_enable=memory"));
}

#[test]
fn cloud_script_reads_its_address_from_cloudcore_yaml_and_repeats_without_changes() {
    let tree = Tree::new();
    let pki = Pki::usual("ca");
    for (file, name) in [("etc/kubernetes/pki/ca.crt", "ca.crt"), ("etc/kubernetes/pki/ca.key", "ca.key")] {
        tree.write(file, std::fs::read(pki.at(name)).unwrap());
    }
    let before = tree.snapshot();
    let version = [("KUBEEDGE_VERSION", "1.7.2")];
    let run = |args: &[&str]| named("cloud-node.sh", &tree, &version, args);
    // Without an address no step is run, and the error is that of edge-conf.
    for args in [&["-n"][..], &[]] {
        let ran = run(args).expect(1);
        assert!(ran.stderr.starts_with("edge-conf: cannot find a configuration"), "{}", ran.stderr);
        assert!(!ran.stderr.contains("edge-certgen"), "{}", ran.stderr);
        assert_same(&tree.snapshot(), &before, "no cloudcore.yaml");
    }
    named("cloud-node.sh", &tree, &[], &[]).expect(2);
    for variables in [[("KUBEEDGE_VERSION", "seven"), ("X", "")], [version[0], ("CLOUDCORE", "cloud.example.com")]] {
        named("cloud-node.sh", &tree, &variables, &[]).expect(if variables[1].0 == "X" { 2 } else { 1 });
        assert_same(&tree.snapshot(), &before, "an invalid setting");
    }

    let file = "etc/kubeedge/config/cloudcore.yaml";
    tree.write(file, render(Kind::CloudCore, Minor::new(7)));
    let before = tree.snapshot();
    let ran = run(&["-n"]).expect(3);
    assert!(ran.stdout.contains("SANs IP:127.0.0.1, IP:192.0.2.2\n"), "{}", ran.stdout);
    let root = tree.path().display();
    let later = format!(
        "would run edge-conf --root {root} --kubeedge-version 1.7.2 enable logs, once the certificates exist\n"
    );
    assert!(
        ran.stdout.contains(&later) && ran.stdout.contains("would write /etc/edgeutils/redirect.toml"),
        "{}",
        ran.stdout
    );
    // Paths in notes are those below ROOT.
    let note = format!("{root}/usr/local/bin/edge-redirect does not exist yet");
    assert!(ran.stderr.contains(&note), "{}", ran.stderr);
    let ran = named("cloud-node.sh", &tree, &[("KUBEEDGE_VERSION", "1.12.0")], &["-n"]).expect(3);
    assert!(ran.stderr.contains(&format!("({root}/{file})")), "{}", ran.stderr);
    assert_same(&tree.snapshot(), &before, "cloud-node.sh -n");
    run(&[]).expect(0);
    assert!(tree.read("etc/edgeutils/redirect.toml").contains("\"10351=192.0.2.2:10003\""));
    assert_eq!(run(&[]).expect(0).stdout, "already up to date\n".repeat(3));
    run(&["-n"]).expect(0);
    // An IPv6 address with or without brackets, from the file.
    for address in ["[2001:db8::1]", "2001:db8::2,192.0.2.2"] {
        tree.write(ENV, format!("KUBEEDGE_VERSION=1.7.2\nCLOUDCORE={address}\nNAMES='cloud.example.com'\n"));
        let ran = named("cloud-node.sh", &tree, &[], &[]).expect(0);
        let first = address.trim_start_matches('[').split([']', ',']).next().unwrap();
        let redirects = tree.read("etc/edgeutils/redirect.toml");
        assert!(redirects.contains(&format!("\"10351=[{first}]:10003\"")), "{redirects}");
        assert!(ran.stdout.contains("DNS:cloud.example.com"), "{}", ran.stdout);
    }
}

#[test]
fn script_works_through_a_link() {
    let tree = systems::by_name(systems::RASPBERRY_PI_OS_12);
    let bin = Tree::new();
    for name in ["edge-node.sh", "cloud-node.sh"] {
        let script =
            std::fs::canonicalize(Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts").join(name)).unwrap();
        bin.link(name, script.to_str().unwrap());
        let output = Command::new("sh").arg(bin.at(name)).arg("--help").env("ROOT", tree.path()).output().unwrap();
        let ran = Ran::of(&output).expect(0);
        assert!(ran.stdout.contains("Settings are environment variables"), "{}", ran.stdout);
    }
}
