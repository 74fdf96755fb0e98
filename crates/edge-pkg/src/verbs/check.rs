//! `edge-pkg check`: reads the facts and reports problems.

use edge_apt::{Expected, PackageName};
use edge_host::{Finding, Host, Outcome, Result};

use crate::cli::Subject;
use crate::facts::Facts;
use crate::kubernetes::{NAME, PINNED, TOOLS};
use crate::{catalog, diagnose};

const STATUS: &str = "/var/lib/dpkg/status";

pub(crate) fn run(host: &mut Host, _what: Option<Subject>) -> Result<Outcome> {
    let facts = Facts::read(host)?;
    let again = diagnose::again(&facts);
    for package in &facts.packages {
        let held = if package.held { "held" } else { "not held" };
        host.report.line(&format!("{} {}, {held}", package.name, package.version));
    }
    let mut findings = diagnose::kubernetes(&facts);
    if facts.packages.is_empty() {
        let hint = "install it in the minor version of the cluster: edge-pkg install kubernetes --version 1.34";
        findings.push(Finding::error(STATUS, "Kubernetes is not installed").hint(hint));
    }
    let packages: Vec<PackageName> = PINNED.into_iter().chain(TOOLS).map(PackageName::parse).collect::<Result<_>>()?;
    let obsolete = catalog::kubernetes()?.obsolete(false);
    let expected = Expected { name: NAME, packages: &packages, obsolete: &obsolete, again: &again };
    findings.extend(edge_apt::findings(host, &expected)?);
    Ok(host.report.findings(&findings))
}
