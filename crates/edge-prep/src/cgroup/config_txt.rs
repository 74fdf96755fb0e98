//! Raspberry Pi's config.txt, as far as it names the file with the kernel's command line: `cmdline=`
//! and `os_prefix=`, in conditional sections and includes.
//!
//! Filters of one kind replace each other, filters of different kinds must all match, and `[all]`
//! ends them. `[tryboot]` matches one trial boot only, and the permanent configuration is edited.
//! A section that may or may not match, such as `[pi4]` for an image of an unknown model, does not
//! matter while it agrees with the rest; otherwise the file is refused instead of guessed.

use std::collections::BTreeMap;

use edge_host::{Error, Result};

const NAME: &str = "config.txt";
const DEFAULT_FILE: &str = "cmdline.txt";
const FILE_KEY: &str = "cmdline";
const PREFIX_KEY: &str = "os_prefix";
/// The firmware stops sooner; this bounds our own work.
const MAX_DEPTH: usize = 8;
const MAX_INCLUDES: usize = 64;

/// Names in the device tree's model, most specific first, and the filters that such a board matches.
const MODELS: [(&str, &[&str]); 18] = [
    ("Pi 500", &["pi500", "pi5"]),
    ("Pi 5", &["pi5"]),
    ("Compute Module 5", &["cm5", "pi5"]),
    ("Pi 400", &["pi400", "pi4"]),
    ("Compute Module 4S", &["cm4s", "pi4"]),
    ("Compute Module 4", &["cm4", "pi4"]),
    ("Pi 4", &["pi4"]),
    ("Compute Module 3 Plus", &["cm3+", "cm3", "pi3"]),
    ("Compute Module 3", &["cm3", "pi3"]),
    ("Pi 3 Model A Plus", &["pi3+", "pi3"]),
    ("Pi 3 Model B Plus", &["pi3+", "pi3"]),
    ("Pi 3", &["pi3"]),
    ("Pi 2", &["pi2"]),
    ("Pi Zero 2", &["pi02", "pi0w", "pi0"]),
    ("Pi Zero W", &["pi0w", "pi0"]),
    ("Pi Zero", &["pi0"]),
    ("Pi Compute Module", &["cm1", "pi1"]),
    ("Pi Model", &["pi1"]),
];

/// The file with the command line, below the directory of config.txt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// Its path there, such as `current/cmdline.txt`.
    pub file: String,
    /// The settings that select it, with their lines; empty for the default.
    pub because: Vec<String>,
}

/// Whether a filter matches the board.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Matches {
    Yes,
    No,
    Unknown,
}

/// The kind of a filter: filters of one kind replace each other.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Model,
    TryBoot,
    Other(String),
}

/// A value and its line.
#[derive(Debug, Clone)]
struct Value {
    text: String,
    place: String,
}

/// The last value that is certainly in effect, and those after it that may be.
#[derive(Debug, Default)]
struct Setting {
    certain: Option<Value>,
    possible: Vec<Value>,
}

/// The filters of a section, counted by their result, as a file may have as many kinds of filters as lines.
#[derive(Debug, Default)]
struct Filters {
    all: BTreeMap<Kind, Matches>,
    yes: usize,
    no: usize,
    unknown: usize,
}

struct Reader<'r> {
    model: Option<&'r str>,
    include: &'r mut dyn FnMut(&str) -> Result<Option<String>>,
    filters: Filters,
    file: Setting,
    prefix: Setting,
    open: Vec<String>,
    includes: usize,
}

/// Finds the file with the command line. `model` is the device tree's, where known; `include` reads a
/// file beside config.txt.
pub fn evaluate(
    text: &str,
    model: Option<&str>,
    include: &mut dyn FnMut(&str) -> Result<Option<String>>,
) -> Result<Choice> {
    let mut reader = Reader {
        model,
        include,
        filters: Filters::default(),
        file: Setting::default(),
        prefix: Setting::default(),
        open: Vec::new(),
        includes: 0,
    };
    reader.read(NAME, text)?;
    let mut because = Vec::new();
    let prefix = reader.prefix.only_value(PREFIX_KEY, "", &mut because)?;
    let file = reader.file.only_value(FILE_KEY, DEFAULT_FILE, &mut because)?;
    let file = format!("{prefix}{file}");
    if file.starts_with('/') || file.ends_with('/') || file.split('/').any(|part| part == ".." || part.is_empty()) {
        return Err(Error::refused(format!(
            "cannot use the command line that {NAME} names: {file:?} is not a file beside it ({})",
            because.join(", ")
        ))
        .hint("change that line to name a file on the boot partition"));
    }
    Ok(Choice { file, because })
}

