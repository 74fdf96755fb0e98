//! /etc/fstab: a line whose third field is `swap`, by path, LABEL, UUID, PARTUUID or PARTLABEL.
//!
//! Turned off by a comment that says who did it; taken back by removing that comment from that line.

use std::path::Path;
use std::rc::Rc;

use edge_host::{Error, Result, Root, State, action};

use super::fstab_lines::{LineState, swap_lines};
use super::{AfterReboot, Brings, Change, Remedy, SwapSource};
use crate::swap::device::device_path;
use crate::swap::units::resolved;

const FILE: &str = "/etc/fstab";
/// Lines with one of these are passed over by `swapon -a` and by systemd.
const NOT_AT_BOOT: &str = "noauto";

pub(super) fn detect(root: &Root) -> Result<Vec<SwapSource>> {
    let path = Path::new(FILE);
    let standing = root.find(path)?;
    match standing.state {
        State::Absent => return Ok(Vec::new()),
        State::File { .. } => {}
        other => {
            let shown = root.display(path);
            return Err(Error::failed(format!(
                "cannot read {}: it is {}, not a file",
                shown.display(),
                other.describe()
            )));
        }
    }
    let lines = swap_lines(&standing.bytes);
    let standing = Rc::new(standing);
    Ok(lines
        .into_iter()
        .map(|line| {
            let noauto = line.options.trim_end().split(',').any(|option| option == NOT_AT_BOOT);
            let (after_reboot, why) = match line.state {
                LineState::Commented => (AfterReboot::Off, "commented by edge-prep".to_owned()),
                LineState::InForce if noauto => (AfterReboot::Off, "noauto: not turned on at boot".to_owned()),
                LineState::InForce => (AfterReboot::Back, "turned on at each boot".to_owned()),
            };
            let remedy = match after_reboot {
                AfterReboot::Back if standing.bytes.len() > action::MAX_COPY => Remedy::ManualStep(format!(
                    "{FILE} is larger than {} MiB, of which no copy would be kept: put a # in front of line {}",
                    action::MAX_COPY >> 20,
                    line.line
                )),
                AfterReboot::Back => Remedy::Change(vec![Change::Comment {
                    path: path.to_path_buf(),
                    was: Rc::clone(&standing),
                    line: line.line,
                }]),
                _ => Remedy::Nothing,
            };
            SwapSource {
                source: "fstab",
                file: path.to_path_buf(),
                line: Some(line.line),
                brings: Brings::Path(device(root, &line.spec)),
                what: line.spec,
                after_reboot,
                why,
                remedy,
                service: None,
            }
        })
        .collect())
}

/// The device as /proc/swaps lists it; in an image nothing is active to compare it with.
fn device(root: &Root, spec: &str) -> std::path::PathBuf {
    let path = device_path(spec);
    if root.is_live() { resolved(root, &path) } else { path }
}
