//! The same commit, built in another directory: the same bytes.
//!
//! It compiles everything once more, for each target that can be built here, so it runs only by name. The suite package
//! shows the rest at each run: the same binaries are packed to the same bytes.

use std::path::Path;

use anyhow::{Result, bail};

use super::{Outcome, SuiteContext};
use crate::dist::{Target, Toolchain};
use crate::failure::hinted;
use crate::sh::Sh;
use crate::workspace::{Workspace, read, remove_tree, write};

/// The targets of a release.
const TARGETS: [Target; 3] = [Target::Arm64Musl, Target::Amd64Musl, Target::Armv7Musl];

pub(super) fn run(context: &SuiteContext<'_>) -> Result<Outcome> {
    let workspace = context.workspace;
    match workspace.commit() {
        Some(commit) if !commit.ends_with("-dirty") => {}
        Some(_) => return Err(hinted("cannot build this again from a clone: files have changed", "commit them first")),
        None => bail!("cannot build this again from a clone: it is not a git repository"),
    }
    let elsewhere = tempfile::Builder::new().prefix("edgeutils-elsewhere-").tempdir()?;
    let clone = elsewhere.path().join("sources");
    Sh::new("git clone --quiet").arg(&workspace.root).arg(&clone).capture()?;
    let mut outcome = Outcome::default();
    for target in TARGETS.into_iter().filter(|target| Toolchain::choose(Some(*target)).is_ok()) {
        let here = workspace.target.join("reproducible");
        let there = elsewhere.path().join("released");
        remove_tree(&here)?;
        remove_tree(&there)?;
        let dist = |root: &Path, out: &Path| {
            let sh = Sh::program(&context.xtask).dir(root).env("CARGO_MANIFEST_DIR", root.join("xtask"));
            sh.args(["dist", "--target", &target.to_string(), "--out"]).arg(out)
        };
        let is_built = dist(&workspace.root, &here).logged(&context.log)?
            && dist(&clone, &there).env("CARGO_TARGET_DIR", elsewhere.path().join("build")).logged(&context.log)?;
        outcome = outcome.and(Outcome::of(is_built && is_same(context, workspace, target, [&here, &there])?));
        remove_tree(&here)?;
    }
    Ok(outcome)
}

/// Compares the sums of what is released, and those of the files in it; what differs goes into the log.
fn is_same(context: &SuiteContext<'_>, workspace: &Workspace, target: Target, dirs: [&Path; 2]) -> Result<bool> {
    let tree = format!("edgeutils-{}-{target}/SHA256SUMS", workspace.version);
    let sums = |dir: &Path| -> Result<String> {
        let both = [read(&dir.join("SHA256SUMS"))?, read(&dir.join(&tree))?].concat();
        Ok(String::from_utf8_lossy(&both).into_owned())
    };
    let [here, there] = [sums(dirs[0])?, sums(dirs[1])?];
    let differ: Vec<&str> = there.lines().filter(|line| !here.lines().any(|other| other == *line)).collect();
    let mut log = String::from_utf8_lossy(&read(&context.log)?).into_owned();
    log.push_str(&format!("{target}: {} files, of which these differ: {differ:?}\n", here.lines().count()));
    write(&context.log, log)?;
    Ok(here == there)
}
