//! Facts and what was found in the lists, to a plan.

use std::time::Duration;

use edge_host::action::{Bytes, Run, UndoOrder};
use edge_host::{Error, Inverse, Node, Plan, Result, redact, shown_url};

use crate::apt::{self, Change, Simulated};
use crate::facts::Facts;
use crate::key::KeyFile;
use crate::openpgp::Form;
use crate::source::Source;
use crate::version::Version;
use crate::wanted::{Request, Wanted};

/// A card unpacks a large package in minutes; apt is never ended, so this only says when to give up waiting.
const DEADLINE: Duration = Duration::from_secs(30 * 60);
const MODE: u32 = 0o644;

/// Succeeds if all packages, given as NAME VERSION, are installed in these versions.
const ARE_INSTALLED: &str = "while test $# -gt 1; do \
test \"$(dpkg-query -W -f='${db:Status-Status} ${Version}' \"$1\")\" = \"installed $2\" || exit 1; shift 2; done";
/// Succeeds if none of the packages is there; what was never there is not.
const ARE_GONE: &str = "for name; do \
case \"$(dpkg-query -W -f='${db:Status-Status} ' \"$name\" 2>/dev/null)\" in \
''|*config-files*|*not-installed*) ;; *) exit 1;; esac; done";
/// Succeeds if all packages are held.
const ARE_HELD: &str = "for name; do \
test \"$(dpkg-query -W -f='${db:Status-Want}' \"$name\")\" = hold || exit 1; done";

/// What apt is to install, and what it said it would do.
#[derive(Debug)]
pub(crate) struct Selection<'w> {
    /// What stands on its command line: `cri-o=1.34.2-1.1`, or files.
    pub(crate) arguments: Vec<String>,
    /// The packages asked for, with the versions found for them.
    pub(crate) packages: Vec<(&'w Request, Version)>,
    /// What it would do.
    pub(crate) simulated: Simulated,
}

/// Refuses (exit 4) what apt would do beyond what was asked for.
pub(crate) fn judge(facts: &Facts, wanted: &Wanted, found: &Selection<'_>) -> Result<()> {
    let names: Vec<&str> = found.packages.iter().map(|(request, _)| request.name.as_str()).collect();
    let object = names.join(", ");
    if !found.simulated.removed.is_empty() {
        let removed = found.simulated.removed.join(", ");
        return Err(Error::refused(format!("cannot install {object}: apt would remove {removed}"))
            .hint(format!("if they may go: apt-get remove {}, then run again", found.simulated.removed.join(" "))));
    }
    for change in &found.simulated.unpacked {
        let goes_down = change.before.as_deref().is_some_and(|before| is_older(&change.version, before));
        if goes_down && (!wanted.downgrade || !names.contains(&bare(&change.name))) {
            let before = change.before.as_deref().unwrap_or_default();
            return Err(Error::refused(format!(
                "cannot install {object}: {} would go down from {before} to {}",
                change.name, change.version
            ))
            .hint("a newer version's data may not be readable by an older one: remove the package first if it shall be so"));
        }
        let is_held = facts.status.packages().iter().any(|package| package.held && package.name == bare(&change.name));
        if is_held && !names.contains(&bare(&change.name)) {
            return Err(Error::refused(format!("cannot install {object}: it changes {}, which is held", change.name))
                .hint(format!("if it may change: apt-mark unhold {}, then run again", change.name)));
        }
    }
    Ok(())
}

fn is_older(version: &str, than: &str) -> bool {
    matches!((Version::parse(version), Version::parse(than)), (Ok(version), Ok(than)) if version < than)
}

/// Without `:arm64` behind it.
fn bare(name: &str) -> &str {
    name.split(':').next().unwrap_or(name)
}

/// The files first, so that the packages can be got again by hand wherever this stops; holds last.
///
/// `key` is none in a dry run that cannot get it; `found` is none where nothing is missing, or where
/// it cannot be known yet.
pub(crate) fn plan(facts: &Facts, wanted: &Wanted, key: Option<&KeyFile>, found: Option<&Selection<'_>>) -> Plan {
    let mut plan = Plan::new();
    if let Some(source) = wanted.source.as_ref().filter(|_| !facts.source_is_right(wanted)) {
        write_source(facts, source, key, &mut plan);
    }
    if let (Some(pin), Some(is), false) = (&wanted.pin, &facts.pin, facts.pin_is_right(wanted)) {
        let why = format!("{} at {}, priority {}", pin.package, pin.pin, pin.priority);
        plan.write(pin.path(), is.clone(), file(pin.render().into_bytes()), Inverse::Whole, why);
    }
    if let Some(found) = found {
        run_install(facts, found, &mut plan);
    }
    hold(facts, wanted, found, &mut plan);
    plan
}

