//! The mount options of containers-storage: which ones are in use and where they are set, and removal of `metacopy=on`,
//! which some kernels refuse.

use std::path::Path;

use edge_host::Result;
use toml_edit::{Document, DocumentMut, Item, TableLike, Value};

use super::{Current, Setting, line_at, line_of, not_toml};

const OPTION: &str = "metacopy";

/// Mount options with metacopy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metacopy {
    /// All of them: `nodev,metacopy=on`.
    pub options: String,
}

/// Mount flags, which every file system supports.
const FLAGS: [&str; 20] = [
    "defaults",
    "ro",
    "rw",
    "dev",
    "nodev",
    "suid",
    "nosuid",
    "exec",
    "noexec",
    "atime",
    "noatime",
    "diratime",
    "nodiratime",
    "relatime",
    "norelatime",
    "strictatime",
    "nostrictatime",
    "sync",
    "async",
    "lazytime",
];
/// Options of overlay, by name and possible values (Linux `fs/overlayfs/params.c`); without values they stand alone.
const OVERLAY: [(&str, &[&str]); 9] = [
    (OPTION, &["on", "off"]),
    ("redirect_dir", &["on", "off", "follow", "nofollow"]),
    ("index", &["on", "off"]),
    ("uuid", &["on", "off", "null", "auto"]),
    ("nfs_export", &["on", "off"]),
    ("xino", &["on", "off", "auto"]),
    ("verity", &["on", "off", "require"]),
    ("userxattr", &[]),
    ("volatile", &[]),
];
/// Options of SELinux.
const CONTEXT: &str = "context=";
/// What the key of a storage option can begin with.
const PREFIXES: [&str; 3] = ["overlay.", "overlay2.", "."];

/// The tables that can contain `mountopt`, the one that takes precedence first.
const TABLES: [&[&str]; 2] = [&["storage", "options", "overlay"], &["storage", "options"]];

/// The mount options of a storage.conf, if metacopy is among them; none if the file is not valid TOML.
///
/// The driver's own options replace the general ones unless they are empty, and are not merged with them (measured with
/// containers-storage 1.37, 1.38 and 1.43).
pub fn metacopy_of(text: &str) -> Option<Metacopy> {
    let (options, _) = in_storage_conf(text)?;
    has_metacopy(&options).then_some(Metacopy { options })
}

/// The mount options of a storage.conf, and their line.
fn in_storage_conf(text: &str) -> Option<(String, usize)> {
    let document = Document::parse(text).ok()?;
    TABLES.iter().find_map(|path| {
        let mut item: &Item = document.as_item();
        for key in *path {
            item = item.get(key)?;
        }
        let item = item.get("mountopt")?;
        let options = item.as_str().filter(|options| !options.is_empty())?;
        Some((options.to_owned(), line_at(text, item.span().map_or(0, |span| span.start))))
    })
}

/// The mount options that CRI-O uses, and where they are set: CRI-O appends its own storage_option to those of
/// storage.conf, and the last one is used. `--storage-opt` replaces all of them (cri-o `pkg/config/config.go`,
/// UpdateFromDropInFile). None without mount options, or with another driver than overlay.
pub fn mount_options(storage_conf: Option<(&Path, &str)>, current: &Current) -> Option<Setting> {
    let driver = current.merged.text("crio.storage_driver").map(|setting| setting.value);
    let driver = driver.or_else(|| {
        let document = Document::parse(storage_conf?.1).ok()?;
        Some(document.get("storage")?.get("driver")?.as_str()?.to_owned())
    });
    if driver.is_some_and(|driver| !driver.is_empty() && !driver.starts_with("overlay")) {
        return None;
    }
    let of_file = storage_conf.filter(|_| current.options.list("crio.storage_option").is_none());
    let of_file = of_file.and_then(|(file, text)| {
        let (value, line) = in_storage_conf(text)?;
        Some(Setting { value, file: file.to_path_buf(), line })
    });
    let own = current.merged.storage_options.iter().rev().find_map(|one| {
        let (key, value) = one.value.split_once('=')?;
        let key = key.trim().to_ascii_lowercase();
        let key = PREFIXES.iter().fold(key.as_str(), |key, prefix| key.strip_prefix(prefix).unwrap_or(key));
        (key == "mountopt").then(|| Setting { value: value.trim().to_owned(), ..one.clone() })
    });
    own.or(of_file).filter(|setting| !setting.value.is_empty())
}

/// The mount options without flags that every file system supports.
pub fn without_flags(options: &str) -> String {
    let words = options.split(',').map(str::trim).filter(|word| !word.is_empty() && !FLAGS.contains(word));
    words.collect::<Vec<_>>().join(",")
}

/// The first mount option that neither overlay nor the kernel has.
pub fn unknown_option(options: &str) -> Option<&str> {
    let is_known = |word: &str| {
        let (name, value) = word.split_once('=').map_or((word, None), |(name, value)| (name, Some(value)));
        let row = OVERLAY.iter().find(|row| row.0 == name);
        word.contains(CONTEXT) || row.is_some_and(|row| value.map_or(row.1.is_empty(), |value| row.1.contains(&value)))
    };
    options.split(',').map(str::trim).find(|word| !word.is_empty() && !FLAGS.contains(word) && !is_known(word))
}

