//! Suite golden-image: a disk that is prepared with `--root` on this computer before its first boot, as an SD card is.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::guest::Guest;
use super::{Place, Prepared, node, repository};
use crate::sh::Sh;
use crate::workspace::make_dir;

/// How many utilities edge-node.sh calls without a runtime.
const UTILITIES: usize = 4;

/// $1 is the disk, $2 where it is mounted, $3 the package, $4 the script; in a mount namespace of its own.
const PREPARE: &str = r#"
set -eu
mount -o loop "$1" "$2"
# The disk's own dpkg: it knows the groups there, which packages have made.
cp "$3" "$2/edgeutils.deb"
chroot "$2" dpkg --install /edgeutils.deb
rm "$2/edgeutils.deb"
export ROOT="$2"
sh "$4"
umount "$2"
"#;

/// What prepares the disk.
struct Tools {
    mount: PathBuf,
    plugins: PathBuf,
    package: PathBuf,
    script: PathBuf,
    /// Has the utilities for this computer.
    path: String,
}

pub(super) fn prepare(place: &Place<'_>) -> Result<Prepared> {
    place.workspace.build_programs()?;
    let mut files = node::files(place)?;
    files.push(node::joined()?);
    files.extend(repository::plugins(place)?);
    let tools = Tools {
        mount: place.dir.join("root"),
        plugins: repository::plugin_dir(place)?,
        package: place.package.to_owned(),
        script: place.workspace.root.join("scripts/edge-node.sh"),
        path: format!("{}:{}", place.workspace.debug_bin().display(), std::env::var("PATH").unwrap_or_default()),
    };
    Ok(Prepared { files, story: Box::new(move |guest| story(guest, &tools)) })
}

/// All steps; the first one that fails ends the suite.
fn story(guest: &mut Guest<'_>, tools: &Tools) -> Result<()> {
    prepare_disk(guest.machine.disk().path(), tools).context("preparing the disk")?;
    guest.report("the disk is prepared");

    guest.boot()?;
    node::is_prepared(guest).context("after the first boot")?;
    let settings: String = node::HOST.iter().map(|(name, value)| format!("{name}={value} ")).collect();
    node::second_run(guest, &format!("{settings}sh {}/edge-node.sh", node::SCRIPTS), UTILITIES)?;
    guest.report("prepared at its first boot, and the same command changes nothing");

    guest.run(node::UNDO)?;
    guest.reboot()?;
    guest.prints("swapon --show=NAME --noheadings | sort", "/dev/zram0\n/swapfile\n/swapfile2")?;
    guest.prints(node::UNDO, "nothing to undo")?;
    guest.report("undone on the machine, and swap is on after a reboot");
    guest.shut_down()
}

/// Mounts the disk, installs the package and runs the script on it.
fn prepare_disk(disk: &Path, tools: &Tools) -> Result<()> {
    make_dir(&tools.mount)?;
    let mut sh = Sh::new("unshare --mount --propagation private sh -c").arg(PREPARE).arg("sh").arg(disk);
    for path in [&tools.mount, &tools.package, &tools.script] {
        sh = sh.arg(path);
    }
    for (name, value) in node::HOST {
        sh = sh.env(name, value);
    }
    let output = sh.env("CNI_PLUGINS", &tools.plugins).env("PATH", &tools.path).output()?;
    if !output.status.success() {
        let printed = [output.stdout, output.stderr].concat();
        bail!("{}: {}", output.status, String::from_utf8_lossy(&printed));
    }
    Ok(())
}
