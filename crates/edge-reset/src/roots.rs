//! The directories that programs on this host are configured to use.

use std::path::PathBuf;

use edge_host::{Host, Result};

use crate::creator::Creator;

/// What a kubelet, edgecore included, uses by default.
const KUBELET: &str = "/var/lib/kubelet";
/// What edgecore used up to KubeEdge 1.19.
const EDGED: &str = "/var/lib/edged";

/// A directory that contains what a program made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RootDir {
    /// Its path, links not resolved.
    pub(crate) path: PathBuf,
    /// What names it: a file and setting, or that it is the default.
    pub(crate) source: String,
    /// The programs that use it.
    pub(crate) creators: Vec<Creator>,
}

/// All of them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Roots {
    /// The roots of kubelets: pods, volumes and plugins are below them.
    pub(crate) kubelet: Vec<RootDir>,
}

impl Roots {
    pub(crate) fn read(_host: &Host) -> Result<Roots> {
        let of = |path: &str, creators: &[&str]| RootDir {
            path: path.into(),
            source: "the default".to_owned(),
            creators: creators.iter().map(|name| Creator::from(*name)).collect(),
        };
        Ok(Roots { kubelet: vec![of(KUBELET, &["edgecore", "kubelet", "k3s"]), of(EDGED, &["edgecore"])] })
    }
}
