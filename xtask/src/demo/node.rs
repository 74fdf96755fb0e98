//! The edge node of the demo: a tree of its own, or this host seen through overlays.

use std::path::{Path, PathBuf};

use anyhow::Result;
use edgeutils_tests::systems;

use super::mount;
use super::tree::Tree;
use crate::sample::{EDGECORE_UNIT, edgecore_yaml};
use crate::sh::Sh;
use crate::workspace::{make_dir, remove_tree, write};

/// The release that the node runs.
const RELEASE: &str = "1.8";

/// Whose changes the demo shows.
const SHOWN: &[&str] = &["etc/kubeedge", "etc/systemd/system"];

/// The journal and the lock stay when all is undone.
const OWN: &[&str] = &["var/lib/edgeutils", "run/edgeutils"];

/// What the live demo may change without the host seeing it.
const OVERLAID: &[&str] = &["/etc", "/var/lib"];
const HIDDEN: &str = "/run";

/// Comments as administrators leave them.
const NOTE: &str = "# Site 12, mast 3. Metered link: ask Ines before raising any interval.\n";
const REMARK: &str = "    server: 127.0.0.1:10004 # see ticket 311\n";

/// Where the utilities work.
pub(crate) struct Node {
    root: PathBuf,
    is_live: bool,
}

impl Node {
    /// A fresh tree of an edge node in `dir`.
    pub(crate) fn copied(dir: &Path) -> Result<Node> {
        remove_tree(dir)?;
        let node = Node { root: dir.to_owned(), is_live: false };
        make_dir(dir)?;
        let system = systems::by_name(systems::RASPBERRY_PI_OS_12);
        Sh::new("cp --archive").arg(system.path().join(".")).arg(dir).run()?;
        node.furnish()?;
        make_dir(&dir.join("var/lib"))?;
        make_dir(&dir.join("run"))?;
        Ok(node)
    }

    /// This host, with what is written to it kept in memory at `dir`. Call in a private mount namespace.
    pub(crate) fn overlaid(dir: &Path) -> Result<Node> {
        make_dir(dir)?;
        mount(&["-t", "tmpfs", "tmpfs"], dir)?;
        for (number, lower) in OVERLAID.iter().enumerate() {
            let [upper, work] = ["upper", "work"].map(|name| dir.join(format!("{name}{number}")));
            make_dir(&upper)?;
            make_dir(&work)?;
            let options = format!("lowerdir={lower},upperdir={},workdir={}", upper.display(), work.display());
            mount(&["-t", "overlay", "overlay", "-o", &options], Path::new(lower))?;
        }
        mount(&["-t", "tmpfs", "tmpfs"], Path::new(HIDDEN))?;
        let node = Node { root: PathBuf::from("/"), is_live: true };
        node.furnish()?;
        Ok(node)
    }

    fn furnish(&self) -> Result<()> {
        let config = edgecore_yaml(RELEASE)?;
        let config = config.replacen("    server: 127.0.0.1:10004\n", REMARK, 1);
        let file = self.root.join("etc/kubeedge/config/edgecore.yaml");
        write(&file, format!("{NOTE}{config}"))?;
        let unit = self.root.join("etc/systemd/system/edgecore.service");
        write(&unit, EDGECORE_UNIT)
    }

    pub(crate) fn described(&self) -> String {
        if self.is_live {
            format!("this host, KubeEdge {RELEASE}, changes kept in memory")
        } else {
            format!("{} with KubeEdge {RELEASE}, in {}", systems::RASPBERRY_PI_OS_12, self.root.display())
        }
    }

    pub(crate) fn is_live(&self) -> bool {
        self.is_live
    }

    /// What every call of a utility begins with.
    pub(crate) fn options(&self, tool: &str) -> Vec<String> {
        let mut options = Vec::new();
        if tool == "edge-conf" {
            options.extend(["--kubeedge-version".to_owned(), RELEASE.to_owned()]);
        }
        if self.is_live {
            options.push("--force-namespace".to_owned());
        } else {
            options.push("--root".to_owned());
            options.push(self.root.to_string_lossy().into_owned());
        }
        options
    }

    /// What is there now, the journal and the lock aside.
    pub(crate) fn tree(&self) -> Result<Tree> {
        if self.is_live { Tree::read(&self.root, SHOWN, OWN) } else { Tree::read(&self.root, &[""], OWN) }
    }
}
