//! Programs and files that CRI-O's configuration names, and options of its unit, as check reports them in an image.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs::{Permissions, set_permissions};
use std::os::unix::fs::PermissionsExt;

use edgeutils_tests::tool::Tool;
use edgeutils_tests::tree::Tree;

const UNIT: &str = "usr/lib/systemd/system/crio.service";
const CONF: &str = "etc/crio/crio.conf.d/10-crio.conf";
const STATUS: &str = "var/lib/dpkg/status";
/// As upstream's package has it.
const PACKAGED: &str = "[crio.image]
signature_policy = \"/etc/crio/policy.json\"
[crio.runtime]
default_runtime = \"crun\"
[crio.runtime.runtimes.crun]
runtime_path = \"/usr/libexec/crio/crun\"
monitor_path = \"/usr/libexec/crio/conmon\"
[crio.runtime.runtimes.runc]
runtime_path = \"/usr/libexec/crio/runc\"
monitor_path = \"/usr/libexec/crio/conmon\"
";

/// A healthy image with CRI-O of this version from a package.
fn image(version: &str) -> Tree {
    let tree = Tree::with(&[
        ("etc/os-release", "ID=debian\nVERSION_ID=12\n"),
        (
            UNIT,
            "[Service]\nEnvironmentFile=-/etc/default/crio\nExecStart=/usr/bin/crio $CRIO_CONFIG_OPTIONS\n[Install]\nWantedBy=multi-user.target\n",
        ),
        (CONF, PACKAGED),
        ("etc/crio/policy.json", "{\"default\": [{\"type\": \"insecureAcceptAnything\"}]}\n"),
        (
            "etc/cni/net.d/10-net.conflist",
            "{\"cniVersion\": \"1.0.0\", \"name\": \"net\", \"plugins\": [{\"type\": \"ptp\"}]}\n",
        ),
    ]);
    tree.write(
        STATUS,
        format!("Package: cri-o\nStatus: install ok installed\nArchitecture: amd64\nVersion: {version}-1.1\n"),
    );
    for name in
        ["usr/bin/crio", "usr/bin/pinns", "usr/libexec/crio/crun", "usr/libexec/crio/runc", "usr/libexec/crio/conmon"]
    {
        tree.write(name, "");
        set_permissions(tree.at(name), Permissions::from_mode(0o755)).unwrap();
    }
    std::fs::create_dir_all(tree.at("etc/systemd/system/multi-user.target.wants")).unwrap();
    tree.link("etc/systemd/system/multi-user.target.wants/crio.service", "/usr/lib/systemd/system/crio.service");
    tree
}

/// The findings, without those about the network.
fn findings(tree: &Tree) -> Vec<String> {
    let ran = Tool::new("edge-crio").arg("--root").arg(tree.path()).arg("check").run();
    let is_finding = |line: &&str| {
        [": error: ", ": warning: ", ": note: "].iter().any(|mark| line.contains(mark)) && !line.contains("network")
    };
    ran.stdout.lines().filter(is_finding).map(str::to_owned).collect()
}

#[test]
fn healthy_image_has_no_findings() {
    assert_eq!(findings(&image("1.34.2")), [""; 0]);
    assert_eq!(findings(&image("1.30.4")), [""; 0]);
}

