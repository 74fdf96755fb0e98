//! Plans an installation, from the facts and the simulation of apt.

use std::time::Duration;

use edge_host::action::{Bytes, Run, UndoOrder};
use edge_host::{Error, Inverse, Node, Plan, Result, redact, shown_url};

use crate::apt::{self, Change, Simulated};
use crate::facts::Facts;
use crate::key::KeyFile;
use crate::openpgp::Form;
use crate::request::{PackageRequest, Request};
use crate::source::Source;
use crate::version::Version;

/// An SD card may need minutes for a large package. apt is never killed: this is only when waiting for it ends.
const DEADLINE: Duration = Duration::from_secs(30 * 60);
const MARK_WITHIN: Duration = Duration::from_secs(120);
const MODE: u32 = 0o644;

/// Succeeds if all packages, given as NAME VERSION, are installed in these versions.
const ARE_INSTALLED: &str = "while test $# -gt 1; do \
test \"$(dpkg-query -W -f='${db:Status-Status} ${Version}' \"$1\")\" = \"installed $2\" || exit 1; shift 2; done";
/// Succeeds if none of the packages is installed.
const ARE_GONE: &str = "for name; do \
case \"$(dpkg-query -W -f='${db:Status-Status} ' \"$name\" 2>/dev/null)\" in \
''|*config-files*|*not-installed*) ;; *) exit 1;; esac; done";
/// Succeeds if all packages are held.
const ARE_HELD: &str = "for name; do \
test \"$(dpkg-query -W -f='${db:Status-VersionRequest}' \"$name\")\" = hold || exit 1; done";

/// Removes holds. After a power cut an undo may do it again when the package is removed and its source is gone, and apt-mark
/// fails for a package that it does not know.
const UNHOLD: &str = "failed=0; for name; do \
case \"$(dpkg-query -W -f='${db:Status-VersionRequest}' \"$name\" 2>/dev/null)\" in \
hold) apt-mark unhold \"$name\" || failed=1;; esac; done; exit $failed";

/// What apt is to install, and the simulation of it.
#[derive(Debug)]
pub(crate) struct Selection<'w> {
    /// Its arguments: `cri-o=1.34.2-1.1`, or files.
    pub(crate) arguments: Vec<String>,
    /// The requested packages, with the versions found for them.
    pub(crate) packages: Vec<(&'w PackageRequest, Version)>,
    /// The simulation.
    pub(crate) simulated: Simulated,
}

/// Refuses (exit 4) changes of apt that were not requested.
pub(crate) fn refuse_side_effects(facts: &Facts, request: &Request, found: &Selection<'_>) -> Result<()> {
    let names: Vec<&str> = found.packages.iter().map(|(package, _)| package.name.as_str()).collect();
    let object = names.join(", ");
    if !found.simulated.removed.is_empty() {
        let removed = found.simulated.removed.join(", ");
        return Err(Error::refused(format!("cannot install {object}: apt would remove {removed}")).hint(format!(
            "if they are not needed: apt-get remove {}, then run again",
            found.simulated.removed.join(" ")
        )));
    }
    for change in &found.simulated.unpacked {
        let goes_down = change.before.as_deref().is_some_and(|before| is_older(&change.version, before));
        if goes_down && (!request.downgrade || !names.contains(&bare(&change.name))) {
            let before = change.before.as_deref().unwrap_or_default();
            return Err(Error::refused(format!(
                "cannot install {object}: {} would be downgraded from {before} to {}",
                change.name, change.version
            ))
            .hint("an older version may not be able to read the data of a newer one; to downgrade anyway, remove the package first"));
        }
        let is_held = facts.status.packages().iter().any(|package| package.held && package.name == bare(&change.name));
        if is_held && !names.contains(&bare(&change.name)) {
            return Err(Error::refused(format!(
                "cannot install {object}: apt would change {}, which is held",
                change.name
            ))
            .hint(format!("to allow the change: apt-mark unhold {}, then run again", change.name)));
        }
    }
    Ok(())
}

fn is_older(version: &str, than: &str) -> bool {
    matches!((Version::parse(version), Version::parse(than)), (Ok(version), Ok(than)) if version < than)
}

/// Without a suffix such as `:arm64`.
fn bare(name: &str) -> &str {
    name.split(':').next().unwrap_or(name)
}

/// The files first, so that the user can install the packages wherever this stops; holds last.
///
/// `key` is none in a dry run that cannot download it; `found` is none where nothing is missing, or where it is not
/// known yet.
pub(crate) fn plan(facts: &Facts, request: &Request, key: Option<&KeyFile>, found: Option<&Selection<'_>>) -> Plan {
    let mut plan = Plan::new();
    for of in &facts.obsolete {
        let lines = of.entries.iter().map(|entry| format!("line {}: {} ({})", entry.line, entry.uri, entry.why));
        plan.write(&of.path, of.was.clone(), file(of.bytes.clone()), Inverse::Whole, "disables obsolete entries")
            .details = lines.map(|line| redact(&line)).collect();
    }
    if let Some(source) = request.source.as_ref().filter(|_| !facts.source_is_up_to_date(request)) {
        write_source(facts, source, key, &mut plan);
    }
    if let (Some(pin), Some(is), false) = (&request.pin, &facts.pin, facts.pin_is_up_to_date(request)) {
        let why = format!("{} at {}, priority {}", pin.package, pin.pin, pin.priority);
        plan.write(pin.path(), is.clone(), file(pin.render().into_bytes()), Inverse::Whole, why);
    }
    if let Some(found) = found {
        run_install(facts, found, &mut plan);
    }
    hold(facts, request, found, &mut plan);
    plan
}

