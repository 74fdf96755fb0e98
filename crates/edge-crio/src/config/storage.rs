//! `metacopy=on` in containers-storage's mount options, which some kernels refuse.

use edge_host::Result;
use toml_edit::{Document, DocumentMut, Item, TableLike, Value};

use super::not_toml;

const OPTION: &str = "metacopy";

/// Where metacopy is asked for, with all of the mount options.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metacopy {
    /// `nodev,metacopy=on`.
    pub options: String,
}

/// The tables that hold a `mountopt`.
const TABLES: [&[&str]; 2] = [&["storage", "options", "overlay"], &["storage", "options"]];

/// Whether a storage.conf asks for metacopy; a file that is no TOML asks for nothing.
///
/// Of the two places the driver's own counts where it is not empty, the other one's options are not added to it:
/// measured with containers-storage 1.37, 1.38 and 1.43.
pub fn metacopy_of(text: &str) -> Option<Metacopy> {
    let document = Document::parse(text).ok()?;
    let options = TABLES.iter().find_map(|path| {
        let mut item: &Item = document.as_item();
        for key in *path {
            item = item.get(key)?;
        }
        item.get("mountopt")?.as_str().filter(|options| !options.is_empty())
    })?;
    asks(options).then(|| Metacopy { options: options.to_owned() })
}

/// Why a storage.conf cannot be read, if it cannot: CRI-O does not start with it.
pub fn unreadable(text: &str) -> Option<String> {
    Document::parse(text).err().map(|error| error.message().replace('\n', ", "))
}

/// Mount options without it.
pub fn rest_of(options: &str) -> String {
    options.split(',').map(str::trim).filter(|option| !asks(option)).collect::<Vec<_>>().join(",")
}

fn asks(options: &str) -> bool {
    options
        .split(',')
        .any(|option| option.trim().strip_prefix(OPTION).is_some_and(|rest| rest.is_empty() || rest.trim() == "=on"))
}

/// The file without it; everything else stays as it is.
pub fn without_metacopy(path: &str, text: &str) -> Result<String> {
    let mut document: DocumentMut = text.parse().map_err(|error| not_toml(path, &error))?;
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
    fn only_the_option_goes() {
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
    fn what_does_not_ask_for_it_is_left() {
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
            without_metacopy("/x", "[storage").unwrap_err().to_string().starts_with("cannot edit /x: it is no TOML")
        );
    }
}
