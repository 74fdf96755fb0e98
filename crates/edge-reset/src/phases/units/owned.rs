//! The units of the data that this host has, and whether they are proven to be what their names say.

use std::path::{Path, PathBuf};

use edge_host::{Host, Result, State, processes};
use edge_systemd::{ADMIN_UNITS, Link, Unit, UnitFile, Units};
use serde::Deserialize;

use super::package::Packages;
use super::renamed::kubeedge_version;
use crate::context::Context;
use crate::ownership::{Row, Tier};
use crate::request::Also;

/// Programs that are built with their version in them.
const KUBEEDGE: [&str; 2] = ["edgecore", "cloudcore"];

/// A `[[unit]]` of the data.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Known {
    pub(super) names: Vec<String>,
    #[serde(default)]
    pub(super) programs: Vec<String>,
    #[serde(default)]
    pub(super) arguments: Vec<String>,
    /// What must be named for it.
    pub(crate) also: Option<Also>,
}

impl Known {
    /// Whether its program contains the version of KubeEdge.
    fn is_kubeedge(&self) -> bool {
        self.programs.iter().any(|program| KUBEEDGE.contains(&program.as_str()))
    }

    /// Whether a command is the one that such a unit runs.
    pub(crate) fn runs(&self, argv: &[String]) -> bool {
        let name = argv.first().and_then(|program| Path::new(program).file_name()?.to_str());
        let is_it = name.is_some_and(|name| self.programs.iter().any(|program| program == name));
        let argument = argv.get(1);
        is_it && (self.arguments.is_empty() || argument.is_some_and(|argument| self.arguments.contains(argument)))
    }
}

/// How a unit is treated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It is proven, and no package's.
    Owned,
    /// It is proven, and of a package or not the administrator's.
    Packaged,
    /// It is not proven: why it is kept.
    Unproven(String),
    /// It has no file: only links to it are left, or it still runs.
    Absent,
}

/// A unit of the data.
#[derive(Debug)]
pub(crate) struct OwnedUnit {
    pub(crate) name: String,
    pub(crate) row: Row<Known>,
    pub(crate) standing: Standing,
    /// The file that takes precedence.
    pub(crate) file: Option<UnitFile>,
    /// The administrator's links that enable it.
    pub(crate) links: Vec<Link>,
    /// The program that it runs.
    pub(crate) program: Option<PathBuf>,
    pub(crate) proofs: Vec<String>,
}

impl OwnedUnit {
    /// What tells it from another one of its name.
    pub(crate) fn identity(&self) -> String {
        match self.file.as_ref().map(|file| (&file.path, &file.itself.state)) {
            Some((path, State::File { sha256, .. })) => format!("{} {sha256}", path.display()),
            Some((path, _)) => path.display().to_string(),
            None => String::new(),
        }
    }

    /// The directory of drop-ins beside the administrator's file.
    pub(crate) fn dropins(&self) -> PathBuf {
        Path::new(ADMIN_UNITS).join(format!("{}.d", self.name))
    }
}

/// Errors: an entry is not valid, or a unit has two of them.
pub(super) fn check(context: &Context) -> Result<()> {
    let rows: Vec<Row<Known>> = context.ownership.rows("unit")?;
    for (at, row) in rows.iter().enumerate() {
        let Some(place) = &row.added else { continue };
        let wrong = row.own.names.iter().find(|name| name.contains('/') || !name.contains('.'));
        if let Some(name) = wrong {
            return Err(place.error(&format!("{name:?} is not the name of a unit, such as agent.service")));
        }
        if row.entry.tier == Tier::Removed && row.own.programs.is_empty() {
            return Err(place.error("[[unit]]: programs is missing: what ExecStart= runs proves the unit"));
        }
        let twice = row.own.names.iter().find(|name| rows[..at].iter().any(|other| other.own.names.contains(name)));
        if let Some(name) = twice {
            return Err(place.error(&format!("{name} already has an entry")));
        }
    }
    Ok(())
}

