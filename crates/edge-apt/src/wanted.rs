//! What a caller asks for.

use std::path::PathBuf;
use std::time::Duration;

use edge_host::{Error, Result};

use crate::offline::Offline;
use crate::source::Source;
use crate::version::{PackageName, Stream, Version};

const PREFERENCES: &str = "/etc/apt/preferences.d";

/// Packages, and where they come from.
#[derive(Debug)]
pub struct Wanted {
    /// The repository; none for what the host's own sources or `offline` have.
    pub source: Option<Source>,
    /// What apt shall prefer from now on.
    pub pin: Option<Pin>,
    /// The packages.
    pub packages: Vec<Request>,
    /// Whether all packages are held afterwards; otherwise each is held as it was, also where apt removed a hold.
    pub hold: bool,
    /// Whether a version may go down. Otherwise that is refused (exit 4), as the older version may not be able
    /// to read data of the newer one.
    pub downgrade: bool,
    /// A folder of packages instead of a repository.
    pub offline: Option<Offline>,
    /// How long others may keep apt's locks, over all waits of one call.
    pub wait: Duration,
}

/// A package and its version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Its name.
    pub name: PackageName,
    /// Which version will do.
    pub version: Want,
}

/// Which version of a package will do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Want {
    /// Whatever is there; the newest where nothing is.
    Any,
    /// Any of this stream; its newest where none is there.
    Stream(Stream),
    /// This one.
    Exact(Version),
}

/// A file in preferences.d.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pin {
    /// Its name, without an extension.
    pub name: String,
    /// The package, or a pattern as apt knows them.
    pub package: String,
    /// Such as `version 1.34.*` or `release l=isv:cri-o:stable:v1.34`.
    pub pin: String,
    /// 1000 and more goes down too, 500 is the usual one.
    pub priority: i32,
}

impl Want {
    /// Whether an installed version will do.
    pub fn is_met_by(&self, version: &Version) -> bool {
        match self {
            Want::Any => true,
            Want::Stream(stream) => stream.holds(version),
            Want::Exact(exact) => exact == version,
        }
    }

    /// In words, for messages: `1.34.*`.
    pub(crate) fn words(&self) -> String {
        match self {
            Want::Any => "any version".to_owned(),
            Want::Stream(stream) => format!("{stream}.*"),
            Want::Exact(version) => version.to_string(),
        }
    }
}

impl Request {
    /// In words, for messages: `cri-o 1.34.*`, or the name alone where any version will do.
    pub(crate) fn words(&self) -> String {
        match &self.version {
            Want::Any => self.name.to_string(),
            version => format!("{} {}", self.name, version.words()),
        }
    }
}

impl Pin {
    pub(crate) fn path(&self) -> PathBuf {
        PathBuf::from(PREFERENCES).join(&self.name)
    }

    pub(crate) fn render(&self) -> String {
        let Pin { package, pin, priority, .. } = self;
        format!("# Written by edgeutils.\nPackage: {package}\nPin: {pin}\nPin-Priority: {priority}\n")
    }

    pub(crate) fn check(&self) -> Result<()> {
        let is_name = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
        let is_line =
            |text: &str| !text.is_empty() && text.len() < 200 && text.chars().all(|c| c == ' ' || c.is_ascii_graphic());
        if self.name.is_empty() || !self.name.chars().all(is_name) || !is_line(&self.package) || !is_line(&self.pin) {
            return Err(Error::usage(format!("cannot use the pin {:?} of {:?}", self.pin, self.package)));
        }
        Ok(())
    }
}

impl Wanted {
    pub(crate) fn check(&self) -> Result<()> {
        if self.packages.is_empty() {
            return Err(Error::usage("cannot install: no package is named"));
        }
        self.source.as_ref().map_or(Ok(()), Source::check)?;
        self.pin.as_ref().map_or(Ok(()), Pin::check)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_will_do_or_not() {
        let version = |text| Version::parse(text).unwrap();
        let stream = Want::Stream(Stream::parse("1.34").unwrap());
        assert!(Want::Any.is_met_by(&version("0")) && stream.is_met_by(&version("1.34.1-1")));
        assert!(!stream.is_met_by(&version("1.35.0-1")));
        let exact = Want::Exact(version("1.34.1-1.1"));
        assert!(exact.is_met_by(&version("0:1.34.1-1.1")) && !exact.is_met_by(&version("1.34.1-1.2")));
        assert_eq!((stream.words().as_str(), exact.words().as_str()), ("1.34.*", "1.34.1-1.1"));
    }

    #[test]
    fn a_pin_is_three_lines_of_its_own() {
        let pin =
            Pin { name: "x".to_owned(), package: "cri-o".to_owned(), pin: "version 1.34.*".to_owned(), priority: 1001 };
        pin.check().unwrap();
        assert!(pin.render().ends_with("\nPackage: cri-o\nPin: version 1.34.*\nPin-Priority: 1001\n"));
        for bad in [
            Pin { pin: "x\ny".to_owned(), ..pin.clone() },
            Pin { name: "a.b".to_owned(), ..pin.clone() },
            Pin { package: String::new(), ..pin },
        ] {
            assert!(bad.check().is_err(), "{bad:?}");
        }
    }
}
