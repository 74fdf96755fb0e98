//! What a caller requests: packages, their versions and their source.

use std::path::PathBuf;
use std::time::Duration;

use edge_host::{Error, Result, shown_url};

use crate::obsolete::Obsolete;
use crate::offline::Offline;
use crate::source::Source;
use crate::version::{PackageName, Stream, Version};

const PREFERENCES: &str = "/etc/apt/preferences.d";

/// Packages and their source.
#[derive(Debug)]
pub struct Request {
    /// The repository; none to use the host's own sources or `offline`.
    pub source: Option<Source>,
    /// The pin to set.
    pub pin: Option<Pin>,
    /// Entries of other files that are commented out or disabled, as they no longer work or are replaced by `source`.
    pub obsolete: Vec<Obsolete>,
    /// The packages.
    pub packages: Vec<PackageRequest>,
    /// Whether all packages are held afterwards; otherwise only those that were held before.
    pub hold: bool,
    /// Whether a package may be downgraded. Otherwise that is refused (exit 4), as the older version may not be able
    /// to read data of the newer one.
    pub downgrade: bool,
    /// A folder of packages instead of a repository.
    pub offline: Option<Offline>,
    /// How long to wait for apt's locks, in total.
    pub wait: Duration,
}

/// A package and its version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageRequest {
    /// Its name.
    pub name: PackageName,
    /// The accepted versions.
    pub version: VersionRequest,
}

/// The accepted versions of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VersionRequest {
    /// The installed one, or else the newest.
    Any,
    /// The installed one if it is of this stream, or else the newest of it.
    Stream(Stream),
    /// Exactly this one.
    Exact(Version),
    /// The installed one while everything else of the request is installed, or if the source has none that is newer; else
    /// the newest: for packages that move with others.
    Newest,
}

/// A file in preferences.d.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pin {
    /// Its name, without an extension.
    pub name: String,
    /// The package, or a pattern of apt.
    pub package: String,
    /// Such as `version 1.34.*` or `release l=isv:cri-o:stable:v1.34`.
    pub pin: String,
    /// 500 is the default of apt; with 1000 and more it also downgrades.
    pub priority: i32,
}

impl VersionRequest {
    /// Whether a version is accepted.
    pub fn is_met_by(&self, version: &Version) -> bool {
        match self {
            VersionRequest::Any | VersionRequest::Newest => true,
            VersionRequest::Stream(stream) => stream.contains(version),
            VersionRequest::Exact(exact) => exact == version,
        }
    }

    /// For messages: `1.34.*`.
    pub(crate) fn words(&self) -> String {
        match self {
            VersionRequest::Any | VersionRequest::Newest => "any version".to_owned(),
            VersionRequest::Stream(stream) => format!("{stream}.*"),
            VersionRequest::Exact(version) => version.to_string(),
        }
    }
}

impl PackageRequest {
    /// For messages: `cri-o 1.34.*`, or only the name if any version is accepted.
    pub(crate) fn words(&self) -> String {
        match &self.version {
            VersionRequest::Any | VersionRequest::Newest => self.name.to_string(),
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

impl Request {
    pub(crate) fn check(&self) -> Result<()> {
        if self.packages.is_empty() {
            return Err(Error::usage("cannot install: no package is given"));
        }
        if let (Some(source), Some(offline)) = (&self.source, &self.offline) {
            let (uri, dir) = (shown_url(&source.uri), offline.dir().display());
            return Err(Error::usage(format!("cannot install from both the repository {uri} and the folder {dir}"))
                .hint("give only one of them"));
        }
        self.source.as_ref().map_or(Ok(()), Source::check)?;
        self.pin.as_ref().map_or(Ok(()), Pin::check)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_request_accepts_versions() {
        let version = |text| Version::parse(text).unwrap();
        let stream = VersionRequest::Stream(Stream::parse("1.34").unwrap());
        assert!(VersionRequest::Any.is_met_by(&version("0")) && stream.is_met_by(&version("1.34.1-1")));
        assert!(!stream.is_met_by(&version("1.35.0-1")));
        let exact = VersionRequest::Exact(version("1.34.1-1.1"));
        assert!(exact.is_met_by(&version("0:1.34.1-1.1")) && !exact.is_met_by(&version("1.34.1-1.2")));
        assert_eq!((stream.words().as_str(), exact.words().as_str()), ("1.34.*", "1.34.1-1.1"));
    }

    #[test]
    fn pin_is_rendered_and_checked() {
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
