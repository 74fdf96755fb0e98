//! Packages that an undo would remove: dpkg is asked before anything is taken back.
//!
//! A package that another one needs by now stays. dpkg finds that out only after it has noted that the
//! package is not wanted any more; and what the run did around it (a hold, the repository, a
//! configuration) is of use as long as the package is there.

use crate::cmd::Cmd;
use crate::error::{Error, Result};
use crate::journal::{Change, Entry};
use crate::root::Root;

const DPKG: &str = "dpkg";
const REMOVE: &str = "--remove";
/// A hold of the same run is taken off before.
const ASK: [&str; 3] = ["--simulate", "--force-hold", REMOVE];
/// What dpkg ends with: the names once more.
const SUMMARY: &str = "Errors were encountered while processing:";

/// Refuses (exit 4) the whole undo of a run where dpkg would not remove one of its packages.
pub(super) fn can_go<'e>(root: &Root, run: u64, entries: impl Iterator<Item = &'e Entry>) -> Result<()> {
    if !root.is_live() {
        return Ok(());
    }
    for entry in entries {
        let Some(names) = removed(&entry.intent.change) else { continue };
        let asked = Cmd::find(DPKG)?.args(ASK).args(names).output()?;
        if !asked.status.success() {
            return Err(refused(run, names, &asked.stderr));
        }
    }
    Ok(())
}

/// The packages that taking it back removes.
fn removed(change: &Change) -> Option<&[String]> {
    match change {
        Change::Run { inverse: Some(inverse), .. } => match inverse.as_slice() {
            [program, verb, names @ ..] if program == DPKG && verb == REMOVE => Some(names),
            _ => None,
        },
        _ => None,
    }
}

fn refused(run: u64, names: &[String], said: &str) -> Error {
    let object = names.join(", ");
    let needed = needs(names, said);
    let (why, first) = if needed.is_empty() {
        (said_shortly(said), "dpkg --audit says what is broken, and edge-apt wait --repair mends it")
    } else {
        (needed, "remove what needs them first")
    };
    Error::refused(format!("cannot undo run {run}: dpkg would not remove {object}: {why}"))
        .hint(format!("{first}, then the same undo takes back all of the run; until then all of it stays"))
}

/// `A depends on B`, a line for each package that is not itself among those that go.
fn needs(names: &[String], said: &str) -> String {
    let is_need = |line: &&str| {
        let words: Vec<&str> = line.split(' ').collect();
        matches!(words[..], [who, "depends" | "pre-depends", "on", ..] if !names.iter().any(|name| name == who))
    };
    let lines: Vec<&str> =
        said.lines().map(|line| line.trim().trim_end_matches('.')).filter(|line| is_need(line)).collect();
    lines.join("; ")
}

/// The lines before the summary, on one.
fn said_shortly(said: &str) -> String {
    let lines = said.lines().map(str::trim).take_while(|line| !line.starts_with(SUMMARY));
    let lines: Vec<&str> = lines.filter(|line| !line.is_empty()).collect();
    lines.join(" ").trim_start_matches("dpkg: ").trim_start_matches("error: ").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_needs_them_is_told_and_not_what_they_need_of_each_other() {
        let said = "dpkg: dependency problems prevent removal of b:\n x depends on b (>= 1).\n\ndpkg: error processing \
                    package b (--remove):\n dependency problems - not removing\ndpkg: dependency problems prevent \
                    removal of a:\n b depends on a.\n y pre-depends on a.\n\nErrors were encountered while processing:\n b\n a\n";
        let names = ["a", "b"].map(str::to_owned);
        assert_eq!(needs(&names, said), "x depends on b (>= 1); y pre-depends on a");
        let error = refused(7, &names, said);
        assert!(error.message().starts_with("cannot undo run 7: dpkg would not remove a, b: x depends on b (>= 1); y"));
        let torn = "dpkg: error processing package a (--remove):\n package is in a very bad inconsistent state; you \
                    should\n reinstall it before attempting a removal\nErrors were encountered while processing:\n a\n";
        let error = refused(7, &names, torn);
        assert!(
            error.message().ends_with(
                "package is in a very bad inconsistent state; you should reinstall it before attempting a removal"
            ),
            "{error}"
        );
        assert!(error.hint_text().is_some_and(|hint| hint.starts_with("dpkg --audit")), "{error}");
    }
}
