//! Selects where edgecore is taken from, and which checksum that must have, without using the network.

use std::path::{Path, PathBuf};

use edge_fetch::folder::{self, SUMS_512};
use edge_fetch::{address, is_sha512, sums};
use edge_host::{Arch, Error, Result, shown_url};

use super::{Release, archives_exist, known};

/// Where KubeEdge publishes its releases.
const UPSTREAM: &str = "https://github.com/kubeedge/kubeedge/releases/download/v{version}/";
/// Placeholders of a mirror's address.
const PLACES: [&str; 2] = ["{version}", "{arch}"];

/// What the user requested.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// A file or an address, of any of the forms.
    pub archive: Option<String>,
    /// Its checksum.
    pub sha512: Option<String>,
    /// A directory with the file and `SHA512SUMS`.
    pub offline: Option<PathBuf>,
    /// The directory of the release on another server.
    pub mirror: Option<String>,
}

/// Where the file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// On this machine.
    File(PathBuf),
    /// To be downloaded.
    Url(String),
}

/// Where the checksum is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// This program has it.
    Known,
    /// --sha512.
    Option,
    /// SHA512SUMS of the directory.
    List,
    /// The file that is published beside the archive: to be downloaded.
    Published,
    /// None: a file that the user named.
    Nothing,
}

/// A file with edgecore.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Where it is.
    pub place: Place,
    /// Its checksum, in hex; none for [`Trust::Published`] and [`Trust::Nothing`].
    pub sha512: Option<String>,
    /// Where the checksum is from.
    pub trust: Trust,
}

impl Source {
    /// Its name for messages.
    pub fn shown(&self) -> String {
        match &self.place {
            Place::File(path) => path.display().to_string(),
            Place::Url(url) => shown_url(url),
        }
    }
}

/// Selects the source of a release for an architecture.
///
/// Errors: usage (2); the directory or its list cannot be read; exit 4 where a checksum contradicts the known one, or a file
/// of a directory is not in its list.
pub fn select(options: &Options, release: &Release, arch: Arch) -> Result<Source> {
    let given = options.sha512.as_deref().map(given_sum).transpose()?;
    if let Some(dir) = &options.offline {
        return offline(dir, given, release, arch);
    }
    if let Some(archive) = &options.archive {
        let place = match archive.contains("://") {
            true => {
                address::check(archive, archive)?;
                Place::Url(archive.clone())
            }
            false => Place::File(PathBuf::from(archive)),
        };
        let name = archive.rsplit('/').next().unwrap_or(archive);
        let otherwise = if matches!(place, Place::Url(_)) { Trust::Published } else { Trust::Nothing };
        let (sha512, trust) = expected(name, given, None, known_by_name(name, release, arch), otherwise)?;
        return Ok(Source { place, sha512, trust });
    }
    archives_exist(arch)?;
    let name = release.archive(arch);
    let mut url = match &options.mirror {
        Some(mirror) => filled(mirror, release, arch)?,
        None => filled(UPSTREAM, release, arch)?,
    };
    if !url.ends_with('/') {
        url.push('/');
    }
    url.push_str(&name);
    let (sha512, trust) = expected(&name, given, None, known::sha512(release, arch), Trust::Published)?;
    Ok(Source { place: Place::Url(url), sha512, trust })
}

/// The known checksum of a file that has the name of the release's archive.
fn known_by_name(name: &str, release: &Release, arch: Arch) -> Option<&'static str> {
    (name == release.archive(arch)).then(|| known::sha512(release, arch)).flatten()
}

/// The checksum that a file must have and where it is from: a known one comes first, and another that differs is refused.
pub fn expected(
    name: &str,
    given: Option<String>,
    listed: Option<&str>,
    known: Option<&str>,
    otherwise: Trust,
) -> Result<(Option<String>, Trust)> {
    let other = match (given, listed) {
        (Some(given), _) => Some((given, Trust::Option, "--sha512")),
        (None, Some(listed)) => Some((list_sum(name, listed)?, Trust::List, SUMS_512)),
        (None, None) => None,
    };
    match (known, other) {
        (Some(known), Some((sum, _, place))) if sum != known => {
            Err(Error::refused(format!("cannot use {name}: its known SHA-512 is {known}, but {place} has {sum}"))
                .hint("it is not the archive that KubeEdge has published: get it again, and its checksum with it"))
        }
        (Some(known), _) => Ok((Some(known.to_owned()), Trust::Known)),
        (None, Some((sum, trust, _))) => Ok((Some(sum), trust)),
        (None, None) => Ok((None, otherwise)),
    }
}

