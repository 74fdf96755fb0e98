//! `edge-reset` on large trees and on a clean host.

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::case::{Case, Limit};
use super::measure::{Measure, Program};
use crate::workspace::make_dir;

/// A root of kubelet below the root of a tree.
const ROOT: &str = "var/lib/kubelet";
/// Deleting such trees takes seconds.
const RUNS: u16 = 5;
const NAME: &str = "edge-reset";

/// A tree of so many directories, each with so many empty files.
struct Shape {
    directories: u32,
    files: u32,
}

const MANY: Shape = Shape { directories: 2000, files: 100 };
const WIDE: Shape = Shape { directories: 1, files: 1_000_000 };

/// The cases, with a tree of each shape in an archive in `scratch`.
pub(crate) fn all(bin: &Path, scratch: &Path) -> Result<Vec<Case>> {
    let own = bin.join("edge-reset");
    let nothing = Program::nothing();
    let scan = Program::new(NAME, &[own.as_os_str(), "--force-namespace".as_ref(), "scan".as_ref()]);
    let many = Tree::new(&own, scratch, "many", &MANY)?;
    let wide = Tree::new(&own, scratch, "wide", &WIDE)?;
    let (apply, purge) = (many.apply(), many.purge());
    let case = |name: &str, programs, measure, limit| Case::new(name, programs, measure, limit, RUNS);
    let files = MANY.directories * MANY.files;
    Ok(vec![
        Case::new("edge-reset scan, clean host", (&scan, &nothing), Measure::Cpu, Limit::Millis(60.0), 21),
        case("edge-reset scan, clean host", (&scan, &nothing), Measure::Memory, Limit::MiB(32.0)),
        case(&format!("edge-reset purge, {files} files"), (&purge, &many.rm()), Measure::Cpu, Limit::Times(1.2)),
        case(&format!("edge-reset purge, {files} files"), (&purge, &nothing), Measure::Memory, Limit::MiB(32.0)),
        case(
            &format!("edge-reset apply, phase files, {files} files"),
            (&apply, &nothing),
            Measure::Cpu,
            Limit::Millis(50.0),
        ),
        Case::new(
            "edge-reset purge, 1000000 files in one directory",
            (&wide.purge(), &nothing),
            Measure::Memory,
            Limit::MiB(32.0),
            2,
        ),
    ])
}

/// A system with a large root of kubelet, unpacked before each run.
struct Tree {
    own: String,
    dir: String,
    unpack: String,
}

impl Tree {
    fn new(own: &Path, scratch: &Path, name: &str, shape: &Shape) -> Result<Tree> {
        let text = |path: PathBuf| path.to_string_lossy().into_owned();
        let dir = scratch.join(format!("reset-{name}"));
        let archive = scratch.join(format!("reset-{name}.tar"));
        make_dir(&dir)?;
        let (dir, archive) = (text(dir), text(archive));
        let Shape { directories, files } = shape;
        // Once, as it takes longer than the runs.
        let unpack = format!(
            "set -e; rm -rf {dir}; mkdir -p {dir}/etc {dir}/usr {dir}/{ROOT}; echo ID=debian > {dir}/etc/os-release
            if [ ! -e {archive} ]; then
                cd {dir}/{ROOT}; mkdir pods; cd pods; seq -f volume-%.0f {directories} | xargs mkdir
                for one in *; do (cd \"$one\"; seq -f file-%.0f {files} | xargs touch); done
                tar -C {dir} -cf {archive} {ROOT}
            else
                tar -C {dir} -xf {archive}
            fi"
        );
        Ok(Tree { own: text(own.to_owned()), dir, unpack })
    }

    fn words(&self, verb: &[&str]) -> Vec<String> {
        let words = [&[self.own.as_str(), "--root", &self.dir], verb, &["--yes"]].concat();
        words.into_iter().map(str::to_owned).collect()
    }

    fn apply(&self) -> Program {
        Program::new(NAME, &self.words(&["apply", "--only", "files"])).after(&["sh", "-c", &self.unpack])
    }

    fn purge(&self) -> Program {
        let applied = format!("{}\n{} > /dev/null", self.unpack, self.words(&["apply", "--only", "files"]).join(" "));
        let verified = format!("{applied}; test -d {}/var/lib/.edgeutils-trash-1/kubelet", self.dir);
        Program::new(NAME, &self.words(&["purge"])).after(&["sh", "-c", &verified])
    }

    fn rm(&self) -> Program {
        Program::new("rm", &["rm", "-rf", &format!("{}/{ROOT}", self.dir)]).after(&["sh", "-c", &self.unpack])
    }
}
