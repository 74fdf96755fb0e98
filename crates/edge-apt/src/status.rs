//! Reads what is installed from dpkg's status file, without running a program.

mod backup;
mod damage;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::Path;

use edge_host::{Error, Host, Result, Root, quoted};

use crate::version::{PackageName, Version};

const STATUS: &str = "/var/lib/dpkg/status";
/// Changes that dpkg has not merged into its status file yet.
const UPDATES: &str = "/var/lib/dpkg/updates";
const DIR: &str = "/var/lib/dpkg/";
const APT: &str = "apt";
const DPKG: &str = "dpkg";

/// The packages of a host or a mounted image.
#[derive(Debug, Clone, Default)]
pub struct Status {
    packages: Vec<Installed>,
}

/// A package in the status file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// Its name.
    pub name: String,
    /// Its architecture, `all` where it has none.
    pub architecture: String,
    /// Its version; none if it is not installed and has no configuration files.
    pub version: Option<Version>,
    /// `installed`, `unpacked`, `half-configured`, `config-files`, …
    pub state: String,
    /// Whether it is held: only a call that names it changes it.
    pub held: bool,
    /// Whether unpacking was interrupted, so that it must be unpacked again.
    pub must_be_reinstalled: bool,
}

/// Reads it.
///
/// Errors: exit 1 for a host without dpkg, and for a status file that is missing, empty or damaged: dpkg itself takes
/// the first two for a host without packages.
pub fn status(host: &Host) -> Result<Status> {
    of(&host.root)
}

/// The same; none for a host whose packages are not dpkg's.
pub fn status_if_any(host: &Host) -> Result<Option<Status>> {
    let is_there = host.root.find_link(Path::new(STATUS))?.exists();
    if is_there || backup::has_database(&host.root)? { of(&host.root).map(Some) } else { Ok(None) }
}

pub(crate) fn of(root: &Root) -> Result<Status> {
    let Some(bytes) = root.read(Path::new(STATUS))? else {
        if backup::has_dpkg(root)? {
            return Err(backup::error(root, "it is missing, so dpkg takes every package for not installed", false));
        }
        let shown = root.display(Path::new(STATUS));
        return Err(Error::failed(format!("cannot read {}: No such file or directory", shown.display()))
            .hint("run it on Debian or a derivative of it: this host does not have dpkg and apt"));
    };
    let text = String::from_utf8_lossy(&bytes);
    if let Some(why) = damage::damage(&text) {
        return Err(backup::error(root, &why, !bytes.is_empty()));
    }
    let mut status = Status::parse(&text);
    // The changes of an interrupted dpkg are in files of their own, oldest first.
    let mut later = Vec::new();
    for name in updates(root)? {
        let path = Path::new(UPDATES).join(name);
        let bytes = root.read(&path)?.unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        if let Some(why) = damage::syntax(&text) {
            let shown = root.display(&path).display().to_string();
            let away = quoted(&root.display(Path::new(DIR)).display().to_string());
            return Err(Error::failed(format!("cannot read {shown}: {why}"))
                .hint(format!("move this part of an interrupted change away: mv {} {away}", quoted(&shown))));
        }
        later.extend(Status::parse(&text).packages);
    }
    status.merge(later);
    Ok(status)
}

/// Whether dpkg was interrupted: apt then refuses everything.
pub(crate) fn is_interrupted(root: &Root) -> Result<bool> {
    Ok(!updates(root)?.is_empty())
}

fn updates(root: &Root) -> Result<Vec<String>> {
    // Their names are numbers; `tmp.i` is incomplete and ignored.
    let names = root.list(Path::new(UPDATES))?.into_iter().filter_map(|name| name.into_string().ok());
    Ok(names.filter(|name| name.bytes().all(|byte| byte.is_ascii_digit())).collect())
}

