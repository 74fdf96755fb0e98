//! Without space for the journal, and on file systems that are read-only.

use edgeutils_tests::live::cannot_unshare;

use super::plan::script;

/// `node` makes an edge node without pods; `left` says what of it is there.
const NODE: &str = r#"
    node() {
        mkdir -p /etc/kubeedge/ca /var/lib/kubeedge /var/lib/kubelet/pki /var/lib/edgeutils
        echo key > /etc/kubeedge/ca/rootCA.key; echo db > /var/lib/kubeedge/edgecore.db
    }
    left() { (cd /; ls -d etc/kubeedge var/lib/kubeedge var/lib/kubelet 2>/dev/null | tr '\n' ' '); echo; }
    files() { reset apply --yes --only units,mounts,files 2>&1 | grep -v '^kept\|^edge-reset: note'; }
"#;

#[test]
fn full_disk_of_the_journal_changes_nothing() {
    if cannot_unshare("reset live full") {
        return;
    }
    let ran = script(&format!(
        r#"{NODE}
        node; mount -t tmpfs -o size=32k,mode=755 tmpfs /var/lib/edgeutils
        for count in 32 30; do
            dd if=/dev/zero of=/var/lib/edgeutils/fill bs=1k count=$count 2>/dev/null; files; left; ls /var/lib/edgeutils/journal
        done
        rm /var/lib/edgeutils/fill; files | tail -1; left
        # Space for what follows was reserved.
        fill() {{ dd if=/dev/zero of=/var/lib/edgeutils/fill bs=1k count=32 2>/dev/null; }}
        fill; reset undo | tail -1; left
        rm /var/lib/edgeutils/fill; files | tail -1; fill; reset purge --yes 2>/dev/null | tail -1; ls -d /etc/.edgeutils-trash-*
        "#
    ));
    let all = "etc/kubeedge var/lib/kubeedge var/lib/kubelet \n";
    let refused = "edge-reset: cannot write the journal /var/lib/edgeutils/journal/000001-edge-reset.jsonl: \
                   No space left on device (os error 28)\nhint: free some space on that file system and run again\n\
                   no changes\n";
    let none = "ls: cannot access '/etc/.edgeutils-trash-*': No such file or directory\n";
    let want = format!("{refused}{all}{refused}{all}3 changes\n\nreverted run 1\n{all}3 changes\n3 changes\n{none}");
    assert_eq!(ran.stdout, want);
}

#[test]
fn read_only_etc_is_named_and_the_same_command_completes_the_reset() {
    if cannot_unshare("reset live read-only") {
        return;
    }
    let ran = script(&format!(
        r#"{NODE}
        node; mount -o remount,ro /etc
        files > /mnt/first; grep -c moved /mnt/first; grep -A1 ^edge-reset: /mnt/first; left
        files | grep -A1 ^edge-reset:; left
        mount -o remount,rw /etc; files | tail -1; left
        mount -o remount,ro /etc; reset purge --yes 2>&1 | grep -A1 '^edge-reset: cannot'; ls /var/lib | grep trash
        mount -o remount,rw /etc; reset purge --yes 2>/dev/null | tail -1; ls -A /etc | grep trash
        "#
    ));
    let cannot = |what: &str| {
        format!(
            "edge-reset: cannot {what}: Read-only file system (os error 30)\n\
             hint: the file system is mounted read-only: remount it read-write (mount -o remount,rw) and run again\n"
        )
    };
    let moved = cannot("move /etc/kubeedge");
    assert!(
        ran.stdout.starts_with(&format!("2\n{moved}etc/kubeedge \n{moved}etc/kubeedge \n1 change\n\n")),
        "{}",
        ran.stdout
    );
    let deleted = cannot("delete /etc/.edgeutils-trash-1/kubeedge");
    assert!(ran.stdout.ends_with(&format!("{deleted}1 change\n")), "{}", ran.stdout);
}

/// What is removed for good needs its copy.
#[test]
fn rules_stay_where_no_copy_of_them_can_be_written() {
    if cannot_unshare("reset live full") {
        return;
    }
    let ran = script(
        r#"
        ip link set lo up
        printf '*filter\n:INPUT ACCEPT\n:KUBE-FIREWALL - [0:0]\n-A INPUT -j KUBE-FIREWALL\nCOMMIT\n' > /mnt/rules
        mkdir -p /var/lib/edgeutils/edge-reset
        mount -t tmpfs -o size=4k,mode=700 tmpfs /var/lib/edgeutils/edge-reset
        echo full > /var/lib/edgeutils/edge-reset/fill
        iptables-nft-restore < /mnt/rules
        reset apply --yes --only firewall 2>&1 | grep 'copy in'; iptables-nft-save | grep -c 'KUBE-FIREWALL'
        umount /var/lib/edgeutils/edge-reset
        reset apply --yes --only firewall > /mnt/out 2>&1; tail -1 /mnt/out; iptables-nft-save | grep -c 'KUBE-FIREWALL'
        "#,
    );
    assert!(
        ran.stdout.contains("cannot remove them without a copy in /var/lib/edgeutils/edge-reset/iptables-nft."),
        "{ran:?}"
    );
    assert!(ran.stdout.ends_with("\n2\n2 changes\n0\n"), "{ran:?}");
}
