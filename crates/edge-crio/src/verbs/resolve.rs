//! `edge-crio resolve`: shows the sources of a version.

use std::time::{SystemTime, UNIX_EPOCH};

use edge_host::{Arch, Error, Host, Outcome, Result, shown_url};
use serde_json::json;

use crate::address;
use crate::catalog::{self, Compatibility};
use crate::cli::{MirrorArgs, ResolveArgs};
use crate::resolve::{Day, Mirrors, Offer, Query, Refusal, Resolution, day_of, resolve};
use crate::system::System;
use crate::version::Version;

pub(crate) fn run(host: &mut Host, args: &ResolveArgs) -> Result<Outcome> {
    let mirrors = mirrors(&args.mirrors)?;
    let system = System::read(host)?;
    let arch = match args.arch {
        Some(arch) => arch,
        None => system.arch().map_err(|error| error.hint("specify it, for example --arch arm64"))?,
    };
    let found = find(args.version, &system, arch, &mirrors)?;
    let name = if system.name.is_empty() { "this system" } else { &system.name };
    host.report.line(&format!("CRI-O {} for {name}, {}", args.version, arch.debian()));
    for offer in &found.offers {
        show_offer(host, offer, arch);
    }
    for refusal in &found.refusals {
        show_refusal(host, refusal, args.version, arch);
    }
    for note in &found.notes {
        host.report.note(note);
    }
    if let Some(kubeedge) = args.kubeedge_version {
        match catalog::compatibility(args.version, kubeedge.minor)? {
            Compatibility::Compatible(text) => host.report.line(&text),
            Compatibility::Incompatible { reason, hint } => {
                return Err(Error::failed(format!("cannot use CRI-O {}: {reason}", args.version)).hint(hint));
            }
        }
        if let Some(problem) = catalog::keadm_problem(args.version, kubeedge)? {
            host.report.warning(&problem);
        }
    }
    match no_source(&found, args.version, &system, arch) {
        Some(error) => Err(error),
        None => Ok(Outcome::default()),
    }
}

/// Queries the catalog, with the current day.
pub(crate) fn find(version: Version, system: &System, arch: Arch, mirrors: &Mirrors) -> Result<Resolution> {
    let bundles = catalog::bundles()?;
    let query = Query { version, system, arch, mirrors, today: today(), bundles: &bundles };
    Ok(resolve(&catalog::sources()?, &query))
}

/// The mirrors of the options, validated. Errors: usage (2).
pub(crate) fn mirrors(args: &MirrorArgs) -> Result<Mirrors> {
    args.apt_mirror.as_deref().map(address::repository).transpose()?;
    args.bundle_mirror.as_deref().map(address::download).transpose()?;
    Ok(Mirrors { apt: args.apt_mirror.clone(), bundle: args.bundle_mirror.clone() })
}

/// The error if no source has the version.
pub(crate) fn no_source(found: &Resolution, version: Version, system: &System, arch: Arch) -> Option<Error> {
    let alternative = found.alternative.as_deref()?;
    let mut why: Vec<&str> = found.refusals.iter().map(|refusal| refusal.why.as_str()).collect();
    why.dedup();
    let name = if system.name.is_empty() { "this system" } else { &system.name };
    Some(
        Error::failed(format!("cannot find CRI-O {version} for {name} on {}: {}", arch.debian(), why.join("; ")))
            .hint(alternative),
    )
}

fn show_offer(host: &mut Host, offer: &Offer, arch: Arch) {
    host.report.line(&format!("{}: {} from {}", offer.kind.name(), offer.version, shown_url(&offer.url)));
    if let (Some(fingerprint), Some(key)) = (&offer.fingerprint, &offer.key) {
        host.report.line(&format!("    signed by {fingerprint}, {key}"));
    }
    if let Some(sum) = &offer.sha256 {
        host.report.line(&format!("    sha256 {sum}"));
    }
    for note in &offer.notes {
        host.report.line(&format!("    {note}"));
    }
    host.report.record(
        "source",
        json!({"source": offer.kind.name(), "available": true, "version": offer.version.to_string(),
               "arch": arch.debian(), "url": shown_url(&offer.url), "key": offer.key, "fingerprint": offer.fingerprint,
               "sha256": offer.sha256, "text": offer.notes.join("; ")}),
    );
}

fn show_refusal(host: &mut Host, refusal: &Refusal, version: Version, arch: Arch) {
    host.report.line(&format!("{}: not available: {}", refusal.kind.name(), refusal.why));
    host.report.record(
        "source",
        json!({"source": refusal.kind.name(), "available": false, "version": version.to_string(),
               "arch": arch.debian(), "url": null, "key": null, "fingerprint": null, "sha256": null,
               "text": refusal.why}),
    );
}

/// The current day by the host's clock; a clock that was never set only hides notes about later versions.
fn today() -> Day {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map(|passed| passed.as_secs()).unwrap_or_default();
    day_of(seconds)
}
