//! Kernel modules and sysctls: in edge-prep's own files for the next boot, and in the running kernel of a live host.

mod modprobe;
mod modules;
mod running;
mod sysctl;

pub use modules::{Module, effective_modules};
pub use sysctl::{Sysctl, effective_sysctls};

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use edge_host::action::{Bytes, Run, SetValue};
use edge_host::{Error, FileSnapshot, Finding, Host, Inverse, Node, Plan, Result, Root, State, StatusLine};
use edge_systemd::{MASK, is_mask};

use modules::ModuleFacts;
use sysctl::SysctlFacts;

const MODULES_FILE: &str = "/etc/modules-load.d/90-edgeutils.conf";
const SYSCTL_FILE: &str = "/etc/sysctl.d/90-edgeutils.conf";
const HEADER: &str = "# Created by edge-prep; `edge-prep undo` removes it.\n";
const OWN_FILE_MODE: u32 = 0o644;
const MODPROBE_WITHIN: Duration = Duration::from_secs(30);

/// What was read about modules and sysctls.
#[derive(Debug, Clone)]
pub struct Facts {
    modules: ModuleFacts,
    sysctls: SysctlFacts,
}

/// Reads the facts about these modules and sysctls.
pub fn facts(host: &Host, modules: &[Module], sysctls: &[Sysctl]) -> Result<Facts> {
    Ok(Facts { modules: modules::facts(host, modules)?, sysctls: sysctl::facts(host, sysctls)? })
}

/// The part of the plan that does not need the modules to be loaded. `overrides`: sysctls that a later file sets to a
/// different value go into a file after that one.
pub fn plan(facts: &Facts, modules: &[Module], sysctls: &[Sysctl], overrides: bool, plan: &mut Plan) -> Result<()> {
    let missing = modules.iter().filter(|module| facts.modules.needs_listing(module));
    let missing: Vec<String> = missing.map(|module| module.name().to_owned()).collect();
    let own = &facts.modules.own;
    own_file(plan, Path::new(MODULES_FILE), own, own.bytes.clone(), &missing, "loads modules at boot")?;
    let mut files: BTreeMap<&Path, Vec<&Sysctl>> = BTreeMap::new();
    for sysctl in sysctls {
        if let Some(file) = facts.sysctls.target(sysctl, overrides) {
            files.entry(file).or_default().push(sysctl);
        }
    }
    for (file, sysctls) in files {
        let Some((own, kept)) = facts.sysctls.own_without(file, &sysctls) else { continue };
        let lines: Vec<String> = sysctls.iter().map(|sysctl| sysctl.line()).collect();
        own_file(plan, file, own, kept, &lines, "sets sysctls at boot")?;
    }
    for module in modules {
        if facts.modules.needs_load(module)? {
            // No inverse: another program may use the module by then, and a loaded module does no harm.
            let run = Run::new(["modprobe", "--", module.name()], MODPROBE_WITHIN);
            plan.run(run.with_probe(["test", "-d", &module.sys_path()]), "loads the module now");
        }
    }
    Ok(())
}

/// The requested modules that are not loaded at boot although a file lists them: why.
pub fn blocked(facts: &Facts, modules: &[Module]) -> Vec<String> {
    modules.iter().filter_map(|module| facts.modules.blocked(module)).map(|(text, _)| text).collect()
}

/// The requested sysctls that a later file sets to a different value at boot: each with what it will be, and because
/// of which line.
pub fn overridden<'s>(facts: &Facts, sysctls: &'s [Sysctl]) -> Vec<(&'s Sysctl, String)> {
    let text = |sysctl: &'s Sysctl| {
        let at = facts.sysctls.overridden(sysctl)?;
        let (place, value) = (facts.sysctls.place(at), &at.value);
        Some((sysctl, format!("{} will still be {value} after a reboot: {place} takes precedence", sysctl.key)))
    };
    sysctls.iter().filter_map(text).collect()
}

/// The second part: live values, some of which exist only once their module is loaded.
pub fn live_plan(facts: &Facts, sysctls: &[Sysctl], plan: &mut Plan) {
    for sysctl in sysctls {
        let Some(now) = facts.sysctls.live(sysctl) else { continue };
        if now != sysctl.value {
            let set = SetValue { path: sysctl.path(), was: now.to_owned(), value: sysctl.value.clone() };
            plan.set(set, "takes effect now");
        }
    }
}

/// The requested sysctls that do not exist, as no loaded module provides them: why boot may not set them, and what to
/// do about it.
pub fn missing(facts: &Facts, sysctls: &[Sysctl]) -> Vec<(String, String)> {
    let is_missing = |sysctl: &&Sysctl| facts.sysctls.is_live && facts.sysctls.live(sysctl).is_none();
    let all = sysctls.iter().map(|sysctl| &sysctl.key).zip(sysctls).filter(|(_, sysctl)| is_missing(sysctl));
    all.map(|(key, _)| (format!("{key} does not exist: boot sets it only if it exists by then"), sysctl::provider(key)))
        .collect()
}

/// The file at a path of the configuration. A mask is not followed: in an image its target cannot be resolved.
fn snapshot(root: &Root, path: &Path) -> Result<FileSnapshot> {
    let link = root.find_link(path)?;
    if is_mask(path, &link) { Ok(link) } else { root.find(path) }
}

/// Plans the write of an own file: the kept bytes, then these lines.
fn own_file(
    plan: &mut Plan,
    path: &Path,
    own: &FileSnapshot,
    kept: Vec<u8>,
    lines: &[String],
    why: &str,
) -> Result<()> {
    if lines.is_empty() {
        return Ok(());
    }
    // A snapshot of a link is one of a mask: other links are followed.
    if matches!(own.state, State::Link { .. }) {
        let path = path.display();
        return Err(Error::refused(format!("cannot write {path}: it is masked by a link to {MASK}"))
            .hint(format!("remove the link (rm {path}), then run the command again")));
    }
    let mut text = if kept.is_empty() { HEADER.into() } else { kept };
    if !text.ends_with(b"\n") {
        text.push(b'\n');
    }
    for line in lines {
        text.extend_from_slice(line.as_bytes());
        text.push(b'\n');
    }
    let node = Node::File { content: Bytes::Known(text), mode: OWN_FILE_MODE };
    plan.write(path, own.clone(), node, Inverse::Whole, why).details = lines.to_vec();
    Ok(())
}

/// The lines of `status`.
pub fn status(facts: &Facts, modules: &[Module], sysctls: &[Sysctl]) -> Vec<StatusLine> {
    let modules = modules.iter().map(|module| facts.modules.status(module));
    modules.chain(sysctls.iter().map(|sysctl| facts.sysctls.status(sysctl))).collect()
}

/// What is not in the requested state.
pub fn findings(facts: &Facts, modules: &[Module], sysctls: &[Sysctl]) -> Vec<Finding> {
    let modules = modules.iter().flat_map(|module| facts.modules.findings(module));
    modules.chain(sysctls.iter().flat_map(|sysctl| facts.sysctls.findings(sysctl))).collect()
}
