//! The SANs of a call that does not name all of them.

use edge_host::{Error, Host, Result};
use edge_pki::names::{self, Name};

use crate::kind::Kind;
use crate::{cloudcore, facts};

/// The SANs of the existing certificate, those that cloudcore.yaml advertises and `check` requires, and those of edge
/// nodes that are given.
///
/// Errors: exit 2 where there are none, exit 1 where cloudcore.yaml is needed and cannot be read.
pub(crate) fn complete(host: &mut Host, kind: &Kind, kept: Vec<Name>, nodes: Vec<Name>) -> Result<Vec<Name>> {
    if !matches!(kind, Kind::Stream | Kind::Server) {
        return Ok(names::collect(kept.into_iter().chain(nodes)));
    }
    let advertised = advertised(host, kind.stem(), &kept, !kept.is_empty() || !nodes.is_empty())?;
    Ok(names::collect(kept.into_iter().chain(advertised).chain(nodes)))
}

/// The addresses and names that cloudcore.yaml advertises and the certificate lacks.
fn advertised(host: &mut Host, stem: &str, kept: &[Name], may_be_none: bool) -> Result<Vec<Name>> {
    let missing = |why: &str| {
        if may_be_none {
            return Ok(Vec::new());
        }
        Err(Error::usage(format!("cannot make {stem}: no address or name is given{why}")).hint(format!(
            "pass the addresses or names that clients connect to: edge-certgen {stem} --ip IP --dns NAME"
        )))
    };
    let Some((path, read)) = cloudcore::read(host) else { return missing("") };
    let file = host.root.display(&path).display().to_string();
    let found = match read {
        Ok(found) => found,
        Err(why) if may_be_none => {
            host.report.warning(&format!("cannot read {file}: {why}; what it advertises is left out"));
            return Ok(Vec::new());
        }
        Err(why) => return Err(facts::unreadable(&file, &why)),
    };
    for invalid in &found.invalid {
        let (entry, why) = (&invalid.entry, invalid.why);
        host.report.warning(&format!("{file} advertises {entry:?}: {why}; it is left out"));
    }
    if found.names.is_empty() {
        return missing(&format!(", and {file} advertises none"));
    }
    let names = names::uncovered(&names::collect(found.names), kept);
    if !names.is_empty() {
        let line = found.line.map(|line| format!(":{line}")).unwrap_or_default();
        let verb = if kept.is_empty() { "using" } else { "adding" };
        host.report.note(&format!("{verb} the addresses that {file}{line} advertises: {}", names::shown(&names)));
    }
    Ok(names)
}
