//! Tests with units in temporary trees.

use std::fs;
use std::os::unix::fs::symlink;

use super::*;

const ETC: &str = "etc/systemd/system";
const USR: &str = "usr/lib/systemd/system";
const LOCAL: &str = "usr/local/lib/systemd/system";

struct Tree(tempfile::TempDir);

impl Tree {
    fn new(files: &[(&str, &str, &str)]) -> Tree {
        let tree = Tree(tempfile::tempdir().unwrap());
        files.iter().for_each(|(dir, name, text)| fs::write(tree.at(dir, name), text).unwrap());
        tree
    }

    fn at(&self, dir: &str, name: &str) -> PathBuf {
        let path = self.0.path().join(dir).join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    }

    fn link(&self, dir: &str, name: &str, target: &str) {
        symlink(target, self.at(dir, name)).unwrap();
    }

    fn root(&self) -> Root {
        Root::image(self.0.path()).unwrap()
    }

    fn unit(&self, name: &str) -> Unit {
        Units::read(&self.root(), Scope::Now).unwrap().find(name).unwrap()
    }

    fn environment(&self, name: &str) -> Vec<String> {
        let root = self.root();
        let units = Units::read(&root, Scope::Now).unwrap();
        let all = units.settings(&units.find(name).unwrap()).unwrap().environment();
        all.iter().map(|one| format!("{}={} {}:{}", one.name, one.value, one.file.display(), one.line)).collect()
    }

    fn links(&self, name: &str) -> Vec<String> {
        let root = self.root();
        let units = Units::read(&root, Scope::NextBoot).unwrap();
        let links = units.links_to(&units.find(name).unwrap()).unwrap();
        links.iter().map(|link| link.path.display().to_string()).collect()
    }
}

#[test]
fn find_prefers_the_directory_that_takes_precedence() {
    let tree = Tree::new(&[(USR, "a.service", "x"), (LOCAL, "a.service", "x"), (USR, "b@.service", "x")]);
    let unit = tree.unit("a.service");
    assert_eq!(unit.files.len(), 2);
    assert_eq!(unit.file().unwrap().path, Path::new("/usr/local/lib/systemd/system/a.service"));
    assert_eq!(tree.unit("b@x.service").file().unwrap().path, Path::new("/usr/lib/systemd/system/b@.service"));
    assert!(!tree.unit("c.service").exists() && !tree.unit("c.service").is_masked());
}

#[test]
fn is_masked_recognizes_every_mask() {
    let tree = Tree::new(&[(ETC, "empty.service", ""), (ETC, "comment.service", "#\n"), ("opt", "none", "")]);
    for (name, target) in [
        ("null.service", "/dev/null"),
        ("up.service", "../../../dev/null"),
        ("zero.service", "/dev/zero"),
        ("to-empty.service", "/opt/none"),
        ("dangling.service", "/nowhere"),
        ("real.service", "comment.service"),
    ] {
        tree.link(ETC, name, target);
        fs::write(tree.at(USR, name), "[Service]\nEnvironment=A=1\n").unwrap();
    }
    for masked in ["empty", "null", "up", "zero", "to-empty"] {
        let unit = tree.unit(&format!("{masked}.service"));
        assert!(unit.is_masked(), "{masked}");
        assert_eq!(tree.environment(&unit.name), [] as [&str; 0]);
    }
    for not in ["comment", "dangling", "real"] {
        assert!(!tree.unit(&format!("{not}.service")).is_masked(), "{not}");
    }
    // A mask in a later directory has no effect.
    let tree = Tree::new(&[(ETC, "a.service", "x")]);
    tree.link(USR, "a.service", "/dev/null");
    assert!(!tree.unit("a.service").is_masked());
}

#[test]
fn settings_come_from_the_drop_ins_of_every_directory() {
    let set = |text: &str| format!("[Service]\nEnvironment={text}\n");
    let tree = Tree::new(&[
        (USR, "foo-bar.service", &set("A=unit B=unit")),
        (USR, "foo-bar.service.d/10-same.conf", &set("A=specific")),
        (LOCAL, "foo-.service.d/10-same.conf", &set("A=local-prefix")),
        (ETC, "service.d/10-same.conf", &set("A=type")),
        (ETC, "service.d/05.conf", &set("B=type C=type")),
        (LOCAL, "foo-bar.service.d/90.conf", &set("D=local")),
        (ETC, "foo-bar.service.d/20.conf", &set("D=etc E=etc")),
        (USR, "foo-bar.service.d/30.conf", &set("E=hidden")),
        (USR, "foo-bar.service.d/40.conf", &set("E=hidden")),
        (ETC, "foo-bar.service.d/30.conf", ""),
        (ETC, "foo-bar.service.d/99", &set("E=no-conf")),
        (ETC, "other.service.d/99.conf", &set("E=other")),
    ]);
    tree.link(ETC, "foo-bar.service.d/40.conf", "/dev/null");
    assert_eq!(
        tree.environment("foo-bar.service"),
        [
            "A=local-prefix /usr/local/lib/systemd/system/foo-.service.d/10-same.conf:2",
            "B=type /etc/systemd/system/service.d/05.conf:2",
            "C=type /etc/systemd/system/service.d/05.conf:2",
            "D=local /usr/local/lib/systemd/system/foo-bar.service.d/90.conf:2",
            "E=etc /etc/systemd/system/foo-bar.service.d/20.conf:2",
        ]
    );
}

#[test]
fn settings_of_an_alias_are_those_of_its_unit() {
    let tree = Tree::new(&[
        (USR, "crio.service", "[Service]\nEnvironment=A=1\n"),
        (ETC, "cri-o.service.d/1.conf", "[Service]\nEnvironment=B=1\n"),
        (ETC, "crio.service.d/1.conf", "[Service]\nEnvironment=C=1\n"),
    ]);
    tree.link(ETC, "cri-o.service", "/usr/lib/systemd/system/crio.service");
    let want = ["A=1 /usr/lib/systemd/system/crio.service:2", "C=1 /etc/systemd/system/crio.service.d/1.conf:2"];
    // Of drop-ins with the same name, that of the unit takes precedence over that of an alias.
    assert_eq!(tree.environment("crio.service"), want);
    assert_eq!(tree.environment("cri-o.service"), want);
    assert_eq!(tree.unit("cri-o.service").name, "crio.service");
    tree.link(ETC, "loop-a.service", "loop-b.service");
    tree.link(ETC, "loop-b.service", "loop-a.service");
    assert!(Units::read(&tree.root(), Scope::Now).unwrap().find("loop-a.service").is_err());
}

#[test]
fn links_to_a_unit_may_be_hidden() {
    let tree = Tree::new(&[(USR, "a.service", "x"), (ETC, "c.target.wants/a.service", "no link")]);
    for dir in ["b", "c", "d"] {
        tree.link(USR, &format!("{dir}.target.wants/a.service"), "../a.service");
    }
    tree.link(ETC, "d.target.wants/a.service", "/dev/null");
    tree.link(ETC, "e.target.requires/a.service", "/nowhere/a.service");
    tree.link(ETC, "f.target/a.service", "/usr/lib/systemd/system/a.service");
    assert_eq!(
        tree.links("a.service"),
        ["/etc/systemd/system/e.target.requires/a.service", "/usr/lib/systemd/system/b.target.wants/a.service"]
    );
    assert_eq!(tree.links("none.service"), [] as [&str; 0]);
}
