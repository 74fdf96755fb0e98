//! Finds the sources of a version of CRI-O for a system, or the reasons why there are none; pure.

use edge_host::Arch;

use crate::catalog::{Sources, address};
use crate::system::System;
use crate::version::Version;

/// The kind of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A package from the project's repository.
    Apt,
    /// A static bundle.
    Bundle,
}

impl Kind {
    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Apt => "apt",
            Kind::Bundle => "bundle",
        }
    }
}

/// A source that has the version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// The source.
    pub kind: Kind,
    /// What it provides: one release for a bundle, the requested version for a repository.
    pub version: Version,
    /// Address of the repository or the archive.
    pub url: String,
    /// Address of the repository's key.
    pub key: Option<String>,
    /// The key's fingerprint.
    pub fingerprint: Option<String>,
    /// The archive's SHA-256; none if the user must provide it.
    pub sha256: Option<String>,
    /// Notes about this source.
    pub notes: Vec<String>,
}

/// A source that does not have the version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The source.
    pub kind: Kind,
    /// Why.
    pub why: String,
}

/// The answer to a query.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Resolution {
    /// Sources that have the version, the preferred one first.
    pub offers: Vec<Offer>,
    /// Sources that do not have it.
    pub refusals: Vec<Refusal>,
    /// Notes that apply to any source.
    pub notes: Vec<String>,
    /// What the user can do without a source.
    pub alternative: Option<String>,
}

/// Addresses to use instead of upstream's, with the same placeholders.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Mirrors {
    /// Of the package repository.
    pub apt: Option<String>,
    /// Of the directory with the bundles, or of one archive.
    pub bundle: Option<String>,
}

/// A day: year, month, day.
pub type Day = (u32, u32, u32);

/// What the available sources depend on.
#[derive(Debug, Clone, Copy)]
pub struct Query<'q> {
    /// The requested version.
    pub version: Version,
    /// The system to install it on.
    pub system: &'q System,
    /// The architecture.
    pub arch: Arch,
    /// Mirrors.
    pub mirrors: &'q Mirrors,
    /// The current day.
    pub today: Day,
    /// Bundles with a known checksum.
    pub bundles: &'q [(Version, String, String)],
}

/// Queries each source.
pub fn resolve(sources: &Sources, query: &Query<'_>) -> Resolution {
    let mut found = Resolution::default();
    for source in [apt(sources, query), bundle(sources, query)] {
        match source {
            Ok(offer) => found.offers.push(offer),
            Err(refusal) => found.refusals.push(refusal),
        }
    }
    let system = query.system;
    let applies = |note: &&crate::catalog::SystemNote| note.id == system.id && note.version == system.version;
    found.notes.extend(sources.system.iter().filter(applies).map(|note| note.note.clone()));
    let minor = query.version.minor;
    let support = &sources.support;
    let oldest = support.minors.first().copied().unwrap_or_default();
    let newest = support.minors.last().copied().unwrap_or_default();
    if minor < oldest {
        found.notes.push(format!(
            "upstream no longer maintains CRI-O {}; it maintained 1.{oldest} to 1.{newest} in {}",
            query.version.minor_text(),
            support.as_of
        ));
    }
    if found.offers.is_empty() {
        found.alternative = Some(alternative(sources, query));
    }
    found
}

/// What the user can do without a source.
fn alternative(sources: &Sources, query: &Query<'_>) -> String {
    let newest = sources.support.newest_released;
    if query.arch.is_arm32() {
        return "install a 64-bit system, which a Raspberry Pi 3 or later supports; on this system use containerd from the \
                distribution, or build CRI-O from source (GOARCH=arm GOARM=7)"
            .to_owned();
    }
    if is_unreleased(sources, query) {
        return format!("use 1.{newest}, the newest version in {}", sources.support.as_of);
    }
    if query.version.minor < sources.bundle.first {
        return format!(
            "use 1.{} or newer; to install an old bundle, run edge-crio install with --archive FILE --sha256 HEX",
            sources.bundle.first
        );
    }
    if let Some(first) = sources.bundle.first_release.get(query.arch.debian())
        && first.parse().is_ok_and(|first: Version| query.version.minor < first.minor)
    {
        return format!("use {first} or newer");
    }
    if sources.bundle.architectures.iter().any(|other| other == query.arch.debian()) {
        return format!(
            "get an archive and its checksum from a trusted source, and give both: \
             edge-crio install --version 1.{}.N --archive FILE --sha256 HEX",
            query.version.minor
        );
    }
    "build it from source; to install an archive in the form of a bundle, run edge-crio install with --archive FILE --sha256 HEX"
        .to_owned()
}

