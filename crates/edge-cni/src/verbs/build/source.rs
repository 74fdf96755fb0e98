//! Where a build's source is: the Go module, vouched for by the checksum database, or a folder.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use edge_fetch::folder::entries;
use edge_host::{Error, Host, Result, ResultExt};
use serde::Deserialize;

use super::diagnose::{At, diagnose};
use crate::go::Go;
use crate::releases::Releases;
use crate::version::{self, Release};

/// The directories below `plugins/` whose entries are plugins.
const KINDS: [&str; 3] = ["main", "meta", "ipam"];
/// A directory there that is for another system.
const NOT_OURS: &str = "windows";
const FETCH: Duration = Duration::from_secs(600);

/// A plugin's name and its directory below the source's top.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) dir: String,
}

/// A module that go has fetched and verified.
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

/// What a source has.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) packages: Vec<Package>,
    /// The module's checksum; none of a folder.
    pub(crate) sum: Option<String>,
    /// The Go that its go.mod asks for.
    pub(crate) needs: Option<version::Go>,
}

/// Has go fetch the module through the user's proxy.
pub(crate) fn fetch(host: &mut Host, go: &Go, releases: &Releases, release: &Release) -> Result<Source> {
    let module = format!("{}@{release}", releases.module);
    let command = host.stoppable(go.command().args(["mod", "download", "-json", &module]).deadline(FETCH));
    let output = command.output()?;
    let fetched: Fetched = serde_json::from_str(&output.stdout).map_err(|_| {
        let said = output.stderr.trim().lines().last().unwrap_or("it says nothing").to_owned();
        Error::failed(format!("cannot fetch {module}: {said}"))
    })?;
    if !fetched.error.is_empty() || !output.status.success() {
        return Err(cannot_fetch(&module, &fetched.error, go, releases));
    }
    let needs = fs::read_to_string(&fetched.go_mod).ok().and_then(|text| version::wanted_go(&text));
    Ok(Source { packages: packages(&fetched.dir)?, sum: Some(fetched.sum), needs })
}

fn cannot_fetch(module: &str, cause: &str, go: &Go, releases: &Releases) -> Error {
    // go says what it was asked for once more.
    let cause = cause.trim().trim_start_matches(&format!("{module}: ")).replace(['\n', '\t'], " ");
    diagnose(format!("cannot fetch {module}: {cause}"), At::Fetch, go, releases)
}

/// Looks at a checked-out folder; it must bring its dependencies along.
pub(crate) fn folder(dir: &Path, releases: &Releases) -> Result<Source> {
    let cannot = |cause: &str| Error::cannot("build from", dir, cause);
    if !dir.is_dir() {
        return Err(cannot("there is no such directory"));
    }
    let go_mod = dir.join("go.mod");
    let text = match fs::read_to_string(&go_mod) {
        Ok(text) => text,
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => {
            return Err(
                cannot("there is no go.mod in it").hint(format!("it must be a checkout of {}", releases.module))
            );
        }
        Err(cause) => return Err(Error::io("read", &go_mod, &cause)),
    };
    let module = text.lines().find_map(|line| line.trim().strip_prefix("module "));
    if module.map(str::trim) != Some(releases.module.as_str()) {
        return Err(cannot(&format!("its module is {}", module.unwrap_or("not named")))
            .hint(format!("it must be a checkout of {}", releases.module)));
    }
    if !dir.join("vendor/modules.txt").is_file() {
        return Err(cannot("there is no vendor directory in it")
            .hint("run `go mod vendor` in it where the network is, or build from the module: --from module"));
    }
    Ok(Source { packages: packages(dir)?, sum: None, needs: version::wanted_go(&text) })
}

/// The plugins of a source tree, by name.
fn packages(top: &Path) -> Result<Vec<Package>> {
    let mut all = Vec::new();
    for kind in KINDS {
        let dir = format!("plugins/{kind}");
        let path = top.join(&dir);
        for path in entries(&path).on("list", &path)? {
            let Some(name) = path.file_name().and_then(OsStr::to_str).map(str::to_owned) else { continue };
            if name != NOT_OURS && crate::plugin::is_name(&name) && path.is_dir() && holds_go(&path) {
                all.push(Package { dir: format!("{dir}/{name}"), name });
            }
        }
    }
    all.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(all)
}

fn holds_go(dir: &Path) -> bool {
    let is_go = |path: &PathBuf| path.to_str().is_some_and(|path| path.ends_with(".go") && !path.ends_with("_test.go"));
    entries(dir).unwrap_or_default().iter().any(is_go)
}

impl Source {
    /// Those that were asked for, all of them where nothing was.
    pub(crate) fn chosen(&self, asked: &[String], release: &Release) -> Result<Vec<Package>> {
        if let Some(unknown) = asked.iter().find(|name| !self.packages.iter().any(|package| package.name == **name)) {
            let names: Vec<&str> = self.packages.iter().map(|package| package.name.as_str()).collect();
            return Err(Error::usage(format!("cannot build {unknown:?}: {release} has no such plugin"))
                .hint(format!("it has {}", names.join(", "))));
        }
        Ok(self.packages.iter().filter(|one| asked.is_empty() || asked.contains(&one.name)).cloned().collect())
    }
}
