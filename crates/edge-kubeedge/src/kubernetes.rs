//! The Kubernetes in each version of KubeEdge, and the versions of Kubernetes that go with it.
//!
//! edgecore contains a kubelet of one version of Kubernetes, and reports it as `v1.32.10-kubeedge-v1.23.1`.

use std::cmp::Ordering;

use crate::Minor;

/// The table; its head explains the fields.
const TABLE: &str = include_str!("../data/kubernetes.versions");
/// Between the two versions that edgecore reports as that of its kubelet (kubeedge v1.4 to v1.23 `edge/pkg/edged`).
const JOINT: &str = "-kubeedge-";

/// The Kubernetes of one minor version of KubeEdge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kubernetes {
    /// The N of the Kubernetes 1.N that it contains.
    pub inside: u16,
    /// The oldest minor version that KubeEdge's README calls exactly compatible.
    pub oldest: u16,
    /// The newest one.
    pub newest: u16,
}

/// The Kubernetes of a version of KubeEdge; none if that is not in the table.
#[must_use]
pub fn of(kubeedge: Minor) -> Option<Kubernetes> {
    rows().find(|(known, _)| *known == kubeedge).map(|(_, kubernetes)| kubernetes)
}

/// The oldest and the newest version of KubeEdge that is compatible with a minor version of Kubernetes; none if no known one
/// is.
#[must_use]
pub fn compatible_with(kubernetes: u16) -> Option<(Minor, Minor)> {
    let fits = |(_, row): &(Minor, Kubernetes)| row.compare(kubernetes) == Ordering::Equal;
    let mut all = rows().filter(fits).map(|(kubeedge, _)| kubeedge);
    let oldest = all.next()?;
    Some((oldest, all.last().unwrap_or(oldest)))
}

impl Kubernetes {
    /// Whether a minor version of Kubernetes is older or newer than those that are compatible.
    #[must_use]
    pub fn compare(self, kubernetes: u16) -> Ordering {
        match kubernetes {
            _ if kubernetes < self.oldest => Ordering::Less,
            _ if kubernetes > self.newest => Ordering::Greater,
            _ => Ordering::Equal,
        }
    }
}

/// The versions in what a node reports as that of its kubelet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reported {
    /// That of a kubelet: the N of 1.N.
    Kubelet(u16),
    /// That of an edgecore.
    EdgeCore(Minor),
    /// That of an edgecore whose version is not a release, such as one that was built from a checkout.
    UnknownEdgeCore(String),
    /// Neither.
    Unknown,
}

/// Reads `kubeletVersion` of a node: `v1.31.2`, `v1.32.10-kubeedge-v1.23.1`.
#[must_use]
pub fn reported(version: &str) -> Reported {
    match version.split_once(JOINT) {
        Some((_, own)) => own.parse().map_or_else(|_| Reported::UnknownEdgeCore(own.to_owned()), Reported::EdgeCore),
        None => minor(version).map_or(Reported::Unknown, Reported::Kubelet),
    }
}

/// The N of `v1.N.P`, which may have a suffix.
fn minor(version: &str) -> Option<u16> {
    let rest = version.strip_prefix("v1.")?;
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    rest.get(..digits)?.parse().ok()
}

fn rows() -> impl Iterator<Item = (Minor, Kubernetes)> {
    TABLE.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
        let mut fields = line.split_whitespace().map(|field| Minor::bare(field).map(Minor::number));
        let mut next = || fields.next().flatten();
        let kubeedge = Minor::new(next()?);
        Some((kubeedge, Kubernetes { inside: next()?, oldest: next()?, newest: next()? }))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Kind;
    use crate::schema::Table;

    #[test]
    fn every_version_of_the_key_table_has_a_row() {
        let known: Vec<u16> = rows().map(|(kubeedge, _)| kubeedge.number()).collect();
        assert_eq!(known.len(), TABLE.lines().filter(|line| !line.starts_with('#')).count(), "a row is damaged");
        let expected: Vec<u16> = (Table::OLDEST.number()..=Table::of(Kind::EdgeCore).newest().number()).collect();
        assert_eq!(known, expected);
        for (kubeedge, row) in rows() {
            // What KubeEdge contains is the newest that it is compatible with, or one of the few before.
            assert!(row.oldest <= row.inside && row.inside <= row.newest, "{kubeedge}: {row:?}");
        }
    }

    #[test]
    fn kubernetes_is_compared_with_those_that_are_compatible() {
        let row = of(Minor::new(23)).unwrap();
        assert_eq!(row, Kubernetes { inside: 32, oldest: 30, newest: 32 });
        assert_eq!([29, 30, 32, 33].map(|minor| row.compare(minor)), {
            use Ordering::{Equal, Greater, Less};
            [Less, Equal, Equal, Greater]
        });
        assert_eq!(of(Minor::new(40)), None);
        assert_eq!(compatible_with(29), Some((Minor::new(18), Minor::new(22))));
        assert_eq!(compatible_with(32), Some((Minor::new(23), Minor::new(23))));
        assert_eq!(compatible_with(99), None);
    }

    #[test]
    fn reported_version_is_that_of_edgecore_or_of_a_kubelet() {
        for (text, want) in [
            ("v1.32.10-kubeedge-v1.23.1", Reported::EdgeCore(Minor::new(23))),
            ("v1.19.3-kubeedge-v1.8.2", Reported::EdgeCore(Minor::new(8))),
            ("v1.22.6-kubeedge-v1.12.0-beta.0+abc", Reported::EdgeCore(Minor::new(12))),
            (
                "v1.30.7-kubeedge-v0.0.0-master+$Format:%h$",
                Reported::UnknownEdgeCore("v0.0.0-master+$Format:%h$".to_owned()),
            ),
            ("v1.31.2", Reported::Kubelet(31)),
            ("v1.30.4+k3s1", Reported::Kubelet(30)),
            ("v1.30.4-eks-1234", Reported::Kubelet(30)),
            ("1.30", Reported::Unknown),
            ("v2.0.0", Reported::Unknown),
            ("v1.", Reported::Unknown),
            ("", Reported::Unknown),
        ] {
            assert_eq!(reported(text), want, "{text}");
        }
    }
}
