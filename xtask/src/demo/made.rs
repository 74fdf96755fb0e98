//! Test data that the demo installs: plugins as `edge-cni build` writes them, and a bundle of CRI-O.

use std::path::Path;

use anyhow::Result;
use edgeutils_tests::{cni, standin};

use super::node::Node;
use crate::workspace::{make_dir, remove_tree, write};

/// Placeholders of arguments.
pub(super) const PLUGINS: &str = "PLUGINS";
pub(super) const BUNDLE: &str = "BUNDLE";
pub(super) const SUM: &str = "SHA256";
pub(super) const RELEASE: &str = "1.30.4";

const PLUGINS_RELEASE: &str = "v1.9.1";
const NAMES: &[&str] = &["bridge", "host-local", "loopback", "portmap"];

/// Makes both in `scratch`, for the machine of the node; the value of each argument.
pub(super) fn prepare(scratch: &Path, node: &Node) -> Result<Vec<(&'static str, String)>> {
    let (plugins, bundles) = (scratch.join("plugins"), scratch.join("bundles"));
    for dir in [&plugins, &bundles] {
        remove_tree(dir)?;
        make_dir(dir)?;
    }
    let program = |name: &str| cni::tiny(cni::ARM64, name);
    // dpkg determines the machine of the image.
    write(&node.root().join("usr/bin/dpkg"), program("dpkg"))?;
    for dir in ["usr/local/bin", "usr/local/lib", "usr/local/share", "usr/libexec", "opt", "etc/systemd/system"] {
        make_dir(&node.root().join(dir))?;
    }
    let made: Vec<(&str, Vec<u8>)> = NAMES.iter().map(|name| (*name, program(name))).collect();
    cni::fake_build(&plugins, PLUGINS_RELEASE, "arm64", &made);
    let (bundle, sum) = standin::bundle(&bundles, RELEASE, "arm64", &program("crio"));
    Ok(vec![(PLUGINS, plugins.display().to_string()), (BUNDLE, bundle.display().to_string()), (SUM, sum)])
}
