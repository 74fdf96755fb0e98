//! CRI-O's whole configuration: for each key the value in use, from the files or the options of the unit, and its place.

use std::collections::BTreeMap;
use std::path::PathBuf;

use toml_edit::{Document, Item, TableLike};

use super::{ConfFile, Options, Setting, line_at};

/// A value of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Value {
    Text(String),
    List(Vec<String>),
    Flag(bool),
    Number(i64),
    /// Of another type.
    Other,
}

/// A runtime of `[crio.runtime.runtimes.NAME]`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RuntimeEntry {
    /// The file that defines it.
    pub file: PathBuf,
    /// The line of its table.
    pub line: usize,
    /// runtime_path; without it CRI-O searches for a program with the name of the runtime.
    pub path: Option<Setting>,
    /// monitor_path.
    pub monitor: Option<Setting>,
    /// runtime_config_path.
    pub config: Option<Setting>,
    /// runtime_type: `oci` (the default), `vm` or `pod`.
    pub kind: String,
    /// inherit_default_runtime: it uses the program of the default runtime.
    pub inherits: bool,
}

/// The configuration in use.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Merged {
    values: BTreeMap<String, Setting<Value>>,
    /// The runtimes by name.
    pub runtimes: BTreeMap<String, RuntimeEntry>,
    /// Every storage_option in the order in which containers-storage reads them: those of all files.
    pub storage_options: Vec<Setting>,
}

impl Merged {
    /// Merges the files, which must be in CRI-O's order, and the options of its unit. A file that is not valid TOML sets
    /// nothing.
    pub fn of(files: &[ConfFile], options: &Options) -> Merged {
        let mut merged = Merged::default();
        for file in files {
            let Ok(document) = Document::parse(file.text.as_str()) else { continue };
            if let Some(crio) = document.get("crio").and_then(Item::as_table_like) {
                merged.add(file, crio);
            }
        }
        for (key, setting) in options.keys() {
            let Setting { value, file, line } = setting;
            let of = |value| Setting { value, file: file.clone(), line: *line };
            if key == STORAGE_OPTION {
                merged.storage_options = value.iter().cloned().map(|value| of_text(value, file, *line)).collect();
            }
            merged.values.insert(key.to_owned(), of(Value::List(value.clone())));
        }
        merged
    }

    fn add(&mut self, file: &ConfFile, crio: &dyn TableLike) {
        for (name, item) in crio.iter() {
            let name = name.to_ascii_lowercase();
            let Some(section) = item.as_table_like() else {
                self.set(file, format!("crio.{name}"), item);
                continue;
            };
            for (key, item) in section.iter() {
                let key = key.to_ascii_lowercase();
                match item.as_table_like().filter(|_| name == "runtime" && key == "runtimes") {
                    Some(all) => self.runtimes.extend(
                        // A later definition of a runtime replaces an earlier one as a whole.
                        all.iter().filter_map(|(name, item)| Some((name.to_owned(), entry(file, item)?))),
                    ),
                    None => self.set(file, format!("crio.{name}.{key}"), item),
                }
            }
        }
    }