/// The line that is not valid TOML, if there is one: CRI-O does not start with such a storage.conf.
pub fn invalid_line(text: &str) -> Option<usize> {
    Document::parse(text).err().map(|error| line_of(text, &error))
}

/// The mount options without metacopy.
pub fn rest_of(options: &str) -> String {
    options.split(',').map(str::trim).filter(|option| !has_metacopy(option)).collect::<Vec<_>>().join(",")
}

/// Whether metacopy is among the mount options.
pub fn has_metacopy(options: &str) -> bool {
    options
        .split(',')
        .any(|option| option.trim().strip_prefix(OPTION).is_some_and(|rest| rest.is_empty() || rest.trim() == "=on"))
}

/// The file without metacopy; everything else stays as it is. Refuses a text that is not valid TOML.
pub fn without_metacopy(path: &str, text: &str) -> Result<String> {
    let mut document: DocumentMut = text.parse().map_err(|error| not_toml(path, text, &error))?;
    for keys in TABLES {
        let mut item: Option<&mut Item> = Some(document.as_item_mut());
        for key in keys {
            item = item.and_then(|item| item.get_mut(key));
        }
        let Some(table) = item.and_then(|item| item.as_table_like_mut()) else { continue };
        strip(table);
    }
    Ok(document.to_string())
}

fn strip(table: &mut dyn TableLike) {
    let Some(Value::String(options)) = table.get_mut("mountopt").and_then(Item::as_value_mut) else { return };
    let decor = options.decor().clone();
    *options = toml_edit::Formatted::new(rest_of(options.value()));
    *options.decor_mut() = decor;
}

#[cfg(test)]
mod tests {
    use super::*;

    const KUBIC: &str = "# storage\n[storage]\ndriver = \"overlay\"\n[storage.options]\n# why\nmountopt = \"nodev,metacopy=on\" # kept\n[storage.options.overlay]\n#mountopt = \"nodev\"\n";

    #[test]
    fn without_metacopy_removes_only_that_option() {
        assert_eq!(metacopy_of(KUBIC).unwrap().options, "nodev,metacopy=on");
        let without = without_metacopy("x", KUBIC).unwrap();
        assert_eq!(without, KUBIC.replace(",metacopy=on", ""));
        assert_eq!(metacopy_of(&without), None);
        let both = "[storage.options]\nmountopt='nodev,metacopy=on'\n[storage.options.overlay]\nmountopt=''\n";
        assert_eq!(metacopy_of(both).unwrap().options, "nodev,metacopy=on");
        let overlay = "[storage.options.overlay]\nmountopt='metacopy=on'\n";
        assert_eq!(without_metacopy("x", overlay).unwrap(), "[storage.options.overlay]\nmountopt=\"\"\n");
    }

    #[test]
    fn mount_options_are_those_of_the_last_place() {
        let of = |storage: &str, crio: &str| {
            let files = [crate::config::ConfFile { path: "/c".into(), text: crio.to_owned() }];
            let merged = crate::config::Merged::of(&files, &crate::config::Options::default());
            let current = Current { merged, ..Current::default() };
            mount_options(Some((Path::new("/s"), storage)), &current)
                .map(|one| format!("{} {}:{}", one.value, one.file.display(), one.line))
        };
        assert_eq!(of(KUBIC, "").as_deref(), Some("nodev,metacopy=on /s:6"));
        let own = "[crio]\nstorage_option = [\n  'overlay.mountopt=nodev',\n  'overlay.skip_mount_home=true']\n";
        assert_eq!(of(KUBIC, own).as_deref(), Some("nodev /c:2"));
        assert_eq!(of("", "[crio]\nstorage_option = ['.mountopt=x']").as_deref(), Some("x /c:2"));
        assert_eq!(of(KUBIC, "[crio]\nstorage_driver = 'vfs'"), None);
        assert_eq!(of("[storage]\ndriver='btrfs'\n[storage.options]\nmountopt='x'", ""), None);
    }

    #[test]
    fn unknown_option_names_what_overlay_does_not_have() {
        for good in ["", "nodev,metacopy=on", "volatile, xino=auto", "nodev,context=\"a:b\"", "redirect_dir=nofollow"] {
            assert_eq!(unknown_option(good), None, "{good}");
        }
        for (bad, word) in [("nodev,metcopy=on", "metcopy=on"), ("metacopy=yes", "metacopy=yes"), ("size=1", "size=1")]
        {
            assert_eq!(unknown_option(bad), Some(word));
        }
        assert_eq!(without_flags("nodev, metacopy=on,sync"), "metacopy=on");
    }

    #[test]
    fn metacopy_of_ignores_files_without_it() {
        for text in [
            "",
            "[storage",
            "[storage.options]\nmountopt = \"nodev\"",
            "[storage.options]\nmountopt = \"metacopy=off\"",
            "[storage.options]\nmountopt = \"metacopy=on\"\n[storage.options.overlay]\nmountopt = \"nodev\"",
        ] {
            assert_eq!(metacopy_of(text), None, "{text}");
        }
        assert!(
            without_metacopy("/x", "[storage")
                .unwrap_err()
                .to_string()
                .starts_with("cannot edit /x: line 1 is not valid TOML")
        );
    }
}