fn given_sum(text: &str) -> Result<String> {
    let sum = text.trim().to_ascii_lowercase();
    if is_sha512(&sum) {
        return Ok(sum);
    }
    let shown: String = text.chars().take(140).collect();
    Err(Error::usage(format!("cannot use --sha512 {shown:?}: expected 128 hexadecimal digits")))
}

fn list_sum(name: &str, text: &str) -> Result<String> {
    let sum = text.to_ascii_lowercase();
    if is_sha512(&sum) {
        return Ok(sum);
    }
    Err(Error::failed(format!("cannot use {name}: its checksum in {SUMS_512} is not valid: {text:?}"))
        .hint(format!("create the list again: sha512sum * > {SUMS_512}")))
}

/// An address with its placeholders replaced.
fn filled(address: &str, release: &Release, arch: Arch) -> Result<String> {
    let text = PLACES
        .iter()
        .zip([release.text(), arch.goarch()])
        .fold(address.to_owned(), |text, (place, value)| text.replace(place, value));
    if text.contains(['{', '}']) {
        return Err(address::bad(address, "the only placeholders are {version} and {arch}"));
    }
    address::check(address, &text)?;
    Ok(text)
}

/// The file of a directory: the release's archive, else the only other one.
fn offline(dir: &Path, given: Option<String>, release: &Release, arch: Arch) -> Result<Source> {
    let download = format!("edge-join download --version {release} --arch {} --to DIR", arch.goarch());
    let entries = folder::entries(dir).map_err(|cause| {
        Error::failed(format!("cannot install from {}: {cause}", dir.display()))
            .hint(format!("check that it is mounted; to fill one, run {download} on a machine with a network"))
    })?;
    let names: Vec<&str> = entries.iter().filter_map(|path| path.file_name()?.to_str()).collect();
    let archive = release.archive(arch);
    let is_other = |name: &&str| *name != SUMS_512 && !name.starts_with('.');
    let name = match names.iter().find(|name| **name == archive) {
        Some(name) => *name,
        None => match names.iter().copied().filter(is_other).collect::<Vec<_>>().as_slice() {
            [only] => *only,
            other => {
                let what = if other.is_empty() { "it is empty" } else { "it has several other files" };
                let cause = format!("it does not contain {archive}, and {what}");
                return Err(Error::failed(format!("cannot install from {}: {cause}", dir.display())).hint(format!(
                    "run {download} on a machine with a network, or name the file with --archive FILE"
                )));
            }
        },
    };
    let list = folder::read_list(dir, SUMS_512)?.unwrap_or_default();
    let listed = sums::listed(&list, name);
    let (sha512, trust) = expected(name, given, listed, known_by_name(name, release, arch), Trust::Nothing)?;
    if sha512.is_none() {
        return Err(Error::refused(format!(
            "cannot use {}: its SHA-512 is unknown, and {SUMS_512} does not list it",
            dir.join(name).display()
        ))
        .hint(format!("get the checksum from a trusted source, and specify it with --sha512 HEX or in {SUMS_512}")));
    }
    Ok(Source { place: Place::File(dir.join(name)), sha512, trust })
}

#[cfg(test)]
mod tests {
    use edge_host::Exit;

    use super::*;

    fn release(text: &str) -> Release {
        text.parse().unwrap()
    }

