//! Runs a utility: parses the call, runs it and reports how it ended.

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Parser, ValueEnum};

use crate::error::{Error, Result, text_of};
use crate::exit::{Exit, Outcome};
use crate::host::{Common, Host, Mode};
use crate::report::{Color, Report};
use crate::root::digest;
use crate::secret::{STRUCK, may_be_token, redact_args};
use crate::signal::{Interrupt, interrupted};

/// What `--version` prints: version, commit where it is known, and target. `cargo xtask dist` names the commit.
const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (", env!("EDGEUTILS_BUILD"), ")");

/// The whole of a utility's `main`.
///
/// `common` picks the shared options out of the parsed call; `run` does the work. Whatever happens,
/// the exit code is one of the contract's and, with `--json`, the last line is the result.
pub fn main<C: Parser>(
    tool: &'static str,
    common: fn(&C) -> &Common,
    run: fn(C, &mut Host) -> Result<Outcome>,
) -> ExitCode {
    main_with(tool, common, |_| true, run)
}

/// The same for a utility with verbs that neither read nor change the host: `uses_root` is false for their calls, which
/// then accept any directory as `--root`.
pub fn main_with<C: Parser>(
    tool: &'static str,
    common: fn(&C) -> &Common,
    uses_root: fn(&C) -> bool,
    run: fn(C, &mut Host) -> Result<Outcome>,
) -> ExitCode {
    let args: Vec<OsString> = std::env::args_os().collect();
    let requested = Printed::of_args(tool, &args);
    std::panic::set_hook(Box::new(move |info| internal_error(requested, &info.to_string())));
    let mut command = C::command().version(VERSION);
    let parsed = command
        .try_get_matches_from_mut(&args)
        .and_then(|mut matches| C::from_arg_matches_mut(&mut matches).map_err(|error| error.format(&mut command)));
    let cli = match parsed {
        Ok(cli) => cli,
        Err(error) => return not_parsed(requested, &error).into(),
    };
    let printed = Printed { tool, json: common(&cli).json, color: common(&cli).color };
    let interrupt = Interrupt::default();
    interrupt.watch(move || report_interrupted(printed));
    let mut report = printed.report();
    let joined: Vec<u8> = args.iter().skip(1).flat_map(|arg| [arg.as_encoded_bytes(), b"\0"].concat()).collect();
    let texts: Vec<String> = args.iter().skip(1).map(|arg| arg.to_string_lossy().into_owned()).collect();
    let request = (digest(&joined), redact_args(&texts));
    let uses_root = uses_root(&cli);
    let mut host = match Host::new(tool, common(&cli), request, report, interrupt, uses_root) {
        Ok(host) => host,
        Err(error) => {
            report = printed.report();
            report.error(&error);
            report.result(error.exit(), &Outcome::default());
            return error.exit().into();
        }
    };
    let (mut exit, outcome) = match run(cli, &mut host) {
        Ok(outcome) => {
            host.report.summary(&outcome, host.mode == Mode::DryRun);
            (outcome.exit, outcome)
        }
        Err(error) => {
            host.report.error(&error);
            // What was done before the error is part of the result.
            (error.exit(), host.progress)
        }
    };
    host.interrupt.ends();
    if let Err(error) = host.report.finish() {
        host.report.error(&error);
        exit = exit.worst(error.exit());
    }
    host.report.result(exit, &outcome);
    exit.into()
}

/// How a call prints. Determined before it is parsed, so that usage errors are printed the same way.
#[derive(Debug, Clone, Copy)]
struct Printed {
    tool: &'static str,
    json: bool,
    color: Color,
}

impl Printed {
    fn of_args(tool: &'static str, args: &[OsString]) -> Printed {
        let after = args.iter().skip_while(|arg| *arg != "--color").nth(1);
        let joined = args.iter().find_map(|arg| arg.to_str()?.strip_prefix("--color="));
        let color = after.and_then(|arg| arg.to_str()).or(joined).and_then(|word| Color::from_str(word, false).ok());
        Printed { tool, json: args.iter().any(|arg| arg == "--json"), color: color.unwrap_or_default() }
    }

