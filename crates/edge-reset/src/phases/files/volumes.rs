//! Volumes whose directory contains files although nothing is mounted there: an application has written them while the
//! volume was not mounted, and nobody looks for them.

use std::path::Path;

use edge_host::Result;

use super::finder::Finder;
use crate::phases::mounts::unmounted_volumes;

/// How many are named.
const SHOWN: usize = 3;

/// A line for each of the first, and the number of the others.
pub(super) fn not_mounted(finder: &Finder<'_>, root: &Path) -> Result<Vec<String>> {
    let found = unmounted_volumes(finder.host, finder.context, root)?;
    let more = found.len().saturating_sub(SHOWN);
    let mut lines: Vec<String> = found
        .into_iter()
        .take(SHOWN)
        .map(|(path, count)| {
            let entries = if count == 1 { "entry" } else { "entries" };
            format!("{} holds {count} {entries} though nothing is mounted", path.display())
        })
        .collect();
    lines.extend((more > 0).then(|| format!("and so do {more} more")));
    Ok(lines)
}
