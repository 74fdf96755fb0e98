//! Names and versions of Debian packages, and dpkg's order of versions (Debian Policy, 5.6.12).

use std::cmp::Ordering;
use std::fmt;

use edge_host::{Error, Result};

/// The name of a binary package, such as `cri-o`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PackageName(String);

impl PackageName {
    /// Lower case letters, digits and `+-.`, two at least, a letter or digit first (Debian Policy, 5.6.1).
    pub fn parse(text: &str) -> Result<PackageName> {
        let is_alphanumeric = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let is_good = |byte: u8| is_alphanumeric(byte) || b"+-.".contains(&byte);
        let begins_well = text.bytes().next().is_some_and(is_alphanumeric);
        if text.len() < 2 || text.len() > 200 || !begins_well || !text.bytes().all(is_good) {
            return Err(Error::usage(format!(
                "cannot use the package name {text:?}: it is not a valid Debian package name"
            ))
            .hint("use at least two lower-case letters, digits, +, - and dots, such as cri-o"));
        }
        Ok(PackageName(text.to_owned()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PackageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A version of a package, `[EPOCH:]UPSTREAM[-REVISION]`. Two are equal if dpkg takes them for equal: `1.0` and `1.00`.
#[derive(Debug, Clone)]
pub struct Version {
    text: String,
    epoch: u32,
    upstream: (usize, usize),
    revision: usize,
}

impl Version {
    /// As in a package or after `=` on apt's command line.
    pub fn parse(text: &str) -> Result<Version> {
        let bad = |why: &str| {
            Error::usage(format!("cannot use the version {text:?}: {why}"))
                .hint("use a version such as 1.34.2-1.1 or 5:29.0.1-1")
        };
        let (epoch, from) = match text.find(':') {
            Some(colon) => {
                let digits = &text[..colon];
                let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
                let epoch = digits.parse::<u32>().ok().filter(|&epoch| is_number && i32::try_from(epoch).is_ok());
                (epoch.ok_or_else(|| bad("the epoch before the colon is not a number"))?, colon + 1)
            }
            None => (0, 0),
        };
        let rest = &text[from..];
        let (to, revision) = match rest.rfind('-') {
            Some(dash) => (from + dash, from + dash + 1),
            None => (text.len(), text.len()),
        };
        if to < text.len() && revision == text.len() {
            return Err(bad("nothing follows the last dash"));
        }
        if !rest.bytes().next().is_some_and(|byte| byte.is_ascii_digit()) {
            return Err(bad("it does not begin with a digit"));
        }
        let is_good =
            |byte: u8, more: &[u8]| byte.is_ascii_alphanumeric() || b".+~".contains(&byte) || more.contains(&byte);
        let upstream_is_good = text[from..to].bytes().all(|byte| is_good(byte, b"-:"));
        if text.len() > 200 || !upstream_is_good || !text[revision..].bytes().all(|byte| is_good(byte, b"")) {
            return Err(bad("it contains characters that are not allowed in a Debian version"));
        }
        Ok(Version { text: text.to_owned(), epoch, upstream: (from, to), revision })
    }

    /// As it was given.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Without epoch and revision: `1.34.2` of `1.34.2-1.1`.
    pub fn upstream(&self) -> &str {
        &self.text[self.upstream.0..self.upstream.1]
    }

    fn revision(&self) -> &str {
        &self.text[self.revision..]
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Version) -> Ordering {
        let parts = self.epoch.cmp(&other.epoch);
        let parts = parts.then_with(|| compare(self.upstream(), other.upstream()));
        parts.then_with(|| compare(self.revision(), other.revision()))
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Version) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Version) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Version {}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Compares text and numbers in turns: text by its own order, numbers by value.
fn compare(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.as_bytes(), b.as_bytes());
    while !a.is_empty() || !b.is_empty() {
        let (text_a, text_b) =
            (take(&mut a, |byte| !byte.is_ascii_digit()), take(&mut b, |byte| !byte.is_ascii_digit()));
        for at in 0..text_a.len().max(text_b.len()) {
            let order = weight(text_a.get(at)).cmp(&weight(text_b.get(at)));
            if order != Ordering::Equal {
                return order;
            }
        }
        let (number_a, number_b) = (digits(&mut a), digits(&mut b));
        let order = number_a.len().cmp(&number_b.len()).then_with(|| number_a.cmp(number_b));
        if order != Ordering::Equal {
            return order;
        }
    }
    Ordering::Equal
}

/// A tilde sorts before the end, letters before everything else.
fn weight(byte: Option<&u8>) -> i32 {
    match byte {
        Some(b'~') => -1,
        None => 0,
        Some(&byte) if byte.is_ascii_alphabetic() => i32::from(byte),
        Some(&byte) => i32::from(byte) + 256,
    }
}

/// A number of any length, without its leading zeros.
fn digits<'t>(text: &mut &'t [u8]) -> &'t [u8] {
    let number = take(text, |byte| byte.is_ascii_digit());
    let zeros = number.iter().take_while(|&&byte| byte == b'0').count();
    &number[zeros..]
}

fn take<'t>(text: &mut &'t [u8], is_in: impl Fn(u8) -> bool) -> &'t [u8] {
    let end = text.iter().position(|&byte| !is_in(byte)).unwrap_or(text.len());
    let (front, rest) = text.split_at(end);
    *text = rest;
    front
}

