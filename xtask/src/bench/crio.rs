//! edge-crio install: an installed CRI-O compared with dpkg-query; and the memory of an install that
//! unpacks a bundle of full size.

use std::path::Path;

use anyhow::Result;
use edgeutils_tests::standin;

use super::case::{Case, Limit};
use super::measure::{Measure, Program};
use crate::sh::Sh;
use crate::workspace::{make_dir, write};

const RELEASE: &str = "1.30.4";
/// As large as CRI-O's own, the largest program of a bundle.
const PROGRAM: usize = 60 << 20;
/// dpkg's list of packages, which both read.
const STATUS: &str = "/var/lib/dpkg/status";

/// The two figures. The host is a root tree, so no systemd is needed.
pub(super) fn all(bin: &Path, scratch: &Path) -> Result<Vec<Case>> {
    let dir = scratch.join("crio");
    let root = dir.join("root");
    for part in ["etc", "usr/bin", "var/lib/dpkg"] {
        make_dir(&root.join(part))?;
    }
    let mut program = standin::AMD64.to_vec();
    write(&root.join("usr/bin/dpkg"), &program)?;
    // Incompressible bytes, similar to those of a program.
    let mut state = 1_u64;
    program.extend((0..PROGRAM).map(|_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state.to_be_bytes()[0]
    }));
    let (archive, sum) = standin::bundle(&dir, RELEASE, "amd64", &program);
    Sh::new("cp").arg(STATUS).arg(root.join("var/lib/dpkg")).run()?;

    let text = |path: &Path| path.display().to_string();
    let edge_crio = text(&bin.join("edge-crio"));
    let install = |root: &Path| {
        let call = ["install", "--version", RELEASE, "--sha256", &sum, "--cgroup-driver", "systemd", "--archive"];
        let words = [edge_crio.clone(), "--root".into(), text(root)].into_iter().chain(call.map(str::to_owned));
        words.chain([text(&archive)]).collect::<Vec<String>>()
    };
    let again = Program::new("edge-crio", &install(&root));
    again.time()?;
    let fresh = dir.join("fresh");
    let from_nothing = format!(
        "rm -rf {0}; mkdir -p {0}/etc {0}/usr/bin; cp {1} {0}/usr/bin/dpkg; exec {2}",
        text(&fresh),
        text(&root.join("usr/bin/dpkg")),
        install(&fresh).join(" ")
    );
    let fresh = Program::shell("edge-crio", &from_nothing);
    let (dpkg, nothing) = (Program::new("dpkg-query -W", &["dpkg-query", "-W"]), Program::nothing());
    Ok(vec![
        Case::new("edge-crio install, up to date", (&again, &dpkg), Measure::Cpu, Limit::Times(3.0), 101),
        Case::new("edge-crio install, a bundle", (&fresh, &nothing), Measure::Memory, Limit::MiB(24.0), 1),
    ])
}
