//! Judges storage.conf: mount options that this kernel refuses.

use super::{Finding, Severity};
use crate::facts::{OverlaySupport, Storage};
use crate::version::Version;

/// From this minor on CRI-O goes without metacopy where the kernel refuses it: containers-storage does so from 1.38 on,
/// where 1.37 fails (both measured).
const GOES_WITHOUT: u32 = 24;

/// What is wrong with the options that it asks for; `release` is the CRI-O that is installed, if that is known.
pub fn storage(storage: &Storage, release: Option<Version>) -> Option<Finding> {
    let options = &storage.options;
    let (severity, text, hint) = match storage.overlay {
        OverlaySupport::All => return None,
        OverlaySupport::Unknown => (
            Severity::Note,
            "asks for metacopy=on: whether the kernel takes it is tried by root, on the machine itself".to_owned(),
            None,
        ),
        OverlaySupport::AllButMetacopy if release.is_some_and(|release| release.minor >= GOES_WITHOUT) => (
            Severity::Note,
            format!("asks for {options}, and this kernel refuses metacopy: CRI-O goes without it"),
            Some("edge-crio install takes metacopy out"),
        ),
        OverlaySupport::AllButMetacopy => (
            Severity::Error,
            format!("asks for {options}, and this kernel refuses metacopy: CRI-O before 1.24 starts no pod"),
            Some("edge-crio install takes metacopy out"),
        ),
        OverlaySupport::Unsupported => (
            Severity::Error,
            format!("asks for {options}, and this kernel refuses that even without metacopy: no pod starts"),
            Some("the kernel's log (dmesg) names the option that it does not know: take it out"),
        ),
    };
    let finding = Finding::new(severity, storage.from.display().to_string(), text).at("mountopt");
    Some(Finding { hint: hint.map(str::to_owned), ..finding })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newer_one_goes_without_metacopy() {
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
