//! The effective settings of a unit: the last assignment applies, and an empty one resets a list.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use edge_host::{Result, Root};

use crate::dirs::RUN;
use crate::env_file;
use crate::exec::{self, Command, Word};
use crate::name::expanded;
use crate::syntax::parse;
use crate::words::{unquoted_words, variables};

/// An assignment and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// The section, without its brackets.
    pub section: Rc<str>,
    /// The key.
    pub key: String,
    /// The value as written.
    pub value: String,
    /// The file.
    pub file: Rc<Path>,
    /// The line in it, from 1.
    pub line: usize,
}

/// A variable of a unit's environment and the place where it is set.
#[derive(Clone, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
    /// The file of the unit, or a file of `EnvironmentFile=`.
    pub file: PathBuf,
    /// The line in it, from 1.
    pub line: usize,
}

impl fmt::Debug for Variable {
    /// Without the value, which may be a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}:{}", self.name, self.file.display(), self.line)
    }
}

/// All assignments of a unit: those of its file, then those of its drop-ins.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    unit: String,
    all: Vec<Setting>,
    unread: Vec<PathBuf>,
}

impl Settings {
    /// Settings of a unit without files.
    pub fn new(unit: &str) -> Settings {
        Settings { unit: unit.to_owned(), ..Settings::default() }
    }

    /// Adds the assignments of a file, which take precedence over those before.
    pub fn add(&mut self, path: &Path, bytes: &[u8]) {
        let file: Rc<Path> = Rc::from(path);
        self.all.extend(parse(bytes).into_iter().map(|one| Setting {
            section: one.section,
            key: one.key,
            value: one.value,
            file: Rc::clone(&file),
            line: one.line,
        }));
    }

    pub(crate) fn leave_out(&mut self, path: &Path) {
        self.unread.push(path.to_path_buf());
    }

    /// Drop-ins that could not be read.
    pub fn unread(&self) -> &[PathBuf] {
        &self.unread
    }

    /// Every assignment of a key, in order, resets included.
    fn of(&self, section: &str, key: &str) -> impl DoubleEndedIterator<Item = &Setting> {
        self.all.iter().filter(move |one| &*one.section == section && one.key == key)
    }

    /// The effective assignment of a key; none if it is not set, or reset.
    pub fn last(&self, section: &str, key: &str) -> Option<&Setting> {
        self.of(section, key).next_back().filter(|one| !one.value.is_empty())
    }

    /// The assignments of a key with a list: those after the last empty one.
    pub(crate) fn list(&self, section: &str, key: &str) -> Vec<&Setting> {
        let mut all: Vec<&Setting> = self.of(section, key).rev().take_while(|one| !one.value.is_empty()).collect();
        all.reverse();
        all
    }

    /// The commands of `ExecStart=`.
    pub fn exec_start(&self) -> Vec<Command> {
        self.commands("ExecStart")
    }

    /// The commands of `ExecStart=`, `ExecStartPre=` and the like.
    pub fn commands(&self, key: &str) -> Vec<Command> {
        self.list("Service", key).into_iter().flat_map(|one| exec::commands(one, &self.unit)).collect()
    }

    /// The variables of `Environment=`, sorted by name.
    pub fn environment(&self) -> Vec<Variable> {
        self.assigned().into_values().collect()
    }

    /// `UnsetEnvironment=` removes a variable from wherever it comes: by its name, or only with this value.
    fn without_unset(&self, mut all: BTreeMap<String, Variable>) -> Vec<Variable> {
        for one in self.list("Service", "UnsetEnvironment") {
            for word in unquoted_words(&one.value) {
                let Some(word) = expanded(&word, &self.unit) else { continue };
                let (name, value) = word.split_once('=').map_or((&*word, None), |(name, value)| (name, Some(value)));
                if all.get(name).is_some_and(|own| value.is_none_or(|value| own.value == value)) {
                    all.remove(name);
                }
            }
        }
        all.into_values().collect()
    }

    fn assigned(&self) -> BTreeMap<String, Variable> {
        let mut all = BTreeMap::new();
        for one in self.list("Service", "Environment") {
            for (name, value) in variables(&one.value) {
                let Some(value) = expanded(&value, &self.unit) else { continue };
                all.insert(name.clone(), Variable { name, value, file: one.file.to_path_buf(), line: one.line });
            }
        }
        all
    }

    /// The words of the commands of `ExecStart=`, with the variables of this environment replaced.
    pub fn exec_start_words(&self, environment: &[Variable]) -> Vec<Word> {
        self.exec_start().iter().flat_map(|command| command.words(environment)).collect()
    }

    /// The environment of the unit's programs from its files, sorted by name: files of `EnvironmentFile=` take precedence over
    /// `Environment=`, and later ones over earlier ones. A missing file sets nothing. `UnsetEnvironment=` comes last.
    pub fn whole_environment(&self, root: &Root) -> Result<Vec<Variable>> {
        let mut all = self.assigned();
        for one in self.list("Service", "EnvironmentFile") {
            let Some(path) = expanded(&one.value, &self.unit) else { continue };
            for file in files(root, Path::new(path.strip_prefix('-').unwrap_or(&path)))? {
                let bytes = root.read(&file)?.unwrap_or_default();
                for (name, value, line) in env_file::parse(&bytes) {
                    all.insert(name.clone(), Variable { name, value, file: file.clone(), line });
                }
            }
        }
        Ok(self.without_unset(all))
    }
}

