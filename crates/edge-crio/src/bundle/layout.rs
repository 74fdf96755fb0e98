//! Where each file of a bundle goes: data/layout.toml, and what is the distribution's way.

use std::path::{Path, PathBuf};

use edge_fetch::sha256;
use edge_host::{Error, Result};
use serde::{Deserialize, Serialize};

use super::{Staged, StagedFile};

const LAYOUT: &str = include_str!("../../data/layout.toml");
/// Where a service's environment is set, by distribution.
const DEFAULT_DIR: &str = "/etc/default/";
const SYSCONFIG_DIR: &str = "/etc/sysconfig/";
/// The daemon, as the unit calls it.
pub const DAEMON: &str = "/usr/local/bin/crio";

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Part of CRI-O.
    Program,
    /// A CNI plugin.
    Plugin,
    /// A manual page or a completion.
    Document,
    /// Configuration.
    Config,
    /// The unit.
    Unit,
    /// The unit's environment.
    Environment,
}

impl Kind {
    /// Whether the administrator may change it, and then keeps it.
    pub fn is_theirs(self) -> bool {
        matches!(self, Kind::Config | Kind::Environment)
    }

    /// What it is installed with.
    pub fn mode(self) -> u32 {
        if self.is_run() { 0o755 } else { 0o644 }
    }

    /// Whether it is a program that is run.
    pub fn is_run(self) -> bool {
        matches!(self, Kind::Program | Kind::Plugin)
    }
}

/// A row of the table.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    from: String,
    #[serde(default)]
    only: Vec<String>,
    #[serde(default)]
    suffix: String,
    to: String,
    kind: Kind,
    /// Counts only where the bundle's configuration names this.
    if_configured: Option<String>,
}

impl Place {
    /// Whether it is for a file of this name.
    fn takes(&self, name: &str) -> bool {
        !name.is_empty()
            && !name.contains('/')
            && (self.only.is_empty() || self.only.iter().any(|only| only == name))
            && name.ends_with(&self.suffix)
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Layout {
    place: Vec<Place>,
}

/// A file of a bundle with its place on the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// Where.
    pub path: PathBuf,
    /// What it is.
    pub kind: Kind,
    /// In the bundle.
    pub inner: String,
    /// Its bytes, where they are not the bundle's own.
    pub text: Option<String>,
    /// Their number.
    pub size: u64,
    /// Their SHA-256.
    pub sha256: String,
    /// Its mode.
    pub mode: u32,
}

/// Gives every file its place; what has none (a Makefile, an install script) is left out.
///
/// Fails where the archive has no crio in it.
pub fn place(staged: &Staged, shown: &str, has_sysconfig: Sysconfig) -> Result<Vec<Placed>> {
    let layout = layout()?;
    let configured = |word: &str| {
        staged
            .texts
            .iter()
            .any(|(inner, text)| inner.starts_with("etc/") && inner.ends_with(".conf") && text.contains(word))
    };
    let mut all = Vec::new();
    for file in &staged.files {
        let fits = |place: &&Place| {
            let Some(name) = file.inner.strip_prefix(&place.from) else { return false };
            place.takes(name) && place.if_configured.as_deref().is_none_or(configured)
        };
        if let Some(place) = layout.place.iter().find(fits) {
            all.push(placed(staged, file, place, has_sysconfig));
        }
    }
    if !all.iter().any(|placed| placed.path == Path::new(DAEMON)) {
        return Err(Error::failed(format!("cannot use {shown}: there is no bin/crio in it"))
            .hint("it is no bundle of CRI-O: those are named cri-o.ARCH.vVERSION.tar.gz"));
    }
    Ok(all)
}

/// The paths that a bundle's files can have on a host.
#[derive(Debug)]
pub(super) struct Places(Vec<Place>);

impl Places {
    /// From the table.
    pub(super) fn known() -> Result<Places> {
        Ok(Places(layout()?.place))
    }

    /// Whether a file of a bundle can be here.
    pub(super) fn holds(&self, path: &Path) -> bool {
        let Some(path) = path.to_str() else { return false };
        let fits = |place: &Place, dir: &str| {
            path.strip_prefix(dir).is_some_and(|name| place.takes(name) && ![".", ".."].contains(&name))
        };
        self.0.iter().any(|place| match place.kind {
            Kind::Environment => [DEFAULT_DIR, SYSCONFIG_DIR].iter().any(|dir| fits(place, dir)),
            _ => fits(place, &place.to),
        })
    }
}

fn layout() -> Result<Layout> {
    toml_edit::de::from_str(LAYOUT)
        .map_err(|error| Error::failed(format!("cannot read the built-in data layout: {error}")))
}

/// Where the distribution has the environment of services.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sysconfig {
    /// In /etc/sysconfig.
    There,
    /// In /etc/default.
    Absent,
}

fn placed(staged: &Staged, file: &StagedFile, place: &Place, sysconfig: Sysconfig) -> Placed {
    let name = file.inner.strip_prefix(&place.from).unwrap_or_default();
    let mut to = place.to.as_str();
    let own = if sysconfig == Sysconfig::There { SYSCONFIG_DIR } else { DEFAULT_DIR };
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
    Placed { path, kind: place.kind, inner: file.inner.clone(), text, size, sha256, mode }
}

/// The unit in the distribution's way: its environment file, and the daemon where it is.
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
    fn helpers_go_where_the_configuration_says_they_are() {
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
            let all = place(staged, "x.tar.gz", Sysconfig::Absent).unwrap();
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
        let none = place(&staged(&[("bin/conmon", "y")]), "x.tar.gz", Sysconfig::Absent).unwrap_err().to_string();
        assert_eq!(none, "cannot use x.tar.gz: there is no bin/crio in it");
    }

    #[test]
    fn only_places_of_the_table_are_ours() {
        let places = Places::known().unwrap();
        for good in ["/usr/local/bin/crio", "/etc/default/crio", "/etc/sysconfig/crio", "/opt/cni/bin/bridge"] {
            assert!(places.holds(Path::new(good)), "{good}");
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
            assert!(!places.holds(Path::new(bad)), "{bad}");
        }
    }

    #[test]
    fn the_unit_is_the_distributions() {
        let placed = |sysconfig| {
            let all = place(
                &staged(&[("bin/crio", "x"), ("contrib/crio.service", UNIT), ("etc/crio", "A=")]),
                "x",
                sysconfig,
            )
            .unwrap();
            (all[1].text.clone().unwrap(), all[2].path.display().to_string())
        };
        let (unit, environment) = placed(Sysconfig::Absent);
        assert_eq!(
            unit,
            "[Service]\nType=notify\nEnvironmentFile=-/etc/default/crio\nExecStart=/usr/local/bin/crio \\\n    $A\n"
        );
        assert_eq!(environment, "/etc/default/crio");
        assert_eq!(placed(Sysconfig::There).1, "/etc/sysconfig/crio");
        assert!(placed(Sysconfig::There).0.contains("EnvironmentFile=-/etc/sysconfig/crio\n"));
    }
}
