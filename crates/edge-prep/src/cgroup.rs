//! The memory cgroup: whether it is on, and the boot command line that turns it on.
//!
//! Whether an edit is planned depends on the option in the boot configuration:
//! - it disables the controller: yes, everywhere;
//! - it enables it: no;
//! - there is none, and the running kernel has the controller: no, unless that kernel was started
//!   with an option that the configuration no longer has;
//! - there is none, and the running kernel lacks the controller: yes;
//! - there is none, and no kernel runs (an image): yes for Raspberry Pi's firmware, whose kernels
//!   have it off by default; no elsewhere, as generic kernels have it on.
//!
//! A kernel built without CONFIG_MEMCG is an error: no option can help.

pub mod cmdline;
pub mod config_txt;
mod diagnose;
pub mod layout;
pub mod live;
mod plan;
#[cfg(test)]
mod testing;

use std::path::Path;

use edge_host::{Editor, Host, Mounts, Result, Root};

use layout::Layout;
use live::Live;

pub use diagnose::{findings, status, unreadable};
pub use plan::{has_manual_step, plan, report_volatile_changes};

const OVERLAY_KIND: &str = "overlay";
const ROOT_POINT: &str = "/";
/// The package overlayroot mounts the root with this source.
const OVERLAYROOT: &str = "overlayroot";
/// The older form of raspi-config's read-only mode.
const BOOT_OVERLAY: &str = "boot=overlay";

/// What was read about the memory cgroup.
#[derive(Debug, Clone)]
pub struct Facts {
    /// The running kernel; none for an image.
    pub live: Option<Live>,
    /// How the kernel gets its command line.
    pub layout: Layout,
    /// Whether a kernel installed in an image has CONFIG_MEMCG, where that is known.
    pub installed_has_memcg: Option<bool>,
    /// Where changes to the root file system are lost on reboot: how that is known.
    pub volatile: Option<String>,
}

/// Reads the facts about a host.
pub fn facts(host: &Host) -> Result<Facts> {
    facts_of(&host.root)
}

/// Reads the facts below a root; nothing live for an image.
pub fn facts_of(root: &Root) -> Result<Facts> {
    let live = live::read(root)?;
    let model = live.as_ref().and_then(|live| live.model.as_deref());
    let layout = Layout::find(root, model);
    let installed_has_memcg = match (&live, &layout) {
        (None, Layout::Grub(_) | Layout::Extlinux(_)) => live::installed_has_memcg(root)?,
        _ => None,
    };
    let volatile = live.as_ref().and_then(|live| volatile(&live.mounts, &live.cmdline));
    Ok(Facts { live, layout, installed_has_memcg, volatile })
}

/// Where changes to this host's root file system are lost on reboot: how that is known.
pub fn volatile_root(host: &Host) -> Result<Option<String>> {
    Ok(live::read(&host.root)?.and_then(|live| volatile(&live.mounts, &live.cmdline)))
}

/// What reverts single edits.
pub fn editors() -> &'static [&'static dyn Editor] {
    &[&cmdline::TokenEditor, &layout::AppendEditor]
}

/// Whether the root is an overlay with an upper layer in memory: some overlays have it on a disk.
fn volatile(mounts: &Mounts, cmdline: &str) -> Option<String> {
    let root = mounts.at(Path::new(ROOT_POINT)).filter(|mount| mount.kind == OVERLAY_KIND)?;
    if root.source == OVERLAYROOT {
        return Some(format!("the root is mounted by {OVERLAYROOT}"));
    }
    let is_word = |word: &&str| {
        *word == BOOT_OVERLAY
            || word.strip_prefix(OVERLAYROOT).is_some_and(|rest| rest.starts_with('=') && rest.len() > 1)
    };
    if let Some(word) = cmdline.split_whitespace().find(|word| is_word(word)) {
        return Some(format!("{word} in /proc/cmdline"));
    }
    let upper = root.super_options.iter().find_map(|option| option.strip_prefix("upperdir="));
    let holder = upper.and_then(|upper| Path::new(upper).ancestors().find_map(|dir| mounts.at(dir)));
    let memory = holder.filter(|mount| mount.kind == "tmpfs")?;
    Some(format!("the root's upper layer is in memory ({})", memory.point.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn volatile_finds_an_overlay_in_memory() {
        const OVERLAY: &str = "1 0 0:1 / / rw - overlay overlay rw,lowerdir=/lower,upperdir=/upper/data\n";
        const IN_MEMORY: &str = "2 1 0:2 / /upper rw - tmpfs tmpfs rw\n";
        let volatile = |text: &str, cmdline: &str| volatile(&Mounts::parse(text.as_bytes()).unwrap(), cmdline);
        let plain = "1 0 8:1 / / rw - ext4 /dev/root rw\n";
        assert_eq!(volatile(plain, "boot=overlay"), None, "requested, and not in effect before a reboot");
        assert_eq!(volatile(OVERLAY, "quiet"), None);
        assert!(volatile(OVERLAY, "quiet boot=overlay").is_some());
        assert!(volatile(OVERLAY, "overlayroot=tmpfs").is_some());
        assert!(volatile("1 0 0:1 / / rw - overlay overlayroot rw\n", "").is_some());
        assert!(volatile(&format!("{OVERLAY}{IN_MEMORY}"), "").is_some());
    }
}