#[test]
fn program_that_does_not_exist_is_reported_with_its_line() {
    for (gone, want) in [
        (
            "usr/libexec/crio/crun",
            "/etc/crio/crio.conf.d/10-crio.conf:6: error: crio.runtime.runtimes.crun.runtime_path: /usr/libexec/crio/crun does not exist: CRI-O does not start",
        ),
        (
            "usr/libexec/crio/runc",
            "/etc/crio/crio.conf.d/10-crio.conf:9: warning: crio.runtime.runtimes.runc.runtime_path: /usr/libexec/crio/runc does not exist: CRI-O ignores the runtime runc, and pods that use it cannot start",
        ),
        (
            "usr/bin/pinns",
            "crio.service: error: crio.runtime.pinns_path: is not set, and there is no program pinns in CRI-O's PATH: CRI-O does not start",
        ),
        (
            "usr/bin/crio",
            "/usr/lib/systemd/system/crio.service:3: error: ExecStart: /usr/bin/crio does not exist: CRI-O does not start",
        ),
        (
            "etc/crio/policy.json",
            "/etc/crio/crio.conf.d/10-crio.conf:2: error: crio.image.signature_policy: /etc/crio/policy.json does not exist: CRI-O cannot pull images",
        ),
    ] {
        let tree = image("1.34.2");
        std::fs::remove_file(tree.at(gone)).unwrap();
        assert_eq!(findings(&tree), [want], "{gone}");
    }
    let tree = image("1.34.2");
    std::fs::remove_file(tree.at("usr/libexec/crio/conmon")).unwrap();
    let found = findings(&tree);
    assert_eq!(found.len(), 2, "{found:#?}");
    assert!(
        found[0].starts_with("/etc/crio/crio.conf.d/10-crio.conf:7: error: crio.runtime.runtimes.crun.monitor_path: ")
    );
    // One that is not executable, found by name, and in a directory of the unit's PATH.
    let tree = image("1.34.2");
    set_permissions(tree.at("usr/bin/pinns"), Permissions::from_mode(0o644)).unwrap();
    assert!(findings(&tree)[0].contains("there is no program pinns in CRI-O's PATH"));
    tree.write("opt/crio/bin/pinns", "");
    set_permissions(tree.at("opt/crio/bin/pinns"), Permissions::from_mode(0o755)).unwrap();
    tree.write("etc/systemd/system/crio.service.d/path.conf", "[Service]\nEnvironment=PATH=/opt/crio/bin:/usr/bin\n");
    assert_eq!(findings(&tree), [""; 0]);
    set_permissions(tree.at("usr/libexec/crio/crun"), Permissions::from_mode(0o600)).unwrap();
    assert!(findings(&tree)[0].ends_with("/usr/libexec/crio/crun is not executable: pods cannot start"));
}

#[test]
fn default_runtime_must_be_defined() {
    let drop_in = "etc/crio/crio.conf.d/50-mine.conf";
    let tree = image("1.34.2");
    tree.write(drop_in, "[crio.runtime]\ndefault_runtime = 'kata'\n");
    let found = findings(&tree);
    assert_eq!(
        found,
        ["/etc/crio/crio.conf.d/50-mine.conf:2: error: crio.runtime.default_runtime: there is no \
          [crio.runtime.runtimes.kata] for the runtime \"kata\": CRI-O does not start"]
    );
    // A later table replaces the whole runtime, and so its runtime_path.
    tree.write(drop_in, "[crio.runtime.runtimes.crun]\nmonitor_path = '/usr/libexec/crio/conmon'\n");
    let found = findings(&tree);
    assert!(found[0].starts_with("/etc/crio/crio.conf.d/50-mine.conf:1: error: crio.runtime.runtimes.crun.runtime_path: is not set, and there is no program crun"), "{found:#?}");
    // Which of them is built in depends on the version.
    tree.write(CONF, "[crio.runtime]\ndefault_runtime = 'runc'\n");
    std::fs::remove_file(tree.at(drop_in)).unwrap();
    assert!(findings(&tree)[0].contains("there is no [crio.runtime.runtimes.runc]"), "{:#?}", findings(&tree));
    // A runtime that inherits needs no program of its own, and one of type vm no conmon.
    let tree = image("1.34.2");
    tree.write(drop_in, "[crio.runtime.runtimes.own]\ninherit_default_runtime = true\nmonitor_path = '/usr/libexec/crio/conmon'\n[crio.runtime.runtimes.kata]\nruntime_type = 'vm'\nruntime_path = '/usr/bin/crio'\nruntime_config_path = '/etc/kata.toml'\n");
    let found = findings(&tree);
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(
        found[0].contains(":7: warning: crio.runtime.runtimes.kata.runtime_config_path: /etc/kata.toml does not exist")
    );
}

