//! Compares each network problem that edge-crio reports with CRI-O's own library: the stand-in uses ocicni v0.4.3, that
//! of CRI-O 1.31, and the plugins are the real ones.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use edgeutils_tests::cni::{self, ARM64};
use edgeutils_tests::{is_root, skip, standin, tool};

/// The text if CRI-O is not ready.
const NOT_READY: &str = "pods get no network: ";
/// The text if CRI-O is ready but each ADD fails, as it does with ocicni's SetUpPod.
const READY: &str = "CRI-O is ready, but pods get no network: ";

/// Its name, a change to a working host, and the expected finding, if any; texts of edge-conflist by their key words.
type Case = (&'static str, &'static str, Option<(&'static str, &'static str)>);

const CASES: [Case; 47] = [
    ("unchanged", ":", None),
    ("no file", "rm $N/1.conflist", Some((NOT_READY, "no network configuration"))),
    ("a backup", "mv $N/1.conflist $N/1.conflist.bak", Some((NOT_READY, "no network configuration"))),
    ("no directory", "rm -r $N", Some((NOT_READY, "no network configuration"))),
    ("cut off", "printf '{\"name\":' > $N/1.conflist", Some((NOT_READY, "JSON"))),
    ("empty", ": > $N/1.conflist", Some((NOT_READY, "empty"))),
    ("an array", "echo [] > $N/1.conflist", Some((NOT_READY, "object"))),
    ("no plugins", "edit 's/.plugins.*]/\"x\":1/'", Some((NOT_READY, "plugins"))),
    ("an empty list", "edit 's/.plugins.*]/\"plugins\":[]/'", Some((NOT_READY, "plugins"))),
    ("no name", "edit 's/\"name\":\"n\",//'", Some((NOT_READY, "name"))),
    ("a number for a name", "edit 's/\"n\"/5/'", Some((NOT_READY, "name: "))),
    ("an empty name", "edit 's/\"n\"/\"\"/'", None),
    ("a name that a pod refuses", "edit 's/\"n\"/\"a b\"/'", Some((READY, "\"a b\""))),
    ("no version", "edit 's/\"cniVersion\":\"1.0.0\",//'", None),
    ("null for a version", "edit 's/\"1.0.0\"/null/'", Some((NOT_READY, "cniVersion: "))),
    ("a version of tomorrow", "edit 's/1.0.0/9.9.9/'", Some((NOT_READY, "\"9.9.9\" is not a CNI version"))),
    ("disableCheck", "edit 's/\"name\"/\"disableCheck\":\"yes\",&/'", Some((NOT_READY, "disableCheck: "))),
    ("a capability", "edit 's/\"ipam\"/\"capabilities\":{\"a\":1},&/'", Some((NOT_READY, "capabilit"))),
    ("a list in .conf", "mv $N/1.conflist $N/1.conf", Some((NOT_READY, "list"))),
    (
        "a plugin in .conflist",
        "echo '{\"name\":\"n\",\"type\":\"bridge\"}' > $N/1.conflist",
        Some((NOT_READY, "single")),
    ),
    ("a plugin in .conf", "rm $N/*; echo '{\"name\":\"n\",\"type\":\"bridge\"}' > $N/1.conf", None),
    ("a directory for a file", "rm $N/*; mkdir $N/1.conflist", Some((NOT_READY, "directory"))),
    ("a link to nothing", "ln -sf gone $N/1.conflist", Some((NOT_READY, "link"))),
    ("a good one behind", "echo '{' > $N/0.conflist", None),
    ("in a subdirectory", "mkdir $N/old; mv $N/1.conflist $N/old", Some((NOT_READY, "no network configuration"))),
    ("a version that does not exist", "edit 's/1.0.0/0.5.0/'", Some((NOT_READY, "\"0.5.0\" is not a CNI version"))),
    ("a version without its patch number", "edit 's/1.0.0/1.0/'", Some((NOT_READY, "\"1.0\" is not a CNI version"))),
    ("no subnet", "edit 's/,\"subnet\":[^}]*//'", Some((READY, "neither a subnet nor ranges"))),
    ("an invalid subnet", "edit 's,10.9.0.0/24,10.9.0.0/99,'", Some((READY, "\"10.9.0.0/99\" is not a valid CIDR"))),
    ("host bits", "edit 's,10.9.0.0/24,10.9.0.9/24,'", Some((READY, "has host bits set"))),
    (
        "a network that flannel left behind",
        "leave flannel ''; cp $B/bridge $B/flannel",
        Some((READY, "flannel needs /run/flannel/subnet.env of flanneld, which does not exist")),
    ),
    (
        "a network that calico left behind",
        "leave calico ''; cp $B/bridge $B/calico",
        Some((READY, "calico needs /var/lib/calico/nodename of calico-node, which does not exist")),
    ),
    (
        "a network that multus left behind",
        "leave multus-shim ''; cp $B/bridge $B/multus-shim",
        Some((READY, "multus-shim needs /run/multus/multus.sock of the daemon of multus, which does not exist")),
    ),
    (
        "multus without its kubeconfig",
        "leave multus ',\"kubeconfig\":\"/etc/cni/net.d/multus.d/multus.kubeconfig\"'; cp $B/bridge $B/multus",
        Some((READY, "multus needs /etc/cni/net.d/multus.d/multus.kubeconfig of ")),
    ),
    (
        "a directory of a drop-in",
        "mkdir -p $C; printf '[crio.network]\nnetwork_dir = \"/etc/cni/other\"\n' > $C/5.conf; restart",
        Some((NOT_READY, "no network configuration")),
    ),
    (
        "the older plugin_dir",
        "mkdir -p $C /opt/more; mv $B/bridge /opt/more; printf '[crio.network]\nplugin_dir = \"/opt/more\"\n' > $C/5.conf; restart",
        None,
    ),
    (
        "plugin_dirs of a later file",
        "mkdir -p $C/sub; mv $B /opt/third; printf '[crio.network]\nplugin_dirs = [\"/nowhere\"]\n' > $C/5.conf; printf '[crio.network]\nplugin_dirs = [\"/opt/third/\"]\n' > $C/sub/a.bak; restart",
        None,
    ),
    ("a plugin by a path", "edit 's,\"bridge\",\"../bin/bridge\",'", Some((NOT_READY, "plugin"))),
    ("no bridge", "rm $B/bridge", Some((NOT_READY, "bridge"))),
    ("a directory for a plugin", "rm $B/bridge; mkdir $B/bridge", Some((NOT_READY, "bridge"))),
    ("an old bridge", "cp $OLD/bridge $B", Some((NOT_READY, " 0.4.0"))),
    ("for another machine", "cp $FAR $B/bridge", Some((NOT_READY, "/opt/cni/bin/bridge"))),
    ("not executable", "chmod 644 $B/bridge", Some((NOT_READY, "executable"))),
    ("half a download", "echo x > $B/bridge", Some((NOT_READY, "/opt/cni/bin/bridge"))),
    ("no host-local", "rm $B/host-local", Some((READY, "host-local"))),
    ("an old host-local", "cp $OLD/host-local $B", Some((READY, " 0.4.0"))),
    (
        "another default",
        "mkdir -p $C; printf '[crio.network]\\ncni_default_network = \"m\"\\n' > $C/5.conf; restart",
        Some((NOT_READY, "network \"m\" does not exist: /etc/cni/net.d contains n")),
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
# A network of a removed cluster, before the other one.
leave() { echo "{\"cniVersion\":\"1.0.0\",\"name\":\"left\",\"plugins\":[{\"type\":\"$1\"$2}]}" > $N/0.conflist; }
edit() { sed -i "$1" $N/1.conflist; }
trap 'kill $pid' EXIT
start
fresh() {
    rm -rf $N $B $C /opt/more /opt/third; mkdir -p $N $B; cp "$NEW/bridge" "$NEW/host-local" "$NEW/loopback" $B
    echo '{"cniVersion":"1.0.0","name":"n","plugins":[{"type":"bridge","ipam":{"type":"host-local","subnet":"10.9.0.0/24"}}]}' > $N/1.conflist
}
"#;

#[test]
fn check_reports_the_cause_that_cri_o_has() {
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
        ("NEW", cni::built("v1.9.1", arch, "bridge,host-local,loopback")),
        ("OLD", cni::built("v0.8.7", arch, "bridge,host-local")),
        ("FAR", far),
    ];
    let mut text: String = variables.iter().map(|(name, path)| format!("{name}='{}'\n", path.display())).collect();
    text.push_str(PRELUDE);
    // CRI-O was ready before the change, and stays so; then it is started with the change.
    for (name, change, _) in CASES {
        text.push_str(&format!("fresh; restart; {change}\necho '=== {name}'; $CRIO --force-namespace check\n"));
        text.push_str(&format!("echo '=== {name}'; $EDGE_CNI --force-namespace check\n"));
        text.push_str(&format!("restart; echo '=== {name}'; $CRIO --force-namespace check\n"));
    }
    let ran = cni::script(&text);
    let mut parts = ran.stdout.split("=== ").skip(1);
    let mut part = |name: &str| {
        let part = parts.next().unwrap_or_else(|| panic!("{name}: {}", ran.stdout));
        assert!(part.starts_with(name), "{name}: {part}");
        part
    };
    let faults = |part: &str| -> Vec<String> {
        let is_fault = |line: &&str| line.starts_with("/etc/c") && line.contains(": error: ");
        part.lines().filter(|line| is_fault(line) || line.contains("CRI-O reports: ")).map(str::to_owned).collect()
    };
    for (name, change, expected) in CASES {
        let (ready, cni, started) = (part(name), part(name), part(name));
        assert!([ready, started].iter().all(|part| part.contains("cri-o 1.34.2 answers on ")), "{ready}{started}");
        let Some((how, what)) = expected else {
            assert_eq!(faults(ready).len() + faults(started).len() + faults(cni).len(), 0, "{ready}{started}{cni}");
            continue;
        };
        // It was started with this change in both cases.
        let first = if change.ends_with("restart") { how } else { READY };
        for (part, how) in [(ready, first), (started, how)] {
            let faults = faults(part);
            assert!(!faults.is_empty() && faults.iter().all(|fault| fault.contains(&format!(": {how}"))), "{part}");
            assert!(faults[0].contains(what), "{part}");
        }
        // edge-cni has the same verdict in its own words.
        assert_eq!(faults(cni).len(), faults(ready).len(), "{cni}{ready}");
        assert!(faults(cni)[0].contains(what), "{cni}");
    }
    assert!(parts.next().is_none());
}

#[test]
fn check_waits_until_cri_o_has_noticed_a_new_network() {
    if !is_root() || !cni::can_build() {
        return skip("crio_live_network polls", "root and Go are needed");
    }
    let arch = cni::own_arch();
    let program = match standin::build(arch, "1.34.2") {
        Ok(program) => program,
        Err(reason) => return skip("crio_live_network polls", &reason),
    };
    let new = cni::built("v1.9.1", arch, "bridge,host-local,loopback,portmap");
    let variables = [("STANDIN", program), ("CRIO", tool::path("edge-crio")), ("NEW", new)];
    let mut text: String = variables.iter().map(|(name, path)| format!("{name}='{}'\n", path.display())).collect();
    text.push_str(PRELUDE);
    text.push_str(
        r#"
        rm -rf $N $B; mkdir -p $N $B; cp "$NEW"/* $B; restart
        $CRIO --force-namespace check
        echo ===; cni conf bridge --subnet 10.85.0.0/16
        $CRIO --force-namespace check
        # A network in another file, which is not used: the first one of two is named.
        echo ===; sed 's/"edgeutils"/"second"/; s/10.85/10.86/' $N/10-edgeutils.conflist > $N/20-second.conflist
        $CRIO --force-namespace check; cni check
        "#,
    );
    let ran = cni::script(&text);
    let parts: Vec<&str> = ran.stdout.split("===").collect();
    assert!(parts[0].contains("pods get no network: no network configuration found"), "{}", parts[0]);
    assert!(
        parts[1].contains("pods use the network edgeutils of /etc/cni/net.d/10-edgeutils.conflist"),
        "{}",
        parts[1]
    );
    assert!(!parts[1].contains("pods get no network"), "{}", parts[1]);
    let note = "/etc/cni/net.d/20-second.conflist: note: not used, as 10-edgeutils.conflist comes first";
    assert_eq!(parts[2].matches(note).count(), 2, "{}", parts[2]);
}
