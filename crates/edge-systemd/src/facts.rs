//! The files of one unit: which one is loaded, whether it is masked, and the links that enable it.

use std::path::{Path, PathBuf};

use edge_host::{Error, Finding, Inverse, Node, Plan, Result, Root, Severity, State};

use crate::{Link, Scope, Settings, Units, is_running, requested_links};

/// The state of the unit's files.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UnitFacts {
    /// Its name.
    pub name: String,
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
    /// Reads a unit.
    pub fn read(root: &Root, name: &str) -> Result<UnitFacts> {
        let units = Units::read(root, Scope::Now)?;
        let unit = units.find(name)?;
        let mut links = Vec::new();
        for path in requested_links(name, &units.settings(&unit)?) {
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
            name: name.to_owned(),
            file: unit.file().map(|file| file.path.clone()),
            all,
            is_masked: unit.is_masked(),
            links,
            is_enabled: !Units::read(root, Scope::NextBoot)?.links_to(&unit)?.is_empty(),
            has_systemd: is_running(root)?,
        })
    }

    /// Why it is not started at boot: it is masked, which is an error, or not enabled, which is of this severity.
    pub fn not_started(&self, severity: Severity) -> Option<Finding> {
        let name = &self.name;
        if self.is_masked {
            let finding = Finding::error(name, "the unit is masked, and cannot be started");
            return Some(finding.hint(format!("unmask it: systemctl unmask {name}")));
        }
        let is_off = self.file.is_some() && !self.is_enabled;
        let finding = || Finding::new(severity, name, "the unit is not enabled at boot");
        is_off.then(|| finding().hint(format!("enable it: systemctl enable {name}")))
    }

    /// The state after `file` with this text is installed, for a dry run.
    pub fn with_file(self, root: &Root, file: &Path, text: &str) -> Result<UnitFacts> {
        if self.file.is_some() {
            return Ok(self);
        }
        let mut settings = Settings::new(&self.name);
        settings.add(file, text.as_bytes());
        let mut links = Vec::new();
        for path in requested_links(&self.name, &settings) {
            let itself = root.find_link(&path)?;
            links.push(Link { path, itself });
        }
        Ok(UnitFacts { file: Some(file.to_path_buf()), links, ..self })
    }

    /// Plans to enable the unit. Refuses if it is masked.
    pub fn enable(&self, plan: &mut Plan) -> Result<()> {
        if self.is_masked {
            return Err(Error::refused(format!("cannot enable {}: it is masked", self.name))
                .hint(format!("unless that is intended, unmask it: systemctl unmask {}", self.name)));
        }
        let Some(file) = &self.file else { return Ok(()) };
        for Link { path, itself } in &self.links {
            if matches!(itself.state, State::Absent) {
                let node = Node::Link(file.display().to_string());
                plan.write(path, itself.clone(), node, Inverse::Whole, "enable it at boot");
            }
        }
        Ok(())
    }

    /// Plans to disable the unit.
    pub fn disable(&self, plan: &mut Plan) {
        for Link { path, itself } in &self.links {
            if matches!(itself.state, State::Link { .. }) {
                plan.remove(path, itself.clone(), "disable it at boot");
            }
        }
    }
}
