//! Properties that hold for every input of each parser of external data.
//!
//! One file for each parser. `check` is the same function for cargo-fuzz (tests/fuzz) and for the property
//! tests (tests/tests/fuzz), which change valid inputs at random; `read` is the reading alone, to measure that
//! its time grows as its input does.

mod archive;
mod config_txt;
mod conflist;
mod containerd_toml;
mod daemon_json;
mod dpkg_status;
mod fstab;
mod http_answer;
mod image;
mod iptables_save;
mod journal;
mod kubeconfig;
mod manifest;
mod nodes;
mod openpgp;
mod pki;
mod swap_script;
mod token;
mod toml;
mod unit;
mod yaml;

/// A parser and what must hold of it.
#[derive(Clone, Copy)]
#[allow(missing_debug_implementations, reason = "a table of functions")]
pub struct Target {
    /// Its name, and that of its file in tests/fuzz/fuzz_targets.
    pub name: &'static str,
    /// Fails where something does not hold for this input.
    pub check: fn(&[u8]),
    /// Reads it and no more.
    pub read: fn(&[u8]),
    /// Inputs that it takes, each with other parts of its language.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// What the language is made of.
    pub tokens: &'static [&'static str],
    /// Inputs that can be made as long as one likes: the text before, the text that is repeated, with its number
    /// for each `{}`, and the text after it.
    pub growing: &'static [(&'static str, &'static str, &'static str)],
}

/// All of them.
pub const TARGETS: &[Target] = &[
    archive::TARGET,
    config_txt::TARGET,
    conflist::TARGET,
    containerd_toml::TARGET,
    daemon_json::TARGET,
    dpkg_status::TARGET,
    fstab::TARGET,
    http_answer::TARGET,
    image::TARGET,
    iptables_save::TARGET,
    journal::TARGET,
    kubeconfig::TARGET,
    manifest::TARGET,
    nodes::TARGET,
    openpgp::TARGET,
    pki::TARGET,
    swap_script::TARGET,
    token::TARGET,
    toml::TARGET,
    unit::TARGET,
    yaml::TARGET,
];

/// Runs the target of this name on one input.
pub fn check(name: &str, data: &[u8]) {
    let target = TARGETS.iter().find(|target| target.name == name);
    (target.expect("there is such a target").check)(data);
}

/// The text of an input: what a parser of text gets from a file that is not UTF-8.
fn text(data: &[u8]) -> String {
    String::from_utf8_lossy(data).into_owned()
}

/// Seeds that are texts.
fn texts(seeds: &[&str]) -> Vec<Vec<u8>> {
    seeds.iter().map(|seed| seed.as_bytes().to_vec()).collect()
}
