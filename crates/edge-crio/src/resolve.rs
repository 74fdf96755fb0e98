//! Where a version of CRI-O comes from for a system, or why it cannot be had: pure.

use edge_host::Arch;

use crate::knowledge::{Sources, address};
use crate::system::System;
use crate::version::Version;

/// A kind of source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A package from the project's repository.
    Apt,
    /// A static bundle.
    Bundle,
}

impl Kind {
    /// As on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Apt => "apt",
            Kind::Bundle => "bundle",
        }
    }
}

/// A source that has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// Which.
    pub kind: Kind,
    /// What it gives: of a bundle one release, of a repository the minor or the release asked for.
    pub version: Version,
    /// Address of the repository or the archive.
    pub url: String,
    /// Address of the repository's key.
    pub key: Option<String>,
    /// The key's fingerprint.
    pub fingerprint: Option<String>,
    /// The archive's SHA-256; none where only the user can name it.
    pub sha256: Option<String>,
    /// What is worth knowing.
    pub notes: Vec<String>,
}

/// A source that does not have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Which.
    pub kind: Kind,
    /// Why.
    pub why: String,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Resolution {
    /// Sources that have it, the preferred one first.
    pub offers: Vec<Offer>,
    /// Sources that do not.
    pub refusals: Vec<Refusal>,
    /// What is worth knowing, wherever it comes from.
    pub notes: Vec<String>,
    /// What can be done where there is no source.
    pub instead: Option<String>,
}

/// Other addresses than upstream's, with the places that knowledge's have.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Mirrors {
    /// Of the package repository.
    pub apt: Option<String>,
    /// Of the directory with the bundles, or of one archive.
    pub bundle: Option<String>,
}

/// The day on which it is asked: year, month, day.
pub type Day = (u32, u32, u32);

/// All that the question is about.
#[derive(Debug, Clone, Copy)]
pub struct Question<'q> {
    /// The version that is wanted.
    pub version: Version,
    /// For this system.
    pub system: &'q System,
    /// For this architecture.
    pub arch: Arch,
    /// From other addresses.
    pub mirrors: &'q Mirrors,
    /// On this day.
    pub today: Day,
    /// Sums of bundles that are known.
    pub bundles: &'q [(Version, String, String)],
}

/// Looks at each source.
pub fn resolve(sources: &Sources, question: &Question<'_>) -> Resolution {
    let mut found = Resolution::default();
    for source in [apt(sources, question), bundle(sources, question)] {
        match source {
            Ok(offer) => found.offers.push(offer),
            Err(refusal) => found.refusals.push(refusal),
        }
    }
    let system = question.system;
    let says = |note: &&crate::knowledge::SystemNote| note.id == system.id && note.version == system.version;
    found.notes.extend(sources.system.iter().filter(says).map(|note| note.note.clone()));
    let minor = question.version.minor;
    let support = &sources.support;
    let oldest = support.minors.first().copied().unwrap_or_default();
    let newest = support.minors.last().copied().unwrap_or_default();
    if minor < oldest {
        found.notes.push(format!(
            "CRI-O {} gets no fixes any more; 1.{oldest} to 1.{newest} did in {}",
            question.version.minor_text(),
            support.as_of
        ));
    }
    if found.offers.is_empty() {
        found.instead = Some(instead(sources, question));
    }
    found
}

/// What a user without any source can do.
fn instead(sources: &Sources, question: &Question<'_>) -> String {
    let newest = sources.support.newest_released;
    if question.arch.is_arm32() {
        return "a 64-bit system runs on a Raspberry Pi 3 and later; on this one containerd from the distribution is the \
                runtime to take, or CRI-O built from its source (Go builds for GOARCH=arm GOARM=7)"
            .to_owned();
    }
    if is_unborn(sources, question) {
        return format!("take 1.{newest}, the newest in {}", sources.support.as_of);
    }
    if question.version.minor < sources.bundle.first {
        return format!(
            "take 1.{} or newer; an old archive that you have is installed with --archive FILE --sha256 H",
            sources.bundle.first
        );
    }
    if sources.bundle.architectures.iter().any(|other| other == question.arch.debian()) {
        return format!(
            "name one release and its sum, from a place you trust: --version 1.{}.N --sha256 H takes the bundle",
            question.version.minor
        );
    }
    "build it from its source; an archive in the form of a bundle is installed with --archive FILE --sha256 H"
        .to_owned()
}

