//! A folder of packages with a manifest of their checksums, for a host without a network.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use edge_host::{Cmd, Error, Result, ResultExt};
use sha2::{Digest, Sha256};

use crate::status::Status;
use crate::version::Version;

/// In sha256sum's format, beside the packages.
pub const MANIFEST: &str = "SHA256SUMS";
const MANIFEST_MAX: u64 = 1 << 20;
const ALL: &str = "all";

/// Packages whose bytes are those of the manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offline {
    dir: PathBuf,
    packages: Vec<PackageFile>,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PackageFile {
    pub(crate) path: PathBuf,
    pub(crate) name: String,
    pub(crate) version: Version,
    pub(crate) architecture: String,
    /// Names in its dependencies, alternatives too, and in what it recommends.
    needs: Vec<String>,
    /// Names that it stands for beside its own.
    provides: Vec<String>,
}

impl Offline {
    /// Compares every package below `dir`, the operator's own path, with `SHA256SUMS` there.
    ///
    /// Refuses (exit 4) one that differs or is not listed; fails on one that is listed and not there.
    pub fn open(dir: &Path) -> Result<Offline> {
        let dir = dir.canonicalize().on("read", dir)?;
        let manifest = dir.join(MANIFEST);
        let listed = parse(&read_manifest(&manifest)?).map_err(|cause| {
            Error::failed(format!("cannot read {}: {cause}", manifest.display())).hint(how_to_make(&dir))
        })?;
        for (name, _) in listed.iter().filter(|(name, _)| name.ends_with(".deb")) {
            if !dir.join(name).exists() {
                return Err(Error::failed(format!(
                    "cannot use {}: {name} is listed and not there",
                    manifest.display()
                ))
                .hint("copy the folder again, as a whole"));
            }
        }
        let mut packages = Vec::new();
        for path in debs(&dir)? {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let refuse = |why: String| {
                Err(Error::refused(format!("cannot use {}: {why}", path.display()))
                    .hint("get the file again from where it came; it is not installed as it is"))
            };
            let Some((_, wanted)) = listed.iter().find(|(listed, _)| *listed == name) else {
                return refuse(format!("{MANIFEST} does not list it"));
            };
            let is = sha256(&path)?;
            if is != *wanted {
                return refuse(format!("its SHA-256 is {is}, and {MANIFEST} says {wanted}"));
            }
            packages.push(describe(&path)?);
        }
        if packages.is_empty() {
            return Err(Error::failed(format!("cannot use {}: there is no package in it", dir.display()))
                .hint("it holds *.deb files and SHA256SUMS"));
        }
        Ok(Offline { dir, packages })
    }

    /// Where it is.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Of each package the newest that `may` take, for this architecture, without those that are
    /// installed as new or newer.
    pub(crate) fn chosen(&self, status: &Status, may: impl Fn(&PackageFile) -> bool) -> Vec<&PackageFile> {
        let own = status.architecture();
        let mut chosen: Vec<&PackageFile> = Vec::new();
        for file in self.packages.iter().filter(|file| [own, ALL].contains(&file.architecture.as_str()) && may(file)) {
            match chosen.iter_mut().find(|other| other.name == file.name) {
                Some(other) if other.version < file.version => *other = file,
                Some(_) => {}
                None => chosen.push(file),
            }
        }
        chosen
    }

    /// Those that are asked for, and of the rest what they need, by name. Whether it is enough, apt says.
    pub(crate) fn needed<'f>(asked: &[&'f PackageFile], chosen: &[&'f PackageFile]) -> Vec<&'f PackageFile> {
        let mut needed = asked.to_vec();
        let mut at = 0;
        while let Some(file) = needed.get(at).copied() {
            let is_needed = |other: &&PackageFile| {
                file.needs.iter().any(|name| *name == other.name || other.provides.contains(name))
            };
            let more: Vec<&PackageFile> =
                chosen.iter().copied().filter(is_needed).filter(|other| !needed.contains(other)).collect();
            needed.extend(more);
            at += 1;
        }
        needed
    }

    /// The files of packages of these names.
    pub(crate) fn of_names(&self, names: &[String]) -> impl Iterator<Item = &Path> {
        self.packages.iter().filter(|file| names.contains(&file.name)).map(|file| file.path.as_path())
    }

    /// The architectures of a package's files, for a message.
    pub(crate) fn architectures_of(&self, name: &str) -> Vec<&str> {
        let named = self.packages.iter().filter(|file| file.name == name);
        named.map(|file| file.architecture.as_str()).collect()
    }
}

fn read_manifest(path: &Path) -> Result<String> {
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(MANIFEST_MAX).read_to_string(&mut text)).on("read", path);
    match read {
        Ok(_) => Ok(text),
        Err(error) if error.io_kind() == Some(io::ErrorKind::NotFound) => {
            Err(error.hint(how_to_make(path.parent().unwrap_or(path))))
        }
        Err(error) => Err(error),
    }
}

