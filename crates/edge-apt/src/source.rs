//! A repository in apt's configuration, and other files that contain the same one.

use std::path::{Path, PathBuf};

use edge_host::{Error, Result, ResultExt, Root, shown_url};

use crate::obsolete::ObsoleteFile;
use crate::openpgp::Fingerprint;
use crate::version::Version;

pub(crate) const PARTS: &str = "/etc/apt/sources.list.d";
pub(crate) const MAIN: &str = "/etc/apt/sources.list";
/// Since this version apt reads deb822 files with Signed-By.
const DEB822_SINCE: &str = "1.1";
pub(crate) const WRITTEN_BY: &str = "# Written by edgeutils.";

/// A repository and the key that it is signed with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The stem of the files: `cri-o` gives sources.list.d/cri-o.sources and keyrings/cri-o.asc.
    pub name: String,
    /// Its address, such as `https://download.opensuse.org/repositories/isv:/cri-o:/stable:/v1.34/deb/`.
    pub uri: String,
    /// Its layout below that.
    pub layout: Layout,
    /// The origin of its key.
    pub key: KeyFrom,
    /// Fingerprints of the accepted keys; any other key in the file is refused.
    pub fingerprints: Vec<Fingerprint>,
}

/// The layout of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Layout {
    /// One list in the directory of the packages (`/` in a sources line).
    Flat,
    /// `dists/SUITE/COMPONENT`.
    Dist {
        /// Such as `bookworm`.
        suites: Vec<String>,
        /// Such as `stable`.
        components: Vec<String>,
    },
}

/// The origin of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyFrom {
    /// Downloaded by apt, with its proxies and certificates.
    Url(String),
    /// These bytes.
    Bytes(Vec<u8>),
}

impl KeyFrom {
    /// The bytes of a file that the user named; a path of the caller.
    pub fn read(path: &Path) -> Result<KeyFrom> {
        let absolute = std::path::absolute(path).on("read", path)?;
        let bytes = Root::live()?.read(&absolute)?;
        bytes.map(KeyFrom::Bytes).ok_or_else(|| Error::cannot("read", path, "it does not exist"))
    }
}

impl Source {
    /// Refuses values that are not one word in a sources file or one name in a directory.
    pub fn check(&self) -> Result<()> {
        let bad = |what: &str, text: &str| Error::usage(format!("cannot use the repository's {what} {text:?}"));
        let is_name = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if self.name.is_empty() || self.name.starts_with('.') || !self.name.chars().all(is_name) {
            return Err(bad("name", &self.name).hint("use letters, digits, dashes and underscores"));
        }
        let schemes = ["https://", "http://", "file:/", "ftp://", "mirror+file:/", "cdrom:"];
        if !schemes.iter().any(|scheme| self.uri.starts_with(scheme)) || !is_word(&self.uri) {
            return Err(bad("address", &shown_url(&self.uri))
                .hint("use an address such as https://packages.example.org/debian/"));
        }
        if let KeyFrom::Url(url) = &self.key
            && (!is_word(url)
                || !(url.starts_with("https://") || url.starts_with("http://") || url.starts_with("file:/")))
        {
            return Err(bad("key address", &shown_url(url))
                .hint("use an address such as https://packages.example.org/Release.key"));
        }
        if let Layout::Dist { suites, components } = &self.layout {
            if suites.is_empty() || components.is_empty() {
                return Err(Error::usage("cannot use the repository: both suite and component are required"));
            }
            if let Some(word) = suites.iter().chain(components).find(|word| !is_word(word) || word.ends_with('/')) {
                return Err(bad("suite or component", word));
            }
        }
        if self.fingerprints.is_empty() {
            return Err(Error::usage("cannot use the repository: the fingerprint of its key is missing"));
        }
        Ok(())
    }

    /// The path of its file: deb822 if this apt reads it, else one line.
    pub fn path(&self, apt: Option<&Version>) -> PathBuf {
        let extension = if reads_fields(apt) { "sources" } else { "list" };
        Path::new(PARTS).join(format!("{}.{extension}", self.name))
    }

