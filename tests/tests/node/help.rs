//! The help of every utility and of its verbs.

use edgeutils_tests::tool::Tool;

pub(crate) const UTILITIES: &[&str] = &[
    "edge-prep",
    "edge-certgen",
    "edge-cni",
    "edge-crio",
    "edge-apt",
    "edge-conf",
    "edge-redirect",
    "edge-reset",
    "edge-manifest",
    "edge-pkg",
    "edge-check",
    "edge-token",
    "edge-join",
];

/// The help of a utility or of one of its verbs.
pub(crate) struct Help {
    /// `edge-conf` and its verbs.
    pub(crate) call: Vec<String>,
    pub(crate) text: String,
    /// The names under `Commands:`, aliases included.
    pub(crate) verbs: Vec<String>,
}

/// `--help` of every utility and of each verb within.
pub(crate) fn all() -> Vec<Help> {
    let mut found = Vec::new();
    let mut calls: Vec<Vec<String>> = UTILITIES.iter().map(|utility| vec![(*utility).to_owned()]).collect();
    while let Some(call) = calls.pop() {
        let text = Tool::new(&call[0]).args(&call[1..]).arg("--help").run().expect(0).stdout;
        let verbs = verbs(&text);
        let within = verbs.iter().filter(|verb| *verb != "help");
        calls.extend(within.map(|verb| [call.as_slice(), std::slice::from_ref(verb)].concat()));
        found.push(Help { call, text, verbs });
    }
    found
}

fn verbs(help: &str) -> Vec<String> {
    let lines = || help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let named = lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let mut verbs: Vec<String> = named.filter_map(|line| Some(line.split_whitespace().next()?.to_owned())).collect();
    // `[alias: verify]` may be broken at the end of a line.
    let section = lines().collect::<Vec<_>>().join(" ");
    for part in section.split("[alias").skip(1) {
        let names = part.split_once(':').and_then(|(_, rest)| rest.split_once(']')).map_or("", |(names, _)| names);
        verbs.extend(names.split(',').map(|name| name.trim().to_owned()));
    }
    verbs
}
