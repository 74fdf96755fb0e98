//! Kernel modules and sysctls, in files of our own; live where the host is.

mod modules;
mod sysctl;

pub use modules::{Module, effective_modules};
pub use sysctl::{Sysctl, effective_sysctls};

use std::path::Path;
use std::time::Duration;

use edge_host::action::{Bytes, Run, SetValue, Turn};
use edge_host::{Found, Host, Inverse, Node, Plan, Result};

use crate::report::{Fault, Line};
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
pub fn plan(facts: &Facts, modules: &[Module], sysctls: &[Sysctl], plan: &mut Plan) {
    let wanted: Vec<String> = modules.iter().map(|module| module.name().to_owned()).collect();
    let missing: Vec<String> = wanted.iter().filter(|name| !facts.modules.persists(name)).cloned().collect();
    own_file(plan, MODULES_FILE, &facts.modules.own, &missing, "loaded at every boot");
    let missing: Vec<String> =
        sysctls.iter().filter(|sysctl| !facts.sysctls.persists(sysctl)).map(Sysctl::line).collect();
    let kept = facts.sysctls.own_without(sysctls);
    own_sysctls(plan, facts, &kept, &missing);
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
            let run = Run { argv, probe: Some(probe), inverse: None, turn: Turn::Reverse, deadline: MODPROBE_WITHIN };
            plan.run(run, "loaded now");
        }
    }
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

fn own_file(plan: &mut Plan, path: &str, own: &Found, lines: &[String], why: &str) {
    if lines.is_empty() {
        return;
    }
    let mut text = String::from_utf8_lossy(&own.bytes).into_owned();
    if text.is_empty() {
        text.push_str(HEADER);
    }
    for line in lines {
        text.push_str(line);
        text.push('\n');
    }
    let node = Node::File { content: Bytes::Known(text.into_bytes()), mode: OWN_FILE_MODE };
    plan.write(Path::new(path), own.clone(), node, Inverse::Whole, why).details = lines.to_vec();
}

fn own_sysctls(plan: &mut Plan, facts: &Facts, kept: &str, missing: &[String]) {
    if missing.is_empty() {
        return;
    }
    let mut text = if kept.is_empty() { HEADER.to_owned() } else { kept.to_owned() };
    for line in missing {
        text.push_str(line);
        text.push('\n');
    }
    let node = Node::File { content: Bytes::Known(text.into_bytes()), mode: OWN_FILE_MODE };
    plan.write(Path::new(SYSCTL_FILE), facts.sysctls.own.clone(), node, Inverse::Whole, "set at every boot").details =
        missing.to_vec();
}

const HEADER: &str = "# Made by edge-prep; `edge-prep undo` takes it back.\n";

/// What `status` says.
pub fn status(facts: &Facts, modules: &[Module], sysctls: &[Sysctl]) -> Vec<Line> {
    let modules = modules.iter().map(|module| facts.modules.line(module));
    modules.chain(sysctls.iter().map(|sysctl| facts.sysctls.line(sysctl))).collect()
}

/// What is not as wanted.
pub fn faults(facts: &Facts, modules: &[Module], sysctls: &[Sysctl]) -> Vec<Fault> {
    let modules = modules.iter().flat_map(|module| facts.modules.faults(module));
    modules.chain(sysctls.iter().flat_map(|sysctl| facts.sysctls.faults(sysctl))).collect()
}