impl Status {
    /// Reads the text of a status file.
    pub fn parse(text: &str) -> Status {
        let mut packages: Vec<Installed> = Vec::new();
        let mut is_new = true;
        for line in text.lines() {
            if line.is_empty() {
                is_new = true;
                continue;
            }
            // Continuation lines begin with a space and are not needed.
            let Some((field, value)) = line.split_once(':').filter(|_| !line.starts_with([' ', '\t'])) else {
                continue;
            };
            let value = value.trim();
            if is_new {
                packages.push(Installed::nothing());
                is_new = false;
            }
            let Some(package) = packages.last_mut() else { continue };
            match field {
                "Package" => value.clone_into(&mut package.name),
                "Architecture" => value.clone_into(&mut package.architecture),
                // Written by dpkg, so always valid if present.
                "Version" => package.version = Version::parse(value).ok(),
                "Status" => {
                    let mut words = value.split(' ');
                    package.held = words.next() == Some("hold");
                    package.must_be_reinstalled = words.next() == Some("reinstreq");
                    words.next().unwrap_or_default().clone_into(&mut package.state);
                }
                _ => {}
            }
        }
        Status { packages }
    }

    /// Later paragraphs replace earlier ones: the first of that name and architecture.
    fn merge(&mut self, later: Vec<Installed>) {
        if later.is_empty() {
            return;
        }
        let mut places: HashMap<(String, String), usize> = HashMap::new();
        let key = |package: &Installed| (package.name.clone(), package.architecture.clone());
        for (index, package) in self.packages.iter().enumerate() {
            places.entry(key(package)).or_insert(index);
        }
        for package in later {
            match places.entry(key(&package)) {
                Entry::Occupied(place) => self.packages[*place.get()] = package,
                Entry::Vacant(place) => {
                    place.insert(self.packages.len());
                    self.packages.push(package);
                }
            }
        }
    }

    /// All packages, also half-installed ones.
    pub fn packages(&self) -> &[Installed] {
        &self.packages
    }

    /// The package of the host's own architecture, whatever state it is in.
    pub fn find(&self, name: &PackageName) -> Option<&Installed> {
        self.named(name.as_str())
    }

    /// The version that is installed in full.
    pub fn version_of(&self, name: &PackageName) -> Option<&Version> {
        self.find(name).filter(|package| package.is_installed())?.version.as_ref()
    }

    /// Whether it is held.
    pub fn is_held(&self, name: &PackageName) -> bool {
        self.find(name).is_some_and(|package| package.held)
    }

    /// The host's own architecture, as dpkg names it: that of dpkg itself. Empty if dpkg is not there.
    pub fn architecture(&self) -> &str {
        let dpkg = self.packages.iter().find(|package| package.name == DPKG);
        dpkg.map_or("", |package| package.architecture.as_str())
    }

    /// apt's own version.
    pub fn apt(&self) -> Option<&Version> {
        self.named(APT).filter(|package| package.is_installed())?.version.as_ref()
    }

    /// Packages that must be configured or installed again.
    pub fn unfinished(&self) -> impl Iterator<Item = &Installed> {
        let ends = ["installed", "config-files", "not-installed"];
        self.packages
            .iter()
            .filter(move |package| package.must_be_reinstalled || !ends.contains(&package.state.as_str()))
    }

    /// Packages that must be unpacked again, by their names for apt: of another architecture `NAME:ARCH`.
    pub(crate) fn needs_reinstall(&self) -> Vec<String> {
        let own = self.architecture();
        let is_foreign = |package: &Installed| package.architecture != own && package.architecture != "all";
        let name = |package: &Installed| match is_foreign(package) {
            true => format!("{}:{}", package.name, package.architecture),
            false => package.name.clone(),
        };
        self.packages.iter().filter(|package| package.must_be_reinstalled).map(name).collect()
    }

    fn named(&self, name: &str) -> Option<&Installed> {
        let own = self.architecture();
        let of_own = |package: &&Installed| package.architecture == own || package.architecture == "all";
        let mut named = self.packages.iter().filter(|package| package.name == name);
        named.clone().find(of_own).or_else(|| named.next())
    }
}

impl Installed {
    fn nothing() -> Installed {
        Installed {
            name: String::new(),
            architecture: String::new(),
            version: None,
            state: String::new(),
            held: false,
            must_be_reinstalled: false,
        }
    }

