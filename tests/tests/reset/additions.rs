//! What administrators add in /etc/edgeutils/reset.d.

use edgeutils_tests::tree::assert_same;

use crate::pictures;
use crate::tree::{keeps, reset};

#[test]
fn administrators_add_what_is_removed_and_kept() {
    let tree = pictures::keadm_1_23();
    tree.write("opt/agent/state", "x");
    tree.write(
        "etc/edgeutils/reset.d/site.toml",
        "[[directory]]\npath = '/opt/agent'\ncreators = ['edgecore']\n\
         [[directory]]\npath = '/opt/mine'\ntier = 'kept'\ntext = 'backups'\n",
    );
    tree.write("opt/mine/x", "x");
    let ran = reset(&tree, &["apply", "--yes"]).expect(0);
    assert!(!tree.at("opt/agent").exists() && tree.at("opt/mine/x").exists(), "{}", ran.stdout);
    keeps(&ran, "/opt/mine", "backups");
}

/// A directory that is removed by the names in it, as it is a link; and one whose parent is removed.
#[test]
fn what_administrators_keep_stays_in_directories_that_are_removed() {
    let tree = pictures::k3s();
    tree.write("data/kubelet/pods/u/volumes/x", "x");
    tree.write("data/kubelet/pki/mine/ca.crt", "mine");
    tree.write("data/real/pki/own.crt", "own");
    std::os::unix::fs::symlink("../real/pki", tree.at("data/kubelet/mine")).unwrap();
    tree.write(
        "etc/edgeutils/reset.d/site.toml",
        "[[directory]]\npath = '/data/k3s/agent'\ntier = 'kept'\ntext = 'backups'\n\
         [[entry]]\ndir = '/data/kubelet/pki/mine'\nnames = ['ca.crt']\nproof = 'root'\ntier = 'kept'\ntext = 'ours'\n",
    );
    let ran = reset(&tree, &["apply", "--yes", "--profile", "all", "--also", "control-plane"]);
    assert!(tree.at("data/k3s/agent/client-kubelet.crt").exists(), "{}{}", ran.stdout, ran.stderr);
    assert!(!tree.at("data/k3s/server").exists(), "{}{}", ran.stdout, ran.stderr);
    assert_eq!(tree.read("data/kubelet/pki/mine/ca.crt"), "mine", "{}{}", ran.stdout, ran.stderr);
    keeps(&ran, "/data/k3s/agent", "backups");
}