fn write_source(facts: &Facts, source: &Source, key: Option<&KeyFile>, plan: &mut Plan) {
    let Some(of) = &facts.source else { return };
    let path = key.map_or_else(|| crate::key::path(&source.name, Form::Armored), |key| key.path(&source.name));
    let prints: Vec<String> = source.fingerprints.iter().map(ToString::to_string).collect();
    for (place, is) in &of.keys {
        let expected = key.map(|key| key.bytes.as_slice());
        if *place == path && expected.is_none_or(|expected| is.bytes != expected) {
            let content = match key {
                Some(key) => Bytes::Known(key.bytes.clone()),
                // Only for a dry run.
                None => Bytes::Made(Box::new(|| Err(Error::failed("cannot write the key: it was not downloaded")))),
            };
            let why = format!("the key {} of {}", prints.join(" or "), shown_url(&source.uri));
            plan.write(path.clone(), is.clone(), Node::File { content, mode: MODE }, Inverse::Whole, why);
        }
    }
    let text = facts.rendered(source, &path);
    if of.file.bytes != text.as_bytes() {
        let action =
            plan.write(&of.path, of.file.clone(), file(text.clone().into_bytes()), Inverse::Whole, "the repository");
        action.details = redact(&text).lines().skip(1).map(str::to_owned).collect();
    }
}

fn run_install(facts: &Facts, found: &Selection<'_>, plan: &mut Plan) {
    let mut argv = vec!["apt-get".to_owned(), "install".to_owned()];
    argv.extend(found.arguments.iter().cloned());
    argv.extend(apt::options());
    let added: Vec<String> = found
        .simulated
        .unpacked
        .iter()
        .filter(|change| change.before.is_none())
        .map(|change| change.name.clone())
        .collect();
    let versions = found.packages.iter().flat_map(|(package, version)| [package.name.to_string(), version.to_string()]);
    let probe = command(["sh", "-c", ARE_INSTALLED, "sh"], &versions.collect::<Vec<_>>());
    let mut run = Run::new(argv, DEADLINE).with_probe(probe);
    if !added.is_empty() {
        // Removes only what this run has installed; dpkg refuses if something else needs it by then.
        run = run.undone_by(UndoOrder::Reverse, command(["dpkg", "--remove"], &added));
    }
    let names: Vec<&str> = found.packages.iter().map(|(package, _)| package.name.as_str()).collect();
    let why = if facts.packages_are_there(&found.packages) { "another version" } else { "not installed" };
    plan.run(run, format!("{}: {why}", names.join(", "))).details =
        found.simulated.unpacked.iter().map(Change::line).collect();
}

impl Facts {
    fn packages_are_there(&self, packages: &[(&PackageRequest, Version)]) -> bool {
        packages.iter().all(|(package, _)| self.status.version_of(&package.name).is_some())
    }
}

/// Holds packages; also those that were held before, as apt removes the hold of a package that it changes.
fn hold(facts: &Facts, request: &Request, found: Option<&Selection<'_>>, plan: &mut Plan) {
    let changed: Vec<&str> =
        found.iter().flat_map(|found| &found.packages).map(|(package, _)| package.name.as_str()).collect();
    let held_before = |package: &&PackageRequest| facts.status.is_held(&package.name);
    let again: Vec<String> = request
        .packages
        .iter()
        .filter(held_before)
        .filter(|package| changed.contains(&package.name.as_str()))
        .map(|package| package.name.to_string())
        .collect();
    let missing: Vec<String> = facts.to_hold(request).iter().map(|package| package.name.to_string()).collect();
    for (names, back, why) in [
        (again, &["apt-mark", "hold"][..], "it was held before, and apt removes the hold"),
        (missing, &["sh", "-c", UNHOLD, "sh"], "so that no upgrade changes it"),
    ] {
        if names.is_empty() {
            continue;
        }
        let run = Run::new(command(["apt-mark", "hold"], &names), MARK_WITHIN)
            .with_probe(command(["sh", "-c", ARE_HELD, "sh"], &names))
            .undone_by(UndoOrder::Reverse, command(back.iter().copied(), &names));
        plan.run(run, why);
    }
}

/// Removes packages. dpkg refuses if another package needs one of them.
pub(crate) fn removal(packages: &[(String, Version)], held: &[String], plan: &mut Plan) {
    let names: Vec<String> = packages.iter().map(|(name, _)| name.clone()).collect();
    if !held.is_empty() {
        let run = Run::new(command(["apt-mark", "unhold"], held), MARK_WITHIN)
            .undone_by(UndoOrder::Last, command(["apt-mark", "hold"], held));
        plan.run(run, "held");
    }
    if names.is_empty() {
        return;
    }
    let mut again: Vec<String> = packages.iter().map(|(name, version)| format!("{name}={version}")).collect();
    again.extend(apt::options());
    let run = Run::new(command(["dpkg", "--remove"], &names), DEADLINE)
        .with_probe(command(["sh", "-c", ARE_GONE, "sh"], &names))
        // After the source is restored.
        .undone_by(UndoOrder::Reverse, command(["apt-get", "install"], &again));
    plan.run(run, "its configuration files stay");
}

impl Change {
    /// `cri-o 1.33.1-1 -> 1.34.2-1`.
    fn line(&self) -> String {
        match &self.before {
            Some(before) => format!("{} {before} -> {}", self.name, self.version),
            None => format!("{} {}", self.name, self.version),
        }
    }
}

fn file(bytes: Vec<u8>) -> Node {
    Node::File { content: Bytes::Known(bytes), mode: MODE }
}

/// A script whose arguments follow.
fn command<'w>(words: impl IntoIterator<Item = &'w str>, operands: &[String]) -> Vec<String> {
    words.into_iter().map(str::to_owned).chain(operands.iter().cloned()).collect()
}

#[cfg(test)]
mod tests;
