//! What is wrong with installed packages, their holds, their pin and the key of their repository; changes nothing.

use std::path::Path;
use std::time::SystemTime;

use edge_host::{Finding, Host, Result, redact};

use crate::key::{self, KeyFile};
use crate::obsolete::{Obsolete, obsolete_entries};
use crate::openpgp::Form;
use crate::request::Pin;
use crate::source::{PARTS, WRITTEN_BY};
use crate::status;
use crate::version::PackageName;

const STATUS: &str = "/var/lib/dpkg/status";

/// What [`crate::install`] has installed.
#[derive(Debug)]
pub struct Expected<'e> {
    /// The name of source and pin.
    pub name: &'e str,
    /// The packages; those that are not installed are passed over.
    pub packages: &'e [PackageName],
    /// Entries that should not be in apt's sources.
    pub obsolete: &'e [Obsolete],
    /// The command that installs them again, for hints.
    pub again: &'e str,
}

/// Compares a host with it.
pub fn findings(host: &Host, expected: &Expected<'_>) -> Result<Vec<Finding>> {
    let root = &host.root;
    let Expected { name, packages, obsolete, again } = expected;
    let status = status::of(root)?;
    let pin = Pin { name: (*name).to_owned(), package: String::new(), pin: String::new(), priority: 0 }.path();
    let has_pin = root.find_link(&pin)?.exists();
    let mut all = Vec::new();
    let unfinished: Vec<&str> = status.unfinished().map(|package| package.name.as_str()).collect();
    for package in packages.iter().filter_map(|name| status.find(name)) {
        if unfinished.contains(&package.name.as_str()) {
            let text = format!("{} is {}: its installation was interrupted", package.name, package.state);
            all.push(Finding::error(STATUS, text).hint("repair it: edge-apt wait --repair"));
        } else if package.is_installed() && !package.held {
            let text = format!("{} is not held: the next upgrade of the system may change its version", package.name);
            let finding = if has_pin { Finding::error(STATUS, text) } else { Finding::warning(STATUS, text) };
            all.push(finding.hint(format!("hold it again: {again}")));
        }
    }
    let mut has_source = false;
    for end in ["sources", "list"] {
        // A guide may have written a file of the same name.
        let found = root.find(&Path::new(PARTS).join(format!("{name}.{end}")))?;
        has_source |= found.bytes.starts_with(WRITTEN_BY.as_bytes());
    }
    if has_source && !has_pin {
        let text = "the pin is missing: where the hold is lost, an upgrade may change to another minor version";
        all.push(Finding::warning(&pin, text).hint(format!("set it again: {again}")));
    }
    if has_source {
        all.extend(of_key(host, name, again)?);
    }
    for entry in obsolete_entries(root, obsolete)? {
        let text = format!("{} is obsolete: {}", redact(&entry.uri), entry.why);
        let hint = format!("disable the entry: {again}");
        all.push(Finding::error(&entry.path, text).on_line(Some(entry.line)).hint(hint));
    }
    Ok(all)
}

/// The problems of the key of a repository.
fn of_key(host: &Host, name: &str, again: &str) -> Result<Vec<Finding>> {
    let mut all = Vec::new();
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |time| time.as_secs());
    let status = status::of(&host.root)?;
    for path in [Form::Armored, Form::Binary].map(|form| key::path(name, form)) {
        let Some(bytes) = host.root.read(&path)? else { continue };
        let from = format!("the repository {name}");
        let checked = KeyFile::parse(bytes, &from).and_then(|key| {
            // That it is the right one was checked before it was written.
            let own: Vec<_> = key.certificates.iter().map(|certificate| certificate.fingerprint.clone()).collect();
            key.check(&own, now, status.apt(), &from)
        });
        let hint = format!("download it again: {again}");
        match checked {
            Ok(warnings) => all.extend(warnings.into_iter().map(|text| Finding::warning(&path, text).hint(&hint))),
            Err(error) => all.push(Finding::error(&path, error.message()).hint(hint)),
        }
        return Ok(all);
    }
    let text = "the key of the repository is missing: apt-get update fails";
    let path = key::path(name, Form::Armored);
    all.push(Finding::error(path, text).hint(format!("install it again: {again}")));
    Ok(all)
}