/// A minor stream, such as `1.34`: all of its patch versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stream(String);

impl Stream {
    /// Numbers separated by dots; a leading `v` is ignored.
    pub fn parse(text: &str) -> Result<Stream> {
        let numbers = text.strip_prefix('v').unwrap_or(text);
        let is_number =
            |part: &str| !part.is_empty() && part.len() < 10 && part.bytes().all(|byte| byte.is_ascii_digit());
        if !numbers.split('.').all(is_number) {
            return Err(Error::usage(format!(
                "cannot use the version {text:?}: it is not a list of numbers separated by dots"
            ))
            .hint("use a version such as 1.34, for the newest 1.34.*"));
        }
        Ok(Stream(numbers.to_owned()))
    }

    /// Whether a version belongs to this stream: `1.34.2-1.1` is of 1.34, and 1.340.0 is not.
    pub fn contains(&self, version: &Version) -> bool {
        version.upstream().strip_prefix(&self.0).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '+']))
    }
}

impl fmt::Display for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn version(text: &str) -> Version {
        Version::parse(text).unwrap()
    }

    #[test]
    fn version_order_is_that_of_dpkg() {
        let sorted = [
            "0~~",
            "0~~a",
            "0~",
            "0-0~",
            "0",
            "0-1",
            "0a",
            "0+",
            "1.2~rc1-1",
            "1.2-1",
            "1.2-1+b1",
            "1.2.1",
            "1.9",
            "1.10",
            "1.10a",
            "1:0.1",
        ];
        for pair in sorted.windows(2) {
            assert!(version(pair[0]) < version(pair[1]), "{pair:?}");
        }
        for (a, b) in [("1.0", "1.00"), ("0:1", "1"), ("1", "1-0"), ("1.0-0", "1.0-00"), ("1a", "1a0")] {
            assert_eq!(version(a), version(b));
        }
    }

    #[test]
    fn parse_refuses_invalid_versions() {
        for bad in ["", "a1", "1-", "x:1", ":1", "1:", "1 2", "1_2", "1/2", "-1", "99999999999:1", "1.0-ä"] {
            assert!(Version::parse(bad).is_err(), "{bad:?}");
        }
        assert_eq!(version("5:29.0.1-1~debian.13").upstream(), "29.0.1");
        assert_eq!(version("1-2-3").upstream(), "1-2");
    }

    #[test]
    fn stream_contains_its_patch_versions() {
        let stream = Stream::parse("v1.34").unwrap();
        for (text, is_in) in [
            ("1.34.2-1.1", true),
            ("1.34-1", true),
            ("1.340.0", false),
            ("1.3", false),
            ("100:1.34.0", true),
            ("1.34~rc1", false),
        ] {
            assert_eq!(stream.contains(&version(text)), is_in, "{text}");
        }
        for bad in ["", "1.", "1.x", "latest", "v", "1..2", "-1"] {
            assert!(Stream::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn package_name_refuses_invalid_names() {
        for bad in ["", "a", "-x", "A1", "cri o", "cri-o=1", "ä-b", "../x", "cri-o:arm64"] {
            assert!(PackageName::parse(bad).is_err(), "{bad:?}");
        }
        assert_eq!(PackageName::parse("libstdc++6").unwrap().as_str(), "libstdc++6");
    }

    fn any_version() -> impl Strategy<Value = Version> {
        // Few characters, so that two of them are often nearly the same.
        "([0-1]:)?[0-1]([.+~a0-]{0,4}[.+~a0])?".prop_filter_map("it is a version", |text| Version::parse(&text).ok())
    }

    proptest! {
        #[test]
        fn version_order_is_total(a in any_version(), b in any_version(), c in any_version()) {
            prop_assert_eq!(a.cmp(&a), Ordering::Equal);
            prop_assert_eq!(a.cmp(&b), b.cmp(&a).reverse());
            prop_assert_eq!(a == b, a.cmp(&b) == Ordering::Equal);
            let mut sorted = [a, b, c];
            sorted.sort();
            prop_assert!(sorted[0] <= sorted[1] && sorted[1] <= sorted[2] && sorted[0] <= sorted[2], "{:?}", sorted);
        }

        #[test]
        fn parse_keeps_the_text(text in "[0-9:.~+a-]{0,8}|\\PC{0,20}") {
            if let Ok(version) = Version::parse(&text) {
                prop_assert_eq!(version.as_str(), &text);
                prop_assert!(!version.upstream().is_empty());
            }
            let _ = (PackageName::parse(&text), Stream::parse(&text));
        }
    }
}