fn apt(sources: &Sources, question: &Question<'_>) -> Result<Offer, Refusal> {
    let Question { version, system, arch, .. } = *question;
    let (apt, minor) = (&sources.apt, version.minor);
    let no = |why: String| Err(Refusal { kind: Kind::Apt, why });
    if system.is_image {
        return no("apt is not run for an image: a package's scripts would run as root".to_owned());
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
    let mirror = question.mirrors.apt.as_deref();
    if minor < apt.first && mirror.is_none() {
        let gone = sources.dead.iter().filter(|dead| (dead.first..=dead.last).contains(&minor));
        let gone: Vec<String> = gone.map(|dead| format!("; {} {}", dead.name, dead.text)).collect();
        return no(format!("packages begin with 1.{}{}", apt.first, gone.concat()));
    }
    if is_unborn(sources, question) {
        return no(unborn(sources, question));
    }
    if mirror.is_none() && system.has_sqv && minor < apt.oldest_signed_anew {
        return no(format!(
            "the repository of {} is not signed anew, and this apt (which verifies with sqv) takes no such old signature since 2026-02-01",
            version.minor_text()
        ));
    }
    let mut notes = Vec::new();
    if let Some(days) = days_between(question.today, &apt.key_expires) {
        if mirror.is_none() && days < 0 {
            notes.push(format!(
                "the key known here ended on {}: upstream extends it under the same address, and the fingerprint stays",
                apt.key_expires
            ));
        } else if mirror.is_none() && days < KEY_WARNING_DAYS {
            notes.push(format!("the key ends on {}, in {days} days", apt.key_expires));
        }
    }
    if minor > sources.support.newest_released {
        notes.push(unborn(sources, question));
    }
    if mirror.is_none() {
        let frozen = sources.dead.iter().filter(|dead| (dead.first.max(apt.first)..=dead.last).contains(&minor));
        notes.extend(frozen.map(|dead| format!("not from {}: {}", dead.name, dead.text)));
    }
    if version.patch.is_some() {
        notes.push("a repository drops old releases of its minor: whether it has this one, apt will say".to_owned());
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

/// A key that ends within this many days is spoken of.
const KEY_WARNING_DAYS: i64 = 180;

fn bundle(sources: &Sources, question: &Question<'_>) -> Result<Offer, Refusal> {
    let Question { version, arch, .. } = *question;
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
    if is_unborn(sources, question) {
        return no(unborn(sources, question));
    }
    let known = question.bundles.iter().find(|(other, of, _)| version.takes(*other) && of == arch.debian());
    let mut notes = Vec::new();
    let (exact, sum) = match known {
        Some((exact, _, sum)) => (*exact, Some(sum.clone())),
        None if version.patch.is_some() && version.minor >= sources.bundle.first => {
            notes
                .push("its sum is not known here: get it from a place you trust, and name it with --sha256".to_owned());
            (version, None)
        }
        None if version.minor < sources.bundle.first => {
            return no(format!("bundles of releases begin with 1.{}", sources.bundle.first));
        }
        None => {
            return no(format!(
                "no release of {} is known here: name one (1.{}.N) and its --sha256",
                version.minor_text(),
                version.minor
            ));
        }
    };
    let url = match question.mirrors.bundle.as_deref() {
        None => address(&sources.bundle.url, exact, arch.goarch()),
        Some(mirror) if mirror.contains('{') || mirror.ends_with(".gz") => address(mirror, exact, arch.goarch()),
        Some(mirror) => format!("{}/{}", mirror.trim_end_matches('/'), archive_name(exact, arch)),
    };
    Ok(Offer { kind: Kind::Bundle, version: exact, url, key: None, fingerprint: None, sha256: sum, notes })
}

/// The name of a release's archive, as upstream gives it.
pub fn archive_name(version: Version, arch: Arch) -> String {
    format!("cri-o.{}.v{version}.tar.gz", arch.goarch())
}

/// Whether no such minor can be out by now: three come in a year.
fn is_unborn(sources: &Sources, question: &Question<'_>) -> bool {
    let support = &sources.support;
    let month = |text: &str| -> Option<u32> {
        let (year, month) = text.split_once('-')?;
        Some(year.parse::<u32>().ok()? * 12 + month.parse::<u32>().ok()?)
    };
    let then = month(&support.as_of).unwrap_or_default();
    let passed = (question.today.0 * 12 + question.today.1).saturating_sub(then);
    question.version.minor > support.newest_released + passed.div_ceil(4)
}

fn unborn(sources: &Sources, question: &Question<'_>) -> String {
    format!(
        "CRI-O {} was not released yet in {}, when 1.{} was the newest",
        question.version.minor_text(),
        sources.support.as_of,
        sources.support.newest_released
    )
}

/// Days from one to another, `2027-04-22`.
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
