//! Reports mount options in storage.conf that this kernel refuses.

use super::{Finding, Severity};
use crate::facts::{OverlaySupport, Storage};
use crate::version::Version;

/// From this minor version on CRI-O ignores metacopy if the kernel refuses it: containers-storage does so from 1.38 on,
/// and 1.37 fails (both measured).
const IGNORES_METACOPY: u32 = 24;

/// The problem of its mount options; `release` is the installed release, if it is known.
pub fn storage(storage: &Storage, release: Option<Version>) -> Option<Finding> {
    let options = &storage.options;
    let (severity, text, hint) = match storage.overlay {
        OverlaySupport::All => return None,
        OverlaySupport::Unknown => (
            Severity::Note,
            "has metacopy=on: whether this kernel supports it can only be tested by root on the running system"
                .to_owned(),
            None,
        ),
        OverlaySupport::AllButMetacopy if release.is_some_and(|release| release.minor >= IGNORES_METACOPY) => (
            Severity::Note,
            format!("{options}: this kernel refuses metacopy, and CRI-O ignores it"),
            Some("remove metacopy from it, as edge-crio install does"),
        ),
        OverlaySupport::AllButMetacopy => (
            Severity::Error,
            format!("{options}: this kernel refuses metacopy, and CRI-O before 1.24 cannot start pods"),
            Some("remove metacopy from it, as edge-crio install does"),
        ),
        OverlaySupport::Unsupported => (
            Severity::Error,
            format!("{options}: this kernel refuses them even without metacopy, and pods cannot start"),
            Some("find the option in the kernel log (dmesg), and remove it"),
        ),
    };
    let finding = Finding::new(severity, &storage.from, text).at("mountopt");
    Some(Finding { hint: hint.map(str::to_owned), ..finding })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn storage_depends_on_the_kernel_and_the_release() {
        let severity = |overlay, minor: Option<u32>| {
            let facts = Storage {
                from: "/etc/containers/storage.conf".into(),
                text: String::new(),
                options: "nodev,metacopy=on".to_owned(),
                own: edge_host::FileSnapshot { state: edge_host::State::Absent, bytes: Vec::new() },
                overlay,
            };
            storage(&facts, minor.map(Version::minor)).map(|finding| finding.severity)
        };
        assert_eq!(severity(OverlaySupport::All, None), None);
        assert_eq!(severity(OverlaySupport::AllButMetacopy, None), Some(Severity::Error));
        assert_eq!(severity(OverlaySupport::AllButMetacopy, Some(23)), Some(Severity::Error));
        assert_eq!(severity(OverlaySupport::AllButMetacopy, Some(24)), Some(Severity::Note));
        assert_eq!(severity(OverlaySupport::Unsupported, Some(34)), Some(Severity::Error));
        assert_eq!(severity(OverlaySupport::Unknown, Some(34)), Some(Severity::Note));
    }
}
