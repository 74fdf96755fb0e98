//! Each fault of a network as edge-crio names it, held against what CRI-O's own library makes of it: the stand-in asks
//! ocicni v0.4.3, that of CRI-O 1.31, and the plugins are the real ones.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use edgeutils_tests::cni::{self, ARM64};
use edgeutils_tests::{is_root, skip, standin, tool};

/// What edge-crio says where CRI-O is not ready.
const NOT_READY: &str = "pods get no network: ";
/// What it says where CRI-O is ready and each ADD fails all the same, as it did with ocicni's SetUpPod.
const READY: &str = "CRI-O is ready, and pods get no network: ";

/// What is done to a host in order ($L is its conflist), and where the fault is named, if there is one.
type Case = (&'static str, &'static str, Option<(&'static str, &'static str)>);

const CASES: [Case; 34] = [
    ("in order", ":", None),
    ("no file", "rm $N/1.conflist", Some((NOT_READY, "no network configuration found"))),
    ("a backup", "mv $N/1.conflist $N/1.conflist.bak", Some((NOT_READY, "no network configuration found"))),
    ("no directory", "rm -r $N", Some((NOT_READY, "no network configuration found"))),
    ("cut off", "printf '{\"name\":' > $N/1.conflist", Some((NOT_READY, "it is not valid JSON"))),
    ("empty", ": > $N/1.conflist", Some((NOT_READY, "it is empty"))),
    ("an array", "echo [] > $N/1.conflist", Some((NOT_READY, "it is not a JSON object"))),
    ("no plugins", "edit 's/.plugins.*]/\"x\":1/'", Some((NOT_READY, "it has no plugins"))),
    ("an empty list", "edit 's/.plugins.*]/\"plugins\":[]/'", Some((NOT_READY, "plugins: expected a list"))),
    ("no name", "edit 's/\"name\":\"n\",//'", Some((NOT_READY, "it has no name"))),
    ("a number for a name", "edit 's/\"n\"/5/'", Some((NOT_READY, "name: expected a string, found 5"))),
    ("an empty name", "edit 's/\"n\"/\"\"/'", None),
    ("a name that a pod refuses", "edit 's/\"n\"/\"a b\"/'", Some((READY, "\"a b\" is not a valid network name"))),
    ("no version", "edit 's/\"cniVersion\":\"1.0.0\",//'", None),
    (
        "null for a version",
        "edit 's/\"1.0.0\"/null/'",
        Some((NOT_READY, "cniVersion: expected a string such as \"1.0.0\", found null")),
    ),
    ("a version of tomorrow", "edit 's/1.0.0/9.9.9/'", Some((NOT_READY, "bridge supports CNI versions up to 1.1.0"))),
    (
        "disableCheck",
        "edit 's/\"name\"/\"disableCheck\":\"yes\",&/'",
        Some((NOT_READY, "disableCheck: expected true or false, found \"yes\"")),
    ),
    (
        "a capability",
        "edit 's/\"ipam\"/\"capabilities\":{\"a\":1},&/'",
        Some((NOT_READY, "a capability must be true or false")),
    ),
    ("a list in .conf", "mv $N/1.conflist $N/1.conf", Some((NOT_READY, "it is a list of plugins"))),
    (
        "a plugin in .conflist",
        "echo '{\"name\":\"n\",\"type\":\"bridge\"}' > $N/1.conflist",
        Some((NOT_READY, "a .conflist file must have a list of plugins")),
    ),
    ("a plugin in .conf", "rm $N/*; echo '{\"name\":\"n\",\"type\":\"bridge\"}' > $N/1.conf", None),
    ("a directory for a file", "rm $N/*; mkdir $N/1.conflist", Some((NOT_READY, "it is a directory"))),
    ("a link to nothing", "ln -sf gone $N/1.conflist", Some((NOT_READY, "it is a dangling symbolic link"))),
    ("a good one behind", "echo '{' > $N/0.conflist", None),
    ("a plugin by a path", "edit 's,\"bridge\",\"../bin/bridge\",'", Some((NOT_READY, "is not a valid plugin name"))),
    ("no bridge", "rm $B/bridge", Some((NOT_READY, "bridge is not in /opt/cni/bin/"))),
    ("a directory for a plugin", "rm $B/bridge; mkdir $B/bridge", Some((NOT_READY, "bridge is not in /opt/cni/bin/"))),
    (
        "an old bridge",
        "cp $OLD/bridge $B",
        Some((NOT_READY, "bridge supports CNI versions up to 0.4.0, but the network requires 1.0.0")),
    ),
    ("for another machine", "cp $FAR $B/bridge", Some((NOT_READY, "/opt/cni/bin/bridge is for "))),
    ("not executable", "chmod 644 $B/bridge", Some((NOT_READY, "/opt/cni/bin/bridge is not executable"))),
    ("half a download", "echo x > $B/bridge", Some((NOT_READY, "/opt/cni/bin/bridge is not a program"))),
    ("no host-local", "rm $B/host-local", Some((READY, "host-local is not in /opt/cni/bin/"))),
    ("an old host-local", "cp $OLD/host-local $B", Some((READY, "host-local supports CNI versions up to 0.4.0"))),
    (
        "another default",
        "mkdir -p $C; printf '[crio.network]\\ncni_default_network = \"m\"\\n' > $C/5.conf; restart",
        Some((NOT_READY, "asks for the network m, and /etc/cni/net.d/ has n alone")),
    ),
];

