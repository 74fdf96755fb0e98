//! `edge-conf env NAME=VALUE…`.

use edge_host::action::Bytes;
use edge_host::{Error, Exit, Host, Inverse, Mode, Node, Outcome, Plan, Result, State, apply};
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
    let later = later_settings(host, &units, &found, &variables);
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
    let mut outcome = apply(host, plan)?;
    let overridden = if host.mode == Mode::Apply { overridden(host, unit, &variables) } else { later };
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
    if !overridden.is_empty() {
        overridden.iter().for_each(|warning| host.report.warning(warning));
        host.report.manual_step();
        outcome.exit = outcome.exit.worst(Exit::Differs);
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

/// The variables that another file sets to another value, where that is read after our drop-in and so takes precedence.
fn later_settings(host: &Host, units: &Units<'_>, unit: &Unit, given: &[Variable]) -> Vec<String> {
    // Files that this user cannot read are no reason to fail.
    let all = units.settings(unit).and_then(|settings| settings.whole_environment(&host.root)).unwrap_or_default();
    let differs = |own: &edge_systemd::Variable| {
        given.iter().any(|given| given.name == own.name && given.value != own.value)
            && environment::is_later(unit, &own.file)
    };
    let text = |own: &edge_systemd::Variable| {
        let shown = host.root.display(&own.file);
        format!("{}:{} also sets {} and takes precedence", shown.display(), own.line, own.name)
    };
    all.iter().filter(|own| differs(own)).map(text).collect()
}

/// The variables of our drop-in that another file sets to another value or removes.
fn overridden(host: &Host, unit: &str, given: &[Variable]) -> Vec<String> {
    let all = environment::overridden(host, unit).unwrap_or_default();
    let is_given = |one: &&environment::Overridden| given.iter().any(|own| own.name == one.name);
    let text = |one: &environment::Overridden| match &one.by {
        Some((file, line)) => {
            let shown = host.root.display(file);
            format!("{}:{line} also sets {} and takes precedence", shown.display(), one.name)
        }
        None => format!("a later Environment= or an UnsetEnvironment= of the unit removes {}", one.name),
    };
    all.iter().filter(is_given).map(text).collect()
}