    /// The text of that file, with the key at `key`.
    pub fn render(&self, key: &Path, architecture: &str, apt: Option<&Version>) -> String {
        let key = key.display();
        let (suites, components) = match &self.layout {
            Layout::Flat => ("/".to_owned(), None),
            Layout::Dist { suites, components } => (suites.join(" "), Some(components.join(" "))),
        };
        let uri = &self.uri;
        if reads_fields(apt) {
            let components = components.map(|words| format!("Components: {words}\n")).unwrap_or_default();
            return format!(
                "{WRITTEN_BY}\nTypes: deb\nURIs: {uri}\nSuites: {suites}\n{components}Architectures: {architecture}\nSigned-By: {key}\n"
            );
        }
        let components = components.map(|words| format!(" {words}")).unwrap_or_default();
        let lines = suites
            .split(' ')
            .map(|suite| format!("deb [arch={architecture} signed-by={key}] {uri} {suite}{components}\n"));
        format!("{WRITTEN_BY}\n{}", lines.collect::<String>())
    }
}

fn is_word(text: &str) -> bool {
    let is_good = |c: char| c.is_ascii_graphic() && !"[]\"'`\\<>{}|^#$;()*".contains(c);
    !text.is_empty() && text.len() < 500 && text.chars().all(is_good)
}

fn reads_fields(apt: Option<&Version>) -> bool {
    let since = Version::parse(DEB822_SINCE).ok();
    apt.zip(since.as_ref()).is_none_or(|(apt, since)| apt >= since)
}

/// Other files of apt's configuration that contain this repository, also without their obsolete entries: apt fails on
/// every call if two differ in Signed-By.
pub(crate) fn rivals(root: &Root, source: &Source, own: &Path, obsolete: &[ObsoleteFile]) -> Result<Vec<PathBuf>> {
    let mut all = Vec::new();
    for path in files(root)? {
        if path == own {
            continue;
        }
        let bytes = match obsolete.iter().find(|file| file.path == path) {
            Some(file) => file.bytes.clone(),
            None => root.read(&path)?.unwrap_or_default(),
        };
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let is_fields = path.extension().is_some_and(|extension| extension == "sources");
        let uris = if is_fields { uris_of_fields(&text) } else { uris_of_lines(&text) };
        if uris.iter().any(|uri| uri.trim_end_matches('/') == source.uri.trim_end_matches('/')) {
            all.push(path);
        }
    }
    Ok(all)
}

/// Every sources file of apt.
pub(crate) fn files(root: &Root) -> Result<Vec<PathBuf>> {
    let mut all = vec![PathBuf::from(MAIN)];
    let names = root.list(Path::new(PARTS))?;
    let parts = names.iter().map(|name| Path::new(PARTS).join(name));
    all.extend(parts.filter(|path| path.extension().is_some_and(|end| end == "list" || end == "sources")));
    Ok(all)
}

fn uris_of_lines(text: &str) -> Vec<String> {
    text.lines().filter_map(uri_and_suite).map(|(uri, _)| uri.to_owned()).collect()
}

/// The address and suite of an active line, `deb [arch=amd64] URI SUITE COMPONENT`.
pub(crate) fn uri_and_suite(line: &str) -> Option<(&str, &str)> {
    let line = line.trim();
    let rest = line.strip_prefix("deb-src").or_else(|| line.strip_prefix("deb"));
    let rest = rest.filter(|rest| rest.starts_with([' ', '\t', '[']))?.trim_start();
    let rest = if rest.starts_with('[') { rest.split_once(']').map_or("", |(_, rest)| rest) } else { rest };
    let mut words = rest.split_whitespace();
    Some((words.next()?, words.next().unwrap_or_default()))
}

