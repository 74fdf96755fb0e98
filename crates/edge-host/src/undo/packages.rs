//! Packages that an undo would remove: dpkg is asked before anything is taken back.
//!
//! A package that another one needs by now stays. dpkg finds that out only after it has noted that the
//! package is not wanted any more; and what the run did around it (a hold, the repository, a
//! configuration) is of use as long as the package is there.

use crate::action::Run;
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
        if let Some(stays) = would_stay(names)? {
            return Err(stays.refuse_undo(run, names));
        }
    }
    Ok(())
}

/// Why dpkg would not remove packages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stays {
    /// What needs them, or dpkg's own words.
    pub why: String,
    /// What is to be done first.
    pub first: &'static str,
}

/// Asks dpkg whether it would remove these packages; `None` where it would, or they are gone already.
///
/// Nothing is changed. Asked for real, dpkg notes that a package is not wanted any more before it
/// finds out that it has to stay.
pub fn would_stay<N: AsRef<str>>(names: &[N]) -> Result<Option<Stays>> {
    let asked = Cmd::find(DPKG)?.args(ASK).args(names.iter().map(AsRef::as_ref)).output()?;
    Ok((!asked.status.success()).then(|| Stays::of(names, &asked.stderr)))
}

/// The packages that taking it back removes.
fn removed(change: &Change) -> Option<&[String]> {
    match change {
        Change::Run(Run { inverse: Some(inverse), .. }) => match inverse.as_slice() {
            [program, verb, names @ ..] if program == DPKG && verb == REMOVE => Some(names),
            _ => None,
        },
        _ => None,
    }
}

impl Stays {
    fn of<N: AsRef<str>>(names: &[N], said: &str) -> Stays {
        match needs(names, said) {
            none if none.is_empty() => Stays {
                why: said_shortly(said),
                first: "dpkg --audit says what is broken, and edge-apt wait --repair mends it",
            },
            why => Stays { why, first: "remove what needs them first" },
        }
    }

    fn refuse_undo(&self, run: u64, names: &[String]) -> Error {
        let (object, Stays { why, first }) = (names.join(", "), self);
        Error::refused(format!("cannot undo run {run}: dpkg would not remove {object}: {why}"))
            .hint(format!("{first}, then the same undo takes back all of the run; until then all of it stays"))
    }
}

/// `A depends on B`, a line for each package that is not itself among those that go.
fn needs<N: AsRef<str>>(names: &[N], said: &str) -> String {
    let is_need = |line: &&str| {
        let words: Vec<&str> = line.split(' ').collect();
        matches!(words[..], [who, "depends" | "pre-depends", "on", ..] if !names.iter().any(|name| *name.as_ref() == *who))
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
        let error = Stays::of(&names, said).refuse_undo(7, &names);
        assert!(error.message().starts_with("cannot undo run 7: dpkg would not remove a, b: x depends on b (>= 1); y"));
        let torn = "dpkg: error processing package a (--remove):\n package is in a very bad inconsistent state; you \
                    should\n reinstall it before attempting a removal\nErrors were encountered while processing:\n a\n";
        let error = Stays::of(&names, torn).refuse_undo(7, &names);
        assert!(
            error.message().ends_with(
                "package is in a very bad inconsistent state; you should reinstall it before attempting a removal"
            ),
            "{error}"
        );
        assert!(error.hint_text().is_some_and(|hint| hint.starts_with("dpkg --audit")), "{error}");
    }
}
