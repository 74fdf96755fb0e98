//! Whole trees: made from literals, compared to the byte.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use walkdir::WalkDir;

/// A root tree in a directory of its own, gone with the value.
#[derive(Debug)]
pub struct Tree {
    dir: TempDir,
}

/// Everything below a root, by path: what two trees must share to be the same.
pub type Snapshot = BTreeMap<PathBuf, String>;

/// Its os-release, without which the utilities refuse a tree. Snapshots leave it out.
const OS_RELEASE: &str = "etc/os-release";
const OS_RELEASE_TEXT: &str = "NAME=Test\nID=edgeutils-test\n";

impl Tree {
    /// A tree with only an os-release.
    pub fn new() -> Tree {
        let tree = Tree::empty();
        tree.write(OS_RELEASE, OS_RELEASE_TEXT);
        tree
    }

    /// A tree without a single file, such as a directory on which no image is mounted.
    pub fn empty() -> Tree {
        Tree { dir: tempfile::Builder::new().prefix("edgeutils-").tempdir().unwrap() }
    }

    /// A tree with these files, mode 0644.
    pub fn with(files: &[(&str, &str)]) -> Tree {
        let tree = Tree::new();
        for (path, text) in files {
            tree.write(path, text);
        }
        tree
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// A path in it, on the host.
    pub fn at(&self, path: &str) -> PathBuf {
        self.path().join(path.trim_start_matches('/'))
    }

    /// Writes a file and the directories above it.
    pub fn write(&self, path: &str, text: impl AsRef<[u8]>) {
        let path = self.at(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    }

    /// Reads a file as text.
    pub fn read(&self, path: &str) -> String {
        String::from_utf8(fs::read(self.at(path)).unwrap()).unwrap()
    }

    /// Makes a symbolic link.
    pub fn link(&self, path: &str, target: &str) {
        let path = self.at(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        symlink(target, path).unwrap();
    }

    /// Everything in it but the journal and the lock.
    pub fn snapshot(&self) -> Snapshot {
        snapshot(self.path())
    }

    /// The same but for some paths, such as a pipe that must not be read.
    pub fn snapshot_without(&self, paths: &[&str]) -> Snapshot {
        of(self.path(), &|path| paths.iter().any(|without| path == Path::new(without)))
    }
}

impl Default for Tree {
    fn default() -> Tree {
        Tree::new()
    }
}

/// Everything below `root` but the journal and the lock: kind, mode, owner, extended attributes and content.
pub fn snapshot(root: &Path) -> Snapshot {
    of(root, &|_| false)
}

fn of(root: &Path, without: &dyn Fn(&Path) -> bool) -> Snapshot {
    let mut all = Snapshot::new();
    for entry in WalkDir::new(root).min_depth(1).sort_by_file_name() {
        let entry = entry.unwrap();
        let path = entry.path().strip_prefix(root).unwrap().to_path_buf();
        if path.starts_with("var/lib/edgeutils") || without(&path) {
            continue;
        }
        let meta = entry.path().symlink_metadata().unwrap();
        let what = if meta.is_symlink() {
            format!("link to {}", fs::read_link(entry.path()).unwrap().display())
        } else if meta.is_dir() {
            "directory".to_owned()
        } else {
            String::from_utf8_lossy(&fs::read(entry.path()).unwrap()).into_owned()
        };
        let rights = format!("{:o} {}:{}{}", meta.mode() & 0o7777, meta.uid(), meta.gid(), xattrs(entry.path(), &meta));
        all.insert(path, format!("{rights} {what}"));
    }
    // That of the fixture, and its directory if nothing else is in it.
    if fs::read_to_string(root.join(OS_RELEASE)).is_ok_and(|text| text == OS_RELEASE_TEXT) {
        all.remove(Path::new(OS_RELEASE));
        let etc = Path::new("etc");
        if !all.keys().any(|path| path.starts_with(etc) && path != etc) {
            all.remove(etc);
        }
    }
    // An empty var/lib that only the journal made is not a difference.
    for made in ["var/lib", "var"] {
        let holds_more = all.keys().any(|path| path.starts_with(made) && path != Path::new(made));
        if !holds_more && root.join("var/lib/edgeutils").exists() {
            all.remove(Path::new(made));
        }
    }
    all
}

/// Access lists, capabilities and the attributes of users; labels are the kernel's.
fn xattrs(path: &Path, meta: &fs::Metadata) -> String {
    let kept =
        |name: &str| ["user.", "system.posix_acl", "security.capability"].iter().any(|top| name.starts_with(top));
    let names = if meta.is_symlink() { None } else { xattr::list(path).ok() };
    let mut all: Vec<String> = names
        .into_iter()
        .flatten()
        .filter(|name| kept(&name.to_string_lossy()))
        .map(|name| format!(" {name:?}={:?}", xattr::get(path, &name).unwrap()))
        .collect();
    all.sort();
    all.concat()
}

/// Fails with the paths that differ.
pub fn assert_same(got: &Snapshot, want: &Snapshot, what: &str) {
    if got == want {
        return;
    }
    let paths: std::collections::BTreeSet<_> = got.keys().chain(want.keys()).collect();
    let differ: Vec<String> = paths
        .into_iter()
        .filter(|path| got.get(*path) != want.get(*path))
        .map(|path| format!("{}\n  want {:?}\n  got  {:?}", path.display(), want.get(path), got.get(path)))
        .collect();
    panic!("{what}: the trees differ\n{}", differ.join("\n"));
}
