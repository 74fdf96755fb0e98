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
        ("[[directory]]\ncreators = ['edgecore']\n", 1, "[[directory]]: it has no path"),
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
            "[[directory]]: /etc/kubeedge has another entry already",
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
            "edgecore.service has another entry already",
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
        assert!(ran.stderr.contains(&format!("others have files in /{dir} too: add names")), "{}", ran.stderr);
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
