//! Finds the known path that is most similar to a mistyped one.

/// Of the paths with as many keys as `path`, the one with the fewest letters to change; none if
/// a key differs too much to be a typing error.
pub(super) fn closest<'a>(path: &[&str], known: impl Iterator<Item = &'a str>) -> Option<String> {
    let keys: Vec<String> = path
        .iter()
        .filter(|step| !step.starts_with('['))
        .map(|step| step.chars().take(64).collect::<String>().to_ascii_lowercase())
        .collect();
    known
        .filter_map(|candidate| distance(&keys, candidate).map(|cost| (cost, candidate)))
        .min_by_key(|(cost, _)| *cost)
        .map(|(_, candidate)| candidate.to_owned())
}

fn distance(keys: &[String], candidate: &str) -> Option<usize> {
    if candidate.split('.').count() != keys.len() {
        return None;
    }
    candidate.split('.').zip(keys).try_fold(0, |sum, (own, key)| {
        let own = own.trim_end_matches("[]").to_ascii_lowercase();
        let allowed = (own.len() / 4).max(1);
        // At least as many letters differ as the lengths do: most pairs end here.
        let cost = if own == *key {
            0
        } else if own.len().abs_diff(key.len()) > allowed {
            return None;
        } else {
            edits(own.as_bytes(), key.as_bytes())
        };
        (cost <= allowed).then_some(sum + cost)
    })
}

/// Letters to insert, remove, replace or swap with their neighbour to turn `a` into `b`.
fn edits(a: &[u8], b: &[u8]) -> usize {
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, &x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, &y) in b.iter().enumerate() {
            let mut cost = (last[j] + usize::from(x != y)).min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && x == b[j - 1] && a[i - 1] == y {
                cost = cost.min(before_last[j - 1] + 1);
            }
            row.push(cost);
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_count_letters() {
        for (a, b, count) in [
            ("", "", 0),
            ("enable", "enable", 0),
            ("enable", "enabel", 1),
            ("enable", "enabled", 1),
            ("server", "sever", 1),
            ("abc", "xyz", 3),
            ("", "ab", 2),
        ] {
            assert_eq!(edits(a.as_bytes(), b.as_bytes()), count, "{a} {b}");
        }
    }

    #[test]
    fn closest_path_has_as_many_keys() {
        let known = ["modules.edgeHub.enable", "modules.edgeHub", "modules.edged.enable"];
        let near = |path: &[&str]| closest(path, known.into_iter());
        assert_eq!(near(&["modules", "edgeHubb", "enabled"]).as_deref(), Some("modules.edgeHub.enable"));
        assert_eq!(near(&["module", "edged", "enable"]).as_deref(), Some("modules.edged.enable"));
        assert_eq!(near(&["modules", "cloudHub"]), None);
    }
}
