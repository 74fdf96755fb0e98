//! Plans the configuration from facts and a request; pure.

use std::path::Path;

use edge_fetch::sha256;
use edge_host::action::{Bytes, ContentWriter};
use edge_host::{Error, Exit, FileSnapshot, Inverse, Node, Plan, Result, ResultExt, State};

use crate::config::{
    Driver, OWN, PROXY, REGISTRIES, REGISTRIES_MAIN, STORAGE, Setting, drop_in, has_metacopy, mirrors, proxy_drop_in,
    without_metacopy,
};
use crate::diagnose::IGNORES_METACOPY;
use crate::facts::{Facts, OverlaySupport, Storage};
use crate::request::Request;
use crate::unit::UNIT;

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
    let config = &facts.config;
    let driver = request.keys.driver.map(Driver::name);
    let conmon = request.keys.driver.filter(|driver| *driver == Driver::Cgroupfs).map(|_| "pod");
    let pause_image = request.keys.pause_image.as_deref();
    let requested: Vec<(&str, &str)> =
        [("runtime.cgroup_manager", driver), ("runtime.conmon_cgroup", conmon), ("image.pause_image", pause_image)]
            .into_iter()
            .filter_map(|(key, value)| Some((key, value?)))
            .collect();
    if requested.is_empty() {
        return;
    }
    if config.options.dropin_dir().is_none_or(|dir| !Path::new(OWN).starts_with(dir)) {
        let place = config.options.dir_option().map(|one| format!(": {}", place(&one))).unwrap_or_default();
        plan.note(format!("CRI-O does not read {OWN}, as {UNIT} names another directory with --config-dir{place}"));
    }
    for (key, requested) in requested {
        let Some(setting) = config.merged.text(&format!("crio.{key}")).filter(|one| one.value != requested) else {
            continue;
        };
        let key = key.split_once('.').map_or(key, |(_, key)| key);
        if config.options.list(&format!("crio.runtime.{key}")).is_some()
            || config.options.list(&format!("crio.image.{key}")).is_some()
        {
            let place = place(&setting);
            plan.note(format!(
                "{key} will still be {}: {place} sets it for {UNIT} and takes precedence",
                setting.value
            ));
        } else if setting.file.as_path() > Path::new(OWN) {
            let file = setting.file.display();
            plan.note(format!("{key} will still be {}: {file} is read later and takes precedence", setting.value));
        }
    }
    if let Some(problem) = &config.options.problem {
        plan.note(format!("{problem}: cannot determine whether {UNIT} overrides these settings"));
    }
}

fn place(setting: &Setting) -> String {
    format!("{}:{}", setting.file.display(), setting.line)
}

fn metacopy(storage: &Storage, plan: &mut Plan) -> Result<bool> {
    let (from, options) = (storage.options.file.display().to_string(), &storage.options.value);
    if !has_metacopy(options) {
        return Ok(false);
    }
    match (storage.overlay, &storage.text) {
        (OverlaySupport::All, _) => Ok(false),
        (OverlaySupport::Unsupported, _) => {
            plan.note(format!("{from} is not changed: this kernel refuses {options} even without metacopy"));
            Ok(false)
        }
        (OverlaySupport::Unknown, _) => {
            plan.note(format!(
                "{from} has metacopy=on: whether this kernel supports it can only be tested by root on the running system"
            ));
            Ok(false)
        }
        (OverlaySupport::AllButMetacopy, None) => {
            plan.note(format!(
                "{} has metacopy=on, which this kernel refuses: with it CRI-O before 1.{IGNORES_METACOPY} cannot start \
                 pods; edge-crio does not edit this file",
                place(&storage.options)
            ));
            Ok(false)
        }
        (OverlaySupport::AllButMetacopy, Some(text)) => {
            let text = without_metacopy(&from, text)?;
            let details = vec![format!("mountopt: {options} without metacopy, which this kernel refuses")];
            let why = if from == STORAGE[0] {
                format!("with metacopy CRI-O before 1.{IGNORES_METACOPY} cannot start pods")
            } else {
                "replaces the distribution's file, without metacopy".to_owned()
            };
            write(plan, STORAGE[0], &storage.own, text, 0o644, &why, details);
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
