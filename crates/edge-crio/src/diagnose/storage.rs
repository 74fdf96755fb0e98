//! Reports mount options of containers-storage that this kernel refuses.

use super::{Finding, Severity};
use crate::config::{has_metacopy, unknown_option};
use crate::facts::{OverlaySupport, Storage};
use crate::version::Version;

/// From this minor version on CRI-O ignores metacopy if the kernel refuses it: containers-storage does so from 1.38 on,
/// and every release of CRI-O 1.24 contains 1.37, which fails (both measured).
pub const IGNORES_METACOPY: u32 = 25;

/// The problem of its mount options; `release` is the installed release, if it is known.
pub fn storage(storage: &Storage, release: Option<Version>) -> Option<Finding> {
    let options = &storage.options.value;
    let removal = match storage.text {
        Some(_) => "remove metacopy from it, or let edge-crio do that: edge-crio install --version V",
        None => "remove metacopy=on there",
    };
    let (severity, text, hint) = match storage.overlay {
        OverlaySupport::All => return None,
        OverlaySupport::Unknown => match unknown_option(options) {
            Some(word) => (
                Severity::Warning,
                format!("{options}: overlay has no mount option {word:?}, and pods cannot start"),
                Some("correct or remove it"),
            ),
            None if !has_metacopy(options) => return None,
            None => (
                Severity::Note,
                format!(
                    "{options}: whether this kernel supports metacopy can only be tested by root on the running system"
                ),
                None,
            ),
        },
        OverlaySupport::AllButMetacopy if release.is_some_and(|release| release.minor >= IGNORES_METACOPY) => {
            (Severity::Note, format!("{options}: this kernel refuses metacopy, and CRI-O ignores it"), Some(removal))
        }
        OverlaySupport::AllButMetacopy => (
            Severity::Error,
            format!("{options}: this kernel refuses metacopy, and CRI-O before 1.{IGNORES_METACOPY} cannot start pods"),
            Some(removal),
        ),
        OverlaySupport::Unsupported => {
            let what = match unknown_option(options) {
                Some(word) => format!("this kernel refuses {word:?}"),
                None if has_metacopy(options) => "this kernel refuses them even without metacopy".to_owned(),
                None => "this kernel refuses them".to_owned(),
            };
            (
                Severity::Error,
                format!("{options}: {what}, and pods cannot start"),
                Some("find the option in the kernel log (dmesg), and remove it"),
            )
        }
    };
    let key = if storage.text.is_some() { "mountopt" } else { "crio.storage_option" };
    let finding = Finding::new(severity, &storage.options.file, text).on_line(Some(storage.options.line)).at(key);
    Some(Finding { hint: hint.map(str::to_owned), ..finding })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Setting;

    #[test]
    fn storage_depends_on_the_kernel_and_the_release() {
        let of = |options: &str, overlay, minor: Option<u32>| {
            let facts = Storage {
                options: Setting { value: options.to_owned(), file: "/etc/containers/storage.conf".into(), line: 3 },
                text: Some(String::new()),
                own: edge_host::FileSnapshot { state: edge_host::State::Absent, bytes: Vec::new() },
                overlay,
            };
            storage(&facts, minor.map(Version::minor)).map(|finding| finding.severity)
        };
        let severity = |overlay, minor| of("nodev,metacopy=on", overlay, minor);
        assert_eq!(severity(OverlaySupport::All, None), None);
        assert_eq!(severity(OverlaySupport::AllButMetacopy, None), Some(Severity::Error));
        assert_eq!(severity(OverlaySupport::AllButMetacopy, Some(23)), Some(Severity::Error));
        assert_eq!(severity(OverlaySupport::AllButMetacopy, Some(24)), Some(Severity::Error));
        assert_eq!(severity(OverlaySupport::AllButMetacopy, Some(25)), Some(Severity::Note));
        assert_eq!(severity(OverlaySupport::Unsupported, Some(34)), Some(Severity::Error));
        assert_eq!(severity(OverlaySupport::Unknown, Some(34)), Some(Severity::Note));
        assert_eq!(of("nodev,metcopy=on", OverlaySupport::Unknown, None), Some(Severity::Warning));
        assert_eq!(of("nodev,xino=auto", OverlaySupport::Unknown, None), None);
        assert_eq!(of("nodev,metcopy=on", OverlaySupport::Unsupported, None), Some(Severity::Error));
    }
}
