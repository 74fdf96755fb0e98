//! Problems in CRI-O's files that check reports.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::os::unix::fs::symlink;

use edgeutils_tests::tool::{Ran, Tool};
use edgeutils_tests::tree::Tree;

const DIR: &str = "etc/crio/crio.conf.d";

fn tree(files: &[(&str, &str)]) -> Tree {
    let tree = Tree::with(&[("etc/os-release", "ID=debian\nVERSION_ID=12\n")]);
    std::fs::create_dir_all(tree.at(DIR)).unwrap();
    for (name, text) in files {
        tree.write(&format!("{DIR}/{name}"), text);
    }
    tree
}

fn check(tree: &Tree) -> Ran {
    Tool::new("edge-crio").arg("--root").arg(tree.path()).arg("check").run()
}

fn about(ran: &Ran, file: &str) -> Vec<String> {
    let of_it = |line: &str| Some(line.strip_prefix(&format!("/{file}"))?.split_once(": ")?.1.to_owned());
    ran.stdout.lines().filter_map(of_it).collect()
}

#[test]
fn check_reads_every_file_below_the_directory() {
    let driver = "[crio.runtime]\ncgroup_manager = \"cgroupfs\"\nconmon_cgroup = \"pod\"\n";
    let tree = tree(&[
        ("10-crio.conf", ""),
        ("10-crio.conf~", ""),
        (".10-crio.conf.swp", "b0VIM"),
        ("old/10-crio.conf", driver),
        ("latin.conf", ""),
    ]);
    std::fs::write(tree.at(&format!("{DIR}/latin.conf")), b"# gr\xfc\xdfe\n").unwrap();
    symlink("/etc/crio/elsewhere.conf", tree.at(&format!("{DIR}/30-link.conf"))).unwrap();
    tree.write("etc/crio/elsewhere.conf", driver);
    let whole = check(&tree);
    for (name, said) in [
        ("10-crio.conf~", "warning: CRI-O loads this file, too"),
        (".10-crio.conf.swp", "warning: CRI-O loads this file, too"),
        ("old/10-crio.conf", "warning: CRI-O loads this file, too"),
        (
            "latin.conf",
            "error: the file is not UTF-8 text: CRI-O does not start, as it loads every file in this directory",
        ),
    ] {
        let found = about(&whole, &format!("{DIR}/{name}"));
        let (severity, text) = said.split_once(": ").unwrap();
        assert!(found[0].starts_with(severity) && found[0].contains(text), "{name}: {found:#?}");
    }
    for quiet in ["10-crio.conf:", "30-link.conf"] {
        assert!(about(&whole, &format!("{DIR}/{quiet}")).is_empty(), "{quiet}: {}", whole.stdout);
    }
    // The file in the subdirectory is the last one, by the name of the directory.
    std::fs::remove_file(tree.at(&format!("{DIR}/30-link.conf"))).unwrap();
    std::fs::create_dir_all(tree.at("etc/kubeedge/config")).unwrap();
    tree.write(
        "etc/kubeedge/config/edgecore.yaml",
        "modules:\n  edged:\n    tailoredKubeletConfig:\n      cgroupDriver: systemd\n",
    );
    assert!(check(&tree).stdout.contains("CRI-O uses cgroupfs"), "{}", check(&tree).stdout);
}

