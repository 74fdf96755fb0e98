//! One line of mountinfo.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::str::FromStr;

use super::{Mount, Propagation};

/// What ends the optional fields of a line.
const SEPARATOR: &[u8] = b"-";

/// None if it is not one of mountinfo.
pub(super) fn line(line: &[u8]) -> Option<Mount> {
    let mut fields = line.split(|byte| *byte == b' ');
    let (id, parent) = (number(fields.next()?)?, number(fields.next()?)?);
    let mut device = fields.next()?.splitn(2, |byte| *byte == b':');
    let device = (number(device.next()?)?, number(device.next()?)?);
    let (root, point, options) = (fields.next()?, fields.next()?, fields.next()?);
    let mut propagation = Propagation::default();
    loop {
        match fields.next()? {
            SEPARATOR => break,
            tag => propagation.add(tag)?,
        }
    }
    Some(Mount {
        id,
        parent,
        device,
        root: mount_path(root),
        point: mount_path(point),
        options: list(options),
        kind: String::from_utf8_lossy(fields.next()?).into_owned(),
        source: unescaped(fields.next()?),
        super_options: list(fields.next().unwrap_or_default()),
        propagation,
    })
}

impl Propagation {
    /// An optional field; unknown ones are ignored, as proc(5) asks for.
    fn add(&mut self, tag: &[u8]) -> Option<()> {
        let mut parts = tag.splitn(2, |byte| *byte == b':');
        let group = match parts.next()? {
            b"unbindable" => {
                self.unbindable = true;
                return Some(());
            }
            b"shared" => &mut self.shared,
            b"master" => &mut self.master,
            b"propagate_from" => &mut self.from,
            _ => return Some(()),
        };
        *group = Some(number(parts.next()?)?);
        Some(())
    }
}

fn number<N: FromStr>(digits: &[u8]) -> Option<N> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

fn list(options: &[u8]) -> Vec<String> {
    options.split(|byte| *byte == b',').map(|option| String::from_utf8_lossy(option).into_owned()).collect()
}

/// The kernel writes white space, the number sign and the backslash as a backslash and three octal digits.
pub(super) fn unescaped(field: &[u8]) -> OsString {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let [first, after @ ..] = rest {
        let code = after.get(..3).filter(|_| *first == b'\\').and_then(octal);
        bytes.push(code.unwrap_or(*first));
        rest = if code.is_some() { &after[3..] } else { after };
    }
    OsString::from_vec(bytes)
}

/// A path as mountinfo and fstab write it.
pub fn mount_path(field: &[u8]) -> PathBuf {
    PathBuf::from(unescaped(field))
}

fn octal(digits: &[u8]) -> Option<u8> {
    digits.iter().try_fold(0u8, |number, digit| {
        let digit = digit.checked_sub(b'0').filter(|digit| *digit < 8)?;
        number.checked_mul(8)?.checked_add(digit)
    })
}
