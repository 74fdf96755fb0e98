//! From facts and wishes to actions: pure.

use std::path::Path;

use edge_fetch::{Proxy, sha256};
use edge_host::action::{Bytes, ContentWriter};
use edge_host::{Error, FileSnapshot, Inverse, Node, Plan, Result, ResultExt, State};

use crate::config::{
    self, Driver, Keys, Mirror, OWN, PROXY, REGISTRIES, REGISTRIES_MAIN, STORAGE, drop_in, mirrors, proxy_drop_in,
    without_metacopy,
};
use crate::facts::{Facts, OverlaySupport, Storage};

/// What is wanted of the configuration; what is not named stays as it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wanted {
    /// Keys of our drop-in.
    pub keys: Keys,
    /// Mirrors of registries.
    pub mirrors: Vec<Mirror>,
    /// A proxy for the daemon.
    pub proxy: Option<Proxy>,
}

/// What has to be done for a change to count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Effect {
    /// systemd must read its files again.
    pub reload: bool,
    /// CRI-O must be restarted.
    pub restart: bool,
}

/// Plans the configuration.
pub fn configure(facts: &Facts, wanted: &Wanted, plan: &mut Plan) -> Result<Effect> {
    let mut effect = Effect::default();
    let (text, details) = drop_in(utf8(OWN, &facts.own)?, &wanted.keys)?;
    if !details.is_empty() {
        write(plan, OWN, &facts.own, text, 0o644, "a drop-in of our own", details);
        effect.restart = true;
    }
    overridden(facts, wanted, plan);
    if !wanted.mirrors.is_empty() {
        if is_old_form(&facts.registries_main) {
            return Err(Error::refused(format!(
                "cannot set mirrors: {REGISTRIES_MAIN} is of the old form, which containers' tools do not mix with the new one"
            ))
            .hint("turn its [registries.search] into unqualified-search-registries = […], see containers-registries.conf(5)"));
        }
        let (text, details) = mirrors(utf8(REGISTRIES, &facts.registries)?, &wanted.mirrors)?;
        if !details.is_empty() {
            write(plan, REGISTRIES, &facts.registries, text, 0o644, "mirrors of registries", details);
            effect.restart = true;
        }
    }
    if let Some(proxy) = &wanted.proxy {
        let (text, details) = proxy_drop_in(utf8(PROXY, &facts.proxy)?, proxy);
        if facts.proxy.bytes != text.as_bytes() {
            // A file that was there keeps its mode when it is edited; one that gets a password must not.
            let mode = if proxy.has_credentials() { 0o600 } else { 0o644 };
            let sha256 = sha256(&text);
            let content: ContentWriter = Box::new(move |to| to.write_all(text.as_bytes()).on("write", PROXY));
            let node = Node::Large { content, sha256, mode };
            let why = "a proxy for CRI-O's downloads";
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

/// Says where a later file has the last word.
fn overridden(facts: &Facts, wanted: &Wanted, plan: &mut Plan) {
    let now = config::effective(&facts.config);
    let mut say = |key: &str, wanted: Option<&str>, setting: Option<&config::Setting>| {
        let (Some(wanted), Some(setting)) = (wanted, setting) else { return };
        if setting.file.as_path() > Path::new(OWN) && setting.value != wanted {
            plan.note(format!(
                "{key} will be {} all the same: {} comes later and sets it",
                setting.value,
                setting.file.display()
            ));
        }
    };
    say("cgroup_manager", wanted.keys.driver.map(Driver::name), now.cgroup_manager.as_ref());
    say("pause_image", wanted.keys.pause_image.as_deref(), now.pause_image.as_ref());
    let conmon = wanted.keys.driver.filter(|driver| *driver == Driver::Cgroupfs).map(|_| "pod");
    say("conmon_cgroup", conmon, now.conmon_cgroup.as_ref());
}

fn metacopy(storage: &Storage, plan: &mut Plan) -> Result<bool> {
    let from = storage.from.display().to_string();
    match storage.overlay {
        OverlaySupport::All => Ok(false),
        OverlaySupport::Unsupported => {
            plan.note(format!("{from} stays: this kernel refuses {} without metacopy as well", storage.options));
            Ok(false)
        }
        OverlaySupport::Unknown => {
            plan.note(format!(
                "{from} asks for metacopy=on: whether the kernel takes it is tried by root, on the machine itself"
            ));
            Ok(false)
        }
        OverlaySupport::AllButMetacopy => {
            let text = without_metacopy(&from, &storage.text)?;
            let details = vec![format!("mountopt: {} without metacopy, which this kernel refuses", storage.options)];
            let why = if from == STORAGE[0] {
                "with it CRI-O before 1.24 starts no pod"
            } else {
                "instead of the distribution's, without metacopy"
            };
            write(plan, STORAGE[0], &storage.own, text, 0o644, why, details);
            Ok(true)
        }
    }
}

/// Version 1 of registries.conf: tables named registries.*.
fn is_old_form(text: &str) -> bool {
    text.lines().any(|line| line.trim_start().starts_with("[registries."))
}

fn utf8<'f>(path: &str, found: &'f FileSnapshot) -> Result<&'f str> {
    if !matches!(found.state, State::File { .. } | State::Absent) {
        return Err(Error::refused(format!("cannot write {path}: {} stands there", found.state.describe()))
            .hint("move it away: edge-crio keeps its own settings in this file"));
    }
    std::str::from_utf8(&found.bytes).map_err(|_| {
        Error::refused(format!("cannot edit {path}: it is not UTF-8 text")).hint("mend it, or move it away")
    })
}

fn write(plan: &mut Plan, path: &str, was: &FileSnapshot, text: String, mode: u32, why: &str, details: Vec<String>) {
    let node = Node::File { content: Bytes::Known(text.into_bytes()), mode };
    plan.write(Path::new(path), was.clone(), node, Inverse::Whole, why).details = details;
}

#[cfg(test)]
mod tests;