/// The files of a path of `EnvironmentFile=`, whose name may be a pattern with `*` and `?`.
fn files(root: &Root, path: &Path) -> Result<Vec<PathBuf>> {
    // An image has no live /run.
    let is_known = path.is_absolute() && (root.is_live() || !path.starts_with(RUN));
    let (Some(dir), Some(name), true) = (path.parent(), path.file_name().and_then(|name| name.to_str()), is_known)
    else {
        return Ok(Vec::new());
    };
    if !name.contains(['*', '?']) {
        return Ok(vec![path.to_path_buf()]);
    }
    let names = root.list(dir)?.into_iter().filter_map(|name| name.into_string().ok());
    // As in glob(3), a pattern does not match a leading dot.
    Ok(names.filter(|own| !own.starts_with('.') && matches(name, own)).map(|own| dir.join(own)).collect())
}

/// Whether a name matches a pattern. Only the last of several `*` is ever retried, so that the work is bounded.
fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut at, mut of, mut star) = (0, 0, None);
    while of < name.len() {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, of));
                at += 1;
            }
            Some(char) if *char == '?' || *char == name[of] => {
                at += 1;
                of += 1;
            }
            _ => {
                let Some((before, first)) = star else { return false };
                star = Some((before, first + 1));
                (at, of) = (before + 1, first + 1);
            }
        }
    }
    pattern[at..].iter().all(|char| *char == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(files: &[(&str, &str)]) -> Settings {
        let mut all = Settings::new("a.service");
        files.iter().for_each(|(path, text)| all.add(Path::new(path), text.as_bytes()));
        all
    }

    #[test]
    fn empty_assignment_resets_lists_and_settings() {
        let all = settings(&[
            (
                "/usr/a.service",
                "[Service]\nType=notify\nEnvironment=A=1 B=1\nExecStart=/bin/a\nExecStart=/bin/b \\\n  x\n",
            ),
            (
                "/etc/10.conf",
                "[Service]\nEnvironment=\nEnvironment=B=2 C=%%%p D=%z\nExecStart=\nExecStart=/bin/c\n[Unit]\nType=x",
            ),
            ("/etc/20.conf", "[Service]\nEnvironment=C=3\nType=\n"),
        ]);
        assert_eq!(all.last("Service", "Type"), None);
        let shown: Vec<String> = all
            .environment()
            .iter()
            .map(|one| format!("{}={} {}:{}", one.name, one.value, one.file.display(), one.line))
            .collect();
        assert_eq!(shown, ["B=2 /etc/10.conf:3", "C=3 /etc/20.conf:2"]);
        let commands = all.exec_start();
        assert_eq!(
            (commands.len(), commands[0].argv.as_slice(), commands[0].line),
            (1, &["/bin/c".to_owned()] as &[_], 5)
        );
        assert_eq!(format!("{:?}", all.environment()[1]), "C of /etc/20.conf:2", "without its value");
    }

    #[test]
    fn unset_environment_removes_a_name_or_one_value() {
        let root = Root::live().unwrap();
        let of = |unset: &str| {
            let text = format!("[Service]\nUnsetEnvironment={unset}\nEnvironment=A=1 B=2 \"C=x y\"\n");
            let all = settings(&[("/a", &text)]).whole_environment(&root).unwrap();
            all.into_iter().map(|one| one.name).collect::<String>()
        };
        for (unset, want) in
            [("A", "BC"), ("A=1 B=1", "BC"), ("'C=x y' D", "AB"), ("A\nUnsetEnvironment=", "ABC"), ("%n a", "ABC")]
        {
            assert_eq!(of(unset), want, "{unset}");
        }
    }

    #[test]
    fn whole_environment_prefers_files() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("etc")).unwrap();
        std::fs::write(dir.path().join("etc/a.env"), "# x\nA=file\n").unwrap();
        std::fs::write(dir.path().join("etc/b1.env"), "B=1\nA=\n").unwrap();
        let root = Root::image(dir.path()).unwrap();
        let of = |text: &str| -> Vec<String> {
            let all = settings(&[("/etc/x.conf", &format!("[Service]\nEnvironment=A=unit\n{text}"))]);
            let all = all.whole_environment(&root).unwrap();
            all.iter().map(|one| format!("{}={} {}:{}", one.name, one.value, one.file.display(), one.line)).collect()
        };
        assert_eq!(of("EnvironmentFile=-/etc/%p.env\n"), ["A=file /etc/a.env:2"]);
        assert_eq!(of("EnvironmentFile=-/etc/b?.*\n"), ["A= /etc/b1.env:2", "B=1 /etc/b1.env:1"]);
        for none in
            ["EnvironmentFile=/etc/a.env\nEnvironmentFile=\n", "EnvironmentFile=-/none\n", "EnvironmentFile=/run/x\n"]
        {
            assert_eq!(of(none), ["A=unit /etc/x.conf:2"]);
        }
    }

    #[test]
    fn matches_supports_patterns() {
        for (pattern, name, want) in
            [("a*c", "abbc", true), ("a*c", "abcd", false), ("*", "", true), ("?", "", false), ("*a*b", "xaxab", true)]
        {
            assert_eq!(matches(pattern, name), want, "{pattern} {name}");
        }
    }
}
