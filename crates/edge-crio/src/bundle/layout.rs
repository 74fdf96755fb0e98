//! Assigns each file of a bundle its path on the host: data/layout.toml, adapted to the distribution.

use std::path::{Path, PathBuf};

use edge_fetch::sha256;
use edge_host::{Error, Result};
use serde::{Deserialize, Serialize};

use super::{Staged, StagedFile};

const LAYOUT: &str = include_str!("../../data/layout.toml");
/// The directories of services' environment files; which one is used depends on the distribution.
const DEFAULT_DIR: &str = "/etc/default/";
const SYSCONFIG_DIR: &str = "/etc/sysconfig/";
/// The path of the daemon in the unit.
pub const DAEMON: &str = "/usr/local/bin/crio";

/// The kind of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A program of CRI-O.
    Program,
    /// A CNI plugin.
    Plugin,
    /// A manual page or a completion.
    Document,
    /// Configuration.
    Config,
    /// The unit.
    Unit,
    /// The environment file of the unit.
    Environment,
}

impl Kind {
    /// Whether the administrator may change it; a changed file is kept.
    pub fn is_editable(self) -> bool {
        matches!(self, Kind::Config | Kind::Environment)
    }

    /// The mode that it is installed with.
    pub fn mode(self) -> u32 {
        if self.is_executable() { 0o755 } else { 0o644 }
    }

    /// Whether it is a program.
    pub fn is_executable(self) -> bool {
        matches!(self, Kind::Program | Kind::Plugin)
    }
}

/// A row of the table.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct LayoutRow {
    from: String,
    #[serde(default)]
    only: Vec<String>,
    #[serde(default)]
    suffix: String,
    to: String,
    kind: Kind,
    /// The row only applies if the bundle's configuration contains this text.
    if_configured: Option<String>,
}

impl LayoutRow {
    /// Whether it applies to a file of this name.
    fn matches(&self, name: &str) -> bool {
        !name.is_empty()
            && !name.contains('/')
            && (self.only.is_empty() || self.only.iter().any(|only| only == name))
            && name.ends_with(&self.suffix)
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Layout {
    place: Vec<LayoutRow>,
}

/// A file of a bundle with its path on the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlacedFile {
    /// Its path on the host.
    pub path: PathBuf,
    /// Its kind.
    pub kind: Kind,
    /// Its path in the bundle.
    pub inner: String,
    /// Its text, if it differs from the bundle's.
    pub text: Option<String>,
    /// Its length in bytes.
    pub size: u64,
    /// Its SHA-256 in hex.
    pub sha256: String,
    /// Its mode.
    pub mode: u32,
}

/// Assigns every file its path; files without one (a Makefile, an install script) are left out.
///
/// Fails if bin/crio is missing. `shown` is the archive's name in errors.
pub fn assign_paths(staged: &Staged, shown: &str, has_sysconfig: bool) -> Result<Vec<PlacedFile>> {
    let layout = layout()?;
    let configured = |word: &str| {
        staged
            .texts
            .iter()
            .any(|(inner, text)| inner.starts_with("etc/") && inner.ends_with(".conf") && text.contains(word))
    };
    let mut all = Vec::new();
    for file in &staged.files {
        let fits = |place: &&LayoutRow| {
            let Some(name) = file.inner.strip_prefix(&place.from) else { return false };
            place.matches(name) && place.if_configured.as_deref().is_none_or(configured)
        };
        if let Some(place) = layout.place.iter().find(fits) {
            all.push(placed(staged, file, place, has_sysconfig));
        }
    }
    if !all.iter().any(|placed| placed.path == Path::new(DAEMON)) {
        return Err(Error::failed(format!("cannot use {shown}: it does not contain bin/crio"))
            .hint("use a bundle of CRI-O: their names are cri-o.ARCH.vVERSION.tar.gz"));
    }
    Ok(all)
}

/// The paths that files of a bundle can have on a host.
#[derive(Debug)]
pub(super) struct BundlePaths(Vec<LayoutRow>);

impl BundlePaths {
    /// From the table.
    pub(super) fn read() -> Result<BundlePaths> {
        Ok(BundlePaths(layout()?.place))
    }

