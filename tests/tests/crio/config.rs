//! What edge-crio finds in CRI-O's files, compared with what CRI-O makes of them.

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
fn directory_counts_as_a_whole_and_an_unreadable_file_ends_it() {
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
        ("10-crio.conf~", "warning: CRI-O loads it too, whatever its name"),
        (".10-crio.conf.swp", "warning: CRI-O loads it too, whatever its name"),
        ("old/10-crio.conf", "warning: CRI-O loads it too, whatever its name"),
        ("latin.conf", "error: is no UTF-8 text: CRI-O loads all of this directory, and does not start with it"),
    ] {
        let found = about(&whole, &format!("{DIR}/{name}"));
        let (severity, text) = said.split_once(": ").unwrap();
        assert!(found[0].starts_with(severity) && found[0].contains(text), "{name}: {found:#?}");
    }
    for quiet in ["10-crio.conf:", "30-link.conf"] {
        assert!(about(&whole, &format!("{DIR}/{quiet}")).is_empty(), "{quiet}: {}", whole.stdout);
    }
    // The one in the directory counts by the directory's name: the last.
    std::fs::remove_file(tree.at(&format!("{DIR}/30-link.conf"))).unwrap();
    std::fs::create_dir_all(tree.at("etc/kubeedge/config")).unwrap();
    tree.write(
        "etc/kubeedge/config/edgecore.yaml",
        "modules:\n  edged:\n    tailoredKubeletConfig:\n      cgroupDriver: systemd\n",
    );
    assert!(check(&tree).stdout.contains("CRI-O by cgroupfs"), "{}", check(&tree).stdout);
}

/// edgecore reads its keys in any letter case, and each version reads the runtime's in its own place.
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
    // Settings at a place that edgecore 1.23 does not read: it uses its defaults instead.
    let lost = found("EdgeCoreVersion: v1.23.1\n", OLD);
    assert_eq!(lost.len(), 2, "{lost:#?}");
    assert!(lost[0].contains("modules.edged.tailoredKubeletConfig.cgroupDriver: edgecore makes cgroups by cgroupfs"));
    assert!(
        lost[1].contains("modules.edged.tailoredKubeletConfig.containerRuntimeEndpoint: edgecore is given no socket")
    );
    let other = found("", &NEW.replace("systemd", "cgroupfs").replace("crio.sock", "other.sock"));
    assert_eq!(other.len(), 2, "{other:#?}");
    assert!(
        other[0].contains("cgroupfs") && other[1].contains("asks the runtime at /var/run/crio/other.sock"),
        "{other:#?}"
    );
    assert_eq!(found("", "Enable: false"), [""; 0], "edgecore runs no pods");
}

#[test]
fn links_that_lead_to_no_file_are_faults() {
    let cases: [(&str, &str, &str); 3] = [
        ("30-gone.conf", "gone", "is a link to nothing"),
        ("30-dir.conf", "/etc", "is a link to a directory, which it takes for a file"),
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
    assert!(found[0].contains("is a link to a directory, which it takes for a file"), "{found:#?}");
}

#[test]
fn storage_conf_that_is_no_toml_is_a_fault() {
    let tree = tree(&[]);
    tree.write("etc/containers/storage.conf", "[storage\n");
    let found = about(&check(&tree).expect(3), "etc/containers/storage.conf");
    assert!(found[0].starts_with("error: "), "{found:#?}");
    assert!(found[0].contains("is no TOML, and CRI-O does not start with it"), "{found:#?}");
}

#[test]
fn pause_image_that_is_none_is_found_wherever_it_stands() {
    let tree = tree(&[("50-mine.conf", "[crio.image]\npause_image = \"registry.example/Pause:1\"\n")]);
    let found = about(&check(&tree).expect(3), &format!("{DIR}/50-mine.conf"));
    assert!(found[0].starts_with("error: ") && found[0].contains("crio.image.pause_image"), "{found:#?}");
    assert!(found[0].contains("its name has capitals: CRI-O does not start, or starts no pod"), "{found:#?}");
    let ran = Tool::new("edge-crio")
        .arg("--root")
        .arg(tree.path())
        .args(["install", "--version", "1.34", "--pause-image", "registry.example/pause:"])
        .run()
        .expect(2);
    assert!(
        ran.stderr.starts_with("edge-crio: cannot use the image \"registry.example/pause:\": its tag is none\nhint: "),
        "{}",
        ran.stderr
    );
}