fn apt(sources: &Sources, query: &Query<'_>) -> Result<Offer, Refusal> {
    let Query { version, system, arch, .. } = *query;
    let (apt, minor) = (&sources.apt, version.minor);
    let no = |why: String| Err(Refusal { kind: Kind::Apt, why });
    if system.is_image {
        return no("apt is not run in an image (--root), as the scripts of packages would run as root".to_owned());
    }
    if !system.has_apt {
        let name = if system.name.is_empty() { "this system" } else { &system.name };
        return no(format!("{name} has no apt-get"));
    }
    if !apt.architectures.iter().any(|other| other == arch.debian()) {
        return no(match arch.is_arm32() {
            true => format!("there are no packages for {}: CRI-O dropped 32-bit ARM with 1.25", arch.debian()),
            false => format!("there are no packages for {}, only for {}", arch.debian(), apt.architectures.join(", ")),
        });
    }
    let mirror = query.mirrors.apt.as_deref();
    if minor < apt.first && mirror.is_none() {
        let removed = sources.dead.iter().filter(|dead| (dead.first..=dead.last).contains(&minor));
        let removed: Vec<String> = removed.map(|dead| format!("; {}: {}", dead.name, dead.text)).collect();
        return no(format!("there are no packages before 1.{}{}", apt.first, removed.concat()));
    }
    if is_unreleased(sources, query) {
        return no(unreleased(sources, query));
    }
    if mirror.is_none() && system.has_sqv && minor < apt.oldest_signed_anew {
        return no(format!(
            "the signature of the repository of {} is too old: apt with sqv rejects it since 2026-02-01",
            version.minor_text()
        ));
    }
    let mut notes = Vec::new();
    if let Some(days) = days_between(query.today, &apt.key_expires) {
        if mirror.is_none() && days < 0 {
            notes.push(format!(
                "the known key expired on {}: upstream renews it at the same address, with the same fingerprint",
                apt.key_expires
            ));
        } else if mirror.is_none() && days < KEY_WARNING_DAYS {
            notes.push(format!("the key expires on {}, in {days} days", apt.key_expires));
        }
    }
    if minor > sources.support.newest_released {
        notes.push(unreleased(sources, query));
    }
    if mirror.is_none() {
        let frozen = sources.dead.iter().filter(|dead| (dead.first.max(apt.first)..=dead.last).contains(&minor));
        notes.extend(frozen.map(|dead| format!("do not use {}: {}", dead.name, dead.text)));
    }
    if version.patch.is_some() {
        notes.push("repositories drop old releases: apt will report whether this one is available".to_owned());
    }
    let url = address(mirror.unwrap_or(&apt.url), version, arch.goarch());
    let key = mirror.map_or_else(
        || address(&apt.key, version, arch.goarch()),
        |_| format!("{}/Release.key", url.trim_end_matches('/')),
    );
    Ok(Offer {
        kind: Kind::Apt,
        version,
        url,
        key: Some(key),
        fingerprint: Some(apt.fingerprint.clone()),
        sha256: None,
        notes,
    })
}

/// A key that expires within this many days is noted.
const KEY_WARNING_DAYS: i64 = 180;