    /// Whether a file of a bundle can have this path.
    pub(super) fn contains(&self, path: &Path) -> bool {
        let Some(path) = path.to_str() else { return false };
        let fits = |place: &LayoutRow, dir: &str| {
            path.strip_prefix(dir).is_some_and(|name| place.matches(name) && ![".", ".."].contains(&name))
        };
        self.0.iter().any(|place| match place.kind {
            Kind::Environment => [DEFAULT_DIR, SYSCONFIG_DIR].iter().any(|dir| fits(place, dir)),
            _ => fits(place, &place.to),
        })
    }
}

fn layout() -> Result<Layout> {
    toml_edit::de::from_str(LAYOUT)
        .map_err(|error| Error::failed(format!("cannot read the built-in data layout.toml: {error}")))
}

fn placed(staged: &Staged, file: &StagedFile, place: &LayoutRow, has_sysconfig: bool) -> PlacedFile {
    let name = file.inner.strip_prefix(&place.from).unwrap_or_default();
    let mut to = place.to.as_str();
    let own = if has_sysconfig { SYSCONFIG_DIR } else { DEFAULT_DIR };
    if place.kind == Kind::Environment {
        to = own;
    }
    let text = match place.kind {
        Kind::Unit => staged.texts.get(&file.inner).map(|text| unit(text, own)),
        _ => None,
    };
    let (size, sha256) = match &text {
        Some(text) => (text.len() as u64, sha256(text)),
        None => (file.size, file.sha256.clone()),
    };
    let (path, mode) = (Path::new(to).join(name), place.kind.mode());
    PlacedFile { path, kind: place.kind, inner: file.inner.clone(), text, size, sha256, mode }
}

/// The unit, with the distribution's environment file and the path of the daemon.
fn unit(text: &str, environment: &str) -> String {
    let line = |line: &str| {
        if let Some(file) = line.strip_prefix("EnvironmentFile=") {
            let name = file.rsplit('/').next().unwrap_or_default();
            return format!("EnvironmentFile=-{environment}{name}");
        }
        if let Some(command) = line.strip_prefix("ExecStart=") {
            let (program, rest) = command.split_at(command.find(char::is_whitespace).unwrap_or(command.len()));
            if program.ends_with("/crio") {
                return format!("ExecStart={DAEMON}{rest}");
            }
        }
        line.to_owned()
    };
    let mut lines: Vec<String> = text.lines().map(line).collect();
    lines.push(String::new());
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn staged(files: &[(&str, &str)]) -> Staged {
        let mut staged = Staged::default();
        for (inner, text) in files {
            staged.files.push(StagedFile {
                inner: (*inner).to_owned(),
                size: text.len() as u64,
                sha256: sha256(text),
                executable: false,
            });
            staged.texts.insert((*inner).to_owned(), (*text).to_owned());
        }
        staged
    }

    const UNIT: &str =
        "[Service]\nType=notify\nEnvironmentFile=-/etc/sysconfig/crio\nExecStart=/usr/bin/crio \\\n    $A\n";

    #[test]
    fn assign_paths_follows_the_bundles_configuration() {
        let files = |conf: &'static str| {
            staged(&[
                ("bin/crio", "x"),
                ("bin/conmon", "y"),
                ("etc/10-crio.conf", conf),
                ("install", "z"),
                ("cni-plugins/bridge", "b"),
                ("man/crio.8", "m"),
                ("contrib/policy.json", "{}"),
                ("bin/deep/er", "no"),
            ])
        };
        let paths = |staged: &Staged| -> Vec<String> {
            let all = assign_paths(staged, "x.tar.gz", false).unwrap();
            all.iter().map(|placed| placed.path.display().to_string()).collect()
        };
        assert_eq!(
            paths(&files("monitor_path = \"/usr/libexec/crio/conmon\"\nsignature_policy = \"/etc/crio/policy.json\"")),
            [
                "/usr/local/bin/crio",
                "/usr/libexec/crio/conmon",
                "/etc/crio/crio.conf.d/10-crio.conf",
                "/opt/cni/bin/bridge",
                "/usr/local/share/man/man8/crio.8",
                "/etc/crio/policy.json"
            ]
        );
        assert_eq!(paths(&files(""))[1], "/usr/local/bin/conmon");
        assert_eq!(paths(&files(""))[5], "/etc/containers/policy.json");
        let none = assign_paths(&staged(&[("bin/conmon", "y")]), "x.tar.gz", false).unwrap_err().to_string();
        assert_eq!(none, "cannot use x.tar.gz: it does not contain bin/crio");
    }

    #[test]
    fn bundle_paths_are_only_those_of_the_table() {
        let paths = BundlePaths::read().unwrap();
        for good in ["/usr/local/bin/crio", "/etc/default/crio", "/etc/sysconfig/crio", "/opt/cni/bin/bridge"] {
            assert!(paths.contains(Path::new(good)), "{good}");
        }
        for bad in [
            "/etc/passwd",
            "/etc/default/grub",
            "/usr/local/bin/",
            "/usr/local/bin/..",
            "/usr/local/bin/../../bin/sh",
            "/usr/local/bin//crio",
            "usr/local/bin/crio",
            "/bin/sh",
            "",
        ] {
            assert!(!paths.contains(Path::new(bad)), "{bad}");
        }
    }

    #[test]
    fn assign_paths_adapts_the_unit_to_the_distribution() {
        let placed = |has_sysconfig| {
            let all = assign_paths(
                &staged(&[("bin/crio", "x"), ("contrib/crio.service", UNIT), ("etc/crio", "A=")]),
                "x",
                has_sysconfig,
            )
            .unwrap();
            (all[1].text.clone().unwrap(), all[2].path.display().to_string())
        };
        let (unit, environment) = placed(false);
        assert_eq!(
            unit,
            "[Service]\nType=notify\nEnvironmentFile=-/etc/default/crio\nExecStart=/usr/local/bin/crio \\\n    $A\n"
        );
        assert_eq!(environment, "/etc/default/crio");
        assert_eq!(placed(true).1, "/etc/sysconfig/crio");
        assert!(placed(true).0.contains("EnvironmentFile=-/etc/sysconfig/crio\n"));
    }
}
