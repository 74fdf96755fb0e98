//! What the user sees: the result on stdout, messages on stderr, JSON on request.

use std::io::{self, IsTerminal, Write};
use std::path::Path;

use serde_json::{Value, json};

use self::color::{ERROR, HINT, NOTE, WARNING, painted};
use crate::error::{Error, Result};
use crate::exit::{Exit, Outcome};
use crate::root::Root;
use crate::secret::without_credentials;
use crate::shell::quoted;
use crate::visible::{visible, visible_json};

mod action;
mod color;
mod finding;
mod hint;
mod shorten;

pub(crate) use self::action::Shown;
pub(crate) use self::color::Color;
pub use self::finding::{Finding, Severity, StatusLine};

/// Version of the JSON records (docs/contract.md).
const JSON_VERSION: u32 = 1;
/// To the first column, and erase to the end of the line.
const CLEAR_LINE: &str = "\r\x1b[K";

/// How the result is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// Lines for people.
    Human,
    /// One JSON object per line.
    Json,
    /// A document for the next program; lines for people go to standard error.
    Document,
}

/// The status of an action when it is reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    /// A dry run: it would be done.
    Planned,
    /// It is done.
    Done,
    /// It could not be done.
    Failed,
    /// It was refused, untouched.
    Refused,
    /// Nothing had to be done, or it cannot be done here.
    Skipped,
}

impl Status {
    fn word(self) -> &'static str {
        match self {
            Status::Planned => "planned",
            Status::Done => "done",
            Status::Failed => "failed",
            Status::Refused => "refused",
            Status::Skipped => "skipped",
        }
    }
}

