//! Built-in knowledge: the checks of the other utilities, from data/utilities.toml.

use edge_host::{Error, Result};
use serde::Deserialize;

const UTILITIES: &str = include_str!("../data/utilities.toml");

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Utilities {
    utility: Vec<Utility>,
}

/// A utility whose check is run.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Utility {
    /// The name of its program.
    pub(crate) name: String,
    /// What is not on the host if no check applies.
    pub(crate) otherwise: String,
    /// Its checks, of which the first one that applies is run.
    pub(crate) check: Vec<Check>,
}

/// A check of a utility.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Check {
    /// The arguments.
    pub(crate) args: Vec<String>,
    /// The paths of which one must exist.
    pub(crate) if_any: Vec<String>,
}

/// All of them, in their order. Errors: a damaged build.
pub(crate) fn utilities() -> Result<Vec<Utility>> {
    let read: Utilities = toml_edit::de::from_str(UTILITIES)
        .map_err(|_| Error::failed("internal error: the built-in utilities.toml is damaged"))?;
    Ok(read.utility)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn utilities_are_each_listed_once_with_a_check() {
        let all = utilities().unwrap();
        let names: std::collections::BTreeSet<&str> = all.iter().map(|utility| utility.name.as_str()).collect();
        assert_eq!(names.len(), all.len());
        for utility in &all {
            assert!(!utility.check.is_empty() && !utility.otherwise.is_empty());
            for check in &utility.check {
                assert_eq!(check.args.first().map(String::as_str), Some("check"), "{}", utility.name);
                assert!(!check.if_any.is_empty() && check.if_any.iter().all(|path| path.starts_with('/')));
            }
        }
    }
}
