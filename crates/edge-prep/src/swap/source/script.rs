//! Follows scripts from file to file to the command that turns swap on.

use std::collections::HashSet;
use std::io::Read;
use std::path::{Path, PathBuf};

use edge_host::{Result, Root};

use super::shell::Script;
use super::{AtBoot, Devices, SwapSource, show};

/// Limits for the scripts that one script runs.
const MOST_FILES: usize = 64;
const MOST_BYTES: u64 = 1 << 20;
const SCRIPT: &[u8] = b"#!";

/// The command that turns swap on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Command {
    /// The file that has it, and its line, from 1.
    pub(super) file: PathBuf,
    pub(super) line: usize,
    /// The command: `swapon /swapfile`.
    pub(super) text: String,
    /// The whole script, which names the device.
    script: String,
    /// The file that runs the script, or the same file.
    start: PathBuf,
}

impl Command {
    /// The source of swap that this command is, with the manual step.
    pub(super) fn source(self, root: &Root, source: &'static str, at_boot: AtBoot, why: &str) -> SwapSource {
        let place = format!("{}:{}", show(root, &self.file), self.line);
        let by = if self.start == self.file { String::new() } else { format!(" by {}", show(root, &self.start)) };
        let found = SwapSource::new(source, &self.file, &self.text, at_boot).because(format!("{why}{by}"));
        let found = found.manual_step(format!("remove the command {:?} from {place}", self.text));
        SwapSource { line: Some(self.line), devices: Devices::Text(self.script), ..found }
    }
}

/// Finds the command in the text of a file; `line` is the one before the text begins.
pub(super) fn in_text(root: &Root, file: &Path, line: usize, text: &str) -> Option<Command> {
    found(root, file, line, text, Script::read(text))
}

/// Finds it in a file that is run as a program; none where there is no such script.
pub(super) fn in_program(root: &Root, file: &Path) -> Option<Command> {
    let script = Script::calling(file.to_str()?);
    found(root, file, 0, "", script)
}

/// Finds it in a command of a unit.
pub(super) fn in_command(root: &Root, file: &Path, line: usize, argv: &[String]) -> Option<Command> {
    let text = argv.join(" ");
    let mut found = found(root, file, line, &text, Script::command(argv))?;
    if found.file == file {
        found.line = line;
    }
    Some(found)
}

/// Whether a command of a unit does more than to turn swap on or off.
pub(super) fn does_more(argv: &[String]) -> bool {
    Script::command(argv).does_more
}

fn found(root: &Root, file: &Path, before: usize, text: &str, script: Script) -> Option<Command> {
    let (mut seen, mut queue) = (HashSet::new(), Vec::new());
    let start = file.to_path_buf();
    let (mut file, mut before, mut text, mut script) = (file.to_path_buf(), before, text.to_owned(), script);
    loop {
        if let Some((line, command)) = script.turns_on {
            return Some(Command { file, line: before + line, text: command, script: text, start });
        }
        queue.extend(script.calls.into_iter().rev().map(PathBuf::from));
        (file, text) = loop {
            let next = queue.pop()?;
            if seen.len() < MOST_FILES
                && seen.insert(next.clone())
                && let Ok(Some(text)) = read(root, &next)
            {
                break (next, text);
            }
        };
        before = 0;
        script = if is_shell(&text) { Script::read(&text) } else { Script::of_other_language(&text) };
    }
}

/// The text of a script; none for other programs. What cannot be read, such as a program on another disk, is none either.
fn read(root: &Root, path: &Path) -> Result<Option<String>> {
    let Some(file) = root.open(path)? else { return Ok(None) };
    let mut bytes = Vec::new();
    let mut file = file.take(SCRIPT.len() as u64);
    if file.read_to_end(&mut bytes).is_err() || bytes != SCRIPT {
        return Ok(None);
    }
    file.set_limit(MOST_BYTES);
    let is_read = file.read_to_end(&mut bytes).is_ok();
    Ok(is_read.then(|| String::from_utf8_lossy(&bytes).into_owned()))
}

/// Whether the first line names a shell.
fn is_shell(text: &str) -> bool {
    let first = text.lines().next().unwrap_or_default();
    first.split([' ', '\t', '/', '!']).any(|word| word.ends_with("sh") || word == "openrc-run")
}
