//! The mounts that the calling thread sees, from mountinfo (proc_pid_mountinfo(5)).

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result, ResultExt};

/// Not `self`: another thread can have another mount namespace.
const MOUNTINFO: &str = "/proc/thread-self/mountinfo";
/// What ends the optional fields of a line.
const SEPARATOR: &[u8] = b"-";

/// One mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// The mount point.
    pub point: PathBuf,
    /// The type of file system.
    pub kind: String,
    /// What is mounted, such as a device.
    pub source: OsString,
    /// Options of the mount.
    pub options: Vec<String>,
    /// Options of the file system.
    pub super_options: Vec<String>,
}

/// All mounts, in the kernel's order: what is mounted over another comes after it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mounts(Vec<Mount>);

impl Mounts {
    /// Reads the mounts of the running system.
    pub fn read() -> Result<Mounts> {
        let bytes = fs::read(MOUNTINFO).on("read", MOUNTINFO)?;
        Mounts::parse(&bytes)
            .ok_or_else(|| Error::failed(format!("cannot read {MOUNTINFO}: not in the expected format")))
    }

    /// None if a line is not one of mountinfo.
    pub fn parse(text: &[u8]) -> Option<Mounts> {
        let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        lines.map(parse_line).collect::<Option<_>>().map(Mounts)
    }

    /// The mount that is visible at a mount point.
    pub fn at(&self, point: &Path) -> Option<&Mount> {
        self.0.iter().rfind(|mount| mount.point == point)
    }

    /// All of them, also those that are covered by others.
    pub fn iter(&self) -> impl Iterator<Item = &Mount> {
        self.0.iter()
    }
}

impl Mount {
    /// Whether it or its file system is mounted read-only.
    pub fn is_read_only(&self) -> bool {
        [&self.options, &self.super_options].iter().any(|options| options.iter().any(|option| option == "ro"))
    }
}

fn parse_line(line: &[u8]) -> Option<Mount> {
    let mut fields = line.split(|byte| *byte == b' ');
    let mut own = fields.by_ref().skip(4);
    let (point, options) = (own.next()?, own.next()?);
    fields.find(|field| *field == SEPARATOR)?;
    Some(Mount {
        point: PathBuf::from(unescaped(point)),
        options: list(options),
        kind: String::from_utf8_lossy(fields.next()?).into_owned(),
        source: unescaped(fields.next()?),
        super_options: list(fields.next().unwrap_or_default()),
    })
}

fn list(options: &[u8]) -> Vec<String> {
    options.split(|byte| *byte == b',').map(|option| String::from_utf8_lossy(option).into_owned()).collect()
}

/// The kernel writes white space, the number sign and the backslash as a backslash and three octal digits.
fn unescaped(field: &[u8]) -> OsString {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let [first, after @ ..] = rest {
        let code = after.get(..3).filter(|_| *first == b'\\').and_then(octal);
        bytes.push(code.unwrap_or(*first));
        rest = if code.is_some() { &after[3..] } else { after };
    }
    OsString::from_vec(bytes)
}

fn octal(digits: &[u8]) -> Option<u8> {
    digits.iter().try_fold(0u8, |number, digit| {
        let digit = digit.checked_sub(b'0').filter(|digit| *digit < 8)?;
        number.checked_mul(8)?.checked_add(digit)
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt;

    use super::*;
    use proptest::prelude::*;

    #[test]
    fn mounts_are_read_as_bytes() {
        let text = b"24 1 179:2 / / rw,noatime shared:1 - ext4 /dev/root rw\n\
            90 24 179:1 / /boot/firmware ro,relatime shared:40 master:2 - vfat /dev/mmcblk0p1 rw,fmask=0022\n\
            91 24 0:5 / /a\\040b\\134040\\043\\011\xff rw,nosuid - tmpfs x\\012y ro,size=1k\n\
            92 24 0:6 / /boot/firmware rw - fuse.x - rw\n";
        let mounts = Mounts::parse(text).unwrap();
        let all: Vec<&Mount> = mounts.iter().collect();
        assert_eq!(all[2].point.as_os_str().as_bytes(), b"/a b\\040#\t\xff");
        assert_eq!(all[2].source, "x\ny");
        assert_eq!(all.iter().map(|mount| mount.is_read_only()).collect::<Vec<_>>(), [false, true, true, false]);
        assert_eq!(mounts.at(Path::new("/boot/firmware")).unwrap().kind, "fuse.x", "it covers the other");
        assert_eq!(mounts.at(Path::new("/boot/firmware")).unwrap().source, "-");
        assert_eq!(mounts.at(Path::new("/boot")), None);
        for odd in ["24 1 179:2 / / rw,noatime shared:1 ext4 /dev/root rw", "x", "1 2 3 4 5 6 - ext4"] {
            assert_eq!(Mounts::parse(odd.as_bytes()), None, "{odd}");
        }
        assert_eq!(Mounts::parse(b""), Some(Mounts::default()));
        assert_eq!(Mounts::read().unwrap().at(Path::new("/proc")).unwrap().kind, "proc");
    }

    proptest! {
        #[test]
        fn mounts_take_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200), line in "[ a-z0-9/,:\\\\-]{0,80}") {
            let _ = Mounts::parse(&bytes);
            let _ = Mounts::parse(line.as_bytes());
        }

        #[test]
        fn any_path_is_read_as_it_was(path in prop::collection::vec(1u8.., 1..40)) {
            let escape = |byte: &u8| match byte {
                b' ' | b'\t' | b'\n' | b'\\' | b'#' => format!("\\{byte:03o}").into_bytes(),
                _ => vec![*byte],
            };
            let escaped: Vec<u8> = path.iter().flat_map(escape).collect();
            prop_assert_eq!(unescaped(&escaped).into_vec(), path);
        }
    }
}
