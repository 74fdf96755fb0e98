//! edge-join, against the double of cloudcore.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod certificate;
mod check;
mod hints;
mod hub;
mod live;
mod made;
mod modes;
mod program;
mod root;
mod undo;
mod wrong;

use edgeutils_tests::cloudcore::{Authority, Cloudcore};
use edgeutils_tests::tool::{Ran, Tool};
use serde_json::Value;

/// A finding of a check.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub(crate) severity: String,
    pub(crate) file: String,
    pub(crate) text: String,
    pub(crate) hint: String,
}

/// The CA of a cloudcore at 127.0.0.1; skips the test where Go is not there.
pub(crate) fn authority(test: &str) -> Option<Authority> {
    let made = Authority::new("127.0.0.1");
    if made.is_none() {
        edgeutils_tests::skip(test, "Go is not installed");
    }
    made
}

/// `check` of a double, with this token on standard input.
pub(crate) fn check(cloud: &Cloudcore, token: &str, more: &[&str]) -> Ran {
    let tool = Tool::new("edge-join").args(["check", "--json", "--cloudcore", "127.0.0.1", "--node-name", "edge1"]);
    let ran = tool.args(cloud.options()).args(["--token", "-"]).args(more).stdin(token).run();
    for part in token.split('.').skip(1) {
        assert!(
            !ran.stdout.contains(part) && !ran.stderr.contains(part),
            "the token is printed:\n{}{}",
            ran.stdout,
            ran.stderr
        );
    }
    ran
}

/// The findings about the token, the clock and cloudcore: those about this machine are another test's.
pub(crate) fn of_cloud(ran: &Ran) -> Vec<Found> {
    let records = ran.stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let found = records.filter(|record| record["type"] == "finding").map(|record| {
        let field = |name: &str| record[name].as_str().unwrap_or_default().to_owned();
        Found { severity: field("severity"), file: field("file"), text: field("text"), hint: field("hint") }
    });
    let is_of_cloud =
        |one: &Found| ["token", "clock"].contains(&one.file.as_str()) || one.file.starts_with("127.0.0.1");
    found.filter(is_of_cloud).collect()
}