#[test]
fn options_of_the_unit_take_precedence_and_are_named() {
    let tree = image("1.34.2");
    tree.write("etc/default/crio", "# x\nCRIO_CONFIG_OPTIONS=\"--conmon /opt/conmon --default-runtime=runc\"\n");
    tree.write(
        "etc/systemd/system/crio.service.d/x.conf",
        "[Service]\nEnvironment=CONTAINER_PINNS_PATH=/opt/pinns CONTAINER_CONMON=/env/conmon\n",
    );
    assert_eq!(
        findings(&tree),
        [
            "/etc/default/crio:2: error: crio.runtime.conmon: /opt/conmon does not exist: CRI-O does not start",
            "/etc/systemd/system/crio.service.d/x.conf:2: error: crio.runtime.pinns_path: /opt/pinns does not exist: CRI-O does not start",
        ]
    );
    // The files that CRI-O reads.
    tree.write(
        "etc/systemd/system/crio.service.d/x.conf",
        "[Service]\nEnvironment=\"CONTAINER_CONFIG=/srv/crio.conf\"\nEnvironment=CONTAINER_CONFIG_DIR=/srv/d\n",
    );
    tree.write("etc/default/crio", "");
    let found = findings(&tree);
    assert!(found.contains(&"/etc/systemd/system/crio.service.d/x.conf:2: error: --config names /srv/crio.conf, which does not exist: CRI-O does not start".to_owned()), "{found:#?}");
    tree.write("srv/crio.conf", PACKAGED);
    tree.write("srv/d/10.conf", "[crio.api]\nlisten = 'unix:///run/x.sock'\n");
    let found = findings(&tree);
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(found[0].starts_with("/srv/d/10.conf:2: error: crio.api.listen: "), "{found:#?}");
    let settings = Tool::new("edge-crio").arg("--root").arg(tree.path()).arg("settings").run().expect(1);
    assert!(settings.stderr.contains("/srv/d/10.conf:2 sets \"unix:///run/x.sock\", which is not an absolute path, and CRI-O creates /unix:/run/x.sock"), "{}", settings.stderr);
    tree.write("etc/default/crio", "CRIO_CONFIG_OPTIONS=--listen=/run/y.sock\n");
    assert_eq!(findings(&tree), [""; 0]);
    let settings = Tool::new("edge-crio").arg("--root").arg(tree.path()).arg("settings").run().expect(0);
    assert!(settings.stdout.starts_with("socket=unix:///run/y.sock\n"), "{}", settings.stdout);
}

#[test]
fn values_of_another_type_are_reported() {
    let tree = image("1.34.2");
    let text = "[crio]\nstorage_option = 'overlay.mountopt=nodev'\ninternal_wipe = 'no'\n[crio.runtime]\nconmon = 5\nhooks_dir = '/x'\n";
    tree.write("etc/crio/crio.conf.d/50.conf", text);
    let want = [
        "2: error: crio.storage_option: \"overlay.mountopt=nodev\" is not a list of strings",
        "3: error: crio.internal_wipe: \"no\" is not true or false",
        "5: error: crio.runtime.conmon: 5 is not a string",
        "6: error: crio.runtime.hooks_dir: \"/x\" is not a list of strings",
    ];
    let want = want.map(|text| format!("/etc/crio/crio.conf.d/50.conf:{text}: CRI-O does not start"));
    assert_eq!(findings(&tree), want);
    tree.write("etc/crio/crio.conf.d/50.conf", "[crio.runtime]\npids_limit = '1024'\nlog_level = 'verbose'\n");
    let want = [
        "2: error: crio.runtime.pids_limit: \"1024\" is not an integer",
        "3: error: crio.runtime.log_level: \"verbose\" is not valid, expected panic, fatal, error, warn, warning, info, debug or trace",
    ];
    let want = want.map(|text| format!("/etc/crio/crio.conf.d/50.conf:{text}: CRI-O does not start"));
    assert_eq!(findings(&tree), want);
}

#[test]
fn policy_is_judged_by_the_version() {
    let policy = "{\"default\": [{\"type\": \"reject\"}], \"transports\": {\"docker\": {\"\": [{\"type\": \"sigstoreSigned\", \"keyPath\": \"/k\", \"signedIdentity\": {\"type\": \"matchRepository\"}}]}}}";
    for (version, is_good) in [("1.24.6", false), ("1.25.1", true), ("1.36.3", true)] {
        let tree = image(version);
        tree.write("etc/crio/policy.json", policy);
        let found: Vec<String> = findings(&tree).into_iter().filter(|line| line.contains("policy")).collect();
        assert_eq!(found.is_empty(), is_good, "{version}: {found:#?}");
    }
    for (text, want) in [
        ("", "is not valid JSON at line 1"),
        ("{}", "has no default"),
        (
            "{\"default\": [{\"type\": \"insecureAcceptAnything\"}], \"comment\": 1}",
            "contains the unknown key \"comment\"",
        ),
    ] {
        let tree = image("1.34.2");
        tree.write("etc/crio/policy.json", text);
        let found = findings(&tree);
        assert!(
            found[0].starts_with("/etc/crio/policy.json: error: the policy ") && found[0].contains(want),
            "{found:#?}"
        );
    }
    let tree = image("1.34.2");
    tree.write(CONF, PACKAGED.replace("signature_policy", "# signature_policy"));
    assert!(findings(&tree)[0].starts_with(
        "/etc/containers/policy.json: error: the file does not exist, and crio.image.signature_policy names no other"
    ));
}