fn write_source(facts: &Facts, source: &Source, key: Option<&KeyFile>, plan: &mut Plan) {
    let Some(of) = &facts.source else { return };
    let path = key.map_or_else(|| crate::key::path(&source.name, Form::Armored), |key| key.path(&source.name));
    let prints: Vec<String> = source.fingerprints.iter().map(ToString::to_string).collect();
    for (place, is) in &of.keys {
        let shall = key.map(|key| key.bytes.as_slice());
        if *place == path && shall.is_none_or(|shall| is.bytes != shall) {
            let content = match key {
                Some(key) => Bytes::Known(key.bytes.clone()),
                // Shown by a dry run and never made.
                None => Bytes::Made(Box::new(|| Err(Error::failed("cannot write the key: it was not got")))),
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
    let mut probe = shell(ARE_INSTALLED);
    for (request, version) in &found.packages {
        probe.extend([request.name.to_string(), version.to_string()]);
    }
    let run = Run {
        argv,
        probe: Some(probe),
        // Only what came with this run goes, and dpkg refuses where something else needs it by now.
        inverse: (!added.is_empty()).then(|| [vec!["dpkg".to_owned(), "--remove".to_owned()], added].concat()),
        undo_order: UndoOrder::Reverse,
        deadline: DEADLINE,
    };
    let names: Vec<&str> = found.packages.iter().map(|(request, _)| request.name.as_str()).collect();
    let why = if facts.packages_are_there(&found.packages) { "another version" } else { "not installed" };
    plan.run(run, format!("{}: {why}", names.join(", "))).details =
        found.simulated.unpacked.iter().map(Change::line).collect();
}

impl Facts {
    fn packages_are_there(&self, packages: &[(&Request, Version)]) -> bool {
        packages.iter().all(|(request, _)| self.status.version_of(&request.name).is_some())
    }
}

/// apt takes the hold off a package that it changes: it is set again, in the same run.
fn hold(facts: &Facts, wanted: &Wanted, found: Option<&Selection<'_>>, plan: &mut Plan) {
    let changed: Vec<&str> =
        found.iter().flat_map(|found| &found.packages).map(|(request, _)| request.name.as_str()).collect();
    let held_before = |request: &&Request| facts.status.is_held(&request.name);
    let again: Vec<String> = wanted
        .packages
        .iter()
        .filter(held_before)
        .filter(|request| changed.contains(&request.name.as_str()))
        .map(|request| request.name.to_string())
        .collect();
    let anew: Vec<String> = facts.to_hold(wanted).iter().map(|request| request.name.to_string()).collect();
    for (names, back, why) in
        [(again, "hold", "held before, and apt took it off"), (anew, "unhold", "no upgrade changes it unasked")]
    {
        if names.is_empty() {
            continue;
        }
        let mark = |verb: &str| [vec!["apt-mark".to_owned(), verb.to_owned()], names.clone()].concat();
        let run = Run {
            argv: mark("hold"),
            probe: Some([shell(ARE_HELD), names.clone()].concat()),
            inverse: Some(mark(back)),
            undo_order: UndoOrder::Reverse,
            deadline: Duration::from_secs(120),
        };
        plan.run(run, why);
    }
}

/// Takes packages away, and then the files that brought them. What else needs one of them keeps it
/// in place: dpkg refuses.
pub(crate) fn removal(packages: &[(String, Version)], held: &[String], plan: &mut Plan) {
    let names: Vec<String> = packages.iter().map(|(name, _)| name.clone()).collect();
    if !held.is_empty() {
        let mark = |verb: &str| [vec!["apt-mark".to_owned(), verb.to_owned()], held.to_vec()].concat();
        let run = Run {
            argv: mark("unhold"),
            probe: None,
            inverse: Some(mark("hold")),
            undo_order: UndoOrder::Last,
            deadline: Duration::from_secs(120),
        };
        plan.run(run, "held");
    }
    if names.is_empty() {
        return;
    }
    let mut again = vec!["apt-get".to_owned(), "install".to_owned()];
    again.extend(packages.iter().map(|(name, version)| format!("{name}={version}")));
    again.extend(apt::options());
    let run = Run {
        argv: [vec!["dpkg".to_owned(), "--remove".to_owned()], names.clone()].concat(),
        probe: Some([shell(ARE_GONE), names].concat()),
        inverse: Some(again),
        // After the source is back.
        undo_order: UndoOrder::Reverse,
        deadline: DEADLINE,
    };
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
fn shell(script: &str) -> Vec<String> {
    ["sh", "-c", script, "sh"].map(str::to_owned).to_vec()
}

#[cfg(test)]
mod tests;
