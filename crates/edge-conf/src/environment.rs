//! Other files of a unit that set the variables of our drop-in too, and take precedence over it.

use std::path::{Path, PathBuf};

use edge_host::{Finding, Host, Result};
use edge_systemd::{ADMIN_UNITS, Scope, Settings, Unit, Units, Variable};

/// The drop-in that `edge-conf env` writes.
pub(crate) const DROPIN: &str = "20-edgeutils.conf";

/// A variable of the drop-in that does not have the value that the drop-in gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Overridden {
    /// Its name.
    pub(crate) name: String,
    /// The file and line that set it; none where it is removed.
    pub(crate) by: Option<(PathBuf, usize)>,
}

/// The path of our drop-in of a unit.
pub(crate) fn dropin(unit: &str) -> PathBuf {
    Path::new(ADMIN_UNITS).join(format!("{unit}.d")).join(DROPIN)
}

/// Whether a file is read after our drop-in, so that it takes precedence.
pub(crate) fn is_later(unit: &Unit, file: &Path) -> bool {
    let is_dropin = file.parent().is_some_and(|dir| dir.extension().is_some_and(|ending| ending == "d"));
    let is_unit = unit.files.iter().any(|own| own.path == file);
    if is_dropin { file.file_name() > Some(DROPIN.as_ref()) } else { !is_unit }
}

/// The variables of our drop-in that another file overrides.
pub(crate) fn overridden(host: &Host, unit: &str) -> Result<Vec<Overridden>> {
    let path = dropin(unit);
    let Some(own) = host.root.read(&path)? else { return Ok(Vec::new()) };
    let units = Units::read(&host.root, Scope::Now)?;
    let found = units.find(unit)?;
    if found.is_masked() {
        return Ok(Vec::new());
    }
    let environment = match found.exists() {
        true => units.settings(&found)?.whole_environment(&host.root)?,
        false => without_unit(host, unit)?,
    };
    let mut given = Settings::new(unit);
    given.add(&path, &own);
    let same = |own: &Variable| environment.iter().find(|one| one.name == own.name);
    let over = given.environment().into_iter().filter_map(|own| match same(&own) {
        Some(effective) if effective.value == own.value => None,
        Some(effective) => Some(Overridden { name: own.name, by: Some((effective.file.clone(), effective.line)) }),
        None => Some(Overridden { name: own.name, by: None }),
    });
    Ok(over.collect())
}

/// The environment of a unit that is not installed yet, from the drop-ins beside ours.
fn without_unit(host: &Host, unit: &str) -> Result<Vec<Variable>> {
    let dir = Path::new(ADMIN_UNITS).join(format!("{unit}.d"));
    let mut names = host.root.list(&dir)?;
    names.sort();
    let mut settings = Settings::new(unit);
    for path in names.iter().map(|name| dir.join(name)).filter(|path| path.extension().is_some_and(|e| e == "conf")) {
        if let Some(bytes) = host.root.read(&path)? {
            settings.add(&path, &bytes);
        }
    }
    settings.whole_environment(&host.root)
}

/// Findings on the drop-ins of all units that have one.
pub(crate) fn check(host: &Host) -> Vec<Finding> {
    let mut findings = Vec::new();
    let names = host.root.list(Path::new(ADMIN_UNITS)).unwrap_or_default();
    let mut units: Vec<String> = names
        .iter()
        .filter_map(|name| name.to_str()?.strip_suffix(".d"))
        .filter(|unit| unit.ends_with(".service"))
        .map(str::to_owned)
        .collect();
    units.sort();
    for unit in units {
        let own = host.root.display(&dropin(&unit));
        match overridden(host, &unit) {
            Ok(all) => findings.extend(all.into_iter().map(|one| {
                let text = match &one.by {
                    Some(_) => format!("also sets {} and takes precedence over {}", one.name, own.display()),
                    None => format!("sets {}, but a later Environment= or an UnsetEnvironment= removes it", one.name),
                };
                match one.by {
                    Some((file, line)) => Finding::warning(host.root.display(&file), text).on_line(Some(line)),
                    None => Finding::warning(&own, text),
                }
            })),
            Err(cause) => findings.push(Finding::new(
                edge_host::Severity::Note,
                &own,
                format!("it is unknown whether another file takes precedence: {cause}"),
            )),
        }
    }
    findings
}