    /// Unpacked and configured, with nothing left to do.
    pub fn is_installed(&self) -> bool {
        self.state == "installed" && !self.must_be_reinstalled
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TEXT: &str = "\
Package: dpkg
Status: install ok installed
Architecture: arm64
Version: 1.21.22

Package: apt
Status: install ok installed
Architecture: arm64
Version: 2.6.1

Package: cri-o
Status: hold ok installed
Architecture: arm64
Version: 1.34.2-1.1
Description: x
 Package: not-this
 .

Package: libx
Status: install ok installed
Architecture: armhf
Version: 1

Package: libx
Status: install ok half-configured
Architecture: arm64
Version: 2

Package: half
Status: install reinstreq half-installed
Architecture: all
Version: 1

Package: gone
Status: deinstall ok config-files
Architecture: all
Version: 1
";

    fn name(text: &str) -> PackageName {
        PackageName::parse(text).unwrap()
    }

    #[test]
    fn status_file_is_parsed() {
        let status = Status::parse(TEXT);
        assert_eq!((status.architecture(), status.apt().unwrap().as_str()), ("arm64", "2.6.1"));
        assert_eq!(status.version_of(&name("cri-o")).unwrap().as_str(), "1.34.2-1.1");
        assert!(status.is_held(&name("cri-o")) && !status.is_held(&name("apt")));
        assert_eq!(status.find(&name("not-this")), None);
        // The host's own architecture counts, and half configured is not installed.
        assert_eq!(status.find(&name("libx")).unwrap().version.as_ref().unwrap().as_str(), "2");
        assert_eq!(status.version_of(&name("libx")), None);
        assert_eq!(status.version_of(&name("gone")), None);
        let unfinished: Vec<&str> = status.unfinished().map(|package| package.name.as_str()).collect();
        assert_eq!(unfinished, ["libx", "half"]);
        let foreign = TEXT.replace(
            "Status: install ok installed\nArchitecture: armhf",
            "Status: install reinstreq half-installed\nArchitecture: armhf",
        );
        assert_eq!(Status::parse(&foreign).needs_reinstall(), ["libx:armhf", "half"]);
    }

    #[test]
    fn merge_replaces_earlier_paragraphs() {
        let mut status = Status::parse(TEXT);
        let count = status.packages().len();
        let of = |version: &str, architecture: &str| {
            Status::parse(&format!("Package: libx\nArchitecture: {architecture}\nVersion: {version}\n")).packages
        };
        status.merge([of("3", "arm64"), of("4", "arm64"), of("5", "mips"), of("6", "mips")].concat());
        let libx: Vec<_> = status.packages().iter().filter(|package| package.name == "libx").collect();
        let versions: Vec<&str> = libx.iter().map(|package| package.version.as_ref().unwrap().as_str()).collect();
        assert_eq!((versions.as_slice(), status.packages().len()), (["1", "4", "6"].as_slice(), count + 1));
    }

    #[test]
    fn empty_status_has_no_packages() {
        assert!(Status::parse("").packages().is_empty());
        assert_eq!(Status::parse("\n\n").architecture(), "");
    }

    fn installed() -> impl Strategy<Value = Installed> {
        let words =
            ("[a-z][a-z0-9+.-]{1,8}", "arm64|all|armhf", "[0-9]{1,2}(-1)?", "installed|unpacked|half-configured");
        (words, any::<(bool, bool)>()).prop_map(
            |((name, architecture, version, state), (held, must_be_reinstalled))| Installed {
                name,
                architecture,
                version: Version::parse(&version).ok(),
                state,
                held,
                must_be_reinstalled,
            },
        )
    }

    fn paragraph(package: &Installed) -> String {
        let want = if package.held { "hold" } else { "install" };
        let flag = if package.must_be_reinstalled { "reinstreq" } else { "ok" };
        let version = package.version.as_ref().map(Version::as_str).unwrap_or_default();
        let Installed { name, architecture, state, .. } = package;
        format!(
            "Package: {name}\nStatus: {want} {flag} {state}\nDescription: Package: x\n Package: y\n .\n\
             Architecture: {architecture}\nVersion: {version}\n"
        )
    }

    proptest! {
        #[test]
        fn each_paragraph_is_a_package(
            packages in proptest::collection::vec((installed(), "\n{1,3}"), 0..6)
        ) {
            let text: String = packages.iter().map(|(package, end)| paragraph(package) + end).collect();
            let want: Vec<Installed> = packages.into_iter().map(|(package, _)| package).collect();
            let status = Status::parse(&text);
            prop_assert_eq!(status.packages(), want);
        }

        #[test]
        fn parse_does_not_panic(text in "([A-Z][a-z]{0,8}|: ?|\n| |\\PC){0,40}") {
            let status = Status::parse(&text);
            let _ = (status.needs_reinstall(), status.architecture().len(), status.unfinished().count());
        }
    }
}
