//! Debian's own images for the Raspberry Pi: a hook of the raspi-firmware package regenerates cmdline.txt
//! for each kernel and initramfs, from options in a file that is edited instead.
//!
//! Raspberry Pi OS has a package of the same name since Bookworm; its hook does not write cmdline.txt.

use std::path::Path;
use std::time::Duration;

use edge_host::action::{Bytes, Run, UndoOrder};
use edge_host::{Node, Plan, Result, ResultExt, Root, State};

use super::partition::{self, Partition};
use super::{BootFile, NEW_FILE_MODE, token_inverse};
use crate::cgroup::cmdline::{self, ENABLE, MemoryOption, OneLine};

const EXTRA: &str = "/etc/default/raspi-extra-cmdline";
const SETTINGS: &str = "/etc/default/raspi-firmware";
const HOOK: &str = "/etc/kernel/postinst.d/z50-raspi-firmware";
const RASPBERRY_PI_OS: &str = "/etc/rpi-issue";
const BOOT: &str = "/boot/firmware";
const GENERATED: &str = "/boot/firmware/cmdline.txt";
const WRITTEN: &[u8] = b"cmdline.txt";
/// The hook runs after it.
const REGENERATE: [&str; 2] = ["update-initramfs", "-u"];
/// An initramfs takes minutes on a small board.
const WITHIN: Duration = Duration::from_secs(900);

/// The file with the extra options, and the one that is generated from it.
#[derive(Debug, Clone)]
pub struct DebianRaspi {
    /// The file that is edited.
    pub extra: BootFile,
    pub(super) generated: BootFile,
    pub(super) partition: Result<Partition>,
}

pub(super) fn find(root: &Root) -> Result<Option<DebianRaspi>> {
    if root.find(Path::new(RASPBERRY_PI_OS))?.exists() {
        return Ok(None);
    }
    let writes = match root.read(Path::new(HOOK))? {
        Some(hook) => hook.windows(WRITTEN.len()).any(|bytes| bytes == WRITTEN),
        None => root.find(Path::new(EXTRA))?.exists() && root.find(Path::new(SETTINGS))?.exists(),
    };
    if !writes {
        return Ok(None);
    }
    let generated = BootFile::read(root, Path::new(GENERATED))?;
    let partition = partition::check(root, Path::new(BOOT));
    Ok(Some(DebianRaspi { extra: BootFile::read(root, Path::new(EXTRA))?, generated, partition }))
}

impl DebianRaspi {
    fn line(&self, verb: &str) -> Result<OneLine<'_>> {
        if self.extra.now.state == State::Absent {
            return OneLine::parse(b"");
        }
        OneLine::parse(self.extra.bytes(verb)?).on(verb, &self.extra.shown)
    }

    pub(super) fn memory_option(&self) -> Result<MemoryOption> {
        Ok(cmdline::memory_option(self.line("read")?.body))
    }

    pub(super) fn enable(&self, is_live: bool, plan: &mut Plan) -> Result<()> {
        let line = self.line("edit")?;
        if is_live && self.partition.clone()? == Partition::ReadOnly {
            return Err(partition::read_only(&self.generated.shown, Path::new(BOOT)));
        }
        let end = if self.extra.now.bytes.is_empty() { "\n" } else { line.end };
        let text = format!("{}{end}", cmdline::append(line.body));
        let node = Node::File { content: Bytes::Known(text.into_bytes()), mode: NEW_FILE_MODE };
        let was = self.extra.now.clone();
        if is_live && self.generated.now.exists() {
            self.generated.keep_old(plan);
        }
        plan.write(&self.extra.path, was, node, token_inverse(line.body), "turns the memory cgroup on")
            .details
            .push(format!("+ {ENABLE}"));
        if is_live {
            regenerate(plan);
        } else {
            plan.note(format!(
                "run {} on the machine or in a chroot to generate {}",
                REGENERATE.join(" "),
                self.generated.shown
            ));
        }
        Ok(())
    }

    /// Runs the hook where cmdline.txt was generated without the option.
    pub(super) fn regenerate_if_outdated(&self, plan: &mut Plan) {
        let line = String::from_utf8_lossy(&self.generated.now.bytes);
        if self.generated.now.exists() && cmdline::memory_option(line.trim_end()) != MemoryOption::Enabled {
            regenerate(plan);
        }
    }
}

fn regenerate(plan: &mut Plan) {
    let run = Run::new(REGENERATE, WITHIN)
        .with_probe(["grep", "-qw", "--", ENABLE, GENERATED])
        .undone_by(UndoOrder::Last, REGENERATE);
    plan.run(run, "generates cmdline.txt");
}
