//! Edits and checks edgecore.yaml and cloudcore.yaml; an edit keeps everything else in the file.
//!
//! Reads the configuration files in /etc/kubeedge/config (or --file), the version of the
//! installed edgecore and cloudcore, whether the stream certificates exist, and whether CRI-O's socket answers.
//! With `unit`, reads the processes and units of the host.
//! Writes those configuration files, and drop-ins and units in /etc/systemd/system.
//! Runs systemctl (daemon-reload with `env` and `unit`, restart or start with `--restart`) and journalctl.
//! `unit --restart` ends the process that was started by hand.

mod by_hand;
pub mod check;
pub mod cli;
pub mod configmap;
pub mod dropin;
mod environment;
pub mod facts;
pub mod feature;
pub mod manual;
pub mod plan;
mod restart;
mod runtime;
mod verbs;

use edge_host::{Editor, Host, Outcome, Result, undo};
use edge_kubeedge::edit::{display, editor, request, resolve};

use cli::{Cli, Verb};

/// Whether a call reads or changes the host: an edit of standard input only takes the default of the version from it.
pub fn uses_root(cli: &Cli) -> bool {
    let is_filter = facts::is_stdin(cli.options.file.as_deref());
    !is_filter || !matches!(cli.verb, Verb::Get { .. } | Verb::Set { .. } | Verb::Unset { .. })
}

/// Carries out a call.
pub fn run(cli: Cli, host: &mut Host) -> Result<Outcome> {
    let Cli { common, options, verb } = cli;
    verbs::refuse_unsupported_options(&options, &verb)?;
    if let Some(file) = &options.file {
        host.report.repeat_in_hints("--file", &file.to_string_lossy());
    }
    match verb {
        Verb::Get { path } => verbs::get::run(host, &options, &path),
        Verb::Set { .. } | Verb::Unset { .. } | Verb::Enable(_) => verbs::edit::run(host, &common, &options, &verb),
        Verb::Check => verbs::check::run(host, &options),
        Verb::Env { variables, unit } => verbs::env::run(host, &options, &variables, &unit),
        Verb::Unit { component } => verbs::unit::run(host, &options, component.into()),
        Verb::Undo(args) => undo::run(host, &args, EDITORS),
    }
}

/// The editors that undo the edits of this utility.
const EDITORS: &[&dyn Editor] = &[&editor::SettingsEditor, &dropin::EnvironmentEditor];
