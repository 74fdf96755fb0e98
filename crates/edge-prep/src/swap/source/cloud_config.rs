//! What a file of cloud-init says about swap: a configuration, user data, or a script.

use std::path::PathBuf;

use edge_yaml::{Document, Path, Step, Value};

/// A setting, and its line, from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Setting {
    pub(super) line: usize,
    pub(super) item: Item,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Item {
    /// `swap:`; off without a size.
    Swap { is_on: bool, file: String },
    /// An entry of `mounts:`.
    Mount { device: String },
    /// A command of `bootcmd:` or `runcmd:`, or a whole script.
    Command { key: String, text: String },
    /// A directory with further data of the NoCloud data source.
    SeedFrom { dir: PathBuf },
}

/// The default of `filename:`.
const SWAP_FILE: &str = "/swap.img";
pub(super) const BOOT_COMMANDS: &str = "bootcmd";
const COMMANDS: [&str; 2] = [BOOT_COMMANDS, "runcmd"];
/// Keys of a data source with user data as text.
const NESTED: [&str; 4] = ["user-data", "vendor-data", "userdata_raw", "vendordata_raw"];
const MOST_NESTED: usize = 4;

/// Reads a file; empty where it does not mention swap.
pub(super) fn read(text: &str) -> Vec<Setting> {
    read_at(text, 0)
}

fn read_at(text: &str, depth: usize) -> Vec<Setting> {
    let first = text.lines().next().unwrap_or_default();
    if first.starts_with("#!") {
        return vec![Setting { line: 1, item: Item::Command { key: String::new(), text: text.to_owned() } }];
    }
    match Document::parse(text) {
        Ok(document) if document.value().is_mapping() => mapping(&document, depth),
        // A template, several parts, or damaged: cloud-init may still read a part of it.
        _ => lines(text),
    }
}

fn mapping(document: &Document<'_>, depth: usize) -> Vec<Setting> {
    let value = document.merged();
    let mut all = Vec::new();
    let mut add = |path: Vec<Step>, item| all.push((Path::new(path), item));
    let key = |name: &str| Step::Key(name.to_owned());
    if let Some(swap) = value.get("swap") {
        let size = swap.get("size");
        let is_zero = size.is_some_and(|size| {
            size.as_u64() == Some(0) || size.as_str().is_some_and(|size| size.is_empty() || size == "0")
        });
        // Without a size too: cloud-init merges this with other files, which may have it.
        let is_on = swap.is_mapping() && !is_zero;
        let file = swap.get("filename").and_then(Value::as_str).unwrap_or(SWAP_FILE).to_owned();
        add(vec![key("swap")], Item::Swap { is_on, file });
    }
    for (index, mount) in value.get("mounts").and_then(Value::as_sequence).into_iter().flatten().enumerate() {
        if mount.get(2).and_then(Value::as_str) == Some("swap") {
            let device = mount.get(0).and_then(Value::as_str).unwrap_or("swap").to_owned();
            add(vec![key("mounts"), Step::Index(index)], Item::Mount { device });
        }
    }
    for name in COMMANDS {
        for (index, command) in value.get(name).and_then(Value::as_sequence).into_iter().flatten().enumerate() {
            let words = command.as_sequence().map(|words| {
                words
                    .iter()
                    .filter_map(Value::as_str)
                    .map(|word| format!("'{}'", word.replace('\'', r"'\''")))
                    .collect::<Vec<_>>()
                    .join(" ")
            });
            if let Some(text) = words.or_else(|| command.as_str().map(str::to_owned)) {
                add(vec![key(name), Step::Index(index)], Item::Command { key: name.to_owned(), text });
            }
        }
    }
    for (source, fields) in value.get("datasource").and_then(Value::as_mapping).into_iter().flatten() {
        let Some(source) = source.as_str() else { continue };
        let path = |name: &str| vec![key("datasource"), key(source), key(name)];
        if let Some(dir) = fields.get("seedfrom").and_then(Value::as_str) {
            let dir = PathBuf::from(dir.strip_prefix("file://").unwrap_or(dir));
            if dir.is_absolute() {
                add(path("seedfrom"), Item::SeedFrom { dir });
            }
        }
        for name in NESTED {
            let text = fields.get(name).and_then(Value::as_str).filter(|_| depth < MOST_NESTED);
            for setting in text.map(|text| read_at(text, depth + 1)).unwrap_or_default() {
                add(path(name), setting.item);
            }
        }
    }
    let lines = document.lines(all.iter().map(|(path, _)| path.as_ref()));
    let settings = all.into_iter().zip(lines);
    settings.map(|((_, item), line)| Setting { line: line.unwrap_or(1), item }).collect()
}

/// What the lines show where the text is not YAML: the key at the beginning of a line.
fn lines(text: &str) -> Vec<Setting> {
    let keys = (1..).zip(text.lines()).filter(|(_, line)| line.starts_with("swap:"));
    keys.map(|(line, _)| Setting { line, item: Item::Swap { is_on: true, file: SWAP_FILE.to_owned() } }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn read_finds_swap_in_every_form() {
        let of = |text: &str| read(text).into_iter().map(|one| (one.line, one.item)).collect::<Vec<_>>();
        let swap = |is_on, file: &str| Item::Swap { is_on, file: file.to_owned() };
        assert_eq!(of("#cloud-config\nswap:\n  size: auto\n"), [(2, swap(true, "/swap.img"))]);
        assert_eq!(of("{swap: {filename: /s, size: 1G}}"), [(1, swap(true, "/s"))]);
        assert_eq!(of("swap:\n  filename: /s\n"), [(1, swap(true, "/s"))], "the size may be in another file");
        assert_eq!(of("swap: {size: 0}\n"), [(1, swap(false, "/swap.img"))]);
        assert_eq!(of("swap:\n"), [(1, swap(false, "/swap.img"))]);
        let mounts = "mounts:\n- [sda1, /mnt]\n- [/s, none, swap, sw]\n- - b\n  - none\n  - \"swap\"\n";
        let mount = |device: &str| Item::Mount { device: device.to_owned() };
        assert_eq!(of(mounts), [(3, mount("/s")), (4, mount("b"))]);
        let command = |key: &str, text: &str| Item::Command { key: key.to_owned(), text: text.to_owned() };
        assert_eq!(
            of("bootcmd:\n- swapon /s\nruncmd:\n- [swapon, /t]\n"),
            [(2, command("bootcmd", "swapon /s")), (4, command("runcmd", "'swapon' '/t'"))]
        );
        assert_eq!(
            of("datasource:\n  None:\n    userdata_raw: |\n      swap: {size: 1}\n"),
            [(3, swap(true, "/swap.img"))]
        );
        assert_eq!(of("## template: jinja\n{% if x %}\nswap:\n{% endif %}\n"), [(3, swap(true, "/swap.img"))]);
        for text in
            ["", "# swap:\n", "swap_size: 1\n", "users:\n- swap: 1\n", "mounts: [[a, b, ext4]]\n", "mounts: swap\n"]
        {
            assert!(of(text).is_empty(), "{text}");
        }
    }
}
