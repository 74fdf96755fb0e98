//! What the detectors share that report a hand step and edit nothing.

use std::path::PathBuf;

use super::{AfterReboot, Brings, Remedy, SwapSource};

/// A place, what it says, and what a human has to do about it.
pub(super) struct ManualStep {
    pub(super) source: &'static str,
    pub(super) file: PathBuf,
    pub(super) line: Option<usize>,
    pub(super) what: String,
    pub(super) after_reboot: AfterReboot,
    pub(super) why: String,
    pub(super) step: String,
}

impl ManualStep {
    pub(super) fn found(self) -> SwapSource {
        let ManualStep { source, file, line, what, after_reboot, why, step } = self;
        let remedy = if after_reboot == AfterReboot::Off { Remedy::Nothing } else { Remedy::ManualStep(step) };
        SwapSource { source, file, line, what, brings: Brings::Unknown, after_reboot, why, remedy, service: None }
    }
}

/// Whether a setting of such a file means yes.
pub(super) fn is_yes(value: &str) -> bool {
    let value = value.trim().trim_matches(['"', '\'']);
    ["y", "yes", "true", "1", "on"].iter().any(|yes| value.eq_ignore_ascii_case(yes))
}

/// The last line `KEY=value` of a file, with its number.
pub(super) fn setting<'t>(text: &'t str, key: &str) -> Option<(usize, &'t str)> {
    let lines = text.lines().enumerate();
    let mut last = None;
    for (index, line) in lines {
        let Some((name, value)) = line.split_once('=') else { continue };
        if name.trim() == key {
            last = Some((index + 1, value.trim()));
        }
    }
    last
}