/// edgecore ignores the letter case of keys, and its versions have the runtime's settings at different paths.
#[test]
fn check_finds_edgecores_runtime_settings_where_its_version_reads_them() {
    const EDGECORE: &str = "etc/kubeedge/config/edgecore.yaml";
    let tree = tree(&[]);
    std::fs::create_dir_all(tree.at("etc/kubeedge/config")).unwrap();
    let found = |head: &str, edged: &str| {
        tree.write(EDGECORE, format!("{head}modules:\n  Edged: {{{edged}}}\n"));
        about(&check(&tree), EDGECORE)
    };
    const OLD: &str = "CGROUPDRIVER: systemd, RuntimeType: remote, RemoteRuntimeEndpoint: unix:///run/crio/crio.sock";
    const NEW: &str =
        "TailoredKubeletConfig: {cgroupdriver: systemd, ContainerRuntimeEndpoint: /var/run/crio/crio.sock}";
    let v1alpha1 = "apiVersion: edgecore.config.kubeedge.io/v1alpha1\n";
    assert_eq!(found(v1alpha1, OLD), [""; 0]);
    assert_eq!(found("edgecoreVersion: v1.23.1\n", NEW), [""; 0]);
    // edgecore 1.23 does not read settings at the old paths, and uses its defaults.
    let lost = found("EdgeCoreVersion: v1.23.1\n", OLD);
    assert_eq!(lost.len(), 2, "{lost:#?}");
    assert!(
        lost[0].contains("modules.edged.tailoredKubeletConfig.cgroupDriver: edgecore uses the cgroup driver cgroupfs")
    );
    assert!(lost[1].contains("modules.edged.tailoredKubeletConfig.containerRuntimeEndpoint: is not set"));
    let other = found("", &NEW.replace("systemd", "cgroupfs").replace("crio.sock", "other.sock"));
    assert_eq!(other.len(), 2, "{other:#?}");
    assert!(
        other[0].contains("cgroupfs") && other[1].contains("uses the container runtime at /var/run/crio/other.sock"),
        "{other:#?}"
    );
    assert_eq!(found("", "Enable: false"), [""; 0], "edgecore does not run pods");
    // The file is the one that the unit names.
    tree.write(
        "etc/systemd/system/edgecore.service",
        "[Service]\nExecStart=/usr/bin/edgecore --config /opt/edge.yaml\n",
    );
    tree.write("opt/edge.yaml", format!("modules:\n  Edged: {{{}}}\n", NEW.replace("systemd", "cgroupfs")));
    assert_eq!(about(&check(&tree), "opt/edge.yaml").len(), 1);
    assert_eq!(about(&check(&tree), EDGECORE), [""; 0]);
}

#[test]
fn check_reports_a_service_whose_file_cannot_be_compared() {
    for (path, text, cause) in [
        ("etc/kubeedge/config/edgecore.yaml", "modules: [", "not valid YAML at line 1, "),
        ("var/lib/kubelet/config.yaml", "a: {", "not valid YAML at line 1, "),
        ("etc/docker/daemon.json", "{", "not valid JSON at line 1, "),
    ] {
        let tree = tree(&[]);
        tree.write(path, text);
        let ran = check(&tree).expect(3);
        let want = format!("/{path}: error: cannot compare its settings with those of CRI-O: {cause}");
        assert!(ran.stdout.contains(&want), "{}", ran.stdout);
    }
}

#[test]
fn check_reports_links_that_crio_cannot_load() {
    let cases: [(&str, &str, &str); 3] = [
        ("30-gone.conf", "gone", "is a broken symbolic link"),
        ("30-dir.conf", "/etc", "is a symbolic link to a directory, which CRI-O reads as a file"),
        ("30-loop.conf", "30-loop.conf", ""),
    ];
    for (name, target, said) in cases {
        let tree = tree(&[]);
        symlink(target, tree.at(&format!("{DIR}/{name}"))).unwrap();
        let ran = check(&tree);
        let (found, code) = (about(&ran, &format!("{DIR}/{name}")), if said.is_empty() { 1 } else { 3 });
        assert!(said.is_empty() || found[0].contains(said), "{name}: {}{}", ran.stdout, ran.stderr);
        ran.expect(code);
    }
    // The directory itself.
    let tree = tree(&[]);
    std::fs::rename(tree.at(DIR), tree.at("etc/crio/elsewhere")).unwrap();
    symlink("elsewhere", tree.at(DIR)).unwrap();
    let found = about(&check(&tree), DIR);
    assert!(found[0].contains("is a symbolic link to a directory, which CRI-O reads as a file"), "{found:#?}");
}

#[test]
fn check_reports_an_invalid_storage_conf() {
    let tree = tree(&[]);
    tree.write("etc/containers/storage.conf", "[storage\n");
    let found = about(&check(&tree).expect(3), "etc/containers/storage.conf");
    assert_eq!(found, ["error: the file is not valid TOML: CRI-O does not start"]);
}

#[test]
fn invalid_pause_image_is_reported_in_files_and_options() {
    let tree = tree(&[("50-mine.conf", "[crio.image]\npause_image = \"registry.example/Pause:1\"\n")]);
    let found = about(&check(&tree).expect(3), &format!("{DIR}/50-mine.conf"));
    assert!(found[0].starts_with("error: ") && found[0].contains("crio.image.pause_image"), "{found:#?}");
    assert!(
        found[0].contains("its name contains capital letters: CRI-O does not start, or cannot start pods"),
        "{found:#?}"
    );
    let ran = Tool::new("edge-crio")
        .arg("--root")
        .arg(tree.path())
        .args(["install", "--version", "1.34", "--pause-image", "registry.example/pause:"])
        .run()
        .expect(2);
    assert!(
        ran.stderr
            .starts_with("edge-crio: cannot use the image \"registry.example/pause:\": its tag is not valid\nhint: "),
        "{}",
        ran.stderr
    );
}
