//! Units of node agents that an administrator has given another name: `INSTALL_K3S_NAME` does so, and so do guides.
//!
//! They are found by what they run, because with such a unit its program is present, and what it uses is in use.

use std::path::{Path, PathBuf};

use edge_host::{Host, Result, State};
use edge_kubeedge::paths::PROGRAM_DIRS;
use edge_kubeedge::program::from_elf;
use edge_systemd::{ADMIN_UNITS, Command, UnitFile, Units};

use super::owned::Known;
use super::package::Packages;
use crate::context::Context;
use crate::creator::Creator;
use crate::ownership::{Ownership, Row, Tier};

const SERVICE: &str = "service";
/// It has the same version, and no node is run by it.
const KEADM: &str = "keadm";
/// Where packages have their programs.
const DISTRIBUTION: [&str; 5] = ["/bin", "/lib", "/sbin", "/usr/bin", "/usr/sbin"];

/// A unit that runs a program of the data and is called otherwise.
#[derive(Debug, Clone)]
pub(crate) struct Renamed {
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    pub(crate) creators: Vec<Creator>,
    /// The names that such a unit usually has.
    usual: Vec<String>,
}

impl Renamed {
    /// Those of the administrator: a distribution does not rename its units.
    ///
    /// Errors: units that cannot be read.
    pub(crate) fn read(host: &Host, units: &Units<'_>, ownership: &Ownership) -> Result<Vec<Renamed>> {
        let rows: Vec<Row<Known>> = ownership.rows("unit")?;
        let usual = |name: &String| rows.iter().any(|row| row.own.names.contains(name));
        let mut packages = Packages::default();
        let mut found = Vec::new();
        for (file, commands) in admins_services(units, usual)? {
            let of = |row: &&Row<Known>| {
                row.entry.tier == Tier::Removed
                    && row.own.also.is_none()
                    && commands.iter().any(|command| row.own.runs(&command.argv) && is_proven(host, row, &command.argv))
            };
            let Some(row) = rows.iter().find(of) else { continue };
            let name = file.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if !packages.own(host, &file.path)? {
                let (creators, usual) = (row.entry.creators.clone(), row.own.names.clone());
                found.push(Renamed { name, path: file.path, creators, usual });
            }
        }
        Ok(found)
    }

    /// Units that run a program of KubeEdge which has another name too: which one it is, is not known, so they are only
    /// named. Those of a distribution run its own programs.
    ///
    /// Errors: units that cannot be read.
    pub(super) fn unclear(
        host: &Host,
        units: &Units<'_>,
        context: &Context,
    ) -> Result<Vec<(UnitFile, PathBuf, String)>> {
        let rows: Vec<Row<Known>> = context.ownership.rows("unit")?;
        let usual = |name: &String| {
            rows.iter().any(|row| row.own.names.contains(name)) || context.renamed.iter().any(|unit| unit.name == *name)
        };
        let mut found = Vec::new();
        for (file, commands) in admins_services(units, usual)? {
            let programs = commands.iter().filter_map(|command| command.argv.first().map(PathBuf::from));
            let is_distributions = |program: &Path| DISTRIBUTION.iter().any(|dir| program.starts_with(dir));
            let is_keadm = |program: &Path| program.file_name().is_some_and(|name| name == KEADM);
            let version = |program: PathBuf| kubeedge_version(host, &program).map(|version| (program, version));
            let others = programs.filter(|program| !is_distributions(program) && !is_keadm(program));
            if let Some((program, version)) = others.filter_map(version).next() {
                found.push((file, program, version));
            }
        }
        Ok(found)
    }

    /// Whether it is a unit of an entry of the data.
    pub(super) fn is_of(&self, known: &Known) -> bool {
        self.usual == known.names
    }

    /// The usual names of the units of a program, and those that are called otherwise.
    pub(crate) fn names<'n>(usual: &[&'n str], renamed: &'n [Renamed], program: &str) -> Vec<&'n str> {
        let is_its = |unit: &&Renamed| unit.creators.contains(&Creator::from(program));
        usual.iter().copied().chain(renamed.iter().filter(is_its).map(|unit| unit.name.as_str())).collect()
    }
}

/// The services of the administrator that are not called as `usual` says, and what they run.
///
/// Errors: units that cannot be read.
fn admins_services(units: &Units<'_>, usual: impl Fn(&String) -> bool) -> Result<Vec<(UnitFile, Vec<Command>)>> {
    let mut found = Vec::new();
    let names = units.names_in(Path::new(ADMIN_UNITS), SERVICE).into_iter();
    for name in names.filter(|name| !usual(name) && !name.contains('@')) {
        let unit = units.find(&name)?;
        let is_admins = |file: &&UnitFile| unit.name == name && is_admins(&file.path) && !file.is_mask;
        if let Some(file) = unit.file().filter(is_admins)
            && matches!(file.itself.state, State::File { .. })
        {
            found.push((file.clone(), units.settings(&unit)?.exec_start()));
        }
    }
    Ok(found)
}

fn is_admins(path: &Path) -> bool {
    path.parent() == Some(Path::new(ADMIN_UNITS))
}

/// Any program can have such a name. These are installed where its creator installs it, have an argument that only it
/// has, or contain the version of KubeEdge.
fn is_proven(host: &Host, row: &Row<Known>, argv: &[String]) -> bool {
    let Some(program) = argv.first().map(Path::new) else { return false };
    let is_installed = program.parent().is_some_and(|dir| PROGRAM_DIRS.iter().any(|known| dir == Path::new(known)));
    is_installed || !row.own.arguments.is_empty() || kubeedge_version(host, program).is_some()
}

/// The version of KubeEdge in a program.
pub(crate) fn kubeedge_version(host: &Host, program: &Path) -> Option<String> {
    let mut file = host.root.open(program).ok().flatten()?;
    from_elf(&mut file).ok().flatten().map(|version| version.text)
}