#[test]
fn entry_that_is_not_valid_is_refused_with_its_line() {
    let tree = pictures::keadm_1_23();
    let before = tree.snapshot();
    for (text, line, cause) in [
        ("[[directory\n", 1, ""),
        ("# x\n[[directorys]]\npath = '/opt/agent'\n", 2, "directorys is not a section; expected "),
        ("directory = 1\n", 1, "directory is not [[directory]]"),
        ("[[directory]]\npaths = '/opt/agent'\ncreators = ['edgecore']\n", 2, "[[directory]]: unknown field `paths`"),
        ("[[directory]]\npath = '/opt/agent'\ntier = 'gone'\n", 3, "[[directory]]: unknown variant `gone`"),
        ("[[directory]]\npath = '/opt/agent'\n", 1, "[[directory]]: creators is missing"),
        (
            "[[directory]]\npath = '/opt/agent'\ncreators = ['edgcore']\n",
            1,
            "[[directory]]: \"edgcore\" is not a creator; expected ",
        ),
        (
            "\n[[directory]]\npath = 'opt/agent'\ncreators = ['edgecore']\n",
            2,
            "[[directory]]: \"opt/agent\" is not an absolute path",
        ),
        (
            "[[directory]]\npath = '/opt/../etc'\ncreators = ['edgecore']\n",
            1,
            "[[directory]]: \"/opt/../etc\" must not contain ..",
        ),
        (
            "[[directory]]\npath = '/proc/1'\ncreators = ['edgecore']\n",
            1,
            "[[directory]]: /proc/1 belongs to the kernel",
        ),
        (
            "[[directory]]\npath = '/opt/a'\ncontent = {x = {has = ['/etc']}}\ncreators = ['edgecore']\n",
            1,
            "[[directory]]: \"/etc\" is not a path below",
        ),
        ("[[directory]]\ncreators = ['edgecore']\n", 1, "[[directory]]: expected either path or of"),
        (
            "[[directory]]\npath = '/'\nnames = ['home']\ncreators = ['edgecore']\n",
            1,
            "[[directory]]: a directory of the system",
        ),
        (
            "[[directory]]\npath = '/opt/a'\nnames = ['../b']\ncreators = ['edgecore']\n",
            1,
            "[[directory]]: \"../b\" is not a name",
        ),
        (
            "[[directory]]\npath = '/var/lib/kubelet'\ncreators = ['edgecore']\n[[directory]]\npath = '/etc/kubeedge'\ncreators = ['edgecore']\n",
            4,
            "[[directory]]: /etc/kubeedge already has an entry",
        ),
        (
            "[[entry]]\ndir = '/opt'\nnames = ['a/b']\nproof = 'root'\ncreators = ['edgecore']\n",
            1,
            "[[entry]]: \"a/b\" is not a name",
        ),
        (
            "[[entry]]\ndir = 'opt'\nnames = ['a']\nproof = 'root'\ncreators = ['edgecore']\n",
            1,
            "[[entry]]: \"opt\" is not an absolute path",
        ),
        (
            "[[entry]]\ndir = '/opt'\nnames = ['a']\nproof = 'roots'\ncreators = ['edgecore']\n",
            4,
            "[[entry]]: unknown variant `roots`",
        ),
        (
            "[[unit]]\nnames = ['edgecore.service']\nprograms = ['x']\ncreators = ['edgecore']\n",
            1,
            "edgecore.service already has an entry",
        ),
        (
            "[[unit]]\nnames = ['agent']\nprograms = ['x']\ncreators = ['edgecore']\n",
            1,
            "\"agent\" is not the name of a unit",
        ),
        ("[[unit]]\nnames = ['agent.service']\ncreators = ['edgecore']\n", 1, "[[unit]]: programs is missing"),
        // Of phases that are not requested, and that an image does not have.
        ("[[link]]\nname = ['x']\nkinds = 'bridge'\ncreators = ['cni']\n", 3, "[[link]]: unknown field `kinds`"),
        ("[[chain]]\nnames = ['*']\ncreators = ['cni']\n", 2, "[[chain]]: \"*\" is not a valid pattern"),
    ] {
        tree.write("etc/edgeutils/reset.d/site.toml", text);
        for args in [&["apply", "--yes", "--only", "units"][..], &["scan"]] {
            let ran = reset(&tree, args).expect(4);
            let file = "DIR/etc/edgeutils/reset.d/site.toml";
            let start = format!("edge-reset: cannot read {file}: line {line}: {cause}");
            assert!(ran.stderr.starts_with(&start), "{text}{}", ran.stderr);
            assert!(ran.stderr.contains(&format!("hint: correct {file}:{line}")), "{text}{}", ran.stderr);
        }
        std::fs::remove_file(tree.at("etc/edgeutils/reset.d/site.toml")).unwrap();
    }
    for dir in ["etc", "usr", "var", "home", "var/lib", "usr/local/bin", "var/lib/edgeutils", "var/lib/edgeutils/x"] {
        let text = format!("[[directory]]\npath = '/{dir}'\ncreators = ['edgecore']\n");
        tree.write("etc/edgeutils/reset.d/site.toml", text);
        let ran = reset(&tree, &["apply", "--yes"]).expect(4);
        assert!(
            ran.stderr.contains(&format!("/{dir} also contains files of other programs: add names")),
            "{}",
            ran.stderr
        );
    }
    std::fs::remove_dir_all(tree.at("etc/edgeutils")).unwrap();
    assert_same(&tree.snapshot(), &before, "entries that are not valid");
}

#[test]
fn call_without_a_phase_is_a_usage_error() {
    let tree = pictures::host();
    let all = "units,pods,processes,mounts,links,firewall,cgroups,files";
    for (args, cause) in [
        (["scan", "--skip", all], "no phase is left: --skip names all of them"),
        (["apply", "--skip", all], "no phase is left: --skip names all of them"),
        (["scan", "--only", "mounts,links"], "no phase is left: of an image, only units and files can be removed"),
        (["apply", "--skip", "units,files"], "no phase is left: of an image, only units and files can be removed"),
    ] {
        let ran = reset(&tree, &args).expect(2);
        assert!(ran.stderr.starts_with(&format!("edge-reset: {cause}\nhint: ")) && ran.stdout.is_empty(), "{ran:?}");
    }
}
