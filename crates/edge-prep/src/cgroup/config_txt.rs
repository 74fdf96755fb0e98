//! Raspberry Pi's config.txt, as far as it says which file is the kernel's command line: `cmdline=`
//! and `os_prefix=`, under conditional sections and through includes.
//!
//! Filters of one kind replace each other, those of different kinds must all hold, and `[all]`
//! ends them. `[tryboot]` holds only for one trial boot, and what is edited is the lasting
//! configuration. A section that cannot be judged, such as `[pi4]` for an image whose model is not
//! known, is no matter while it agrees with the rest; otherwise the answer is a refusal, not a guess.

use std::collections::BTreeMap;

use edge_host::{Error, Result};

const NAME: &str = "config.txt";
const DEFAULT_FILE: &str = "cmdline.txt";
const FILE_KEY: &str = "cmdline";
const PREFIX_KEY: &str = "os_prefix";
/// The firmware gives up sooner; this only bounds ours.
const MAX_DEPTH: usize = 8;
const MAX_INCLUDES: usize = 64;

/// Names in the device tree's model, most special first, and the filters that such a board matches.
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

/// Which file is the command line, below the directory of config.txt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// Its path there, such as `current/cmdline.txt`.
    pub file: String,
    /// The settings that say so, with their places; empty where it is the default.
    pub because: Vec<String>,
}

/// Whether a filter holds on the board.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Holds {
    Yes,
    No,
    Unknown,
}

/// What a filter asks about: filters of one kind replace each other.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Model,
    TryBoot,
    Other(String),
}

/// A setting and the line it is set in.
#[derive(Debug, Clone)]
struct Value {
    text: String,
    place: String,
}

/// The last value that counts for certain, and those after it that may.
#[derive(Debug, Default)]
struct Setting {
    certain: Option<Value>,
    possible: Vec<Value>,
}

/// The filters of a section, counted by whether they hold: each line asks, and a file may have as many
/// kinds as lines.
#[derive(Debug, Default)]
struct Filters {
    all: BTreeMap<Kind, Holds>,
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

/// Finds the command line's file. `model` is the device tree's, where known; `include` reads a file
/// beside config.txt.
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
            "cannot use the command line that {NAME} names: {file:?} is no file beside it ({})",
            because.join(", ")
        ))
        .hint("put that line right by hand: it names a file on the boot partition"));
    }
    Ok(Choice { file, because })
}

