//! The unit crio.service: where it is, whether it is enabled, and what its environment sets.

use std::path::PathBuf;

use edge_host::action::{Run, UndoOrder};
use edge_host::{Error, Inverse, Node, Plan, Result, Root, State};
use edge_systemd::{Link, Scope, Units, requested_links, systemctl};

use crate::config::Setting;

/// The unit.
pub const UNIT: &str = "crio.service";
/// How its command line and its environment set the cgroup driver, which counts before its files.
const DRIVER_OPTION: &str = "--cgroup-manager";
const DRIVER_VARIABLE: &str = "CONTAINER_CGROUP_MANAGER";

/// What is there of the unit.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UnitFacts {
    /// The file that counts.
    pub file: Option<PathBuf>,
    /// All files of this name.
    pub all: Vec<PathBuf>,
    /// Whether it cannot be started.
    pub masked: bool,
    /// The links that its \[Install\] section asks for.
    pub enabling: Vec<Link>,
    /// Whether another unit that is started at boot wants it.
    pub is_wanted: bool,
    /// systemd runs here.
    pub has_systemd: bool,
}

impl UnitFacts {
    /// Reads them.
    pub fn read(root: &Root) -> Result<UnitFacts> {
        let units = Units::read(root, Scope::Now)?;
        let unit = units.find(UNIT)?;
        let mut enabling = Vec::new();
        for path in requested_links(UNIT, &units.settings(&unit)?) {
            let itself = root.find_link(&path)?;
            enabling.push(Link { path, itself });
        }
        Ok(UnitFacts {
            file: unit.file().map(|file| file.path.clone()),
            all: unit.files.iter().map(|file| file.path.clone()).collect(),
            masked: unit.is_masked(),
            enabling,
            is_wanted: !Units::read(root, Scope::NextBoot)?.links_to(&unit)?.is_empty(),
            has_systemd: edge_systemd::is_running(root)?,
        })
    }
}

/// Plans that the unit starts at boot. Refuses one that is masked.
pub fn enable(facts: &UnitFacts, plan: &mut Plan) -> Result<()> {
    if facts.masked {
        return Err(Error::refused(format!("cannot enable {UNIT}: it is masked"))
            .hint(format!("systemctl unmask {UNIT}, if it is not masked for a reason")));
    }
    let Some(file) = &facts.file else { return Ok(()) };
    for Link { path, itself } in &facts.enabling {
        if matches!(itself.state, State::Absent) {
            let node = Node::Link(file.display().to_string());
            plan.write(path, itself.clone(), node, Inverse::Whole, "started at every boot");
        }
    }
    Ok(())
}

/// Plans that the links go.
pub fn disable(facts: &UnitFacts, plan: &mut Plan) {
    for Link { path, itself } in &facts.enabling {
        if matches!(itself.state, State::Link { .. }) {
            plan.remove(path, itself.clone(), "not started at boot");
        }
    }
}

/// Plans that systemd reads the unit files again.
pub fn reload(plan: &mut Plan) {
    plan.run(systemctl::reload(), "so that systemd sees it");
}

/// Plans a stop; an undo starts it last, when what it needs is back.
pub fn stop(plan: &mut Plan) {
    let inverse = Some(systemctl::argv(&["start", "--no-block"], UNIT));
    plan.run(Run { inverse, undo_order: UndoOrder::Finally, ..systemctl::stop(UNIT) }, "before it is removed");
}

/// How systemd says the unit is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Running {
    /// `active`, `activating`, `failed`, `inactive`.
    pub active: String,
    /// Each start has its own.
    pub invocation: String,
    /// How often it was started again after it had failed.
    pub restarts: u32,
}

/// Asks systemd.
pub fn state() -> Result<Running> {
    let shown = systemctl::show(UNIT, "ActiveState,InvocationID,NRestarts")?;
    Ok(Running {
        active: shown.get("ActiveState").to_owned(),
        invocation: shown.get("InvocationID").to_owned(),
        restarts: shown.get("NRestarts").parse().unwrap_or_default(),
    })
}

