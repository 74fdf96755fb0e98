//! edge-token: short calls in pipes.

use std::path::Path;

use anyhow::Result;

use super::case::{Case, Limit};
use super::measure::{Measure, Program};
use crate::sh::Sh;
use crate::workspace::write;

/// The header and claims of KubeEdge's tokens in base64url, and a signature.
const JWT: &str =
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJleHAiOjQxMDI0NDQ4MDB9.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Each verb that prints something.
pub(super) fn all(bin: &Path, scratch: &Path) -> Result<Vec<Case>> {
    let at = |name: &str| scratch.join(name).to_string_lossy().into_owned();
    let (token, ca, program) = (at("token"), at("ca.crt"), bin.join("edge-token").to_string_lossy().into_owned());
    write(Path::new(&token), format!("{}.{JWT}\n", "0".repeat(64)))?;
    let request = format!("-subj /CN=kubernetes -keyout {} -out {ca}", at("ca.key"));
    Sh::new(&format!("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 {request}"))
        .run()?;
    let calls: [(&str, &[&str]); 3] = [
        ("read", &["read", &token]),
        ("ca-hash", &["ca-hash", &ca]),
        ("account", &["account", "a", "-n", "b", "--cluster-role", "view"]),
    ];
    let mut cases = Vec::new();
    for (verb, args) in calls {
        let call = Program::new("edge-token", &[&[program.as_str()], args].concat());
        let (name, nothing) = (format!("edge-token {verb}"), Program::nothing());
        cases.push(Case::new(&name, (&call, &nothing), Measure::Wall, Limit::Millis(10.0), 101));
    }
    Ok(cases)
}
