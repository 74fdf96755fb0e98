//! Edits of files that are named work in a container, live changes do not.

use edgeutils_tests::live::can_unshare;
use edgeutils_tests::skip;
use edgeutils_tests::tool;
use std::process::Command;

/// Without /proc at the end.
const SCRIPT: &str = r#"
exec 2>&1
for dir in /run /var /mnt; do mount -t tmpfs -o size=8m,mode=755 tmpfs "$dir" || exit 99; done
cd /mnt
edge() { echo "=== $1"; shift; "$CONF" --kubeedge-version 1.18 "$@"; echo "exit $?"; }
printf 'apiVersion: edgecore.config.kubeedge.io/v1alpha2\nkind: EdgeCore\nmodules:\n  edgeHub:\n    heartbeat: 15\n' > a.yaml
edge "a named file" --file ./a.yaml set modules.edgeHub.heartbeat=20
edge "its undo" undo
edge "nothing to undo" undo
edge "a live effect" --file ./a.yaml --restart set modules.edgeHub.heartbeat=20
mkdir -p /etc/kubeedge/config; cp a.yaml /etc/kubeedge/config/edgecore.yaml
edge "the default file" set modules.edgeHub.heartbeat=20
edge "the default file, named" --file /etc/kubeedge/config/edgecore.yaml set modules.edgeHub.heartbeat=20
edge "the default file, by force" --force-namespace set modules.edgeHub.heartbeat=30
edge "the undo of that" undo
edge "the undo of that, kept" undo --skip
edge "the undo of the named file" undo --id 2
certgen() { echo "=== $1"; shift; "$CERTGEN" "$@" 2>&1 | tail -n 1; }
certgen "a CA" --ca-dir ./ca ca
certgen "certificates" --ca-dir ./ca --cert-dir ./certs server --ip 192.0.2.1
certgen "certificates of the host" --ca-dir ./ca server --ip 192.0.2.1
umount -l /proc
edge "without /proc" --file ./a.yaml set modules.edgeHub.heartbeat=40
ls /var/lib/edgeutils
"#;

#[test]
fn container_allows_edits_of_named_files_only() {
    if !can_unshare() {
        return skip("container_allows_edits_of_named_files_only", "no mount namespace can be made here");
    }
    let output = Command::new("timeout")
        .args(["--kill-after=1", "60", "unshare", "--mount", "--pid", "--fork", "--mount-proc", "sh", "-uc"])
        .arg(format!("mount --make-rprivate /; mount -t tmpfs tmpfs /etc; {SCRIPT}"))
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("CONF", tool::path("edge-conf"))
        .env("CERTGEN", tool::path("edge-certgen"))
        .output()
        .unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    let refused = "edge-conf: cannot change this host: this is a private PID namespace, as in a container\n\
                   hint: use --root / to change only the files of this tree, or --force-namespace to change this host anyway\n\
                   exit 4\n";
    let parts: Vec<(&str, &str)> = printed.split("=== ").skip(1).filter_map(|part| part.split_once('\n')).collect();
    let of = |name: &str| parts.iter().find(|(part, _)| *part == name).unwrap_or_else(|| panic!("{name}: {printed}")).1;
    for name in ["a live effect", "the default file", "the undo of that"] {
        assert_eq!(of(name), refused, "{name}");
    }
    for (name, text) in [
        ("a named file", "heartbeat: 15 -> 20\n"),
        ("its undo", "reverted run 1\nexit 0\n"),
        ("nothing to undo", "nothing to undo\nexit 0\n"),
        ("the default file, named", "heartbeat: 15 -> 20\n"),
        ("the default file, by force", "heartbeat: 20 -> 30\n"),
        ("the undo of that, kept", "kept run 3: /etc/kubeedge/config/edgecore.yaml\nexit 0\n"),
        ("the undo of the named file", "run 3 of edge-conf changed it later\n"),
        ("a CA", "2 changes\n"),
        ("certificates", "2 changes\n"),
        ("certificates of the host", "or --force-namespace to change this host anyway\n"),
        ("without /proc", "heartbeat: 15 -> 40\n"),
    ] {
        assert!(of(name).contains(text), "{name}: {printed}");
    }
    assert!(printed.ends_with("journal\nlock\n"), "{printed}");
}
