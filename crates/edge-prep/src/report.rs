//! A finding of `verify` about the layer that makes it so.

use edge_host::Finding;

/// An error of a layer: `/etc/sysctl.d/99-site.conf:3`, `device tree bootargs`; none where no layer is known.
pub(crate) fn fault(text: impl Into<String>, layer: Option<&str>, hint: &str) -> Finding {
    let layer = layer.unwrap_or_default();
    let place = layer.rsplit_once(':').and_then(|(file, line)| Some((file, line.parse().ok()?)));
    let (file, line) = place.map_or((layer, None), |(file, line)| (file, Some(line)));
    Finding::error(file, text).on_line(line).hint(hint)
}
