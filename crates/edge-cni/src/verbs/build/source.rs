//! The source of a build: the Go module, verified by the checksum database, or a folder.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use edge_fetch::folder::entries;
use edge_host::{Error, Host, Result, ResultExt};
use serde::Deserialize;

use super::diagnose::{At, diagnose};
use crate::catalog::Catalog;
use crate::go::Go;
use crate::version::{self, Release};

/// The directories below `plugins/` that contain the plugins.
const KINDS: [&str; 3] = ["main", "meta", "ipam"];
/// A directory there for another operating system.
const OTHER_SYSTEM: &str = "windows";
const FETCH: Duration = Duration::from_secs(600);

/// A plugin's name, and its directory in the source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) dir: String,
}

/// The output of `go mod download -json`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Fetched {
    #[serde(default)]
    error: String,
    #[serde(default)]
    dir: PathBuf,
    #[serde(default)]
    go_mod: PathBuf,
    #[serde(default)]
    sum: String,
}

/// The source.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) packages: Vec<Package>,
    /// The module's checksum; none for a folder.
    pub(crate) sum: Option<String>,
    /// The Go that its go.mod requires.
    pub(crate) needs: Option<version::Go>,
}

/// Downloads the module through the user's proxy.
pub(crate) fn fetch(host: &mut Host, go: &Go, catalog: &Catalog, release: &Release) -> Result<Source> {
    let module = format!("{}@{release}", catalog.module);
    let command = host.stoppable(go.command().args(["mod", "download", "-json", &module]).deadline(FETCH));
    let output = command.output()?;
    let fetched: Fetched = serde_json::from_str(&output.stdout).map_err(|_| {
        let cause = output.stderr.trim().lines().last().unwrap_or("unexpected output of go mod download").to_owned();
        Error::failed(format!("cannot fetch {module}: {cause}"))
    })?;
    if !fetched.error.is_empty() || !output.status.success() {
        return Err(cannot_fetch(&module, &fetched.error, go, catalog));
    }
    let needs = fs::read_to_string(&fetched.go_mod).ok().and_then(|text| version::required_go(&text));
    Ok(Source { packages: packages(&fetched.dir)?, sum: Some(fetched.sum), needs })
}

fn cannot_fetch(module: &str, cause: &str, go: &Go, catalog: &Catalog) -> Error {
    // go repeats the module's name.
    let cause = cause.trim().trim_start_matches(&format!("{module}: ")).replace(['\n', '\t'], " ");
    diagnose(format!("cannot fetch {module}: {cause}"), At::Fetch, go, catalog)
}

/// Reads a folder, which must be a checkout of the plugins with a vendor directory.
pub(crate) fn folder(dir: &Path, catalog: &Catalog) -> Result<Source> {
    let cannot = |cause: &str| Error::cannot("build from", dir, cause);
    if !dir.is_dir() {
        return Err(cannot("it is not a directory"));
    }
    let go_mod = dir.join("go.mod");
    let text = match fs::read_to_string(&go_mod) {
        Ok(text) => text,
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => {
            return Err(cannot("it has no go.mod").hint(format!("use a checkout of {}", catalog.module)));
        }
        Err(cause) => return Err(Error::io("read", &go_mod, &cause)),
    };
    let module = text.lines().find_map(|line| line.trim().strip_prefix("module "));
    if module.map(str::trim) != Some(catalog.module.as_str()) {
        return Err(cannot(&format!("its module is {}", module.unwrap_or("not named")))
            .hint(format!("use a checkout of {}", catalog.module)));
    }
    if !dir.join("vendor/modules.txt").is_file() {
        return Err(cannot("it has no vendor directory")
            .hint("run go mod vendor in it, which needs a network, or build from the module: --from module"));
    }
    Ok(Source { packages: packages(dir)?, sum: None, needs: version::required_go(&text) })
}

/// The plugins of a source tree, sorted by name.
fn packages(top: &Path) -> Result<Vec<Package>> {
    let mut all = Vec::new();
    for kind in KINDS {
        let dir = format!("plugins/{kind}");
        let path = top.join(&dir);
        for path in entries(&path).on("list", &path)? {
            let Some(name) = path.file_name().and_then(OsStr::to_str).map(str::to_owned) else { continue };
            if name != OTHER_SYSTEM && crate::plugin::is_name(&name) && path.is_dir() && has_go_files(&path) {
                all.push(Package { dir: format!("{dir}/{name}"), name });
            }
        }
    }
    all.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(all)
}

fn has_go_files(dir: &Path) -> bool {
    let is_go = |path: &PathBuf| path.to_str().is_some_and(|path| path.ends_with(".go") && !path.ends_with("_test.go"));
    entries(dir).unwrap_or_default().iter().any(is_go)
}

impl Source {
    /// The requested plugins, or all of them. Errors: usage (2) where the release has no such plugin.
    pub(crate) fn choose(&self, requested: &[String], release: &Release) -> Result<Vec<Package>> {
        if let Some(unknown) = requested.iter().find(|name| !self.packages.iter().any(|package| package.name == **name))
        {
            let names: Vec<&str> = self.packages.iter().map(|package| package.name.as_str()).collect();
            return Err(Error::usage(format!("cannot build {unknown:?}: {release} has no such plugin"))
                .hint(format!("choose from {}", names.join(", "))));
        }
        Ok(self.packages.iter().filter(|one| requested.is_empty() || requested.contains(&one.name)).cloned().collect())
    }
}
