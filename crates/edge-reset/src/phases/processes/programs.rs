//! Processes outside of the control groups of pods, by executable and arguments.

use std::path::Path;

use edge_host::{Host, Pattern, Process, Result, processes};
use edge_kubeedge::paths::PROGRAM_DIRS;
use serde::Deserialize;

use super::{End, Processes, depending};
use crate::context::Context;
use crate::item::Item;
use crate::ownership::Row;
use crate::phase::Phase;
use crate::phases::kubeedge_version;
use crate::roots::{RootDir, Roots, absolute, is_default};

const SECTION: &str = "process";
const ROOT_USER: u32 = 0;

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Program {
    programs: Vec<Pattern>,
    #[serde(default)]
    arguments: Vec<Argument>,
    #[serde(default)]
    without: Vec<String>,
    #[serde(default)]
    is_kubeedge: bool,
    #[serde(default)]
    units: Vec<String>,
}

pub(super) fn check(context: &Context) -> Result<()> {
    context.ownership.rows::<Program>(SECTION).map(drop)
}

pub(super) fn read(host: &Host, context: &Context, found: &mut Processes) -> Result<()> {
    let rows: Vec<Row<Program>> = context.ownership.rows(SECTION)?;
    for process in processes(&host.root)? {
        let Some(executable) = process.executable() else { continue };
        let name = executable.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let called = rows.iter().filter(|row| row.own.programs.iter().any(|pattern| pattern.matches(name)));
        let is_meant = |row: &&Row<Program>| row.own.has_arguments(&process.arguments(), &context.roots);
        let Some(row) = called.into_iter().find(is_meant) else { continue };
        let is_of_unit = row.own.units.iter().any(|unit| is_in(&process, unit));
        if process.user() != Some(ROOT_USER) || is_of_unit || is_of_pods(&process) {
            continue;
        }
        let Some(id) = process.id() else { continue };
        let object = format!("process {} ({})", id.pid(), executable.display());
        let identity = [executable.as_os_str().as_encoded_bytes(), &id.started().to_le_bytes()];
        let item = Item::new(Phase::Processes, "process", &id.pid().to_string(), &identity);
        let item = Item { object, proofs: vec![format!("executable {}", executable.display())], ..item };
        if !row.own.is_kubeedge {
            // Not in a node that is itself a container, such as those of kind.
            if process.shares_pids() == Some(true) {
                let item = depending(context.decide(item, &row.entry), context);
                found.items.push(item);
                found.ends.push(End::Monitor(id));
            }
        } else if process.shares_mounts() == Some(true) {
            let is_proven = is_installed(&executable) || kubeedge_version(host, &executable).is_some();
            let item = context.decide(item, &row.entry);
            let why = "only the name of its program is that of KubeEdge";
            found.items.push(if is_proven { item } else { item.kept(why) });
            found.ends.push(if is_proven { End::Process(id) } else { End::Never });
        }
    }
    Ok(())
}

/// Words of a command line, the last of which can be a directory of a configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "String")]
struct Argument {
    words: Vec<String>,
    last: Option<Dir>,
    /// Whether it is strictly below that directory.
    is_below: bool,
}

#[derive(Debug, Clone, Copy)]
enum Dir {
    Exits,
    Sockets,
    Run,
}

impl TryFrom<String> for Argument {
    type Error = String;

    fn try_from(text: String) -> Result<Argument, String> {
        let mut words: Vec<String> = text.split(' ').map(str::to_owned).collect();
        let word = words.last().cloned().unwrap_or_default();
        let last = match word.trim_end_matches('/') {
            "{crio-exits}" => Some(Dir::Exits),
            "{crio-sockets}" => Some(Dir::Sockets),
            "{crio-run}" => Some(Dir::Run),
            odd if odd.contains(['{', '}']) => {
                return Err(format!(
                    "{odd} is not a directory; expected {{crio-exits}}, {{crio-sockets}} or {{crio-run}}"
                ));
            }
            _ => None,
        };
        words.truncate(words.len() - usize::from(last.is_some()));
        Ok(Argument { words, last, is_below: last.is_some() && word.ends_with('/') })
    }
}

impl Argument {
    fn is_in(&self, given: &[String], roots: &Roots) -> bool {
        let Some(dir) = self.last else { return given.windows(self.words.len()).any(|window| window == self.words) };
        let dirs: Vec<&RootDir> = match dir {
            Dir::Exits => roots.crio_exits.iter().collect(),
            Dir::Sockets => roots.crio_sockets.iter().collect(),
            // Podman has the default one too.
            Dir::Run => roots.crio_run.iter().filter(|root| !is_default(root)).collect(),
        };
        given.windows(self.words.len() + 1).any(|window| {
            let Some((path, front)) = window.split_last() else { return false };
            let path = absolute(path);
            let is_it = |root: &&RootDir| path.starts_with(&root.path) && (path != root.path) == self.is_below;
            front == self.words && dirs.iter().any(is_it)
        })
    }
}

impl Program {
    fn has_arguments(&self, given: &[String], roots: &Roots) -> bool {
        let has = |words: &String| {
            let words: Vec<&str> = words.split(' ').collect();
            given.windows(words.len()).any(|window| window == words.as_slice())
        };
        let is_named = self.arguments.is_empty() || self.arguments.iter().any(|one| one.is_in(given, roots));
        is_named && !self.without.iter().any(has)
    }
}

/// Whether one of its control groups is that of a unit.
fn is_in(process: &Process<'_>, unit: &str) -> bool {
    process.cgroups().iter().any(|group| group.split('/').any(|name| name == unit))
}

/// The groups of pods are ended as a whole.
fn is_of_pods(process: &Process<'_>) -> bool {
    const PODS: [&str; 2] = ["kubepods", "kubepods.slice"];
    PODS.iter().any(|name| is_in(process, name))
}

fn is_installed(executable: &Path) -> bool {
    executable.parent().is_some_and(|dir| PROGRAM_DIRS.iter().any(|known| dir == Path::new(known)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_words_that_follow_each_other() {
        let program = Program {
            programs: vec![],
            arguments: ["-namespace k8s.io", "--exit-dir /a", "--exit-dir {crio-exits}", "-b {crio-run}/"]
                .map(|text| Argument::try_from(text.to_owned()).unwrap())
                .to_vec(),
            without: vec!["--exit-command".to_owned()],
            is_kubeedge: false,
            units: vec![],
        };
        let dir = |path: &str| vec![RootDir { path: path.into(), source: "a file".to_owned(), creators: vec![] }];
        let roots = Roots { crio_exits: dir("/run/e"), crio_run: dir("/data/run"), ..Roots::default() };
        let has = |text: &str| program.has_arguments(&text.split(' ').map(str::to_owned).collect::<Vec<_>>(), &roots);
        assert!(has("conmon --exit-dir /var/run/e") && has("conmon -b /data/run/overlay-containers/1/userdata -c 1"));
        assert!(!has("conmon -b /data/run") && !has("conmon -b /data/runs/x") && !has("conmon --exit-dir /run/e/x"));
        assert!(Argument::try_from("-b {crio}".to_owned()).is_err());
        assert!(has("shim -namespace k8s.io -id x"));
        assert!(has("conmon --exit-dir /a"));
        for other in ["shim -namespace moby", "shim k8s.io -namespace", "conmon --exit-dir /a --exit-command p", "shim"]
        {
            assert!(!has(other), "{other}");
        }
    }
}
