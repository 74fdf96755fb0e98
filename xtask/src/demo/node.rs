//! The edge node of the demo: a tree of its own, or this host seen through overlays.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use edgeutils_tests::systems;

use super::mount;
use super::tree::Tree;
use crate::sample::{EDGECORE_UNIT, cloudcore_yaml, edgecore_yaml};
use crate::sh::Sh;
use crate::workspace::{make_dir, remove_tree, write};

/// The release that the edge node runs.
const RELEASE: &str = "1.8";

/// The newest release whose cloudcore does not manage the redirect.
const CLOUD_RELEASE: &str = "1.7";

/// Directories whose changes the demo shows.
const SHOWN: &[&str] = &["etc/kubeedge", "etc/systemd/system"];

/// The journal and the lock remain after an undo.
const OWN: &[&str] = &["var/lib/edgeutils", "run/edgeutils"];

/// Directories that the live demo changes in an overlay only.
const OVERLAID: &[&str] = &["/etc", "/var/lib"];
const HIDDEN: &str = "/run";

/// Comments as administrators leave them.
const NOTE: &str = "# Site 12, mast 3. Metered link: ask Ines before raising any interval.\n";
const REMARK: &str = "    server: 127.0.0.1:10004 # see ticket 311\n";

/// Where the utilities work.
pub(crate) struct Node {
    system: &'static str,
    release: &'static str,
    root: PathBuf,
    is_live: bool,
}

impl Node {
    /// A fresh tree of an edge node in `dir`.
    pub(crate) fn copied(dir: &Path) -> Result<Node> {
        remove_tree(dir)?;
        let root = dir.to_owned();
        let node = Node { system: systems::RASPBERRY_PI_OS_12, release: RELEASE, root, is_live: false };
        node.copy_system()?;
        node.furnish()?;
        Ok(node)
    }

    /// A fresh tree of a cloud host in `dir`: kubeadm's CA and the default cloudcore.yaml.
    pub(crate) fn cloud(dir: &Path) -> Result<Node> {
        remove_tree(dir)?;
        let node = Node { system: systems::AMD64_GRUB, release: CLOUD_RELEASE, root: dir.to_owned(), is_live: false };
        node.copy_system()?;
        write(&dir.join("etc/kubeedge/config/cloudcore.yaml"), cloudcore_yaml(CLOUD_RELEASE)?)?;
        let pki = dir.join("etc/kubernetes/pki");
        make_dir(&pki)?;
        let ca = "openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -subj /CN=kubernetes -keyout ca.key -out ca.crt";
        if !Sh::new(ca).dir(&pki).output()?.status.success() {
            bail!("{ca}: failed");
        }
        Ok(node)
    }

    fn copy_system(&self) -> Result<()> {
        make_dir(&self.root)?;
        let system = systems::by_name(self.system);
        Sh::new("cp --archive").arg(system.path().join(".")).arg(&self.root).run()?;
        make_dir(&self.root.join("var/lib"))?;
        make_dir(&self.root.join("run"))
    }

    /// This host, with its changes kept in memory at `dir`. Call in a private mount namespace.
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
        let node = Node { system: "this host", release: RELEASE, root: PathBuf::from("/"), is_live: true };
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
            format!("{}, KubeEdge {}, changes kept in memory", self.system, self.release)
        } else {
            format!("{} with KubeEdge {}, in {}", self.system, self.release, self.root.display())
        }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn is_live(&self) -> bool {
        self.is_live
    }

    /// Options of every call of a utility.
    pub(crate) fn options(&self, tool: &str) -> Vec<String> {
        let mut options = Vec::new();
        if tool == "edge-conf" {
            options.extend(["--kubeedge-version".to_owned(), self.release.to_owned()]);
        }
        if self.is_live {
            options.push("--force-namespace".to_owned());
        } else {
            options.push("--root".to_owned());
            options.push(self.root.to_string_lossy().into_owned());
        }
        options
    }

    /// The current tree, without the journal and the lock.
    pub(crate) fn tree(&self) -> Result<Tree> {
        if self.is_live { Tree::read(&self.root, SHOWN, OWN) } else { Tree::read(&self.root, &[""], OWN) }
    }
}
