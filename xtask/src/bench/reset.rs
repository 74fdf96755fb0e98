//! `edge-reset` on large trees and on a clean host.

use std::path::Path;

use anyhow::Result;

use super::case::{Case, Limit};
use super::firewall::Host;
use super::measure::{Measure, Program};
use crate::workspace::make_dir;

/// A root of kubelet below the root of a tree.
const ROOT: &str = "var/lib/kubelet";
/// Deleting such trees takes seconds.
const RUNS: u16 = 5;
const MEMORY: Limit = Limit::MiB(32.0);
const NAME: &str = "edge-reset";

/// So many pods, each with a volume of so many directories, each with so many empty files.
struct Shape {
    pods: u32,
    directories: u32,
    files: u32,
}

/// kubelet allows 110 pods.
const MANY: Shape = Shape { pods: 100, directories: 20, files: 100 };
const WIDE: Shape = Shape { pods: 1, directories: 1, files: 1_000_000 };

/// A file system of its own with the tree, as the names of a large one that has been in use are slow to make. $1 is its
/// image, $2 where it is mounted, $3 how many pods, $4 how many directories in each, $5 how many files in each.
const START: &str = r#"
set -e
truncate --size 2G "$1"
mkfs.ext4 -q -N $(($3 * $4 * $5 + 10000)) "$1"
mount -o loop "$1" "$2"
cd "$2"
mkdir -p etc usr var/lib/kubelet/pods
echo ID=debian > etc/os-release
cd var/lib/kubelet/pods
for pod in $(seq "$3"); do
    volume=pod-$pod/volumes/kubernetes.io~empty-dir/data
    mkdir -p "$volume"
    for one in $(seq "$4"); do
        mkdir "$volume/$one"
        (cd "$volume/$one"; seq -f file-%.0f "$5" | xargs touch)
    done
done
cd /
umount "$2"
echo ready
exec sleep 3600
"#;

/// A copy of the image $1 is mounted on $2, in place of the previous one.
const FRESH: &str = r#"
set -e
if mountpoint -q "$2"; then umount "$2"; fi
cp --sparse=always "$1" "$1.copy"
mount -o loop "$1.copy" "$2"
"#;

/// The tree is in the trash; $3 is edge-reset.
const APPLIED: &str = r#"
"$3" --root "$2" apply --only files --yes > /dev/null
test -d "$2/var/lib/.edgeutils-trash-1/kubelet"
"#;

/// The cases, and their hosts, which must exist while they are measured.
pub(super) fn cases(bin: &Path, scratch: &Path) -> Result<(Vec<Case>, Vec<Host>)> {
    let own = bin.join("edge-reset");
    let nothing = Program::nothing();
    let scan = Program::new(NAME, &[own.as_os_str(), "--force-namespace".as_ref(), "scan".as_ref()]);
    let many = Tree::new(&own, scratch, "many", &MANY)?;
    let wide = Tree::new(&own, scratch, "wide", &WIDE)?;
    let (apply, purge) = (many.apply(), many.purge());
    let files = MANY.pods * MANY.directories * MANY.files;
    let (purging, applying) =
        (format!("edge-reset purge, {files} files"), format!("edge-reset apply, phase files, {files} files"));
    let all = "edge-reset purge, 1000000 files in one directory";
    let cases = vec![
        Case::new("edge-reset scan, clean host", (&scan, &nothing), Measure::Cpu, Limit::Millis(60.0), 21),
        Case::new("edge-reset scan, clean host", (&scan, &nothing), Measure::Memory, MEMORY, RUNS),
        Case::new(&purging, (&purge, &many.rm()), Measure::Cpu, Limit::Times(1.2), RUNS),
        Case::new(&purging, (&purge, &nothing), Measure::Memory, MEMORY, RUNS),
        Case::new(&applying, (&apply, &nothing), Measure::Cpu, Limit::Millis(50.0), RUNS),
        Case::new(&applying, (&apply, &nothing), Measure::Memory, MEMORY, RUNS),
        Case::new(all, (&wide.purge(), &nothing), Measure::Memory, MEMORY, 2),
    ];
    Ok((cases, vec![many.host, wide.host]))
}

/// A system with a large root of kubelet, the same at the beginning of each run.
struct Tree {
    host: Host,
    own: String,
    image: String,
    dir: String,
}

impl Tree {
    fn new(own: &Path, scratch: &Path, name: &str, shape: &Shape) -> Result<Tree> {
        let (image, dir) = (scratch.join(format!("reset-{name}.img")), scratch.join(format!("reset-{name}")));
        make_dir(&dir)?;
        let numbers = [shape.pods, shape.directories, shape.files].map(|number| number.to_string());
        let [pods, directories, files] = numbers.each_ref().map(Path::new);
        let host = Host::of(START, &[&image, &dir, pods, directories, files])?;
        let text = |path: &Path| path.to_string_lossy().into_owned();
        Ok(Tree { host, own: text(own), image: text(&image), dir: text(&dir) })
    }

    /// A command line, after the tree is fresh and `prepared` has run.
    fn program(&self, name: &str, words: &[&str], prepared: &str) -> Program {
        let script = format!("{FRESH}{prepared}");
        Program::new(name, &self.host.argv(words)).after(&self.host.argv(&[
            "sh",
            "-c",
            &script,
            "sh",
            &self.image,
            &self.dir,
            &self.own,
        ]))
    }

    fn apply(&self) -> Program {
        self.program(NAME, &[&self.own, "--root", &self.dir, "apply", "--only", "files", "--yes"], "")
    }

    fn purge(&self) -> Program {
        self.program(NAME, &[&self.own, "--root", &self.dir, "purge", "--yes"], APPLIED)
    }

    fn rm(&self) -> Program {
        self.program("rm", &["rm", "-rf", &format!("{}/{ROOT}", self.dir)], "")
    }
}
