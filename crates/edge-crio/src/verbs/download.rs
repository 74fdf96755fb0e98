//! `edge-crio download`: a bundle for another machine.

use std::path::Path;

use edge_fetch::{checksum, folder};
use edge_host::{Error, Exit, Host, Mode, Outcome, Result, Root, out_root, shown_url};
use serde_json::json;

use crate::cli::{DownloadArgs, MirrorArgs};
use crate::resolve::{Kind, archive_name};
use crate::system::System;
use crate::verbs::resolve::{find, mirrors};
use crate::verbs::source::{GivenChecksum, download, expected_checksum};

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
    let sum =
        expected_checksum(args.sha256.as_deref().map(GivenChecksum::Option), offer.sha256.as_deref(), &offer.url)?;
    let to = directory(&args.to)?;
    let name = archive_name(offer.version, args.arch);
    let (path, shown) = (Path::new("/").join(&name), args.to.join(&name));
    let shown_text = shown.display().to_string();
    if let Some(mut file) = to.open(&path)?
        && checksum(&mut file, &shown_text, &|| host.check_interrupt())? == sum
    {
        if host.mode == Mode::Apply {
            folder::add_sum(&to, &name, &sum)?;
        }
        host.report.line(&format!("{shown_text} is already downloaded, sha256 {sum}"));
        host.report.up_to_date();
        let outcome = done(host, &shown_text, &sum, false);
        if host.mode == Mode::DryRun {
            host.report.record("plan", json!({"actions": 0}));
        }
        return Ok(outcome);
    }
    if host.mode == Mode::DryRun {
        let url = shown_url(&offer.url);
        host.report.would_change(&format!("would download {url} to {shown_text}, sha256 {sum}"));
        return Ok(Outcome { exit: Exit::Differs, changed: true, ..Outcome::default() });
    }
    // An interrupted download is removed.
    host.catch_signals()?;
    let mut file = to.new_file(&path, 0o644)?;
    let got = download(host, &offer.url, None, &mut file)?;
    if got != sum {
        return Err(Error::refused(format!(
            "cannot use {}: its SHA-256 is {got}, expected {sum}",
            shown_url(&offer.url)
        ))
        .hint("it is damaged, of another release, or was modified in transit; download it again"));
    }
    file.finish()?;
    folder::add_sum(&to, &name, &sum)?;
    host.report.line(&format!("downloaded {shown_text}, sha256 {sum}"));
    host.report.count(1);
    Ok(done(host, &shown_text, &sum, true))
}

fn done(host: &mut Host, path: &str, sum: &str, changed: bool) -> Outcome {
    host.report.record("file", json!({"path": path, "sha256": sum}));
    Outcome { changed, ..Outcome::default() }
}

/// A directory that the user named.
fn directory(path: &Path) -> Result<Root> {
    out_root(path).map_err(|error| match error.hint_text() {
        Some(_) => error,
        None => error.hint(format!("create it first: mkdir -p {}", path.display())),
    })
}