impl Reader<'_> {
    fn read(&mut self, name: &str, text: &str) -> Result<()> {
        if self.open.iter().any(|open| open == name) || self.open.len() >= MAX_DEPTH || self.includes > MAX_INCLUDES {
            return Err(Error::refused(format!(
                "cannot follow the includes of {NAME}: {name} includes itself, or there are too many"
            ))
            .hint("remove the include line, then run the command again"));
        }
        if text.contains('\0') {
            return Err(Error::refused(format!("cannot use {name}: it contains NUL bytes, as after a power cut"))
                .hint("repair the file first: the machine may not boot with it"));
        }
        self.open.push(name.to_owned());
        for (number, line) in (1..).zip(text.lines()) {
            self.line(name, number, line.trim())?;
        }
        self.open.pop();
        Ok(())
    }

    fn line(&mut self, name: &str, number: usize, line: &str) -> Result<()> {
        if line.is_empty() || line.starts_with('#') {
            return Ok(());
        }
        if let Some(filter) = line.strip_prefix('[') {
            self.filter(filter.strip_suffix(']').unwrap_or(filter));
            return Ok(());
        }
        let matches = self.filters.matches();
        if matches == Matches::No {
            return Ok(());
        }
        if let Some(file) = line.strip_prefix("include ") {
            self.includes += 1;
            // The firmware skips a file that does not exist.
            let file = file.trim();
            return match (self.include)(file)? {
                Some(text) => self.read(file, &text),
                None => Ok(()),
            };
        }
        let Some((key, value)) = line.split_once('=') else { return Ok(()) };
        let setting = match key {
            FILE_KEY => &mut self.file,
            PREFIX_KEY => &mut self.prefix,
            _ => return Ok(()),
        };
        setting.put(Value { text: value.to_owned(), place: format!("{name}:{number}: {line}") }, matches);
        Ok(())
    }

    fn filter(&mut self, filter: &str) {
        let filter = filter.to_ascii_lowercase();
        if filter == "all" {
            self.filters = Filters::default();
            return;
        }
        let is_model = |name: &str| MODELS.iter().any(|(_, filters)| filters.contains(&name));
        let (kind, matches) = match filter.as_str() {
            "none" => (Kind::Model, Matches::No),
            "tryboot" => (Kind::TryBoot, Matches::No),
            name if is_model(name) => (Kind::Model, self.matches(name)),
            // A serial number, a monitor, a pin or a partition, which are not known here.
            name => {
                let kind = name.split(['=', ':']).next().unwrap_or(name);
                (Kind::Other(kind.to_owned()), Matches::Unknown)
            }
        };
        self.filters.insert(kind, matches);
    }

    fn matches(&self, filter: &str) -> Matches {
        let filters = self.model.and_then(|model| MODELS.iter().find(|(name, _)| model.contains(name)));
        match filters {
            Some((_, filters)) if filters.contains(&filter) => Matches::Yes,
            Some(_) => Matches::No,
            None => Matches::Unknown,
        }
    }
}

impl Filters {
    fn insert(&mut self, kind: Kind, matches: Matches) {
        *self.count(matches) += 1;
        if let Some(before) = self.all.insert(kind, matches) {
            *self.count(before) -= 1;
        }
    }

    fn count(&mut self, matches: Matches) -> &mut usize {
        match matches {
            Matches::Yes => &mut self.yes,
            Matches::No => &mut self.no,
            Matches::Unknown => &mut self.unknown,
        }
    }

    fn matches(&self) -> Matches {
        match (self.no, self.unknown) {
            (0, 0) => Matches::Yes,
            (0, _) => Matches::Unknown,
            _ => Matches::No,
        }
    }
}

impl Setting {
    fn put(&mut self, value: Value, matches: Matches) {
        match matches {
            Matches::Yes => {
                self.certain = Some(value);
                self.possible.clear();
            }
            Matches::Unknown => self.possible.push(value),
            Matches::No => {}
        }
    }

