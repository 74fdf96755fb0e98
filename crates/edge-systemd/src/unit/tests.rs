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

#[test]
fn started_at_boot_follows_dependencies() {
    let tree = Tree::new(&[
        (USR, "multi-user.target", "[Unit]\nRequires=basic.target\n"),
        (ETC, "multi-user.target.d/x.conf", "[Unit]\nWants=\"drop.service\"\nWants=\n"),
        (USR, "drop.service", "[Unit]\nBindsTo=c.service %p-%i.service x%Qx.service not-a-unit\n"),
        (USR, "c.service", "[Unit]\nRequires=drop.service\nAfter=no.service\nRequisite=no.service\n"),
        (USR, "b@.service", "[Unit]\nWants=of-%i.service alias.service\n"),
        (USR, "real.service", "[Service]\n"),
        (USR, "t.timer", "[Timer]\nOnBootSec=1\n"),
        (USR, "u.path", "[Path]\nUnit=x.swap\n"),
        (USR, "off.service", "[Unit]\nWants=no.service\n"),
    ]);
    tree.link(ETC, "default.target", "/lib/systemd/system/multi-user.target");
    tree.link(ETC, "multi-user.target.wants/b@1.service", "/usr/lib/systemd/system/b@.service");
    tree.link(ETC, "b@.service.requires/t.timer", "/usr/lib/systemd/system/t.timer");
    tree.link(ETC, "graphical.target.wants/off.service", "/usr/lib/systemd/system/off.service");
    tree.link(ETC, "timers.target.wants/u.path", "/usr/lib/systemd/system/u.path");
    tree.link(USR, "alias.service", "real.service");
    tree.link(ETC, "masked.service", "/dev/null");
    tree.link(ETC, "multi-user.target.wants/masked.service", "/usr/lib/systemd/system/masked.service");
    let root = tree.root();
    let boot = Units::read(&root, Scope::NextBoot).unwrap().started_at_boot().unwrap();
    let place = |name: &str| {
        let by = boot.pulled_in(name)?;
        Some(format!("{} {} by {} {}:{}", by.unit, by.how, by.by, by.file.display(), by.line))
    };
    let names: Vec<&str> = boot.names().filter(|name| !name.ends_with(".target")).collect();
    assert_eq!(
        names,
        [
            "b@1.service",
            "c.service",
            "drop-.service",
            "drop.service",
            "of-1.service",
            "real.service",
            "t.service",
            "t.timer",
            "u.path",
            "x.swap"
        ]
    );
    assert_eq!(place("b@1.service"), None);
    let drop_in = "/etc/systemd/system/multi-user.target.d/x.conf";
    assert_eq!(place("drop.service"), Some(format!("drop.service wanted by multi-user.target {drop_in}:2")));
    for (name, by) in [
        ("c.service", "c.service required by drop.service /usr/lib/systemd/system/drop.service:2"),
        ("real.service", "alias.service wanted by b@1.service /usr/lib/systemd/system/b@.service:2"),
        ("x.swap", "x.swap started by u.path /usr/lib/systemd/system/u.path:2"),
    ] {
        assert_eq!(place(name).as_deref(), Some(by));
    }
}

#[test]
fn started_at_boot_is_bounded() {
    let text: String = (0..6000).map(|number| format!("Wants=a@{number}.service a@x.service\n")).collect();
    let tree =
        Tree::new(&[(USR, "multi-user.target", &format!("[Unit]\n{text}")), (USR, "a@.service", "[Unit]\nWants=%n\n")]);
    let root = tree.root();
    let boot = Units::read(&root, Scope::NextBoot).unwrap().started_at_boot().unwrap();
    assert!(boot.names().count() <= 4096);
    assert!(boot.starts("a@x.service"));
}