/// All units of the data; one without a file and links is there too, as it may still run.
pub(crate) fn read(host: &Host, context: &Context, units: &Units<'_>) -> Result<Vec<OwnedUnit>> {
    let rows: Vec<Row<Known>> = context.ownership.rows("unit")?;
    let mut packages = Packages::default();
    let mut all = Vec::new();
    for row in rows {
        for name in &row.own.names {
            let unit = units.find(name)?;
            let is_removed = row.entry.tier == Tier::Removed;
            // What is not removed is shown only where it is.
            if (unit.name != *name && unit.exists()) || (!is_removed && !unit.exists()) {
                continue;
            }
            all.push(one(host, units, &row, name, &unit, &mut packages)?);
        }
        for other in context.renamed.iter().filter(|other| other.is_of(&row.own)) {
            let unit = units.find(&other.name)?;
            all.push(one(host, units, &row, &other.name, &unit, &mut packages)?);
        }
    }
    Ok(all)
}

fn one(
    host: &Host,
    units: &Units<'_>,
    row: &Row<Known>,
    name: &str,
    unit: &Unit,
    packages: &mut Packages,
) -> Result<OwnedUnit> {
    let file = unit.file().cloned();
    let links = units.links_to(unit)?.into_iter().filter(Link::is_admins);
    let mut found = OwnedUnit {
        name: name.to_owned(),
        row: row.clone(),
        standing: Standing::Absent,
        file,
        links: links.collect(),
        program: None,
        proofs: Vec::new(),
    };
    let Some(file) = found.file.clone() else { return Ok(found) };
    if row.entry.tier != Tier::Removed {
        found.standing = Standing::Packaged;
        return Ok(found);
    }
    if file.is_mask {
        found.standing = Standing::Unproven("it is masked".to_owned());
        return Ok(found);
    }
    let commands = units.settings(unit)?.exec_start();
    let mut command = commands.iter().find(|command| row.own.runs(&command.argv));
    if command.is_none() && row.own.is_kubeedge() {
        // The program has another name.
        command = commands.iter().find(|command| {
            let version = command.argv.first().and_then(|program| kubeedge_version(host, Path::new(program)));
            found.proofs.extend(version.as_ref().map(|version| format!("KubeEdge {version}")));
            version.is_some()
        });
    }
    let Some((program, command)) = command.and_then(|command| Some((command.argv.first()?, command))) else {
        found.standing = Standing::Unproven("ExecStart= does not run the program of such a unit".to_owned());
        return Ok(found);
    };
    let shown = host.root.display(&command.file);
    found.proofs.push(format!("ExecStart={program} in {}:{}", shown.display(), command.line));
    found.program = Some(PathBuf::from(program));
    let is_admins = file.path.parent() == Some(Path::new(ADMIN_UNITS));
    found.standing = if is_admins && !packages.own(host, &file.path)? { Standing::Owned } else { Standing::Packaged };
    Ok(found)
}

/// The program of a process by its number, with the arguments that it was started with.
pub(super) fn command(host: &Host, pid: &str) -> Vec<String> {
    let all = processes(&host.root).unwrap_or_default();
    let process = all.iter().find(|process| process.pid().to_string() == pid);
    let program = process.and_then(|process| Some((process, process.executable()?)));
    program.map_or_else(Vec::new, |(process, program)| {
        let arguments = process.arguments().into_iter().skip(1);
        std::iter::once(program.display().to_string()).chain(arguments).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unit_is_proven_by_its_program_and_argument() {
        let known = |programs: &[&str], arguments: &[&str]| Known {
            names: Vec::new(),
            programs: programs.iter().map(|&one| one.to_owned()).collect(),
            arguments: arguments.iter().map(|&one| one.to_owned()).collect(),
            also: None,
        };
        let argv = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let edge = known(&["edgecore"], &[]);
        assert!(edge.runs(&argv("/usr/local/bin/edgecore --config /x")));
        assert!(!edge.runs(&argv("/usr/bin/edgecore-exporter")) && !edge.runs(&[]));
        let k3s = known(&["k3s"], &["server", "agent"]);
        assert!(k3s.runs(&argv("/usr/local/bin/k3s agent")));
        assert!(!k3s.runs(&argv("/usr/local/bin/k3s")) && !k3s.runs(&argv("/usr/local/bin/k3s kubectl")));
    }
}