/// The cgroup driver that the unit itself sets, by an option of its command line or else by a variable.
///
/// Fails where a file of the unit cannot be read, and none of the others sets it.
pub fn driver_option(root: &Root) -> Result<Option<(Setting, usize)>> {
    let units = Units::read(root, Scope::Now)?;
    let settings = units.settings(&units.find(UNIT)?)?;
    let environment = settings.whole_environment(root)?;
    let mut found = environment
        .iter()
        .find(|one| one.name == DRIVER_VARIABLE && !one.value.is_empty())
        .map(|one| (Setting { value: one.value.clone(), file: one.file.clone() }, one.line));
    let words = settings.exec_start_words(&environment);
    for (index, word) in words.iter().enumerate() {
        let value = match word.text.strip_prefix(DRIVER_OPTION) {
            Some("") => words.get(index + 1).map(|next| next.text.clone()),
            Some(rest) => rest.strip_prefix('=').map(str::to_owned),
            None => None,
        };
        if let Some(value) = value {
            found = Some((Setting { value, file: word.file.clone() }, word.line));
        }
    }
    match (found, settings.unread().first()) {
        (None, Some(path)) => {
            let shown = root.display(path);
            Err(Error::failed(format!("cannot read {}", shown.display())).hint("run edge-crio as root"))
        }
        (found, _) => Ok(found),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

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
    fn one_target_that_wants_it_starts_it_and_another_name_does_not() {
        let dir = tempfile::tempdir().unwrap();
        let text = "[Service]\n[Install]\nWantedBy=a.target b.target\nAlias=cri-o.service\n";
        let root = root(&dir, &[("usr/lib/systemd/system/crio.service", text)]);
        let is_wanted = || UnitFacts::read(&root).unwrap().is_wanted;
        fs::create_dir_all(dir.path().join(SYSTEM).join("b.target.wants")).unwrap();
        symlink("/usr/lib/systemd/system/crio.service", dir.path().join(SYSTEM).join("cri-o.service")).unwrap();
        assert!(!is_wanted());
        let link = dir.path().join(SYSTEM).join("b.target.wants/crio.service");
        symlink("/usr/lib/systemd/system/crio.service", link).unwrap();
        assert!(is_wanted());
    }

    #[test]
    fn driver_option_names_the_place_that_counts() {
        let of = |files: &[(&str, &str)]| {
            let dir = tempfile::tempdir().unwrap();
            let unit = "[Service]\nEnvironmentFile=-/etc/default/crio\nExecStart=/usr/bin/crio $OPTIONS\n";
            let root = root(&dir, &[&[("usr/lib/systemd/system/crio.service", unit)], files].concat());
            driver_option(&root)
                .unwrap()
                .map(|(option, line)| format!("{} {}:{line}", option.value, option.file.display()))
        };
        let dropin = "usr/local/lib/systemd/system/crio.service.d/x.conf";
        let by_variable = (dropin, "[Service]\nEnvironment=\"CONTAINER_CGROUP_MANAGER=cgroupfs\"\n");
        let place = format!("cgroupfs /{dropin}:2");
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[by_variable]), Some(place.clone()));
        let unused = ("etc/default/crio", "# --cgroup-manager=no\nOTHER=--cgroup-manager=no\n");
        assert_eq!(of(&[by_variable, unused]), Some(place));
        let by_option = ("etc/default/crio", "# x\nOPTIONS=--log-level debug --cgroup-manager systemd\n");
        assert_eq!(of(&[by_variable, by_option]).as_deref(), Some("systemd /etc/default/crio:2"));
        let by_command = (dropin, "[Service]\nExecStart=\nExecStart=/usr/bin/crio --cgroup-manager=x\n");
        assert_eq!(of(&[by_command, by_option]), Some(format!("x /{dropin}:3")));
    }
}
