//! What the user sees: the result on stdout, everything said on the way on stderr, JSON on request.

use std::io::{self, IsTerminal, Write};

use serde_json::{Value, json};

use crate::action::Action;
use crate::error::{Error, Result};
use crate::exit::{Exit, Outcome};
use crate::secret::{redact_args, without_credentials};
use crate::visible::{visible, visible_json};

/// Version of the JSON records (docs/contract.md).
const JSON_VERSION: u32 = 1;
/// To the first column, and erase to the end of the line.
const CLEAR_LINE: &str = "\r\x1b[K";

/// How the result is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Lines for people.
    Human,
    /// One JSON object a line.
    Json,
    /// A document for the next program; lines for people go to standard error.
    Document,
}

/// How far an action is when it is reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// A dry run: it would be done.
    Planned,
    /// It is done.
    Done,
    /// It could not be done.
    Failed,
    /// It was refused, untouched.
    Refused,
    /// Nothing had to be done: it was so already.
    Already,
}

impl Status {
    fn word(self) -> &'static str {
        match self {
            Status::Planned => "planned",
            Status::Done => "done",
            Status::Failed => "failed",
            Status::Refused => "refused",
            Status::Already => "already",
        }
    }
}

/// Writes to both streams. A reader that closed stdout is no error and stops nothing.
#[derive(Debug)]
pub struct Report {
    tool: &'static str,
    format: Format,
    stdout: Stdout,
    /// A line of progress stands on the terminal.
    in_progress: bool,
}

#[derive(Debug)]
enum Stdout {
    Open,
    Closed,
    Broken(io::Error),
}

impl Report {
    pub(crate) fn new(tool: &'static str, format: Format) -> Report {
        Report { tool, format, stdout: Stdout::Open, in_progress: false }
    }

    /// Whether records are wanted instead of lines.
    pub fn is_json(&self) -> bool {
        self.format == Format::Json
    }

    /// What is done on the way to a document goes to standard error: standard output is the document's.
    pub fn result_to_stderr(&mut self) {
        self.format = Format::Document;
    }

    /// Exactly one line of the result, whatever is in the text; nothing in JSON, where a record says the same.
    pub fn line(&mut self, text: &str) {
        match self.format {
            Format::Human => self.out(format!("{}\n", visible(text)).as_bytes()),
            Format::Document => self.err_line(text),
            Format::Json => {}
        }
    }

    /// A record of the result, without its `v`; nothing for people.
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

    /// One action of a plan, an apply or an undo.
    pub(crate) fn action(&mut self, shown: &Shown, status: Status) {
        let word = match status {
            Status::Planned => format!("would {}", shown.verb),
            Status::Done => past(&shown.verb).to_owned(),
            Status::Failed => format!("could not {}", shown.verb),
            Status::Refused => format!("refused to {}", shown.verb),
            Status::Already if shown.verb == "leave" => "left".to_owned(),
            Status::Already => format!("need not {}", shown.verb),
        };
        let why = if shown.why.is_empty() { String::new() } else { format!(": {}", shown.why) };
        let undo = shown.undo.as_ref().map(|undo| format!("  [undo: {undo}]")).unwrap_or_default();
        self.line(&format!("{word} {}{why}{undo}", shown.object));
        for detail in &shown.details {
            self.line(&format!("    {detail}"));
        }
        self.record(
            "action",
            json!({"do": shown.verb, "object": shown.object, "why": shown.why, "undo": shown.undo,
                   "details": shown.details, "status": status.word()}),
        );
    }

    /// Something worth knowing that is no result.
    pub fn note(&mut self, text: &str) {
        self.say("note", text);
    }

    /// Something that may go wrong later.
    pub fn warning(&mut self, text: &str) {
        self.say("warning", text);
    }

    /// What to do next.
    pub fn hint(&mut self, text: &str) {
        self.say("hint", text);
    }

    fn say(&mut self, level: &str, text: &str) {
        let text = &without_credentials(text);
        self.err_line(&format!("{}: {level}: {text}", self.tool));
        self.record("note", json!({"level": level, "text": text}));
    }

    /// An error with its hint.
    pub fn error(&mut self, error: &Error) {
        self.err_line(&format!("{}: {error}", self.tool));
        if let Some(hint) = error.hint_text() {
            self.err_line(&format!("hint: {hint}"));
        }
        self.record("error", json!({"exit": error.exit().code(), "text": error.message(), "hint": error.hint_text()}));
    }

    /// How far a wait or a long step is: one line on a terminal, that the next one or whatever else is
    /// said takes the place of. Nothing in a log or a pipe, where a note now and then is right.
    pub fn progress(&mut self, text: &str) {
        if io::stderr().is_terminal() {
            self.err(&visible(&format!("{}: {text}", self.tool)));
            self.in_progress = true;
        }
    }

    /// Takes the line of progress off the terminal.
    pub fn progress_ends(&mut self) {
        if std::mem::take(&mut self.in_progress) {
            // As in `err`: nobody is left to be told.
            let _ = io::stderr().lock().write_all(CLEAR_LINE.as_bytes());
        }
    }

    /// Plain lines on stderr, for what belongs to the next error: a difference, the end of a log. They are
    /// indented, so that none of them is taken for a message of ours.
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

    /// Fails if the result could not be written: a full disk behind a redirection, not a closed pipe.
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

    /// What is printed as it is: already made visible.
    fn err(&mut self, text: &str) {
        let clear = if std::mem::take(&mut self.in_progress) { CLEAR_LINE } else { "" };
        // Nobody is left to be told that stderr cannot be written.
        let _ = io::stderr().lock().write_all(format!("{clear}{text}").as_bytes());
    }
}

/// An action as it is shown, also when it comes back from the journal.
#[derive(Debug, Clone)]
pub(crate) struct Shown {
    pub(crate) verb: String,
    pub(crate) object: String,
    pub(crate) why: String,
    pub(crate) undo: Option<String>,
    pub(crate) details: Vec<String>,
}

impl Shown {
    pub(crate) fn of(action: &Action) -> Shown {
        let object = match (&action.kind, action.path()) {
            (crate::action::ActionKind::Set(set), _) => format!("{} to {}", set.path.display(), set.value),
            (crate::action::ActionKind::Run(run), _) => redact_args(&run.argv).join(" "),
            (crate::action::ActionKind::Transaction(transaction), _) => redact_args(&transaction.script.argv).join(" "),
            (_, Some(path)) => path.display().to_string(),
            (_, None) => String::new(),
        };
        Shown {
            verb: action.verb().to_owned(),
            object,
            why: action.why.clone(),
            undo: Some(action.undo().to_string()),
            details: action.details.clone(),
        }
    }
}

fn past(verb: &str) -> &str {
    match verb {
        "write" => "wrote",
        "link" => "linked",
        "remove" => "removed",
        "restore" => "restored",
        "take back the edit of" => "took back the edit of",
        "run" => "ran",
        other => other,
    }
}
