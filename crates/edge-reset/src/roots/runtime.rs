//! The directories of CRI-O and containerd.

use std::path::Path;

use edge_conflist::containerd::Containerd;
use edge_conflist::crio::{self, Options, Setting, line_at};
use edge_host::{Error, Host, Result};
use edge_systemd::Units;
use toml_edit::{Document, Item};

use super::{DEFAULT, RootDir, Roots, add, at_word, option, words};

const STORAGE_CONF: &str = "/etc/containers/storage.conf";
const CONTAINERD_ROOT: &str = "/var/lib/containerd";
const CONTAINERD_STATE: &str = "/run/containerd";
const CONTAINERD_UNIT: &str = "containerd.service";

const CRIO: &[&str] = &["cri-o"];
const CONTAINERD: &[&str] = &["containerd"];

/// CRI-O's settings, those of storage.conf that they override, and the defaults (cri-o `pkg/config/config.go`).
const ROOT: (&str, &str, &str) = ("crio.root", "storage.graphroot", "/var/lib/containers/storage");
const RUNROOT: (&str, &str, &str) = ("crio.runroot", "storage.runroot", "/run/containers/storage");
const NAMESPACES: (&str, &str, &str) = ("crio.runtime.namespaces_dir", "", "/run");
const EXITS: (&str, &str, &str) = ("crio.runtime.container_exits_dir", "", "/run/crio/exits");
const SOCKETS: (&str, &str, &str) = ("crio.runtime.container_attach_socket_dir", "", "/run/crio");

/// Reads all of them.
pub(super) fn read(host: &Host, units: &Units<'_>, roots: &mut Roots) {
    add(&mut roots.crio_exits, EXITS.2, DEFAULT, CRIO);
    add(&mut roots.crio_sockets, SOCKETS.2, DEFAULT, CRIO);
    let read = crio(host, roots);
    roots.found(read);
    let read = containerd(host, units, roots);
    roots.found(read);
    for (all, path, creators) in [
        (&mut roots.crio, ROOT.2, CRIO),
        (&mut roots.crio_run, RUNROOT.2, CRIO),
        (&mut roots.crio_namespaces, NAMESPACES.2, CRIO),
        (&mut roots.containerd, CONTAINERD_ROOT, CONTAINERD),
        (&mut roots.containerd_state, CONTAINERD_STATE, CONTAINERD),
    ] {
        if all.is_empty() {
            add(all, path, DEFAULT, creators);
        }
    }
}

fn crio(host: &Host, roots: &mut Roots) -> Result<()> {
    let options = Options::read(&host.root);
    if let Some(problem) = &options.problem {
        return Err(Error::failed(problem.clone()));
    }
    let storage = options.storage_conf.clone().unwrap_or_else(|| STORAGE_CONF.into());
    let mut files = vec![];
    if let Some(bytes) = host.root.read(&storage)? {
        files.push((storage, bytes));
    }
    files.extend(crio::loaded(host, &options)?.into_iter().map(|(path, file)| (path, file.bytes)));
    let sets = [
        (&mut roots.crio, ROOT),
        (&mut roots.crio_run, RUNROOT),
        (&mut roots.crio_namespaces, NAMESPACES),
        (&mut roots.crio_exits, EXITS),
        (&mut roots.crio_sockets, SOCKETS),
    ];
    for (all, keys) in sets {
        let mut found = None;
        for (path, bytes) in &files {
            for key in [keys.0, keys.1].into_iter().filter(|key| !key.is_empty()) {
                found = setting(host, path, bytes, key)?.or(found);
            }
        }
        set(host, all, options.text(keys.0).or(found), keys.0);
    }
    Ok(())
}

fn set(host: &Host, all: &mut Vec<RootDir>, found: Option<Setting>, key: &str) {
    if let Some(found) = found.filter(|found| !found.value.is_empty()) {
        let source = format!("{}:{} ({key})", host.root.display(&found.file).display(), found.line);
        add(all, &found.value, source, CRIO);
    }
}

/// The text at a dotted key of a TOML file.
fn setting(host: &Host, path: &Path, bytes: &[u8], key: &str) -> Result<Option<Setting>> {
    let text = String::from_utf8_lossy(bytes);
    let document = Document::parse(text.as_ref())
        .map_err(|error| Error::cannot("read", host.root.display(path), error.message()))?;
    let mut item: Option<&Item> = Some(document.as_item());
    for part in key.split('.') {
        item = item.and_then(|item| item.get(part));
    }
    Ok(item.and_then(|item| {
        let line = line_at(&text, item.span().map_or(0, |span| span.start));
        Some(Setting { value: item.as_str()?.to_owned(), file: path.to_path_buf(), line })
    }))
}

fn containerd(host: &Host, units: &Units<'_>, roots: &mut Roots) -> Result<()> {
    let words = words(host, units, CONTAINERD_UNIT)?;
    for (name, all) in [("--root", &mut roots.containerd), ("--state", &mut roots.containerd_state)] {
        if let Some((word, value)) = option(&words, &[name]) {
            add(all, value, at_word(host, word, name), CONTAINERD);
        }
    }
    let Some(found) = Containerd::read(host)? else { return Ok(()) };
    for (set, all) in [(found.root, &mut roots.containerd), (found.state, &mut roots.containerd_state)] {
        if let Some(set) = set.filter(|_| all.is_empty()) {
            let source = format!("{}:{}", host.root.display(&set.file).display(), set.line);
            add(all, &set.value.to_string_lossy(), source, CONTAINERD);
        }
    }
    Ok(())
}
