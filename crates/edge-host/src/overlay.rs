//! Checks whether the overlay file system of this kernel supports a mount option, by mounting one.
//!
//! Version numbers do not show it, as vendor kernels backport the option or leave it out. It is in this crate because
//! it makes files.

use std::fs;
use std::path::Path;

use nix::mount::{MsFlags, mount};

use crate::error::{Result, ResultExt};
use crate::private::in_private;

/// A tmpfs in the private mount namespace of the probe.
const PLACE: &str = "/run";
const LOWER: &str = "/run/lower";
const UPPER: &str = "/run/upper";
const WORK: &str = "/run/work";
const MERGED: &str = "/run/merged";
const CONTENT: &str = "what is below shows through";

/// Mounts an overlay with `options` (`nodev,metacopy=on`) and changes a file's mode through it.
///
/// True if it works; false if the kernel refuses the options. Needs root. It happens in a private mount namespace
/// that ends with it.
pub fn overlay_supports(options: &str) -> Result<bool> {
    in_private(&[Path::new(PLACE)], || probe(options).on("probe", "the overlay file system"))
}

fn probe(options: &str) -> std::io::Result<bool> {
    for dir in [LOWER, UPPER, WORK, MERGED] {
        fs::create_dir(dir)?;
    }
    let name = "file";
    fs::write(Path::new(LOWER).join(name), CONTENT)?;
    let (flags, options) = flags_of(options);
    let data = format!("lowerdir={LOWER},upperdir={UPPER},workdir={WORK}{options}");
    if mount(Some("overlay"), MERGED, Some("overlay"), flags, Some(data.as_str())).is_err() {
        // Without the options, to tell whether these are the cause.
        let bare = format!("lowerdir={LOWER},upperdir={UPPER},workdir={WORK}");
        mount(Some("overlay"), MERGED, Some("overlay"), MsFlags::empty(), Some(bare.as_str()))?;
        return Ok(false);
    }
    let file = Path::new(MERGED).join(name);
    let changed = fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600));
    Ok(changed.is_ok() && fs::read_to_string(&file).is_ok_and(|text| text == CONTENT))
}

/// Options that are mount flags, and the rest with a comma before each.
fn flags_of(options: &str) -> (MsFlags, String) {
    let mut flags = MsFlags::empty();
    let mut rest = String::new();
    for option in options.split(',').map(str::trim).filter(|option| !option.is_empty()) {
        match option {
            "nodev" => flags |= MsFlags::MS_NODEV,
            "nosuid" => flags |= MsFlags::MS_NOSUID,
            "noexec" => flags |= MsFlags::MS_NOEXEC,
            "noatime" => flags |= MsFlags::MS_NOATIME,
            "nodiratime" => flags |= MsFlags::MS_NODIRATIME,
            "relatime" => flags |= MsFlags::MS_RELATIME,
            "ro" | "rw" | "defaults" => {}
            other => {
                rest.push(',');
                rest.push_str(other);
            }
        }
    }
    (flags, rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_of_separates_flags_from_data() {
        let (flags, rest) = flags_of("nodev, metacopy=on,ro");
        assert_eq!((flags, rest.as_str()), (MsFlags::MS_NODEV, ",metacopy=on"));
    }
}