    /// The value, if only one is possible.
    fn only_value(&self, key: &str, default: &str, because: &mut Vec<String>) -> Result<String> {
        let text = self.certain.as_ref().map_or(default, |value| value.text.as_str());
        if let Some(other) = self.possible.iter().find(|value| value.text != text) {
            return Err(Error::refused(format!(
                "cannot determine the file with the kernel's command line: {} is in a section that may or may not \
                 match this board, and {key} is {text:?} otherwise",
                other.place
            ))
            .hint(format!(
                "run edge-prep on the machine itself, or add {} to the one line of the file that it boots with",
                super::cmdline::ENABLE
            )));
        }
        because.extend(self.certain.as_ref().map(|value| value.place.clone()));
        Ok(text.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn choose(files: &[(&str, &str)], model: Option<&str>) -> Result<String> {
        let mut include =
            |name: &str| Ok(files.iter().find(|(file, _)| *file == name).map(|(_, text)| (*text).to_owned()));
        evaluate(files[0].1, model, &mut include).map(|choice| choice.file)
    }

    fn plain(text: &str, model: Option<&str>) -> String {
        choose(&[(NAME, text)], model).unwrap()
    }

    const PI4: Option<&str> = Some("Raspberry Pi 4 Model B Rev 1.4");
    const PI3: Option<&str> = Some("Raspberry Pi 3 Model B Plus Rev 1.3");

    #[test]
    fn evaluate_uses_the_last_setting_that_matches() {
        assert_eq!(plain("", None), "cmdline.txt");
        assert_eq!(plain("# cmdline=no.txt\r\ncmdline=a.txt\r\n", None), "a.txt");
        assert_eq!(plain("cmdline=a.txt\ncmdline=b.txt", None), "b.txt");
        assert_eq!(plain("[all]\nos_prefix=current/\n[tryboot]\nos_prefix=new/\n[all]\n", None), "current/cmdline.txt");
        assert_eq!(plain("[none]\ncmdline=a.txt\n", None), "cmdline.txt");
        assert_eq!(plain("[pi4]\ncmdline=a.txt\n[pi3]\ncmdline=b.txt\n", PI4), "a.txt");
        assert_eq!(plain("[pi4]\ncmdline=a.txt\n[pi3]\ncmdline=b.txt\n", PI3), "b.txt");
        assert_eq!(plain("[pi3+]\ncmdline=a.txt\n", PI3), "a.txt");
        assert_eq!(plain("[pi4]\n[tryboot]\ncmdline=a.txt\n", PI4), "cmdline.txt", "both must match");
        assert_eq!(plain("[pi4]\n[pi3]\ncmdline=a.txt\n", PI3), "a.txt", "of one kind the last");
        assert_eq!(plain("[pi4]\ncmdline=a.txt\n[all]\ncmdline=b.txt\n", None), "b.txt", "overridden anyway");
        assert_eq!(plain("[pi4]\ncmdline=cmdline.txt\n", None), "cmdline.txt", "no difference");
    }

    #[test]
    fn evaluate_refuses_a_section_that_may_match() {
        for (text, model) in [
            ("[pi4]\ncmdline=a.txt\n", None),
            ("[0x12345678]\ncmdline=a.txt\n", PI4),
            ("[gpio4=1]\nos_prefix=x/\n", PI4),
            ("[edid=a]\n[pi4]\ncmdline=a.txt\n", PI4),
        ] {
            let error = choose(&[(NAME, text)], model).unwrap_err();
            assert_eq!(error.exit(), edge_host::Exit::Refused);
            assert!(error.message().contains("in a section that may or may not match this board"), "{error}");
        }
        for text in ["\0\0", "cmdline=../x", "cmdline=/etc/x", "os_prefix=a//\n", "cmdline=\n"] {
            assert!(choose(&[(NAME, text)], None).is_err(), "{text}");
        }
    }

    #[test]
    fn evaluate_follows_includes_and_ends_circles() {
        let ubuntu = [
            (NAME, "[pi4]\nkernel=a\n[all]\ncmdline=x.txt\ninclude syscfg.txt\ninclude usercfg.txt\n"),
            ("syscfg.txt", "include nobtcfg.txt\n"),
            ("nobtcfg.txt", "enable_uart=1\ncmdline=nobtcmd.txt\n"),
        ];
        assert_eq!(choose(&ubuntu, None).unwrap(), "nobtcmd.txt");
        for files in [
            vec![(NAME, "include config.txt\n")],
            vec![(NAME, "include a\n"), ("a", "include b\n"), ("b", "include a\n")],
        ] {
            assert!(choose(&files, None).unwrap_err().message().contains("includes itself"));
        }
        let many = "include a\n".repeat(MAX_INCLUDES + 2);
        assert!(choose(&[(NAME, &many), ("a", "")], None).is_err());
    }

    proptest! {
        #[test]
        fn evaluate_never_leaves_the_partition(
            text in "(\\[[a-z0-9=+]{0,6}\\]?\n|cmdline=[a-z./]{0,6}\n|os_prefix=[a-z./]{0,6}\n|include [ab]\n|\\PC{0,9}\n){0,12}",
            other in "(cmdline=[a-z]{0,3}\n|include [ab]\n|\\[all\\]\n){0,4}",
        ) {
            if let Ok(file) = choose(&[(NAME, &text), ("a", &other), ("b", "[pi4]\n")], PI4) {
                prop_assert!(!file.starts_with('/') && file.split('/').all(|part| part != ".." && !part.is_empty()));
            }
        }
    }
}
