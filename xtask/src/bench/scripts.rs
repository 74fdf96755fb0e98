//! The scripts on a host that is prepared already.

use std::path::Path;

use anyhow::{Context, Result};
use edgeutils_tests::cni::{ARM64, fake_build, image_for, tiny};
use edgeutils_tests::standin::bundle;
use edgeutils_tests::systems;

use super::case::{Case, Limit};
use super::measure::{Measure, Program};
use crate::sample::edgecore_yaml;
use crate::sh::Sh;
use crate::workspace::{Workspace, make_dir};

const RELEASE: &str = "1.23";
/// One whose checksum edge-crio does not know: the bundle is made here.
const CRIO: &str = "1.30.4";
/// CPU time of a second run, in milliseconds; that of the shell and its programs is part of it.
const LIMIT: f64 = 300.0;
const RUNS: u16 = 21;

/// scripts/edge-node.sh with every part: host, plugins, pod network, CRI-O and edgecore.yaml.
pub(super) fn cases(workspace: &Workspace, bin: &Path, scratch: &Path) -> Result<Vec<Case>> {
    let dir = scratch.join("edge-node");
    make_dir(&dir)?;
    let tree = systems::by_name(systems::DEBIAN_RASPI);
    image_for(&tree, ARM64);
    tree.write("etc/kubeedge/config/edgecore.yaml", edgecore_yaml(RELEASE)?);
    let root = dir.join("root");
    make_dir(&root)?;
    Sh::new("cp --archive").arg(tree.path().join(".")).arg(&root).run()?;
    let plugins = ["bridge", "host-local", "loopback", "portmap"].map(|name| (name, tiny(ARM64, name)));
    fake_build(&dir.join("plugins"), "v1.9.1", "arm64", &plugins);
    let (archive, sum) = bundle(&dir, CRIO, "arm64", &tiny(ARM64, "crio"));
    let script = workspace.root.join("scripts/edge-node.sh");
    let words = [
        "env".to_owned(),
        format!("PATH={}:/usr/sbin:/usr/bin:/sbin:/bin", bin.display()),
        format!("ROOT={}", root.display()),
        "CLOUDCORE=192.0.2.1".to_owned(),
        format!("KUBEEDGE_VERSION={RELEASE}.0"),
        format!("CNI_PLUGINS={}", dir.join("plugins").display()),
        "POD_SUBNET=10.85.0.0/16".to_owned(),
        format!("CRIO_VERSION={CRIO}"),
        format!("CRIO_OPTIONS=--archive {} --sha256 {sum}", archive.display()),
        "sh".to_owned(),
        script.display().to_string(),
    ];
    Sh::program(&words[0]).args(&words[1..]).run().context("cannot prepare the image")?;
    let program = Program::new("edge-node.sh", &words);
    Ok(vec![Case::new(
        "edge-node.sh, second run",
        (&program, &Program::nothing()),
        Measure::Cpu,
        Limit::Millis(LIMIT),
        RUNS,
    )])
}
