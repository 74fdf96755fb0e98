//! The suites, cheap ones first.
//!
//! A test program gets three variables of its environment from here:
//! EDGEUTILS_BIN_DIR, the directory with the utilities to run;
//! EDGEUTILS_RUNNER, a program to run them with (an emulator), unset for none;
//! EDGEUTILS_SKIP_LOG, a file to append `SKIP <test>: <reason>` to, one line a test that could not run.

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use anyhow::{Context, Result};

use super::tally::{self, Tally};
use super::{Outcome, Place, Suite, SuiteContext, examples, package, reproducible, some};
use crate::dist::{self, Target, Toolchain};
use crate::machine;
use crate::sh::Sh;
use crate::workspace::{read, write};

pub(super) const SUITES: &[Suite] = &[
    suite("fmt", fmt),
    suite("clippy", clippy),
    suite("tidy", tidy),
    suite("man", man),
    suite("shellcheck", shellcheck),
    suite("deny", deny),
    suite("unit", unit),
    suite("stories", stories),
    suite("dist", dist),
    suite("qemu", qemu),
    suite("demo", demo),
    Suite { name: "cluster", run: cluster, place: Place::Beside },
    Suite { name: "e2e", run: e2e, place: Place::Beside },
    Suite { name: "package", run: package::run, place: Place::Beside },
    Suite { name: "fuzz", run: fuzz, place: Place::OnlyByName },
    Suite { name: "reproducible", run: reproducible::run, place: Place::OnlyByName },
];

const fn suite(name: &'static str, run: fn(&SuiteContext<'_>) -> Result<Outcome>) -> Suite {
    Suite { name, run, place: Place::InTurn }
}

/// Test programs are started with this variable alone, and nothing is built with it: libtest of a stable
/// toolchain then accepts `--report-time`; no other output has these times.
const RUNNER: &str = r#"target."cfg(all())".runner=["env","RUSTC_BOOTSTRAP=1"]"#;
const REPORT_TIME: &[&str] = &["-Z", "unstable-options", "--report-time"];

/// Examples in doc comments.
const DOC_TEST: &str = "cargo test --locked --no-fail-fast --doc";

/// How many inputs the suite fuzz gives to each parser; the stories give it 10,000.
const FUZZ_CASES: &str = "1000000";

/// The modules with tests that change a namespace of this machine, or trace a program: not under an emulator.
const LIVE: &str = "live::";

impl SuiteContext<'_> {
    fn sh(&self, line: &str) -> Sh {
        Sh::new(line).dir(&self.workspace.root).env("CARGO_TERM_COLOR", "never")
    }

    fn one(&self, line: &str) -> Result<Outcome> {
        Ok(Outcome::of(self.sh(line).logged(&self.log)?))
    }

    /// Another task of this program.
    pub(super) fn task(&self, args: &[&str]) -> Result<Outcome> {
        let sh = Sh::program(&self.xtask).dir(&self.workspace.root);
        Ok(Outcome::of(sh.args(args).logged(&self.log)?))
    }

    /// Builds and lists tests, runs them, and counts. `test` is a call of cargo test, `filter` options of libtest that skip tests.
    fn cargo_test(&self, test: impl Fn() -> Sh, filter: &[&str]) -> Result<Outcome> {
        let before = read(&self.log)?.len();
        if !test().args(["--", "--list"]).args(filter).logged(&self.log)? {
            return Ok(Outcome::of(false));
        }
        let listed = tally::listed(&self.logged_since(before)?);
        self.listed.fetch_add(listed, Ordering::Relaxed);
        let timed = test().args(["--config", RUNNER, "--"]).args(REPORT_TIME).args(filter);
        self.counted(timed, listed)
    }

    /// Runs a call of cargo test that has listed so many tests.
    fn counted(&self, test: Sh, listed: usize) -> Result<Outcome> {
        let skip_log = self.log.with_extension("skips");
        write(&skip_log, "")?;
        let before = read(&self.log)?.len();
        let ended_well = test.env("EDGEUTILS_SKIP_LOG", &skip_log).logged(&self.log)?;
        let skips = String::from_utf8_lossy(&read(&skip_log)?).into_owned();
        Ok(Tally::of_cargo_test(&self.logged_since(before)?, listed, ended_well, &skips).into())
    }

    fn logged_since(&self, before: usize) -> Result<String> {
        let log = read(&self.log)?;
        Ok(String::from_utf8_lossy(log.get(before..).unwrap_or_default()).into_owned())
    }
}