/// `1 change`, `2 changes`.
fn counted(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

/// The last line of a dry run with changes.
pub(crate) fn would_be_made(changes: usize) -> String {
    format!("{} would be made", counted(changes, "change"))
}

/// Writes to both streams. A closed stdout is not an error and stops nothing.
#[derive(Debug)]
pub struct Report {
    tool: &'static str,
    format: Format,
    stdout: Stdout,
    /// A line of progress is on the terminal.
    in_progress: bool,
    /// Whether standard output and standard error are in color.
    colors: (bool, bool),
    /// This call has applied a plan, so its last line says how many changes were made.
    has_applied: bool,
    /// Something is left that only the user can do.
    needs_manual_step: bool,
    /// Actions that were done, or shown by a dry run.
    changes: usize,
    /// Findings that were reported: errors and warnings.
    found: (usize, usize),
    /// What the commands in hints repeat.
    options: hint::Options,
}

#[derive(Debug)]
enum Stdout {
    Open,
    Closed,
    Broken(io::Error),
}

impl Report {
    pub(crate) fn new(tool: &'static str, json: bool, color: Color) -> Report {
        let format = if json { Format::Json } else { Format::Human };
        Report {
            tool,
            format,
            stdout: Stdout::Open,
            in_progress: false,
            colors: (color.is_for(&io::stdout()), color.is_for(&io::stderr())),
            has_applied: false,
            needs_manual_step: false,
            changes: 0,
            found: (0, 0),
            options: hint::Options::default(),
        }
    }

    /// From now on the commands in hints name the tree that this call works on.
    pub(crate) fn works_on(&mut self, root: &Root) {
        self.options.root = root.option();
        let dir = root.display(Path::new("/"));
        let dir = quoted(&dir.to_string_lossy());
        let shorter = dir.strip_suffix('/').filter(|rest| !rest.is_empty()).unwrap_or(&dir);
        self.options.image = (!root.is_live()).then(|| shorter.to_owned());
    }

    /// From now on the commands of this utility in hints repeat an option, for example the file that the call names.
    pub fn repeat_in_hints(&mut self, option: &str, value: &str) {
        self.options.own = format!(" {option} {}", quoted(value));
    }

    /// The call applies a plan, so its last line says how many changes that made.
    pub(crate) fn applies(&mut self) {
        self.has_applied = true;
    }

    /// The last line of a call that applies a plan.
    pub(crate) fn summary(&mut self, outcome: &Outcome, is_dry_run: bool) {
        let step = if self.needs_manual_step { ", manual step required" } else { "" };
        let reboot = if outcome.reboot { ", reboot required" } else { "" };
        let what = match self.changes {
            0 if outcome.changed => return,
            0 if self.needs_manual_step || outcome.exit != Exit::Done => "no changes".to_owned(),
            0 => "already up to date".to_owned(),
            number if is_dry_run => would_be_made(number),
            number => counted(number, "change"),
        };
        if self.has_applied {
            self.line(&format!("{what}{step}{reboot}"));
        }
    }

    /// For a call without a plan: counts changes that it made, or would make in a dry run, for its last line.
    pub fn count(&mut self, changes: usize) {
        self.changes += changes;
        self.has_applied = true;
    }

    /// For a call without a plan that found nothing to change: its last line says so.
    pub fn up_to_date(&mut self) {
        self.has_applied = true;
    }

    /// The only change of a dry run without a plan, such as a build or a file of the caller: its last line counts it.
    pub fn would_change(&mut self, text: &str) {
        self.line(text);
        self.record("plan", serde_json::json!({"actions": 1}));
        self.changes += 1;
        self.has_applied = true;
    }

    /// Something is left that only the user can do: the last line says so. The caller exits with 3.
    pub fn manual_step(&mut self) {
        self.needs_manual_step = true;
    }

    /// Whether records are printed instead of lines.
    pub fn is_json(&self) -> bool {
        self.format == Format::Json
    }

    /// From now on lines go to standard error, as standard output is for a document.
    pub fn result_to_stderr(&mut self) {
        self.format = Format::Document;
    }

    /// One line of the result, whatever is in the text; not printed in JSON, which has a record for it.
    pub fn line(&mut self, text: &str) {
        match self.format {
            Format::Human => self.out(format!("{}\n", visible(text)).as_bytes()),
            Format::Document => self.err_line(text),
            Format::Json => {}
        }
    }

    /// A line that is already escaped and may contain colors.
    fn painted_line(&mut self, text: &str) {
        match self.format {
            Format::Human => self.out(format!("{text}\n").as_bytes()),
            Format::Document => self.err(&format!("{text}\n")),
            Format::Json => {}
        }
    }

    /// A record of the result, without its `v`; only in JSON.
    pub fn record(&mut self, kind: &str, mut fields: Value) {
        if !self.is_json() {
            return;
        }
        let mut record = json!({"v": JSON_VERSION, "type": kind});
        if let (Some(record), Some(fields)) = (record.as_object_mut(), fields.as_object_mut()) {
            record.append(fields);
        }
        self.out((visible_json(record.to_string()) + "\n").as_bytes());
    }

    /// The whole result as it is: a document for the next program.
    pub fn document(&mut self, bytes: &[u8]) -> Result<()> {
        self.out(bytes);
        self.finish()
    }

    /// A note.
    pub fn note(&mut self, text: &str) {
        self.message("note", text);
    }

    /// A warning.
    pub fn warning(&mut self, text: &str) {
        self.message("warning", text);
    }

    /// What to do next.
    pub fn hint(&mut self, text: &str) {
        if let Some(text) = self.options.complete(self.tool, text) {
            self.message("hint", &text);
        }
    }

    fn message(&mut self, level: &str, text: &str) {
        let text = &without_credentials(text);
        let style = match level {
            "warning" => WARNING,
            "hint" => HINT,
            _ => NOTE,
        };
        let word = painted(level, style, self.colors.1);
        self.err(&format!("{}: {word}: {}\n", self.tool, visible(text)));
        self.record("note", json!({"level": level, "text": text}));
    }

    /// An error with its hint.
    pub fn error(&mut self, error: &Error) {
        let tool = painted(self.tool, ERROR, self.colors.1);
        let args = std::env::args_os().skip(1).map(|arg| arg.to_string_lossy().into_owned());
        let text = shorten::shortened(error.message(), args);
        self.err(&format!("{tool}: {}\n", visible(&text)));
        let hint = error.hint_text().and_then(|hint| self.options.complete(self.tool, hint));
        if let Some(hint) = &hint {
            self.err(&format!("{}: {}\n", painted("hint", HINT, self.colors.1), visible(hint)));
        }
        self.record("error", json!({"exit": error.exit().code(), "text": text, "hint": hint}));
    }

    /// Progress of a wait or a long step: one line on a terminal, which is replaced by the next output. Not printed
    /// to a log or pipe.
    pub fn progress(&mut self, text: &str) {
        if io::stderr().is_terminal() {
            self.err(&visible(&format!("{}: {text}", self.tool)));
            self.in_progress = true;
        }
    }

    /// Clears the line of progress.
    pub fn progress_ends(&mut self) {
        if std::mem::take(&mut self.in_progress) {
            // As in `err`: an error cannot be reported.
            let _ = io::stderr().lock().write_all(CLEAR_LINE.as_bytes());
        }
    }

    /// Lines on stderr that belong to the next error: a difference, the end of a log. They are indented, so that none
    /// of them looks like a message.
    pub fn lines_on_stderr(&mut self, text: &str) {
        for line in text.lines() {
            self.err_line(&format!("    {line}"));
        }
    }

    /// The last record.
    pub(crate) fn result(&mut self, exit: Exit, outcome: &Outcome) {
        self.record(
            "result",
            json!({"exit": exit.code(), "changed": outcome.changed, "reboot": outcome.reboot, "run": outcome.run}),
        );
    }

    /// Fails if the result could not be written, for example to a full disk; a closed pipe is not an error.
    pub(crate) fn finish(&mut self) -> Result<()> {
        match std::mem::replace(&mut self.stdout, Stdout::Open) {
            Stdout::Broken(cause) => {
                self.stdout = Stdout::Closed;
                Err(Error::failed(format!("cannot write to standard output: {cause}")))
            }
            kept => {
                self.stdout = kept;
                Ok(())
            }
        }
    }

    fn out(&mut self, bytes: &[u8]) {
        if !matches!(self.stdout, Stdout::Open) {
            return;
        }
        self.progress_ends();
        let mut stdout = io::stdout().lock();
        if let Err(cause) = stdout.write_all(bytes).and_then(|()| stdout.flush()) {
            self.stdout =
                if cause.kind() == io::ErrorKind::BrokenPipe { Stdout::Closed } else { Stdout::Broken(cause) };
        }
    }

    fn err_line(&mut self, text: &str) {
        self.err(&format!("{}\n", visible(text)));
    }

    /// Prints a text that is already escaped.
    fn err(&mut self, text: &str) {
        let clear = if std::mem::take(&mut self.in_progress) { CLEAR_LINE } else { "" };
        // If stderr cannot be written, that cannot be reported.
        let _ = io::stderr().lock().write_all(format!("{clear}{text}").as_bytes());
    }
}
