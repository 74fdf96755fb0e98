//! Layouts as literals, for tests of plans and findings.

use edge_host::{FileSnapshot, State};

use super::grub::testing::grub;
use super::{BootFile, Layout, Partition, Raspberry};

/// The snapshot of a file with this text.
pub(crate) fn file(text: &str) -> FileSnapshot {
    let state = State::File { sha256: String::new(), mode: 0o644, uid: 0, gid: 0, xattrs: None };
    FileSnapshot { state, bytes: text.as_bytes().to_vec() }
}

fn boot_file(path: &str, text: &str) -> BootFile {
    let old = FileSnapshot { state: State::Absent, bytes: Vec::new() };
    BootFile { path: path.into(), shown: path.to_owned(), now: file(text), old }
}

pub(crate) fn raspberry(text: &str, partition: Partition) -> Layout {
    let file = boot_file("/boot/firmware/cmdline.txt", text);
    Layout::Raspberry(Raspberry { file, dir: "/boot/firmware".into(), partition })
}

/// Debian's layout, with the text of both files.
pub(crate) fn debian_raspi(extra: &str, generated: &str) -> Layout {
    let extra = boot_file("/etc/default/raspi-extra-cmdline", extra);
    let generated = boot_file("/boot/firmware/cmdline.txt", generated);
    Layout::DebianRaspi(super::DebianRaspi { extra, generated, partition: Ok(Partition::Writable) })
}

/// GRUB with or without the drop-in, and a grub.cfg without the token.
pub(crate) fn grub_with(drop_in: DropIn) -> Layout {
    Layout::Grub(grub(drop_in))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DropIn {
    Present,
    Absent,
}
