//! The unit crio.service: its files, and whether it is enabled.

use edge_host::action::UndoOrder;
use edge_host::{Plan, Result, Root};
use edge_systemd::startup::Running;
use edge_systemd::{UnitFacts, systemctl};

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

/// Reads the state of its files.
pub fn read(root: &Root) -> Result<UnitFacts> {
    UnitFacts::read(root, UNIT)
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

/// Reads the state from systemd.
pub fn state() -> Result<Running> {
    edge_systemd::startup::state(UNIT)
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
        let facts = read(&root).unwrap();
        assert_eq!(facts.all, [Path::new("/").join(SYSTEM).join("crio.service")]);
    }

    #[test]
    fn unit_is_enabled_by_one_target_and_not_by_an_alias() {
        let dir = tempfile::tempdir().unwrap();
        let text = "[Service]\n[Install]\nWantedBy=a.target b.target\nAlias=cri-o.service\n";
        let root = root(&dir, &[("usr/lib/systemd/system/crio.service", text)]);
        let is_enabled = || read(&root).unwrap().is_enabled;
        fs::create_dir_all(dir.path().join(SYSTEM).join("b.target.wants")).unwrap();
        symlink("/usr/lib/systemd/system/crio.service", dir.path().join(SYSTEM).join("cri-o.service")).unwrap();
        assert!(!is_enabled());
        let link = dir.path().join(SYSTEM).join("b.target.wants/crio.service");
        symlink("/usr/lib/systemd/system/crio.service", link).unwrap();
        assert!(is_enabled());
    }
}