fn fmt(context: &SuiteContext<'_>) -> Result<Outcome> {
    context.one("cargo fmt --all --check -- --color never")
}

fn clippy(context: &SuiteContext<'_>) -> Result<Outcome> {
    context.one("cargo clippy --quiet --locked --workspace --all-targets -- -D warnings")
}

fn tidy(context: &SuiteContext<'_>) -> Result<Outcome> {
    context.task(&["tidy"])
}

fn man(context: &SuiteContext<'_>) -> Result<Outcome> {
    context.task(&["man", "--check"])
}

fn shellcheck(context: &SuiteContext<'_>) -> Result<Outcome> {
    let mut scripts = files_with(&context.workspace.root.join("scripts"), "sh")?;
    for dir in ["xtask/data", "xtask/data/package"] {
        scripts.extend(files_with(&context.workspace.root.join(dir), "sh")?);
    }
    scripts.push(context.workspace.root.join(".ci/run"));
    let sh = context.sh("shellcheck").args(scripts);
    Ok(Outcome::of(sh.logged(&context.log)?))
}

/// Licences, bans and sources always; advisories where their database can be fetched.
fn deny(context: &SuiteContext<'_>) -> Result<Outcome> {
    if context.install && machine::cargo_deny()?.is_none() {
        machine::install_cargo_deny(&context.workspace.target, &context.log)?;
    }
    let Some(cargo_deny) = machine::cargo_deny()? else {
        let reason = format!("not installed: {}", machine::cargo_deny_line());
        return Ok(Outcome::skipped("deny", &reason));
    };
    // Every locked crate, also for other systems: cargo-deny reads crates that no build here has downloaded.
    if !context.sh("cargo fetch --quiet --locked").logged(&context.log)? {
        return Ok(Outcome::of(false));
    }
    let run = || Sh::program(&cargo_deny).dir(&context.workspace.root);
    let rest = run().args(["--offline", "check", "bans", "licenses", "sources"]);
    let rest = Outcome::of(rest.logged(&context.log)?);

    let fetch = Sh::new("timeout 60").arg(&cargo_deny).args(["fetch", "db"]);
    if !fetch.dir(&context.workspace.root).logged(&context.log)? {
        let mut rest = rest;
        let note = "advisories were not checked: their database cannot be fetched from here";
        rest.notes.push(note.to_owned());
        return Ok(rest);
    }
    let advisories = run().args(["check", "--disable-fetch", "advisories"]);
    Ok(rest.and(Outcome::of(advisories.logged(&context.log)?)))
}

/// Unit and property tests, then the examples in doc comments.
fn unit(context: &SuiteContext<'_>) -> Result<Outcome> {
    let test = "cargo test --locked --workspace --no-fail-fast";
    let units = context.cargo_test(|| context.sh(test).args(["--lib", "--bins"]), &[])?;
    // Those packages alone: without xtask, which has no library, all packages together have other features, and all of
    // them would be built again.
    let packages = examples::packages(&context.workspace.root)?;
    let doc = some(packages, "example in a doc comment")?
        .into_iter()
        .fold(context.sh(DOC_TEST), |sh, package| sh.args(["--package", &package]));
    // rustdoc builds each example when it runs it.
    let examples = context.counted(doc, 0)?;
    Ok(units.and(examples))
}

/// Command-line, root-tree and live tests, against the debug build.
fn stories(context: &SuiteContext<'_>) -> Result<Outcome> {
    let build = context.sh("cargo build --quiet --locked --workspace --bins");
    if !build.logged(&context.log)? {
        return Ok(Outcome::of(false));
    }
    let test = || {
        let sh = context.sh("cargo test --locked --workspace --no-fail-fast --test *");
        sh.env("EDGEUTILS_BIN_DIR", context.workspace.debug_bin())
    };
    context.cargo_test(test, &[])
}

/// Builds the API server of the stories, which takes ten minutes of a processor with an empty cache: they find it there, or
/// wait for the rest of it.
fn cluster(_: &SuiteContext<'_>) -> Result<Outcome> {
    Ok(match edgeutils_tests::cluster::program() {
        Ok(_) => Outcome::of(true),
        Err(why) => Outcome::skipped("cluster", &why),
    })
}

fn dist(context: &SuiteContext<'_>) -> Result<Outcome> {
    context.task(&["dist", "--report"])
}