const PRELUDE: &str = r#"
rm -rf /var/run /etc/crio; ln -s /run /var/run
N=/etc/cni/net.d B=/opt/cni/bin C=/etc/crio/crio.conf.d
start() {
    "$STANDIN" > /run/standin.log & pid=$!
    i=0; while [ ! -S /run/crio/crio.sock ] && [ $i -lt 100 ]; do i=$((i + 1)); sleep 0.1; done
}
restart() { kill $pid; wait $pid; rm -f /run/crio/crio.sock; start; }
edit() { sed -i "$1" $N/1.conflist; }
trap 'kill $pid' EXIT
start
fresh() {
    rm -rf $N $B; mkdir -p $N $B; cp "$NEW/bridge" "$NEW/host-local" $B
    echo '{"cniVersion":"1.0.0","name":"n","plugins":[{"type":"bridge","ipam":{"type":"host-local","subnet":"10.9.0.0/24"}}]}' > $N/1.conflist
}
"#;

#[test]
fn cause_that_is_named_is_the_one_that_cri_o_has() {
    if !is_root() || !cni::can_build() {
        skip("crio_live_network", "root and Go are needed");
        return;
    }
    let arch = cni::own_arch();
    let program = match standin::build(arch, "1.34.2") {
        Ok(program) => program,
        Err(reason) => return skip("crio_live_network", &reason),
    };
    let dir = tempfile::tempdir().unwrap();
    let other = if cfg!(target_arch = "aarch64") { cni::AMD64 } else { ARM64 };
    let far = dir.path().join("far");
    std::fs::write(&far, cni::tiny(other, "")).unwrap();
    std::fs::set_permissions(&far, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let variables = [
        ("STANDIN", program),
        ("CRIO", tool::path("edge-crio")),
        ("NEW", cni::built("v1.9.1", arch, "bridge,host-local")),
        ("OLD", cni::built("v0.8.7", arch, "bridge,host-local")),
        ("FAR", far),
    ];
    let mut text: String = variables.iter().map(|(name, path)| format!("{name}='{}'\n", path.display())).collect();
    text.push_str(PRELUDE);
    for (name, change, _) in CASES {
        text.push_str(&format!("fresh; {change}; echo '=== {name}'; $CRIO --force-namespace check\n"));
    }
    let ran = cni::script(&text);
    let mut parts = ran.stdout.split("=== ").skip(1);
    for (name, _, wanted) in CASES {
        let part = parts.next().unwrap_or_else(|| panic!("{name}: {}", ran.stdout));
        assert!(part.starts_with(name) && part.contains("cri-o 1.34.2 answers on "), "{part}");
        let faults: Vec<&str> = part
            .lines()
            .filter(|line| line.starts_with("/etc/c") && line.contains(": error: ") || line.contains("CRI-O says"))
            .collect();
        match wanted {
            None => assert_eq!(faults, [""; 0], "{part}"),
            Some((how, what)) => {
                assert!(!faults.is_empty() && faults.iter().all(|fault| fault.contains(&format!(": {how}"))), "{part}");
                assert!(faults[0].contains(what), "{part}");
            }
        }
    }
    assert!(parts.next().is_none());
}
