//! The unit crio.service: its files, and whether it is enabled.

use std::path::{Path, PathBuf};

use edge_host::action::UndoOrder;
use edge_host::{Error, Inverse, Node, Plan, Result, Root, State};
use edge_systemd::{Link, Scope, Settings, Units, requested_links, systemctl};

/// The unit.
pub use edge_conflist::crio::UNIT;

/// For a host without CRI-O.
pub const INSTALL_HINT: &str = "install it, in the minor version of the cluster: edge-crio install --version 1.34";

/// The unit of the package and of bundles, and what its \[Install\] section requests, for a dry run that does not have
/// its file.
pub const PACKAGED: &str = "/usr/lib/systemd/system/crio.service";
/// See [`PACKAGED`].
pub const BUNDLED: &str = "/usr/local/lib/systemd/system/crio.service";
/// See [`PACKAGED`].
pub const INSTALL: &str = "[Install]\nWantedBy=multi-user.target\nAlias=cri-o.service\n";

/// The state of the unit's files.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UnitFacts {
    /// The file that systemd loads.
    pub file: Option<PathBuf>,
    /// All files of this name.
    pub all: Vec<PathBuf>,
    /// It is masked, and cannot be started.
    pub is_masked: bool,
    /// The links that its \[Install\] section requests.
    pub links: Vec<Link>,
    /// A unit that is started at boot wants or requires it.
    pub is_enabled: bool,
    /// systemd runs here.
    pub has_systemd: bool,
}

impl UnitFacts {
    /// Reads it.
    pub fn read(root: &Root) -> Result<UnitFacts> {
        let units = Units::read(root, Scope::Now)?;
        let unit = units.find(UNIT)?;
        let mut links = Vec::new();
        for path in requested_links(UNIT, &units.settings(&unit)?) {
            let itself = root.find_link(&path)?;
            links.push(Link { path, itself });
        }
        // A link to another of its files is the same unit.
        let (mut all, mut real) = (Vec::new(), Vec::new());
        for path in unit.files.iter().map(|file| &file.path) {
            let file = root.canonical(path).unwrap_or_else(|_| path.clone());
            if !real.contains(&file) {
                all.push(path.clone());
                real.push(file);
            }
        }
        Ok(UnitFacts {
            file: unit.file().map(|file| file.path.clone()),
            all,
            is_masked: unit.is_masked(),
            links,
            is_enabled: !Units::read(root, Scope::NextBoot)?.links_to(&unit)?.is_empty(),
            has_systemd: edge_systemd::is_running(root)?,
        })
    }

    /// The state after `file` with this text is installed, for a dry run.
    pub fn with_file(self, root: &Root, file: &Path, text: &str) -> Result<UnitFacts> {
        if self.file.is_some() {
            return Ok(self);
        }
        let mut settings = Settings::new(UNIT);
        settings.add(file, text.as_bytes());
        let mut links = Vec::new();
        for path in requested_links(UNIT, &settings) {
            let itself = root.find_link(&path)?;
            links.push(Link { path, itself });
        }
        Ok(UnitFacts { file: Some(file.to_path_buf()), links, ..self })
    }
}

/// Plans to enable the unit. Refuses if it is masked.
pub fn enable(facts: &UnitFacts, plan: &mut Plan) -> Result<()> {
    if facts.is_masked {
        return Err(Error::refused(format!("cannot enable {UNIT}: it is masked"))
            .hint(format!("unless that is intended, unmask it: systemctl unmask {UNIT}")));
    }
    let Some(file) = &facts.file else { return Ok(()) };
    for Link { path, itself } in &facts.links {
        if matches!(itself.state, State::Absent) {
            let node = Node::Link(file.display().to_string());
            plan.write(path, itself.clone(), node, Inverse::Whole, "enable it at boot");
        }
    }
    Ok(())
}

/// Plans to disable the unit.
pub fn disable(facts: &UnitFacts, plan: &mut Plan) {
    for Link { path, itself } in &facts.links {
        if matches!(itself.state, State::Link { .. }) {
            plan.remove(path, itself.clone(), "disable it at boot");
        }
    }
}

/// Plans to reload systemd's unit files.
pub fn reload(plan: &mut Plan) {
    plan.run(systemctl::reload(), "to load the changed unit files");
}

/// Plans to stop the unit; an undo starts it as the last step, when everything it needs is restored.
pub fn stop(plan: &mut Plan) {
    let start = systemctl::argv(&["start", "--no-block"], UNIT);
    plan.run(systemctl::stop(UNIT).undone_by(UndoOrder::Finally, start), "before it is removed");
}

/// The state of the unit, from systemd.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Running {
    /// `active`, `activating`, `failed`, `inactive`.
    pub active: String,
    /// The ID of this start of the unit.
    pub invocation: String,
    /// The number of automatic restarts.
    pub restarts: u32,
}

/// Reads the state from systemd.
pub fn state() -> Result<Running> {
    let shown = systemctl::show(UNIT, "ActiveState,InvocationID,NRestarts")?;
    Ok(Running {
        active: shown.get("ActiveState").to_owned(),
        invocation: shown.get("InvocationID").to_owned(),
        restarts: shown.get("NRestarts").parse().unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::path::Path;

    use super::*;

    const SYSTEM: &str = "etc/systemd/system";

    fn root(dir: &tempfile::TempDir, files: &[(&str, &str)]) -> Root {
        for (path, text) in files {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        Root::image(dir.path()).unwrap()
    }

    #[test]
    fn link_to_the_packaged_file_is_not_another_unit() {
        let dir = tempfile::tempdir().unwrap();
        let root = root(&dir, &[("usr/lib/systemd/system/crio.service", "[Service]\n"), ("etc/x", "")]);
        fs::create_dir_all(dir.path().join(SYSTEM)).unwrap();
        symlink("/usr/lib/systemd/system/crio.service", dir.path().join(SYSTEM).join("crio.service")).unwrap();
        let facts = UnitFacts::read(&root).unwrap();
        assert_eq!(facts.all, [Path::new("/").join(SYSTEM).join("crio.service")]);
    }

    #[test]
    fn unit_is_enabled_by_one_target_and_not_by_an_alias() {
        let dir = tempfile::tempdir().unwrap();
        let text = "[Service]\n[Install]\nWantedBy=a.target b.target\nAlias=cri-o.service\n";
        let root = root(&dir, &[("usr/lib/systemd/system/crio.service", text)]);
        let is_enabled = || UnitFacts::read(&root).unwrap().is_enabled;
        fs::create_dir_all(dir.path().join(SYSTEM).join("b.target.wants")).unwrap();
        symlink("/usr/lib/systemd/system/crio.service", dir.path().join(SYSTEM).join("cri-o.service")).unwrap();
        assert!(!is_enabled());
        let link = dir.path().join(SYSTEM).join("b.target.wants/crio.service");
        symlink("/usr/lib/systemd/system/crio.service", link).unwrap();
        assert!(is_enabled());
    }
}
