//! `edge-conf env NAME=VALUE…`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use edge_host::action::{Bytes, Run, UndoOrder};
use edge_host::{Error, Exit, Host, Inverse, Node, Outcome, Plan, Result, State, apply};

use crate::cli::Options;
use crate::dropin::{self, EDITOR, Variable, unit_name};
use crate::facts;
use crate::restart::{self, Check, has_systemd};

const UNIT_DIR: &str = "/etc/systemd/system";
/// Where units are besides: packages' and the distribution's.
const OTHER_UNIT_DIRS: [&str; 2] = ["/lib/systemd/system", "/usr/lib/systemd/system"];
const DROPIN: &str = "20-edgeutils.conf";
const RELOAD: [&str; 2] = ["systemctl", "daemon-reload"];

pub(crate) fn run(host: &mut Host, options: &Options, variables: &[String], unit: &str) -> Result<Outcome> {
    let unit = unit_name(unit)?;
    let variables = given(variables)?;
    if options.restart && !host.root.is_live() {
        return Err(Error::usage("cannot use --restart here: only this host has a running unit"));
    }
    host.prepare_change()?;
    let path = Path::new(UNIT_DIR).join(format!("{unit}.d")).join(DROPIN);
    let was = host.root.find(&path)?;
    let text = std::str::from_utf8(&was.bytes).map_err(|_| {
        Error::refused(format!("cannot edit {}: it is not UTF-8 text", host.root.display(&path).display()))
    })?;
    let mut edited = dropin::set(text, &variables);
    let harmless = dropin::is_harmless(&edited.text);
    if let State::File { mode, .. } = was.state {
        if !harmless && mode & 0o077 != 0 {
            edited.details.push(format!("mode {mode:04o} -> 0600: others could read the values"));
        }
    }

    let mut plan = Plan::new();
    if !has_unit(host, unit)? {
        plan.note(format!("{unit} is not there yet; the drop-in will hold for it when it comes"));
    }
    if !edited.details.is_empty() {
        let inverse = Inverse::Edit { kind: EDITOR.to_owned(), data: edited.inverse, parts: edited.names };
        let content = Bytes::Known(edited.text.into_bytes());
        // What is not known to be harmless may be a secret, whatever it is called.
        let node = if harmless { Node::File { content, mode: 0o644 } } else { Node::Secret { content } };
        plan.write(path, was, node, inverse, "a drop-in; the unit file stays as it is").details = edited.details;
        if host.root.is_live() && has_systemd(host)? {
            let argv: Vec<String> = RELOAD.map(str::to_owned).to_vec();
            let inverse = Some(argv.clone());
            let run =
                Run { argv, probe: None, inverse, undo_order: UndoOrder::Last, deadline: Duration::from_secs(60) };
            plan.run(run, "so that systemd sees it");
        }
    }
    if options.restart {
        restart::ready(host, unit)?;
    }
    let outcome = apply(host, plan)?;
    if options.restart && !outcome.changed {
        host.report.hint(&format!("nothing was changed, so {unit} is not restarted"));
    }
    if outcome.changed && outcome.exit == Exit::Done {
        if options.restart {
            restart::run(host, unit, outcome, &Check::Running)?;
        } else if host.root.is_live() {
            host.report.hint(&format!("{unit} has it after: systemctl restart {unit}, or --restart"));
        }
    }
    Ok(outcome)
}

/// The variables as given, the value of one of them from standard input.
fn given(texts: &[String]) -> Result<Vec<Variable>> {
    let mut variables: Vec<Variable> = texts.iter().map(|text| Variable::parse(text)).collect::<Result<_>>()?;
    let mut from_stdin = variables.iter_mut().filter(|variable| variable.value == "-");
    let (first, second) = (from_stdin.next(), from_stdin.next());
    if let (Some(first), Some(second)) = (&first, &second) {
        return Err(Error::usage(format!(
            "cannot read both {} and {} from standard input: one value in a call",
            first.name, second.name
        )));
    }
    if let Some(variable) = first {
        let text = facts::read_stdin()?;
        let value = text.strip_suffix('\n').unwrap_or(&text);
        let value = value.strip_suffix('\r').unwrap_or(value);
        if value.is_empty() {
            return Err(Error::failed(format!("cannot set {}: standard input is empty", variable.name))
                .hint("look at the program before the pipe"));
        }
        // Once more, as it is a value like any other.
        *variable = Variable::parse(&format!("{}={value}", variable.name))?;
    }
    Ok(variables)
}

fn has_unit(host: &Host, unit: &str) -> Result<bool> {
    for dir in [UNIT_DIR].into_iter().chain(OTHER_UNIT_DIRS) {
        let path: PathBuf = Path::new(dir).join(unit);
        if host.root.find_link(&path)?.exists() {
            return Ok(true);
        }
    }
    Ok(false)
}
