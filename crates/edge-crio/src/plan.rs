//! Plans the configuration from facts and a request; pure.

use std::path::Path;

use edge_fetch::sha256;
use edge_host::action::{Bytes, ContentWriter};
use edge_host::{Error, Exit, FileSnapshot, Inverse, Node, Plan, Result, ResultExt, State};

use crate::config::{
    self, Driver, OWN, PROXY, REGISTRIES, REGISTRIES_MAIN, STORAGE, drop_in, mirrors, proxy_drop_in, without_metacopy,
};
use crate::facts::{Facts, OverlaySupport, Storage};
use crate::request::Request;
use crate::unit::{DriverOption, UNIT};

/// What must follow for a change to take effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Effect {
    /// systemd must reload its unit files.
    pub reload: bool,
    /// CRI-O must be restarted.
    pub restart: bool,
}

/// Plans the requested configuration. Refuses files that cannot be edited.
pub fn configure(facts: &Facts, request: &Request, plan: &mut Plan) -> Result<Effect> {
    let mut effect = Effect::default();
    let (text, details) = drop_in(utf8(OWN, &facts.own)?, &request.keys)?;
    if !details.is_empty() {
        write(plan, OWN, &facts.own, text, 0o644, "settings of CRI-O", details);
        effect.restart = true;
    }
    note_overrides(facts, request, plan);
    if !request.mirrors.is_empty() {
        if is_version_1(&facts.registries_main) {
            return Err(Error::refused(format!(
                "cannot set mirrors: {REGISTRIES_MAIN} has format version 1, which cannot be combined with version 2"
            ))
            .hint(
                "replace [registries.search] by unqualified-search-registries = […], see containers-registries.conf(5)",
            ));
        }
        let (text, details) = mirrors(utf8(REGISTRIES, &facts.registries)?, &request.mirrors)?;
        if !details.is_empty() {
            write(plan, REGISTRIES, &facts.registries, text, 0o644, "registry mirrors", details);
            effect.restart = true;
        }
    }
    if let Some(proxy) = &request.proxy {
        let (text, details) = proxy_drop_in(utf8(PROXY, &facts.proxy)?, proxy);
        if facts.proxy.bytes != text.as_bytes() {
            // An edited file would keep its mode, which may let others read the password.
            let mode = if proxy.has_credentials() { 0o600 } else { 0o644 };
            let sha256 = sha256(&text);
            let content: ContentWriter = Box::new(move |to| to.write_all(text.as_bytes()).on("write", PROXY));
            let node = Node::Large { content, sha256, mode };
            let why = "a proxy for pulling images";
            plan.write(Path::new(PROXY), facts.proxy.clone(), node, Inverse::Whole, why).details = details;
            effect = Effect { reload: true, restart: true };
        }
    }
    if let Some(storage) = &facts.storage
        && metacopy(storage, plan)?
    {
        effect.restart = true;
    }
    Ok(effect)
}

/// Notes which requested settings have no effect, because a later file or the unit takes precedence.
fn note_overrides(facts: &Facts, request: &Request, plan: &mut Plan) {
    let now = config::effective(&facts.config);
    let mut compare = |key: &str, requested: Option<&str>, setting: Option<&config::Setting>| {
        let (Some(requested), Some(setting)) = (requested, setting) else { return };
        if setting.file.as_path() > Path::new(OWN) && setting.value != requested {
            let file = setting.file.display();
            plan.note(format!("{key} will still be {}: {file} is read later and takes precedence", setting.value));
        }
    };
    let driver = request.keys.driver.map(Driver::name);
    compare("cgroup_manager", driver, now.cgroup_manager.as_ref());
    compare("pause_image", request.keys.pause_image.as_deref(), now.pause_image.as_ref());
    let conmon = request.keys.driver.filter(|driver| *driver == Driver::Cgroupfs).map(|_| "pod");
    compare("conmon_cgroup", conmon, now.conmon_cgroup.as_ref());
    let Some(driver) = driver else { return };
    match &facts.unit_driver {
        Ok(Some(DriverOption { value, file, line })) if value != driver => plan.note(format!(
            "the cgroup driver will still be {value}: {}:{line} sets it for {UNIT} and takes precedence",
            file.display()
        )),
        Ok(_) => {}
        Err(error) => plan.note(format!("{error}: cannot determine whether {UNIT} overrides the cgroup driver")),
    }
}

fn metacopy(storage: &Storage, plan: &mut Plan) -> Result<bool> {
    let from = storage.from.display().to_string();
    match storage.overlay {
        OverlaySupport::All => Ok(false),
        OverlaySupport::Unsupported => {
            plan.note(format!("{from} is not changed: this kernel refuses {} even without metacopy", storage.options));
            Ok(false)
        }
        OverlaySupport::Unknown => {
            plan.note(format!(
                "{from} has metacopy=on: whether this kernel supports it can only be tested by root on the running system"
            ));
            Ok(false)
        }
        OverlaySupport::AllButMetacopy => {
            let text = without_metacopy(&from, &storage.text)?;
            let details = vec![format!("mountopt: {} without metacopy, which this kernel refuses", storage.options)];
            let why = if from == STORAGE[0] {
                "with metacopy CRI-O before 1.24 cannot start pods"
            } else {
                "replaces the distribution's file, without metacopy"
            };
            write(plan, STORAGE[0], &storage.own, text, 0o644, why, details);
            Ok(true)
        }
    }
}

/// Whether this is version 1 of registries.conf, with tables named registries.*.
fn is_version_1(text: &str) -> bool {
    text.lines().any(|line| line.trim_start().starts_with("[registries."))
}

fn utf8<'f>(path: &str, found: &'f FileSnapshot) -> Result<&'f str> {
    if !matches!(found.state, State::File { .. } | State::Absent) {
        return Err(Error::cannot("write", path, format!("it is {}", found.state.describe()))
            .with_exit(Exit::Refused)
            .hint(format!("move it away: mv {path} {path}.old")));
    }
    std::str::from_utf8(&found.bytes).map_err(|_| {
        Error::cannot("edit", path, "it is not UTF-8 text")
            .with_exit(Exit::Refused)
            .hint(format!("repair it, or move it away: mv {path} /root"))
    })
}

fn write(plan: &mut Plan, path: &str, was: &FileSnapshot, text: String, mode: u32, why: &str, details: Vec<String>) {
    let node = Node::File { content: Bytes::Known(text.into_bytes()), mode };
    plan.write(Path::new(path), was.clone(), node, Inverse::Whole, why).details = details;
}

#[cfg(test)]
mod tests;
