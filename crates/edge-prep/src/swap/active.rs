//! /proc/swaps: the list of active swap.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// An active swap device or file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Active {
    /// Its path, as the kernel resolved it.
    pub path: PathBuf,
    /// The path as it is written in /proc/swaps, blanks escaped.
    pub listed: String,
    /// `partition` or `file`, as the kernel names it; zram is a partition.
    pub kind: String,
    /// Its size.
    pub size_kib: u64,
    /// The used part of it.
    pub used_kib: u64,
    /// Its priority; negative where the kernel chose it.
    pub priority: i32,
    /// How it is turned off and on again.
    pub stop_method: StopMethod,
}

/// How a device is turned off and on again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StopMethod {
    /// By its `.swap` unit, which has a file.
    Unit(String),
    /// By the service that created it, as only that can create it again.
    Service(String),
    /// By swapoff and swapon with its path.
    Swapoff,
    /// Not before the next reboot, and why.
    Impossible(&'static str),
}

impl Active {
    /// Whether it is a zram device.
    pub fn is_zram(&self) -> bool {
        is_zram(&self.path)
    }
}

/// Whether a path is that of a zram device.
pub fn is_zram(path: &Path) -> bool {
    path.to_str().is_some_and(|path| path.starts_with("/dev/zram"))
}

/// Why a deleted file stays on: swapoff(2) needs a path.
pub const DELETED: &str = "its file was deleted while in use: reboot to turn it off";
/// Why a path that cannot be an argument or stored in the journal stays on.
pub const NOT_UTF8: &str = "its name is not UTF-8: turn it off with swapoff";
const DELETED_MARK: &str = "\\040(deleted)";

/// Parses the table. Other lines, such as the heading, are skipped.
///
/// `(deleted)` may also be part of a file's name: check `StopMethod::Impossible(DELETED)` against the file
/// system.
pub fn parse(bytes: &[u8]) -> Vec<Active> {
    bytes.split(|byte| *byte == b'\n').skip(1).filter_map(line).collect()
}

fn line(bytes: &[u8]) -> Option<Active> {
    let mut fields = bytes.split(u8::is_ascii_whitespace).filter(|field| !field.is_empty());
    let listed = fields.next()?;
    let mut text = || fields.next().and_then(|field| std::str::from_utf8(field).ok());
    let kind = text()?.to_owned();
    let size_kib = text()?.parse().ok()?;
    let used_kib = text()?.parse().ok()?;
    let priority = text()?.parse().ok()?;
    let path = PathBuf::from(OsString::from_vec(unescape(listed)));
    let (listed, stop_method) = match String::from_utf8(listed.to_vec()) {
        Ok(listed) if listed.ends_with(DELETED_MARK) => (listed, StopMethod::Impossible(DELETED)),
        Ok(listed) => (listed, StopMethod::Swapoff),
        Err(error) => (String::from_utf8_lossy(error.as_bytes()).into_owned(), StopMethod::Impossible(NOT_UTF8)),
    };
    Some(Active { path, listed, kind, size_kib, used_kib, priority, stop_method })
}

/// Decodes octal escapes as in /proc/swaps and fstab: `\040` is a blank.
pub fn unescape(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((&first, after)) = rest.split_first() {
        let code = match rest {
            [b'\\', a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', ..] => {
                Some(((a - b'0') << 6) | ((b - b'0') << 3) | (c - b'0'))
            }
            _ => None,
        };
        match code {
            Some(code) => {
                out.push(code);
                rest = rest.get(4..).unwrap_or_default();
            }
            None => {
                out.push(first);
                rest = after;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TABLE: &str = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n\
        /dev/sda2                               partition\t1048572\t\t2048\t\t-2\n\
        /mnt/my\\040swap\\134x                     file\t\t65532\t\t0\t\t5\n\
        /old\\040(deleted)                       file\t\t65532\t\t12\t\t-3\n\
        /dev/zram0                              partition\t524284\t\t0\t\t100\n";

    #[test]
    fn parse_reads_the_table_with_its_escapes() {
        let all = parse(TABLE.as_bytes());
        let short: Vec<_> = all
            .iter()
            .map(|a| {
                (a.path.to_str().unwrap(), a.kind.as_str(), a.size_kib, a.used_kib, a.priority, a.stop_method.clone())
            })
            .collect();
        assert_eq!(
            short,
            [
                ("/dev/sda2", "partition", 1_048_572, 2048, -2, StopMethod::Swapoff),
                ("/mnt/my swap\\x", "file", 65532, 0, 5, StopMethod::Swapoff),
                ("/old (deleted)", "file", 65532, 12, -3, StopMethod::Impossible(DELETED)),
                ("/dev/zram0", "partition", 524_284, 0, 100, StopMethod::Swapoff),
            ]
        );
        assert_eq!(all[1].listed, "/mnt/my\\040swap\\134x");
        assert!(all[3].is_zram() && !all[0].is_zram());
    }

    #[test]
    fn parse_of_anything_else_is_empty() {
        for text in ["", "Filename", "Filename\n\n", "Filename\n/dev/sda2 partition x 0 -2\n", "Filename\n/dev/sda2\n"]
        {
            assert!(parse(text.as_bytes()).is_empty(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn parse_takes_any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            parse(&bytes);
            unescape(&bytes);
        }

        #[test]
        fn parse_decodes_any_name(name in "[ -~\t\n]{1,40}") {
            let escaped: String = name
                .bytes()
                .map(|byte| match byte {
                    b' ' | b'\t' | b'\n' | b'\\' => format!("\\{byte:03o}"),
                    byte => char::from(byte).to_string(),
                })
                .collect();
            let all = parse(format!("Filename\n/{escaped} file 1 0 -2\n").as_bytes());
            prop_assert_eq!(all[0].path.clone(), PathBuf::from(format!("/{name}")));
        }
    }
}