fn how_to_make(dir: &Path) -> String {
    format!("make it where the packages come from: (cd {} && sha256sum *.deb > {MANIFEST})", dir.display())
}

/// Name and checksum of each line: `HASH  NAME` or `HASH *NAME`, `./` in front allowed.
fn parse(text: &str) -> Result<Vec<(String, String)>, String> {
    let mut all = Vec::new();
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let bad = |why: &str| format!("line {}: {why}", number + 1);
        let (hash, name) = line.split_once(' ').ok_or_else(|| bad("not `SHA-256, two blanks, name`"))?;
        let name = name.strip_prefix([' ', '*']).unwrap_or(name).trim_end();
        let name = name.strip_prefix("./").unwrap_or(name);
        if hash.len() != 64 || !hash.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(bad("it does not begin with a SHA-256"));
        }
        if name.is_empty() || name.contains('/') || name == ".." {
            return Err(bad("only files beside it can be listed"));
        }
        all.push((name.to_owned(), hash.to_ascii_lowercase()));
    }
    Ok(all)
}

fn debs(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut all = Vec::new();
    for entry in dir.read_dir().on("read", dir)? {
        let path = entry.on("read", dir)?.path();
        if path.extension().is_some_and(|extension| extension == "deb") {
            all.push(path);
        }
    }
    all.sort();
    Ok(all)
}

fn sha256(path: &Path) -> Result<String> {
    let mut file = File::open(path).on("read", path)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer).on("read", path)? {
            0 => break,
            count => hash.update(&buffer[..count]),
        }
    }
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

fn describe(path: &Path) -> Result<PackageFile> {
    let fields = ["Package", "Version", "Architecture", "Pre-Depends", "Depends", "Recommends", "Provides"];
    let output = Cmd::find("dpkg-deb")?.arg("--field").arg(path).args(fields).run()?;
    let bad = || Error::failed(format!("cannot use {}: it is no Debian package", path.display()));
    let value = |name: &str| output.stdout.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    let field = |name: &str| value(name).map(|value| value.trim().to_owned()).ok_or_else(bad);
    let version = Version::parse(&field("Version")?).map_err(|_| bad())?;
    let needs = ["Pre-Depends", "Depends", "Recommends"].iter().filter_map(|name| value(name)).flat_map(names);
    Ok(PackageFile {
        path: path.to_path_buf(),
        name: field("Package")?,
        version,
        architecture: field("Architecture")?,
        needs: needs.collect(),
        provides: value("Provides").map(names).unwrap_or_default(),
    })
}

/// The names of a list of packages: `a (>= 1) | b, c:any`.
fn names(list: &str) -> Vec<String> {
    let name = |entry: &str| entry.trim().split([' ', '(', ':', '[']).next().unwrap_or_default().to_owned();
    list.split([',', '|']).map(name).filter(|name| !name.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_taken_out_of_a_list_of_dependencies() {
        assert_eq!(names("a (>= 1.0) | b, c:any,d [amd64] ,, "), ["a", "b", "c", "d"]);
    }

    #[test]
    fn a_manifest_is_sha256sums_own() {
        let hash = "A".repeat(64);
        let text = format!("{hash}  a_1.deb\n\n{hash} *./b.deb\r\n");
        let want: Vec<(String, String)> =
            ["a_1.deb", "b.deb"].iter().map(|name| ((*name).to_owned(), hash.to_lowercase())).collect();
        assert_eq!(parse(&text).unwrap(), want);
        for bad in ["x", "abc  x", &format!("{hash}  ../x.deb"), &format!("{hash}  a/x.deb"), &format!("{hash}  ")] {
            assert!(parse(bad).unwrap_err().starts_with("line 1: "), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_sha256sum_writes_is_read(
            files in proptest::collection::vec(
                ("[0-9a-fA-F]{64}", " | [.]/|[*]|[*][.]/", "[a-z0-9_.+~%-]{1,12}[.]deb", "\n|\r\n"),
                0..5,
            )
        ) {
            let text: String = files.iter().map(|(hash, mode, name, end)| format!("{hash} {mode}{name}{end}")).collect();
            let want: Vec<(String, String)> =
                files.iter().map(|(hash, _, name, _)| (name.clone(), hash.to_lowercase())).collect();
            prop_assert_eq!(parse(&text), Ok(want));
        }

        #[test]
        fn nothing_outside_the_folder_is_listed(text in "([0-9a-f]{64}|[0-9a-f]{3})?[ *]{0,2}(\\PC{0,12}|[./a]{0,6})\n?") {
            for (name, hash) in parse(&text).unwrap_or_default() {
                prop_assert!(!name.contains('/') && name != ".." && !name.is_empty() && hash.len() == 64, "{:?}", name);
            }
        }
    }
}
