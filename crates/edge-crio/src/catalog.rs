//! Built-in knowledge of CRI-O's sources and versions, from data/*.toml.

use std::collections::BTreeMap;

use edge_host::{Error, Result};
use edge_kubeedge::{Minor, kubernetes};
use serde::Deserialize;

use crate::version::{KubeEdge, Version};

const SOURCES: &str = include_str!("../data/sources.toml");
const BUNDLES: &str = include_str!("../data/bundles.toml");
const SKEW: &str = include_str!("../data/skew.toml");
const KEADM: &str = include_str!("../data/keadm.toml");

/// The sources of CRI-O.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sources {
    /// Packages.
    pub apt: Apt,
    /// Static bundles.
    pub bundle: Bundle,
    /// The versions that upstream maintains.
    pub support: Support,
    /// Repositories that no longer exist.
    pub dead: Vec<Dead>,
    /// Notes about distributions.
    pub system: Vec<SystemNote>,
}

/// The package repositories.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Apt {
    /// Address of the flat repository of a minor version.
    pub url: String,
    /// Address of its signing key.
    pub key: String,
    /// The key's fingerprint.
    pub fingerprint: String,
    /// The day on which the key expires.
    pub key_expires: String,
    /// Name of the package.
    pub package: String,
    /// The oldest minor version in it.
    pub first: u32,
    /// Debian's names of the architectures.
    pub architectures: Vec<String>,
    /// The oldest minor version whose repository has a signature that sqv accepts.
    pub oldest_signed_anew: u32,
}

/// The static bundles.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bundle {
    /// Address of a release's archive.
    pub url: String,
    /// The oldest minor version at this address.
    pub first: u32,
    /// Debian's names of the architectures.
    pub architectures: Vec<String>,
    /// The first release for an architecture that was added later.
    pub first_release: BTreeMap<String, String>,
}

/// The versions that were supported when the data was written.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Support {
    /// The month, `2026-08`.
    pub as_of: String,
    /// Minor versions that get fixes, the oldest first.
    pub minors: Vec<u32>,
    /// The newest minor version at that time.
    pub newest_released: u32,
}

/// A repository that no longer exists.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dead {
    /// Its name in guides.
    pub name: String,
    /// Oldest minor version that it had.
    pub first: u32,
    /// Newest minor version that it had.
    pub last: u32,
    /// Its fate.
    pub text: String,
}

