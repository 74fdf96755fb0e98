//! The device or file behind a source of swap.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use super::active::unescape;

const BY_TAG: [(&str, &str); 4] = [
    ("UUID=", "/dev/disk/by-uuid"),
    ("LABEL=", "/dev/disk/by-label"),
    ("PARTUUID=", "/dev/disk/by-partuuid"),
    ("PARTLABEL=", "/dev/disk/by-partlabel"),
];

/// The path for the first field of an fstab entry; for a tag, the link that udev creates.
pub(super) fn device_path(spec: &str) -> PathBuf {
    for (tag, dir) in BY_TAG {
        let Some(value) = spec.strip_prefix(tag) else { continue };
        let value = value.trim_matches('"');
        let value = String::from_utf8_lossy(&unescape(value.as_bytes())).into_owned();
        return Path::new(dir).join(encoded(&value));
    }
    PathBuf::from(OsString::from_vec(unescape(spec.as_bytes())))
}

/// A label as udev writes it into a file name.
fn encoded(label: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "#+-.:=@_".contains(c) || !c.is_ascii();
    let mut name = String::new();
    for c in label.chars() {
        if plain(c) {
            name.push(c);
        } else {
            name.push_str(&format!("\\x{:02x}", u32::from(c)));
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn device_path_of_a_tag_is_the_link_of_udev() {
        for (spec, expected) in [
            ("/dev/sda2", "/dev/sda2"),
            ("/my\\040swap", "/my swap"),
            ("UUID=0a1b", "/dev/disk/by-uuid/0a1b"),
            ("UUID=\"0a1b\"", "/dev/disk/by-uuid/0a1b"),
            ("LABEL=my\\040swap", "/dev/disk/by-label/my\\x20swap"),
            ("LABEL=a/b", "/dev/disk/by-label/a\\x2fb"),
            ("PARTUUID=1-2", "/dev/disk/by-partuuid/1-2"),
            ("PARTLABEL=swap", "/dev/disk/by-partlabel/swap"),
        ] {
            assert_eq!(device_path(spec), Path::new(expected), "{spec}");
        }
    }
}