    fn set(&mut self, file: &ConfFile, key: String, item: &Item) {
        let line = line_of_item(file, item);
        let strings = || item.as_array()?.iter().map(|one| one.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>();
        let value = match (item.as_str(), item.as_bool(), strings()) {
            (Some(text), ..) => Value::Text(text.to_owned()),
            (_, Some(flag), _) => Value::Flag(flag),
            (.., Some(list)) => Value::List(list),
            _ => item.as_integer().map_or(Value::Other, Value::Number),
        };
        if let (STORAGE_OPTION, Value::List(list)) = (key.as_str(), &value) {
            self.storage_options.extend(list.iter().cloned().map(|value| of_text(value, &file.path, line)));
        }
        self.values.insert(key, Setting { value, file: file.path.clone(), line });
    }

    /// A string that is set and not empty.
    pub fn text(&self, key: &str) -> Option<Setting> {
        self.text_or_empty(key).filter(|setting| !setting.value.is_empty())
    }

    /// A string that may be empty, which turns some settings off.
    pub fn text_or_empty(&self, key: &str) -> Option<Setting> {
        let Setting { value, file, line } = self.values.get(key)?;
        let text = match value {
            Value::Text(text) => text,
            Value::List(list) => list.first()?,
            _ => return None,
        };
        Some(of_text(text.clone(), file, *line))
    }

    /// An integer.
    pub fn number(&self, key: &str) -> Option<Setting<i64>> {
        let Setting { value, file, line } = self.values.get(key)?;
        let number = match value {
            Value::Number(number) => *number,
            Value::List(list) => list.first()?.parse().ok()?,
            _ => return None,
        };
        Some(Setting { value: number, file: file.clone(), line: *line })
    }

    /// A list of strings.
    pub fn list(&self, key: &str) -> Option<Setting<Vec<String>>> {
        let Setting { value: Value::List(list), file, line } = self.values.get(key)? else { return None };
        Some(Setting { value: list.clone(), file: file.clone(), line: *line })
    }

    /// A boolean.
    pub fn flag(&self, key: &str) -> Option<bool> {
        match &self.values.get(key)?.value {
            Value::Flag(flag) => Some(*flag),
            // Of an option, as Go reads it.
            Value::List(list) => match list.first()?.to_ascii_lowercase().as_str() {
                "1" | "t" | "true" => Some(true),
                "0" | "f" | "false" => Some(false),
                _ => None,
            },
            _ => None,
        }
    }
}

const STORAGE_OPTION: &str = "crio.storage_option";

fn of_text(value: String, file: &std::path::Path, line: usize) -> Setting {
    Setting { value, file: file.to_path_buf(), line }
}

fn line_of_item(file: &ConfFile, item: &Item) -> usize {
    line_at(&file.text, item.span().map_or(0, |span| span.start))
}

fn entry(file: &ConfFile, item: &Item) -> Option<RuntimeEntry> {
    let table = item.as_table_like()?;
    let text = |key: &str| {
        let item = table.get(key)?;
        let text = item.as_str().filter(|text| !text.is_empty())?;
        Some(of_text(text.to_owned(), &file.path, line_of_item(file, item)))
    };
    Some(RuntimeEntry {
        file: file.path.clone(),
        line: line_of_item(file, item),
        path: text("runtime_path"),
        monitor: text("monitor_path"),
        config: text("runtime_config_path"),
        kind: text("runtime_type").map(|setting| setting.value).unwrap_or_default(),
        inherits: table.get("inherit_default_runtime").and_then(Item::as_bool).unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(texts: &[&str]) -> Vec<ConfFile> {
        let all = texts.iter().enumerate();
        all.map(|(at, text)| ConfFile { path: format!("/{at}").into(), text: (*text).to_owned() }).collect()
    }

    #[test]
    fn merged_takes_the_last_file_and_names_its_line() {
        let files = files(&[
            "[crio]\nstorage_option = ['a=1', 'b=2']\n[crio.runtime.runtimes.crun]\nruntime_path='/crun'\n\
             monitor_path='/m'\n",
            "crio.storage_option = ['a=3']\ncrio.runtime.Conmon = '/c'\ncrio.internal_wipe = false\n\
             [crio.runtime.runtimes.crun]\nmonitor_path = '/n'\n",
            "[crio",
        ]);
        let merged = Merged::of(&files, &Options::default());
        let options: Vec<&str> = merged.storage_options.iter().map(|one| one.value.as_str()).collect();
        assert_eq!(options, ["a=1", "b=2", "a=3"]);
        let conmon = merged.text("crio.runtime.conmon").unwrap();
        assert_eq!((conmon.value.as_str(), conmon.line), ("/c", 2));
        assert_eq!(merged.flag("crio.internal_wipe"), Some(false));
        let with = |value: &str| {
            let unit = format!("[Service]\nEnvironment=CONTAINER_INTERNAL_WIPE={value}\n");
            Merged::of(&files, &Options::of_unit("/u".as_ref(), &unit)).flag("crio.internal_wipe")
        };
        assert_eq!([with("1"), with("True"), with("0"), with("x")], [Some(true), Some(true), Some(false), None]);
        // The second table replaces the first one.
        let crun = &merged.runtimes["crun"];
        assert_eq!((&crun.path, crun.line, crun.monitor.as_ref().unwrap().line), (&None, 4, 5));
    }
}