#[test]
fn hooks_and_further_files_are_checked() {
    let tree = image("1.34.2");
    tree.write(
        "usr/share/containers/oci/hooks.d/a.json",
        "{\"version\": \"1.0.0\", \"hook\": {\"path\": \"/usr/bin/gone\"}, \"stages\": [\"prestart\"]}",
    );
    tree.write(
        "usr/share/containers/oci/hooks.d/b.json",
        "{\"version\": \"1.0.0\", \"hook\": {\"path\": \"/usr/bin/crio\"}, \"stages\": [\"prestart\"]}",
    );
    tree.write("usr/share/containers/oci/hooks.d/notes.txt", "x");
    assert_eq!(
        findings(&tree),
        ["/usr/share/containers/oci/hooks.d/a.json: warning: /usr/bin/gone does not exist: CRI-O ignores this hook"]
    );
    tree.write("usr/share/containers/oci/hooks.d/a.json", "{\"version\": 1}");
    assert_eq!(
        findings(&tree),
        [
            "/usr/share/containers/oci/hooks.d/a.json: error: this hook has a version that is not a string: CRI-O does not start"
        ]
    );
    std::fs::remove_file(tree.at("usr/share/containers/oci/hooks.d/a.json")).unwrap();
    tree.write("etc/hooks", "");
    tree.write("etc/crio/crio.conf.d/50.conf", "[crio]\nlog_dir = 'pods'\n[crio.runtime]\nhooks_dir = [\n  '/etc/hooks', '/etc/none']\nseccomp_profile = '/etc/seccomp.json'\nblockio_config_file = '/etc/bio'\n[crio.api]\nstream_tls_cert = '/etc/c'\n");
    let found = findings(&tree);
    let starts = [
        "/etc/crio/crio.conf.d/50.conf:6: warning: crio.runtime.seccomp_profile: /etc/seccomp.json does not exist: CRI-O uses its own profile",
        "/etc/crio/crio.conf.d/50.conf:7: error: crio.runtime.blockio_config_file: /etc/bio does not exist: CRI-O does not start",
        "/etc/crio/crio.conf.d/50.conf:2: error: crio.log_dir: \"pods\" is not an absolute path: CRI-O does not start",
        "/etc/crio/crio.conf.d/50.conf:4: warning: crio.runtime.hooks_dir: /etc/hooks is not a directory: CRI-O ignores it",
    ];
    assert_eq!(found.len(), starts.len(), "{found:#?}");
    assert!(found.iter().zip(starts).all(|(found, start)| found.starts_with(start)), "{found:#?}");
    // Files that exist and are not valid.
    tree.write("etc/seccomp.json", "{\n\"a\": }");
    tree.write("etc/containers/registries.conf", "[[registry]\n");
    tree.write("etc/containers/registries.conf.d/10.conf", "x = [\n\n");
    tree.write("etc/containers/registries.conf.d/10.conf.bak", "x = [");
    let found = findings(&tree);
    for want in [
        "/etc/seccomp.json:2: error: this profile is not valid JSON: CRI-O does not start",
        "/etc/containers/registries.conf:1: error: the file is not valid TOML: CRI-O does not start",
    ] {
        assert!(found.contains(&want.to_owned()), "{found:#?}");
    }
    assert!(found.iter().any(|line| line.starts_with("/etc/containers/registries.conf.d/10.conf:")), "{found:#?}");
    assert!(!found.iter().any(|line| line.contains("10.conf.bak")), "{found:#?}");
    std::fs::remove_dir_all(tree.at("etc/containers")).unwrap();
    std::fs::remove_file(tree.at("etc/seccomp.json")).unwrap();
    // Without the profile older versions do not start.
    tree.write(STATUS, "Package: cri-o\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1.24.6-1\n");
    assert!(findings(&tree).iter().any(|line| line.contains(":6: error: crio.runtime.seccomp_profile: ")));
}