    #[test]
    fn select_uses_upstream_or_its_mirror() {
        let of = |mirror: Option<&str>, version: &str| {
            let options = Options { mirror: mirror.map(str::to_owned), ..Options::default() };
            select(&options, &release(version), Arch::Arm64)
        };
        let source = of(None, "1.23.1").unwrap();
        assert_eq!((source.trust, &source.sha512), (Trust::Published, &None));
        assert_eq!(
            source.shown(),
            "https://github.com/kubeedge/kubeedge/releases/download/v1.23.1/kubeedge-v1.23.1-linux-arm64.tar.gz"
        );
        let source = of(Some("http://127.0.0.1:8000/{version}/{arch}"), "1.7.0").unwrap();
        assert_eq!(source.shown(), "http://127.0.0.1:8000/1.7.0/arm64/kubeedge-v1.7.0-linux-arm64.tar.gz");
        assert_eq!(source.trust, Trust::Known);
        for bad in ["http://a.example/", "https://a/{x}/", "ftp://a"] {
            assert_eq!(of(Some(bad), "1.7.0").unwrap_err().exit(), Exit::Usage, "{bad}");
        }
        let error = select(&Options::default(), &release("1.23.1"), Arch::S390x).unwrap_err();
        assert!(error.message().contains("for s390x"), "{error}");
    }

    #[test]
    fn select_takes_the_checksum_that_is_worth_most() {
        let of = |archive: &str, sum: Option<String>, version: &str| {
            let options = Options { archive: Some(archive.to_owned()), sha512: sum, ..Options::default() };
            select(&options, &release(version), Arch::Amd64)
        };
        let sum = "a".repeat(128);
        assert_eq!(of("/x/any.tar", None, "1.23.1").unwrap().trust, Trust::Nothing);
        assert_eq!(of("https://m.example/any.tar", None, "1.23.1").unwrap().trust, Trust::Published);
        let given = of("any.tar", Some(sum.to_uppercase()), "1.23.1").unwrap();
        assert_eq!((given.trust, given.sha512), (Trust::Option, Some(sum.clone())));
        let known = of("x/kubeedge-v1.7.0-linux-amd64.tar.gz", None, "1.7.0").unwrap();
        assert!(known.trust == Trust::Known && known.sha512.is_some());
        let error = of("kubeedge-v1.7.0-linux-amd64.tar.gz", Some(sum), "1.7.0").unwrap_err();
        assert!(error.exit() == Exit::Refused && error.message().contains("its known SHA-512 is "), "{error}");
        for bad in ["", "abc", &"g".repeat(128), &"a".repeat(64)] {
            assert_eq!(of("any.tar", Some(bad.to_owned()), "1.23.1").unwrap_err().exit(), Exit::Usage, "{bad}");
        }
    }

    #[test]
    fn offline_takes_the_archive_of_the_release_or_the_only_file() {
        let dir = tempfile::tempdir().unwrap();
        let options = Options { offline: Some(dir.path().to_owned()), ..Options::default() };
        let of = |version: &str| select(&options, &release(version), Arch::Amd64);
        assert!(of("1.23.1").unwrap_err().message().contains("and it is empty"));
        std::fs::write(dir.path().join("image.tar"), "").unwrap();
        assert_eq!(of("1.23.1").unwrap_err().exit(), Exit::Refused, "it is not listed");
        let sum = "b".repeat(128);
        std::fs::write(dir.path().join(SUMS_512), format!("{sum}  image.tar\n")).unwrap();
        let source = of("1.23.1").unwrap();
        assert_eq!((source.trust, source.sha512.as_deref()), (Trust::List, Some(sum.as_str())));
        let name = "kubeedge-v1.23.1-linux-amd64.tar.gz";
        std::fs::write(dir.path().join(name), "").unwrap();
        assert_eq!(of("1.23.1").unwrap_err().exit(), Exit::Refused);
        std::fs::write(dir.path().join(SUMS_512), format!("{sum}  {name}\n")).unwrap();
        assert_eq!(of("1.23.1").unwrap().place, Place::File(dir.path().join(name)));
        let error = of("1.22.0").unwrap_err();
        assert!(error.message().contains("and it has several other files"), "{error}");
        std::fs::write(dir.path().join(SUMS_512), format!("12  {name}\n")).unwrap();
        assert!(of("1.23.1").unwrap_err().message().contains("in SHA512SUMS is not valid"));
        let missing = Options { offline: Some(dir.path().join("no")), ..Options::default() };
        assert!(select(&missing, &release("1.23.1"), Arch::Amd64).unwrap_err().hint_text().is_some());
    }
}
