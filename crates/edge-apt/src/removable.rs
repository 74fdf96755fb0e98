//! Checks whether dpkg would remove packages, before anything is changed.
//!
//! dpkg keeps a package that another one needs, and then its hold, repository and configuration are still needed,
//! too. So an undo checks all of its packages first.

use edge_host::{Cmd, Editor, Error, Result};

const DPKG: &str = "dpkg";
const REMOVE: &str = "--remove";
/// An undo removes the hold of the same run before.
const SIMULATE: [&str; 3] = ["--simulate", "--force-hold", REMOVE];
/// The end of dpkg's messages, followed by a list of names.
const SUMMARY: &str = "Errors were encountered while processing:";

/// Refuses the undo of a run whose packages dpkg would not remove, for every utility that installs packages.
#[derive(Debug, Clone, Copy)]
pub struct PackageRemovals;

impl Editor for PackageRemovals {
    fn kind(&self) -> &'static str {
        "packages"
    }

    fn check_command(&self, argv: &[String]) -> Result<()> {
        match argv {
            [program, verb, names @ ..] if program == DPKG && verb == REMOVE => match blocker(names)? {
                Some(blocker) => Err(blocker.refuse(names)),
                None => Ok(()),
            },
            _ => Ok(()),
        }
    }
}

/// Why dpkg would not remove packages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Blocker {
    /// The packages that need them, or dpkg's own message.
    pub(crate) why: String,
    /// What must be done first.
    pub(crate) first: &'static str,
}

/// Simulates the removal of packages; none if dpkg would remove them, or they are not installed.
///
/// A simulation, as a real attempt changes the selection state of a package before dpkg finds out that it must
/// keep it.
pub(crate) fn blocker<N: AsRef<str>>(names: &[N]) -> Result<Option<Blocker>> {
    let simulated = Cmd::find(DPKG)?.args(SIMULATE).args(names.iter().map(AsRef::as_ref)).output()?;
    Ok((!simulated.status.success()).then(|| Blocker::of(names, &simulated.stderr)))
}

impl Blocker {
    fn of<N: AsRef<str>>(names: &[N], messages: &str) -> Blocker {
        match needs(names, messages) {
            none if none.is_empty() => Blocker {
                why: summary(messages),
                first: "show the broken packages with dpkg --audit and repair them with edge-apt wait --repair",
            },
            why => Blocker { why, first: "remove the packages that need them first" },
        }
    }

    fn refuse(&self, names: &[String]) -> Error {
        Error::refused(format!("dpkg would not remove {}: {}", names.join(", "), self.why)).hint(self.first)
    }
}

/// `A depends on B`, for each package that is not itself among those to remove.
fn needs<N: AsRef<str>>(names: &[N], messages: &str) -> String {
    let is_need = |line: &&str| {
        let words: Vec<&str> = line.split(' ').collect();
        matches!(words[..], [who, "depends" | "pre-depends", "on", ..] if !names.iter().any(|name| *name.as_ref() == *who))
    };
    let lines: Vec<&str> =
        messages.lines().map(|line| line.trim().trim_end_matches('.')).filter(|line| is_need(line)).collect();
    lines.join("; ")
}

/// The lines before the summary, joined.
fn summary(messages: &str) -> String {
    let lines = messages.lines().map(str::trim).take_while(|line| !line.starts_with(SUMMARY));
    let lines: Vec<&str> = lines.filter(|line| !line.is_empty()).collect();
    lines.join(" ").trim_start_matches("dpkg: ").trim_start_matches("error: ").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocker_names_what_needs_them_and_not_each_other() {
        let messages = "dpkg: dependency problems prevent removal of b:\n x depends on b (>= 1).\n\ndpkg: error processing \
                    package b (--remove):\n dependency problems - not removing\ndpkg: dependency problems prevent \
                    removal of a:\n b depends on a.\n y pre-depends on a.\n\nErrors were encountered while processing:\n b\n a\n";
        let names = ["a", "b"].map(str::to_owned);
        assert_eq!(needs(&names, messages), "x depends on b (>= 1); y pre-depends on a");
        let error = Blocker::of(&names, messages).refuse(&names);
        assert!(error.message().starts_with("dpkg would not remove a, b: x depends on b (>= 1); y"));
        let broken = "dpkg: error processing package a (--remove):\n package is in a very bad inconsistent state; you \
                    should\n reinstall it before attempting a removal\nErrors were encountered while processing:\n a\n";
        let error = Blocker::of(&names, broken).refuse(&names);
        assert!(
            error.message().ends_with(
                "package is in a very bad inconsistent state; you should reinstall it before attempting a removal"
            ),
            "{error}"
        );
        assert!(error.hint_text().is_some_and(|hint| hint.contains("dpkg --audit")), "{error}");
    }
}
