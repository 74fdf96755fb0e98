//! Parses the command lines of `ExecStart=` and similar settings.

use std::path::PathBuf;

use crate::name::expanded;
use crate::settings::{Setting, Variable};
use crate::words::{command_word, is_variable_name, unquoted_words};

/// Prefixes of a program that change how it is run.
const PREFIXES: [char; 6] = ['-', '@', ':', '+', '!', '|'];

/// The kernel accepts no longer command lines.
const MOST: usize = 2 << 20;

/// A command that a unit runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// Program and arguments, without the prefixes of the program (`-`, `@`, `+`). Variables (`$NAME`) are not replaced.
    pub argv: Vec<String>,
    /// The file that sets it.
    pub file: PathBuf,
    /// The line in it, from 1.
    pub line: usize,
    /// Whether systemd replaces variables: not with the prefix `:`.
    has_variables: bool,
}

/// A word of a command and the place where it is set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// The word.
    pub text: String,
    /// The file that sets the variable of the word, or the command.
    pub file: PathBuf,
    /// The line in it, from 1.
    pub line: usize,
}

impl Command {
    /// Its words with variables replaced: a word `$NAME` by the words of its value, `${NAME}` by its value. `environment` is
    /// sorted by name. Words beyond the limit of the kernel are left out.
    pub(crate) fn words(&self, environment: &[Variable]) -> Vec<Word> {
        let own = |text: String| Word { text, file: self.file.clone(), line: self.line };
        let mut all: Vec<Word> = Vec::new();
        let mut length = 0;
        for (index, word) in self.argv.iter().enumerate() {
            let before = all.len();
            // The program itself is never a variable.
            let name = word.strip_prefix('$').filter(|name| is_variable_name(name));
            match name {
                _ if index == 0 || !self.has_variables => all.push(own(word.clone())),
                Some(name) => {
                    let Some(set) = variable(environment, name) else { continue };
                    let words = unquoted_words(&set.value).into_iter();
                    all.extend(words.map(|text| Word { text, file: set.file.clone(), line: set.line }));
                }
                None => all.push(self.replaced(word, environment)),
            }
            length += all[before..].iter().map(|word| word.text.len() + 1).sum::<usize>();
            if length > MOST {
                break;
            }
        }
        all
    }

    fn replaced(&self, word: &str, environment: &[Variable]) -> Word {
        let mut made = Word { text: String::new(), file: self.file.clone(), line: self.line };
        let mut rest = word;
        while let Some(at) = rest.find('$').filter(|_| made.text.len() <= MOST) {
            made.text.push_str(&rest[..at]);
            let behind = &rest[at + 1..];
            let braced = behind.strip_prefix('{').and_then(|inner| inner.split_once('}'));
            rest = if let Some((name, behind)) = braced {
                if let Some(set) = variable(environment, name) {
                    made = Word { text: made.text + &set.value, file: set.file.clone(), line: set.line };
                }
                behind
            } else {
                made.text.push('$');
                behind.strip_prefix('$').unwrap_or(behind)
            };
        }
        made.text.push_str(rest);
        made
    }
}

fn variable<'e>(environment: &'e [Variable], name: &str) -> Option<&'e Variable> {
    environment.binary_search_by(|one| one.name.as_str().cmp(name)).ok().and_then(|at| environment.get(at))
}

/// The commands of one setting, separated by `;`; none for a line that systemd cannot parse.
pub(crate) fn commands(setting: &Setting, unit: &str) -> Vec<Command> {
    read(&setting.value, unit)
        .unwrap_or_default()
        .into_iter()
        .map(|mut argv| {
            let program = argv[0].trim_start_matches(PREFIXES).to_owned();
            let has_variables = !argv[0][..argv[0].len() - program.len()].contains(':');
            argv[0] = program;
            Command { argv, file: setting.file.to_path_buf(), line: setting.line, has_variables }
        })
        .collect()
}

fn read(value: &str, unit: &str) -> Option<Vec<Vec<String>>> {
    let (mut rest, mut all, mut argv) = (value, Vec::new(), Vec::new());
    loop {
        // Only as a word without quotes, which a parsed word no longer shows.
        let (word, behind) = rest.split_once(|char: char| char.is_ascii_whitespace()).unwrap_or((rest, ""));
        match word {
            ";" => {
                all.push(std::mem::take(&mut argv));
                rest = behind.trim_start();
                continue;
            }
            "\\;" if !argv.is_empty() => {
                argv.push(";".to_owned());
                rest = behind.trim_start();
                continue;
            }
            _ => {}
        }
        let Some(word) = command_word(&mut rest).ok()? else { break };
        let word = expanded(&word, unit)?;
        argv.push(word);
    }
    all.push(argv);
    all.retain(|argv| !argv.is_empty());
    Some(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;

    #[test]
    fn commands_are_split_at_a_semicolon_alone() {
        let of = |value: &str| {
            read(value, "a@x.service").map(|all| all.iter().map(|argv| argv.join("|")).collect::<Vec<_>>())
        };
        let some = |commands: &[&str]| Some(commands.iter().map(|&one| one.to_owned()).collect::<Vec<_>>());
        assert_eq!(of("/bin/a \"b c\" ; -@/bin/d $E ${F}"), some(&["/bin/a|b c", "-@/bin/d|$E|${F}"]));
        assert_eq!(of("/bin/a \\; \"x;y\" ;"), some(&["/bin/a|;|x;y"]));
        assert_eq!(of("\"-/opt/a b/c\" %i %% \\q"), some(&["-/opt/a b/c|x|%|\\q"]));
        assert_eq!(of("/bin/a \"open"), None);
    }

    #[test]
    fn words_replace_variables_and_name_their_place() {
        let mut all = Settings::new("a.service");
        let text = "[Service]\nEnvironment=\"A=x 'y z'\" B=1\nExecStart=-/bin/$A $A b${B}c$$ ${N} $N \\$A $Ab\nExecStart=:/bin/b $A\n";
        all.add(std::path::Path::new("/u"), text.as_bytes());
        let shown: Vec<String> =
            all.exec_start_words(&all.environment()).iter().map(|one| format!("{}:{}", one.text, one.line)).collect();
        assert_eq!(shown, ["/bin/$A:3", "x:2", "y z:2", "b1c$:2", ":3", "\\$A:3", "/bin/b:4", "$A:4"]);
    }
}