fn bundle(sources: &Sources, query: &Query<'_>) -> Result<Offer, Refusal> {
    let Query { version, arch, .. } = *query;
    let no = |why: String| Err(Refusal { kind: Kind::Bundle, why });
    if !sources.bundle.architectures.iter().any(|other| other == arch.debian()) {
        return no(match arch.is_arm32() {
            true => format!("there are no bundles for {}: CRI-O dropped 32-bit ARM with 1.25", arch.debian()),
            false => format!(
                "there are no bundles for {}, only for {}",
                arch.debian(),
                sources.bundle.architectures.join(", ")
            ),
        });
    }
    if is_unreleased(sources, query) {
        return no(unreleased(sources, query));
    }
    let first = sources.bundle.first_release.get(arch.debian()).and_then(|first| first.parse::<Version>().ok());
    if let Some(first) =
        first.filter(|first| version.minor < first.minor || (version.patch.is_some() && version < *first))
    {
        return no(format!("there are no bundles for {} before {first}", arch.debian()));
    }
    let known = query.bundles.iter().find(|(other, of, _)| version.matches(*other) && of == arch.debian());
    let mut notes = Vec::new();
    let (exact, sum) = match known {
        Some((exact, _, sum)) => (*exact, Some(sum.clone())),
        None if version.patch.is_some() && version.minor >= sources.bundle.first => {
            notes.push("its checksum is unknown: get it from a trusted source, and name it with --sha256".to_owned());
            (version, None)
        }
        None if version.minor < sources.bundle.first => {
            return no(format!("there are no bundles before 1.{}", sources.bundle.first));
        }
        None => {
            return no(format!(
                "no release of {} has a known checksum: give --archive and --sha256",
                version.minor_text()
            ));
        }
    };
    let url = match query.mirrors.bundle.as_deref() {
        None => address(&sources.bundle.url, exact, arch.goarch()),
        Some(mirror) if mirror.contains('{') || mirror.ends_with(".gz") => address(mirror, exact, arch.goarch()),
        Some(mirror) => format!("{}/{}", mirror.trim_end_matches('/'), archive_name(exact, arch)),
    };
    Ok(Offer { kind: Kind::Bundle, version: exact, url, key: None, fingerprint: None, sha256: sum, notes })
}

/// Upstream's name of a release's archive.
pub fn archive_name(version: Version, arch: Arch) -> String {
    format!("cri-o.{}.v{version}.tar.gz", arch.goarch())
}

/// Whether this minor version cannot have been released yet: there are three a year.
fn is_unreleased(sources: &Sources, query: &Query<'_>) -> bool {
    let support = &sources.support;
    let month = |text: &str| -> Option<u32> {
        let (year, month) = text.split_once('-')?;
        Some(year.parse::<u32>().ok()? * 12 + month.parse::<u32>().ok()?)
    };
    let then = month(&support.as_of).unwrap_or_default();
    let passed = (query.today.0 * 12 + query.today.1).saturating_sub(then);
    query.version.minor > support.newest_released + passed.div_ceil(4)
}

fn unreleased(sources: &Sources, query: &Query<'_>) -> String {
    format!(
        "CRI-O {} was not released yet in {}, when 1.{} was the newest version",
        query.version.minor_text(),
        sources.support.as_of,
        sources.support.newest_released
    )
}

/// Days from a day until a date such as `2027-04-22`, negative if it has passed. None if it is not a date.
pub fn days_between(from: Day, until: &str) -> Option<i64> {
    let mut parts = until.split('-').map(|part| part.parse::<i64>().ok());
    let until = days(parts.next()??, parts.next()??, parts.next()??);
    Some(until - days(from.0.into(), from.1.into(), from.2.into()))
}

/// Days since the epoch of a day of the Gregorian calendar.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year - era * 400;
    let of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// The day of a number of seconds since the epoch.
pub fn day_of(seconds: u64) -> Day {
    let days = i64::try_from(seconds / 86_400).unwrap_or_default() + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days - era * 146_097;
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let small = |number: i64| u32::try_from(number).unwrap_or_default();
    (small(year), small(month), small(day))
}

#[cfg(test)]
mod tests;
