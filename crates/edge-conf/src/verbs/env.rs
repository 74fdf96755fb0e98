//! `edge-conf env NAME=VALUE…`.

use edge_host::action::Bytes;
use edge_host::{Error, Exit, Host, Inverse, Node, Outcome, Plan, Result, State, apply};
use edge_systemd::{Scope, Unit, Units, systemctl};

use crate::cli::Options;
use crate::dropin::{self, EDITOR, Variable, unit_name};
use crate::environment;
use crate::facts;
use crate::restart::{self, Expectation};

pub(crate) fn run(host: &mut Host, options: &Options, variables: &[String], unit: &str) -> Result<Outcome> {
    let unit = unit_name(unit)?;
    let variables = given(variables)?;
    if options.restart && !host.root.is_live() {
        return Err(Error::usage("cannot use --restart with --root: only units of this host can be restarted"));
    }
    host.prepare_change()?;
    let path = environment::dropin(unit);
    let was = host.root.find(&path)?;
    let text = std::str::from_utf8(&was.bytes).map_err(|_| {
        Error::refused(format!("cannot edit {}: it is not UTF-8 text", host.root.display(&path).display()))
    })?;
    let mut edited = dropin::set(text, &variables);
    let harmless = dropin::is_harmless(&edited.text);
    if let State::File { mode, .. } = was.state
        && !harmless
        && mode & 0o077 != 0
    {
        edited.details.push(format!("mode {mode:04o} -> 0600: other users could read the values"));
    }

    let mut plan = Plan::new();
    let units = Units::read(&host.root, Scope::Now)?;
    let found = units.find(unit)?;
    if !found.exists() {
        plan.note(format!("{unit} does not exist yet; the drop-in applies once it is installed"));
    }
    let given: Vec<&str> = variables.iter().map(|variable| variable.name.as_str()).collect();
    later_settings(host, &units, &found, &given, &mut plan);
    if !edited.details.is_empty() {
        let inverse = Inverse::Edit { kind: EDITOR.to_owned(), data: edited.inverse, parts: edited.names };
        let content = Bytes::Known(edited.text.into_bytes());
        // A variable that is not known to be harmless may be a secret, whatever its name.
        let node = if harmless { Node::File { content, mode: 0o644 } } else { Node::Secret { content } };
        plan.write(path, was, node, inverse, "drop-in; the unit file is not changed").details = edited.details;
        if edge_systemd::is_running(&host.root)? {
            plan.run(systemctl::reload(), "so that systemd reads the drop-in");
        }
    }
    if options.restart {
        restart::check_unit(host, unit)?;
    }
    let outcome = apply(host, plan)?;
    if options.restart && !outcome.changed {
        host.report.hint(&format!("nothing was changed, so {unit} is not restarted"));
    }
    if outcome.changed && outcome.exit == Exit::Done {
        if options.restart {
            restart::run(host, unit, outcome, &Expectation::Running)?;
        } else if host.root.is_live() {
            host.report.hint(&format!("restart it to apply the change: systemctl restart {unit}"));
        }
    }
    Ok(outcome)
}

/// The given variables, with the value of at most one read from standard input.
fn given(texts: &[String]) -> Result<Vec<Variable>> {
    let mut variables: Vec<Variable> = texts.iter().map(|text| Variable::parse(text)).collect::<Result<_>>()?;
    let mut from_stdin = variables.iter_mut().filter(|variable| variable.value == "-");
    let (first, second) = (from_stdin.next(), from_stdin.next());
    if let (Some(first), Some(second)) = (&first, &second) {
        return Err(Error::usage(format!(
            "cannot read both {} and {} from standard input: only one value per call can be read",
            first.name, second.name
        )));
    }
    if let Some(variable) = first {
        let text = facts::read_stdin()?;
        let value = text.strip_suffix('\n').unwrap_or(&text);
        let value = value.strip_suffix('\r').unwrap_or(value);
        if value.is_empty() {
            return Err(Error::failed(format!("cannot set {}: standard input is empty", variable.name))
                .hint("check the command before the pipe"));
        }
        // Validate the value like any other.
        *variable = Variable::parse(&format!("{}={value}", variable.name))?;
    }
    Ok(variables)
}

/// Notes which variables another file sets, where that is read after our drop-in and so takes precedence.
fn later_settings(host: &Host, units: &Units<'_>, unit: &Unit, given: &[&str], plan: &mut Plan) {
    // Files that this user cannot read are no reason to fail: this is only a note.
    let all = units.settings(unit).and_then(|settings| settings.whole_environment(&host.root));
    for variable in all.unwrap_or_default() {
        if environment::is_later(unit, &variable.file) && given.contains(&variable.name.as_str()) {
            let shown = host.root.display(&variable.file);
            plan.note(format!(
                "{}:{} also sets {} and takes precedence",
                shown.display(),
                variable.line,
                variable.name
            ));
        }
    }
}
