//! The sources of each version on each system.

use super::*;
use crate::catalog;

const TODAY: Day = (2026, 11, 21);

fn system(id: &str, version: &str, arch: &str) -> System {
    System {
        id: id.to_owned(),
        version: version.to_owned(),
        name: format!("{id} {version}"),
        arch: Some(arch.parse().unwrap()),
        has_apt: true,
        has_sqv: id == "debian" && version == "13",
        ..System::default()
    }
}

fn resolved(system: &System, version: &str, today: Day, mirrors: &Mirrors) -> Resolution {
    let query = Query {
        version: version.parse().unwrap(),
        system,
        arch: system.arch.unwrap(),
        mirrors,
        today,
        bundles: &catalog::bundles().unwrap(),
    };
    resolve(&catalog::sources().unwrap(), &query)
}

fn described(id: &str, os: &str, arch: &str, version: &str) -> String {
    let found = resolved(&system(id, os, arch), version, TODAY, &Mirrors::default());
    let mut lines: Vec<String> = found.offers.iter().map(offered).collect();
    lines.extend(found.refusals.iter().map(|refusal| format!("not {}: {}", refusal.kind.name(), refusal.why)));
    lines.extend(found.notes.iter().map(|note| format!("note: {note}")));
    lines.extend(found.alternative.iter().map(|text| format!("alternative: {text}")));
    lines.join("\n")
}

fn offered(offer: &Offer) -> String {
    let sum = offer.sha256.as_deref().map(|sum| format!(" {}", &sum[..8])).unwrap_or_default();
    let notes: Vec<String> = offer.notes.iter().map(|note| format!("\n    {note}")).collect();
    format!("{} {} {}{sum}{}", offer.kind.name(), offer.version, offer.url, notes.concat())
}

#[test]
fn resolve_explains_each_hard_case() {
    let cases = [
        ("debian", "12", "arm64", "1.34"),
        ("debian", "12", "amd64", "1.34.2"),
        ("raspbian", "12", "armhf", "1.34"),
        ("ubuntu", "20.04", "arm64", "1.19"),
        ("ubuntu", "22.04", "amd64", "1.25"),
        ("ubuntu", "22.04", "amd64", "1.25.4"),
        ("debian", "13", "amd64", "1.31"),
        ("debian", "13", "amd64", "1.35"),
        ("debian", "12", "amd64", "1.37"),
        ("debian", "12", "amd64", "1.99"),
        ("ubuntu", "18.04", "arm64", "1.34"),
        ("debian", "12", "riscv64", "1.36"),
        ("debian", "12", "s390x", "1.28.4"),
        ("debian", "12", "s390x", "1.28.5"),
        ("debian", "12", "s390x", "1.27"),
        ("debian", "12", "s390x", "1.30"),
    ];
    let table: Vec<String> = cases
        .iter()
        .map(|(id, os, arch, version)| format!("{id} {os} {arch} {version}\n{}\n", described(id, os, arch, version)))
        .collect();
    insta::assert_snapshot!(table.join("\n"));
}

#[test]
fn key_expiry_is_noted_in_advance() {
    let notes = |today: Day| {
        let found = resolved(&system("debian", "12", "amd64"), "1.36", today, &Mirrors::default());
        found.offers[0].notes.join("; ")
    };
    assert_eq!(notes((2026, 9, 1)), "");
    assert_eq!(notes((2027, 4, 12)), "the key expires on 2027-04-22, in 10 days");
    assert!(notes((2027, 4, 23)).starts_with("the known key expired on 2027-04-22: "));
}

#[test]
fn bundle_is_chosen_for_an_image_and_without_apt() {
    let kinds = |system: &System| -> Vec<&'static str> {
        resolved(system, "1.35", TODAY, &Mirrors::default()).offers.iter().map(|offer| offer.kind.name()).collect()
    };
    let image = System { is_image: true, ..system("debian", "12", "arm64") };
    assert_eq!(kinds(&image), ["bundle"]);
    let other = System { has_apt: false, ..system("alpine", "3.20", "arm64") };
    assert_eq!(kinds(&other), ["bundle"]);
    assert_eq!(kinds(&system("debian", "12", "arm64")), ["apt", "bundle"]);
}

#[test]
fn mirrors_replace_the_addresses() {
    let urls = |apt: &str, bundle: &str| -> Vec<String> {
        let mirrors = Mirrors { apt: Some(apt.to_owned()), bundle: Some(bundle.to_owned()) };
        let found = resolved(&system("debian", "12", "arm64"), "1.36.1", TODAY, &mirrors);
        found.offers.iter().flat_map(|offer| [Some(offer.url.clone()), offer.key.clone()]).flatten().collect()
    };
    assert_eq!(
        urls("https://m.example/v{minor}/", "https://m.example/b/"),
        [
            "https://m.example/v1.36/",
            "https://m.example/v1.36/Release.key",
            "https://m.example/b/cri-o.arm64.v1.36.1.tar.gz"
        ]
    );
    assert_eq!(
        urls("https://m.example/x", "https://m.example/{arch}/{version}.tgz")[2],
        "https://m.example/arm64/1.36.1.tgz"
    );
    // A mirror may have versions that upstream has removed.
    let mirrors = Mirrors { apt: Some("https://m.example".to_owned()), bundle: None };
    assert_eq!(resolved(&system("debian", "12", "amd64"), "1.22", TODAY, &mirrors).offers[0].kind, Kind::Apt);
}

#[test]
fn days_are_converted_both_ways() {
    assert_eq!(days_between((2024, 2, 28), "2024-03-01"), Some(2));
    assert_eq!(days_between((2027, 4, 22), "2026-04-22"), Some(-365));
    assert_eq!(days_between((2027, 4, 22), "soon"), None);
    for day in [(1970, 1, 1), (2000, 2, 29), (2026, 11, 21), (2100, 3, 1)] {
        let seconds = days(day.0.into(), day.1.into(), day.2.into()) * 86_400 + 7;
        assert_eq!(day_of(seconds as u64), day);
    }
}