#[test]
fn mount_options_are_found_wherever_they_are_set() {
    let tree = image("1.34.2");
    tree.write(
        "etc/containers/storage.conf",
        "[storage]\ndriver = 'overlay'\n[storage.options.overlay]\nmountopt = 'nodev,metacopy=on'\n",
    );
    let found = findings(&tree);
    assert!(
        found[0].starts_with("/etc/containers/storage.conf:4: note: mountopt: nodev,metacopy=on: whether"),
        "{found:#?}"
    );
    let of_crio = "etc/crio/crio.conf.d/50.conf";
    tree.write(of_crio, "[crio]\nstorage_option = [\"overlay.mountopt=nodev\"]\n");
    assert_eq!(findings(&tree), [""; 0], "CRI-O's own takes precedence");
    tree.write(of_crio, "[crio]\nstorage_option = [\"overlay.mountopt=nodev,metacopy=yes\"]\n");
    let found = findings(&tree);
    assert!(found[0].starts_with("/etc/crio/crio.conf.d/50.conf:2: warning: crio.storage_option: nodev,metacopy=yes: overlay has no mount option \"metacopy=yes\""), "{found:#?}");
    tree.write(of_crio, "[crio]\nstorage_driver = 'vfs'\n");
    assert_eq!(findings(&tree), [""; 0], "another driver");
    std::fs::remove_file(tree.at(of_crio)).unwrap();
    tree.write("etc/default/crio", "CRIO_CONFIG_OPTIONS=--storage-opt=overlay.mountopt=nodev\n");
    assert_eq!(findings(&tree), [""; 0], "an option replaces all of them");
}

#[test]
fn program_of_a_drop_in_must_exist() {
    let tree = image("1.34.2");
    let dropin = "etc/systemd/system/crio.service.d/x.conf";
    tree.write(dropin, "[Service]\nExecStart=\nExecStart=/opt/crio/crio\n");
    let want = format!("/{dropin}:3: error: ExecStart: /opt/crio/crio does not exist: CRI-O does not start");
    assert_eq!(findings(&tree), [want]);
    // A name without a directory is searched for.
    tree.write(dropin, "[Service]\nExecStart=\nExecStart=crio\n");
    assert_eq!(findings(&tree), [""; 0]);
}

#[test]
fn release_that_is_unknown_needs_one_of_the_own_runtimes() {
    let tree = image("1.34.2");
    std::fs::remove_file(tree.at(STATUS)).unwrap();
    tree.write(CONF, "[crio.image]\nsignature_policy = \"/etc/crio/policy.json\"\n");
    tree.write("usr/bin/conmon", "");
    set_permissions(tree.at("usr/bin/conmon"), Permissions::from_mode(0o755)).unwrap();
    assert_eq!(findings(&tree), ["crio.service: error: CRI-O's PATH has neither crun nor runc: CRI-O does not start"]);
    tree.write("usr/bin/runc", "");
    set_permissions(tree.at("usr/bin/runc"), Permissions::from_mode(0o755)).unwrap();
    assert_eq!(findings(&tree), [""; 0]);
}

#[test]
fn options_of_the_unit_without_a_counterpart_in_files_are_no_conflict() {
    let tree = image("1.34.2");
    let dropin = "etc/systemd/system/crio.service.d/x.conf";
    tree.write(dropin, "[Service]\nEnvironment=CONTAINER_CGROUP_MANAGER=cgroupfs CONTAINER_CONMON_CGROUP=pod\n");
    assert_eq!(findings(&tree), [""; 0]);
    // Without a directory of drop-ins only the main file is read.
    tree.write(dropin, "[Service]\nEnvironment=CRIO_CONFIG_OPTIONS=--config-dir=\n");
    tree.write("etc/crio/crio.conf", PACKAGED);
    tree.write(CONF, "[not TOML");
    assert_eq!(findings(&tree), [""; 0]);
}

#[test]
fn hints_for_an_image_change_only_the_image() {
    let tree = image("1.34.2");
    for gone in ["etc/crio/policy.json", "etc/systemd/system/multi-user.target.wants/crio.service"] {
        std::fs::remove_file(tree.at(gone)).unwrap();
    }
    tree.write(CONF, "[crio.runtime]\ndefault_runtime = \"crun\"\n[crio.api]\nlisten = \"unix:///run/crio.sock\"\n");
    let ran = Tool::new("edge-crio").arg("--root").arg(tree.path()).arg("check").run().expect(3);
    let dir = tree.path().display().to_string();
    for want in
        [format!("> {dir}/etc/containers/policy.json\n"), format!(": systemctl --root={dir} enable crio.service\n")]
    {
        assert!(ran.stdout.contains(&want), "{want}: {}", ran.stdout);
    }
    assert!(!ran.stdout.contains("systemctl restart"), "{}", ran.stdout);
}
