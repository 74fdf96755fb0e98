//! `edge-cni conf bridge`: writes the network of pods on a bridge, in a CNI version that plugins and runtimes support.

use std::path::{Path, PathBuf};

use edge_fetch::sha256;
use edge_host::action::Bytes;
use edge_host::{
    Error, Exit, Host, Inverse, Mode, Node, OutState, Outcome, Plan, Result, State, apply, out_file, out_state,
};

use edge_conflist::crio;
use serde_json::json;

use crate::cli::BridgeArgs;
use crate::conflist::{self, CONF_DIR, File};
use crate::facts::{oldest_runtime, plugin_versions};
use crate::networks::networks;
use crate::plan;
use crate::record;
use crate::request::{Network, absolute};
use crate::version::Cni;

const STDOUT: &str = "-";

pub(crate) fn run(host: &mut Host, args: &BridgeArgs) -> Result<Outcome> {
    absolute(&args.bin_dir)?;
    let request = Network::new(&args.name, &args.subnets)?;
    let path = Path::new(CONF_DIR).join(format!("10-{}.conflist", request.name));
    let to_stdout = args.out.as_deref() == Some(Path::new(STDOUT));
    if to_stdout && host.report.is_json() {
        return Err(Error::usage("cannot use --json with --out -: the document goes to standard output"));
    }
    if args.out.is_none() {
        host.prepare_change()?;
    }
    let files = conflist::files(host, Path::new(CONF_DIR))?;
    let others: Vec<&File> = files.iter().filter(|file| file.path != path).collect();
    let networks = networks(host)?;
    if networks.is_none() {
        host.report.note("the routes of the image are unknown: the subnet may overlap one of them");
    }
    plan::refuse_overlaps(&request, networks.as_ref(), &others)?;
    let document = plan::document(&request, version(host, args)?)?;
    match &args.out {
        Some(_) if to_stdout => {
            host.report.document(document.as_bytes())?;
            Ok(Outcome::default())
        }
        Some(out) => to_file(host, out, &document),
        None => to_host(host, &request, path, document, &others),
    }
}

fn version(host: &mut Host, args: &BridgeArgs) -> Result<Cni> {
    let plugins = plugin_versions(host, args)?;
    if args.cni_version.is_some() {
        return plan::version(&plugins, args.cni_version);
    }
    let (plugins, note) = plan::limit_to_runtime(plugins, oldest_runtime(host)?.as_ref());
    let version = plan::version(&plugins, None)?;
    if let Some(text) = note.filter(|_| version < Cni::NEWEST) {
        host.report.note(&text);
    }
    Ok(version)
}

/// Writes the caller's own file, which is never below --root; its directory is not created.
fn to_file(host: &mut Host, out: &Path, document: &str) -> Result<Outcome> {
    let dir = out.parent().filter(|dir| !dir.as_os_str().is_empty());
    if let Some(dir) = dir.filter(|dir| !dir.is_dir()) {
        let dir = dir.display();
        return Err(Error::cannot("write", out, format!("the directory {dir} does not exist"))
            .hint(format!("create it: mkdir -p {dir}; without --out the file is written to {CONF_DIR}")));
    }
    let before = out_state(out, document.as_bytes())?;
    if before == OutState::Same {
        host.report.up_to_date();
        if host.mode == Mode::DryRun {
            host.report.record("plan", json!({"actions": 0}));
        }
        return Ok(Outcome::default());
    }
    if host.mode == Mode::DryRun {
        host.report.would_change(&format!("would write {}", out.display()));
        return Ok(Outcome { exit: Exit::Differs, changed: true, ..Outcome::default() });
    }
    out_file(out, document.as_bytes())?;
    // A stream may be standard output itself, whose reader expects only the document.
    if before != OutState::Stream {
        host.report.line(&format!("wrote {}", out.display()));
    }
    Ok(Outcome { changed: true, ..Outcome::default() })
}

fn to_host(host: &mut Host, request: &Network, path: PathBuf, document: String, others: &[&File]) -> Result<Outcome> {
    let mut record = record::read(host)?;
    let before = host.root.find(&path)?;
    let shown = path.to_string_lossy().into_owned();
    let mut plan = Plan::new();
    if let State::File { sha256, .. } = &before.state
        && before.bytes != document.as_bytes()
        && !record.is_installed(&shown, sha256)
    {
        return Err(Error::refused(format!(
            "cannot write {}: it was not written by edge-cni, or was changed since",
            host.root.display(&path).display()
        ))
        .hint("use another --name, or move the file away"));
    }
    let first = others.iter().find(|other| other.content.is_ok() && other.path < path);
    if let Some(first) = first {
        plan.note(format!("{} comes first: runtimes use that network", first.path.display()));
    }
    let places = crio::places(host)?;
    if places.conf_dir != Path::new(CONF_DIR) {
        let dir = places.conf_dir.display();
        plan.note(format!("CRI-O is set to {dir} and does not read {CONF_DIR}: to write the network there, use --out"));
    }
    if let Some(default) = places.default_network.as_ref().filter(|default| default.value != request.name) {
        let (file, name) = (default.file.display(), &default.value);
        plan.note(format!("{file} limits CRI-O to the network {name}, so it does not use this one: use --name {name}"));
    }
    let sum = sha256(&document);
    record.replace(&shown, &before.state, &sum);
    record.conflists.insert(shown, sum);
    record::plan(host, &record, &mut plan)?;
    if before.bytes != document.as_bytes() {
        let node = Node::File { content: Bytes::Known(document.into_bytes()), mode: 0o644 };
        let why = format!("the network {}", request.name);
        plan.write(path, before, node, Inverse::Whole, why);
    }
    apply(host, plan)
}
