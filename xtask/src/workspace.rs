//! The workspace as cargo describes it: where it is, its members, its utilities.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use serde_json::Value;

use crate::sh::Sh;

/// The workspace that this xtask belongs to.
pub(crate) struct Workspace {
    pub(crate) root: PathBuf,
    pub(crate) target: PathBuf,
    pub(crate) version: String,
    /// The directories' names under crates/ that have a program.
    pub(crate) utilities: Vec<String>,
}

impl Workspace {
    /// Asks cargo, from the directory of this package.
    pub(crate) fn find() -> Result<Workspace> {
        let here = std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| PathBuf::from("."), PathBuf::from);
        let json = Sh::new("cargo metadata --no-deps --format-version 1").dir(&here).capture()?;
        parse(&json).context("cannot read cargo's metadata")
    }

    /// A directory for this task's files, made if missing.
    pub(crate) fn scratch(&self, name: &str) -> Result<PathBuf> {
        let dir = self.target.join(name);
        make_dir(&dir)?;
        Ok(dir)
    }

    /// The commit that is checked out, `-dirty` behind it where files differ; none in an unpacked source archive.
    pub(crate) fn commit(&self) -> Option<String> {
        self.git("describe --always --dirty --abbrev=12 --exclude=*")
    }

    /// The time of that commit, in seconds since 1970.
    pub(crate) fn commit_time(&self) -> Option<u64> {
        self.git("log -1 --format=%ct")?.parse().ok()
    }

    /// What git prints, if the workspace is a repository: an archive may be unpacked within another one.
    fn git(&self, args: &str) -> Option<String> {
        let git = |args: &str| Sh::new("git").args(args.split(' ')).dir(&self.root).capture().ok();
        if Path::new(git("rev-parse --show-toplevel")?.trim()) != self.root {
            return None;
        }
        Some(git(args)?.trim().to_owned())
    }

    /// What `--version` of a utility prints, built by `cargo xtask dist` for this target.
    pub(crate) fn version_line(&self, utility: &str, target: &str) -> String {
        let build = self.commit().into_iter().chain([target.to_owned()]);
        format!("{utility} {} ({})", self.version, build.collect::<Vec<_>>().join(", "))
    }

    /// Where `cargo build` of the host's debug profile puts programs.
    pub(crate) fn debug_bin(&self) -> PathBuf {
        self.target.join("debug")
    }

    /// Builds the utilities into [`Workspace::debug_bin`], with all other packages as the suites do: some packages alone
    /// have other features, and all of them would be built again.
    pub(crate) fn build_programs(&self) -> Result<()> {
        Sh::new("cargo build --quiet --locked --workspace --bins").dir(&self.root).run()
    }
}

fn parse(json: &str) -> Result<Workspace> {
    let metadata: Value = serde_json::from_str(json)?;
    let text = |value: &Value, key: &str| -> Result<String> {
        let found = value.get(key).and_then(Value::as_str);
        Ok(found.ok_or_else(|| anyhow!("no {key}"))?.to_owned())
    };
    let root = PathBuf::from(text(&metadata, "workspace_root")?);
    let packages = metadata.get("packages").and_then(Value::as_array);
    let mut utilities = Vec::new();
    let mut version = String::new();
    for package in packages.ok_or_else(|| anyhow!("no packages"))? {
        version = text(package, "version")?;
        let manifest = PathBuf::from(text(package, "manifest_path")?);
        let dir = manifest.parent().unwrap_or(&root);
        if dir.parent() == Some(&root.join("crates")) && dir.join("src/main.rs").is_file() {
            utilities.push(text(package, "name")?);
        }
    }
    utilities.sort();
    Ok(Workspace { target: PathBuf::from(text(&metadata, "target_directory")?), root, version, utilities })
}

/// `mkdir -p`, with the path in the error.
pub(crate) fn make_dir(dir: &Path) -> Result<()> {
    std::fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))
}

/// Writes a whole file, its directory made if missing.
pub(crate) fn write(path: &Path, content: impl AsRef<[u8]>) -> Result<()> {
    if let Some(dir) = path.parent() {
        make_dir(dir)?;
    }
    std::fs::write(path, content).with_context(|| format!("cannot write {}", path.display()))
}

/// Reads a whole file.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

/// Removes a tree, if it exists.
pub(crate) fn remove_tree(dir: &Path) -> Result<()> {
    match std::fs::remove_dir_all(dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", dir.display()))
        }
        _ => Ok(()),
    }
}