/// A note about a distribution.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SystemNote {
    /// ID of os-release.
    pub id: String,
    /// VERSION_ID of os-release.
    pub version: String,
    /// The note.
    pub note: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Skew {
    crio: CrioSkew,
    kubeedge: KubeEdgeSkew,
    keadm: KeadmSkew,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeadmSkew {
    first_pod: u16,
    crio_requires_uid: u32,
    beta_without_cri: u16,
    always_sends_uid: u16,
    sends_uid: BTreeMap<String, u16>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct CrioSkew {
    last_v1alpha2: u32,
    first_v1: u32,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct KubeEdgeSkew {
    last_v1alpha2_only: u32,
    first_v1_only: u32,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Keadm {
    flag: Vec<Flag>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Flag {
    flag: String,
    from: u32,
    last: Option<u32>,
}

/// Reads the table of sources.
pub fn sources() -> Result<Sources> {
    parse("sources", SOURCES)
}

/// Bundles with a known checksum: version, architecture, SHA-256 in hex; newest first.
pub fn bundles() -> Result<Vec<(Version, String, String)>> {
    let table: BTreeMap<String, BTreeMap<String, String>> = parse("bundles", BUNDLES)?;
    let mut all = Vec::new();
    for (version, sums) in table {
        let version: Version = version.parse().map_err(|error: String| broken("bundles", &error))?;
        all.extend(sums.into_iter().map(|(arch, sum)| (version, arch, sum)));
    }
    all.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    Ok(all)
}

/// Whether a version of KubeEdge can use a version of CRI-O, with an explanation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Compatibility {
    /// They have no CRI version in common.
    Incompatible {
        /// Why.
        reason: String,
        /// The versions to use instead: `use CRI-O 1.25 or older`.
        hint: String,
    },
    /// They have one in common.
    Compatible(String),
}

/// Compares the CRI versions of this CRI-O and this KubeEdge.
pub fn compatibility(crio: Version, kubeedge: Minor) -> Result<Compatibility> {
    let skew: Skew = parse("skew", SKEW)?;
    let (edge, minor) = (u32::from(kubeedge.number()), crio.minor);
    let crio_text = crio.minor_text();
    if edge <= skew.kubeedge.last_v1alpha2_only && minor > skew.crio.last_v1alpha2 {
        return Ok(Compatibility::Incompatible {
            reason: format!(
                "KubeEdge {kubeedge} only supports CRI v1alpha2, which CRI-O {crio_text} no longer supports"
            ),
            hint: format!("use CRI-O 1.{} or older", skew.crio.last_v1alpha2),
        });
    }
    if edge >= skew.kubeedge.first_v1_only && minor < skew.crio.first_v1 {
        return Ok(Compatibility::Incompatible {
            reason: format!("KubeEdge {kubeedge} only supports CRI v1, which CRI-O {crio_text} does not support yet"),
            hint: format!("use CRI-O 1.{} or newer", skew.crio.first_v1),
        });
    }
    let Some(inside) = kubernetes::of(kubeedge).map(|kubernetes| u32::from(kubernetes.inside)) else {
        return Ok(Compatibility::Compatible(format!(
            "edge-crio does not know KubeEdge {kubeedge}: whether it supports CRI-O {crio_text} is unknown"
        )));
    };
    let distance = match minor.cmp(&inside) {
        std::cmp::Ordering::Equal => "the same minor version as CRI-O, as both projects test".to_owned(),
        _ => {
            let distance = minor.abs_diff(inside);
            format!(
                "{distance} minor version{} {} than CRI-O: both support the same CRI version, but neither project tests this combination, only CRI-O 1.{inside}",
                if distance == 1 { "" } else { "s" },
                if inside < minor { "older" } else { "newer" }
            )
        }
    };
    Ok(Compatibility::Compatible(format!("KubeEdge {kubeedge} contains Kubernetes 1.{inside}, {distance}")))
}

/// Why `keadm join` of this version fails with this CRI-O, although edgecore can use it; none if it does not.
///
/// Without a patch release the releases that fail are named.
pub fn keadm_problem(crio: Version, kubeedge: KubeEdge) -> Result<Option<String>> {
    let KeadmSkew { first_pod, crio_requires_uid, beta_without_cri, always_sends_uid, sends_uid } =
        parse::<Skew>("skew", SKEW)?.keadm;
    let minor = kubeedge.minor.number();
    if minor == beta_without_cri {
        return Ok(Some(format!("keadm beta join of KubeEdge {kubeedge} refuses CRI-O: use keadm join")));
    }
    if crio.minor < crio_requires_uid || minor < first_pod || minor >= always_sends_uid {
        return Ok(None);
    }
    let cause = format!("it starts a pod without a UID, which CRI-O from 1.{crio_requires_uid} on refuses");
    let fixed = sends_uid.get(&minor.to_string());
    Ok(match (fixed, kubeedge.patch) {
        (Some(fixed), Some(patch)) if patch >= *fixed => None,
        (Some(fixed), Some(_)) => Some(format!(
            "keadm join of KubeEdge {kubeedge} fails with CRI-O {crio}: {cause}; use keadm 1.{minor}.{fixed} or newer"
        )),
        (Some(fixed), None) => Some(format!(
            "keadm join of KubeEdge before 1.{minor}.{fixed} fails with CRI-O {crio}: {cause}; use keadm 1.{minor}.{fixed} or newer"
        )),
        (None, _) => Some(format!(
            "keadm join of every KubeEdge {} fails with CRI-O {crio}: {cause}; use CRI-O 1.{} or older, or keadm deprecated join",
            kubeedge.minor,
            crio_requires_uid - 1
        )),
    })
}

/// The flags of `keadm join` of this version for a CRI runtime.
pub fn keadm_flags(kubeedge: Minor, socket: &str, driver: &str) -> Result<Vec<String>> {
    let table: Keadm = parse("keadm", KEADM)?;
    let minor = u32::from(kubeedge.number());
    let has = |flag: &&Flag| flag.from <= minor && flag.last.is_none_or(|last| minor <= last);
    let filled = |flag: &Flag| flag.flag.replace("{socket}", socket).replace("{driver}", driver);
    Ok(table.flag.iter().filter(has).map(filled).collect())
}

/// Replaces the placeholders of an address.
pub fn address(pattern: &str, version: Version, arch: &str) -> String {
    pattern.replace("{minor}", &version.minor_text()).replace("{version}", &version.to_string()).replace("{arch}", arch)
}

fn parse<T: serde::de::DeserializeOwned>(name: &str, text: &str) -> Result<T> {
    toml_edit::de::from_str(text).map_err(|error| broken(name, &error.to_string()))
}

fn broken(name: &str, cause: &str) -> Error {
    Error::failed(format!("cannot read the built-in data {name}: {cause}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_is_complete() {
        let sources = sources().unwrap();
        assert_eq!(sources.apt.fingerprint.len(), 40);
        assert!(sources.apt.url.contains("{minor}") && sources.bundle.url.contains("{version}"));
        let bundles = bundles().unwrap();
        assert!(bundles.len() > 60);
        assert!(bundles.iter().all(|(version, _, sum)| version.patch.is_some()
            && sum.len() == 64
            && sum.bytes().all(|byte| byte.is_ascii_hexdigit())));
        let newest = bundles.first().unwrap();
        assert_eq!((newest.0.minor, newest.1.as_str()), (sources.support.newest_released, "amd64"));
        // 1.34.10 is newer than 1.34.9.
        let of_34: Vec<_> = bundles.iter().filter(|row| row.0.minor == 34 && row.1 == "arm64").collect();
        assert!(of_34.is_sorted_by(|a, b| a.0 > b.0));
    }

    #[test]
    fn compatibility_needs_a_common_cri_version() {
        let fits = |crio: u32, edge: u16| match compatibility(Version::minor(crio), Minor::new(edge)).unwrap() {
            Compatibility::Incompatible { reason, hint } => format!("not: {reason}: {hint}"),
            Compatibility::Compatible(text) => text,
        };
        assert!(fits(26, 12).starts_with("not: KubeEdge 1.12 only supports CRI v1alpha2"));
        assert!(fits(26, 12).ends_with("use CRI-O 1.25 or older"));
        assert!(!fits(25, 12).starts_with("not"));
        assert!(fits(19, 15).ends_with("use CRI-O 1.20 or newer"));
        assert!(fits(32, 23).contains("the same minor version"));
        assert!(fits(34, 23).contains("2 minor versions older than CRI-O"), "{}", fits(34, 23));
        assert!(fits(30, 23).contains("2 minor versions newer"), "{}", fits(30, 23));
        assert!(fits(34, 18).contains("contains Kubernetes 1.29, 5 minor versions older"), "{}", fits(34, 18));
        for (edge, kubernetes) in [(7, 19), (9, 21), (10, 22), (11, 22), (18, 29), (19, 29)] {
            assert!(fits(24, edge).contains(&format!("Kubernetes 1.{kubernetes},")), "{}", fits(24, edge));
        }
        assert_eq!(fits(34, 40), "edge-crio does not know KubeEdge 1.40: whether it supports CRI-O 1.34 is unknown");
    }

    #[test]
    fn keadm_problem_depends_on_the_patch_release() {
        let of = |crio: &str, kubeedge: &str| {
            keadm_problem(crio.parse().unwrap(), kubeedge.parse().unwrap()).unwrap().unwrap_or_default()
        };
        for (fails, works) in [("1.16.4", "1.16.5"), ("v1.17.3", "1.17.4"), ("1.18.1", "1.18.2"), ("1.19.0", "1.19.1")]
        {
            assert!(of("1.29.2", fails).contains("fails with CRI-O 1.29.2"), "{fails}");
            assert_eq!(of("1.29.2", works), "", "{works}");
            assert_eq!(of("1.28.4", fails), "", "{fails}");
        }
        assert!(of("1.34", "1.18").starts_with("keadm join of KubeEdge before 1.18.2 fails with CRI-O 1.34: "));
        assert!(of("1.30.1", "1.15.4").starts_with("keadm join of every KubeEdge 1.15 fails"));
        assert_eq!(of("1.24", "1.10.3"), "keadm beta join of KubeEdge 1.10.3 refuses CRI-O: use keadm join");
        for none in ["1.9.5", "1.20.0", "1.23", "1.8"] {
            assert_eq!(of("1.34", none), "", "{none}");
        }
    }

    #[test]
    fn keadm_flags_are_those_of_the_version() {
        let flags = |edge: u16| keadm_flags(Minor::new(edge), "unix:///s", "systemd").unwrap().join(" ");
        assert_eq!(flags(4), "--runtimetype=remote --remote-runtime-endpoint=unix:///s");
        assert_eq!(flags(12), "--runtimetype=remote --remote-runtime-endpoint=unix:///s --cgroupdriver=systemd");
        assert_eq!(flags(23), "--remote-runtime-endpoint=unix:///s --cgroupdriver=systemd");
    }
}
