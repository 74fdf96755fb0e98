//! The edge node that bench and demo work on: default configurations, made from the key table.

use anyhow::{Context, Result};
use edge_kubeedge::Kind;
use edgeutils_tests::defaults::render;

/// The default edgecore.yaml of a KubeEdge release, as `edgecore --defaultconfig` prints it.
pub(crate) fn edgecore_yaml(release: &str) -> Result<String> {
    let release = release.parse().with_context(|| format!("{release:?} is not a release"))?;
    Ok(render(Kind::EdgeCore, release))
}

/// The default cloudcore.yaml of a KubeEdge release.
pub(crate) fn cloudcore_yaml(release: &str) -> Result<String> {
    let release = release.parse().with_context(|| format!("{release:?} is not a release"))?;
    Ok(render(Kind::CloudCore, release))
}

/// A unit as `keadm join` installs it.
pub(crate) const EDGECORE_UNIT: &str = "\
[Unit]
Description=edgecore.service

[Service]
Type=simple
ExecStart=/usr/local/bin/edgecore
Restart=always
RestartSec=10
Environment=DEPLOY_MQTT_CONTAINER=true

[Install]
WantedBy=multi-user.target
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_differ_and_hold_what_is_set_in_them() {
        let [old, new] = ["1.8", "1.23"].map(|version| edgecore_yaml(version).unwrap());
        assert_ne!(old, new);
        for text in [old, new] {
            for key in ["  edgeStream:\n", "    metaServer:\n"] {
                assert!(text.contains(key), "no {key:?} in:\n{text}");
            }
        }
    }
}
