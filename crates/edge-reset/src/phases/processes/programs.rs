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

const SECTION: &str = "process";
const ROOT_USER: u32 = 0;

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Program {
    programs: Vec<Pattern>,
    #[serde(default)]
    arguments: Vec<String>,
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
        let Some(row) = called.into_iter().find(|row| row.own.has_arguments(&process.arguments())) else { continue };
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
            let item = depending(context.decide(item, &row.entry), context);
            found.items.push(item);
            found.ends.push(End::Process(id));
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

impl Program {
    fn has_arguments(&self, given: &[String]) -> bool {
        let has = |words: &String| {
            let words: Vec<&str> = words.split(' ').collect();
            given.windows(words.len()).any(|window| window == words.as_slice())
        };
        (self.arguments.is_empty() || self.arguments.iter().any(has)) && !self.without.iter().any(has)
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
            arguments: vec!["-namespace k8s.io".to_owned(), "--exit-dir /a".to_owned()],
            without: vec!["--exit-command".to_owned()],
            is_kubeedge: false,
            units: vec![],
        };
        let has = |text: &str| program.has_arguments(&text.split(' ').map(str::to_owned).collect::<Vec<_>>());
        assert!(has("shim -namespace k8s.io -id x"));
        assert!(has("conmon --exit-dir /a"));
        for other in ["shim -namespace moby", "shim k8s.io -namespace", "conmon --exit-dir /a --exit-command p", "shim"]
        {
            assert!(!has(other), "{other}");
        }
    }
}
