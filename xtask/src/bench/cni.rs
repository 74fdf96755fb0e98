//! Builds of all CNI plugins by the real go command: they take minutes, so each runs once or twice.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::case::{Case, Limit};
use super::measure::{Measure, Program};
use crate::sh::Sh;
use crate::workspace::make_dir;

const RELEASE: &str = "v1.9.1";
const MODULE: &str = "github.com/containernetworking/plugins";
const STAMP: &str = "github.com/containernetworking/plugins/pkg/utils/buildversion.BuildVersion";
/// A program's first run is not counted, and fills the caches that are not cleared.
const RUNS: u16 = 1;

/// Limit of the build with a cold cache. Both sides compile and link the same packages, so the CPU time of go is the
/// floor. Measured: 43.7 s for all plugins at once (33.9 user, 9.7 system), and 49.2 s for one `go` command each (39.5
/// and 9.7), a ratio of 0.89. The rest comes from keeping both cores busy: the wall times on two idle cores have a
/// ratio of 0.78, and 43.7 s of CPU time take at least 21.9 s there. Only more cores lower it.
const COLD_LIMIT: f64 = 0.8;

/// The cases of edge-cni; the module is fetched before the first.
pub(super) fn all(bin: &Path, scratch: &Path) -> Result<Vec<Case>> {
    let dir = scratch.join("cni");
    make_dir(&dir)?;
    let fetched = Sh::new("go mod download -json").arg(format!("{MODULE}@{RELEASE}")).dir(Path::new("/")).capture()?;
    let fetched: serde_json::Value =
        serde_json::from_str(&fetched).context("go mod download printed unexpected output")?;
    let source = PathBuf::from(fetched["Dir"].as_str().context("go mod download named no directory")?);
    let packages = packages(&source)?;
    let edge_cni = bin.join("edge-cni").display().to_string();
    let path = |name: &str| dir.join(name).display().to_string();

    // One cold cache each; the module itself is there for both.
    let out = path("out");
    let cold = |name: &str| format!("rm -rf {0}; export GOCACHE={0}", path(name));
    let edgeutils =
        format!("{}; rm -rf {out}; {edge_cni} build --version {RELEASE} --out {out}", cold("cache-edgeutils"));
    let flags = format!("-trimpath -ldflags '-s -w -X {STAMP}={RELEASE}'");
    let gopath = path("gopath");
    let one_by_one = format!(
        "{}; export GOMODCACHE=$(go env GOMODCACHE) GOPATH={gopath} CGO_ENABLED=0; cd /; for package in {}; do go install {flags} $package || exit 1; done",
        cold("cache-reference"),
        packages.join(" ")
    );
    let warm = format!(
        "export GOCACHE={}; rm -rf {out}; {edge_cni} build --version {RELEASE} --out {out}",
        path("cache-edgeutils")
    );
    let default = path("default");
    let by_default = format!(
        "export GOCACHE={} GOMODCACHE=$(go env GOMODCACHE) GOPATH={default}; cd /; rm -rf {default}; go install {}",
        path("cache-default"),
        packages.join(" ")
    );
    let root = path("root");
    make_dir(&dir.join("root"))?;
    let install = format!(
        "rm -rf {root}/*; mkdir {root}/etc {root}/usr; exec {edge_cni} --root {root} install --from-build {out}"
    );
    let own = |script: &str| Program::shell("edge-cni", script);
    let one_by_one = Program::shell("go, one by one", &one_by_one);
    let by_default = Program::shell("go, default flags", &by_default).making(dir.join("default/bin"));
    let sized = own(&warm).making(dir.join("out"));
    let cold = Limit::Times(COLD_LIMIT);
    let (install, nothing) = (own(&install), Program::nothing());
    Ok(vec![
        Case::new(
            "edge-cni build, all plugins, cold cache",
            (&own(&edgeutils), &one_by_one),
            Measure::Wall,
            cold,
            RUNS,
        ),
        Case::new("edge-cni build, all plugins", (&sized, &by_default), Measure::Size, Limit::Times(0.75), RUNS),
        Case::new("edge-cni install, all plugins", (&install, &nothing), Measure::Memory, Limit::MiB(24.0), RUNS),
    ])
}

/// The plugins of a source tree, as arguments of go install.
fn packages(source: &Path) -> Result<Vec<String>> {
    let mut packages = Vec::new();
    for kind in ["main", "meta", "ipam"] {
        let dir = source.join("plugins").join(kind);
        for entry in std::fs::read_dir(&dir).with_context(|| format!("cannot list {}", dir.display()))? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if name != "windows" {
                packages.push(format!("{MODULE}/plugins/{kind}/{name}@{RELEASE}"));
            }
        }
    }
    packages.sort();
    Ok(packages)
}