fn uris_of_fields(text: &str) -> Vec<String> {
    let mut all = Vec::new();
    for paragraph in text.split("\n\n") {
        let lines = || paragraph.lines().filter(|line| !line.starts_with('#'));
        let field = |line: &str, name: &str| {
            line.split_once(':')
                .filter(|(field, _)| field.eq_ignore_ascii_case(name))
                .map(|(_, value)| value.trim().to_owned())
        };
        if lines().any(|line| field(line, "Enabled").is_some_and(|value| value == "no" || value == "false")) {
            continue;
        }
        let mut in_uris = false;
        for line in lines() {
            if let Some(value) = field(line, "URIs") {
                in_uris = true;
                all.extend(value.split_whitespace().map(str::to_owned));
            } else if line.starts_with([' ', '\t']) && in_uris {
                all.extend(line.split_whitespace().map(str::to_owned));
            } else {
                in_uris = false;
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(layout: Layout) -> Source {
        Source {
            name: "x".to_owned(),
            uri: "https://a.example/deb/".to_owned(),
            layout,
            key: KeyFrom::Bytes(Vec::new()),
            fingerprints: vec![Fingerprint::parse(&"A1".repeat(20)).unwrap()],
        }
    }

    fn dist() -> Layout {
        Layout::Dist { suites: vec!["a".to_owned(), "b".to_owned()], components: vec!["main".to_owned()] }
    }

    #[test]
    fn render_writes_deb822_except_for_an_old_apt() {
        let key = Path::new("/k.asc");
        let (old, new) = (Version::parse("1.0.9").unwrap(), Version::parse("1.6").unwrap());
        let flat = source(Layout::Flat);
        assert_eq!(
            flat.render(key, "arm64", Some(&new)),
            "# Written by edgeutils.\nTypes: deb\nURIs: https://a.example/deb/\nSuites: /\nArchitectures: arm64\nSigned-By: /k.asc\n"
        );
        assert_eq!(flat.path(Some(&new)), Path::new("/etc/apt/sources.list.d/x.sources"));
        let line = "deb [arch=arm64 signed-by=/k.asc] https://a.example/deb/";
        assert_eq!(flat.render(key, "arm64", Some(&old)), format!("{WRITTEN_BY}\n{line} /\n"));
        let text = source(dist()).render(key, "arm64", Some(&old));
        assert_eq!(text, format!("{WRITTEN_BY}\n{line} a main\n{line} b main\n"));
        assert_eq!(flat.path(Some(&old)), Path::new("/etc/apt/sources.list.d/x.list"));
        let text = source(dist()).render(key, "arm64", None);
        assert!(text.contains("\nSuites: a b\nComponents: main\n"), "{text}");
    }

    #[test]
    fn check_refuses_values_that_are_not_one_word() {
        let mut all = Vec::new();
        for uri in ["", "x", "ssh://a", "https://a b", "https://a\nTypes: deb-src", "https://[x]"] {
            all.push(Source { uri: uri.to_owned(), ..source(Layout::Flat) });
        }
        for name in ["", "../x", ".x", "a b", "a\n"] {
            all.push(Source { name: name.to_owned(), ..source(Layout::Flat) });
        }
        all.push(source(Layout::Dist { suites: vec!["a\nb".to_owned()], components: vec!["c".to_owned()] }));
        all.push(source(Layout::Dist { suites: vec![], components: vec!["c".to_owned()] }));
        all.push(Source { key: KeyFrom::Url("-o x".to_owned()), ..source(Layout::Flat) });
        all.push(Source { fingerprints: vec![], ..source(Layout::Flat) });
        for source in all {
            assert!(source.check().is_err(), "{source:?}");
        }
        source(dist()).check().unwrap();
    }

    #[test]
    fn uris_are_read_in_both_formats() {
        let lines = "# deb http://no\ndeb-src http://no2 x y\ndeb [a=b] http://a/ x y\n deb\thttp://b x y\n";
        assert_eq!(uris_of_lines(lines), ["http://no2", "http://a/", "http://b"]);
        let fields = "Types: deb\nURIs: http://a\n  http://b\nSuites: /\n http://not\n\nEnabled: no\nURIs: http://c\n\n#URIs: http://d\nuris: http://e\n";
        assert_eq!(uris_of_fields(fields), ["http://a", "http://b", "http://e"]);
    }
}