impl Reader<'_> {
    fn read(&mut self, name: &str, text: &str) -> Result<()> {
        if self.open.iter().any(|open| open == name) || self.open.len() >= MAX_DEPTH || self.includes > MAX_INCLUDES {
            return Err(Error::refused(format!(
                "cannot follow the includes of {NAME}: {name} leads round in a circle"
            ))
            .hint("take the include line out by hand and run again"));
        }
        if text.contains('\0') {
            return Err(Error::refused(format!("cannot use {name}: it holds NUL bytes, as after a power cut"))
                .hint("put it right by hand first: the machine may not boot as it is"));
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
        let holds = self.filters.holds();
        if holds == Holds::No {
            return Ok(());
        }
        if let Some(file) = line.strip_prefix("include ") {
            self.includes += 1;
            // The firmware passes over a file that is not there.
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
        setting.put(Value { text: value.to_owned(), place: format!("{name} line {number}: {line}") }, holds);
        Ok(())
    }

    fn filter(&mut self, filter: &str) {
        let filter = filter.to_ascii_lowercase();
        if filter == "all" {
            self.filters = Filters::default();
            return;
        }
        let is_model = |name: &str| MODELS.iter().any(|(_, filters)| filters.contains(&name));
        let (kind, holds) = match filter.as_str() {
            "none" => (Kind::Model, Holds::No),
            "tryboot" => (Kind::TryBoot, Holds::No),
            name if is_model(name) => (Kind::Model, self.matches(name)),
            // A serial number, a monitor, a pin, a partition: not known here.
            name => {
                let kind = name.split(['=', ':']).next().unwrap_or(name);
                (Kind::Other(kind.to_owned()), Holds::Unknown)
            }
        };
        self.filters.insert(kind, holds);
    }

    fn matches(&self, filter: &str) -> Holds {
        let filters = self.model.and_then(|model| MODELS.iter().find(|(name, _)| model.contains(name)));
        match filters {
            Some((_, filters)) if filters.contains(&filter) => Holds::Yes,
            Some(_) => Holds::No,
            None => Holds::Unknown,
        }
    }
}

impl Filters {
    fn insert(&mut self, kind: Kind, holds: Holds) {
        *self.count(holds) += 1;
        if let Some(before) = self.all.insert(kind, holds) {
            *self.count(before) -= 1;
        }
    }

    fn count(&mut self, holds: Holds) -> &mut usize {
        match holds {
            Holds::Yes => &mut self.yes,
            Holds::No => &mut self.no,
            Holds::Unknown => &mut self.unknown,
        }
    }

    fn holds(&self) -> Holds {
        match (self.no, self.unknown) {
            (0, 0) => Holds::Yes,
            (0, _) => Holds::Unknown,
            _ => Holds::No,
        }
    }
}

impl Setting {
    fn put(&mut self, value: Value, holds: Holds) {
        match holds {
            Holds::Yes => {
                self.certain = Some(value);
                self.possible.clear();
            }
            Holds::Unknown => self.possible.push(value),
            Holds::No => {}
        }
    }

    /// The value, if there is but one that it can be.
    fn only_value(&self, key: &str, default: &str, because: &mut Vec<String>) -> Result<String> {
        let text = self.certain.as_ref().map_or(default, |value| value.text.as_str());
        if let Some(other) = self.possible.iter().find(|value| value.text != text) {
            return Err(Error::refused(format!(
                "cannot tell which file is the kernel's command line: {} stands in a section that may or may not \
                 hold here, and {key} is {text:?} otherwise",
                other.place
            ))
            .hint(format!(
                "run edge-prep on the machine itself, or add {} by hand to the one line of the file it boots with",
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
    fn the_last_setting_that_holds_is_the_one() {
        assert_eq!(plain("", None), "cmdline.txt");
        assert_eq!(plain("# cmdline=no.txt\r\ncmdline=a.txt\r\n", None), "a.txt");
        assert_eq!(plain("cmdline=a.txt\ncmdline=b.txt", None), "b.txt");
        assert_eq!(plain("[all]\nos_prefix=current/\n[tryboot]\nos_prefix=new/\n[all]\n", None), "current/cmdline.txt");
        assert_eq!(plain("[none]\ncmdline=a.txt\n", None), "cmdline.txt");
        assert_eq!(plain("[pi4]\ncmdline=a.txt\n[pi3]\ncmdline=b.txt\n", PI4), "a.txt");
        assert_eq!(plain("[pi4]\ncmdline=a.txt\n[pi3]\ncmdline=b.txt\n", PI3), "b.txt");
        assert_eq!(plain("[pi3+]\ncmdline=a.txt\n", PI3), "a.txt");
        assert_eq!(plain("[pi4]\n[tryboot]\ncmdline=a.txt\n", PI4), "cmdline.txt", "both must hold");
        assert_eq!(plain("[pi4]\n[pi3]\ncmdline=a.txt\n", PI3), "a.txt", "of one kind the last");
        assert_eq!(plain("[pi4]\ncmdline=a.txt\n[all]\ncmdline=b.txt\n", None), "b.txt", "overridden anyway");
        assert_eq!(plain("[pi4]\ncmdline=cmdline.txt\n", None), "cmdline.txt", "no difference");
    }

    #[test]
    fn a_section_that_cannot_be_judged_is_no_guess() {
        for (text, model) in [
            ("[pi4]\ncmdline=a.txt\n", None),
            ("[0x12345678]\ncmdline=a.txt\n", PI4),
            ("[gpio4=1]\nos_prefix=x/\n", PI4),
            ("[edid=a]\n[pi4]\ncmdline=a.txt\n", PI4),
        ] {
            let error = choose(&[(NAME, text)], model).unwrap_err();
            assert_eq!(error.exit(), edge_host::Exit::Refused);
            assert!(error.message().contains("in a section that may or may not hold here"), "{error}");
        }
        for text in ["\0\0", "cmdline=../x", "cmdline=/etc/x", "os_prefix=a//\n", "cmdline=\n"] {
            assert!(choose(&[(NAME, text)], None).is_err(), "{text}");
        }
    }

    #[test]
    fn includes_are_followed_and_circles_end() {
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
            assert!(choose(&files, None).unwrap_err().message().contains("in a circle"));
        }
        let many = "include a\n".repeat(MAX_INCLUDES + 2);
        assert!(choose(&[(NAME, &many), ("a", "")], None).is_err());
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic_or_leave_the_partition(
            text in "(\\[[a-z0-9=+]{0,6}\\]?\n|cmdline=[a-z./]{0,6}\n|os_prefix=[a-z./]{0,6}\n|include [ab]\n|\\PC{0,9}\n){0,12}",
            other in "(cmdline=[a-z]{0,3}\n|include [ab]\n|\\[all\\]\n){0,4}",
        ) {
            if let Ok(file) = choose(&[(NAME, &text), ("a", &other), ("b", "[pi4]\n")], PI4) {
                prop_assert!(!file.starts_with('/') && file.split('/').all(|part| part != ".." && !part.is_empty()));
            }
        }
    }
}
