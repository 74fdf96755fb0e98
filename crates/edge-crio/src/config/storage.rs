//! Finds and removes `metacopy=on` in the mount options of containers-storage, which some kernels refuse.

use edge_host::Result;
use toml_edit::{Document, DocumentMut, Item, TableLike, Value};

use super::{line_of, not_toml};

const OPTION: &str = "metacopy";

/// Mount options with metacopy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metacopy {
    /// All of them: `nodev,metacopy=on`.
    pub options: String,
}

/// The tables that can contain `mountopt`, the one that takes precedence first.
const TABLES: [&[&str]; 2] = [&["storage", "options", "overlay"], &["storage", "options"]];

/// The mount options of a storage.conf, if metacopy is among them; none if the file is not valid TOML.
///
/// The driver's own options replace the general ones unless they are empty, and are not merged with them (measured with
/// containers-storage 1.37, 1.38 and 1.43).
pub fn metacopy_of(text: &str) -> Option<Metacopy> {
    let document = Document::parse(text).ok()?;
    let options = TABLES.iter().find_map(|path| {
        let mut item: &Item = document.as_item();
        for key in *path {
            item = item.get(key)?;
        }
        item.get("mountopt")?.as_str().filter(|options| !options.is_empty())
    })?;
    has_metacopy(options).then(|| Metacopy { options: options.to_owned() })
}

/// The line that is not valid TOML, if there is one: CRI-O does not start with such a storage.conf.
pub fn invalid_line(text: &str) -> Option<usize> {
    Document::parse(text).err().map(|error| line_of(text, &error))
}

/// The mount options without metacopy.
pub fn rest_of(options: &str) -> String {
    options.split(',').map(str::trim).filter(|option| !has_metacopy(option)).collect::<Vec<_>>().join(",")
}

fn has_metacopy(options: &str) -> bool {
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
