//! Kernel modules and sysctls, in files of our own; live where the host is.

mod modules;
mod sysctl;

pub use modules::{Module, effective_modules};
pub use sysctl::{Sysctl, effective_sysctls};

use std::path::Path;
use std::time::Duration;

use edge_host::action::{Bytes, Run, SetValue, UndoOrder};
use edge_host::{Error, FileSnapshot, Finding, Host, Inverse, Node, Plan, Result, Root, State, StatusLine};
use edge_systemd::{MASK, is_mask};

use modules::ModuleFacts;
use sysctl::SysctlFacts;

const MODULES_FILE: &str = "/etc/modules-load.d/90-edgeutils.conf";
const SYSCTL_FILE: &str = "/etc/sysctl.d/90-edgeutils.conf";
const OWN_FILE_MODE: u32 = 0o644;
const MODPROBE_WITHIN: Duration = Duration::from_secs(30);

/// What was read.
#[derive(Debug, Clone)]
pub struct Facts {
    modules: ModuleFacts,
    sysctls: SysctlFacts,
}

/// Reads what concerns these modules and sysctls.
pub fn facts(host: &Host, modules: &[Module], sysctls: &[Sysctl]) -> Result<Facts> {
    Ok(Facts { modules: modules::facts(host, modules)?, sysctls: sysctl::facts(host, sysctls)? })
}

/// The part of the plan that does not depend on modules being loaded.
pub fn plan(facts: &Facts, modules: &[Module], sysctls: &[Sysctl], plan: &mut Plan) -> Result<()> {
    let wanted: Vec<String> = modules.iter().map(|module| module.name().to_owned()).collect();
    let missing: Vec<String> = wanted.iter().filter(|name| !facts.modules.persists(name)).cloned().collect();
    let own = &facts.modules.own;
    own_file(plan, MODULES_FILE, own, own.bytes.clone(), &missing, "loaded at every boot")?;
    let missing: Vec<String> =
        sysctls.iter().filter(|sysctl| !facts.sysctls.persists(sysctl)).map(Sysctl::line).collect();
    let kept = facts.sysctls.own_without(sysctls);
    own_file(plan, SYSCTL_FILE, &facts.sysctls.own, kept, &missing, "set at every boot")?;
    for sysctl in sysctls {
        if let Some(by) = facts.sysctls.overridden(sysctl) {
            plan.note(format!(
                "{} will be {} after a reboot all the same: {} sets it later",
                sysctl.key,
                by.value,
                by.place()
            ));
        }
    }
    for module in modules {
        if facts.modules.needs_load(module) {
            let argv = vec!["modprobe".to_owned(), "--".to_owned(), module.name().to_owned()];
            let probe = vec!["test".to_owned(), "-d".to_owned(), module.sys_path()];
            // No inverse: others may use it by then, and a loaded module does no harm.
            let run = Run {
                argv,
                probe: Some(probe),
                inverse: None,
                undo_order: UndoOrder::Reverse,
                deadline: MODPROBE_WITHIN,
            };
            plan.run(run, "loaded now");
        }
    }
    Ok(())
}

/// The part that comes after: live values, some of which appear only with their module.
pub fn live_plan(facts: &Facts, sysctls: &[Sysctl], plan: &mut Plan) {
    for sysctl in sysctls {
        let Some(now) = facts.sysctls.live(sysctl) else { continue };
        if now != sysctl.value {
            let set = SetValue { path: sysctl.path(), was: now.to_owned(), value: sysctl.value.clone() };
            plan.set(set, "now");
        }
    }
}

/// Wanted live values that are not there yet, as their module is not loaded.
pub fn waits_for_module(facts: &Facts, sysctls: &[Sysctl]) -> bool {
    facts.sysctls.is_live && sysctls.iter().any(|sysctl| facts.sysctls.live(sysctl).is_none())
}

/// What stands at a path of the configuration; a mask is not followed, which in an image cannot be.
fn standing(root: &Root, path: &Path) -> Result<FileSnapshot> {
    let link = root.find_link(path)?;
    if is_mask(path, &link) { Ok(link) } else { root.find(path) }
}

/// Adds lines behind those that are kept.
fn own_file(plan: &mut Plan, path: &str, own: &FileSnapshot, kept: Vec<u8>, lines: &[String], why: &str) -> Result<()> {
    if lines.is_empty() {
        return Ok(());
    }
    // Any other link was followed.
    if matches!(own.state, State::Link { .. }) {
        return Err(Error::refused(format!("cannot write {path}: it is masked by a link to {MASK}"))
            .hint("remove the link and run again"));
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
    plan.write(Path::new(path), own.clone(), node, Inverse::Whole, why).details = lines.to_vec();
    Ok(())
}

const HEADER: &str = "# Made by edge-prep; `edge-prep undo` takes it back.\n";

/// What `status` says.
pub fn status(facts: &Facts, modules: &[Module], sysctls: &[Sysctl]) -> Vec<StatusLine> {
    let modules = modules.iter().map(|module| facts.modules.line(module));
    modules.chain(sysctls.iter().map(|sysctl| facts.sysctls.line(sysctl))).collect()
}

/// What is not in the desired state.
pub fn faults(facts: &Facts, modules: &[Module], sysctls: &[Sysctl]) -> Vec<Finding> {
    let modules = modules.iter().flat_map(|module| facts.modules.faults(module));
    modules.chain(sysctls.iter().flat_map(|sysctl| facts.sysctls.faults(sysctl))).collect()
}
