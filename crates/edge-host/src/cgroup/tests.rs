//! Real groups, each with processes of its own.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::exit::Exit;

/// A group of the test in one hierarchy, removed with the test.
struct Own(Cgroup);

impl Own {
    /// One in each hierarchy; none where groups cannot be made.
    fn all() -> Vec<Own> {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let name = format!("edgeutils-cgroup-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let tops = hierarchies().unwrap();
        let made = tops.iter().filter(|top| fs::create_dir(top.dir().join(&name)).is_ok());
        made.map(|top| Own(top.child(&name).unwrap().unwrap())).collect()
    }

    fn make(&self, below: &str) -> PathBuf {
        let dir = self.0.dir().join(below);
        fs::create_dir_all(&dir).unwrap();
        // Without these a group of cpuset takes no process.
        for file in ["cpuset.cpus", "cpuset.mems"] {
            for level in
                dir.ancestors().take_while(|level| level.starts_with(self.0.dir())).collect::<Vec<_>>().iter().rev()
            {
                if level.join(file).exists() {
                    fs::write(level.join(file), fs::read(level.parent().unwrap().join(file)).unwrap()).unwrap();
                }
            }
        }
        dir
    }

    /// Runs a script in the group `below` it.
    fn run(&self, below: &str, script: &str) -> Child {
        let enter = format!("echo $$ > {}/cgroup.procs && echo && {script}", self.make(below).display());
        let mut child = Command::new("/bin/sh").args(["-c", &enter]).stdout(Stdio::piped()).spawn().unwrap();
        std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut [0]).unwrap();
        child
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        let _ = self.0.end(Duration::from_secs(20));
        let _ = self.0.remove();
    }
}

#[test]
fn group_is_ended_and_removed_in_every_hierarchy() {
    for own in Own::all() {
        let group = &own.0;
        let shown = group.dir();
        let mut children = [own.run("a/b", "sleep 60; :"), own.run("c", "trap '' TERM HUP; sleep 60; :")];
        assert!(group.processes().unwrap().len() >= 2, "{}", shown.display());
        assert_eq!(
            group.children().unwrap().iter().map(|child| child.name().to_owned()).collect::<Vec<_>>(),
            ["a", "c"]
        );
        let error = group.remove().unwrap_err();
        assert!(error.message().ends_with(": it has processes"), "{error}");
        group.end(Duration::from_secs(20)).unwrap();
        assert!(group.processes().unwrap().is_empty());
        group.remove().unwrap();
        assert!(!shown.exists(), "{}", shown.display());
        for child in &mut children {
            child.wait().unwrap();
        }
        // What is gone has ended and is removed.
        group.end(Duration::ZERO).unwrap();
        group.remove().unwrap();
        assert_eq!(
            (group.children().unwrap(), group.processes().unwrap(), group.inode().unwrap()),
            (vec![], vec![], None)
        );
    }
}

#[test]
fn group_that_forks_while_it_is_ended_is_ended() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("chain");
    // Each process starts the next one and ends.
    fs::write(&path, "[ $1 -gt 0 ] && sh \"$0\" $(($1 - 1)) &\n").unwrap();
    let chain = format!("exec sh {} 20000", path.display());
    let tree = "i=0; while [ $i -lt 2000 ]; do i=$((i + 1)); sleep 60 & sleep 0.001; done";
    for script in [chain.as_str(), tree] {
        // In the others nothing can be forbidden.
        for own in Own::all().into_iter().take(2) {
            let mut child = own.run("a", script);
            own.0.end(Duration::from_secs(30)).unwrap();
            assert!(own.0.processes().unwrap().is_empty(), "{script}");
            own.0.remove().unwrap();
            child.wait().unwrap();
        }
    }
}

#[test]
fn own_process_is_not_ended() {
    let root = hierarchies().unwrap().remove(0);
    let error = root.end(Duration::from_secs(1)).unwrap_err();
    assert_eq!(error.exit(), Exit::Refused);
    assert!(error.message().ends_with(": this process is one of them"), "{error}");
    assert!(root.remove().unwrap_err().message().ends_with("it is the top of its hierarchy"));
}

#[test]
fn only_a_cgroup_file_system_is_entered() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("kubepods")).unwrap();
    let group = Cgroup { mount: dir.path().to_path_buf(), path: PathBuf::from("kubepods") };
    group.remove().unwrap();
    group.end(Duration::ZERO).unwrap();
    assert!(dir.path().join("kubepods").is_dir());
    assert_eq!(group.child("x").unwrap(), None);
    for own in Own::all().into_iter().take(1) {
        assert_eq!(own.0.child("x/y").unwrap(), None);
        own.make("x/y");
        let inner = own.0.child("x/y").unwrap().unwrap();
        assert_eq!(inner.path(), own.0.path().join("x/y"));
        // Neither up nor to the side.
        assert_eq!(own.0.child("x/../..").unwrap().map(|found| found.dir().canonicalize().unwrap()), None);
    }
}
