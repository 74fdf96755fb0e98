//! An error with a hint for the user.

use std::fmt;

/// The error, and what to do about it.
#[derive(Debug)]
pub(crate) struct Failure {
    what: String,
    hint: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for Failure {}

/// An error with a hint, which is printed on a line of its own.
pub(crate) fn hinted(what: impl Into<String>, hint: impl Into<String>) -> anyhow::Error {
    Failure { what: what.into(), hint: hint.into() }.into()
}

/// The hints of an error, outermost first.
pub(crate) fn hints(error: &anyhow::Error) -> Vec<&str> {
    error.chain().filter_map(|cause| cause.downcast_ref::<Failure>()).map(|failure| failure.hint.as_str()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;

    #[test]
    fn hint_survives_added_context() {
        let error = Err::<(), _>(hinted("no linker", "apt-get install -y lld")).context("cannot build").unwrap_err();
        assert_eq!(format!("{error:#}"), "cannot build: no linker");
        assert_eq!(hints(&error), ["apt-get install -y lld"]);
    }
}