    fn report(self) -> Report {
        Report::new(self.tool, self.json, self.color)
    }
}

/// A signal came before anything was changed.
fn report_interrupted(printed: Printed) {
    // Holding the lock lets other output finish, and keeps it from coming after the result.
    let _stdout = std::io::stdout().lock();
    let mut report = printed.report();
    // Replaces the line of progress, if there is one.
    report.progress("interrupted");
    report.error(&interrupted());
    report.result(Exit::Interrupted, &Outcome::default());
}

/// A call that clap did not accept, or that only asks for help or the version.
fn not_parsed(printed: Printed, error: &clap::Error) -> Exit {
    let asked = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
    if asked || error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        let exit = if asked { Exit::Done } else { Exit::Usage };
        // A closed pipe (`--help | head`) is not an error. With --json, standard output has only records, so the help goes
        // to standard error; without a verb, clap does that itself.
        let _ = if printed.json { write!(std::io::stderr(), "{}", error.render()) } else { error.print() };
        printed.report().result(exit, &Outcome::default());
        return exit;
    }
    let mut report = printed.report();
    let text = error.render().to_string();
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    // The first paragraph is the error; usage and tips follow as hints.
    let (message, rest) = text.split_once("\n\n").unwrap_or((text, ""));
    let message: Vec<&str> = message.lines().map(str::trim).collect();
    let mut message = message.join(" ");
    // The text of a parser is replaced; the value that it begins with is named already.
    if let Some(cause) = std::error::Error::source(error) {
        let mut words = range_in_words(text_of(cause));
        if let Some(ContextValue::String(value)) = error.get(ContextKind::InvalidValue)
            && let Some(rest) = words.strip_prefix(&format!("\"{value}\" "))
        {
            words = format!("it {rest}");
        }
        message = message.replace(&cause.to_string(), &words);
    }
    let mut has_token = false;
    for kind in [ContextKind::InvalidArg, ContextKind::InvalidSubcommand, ContextKind::InvalidValue] {
        if let Some(ContextValue::String(value)) = error.get(kind)
            && may_be_token(value)
        {
            has_token = true;
            message = message.replace(value.as_str(), STRUCK);
            // A parser may repeat a part of it.
            let is_value = kind == ContextKind::InvalidValue;
            message =
                message.split_once(": ").filter(|_| is_value).map_or(message.clone(), |(what, _)| what.to_owned());
        }
    }
    let mut usage = Error::usage(message);
    // A tip may repeat the argument.
    let is_safe = |tip: &&str| !has_token && !tip.split([' ', '\'', '"']).any(may_be_token);
    let tip = rest.lines().map(str::trim).find_map(|line| line.strip_prefix("tip: ")).filter(is_safe);
    let usage_line = rest.lines().map(str::trim).find_map(|line| line.strip_prefix("Usage: "));
    if let Some(hint) = tip.map(str::to_owned).or_else(|| usage_line.map(|line| format!("usage: {line}"))) {
        usage = usage.hint(hint);
    }
    report.error(&usage);
    report.result(Exit::Usage, &Outcome::default());
    Exit::Usage
}

/// A bug in a utility: one line and exit 1, never a backtrace.
#[allow(clippy::exit, reason = "a panic hook is the one place with no way to return")]
fn internal_error(printed: Printed, what: &str) {
    let error = Error::failed(format!("internal error: {}", what.replace('\n', " ")))
        .hint(format!("report this line as a bug; to revert what was done so far: {} undo", printed.tool));
    let mut report = printed.report();
    report.error(&error);
    report.result(error.exit(), &Outcome::default());
    std::process::exit(i32::from(Exit::Failed.code()));
}

/// `99999 is not in 1..=65535`, as clap has it, says what was expected.
fn range_in_words(text: String) -> String {
    let range = text.split_once(" is not in ").and_then(|(_, range)| range.split_once("..="));
    range.map(|(from, to)| format!("expected a number from {from} to {to}")).unwrap_or(text)
}
