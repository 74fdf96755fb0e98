//! The memory cgroup: whether it is on, and the boot command line that turns it on.
//!
//! When an edit is planned:
//! - the lasting configuration says "off": yes, everywhere;
//! - it says "on": no;
//! - it says nothing, and the running kernel has the controller: no, unless that kernel was told so
//!   on a command line that no longer says it;
//! - it says nothing, and the running kernel lacks it: yes;
//! - it says nothing, and nothing runs (an image): yes for Raspberry Pi's firmware, whose kernels
//!   have it off; no elsewhere, as generic kernels have it on.
//!
//! A kernel built without CONFIG_MEMCG is an error: no command line helps.

pub mod cmdline;
pub mod config_txt;
mod judge;
pub mod layout;
pub mod live;
mod plan;
#[cfg(test)]
mod testing;

use edge_host::{Editor, Host, Result, Root};

use layout::Layout;
use live::{Built, Live, Mount};

pub use judge::{faults, status, unreadable};
pub use plan::{plan, report_volatile_changes};

const OVERLAY_KIND: &str = "overlay";
const ROOT_POINT: &str = "/";
/// The package of this name mounts the root under it.
const OVERLAYROOT: &str = "overlayroot";
/// raspi-config's read-only mode, older form.
const BOOT_OVERLAY: &str = "boot=overlay";

/// What was read.
#[derive(Debug, Clone)]
pub struct Facts {
    /// The running kernel; none for an image.
    pub live: Option<Live>,
    /// Where the command line comes from.
    pub layout: Layout,
    /// Whether the kernels installed in an image can do it, where that is known.
    pub installed: Option<Built>,
    /// Whether changes outlive a reboot.
    pub overlay: Overlay,
}

/// An overlay over the root file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Overlay {
    /// None, or one that lasts.
    No,
    /// Changes vanish at the next boot; what tells so.
    Volatile(String),
}

/// Whether a reboot is needed for it to take effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reboot {
    /// It is.
    Needed,
    /// It is not.
    No,
}

/// Reads.
pub fn facts(host: &Host) -> Result<Facts> {
    facts_of(&host.root)
}

/// Reads below a root; nothing live for an image.
pub fn facts_of(root: &Root) -> Result<Facts> {
    let live = live::read(root)?;
    let model = live.as_ref().and_then(|live| live.model.as_deref());
    let layout = Layout::find(root, model);
    let installed = match (&live, &layout) {
        (None, Layout::Grub(_) | Layout::Extlinux(_)) => live::installed(root)?,
        _ => None,
    };
    let overlay = overlay_of(live.as_ref());
    Ok(Facts { live, layout, installed, overlay })
}

/// Whether what is changed on this host outlives a reboot.
pub fn overlay_over(host: &Host) -> Result<Overlay> {
    Ok(overlay_of(live::read(&host.root)?.as_ref()))
}

fn overlay_of(live: Option<&Live>) -> Overlay {
    live.map_or(Overlay::No, |live| overlay(&live.mounts, &live.cmdline))
}

/// What takes single edits back.
pub fn editors() -> &'static [&'static dyn Editor] {
    &[&cmdline::TokenEditor, &layout::AppendEditor]
}

/// An overlay as the root is no proof: some keep their upper layer on a disk.
fn overlay(mounts: &[Mount], cmdline: &str) -> Overlay {
    let at = |point: &std::path::Path| mounts.iter().rfind(|mount| mount.point == point);
    let Some(root) = at(std::path::Path::new(ROOT_POINT)).filter(|mount| mount.kind == OVERLAY_KIND) else {
        return Overlay::No;
    };
    if root.source == OVERLAYROOT {
        return Overlay::Volatile(format!("the root is mounted by {OVERLAYROOT}"));
    }
    let is_word = |word: &&str| {
        *word == BOOT_OVERLAY
            || word.strip_prefix(OVERLAYROOT).is_some_and(|rest| rest.starts_with('=') && rest.len() > 1)
    };
    if let Some(word) = cmdline.split_whitespace().find(|word| is_word(word)) {
        return Overlay::Volatile(format!("{word} in /proc/cmdline"));
    }
    let upper = root.super_options.split(',').find_map(|option| option.strip_prefix("upperdir="));
    let holder = upper.and_then(|upper| std::path::Path::new(upper).ancestors().find_map(at));
    match holder {
        Some(mount) if mount.kind == "tmpfs" => {
            Overlay::Volatile(format!("the root's upper layer is in memory ({})", mount.point.display()))
        }
        _ => Overlay::No,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mount(point: &str, kind: &str, source: &str, super_options: &str) -> Mount {
        Mount {
            point: point.into(),
            kind: kind.into(),
            source: source.into(),
            options: "rw".into(),
            super_options: super_options.into(),
        }
    }

    #[test]
    fn an_overlay_that_forgets_is_told_from_one_that_keeps() {
        let plain = mount("/", "ext4", "/dev/root", "rw");
        assert_eq!(overlay(&[plain], "boot=overlay"), Overlay::No, "asked for, and not yet booted so");
        let own = mount("/", "overlay", "overlay", "rw,lowerdir=/lower,upperdir=/upper/data,workdir=/upper/work");
        assert_eq!(overlay(std::slice::from_ref(&own), "quiet"), Overlay::No);
        assert!(matches!(overlay(std::slice::from_ref(&own), "quiet boot=overlay"), Overlay::Volatile(_)));
        assert!(matches!(overlay(std::slice::from_ref(&own), "overlayroot=tmpfs"), Overlay::Volatile(_)));
        assert!(matches!(overlay(&[mount("/", "overlay", "overlayroot", "")], ""), Overlay::Volatile(_)));
        let memory = mount("/upper", "tmpfs", "tmpfs", "rw");
        assert!(matches!(overlay(&[memory, own], ""), Overlay::Volatile(_)));
    }
}
