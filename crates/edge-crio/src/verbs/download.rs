//! `edge-crio download`.

use std::path::Path;

use edge_host::{Error, Exit, Host, Mode, Outcome, Result, Root, out_root};
use serde_json::json;

use crate::bundle::sum_of;
use crate::cli::{DownloadArgs, MirrorArgs};
use crate::fetch;
use crate::resolve::{Kind, archive_name};
use crate::system::System;
use crate::verbs::resolve::{find, mirrors};
use crate::verbs::source::{Said, agreed};

const SUMS: &str = "SHA256SUMS";

pub(crate) fn run(host: &mut Host, args: &DownloadArgs) -> Result<Outcome> {
    let mirrors = mirrors(&MirrorArgs { apt_mirror: None, bundle_mirror: args.bundle_mirror.clone() })?;
    let found = find(args.version, &System::default(), args.arch, &mirrors)?;
    let offer = found.offers.iter().find(|offer| offer.kind == Kind::Bundle).ok_or_else(|| {
        let why = found
            .refusals
            .iter()
            .find(|refusal| refusal.kind == Kind::Bundle)
            .map_or("", |refusal| refusal.why.as_str());
        Error::failed(format!("cannot download CRI-O {} for {}: {why}", args.version, args.arch.debian()))
    })?;
    let sum = agreed(args.sha256.as_deref().map(Said::Option), offer.sha256.as_deref(), &offer.url)?;
    let to = directory(&args.to)?;
    let name = archive_name(offer.version, args.arch);
    let (path, shown) = (Path::new("/").join(&name), args.to.join(&name));
    let shown_text = shown.display().to_string();
    if let Some(mut file) = to.open(&path)? {
        if sum_of(host, &mut file, &shown_text)? == sum {
            list(&to, &name, &sum, host.mode)?;
            host.report.line(&format!("{shown_text} is there already"));
            return Ok(done(host, &shown_text, &sum, false));
        }
    }
    if host.mode == Mode::DryRun {
        host.report.line(&format!("would download {} to {shown_text}, sha256 {sum}", offer.url));
        return Ok(Outcome { exit: Exit::Differs, ..done(host, &shown_text, &sum, true) });
    }
    // What was begun is removed when the user stops it.
    host.catch_signals()?;
    let mut file = to.new_file(&path, 0o644)?;
    let got = fetch::fetch(host, &offer.url, None, &mut file)?;
    if got != sum {
        return Err(Error::refused(format!("cannot use {}: its SHA-256 is {got}, and it must be {sum}", offer.url))
            .hint("it is damaged, of another release, or was changed on the way; nothing was kept"));
    }
    file.finish()?;
    list(&to, &name, &sum, host.mode)?;
    host.report.line(&format!("downloaded {shown_text}, sha256 {sum}"));
    Ok(done(host, &shown_text, &sum, true))
}

fn done(host: &mut Host, path: &str, sum: &str, changed: bool) -> Outcome {
    host.report.record("file", json!({"path": path, "sha256": sum}));
    Outcome { changed, ..Outcome::default() }
}

/// A directory of the operator's.
fn directory(path: &Path) -> Result<Root> {
    out_root(path).map_err(|error| match error.hint_text() {
        Some(_) => error,
        None => error.hint("make it first, or name another"),
    })
}

/// Puts the archive into the list that `install --offline` and sha256sum -c read.
fn list(to: &Root, name: &str, sum: &str, mode: Mode) -> Result<()> {
    let path = Path::new("/").join(SUMS);
    let before = to.read(&path)?.unwrap_or_default();
    let before = String::from_utf8_lossy(&before).into_owned();
    let line = format!("{sum}  {name}");
    if mode == Mode::DryRun || before.lines().any(|other| other == line) {
        return Ok(());
    }
    let others = before
        .lines()
        .filter(|other| other.split_once(' ').is_none_or(|(_, of)| of.trim_start_matches([' ', '*']) != name));
    let text: String = others.chain([line.as_str()]).map(|line| format!("{line}\n")).collect();
    let mut file = to.new_file(&path, 0o644)?;
    std::io::Write::write_all(&mut file, text.as_bytes())
        .map_err(|cause| Error::io("write", to.display(&path), &cause))?;
    file.finish()
}
