//! A finding of `check` about the file or layer that causes it.

use edge_host::Finding;

/// An error in a place such as `/etc/sysctl.d/99-site.conf:3` or `device tree bootargs`; none where it is not known.
pub(crate) fn finding(text: impl Into<String>, place: Option<&str>, hint: impl Into<String>) -> Finding {
    let place = place.unwrap_or_default();
    let split = place.rsplit_once(':').and_then(|(file, line)| Some((file, line.parse().ok()?)));
    let (file, line) = split.map_or((place, None), |(file, line)| (file, Some(line)));
    Finding::error(file, text).on_line(line).hint(hint)
}
