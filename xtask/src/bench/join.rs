//! edge-join: how long a check takes, with a cloudcore that nobody runs: it is refused at once, or never answers.

use std::path::Path;

use anyhow::Result;

use super::case::{Case, Limit};
use super::measure::{Measure, Program};
use crate::workspace::write;

/// The header and claims of KubeEdge's tokens in base64url, and a signature.
const JWT: &str =
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJleHAiOjQxMDI0NDQ4MDB9.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// On loopback, where every port answers or refuses at once; and a host of which nothing comes, behind a device that drops
/// what is sent.
pub(super) fn all(bin: &Path, scratch: &Path) -> Result<Vec<Case>> {
    let (program, token) = (bin.join("edge-join"), scratch.join("join-token"));
    write(&token, format!("{}.{JWT}\n", "0".repeat(64)))?;
    let check = |host: &str| {
        format!("{} check --cloudcore {host} --node-name edge1 --token {}", program.display(), token.display())
    };
    let only_problems = "test $? -eq 3";
    let loopback = format!("{}; {only_problems}", check("127.0.0.1"));
    let silent = "ip link add v0 type veth peer name v1; ip link set v0 up; ip link set v1 up; \
ip address add 192.0.2.1/24 dev v0; ip neigh add 192.0.2.9 lladdr 02:00:00:00:00:01 dev v0";
    let dead = format!("{silent}; {}; {only_problems}", check("192.0.2.9"));
    let nothing = Program::nothing();
    let mut cases = Vec::new();
    for (name, script, limit, runs) in
        [("edge-join check on loopback", loopback, 2_000.0, 5), ("edge-join check of a dead host", dead, 15_000.0, 3)]
    {
        let call = Program::new("edge-join", &["unshare", "-n", "sh", "-c", &script]);
        cases.push(Case::new(name, (&call, &nothing), Measure::Wall, Limit::Millis(limit), runs));
    }
    Ok(cases)
}
