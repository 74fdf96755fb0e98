//! /etc/fstab: an entry whose third field is `swap`, by path, LABEL, UUID, PARTUUID or PARTLABEL.
//!
//! Turned off by commenting it out with edge-prep's name; an undo removes that comment from that line.

use std::path::Path;

use edge_host::action::{Bytes, MAX_COPY};
use edge_host::{Action, Error, FileSnapshot, Inverse, Node, Plan, Result, Root, State};

use super::fstab_lines::{EDITOR, SwapLine, commented, swap_lines};
use super::{AtBoot, Devices, NEW_FILE_MODE, SwapSource, show};
use crate::swap::device::device_path;
use crate::swap::units::resolved;

const FILE: &str = "/etc/fstab";
/// `swapon -a` and systemd skip entries with this option.
const NOT_AT_BOOT: &str = "noauto";

pub(super) fn detect(root: &Root) -> Result<Vec<SwapSource>> {
    let path = Path::new(FILE);
    let was = root.find(path)?;
    match was.state {
        State::Absent => return Ok(Vec::new()),
        State::File { .. } => {}
        other => {
            let cause = format!("it is {}, not a file", other.describe());
            return Err(Error::cannot("read", root.display(path), cause));
        }
    }
    let lines = swap_lines(&was.bytes);
    let is_too_large = was.bytes.len() > MAX_COPY;
    // One write comments out all entries.
    let enabled: Vec<&SwapLine> = lines.iter().filter(|line| at_boot(line).0 == AtBoot::Enabled).collect();
    let mut write = if enabled.is_empty() || is_too_large { None } else { Some(comment_out(was, &enabled)) };
    Ok(lines
        .iter()
        .map(|line| {
            let (at_boot, why) = at_boot(line);
            let mut found = SwapSource::new("fstab", FILE, &line.spec, at_boot).because(why);
            if is_too_large {
                found = found.manual_step(format!(
                    "comment out line {} of {}, which edge-prep does not edit: it is larger than {} MiB",
                    line.line,
                    show(root, FILE),
                    MAX_COPY >> 20
                ));
            } else if at_boot == AtBoot::Enabled {
                found.actions.extend(write.take());
            }
            SwapSource { line: Some(line.line), devices: Devices::Path(device(root, &line.spec)), ..found }
        })
        .collect())
}

fn at_boot(line: &SwapLine) -> (AtBoot, &'static str) {
    let is_noauto = line.options.trim_end().split(',').any(|option| option == NOT_AT_BOOT);
    match line.is_commented {
        true => (AtBoot::Disabled, "commented out by edge-prep"),
        false if is_noauto => (AtBoot::Disabled, "has the option noauto"),
        false => (AtBoot::Enabled, "active entry"),
    }
}

fn comment_out(was: FileSnapshot, lines: &[&SwapLine]) -> Action {
    let (bytes, data) = commented(&was.bytes, &lines.iter().map(|line| line.line).collect());
    let parts = lines.iter().map(|line| line.spec.clone()).collect();
    let inverse = match data {
        Some(data) => Inverse::Edit { kind: EDITOR.to_owned(), data, parts },
        None => Inverse::Whole,
    };
    let mut plan = Plan::new();
    let node = Node::File { content: Bytes::Known(bytes), mode: NEW_FILE_MODE };
    let write = plan.write(FILE, was, node, inverse, "turns swap off at boot");
    write.details = lines.iter().map(|line| format!("line {} commented out: {}", line.line, line.spec)).collect();
    plan.actions.remove(0)
}

/// The device as /proc/swaps lists it; in an image nothing is active to compare it with.
fn device(root: &Root, spec: &str) -> std::path::PathBuf {
    let path = device_path(spec);
    if root.is_live() { resolved(root, &path) } else { path }
}