/// The arm64 binaries in QEMU, and those for armv7 where they can be built: each starts, and the root-tree tests pass
/// with it.
fn qemu(context: &SuiteContext<'_>) -> Result<Outcome> {
    let mut outcome = emulated(context, &Toolchain::choose(None)?)?;
    match Toolchain::choose(Some(Target::Armv7Musl)) {
        Ok(toolchain) => outcome = outcome.and(emulated(context, &toolchain)?),
        Err(error) => outcome.notes.push(format!("no tests of armv7 binaries: {error:#}")),
    }
    Ok(outcome)
}

fn emulated(context: &SuiteContext<'_>, toolchain: &Toolchain) -> Result<Outcome> {
    let target = toolchain.target();
    let out = context.workspace.target.join("dist");
    let built = dist::build(context.workspace, toolchain, &out)?;
    let mut outcome = Outcome::default();
    for binary in &built.binaries {
        let sh = match target.emulator() {
            Some(emulator) => Sh::new(emulator).arg(&binary.path),
            None => Sh::program(&binary.path),
        };
        let expected = context.workspace.version_line(&binary.name, &target.to_string());
        let printed = sh.arg("--version").capture()?;
        let is_right = printed.trim_end() == expected;
        let mut log = String::from_utf8_lossy(&read(&context.log)?).into_owned();
        log.push_str(&format!("{expected}: {printed}"));
        write(&context.log, log)?;
        outcome = outcome.and(Outcome::of(is_right));
    }
    let areas = tree_areas(&context.workspace.root.join("tests/tests"), &context.workspace.utilities);
    let areas = some(areas, "root-tree test in tests/tests")?;
    let test = || {
        // The whole workspace, as in the stories: one package has other features, and all of it would be built again.
        let mut test = context.sh("cargo test --locked --workspace --no-fail-fast");
        for area in &areas {
            test = test.args(["--test", area]);
        }
        test = test.env("EDGEUTILS_BIN_DIR", built.tree.join("bin"));
        match target.emulator() {
            Some(emulator) => test.env("EDGEUTILS_RUNNER", emulator),
            None => test,
        }
    };
    Ok(outcome.and(context.cargo_test(test, &["--skip", LIVE])?))
}

/// The areas in tests/tests that run one utility on trees: conf for edge-conf, but not host.
fn tree_areas(tests: &Path, utilities: &[String]) -> Vec<String> {
    let areas = utilities.iter().filter_map(|utility| utility.strip_prefix("edge-"));
    areas.filter(|area| tests.join(area).join("main.rs").is_file()).map(str::to_owned).collect()
}

fn demo(context: &SuiteContext<'_>) -> Result<Outcome> {
    context.task(&["demo"])
}

/// A whole machine, prepared and reverted; its disk is made as root. The suites that are not named here run by command.
fn e2e(context: &SuiteContext<'_>) -> Result<Outcome> {
    if !nix::unistd::geteuid().is_root() {
        return Ok(Outcome::skipped("e2e", "not run as root"));
    }
    context.task(&["e2e", "--suite", "edge-node"])
}

/// The fuzz targets as property tests, with a hundred times the inputs, optimized.
fn fuzz(context: &SuiteContext<'_>) -> Result<Outcome> {
    let test = "cargo test --locked --profile fuzz --package edgeutils-tests --test fuzz --no-fail-fast";
    let sh = || context.sh(test).env("EDGEUTILS_FUZZ_CASES", FUZZ_CASES);
    context.cargo_test(|| sh().env("EDGEUTILS_BIN_DIR", context.workspace.target.join("fuzz")), &[])
}

/// The files of a directory with this extension, sorted; empty if the directory does not exist.
fn files_with(dir: &Path, extension: &str) -> Result<Vec<PathBuf>> {
    let cannot = || format!("cannot list {}", dir.display());
    let mut found = Vec::new();
    if !dir.exists() {
        return Ok(found);
    }
    for entry in std::fs::read_dir(dir).with_context(cannot)? {
        let path = entry.with_context(cannot)?.path();
        if path.extension().is_some_and(|found| found == extension) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tree_areas_are_those_of_utilities() {
        let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/tests");
        let utilities = ["edge-conf", "edge-host-unknown", "edge-prep"].map(str::to_owned);
        assert_eq!(tree_areas(&tests, &utilities), ["conf", "prep"]);
    }
}
