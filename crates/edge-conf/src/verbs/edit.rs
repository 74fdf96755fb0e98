//! `edge-conf set`, `unset` and `enable`: turns requests into edits and writes the file once.

use std::collections::HashSet;
use std::path::PathBuf;

use edge_host::{Common, Error, Exit, Host, Mode, Outcome, Result, Severity, apply};
use edge_kubeedge::{Kind, VersionSource};
use edge_yaml::{Document, Edited, Value};

use super::{Opened, rules};
use crate::check::{SettingFinding, check_document};
use crate::cli::{Feature, Options, Verb};
use crate::configmap;
use crate::facts::{self, File};
use crate::feature::{self, Requests, RuntimeName, RuntimeSettings};
use crate::plan::{self, Within};
use crate::request::{Request, parse_path, parse_setting, piped_lines};
use crate::resolve::{Rules, notes_on_absent};
use crate::restart::{self, Expectation};
use crate::runtime;

const STDIN: &str = "-";

pub(crate) fn run(host: &mut Host, common: &Common, options: &Options, verb: &Verb) -> Result<Outcome> {
    let operation = Operation::of(verb, options)?;
    let filter = facts::is_stdin(options.file.as_deref());
    if filter && common.json {
        return Err(Error::usage("cannot use --json with --file -: standard output is the edited document"));
    }
    if options.restart && (filter || !host.root.is_live()) {
        return Err(Error::usage(
            "cannot use --restart with --root or --file -: only components of this host can be restarted",
        ));
    }
    let file = if filter {
        facts::stdin_file()?
    } else {
        host.prepare_edit(options.file.is_some() && !options.restart)?;
        let path = match &options.file {
            Some(path) => path.clone(),
            None => facts::choose_file(host, operation.kind(), operation.requests())?,
        };
        facts::read_file(host, &path)?
    };

    let name = file.name(host);
    let opened = Opened::of(&file, &name)?;
    let inner = opened.inner(&name)?;
    let document = inner.document();
    let (rules, source) = rules(host, options, &file, opened.entry.as_ref(), document)?;
    let merged = document.as_go();
    let requests = operation.resolve(&merged, rules)?;
    if operation.is_logs() && rules.kind == Kind::CloudCore {
        require_stream_files(host, &file, &merged, rules)?;
    }
    let edited = plan::edit(&opened.inner_name(&name), document, rules, &requests.requests)?;
    report(host, &opened.outer, rules, source, &requests);
    if let Some(runtime) = requests.runtime.as_ref().filter(|_| !edited.changes.is_empty()) {
        require_runtime(host, &file, runtime, &merged, rules)?;
    }
    require_kind(&file, opened.entry.is_some(), &edited, rules)?;
    let doubts = judge_result(verb, document, rules, &edited)?;
    let whole = match &opened.entry {
        Some(_) if edited.changes.is_empty() => file.text.clone(),
        Some(entry) => configmap::replace_entry(&opened.outer, entry, &edited.text)
            .map_err(|error| plan::yaml_error(&name, &error))?,
        None => edited.text.clone(),
    };
    requests.warnings.iter().chain(&doubts).for_each(|warning| host.report.warning(warning));
    notes_on_absent(document, rules, &requests.requests).iter().for_each(|note| host.report.note(note));

    if filter && host.mode == Mode::Apply {
        host.report.document(whole.as_bytes())?;
        return Ok(Outcome { changed: !edited.changes.is_empty(), ..Outcome::default() });
    }
    let within = if opened.entry.is_some() { Within::ConfigMap } else { Within::File(document) };
    let path = file.path.clone().unwrap_or_else(|| STDIN.into());
    let plan = plan::write(path.clone(), file.was.clone(), whole, &edited, within);
    let unit = format!("{}.service", rules.kind.program());
    if options.restart {
        restart::check_unit(host, &unit)?;
    }
    let outcome = apply(host, plan)?;
    if options.restart && !outcome.changed {
        host.report.hint(&format!("nothing was changed, so {unit} is not restarted"));
    }
    if !outcome.changed || outcome.exit != Exit::Done {
        return Ok(outcome);
    }
    if options.restart {
        restart::run(host, &unit, outcome, &Expectation::Settings { path: &path, edited: &edited })?;
    } else if host.root.is_live() && opened.entry.is_none() {
        let command = restart::command(host, rules.kind);
        host.report.hint(&format!("restart {} to apply it: {command}", rules.kind.program()));
    }
    for hint in &requests.hints {
        host.report.hint(hint);
    }
    Ok(outcome)
}

/// What the call requests, including what was read from standard input.
enum Operation {
    Settings(Vec<Request>),
    Logs(Option<String>),
    Metaserver,
    DynamicController,
    Runtime(RuntimeSettings),
}

impl Operation {
    fn of(verb: &Verb, options: &Options) -> Result<Operation> {
        let settings_on_stdin = || -> Result<String> {
            if facts::is_stdin(options.file.as_deref()) {
                return Err(Error::usage("cannot read standard input twice: both --file - and - are given"));
            }
            facts::read_stdin()
        };
        Ok(match verb {
            Verb::Set { settings } if settings.iter().any(|text| text == STDIN) => {
                if settings.len() > 1 {
                    return Err(Error::usage(
                        "cannot use - together with settings: pass all of them on standard input",
                    ));
                }
                let text = settings_on_stdin()?;
                Operation::Settings(piped_lines(&text)?.into_iter().map(parse_setting).collect::<Result<_>>()?)
            }
            Verb::Set { settings } => {
                Operation::Settings(settings.iter().map(|text| parse_setting(text)).collect::<Result<_>>()?)
            }
            Verb::Unset { paths } => {
                let unset = |text: &String| Ok(Request::Unset { path: parse_path(text)? });
                Operation::Settings(paths.iter().map(unset).collect::<Result<_>>()?)
            }
            Verb::Enable(Feature::Logs { server }) => Operation::Logs(server.clone()),
            Verb::Enable(Feature::Metaserver) => Operation::Metaserver,
            Verb::Enable(Feature::DynamicController) => Operation::DynamicController,
            Verb::Enable(
                feature @ (Feature::Crio { socket, cgroup_driver, stdin }
                | Feature::Containerd { socket, cgroup_driver, stdin }),
            ) => {
                let name = match feature {
                    Feature::Containerd { .. } => RuntimeName::Containerd,
                    _ => RuntimeName::Crio,
                };
                let piped = match stdin {
                    Some(_) => feature::runtime_settings(&piped_lines(&settings_on_stdin()?)?, name)?,
                    None => RuntimeSettings { name, ..RuntimeSettings::default() },
                };
                // The command line takes precedence.
                Operation::Runtime(RuntimeSettings {
                    name,
                    socket: socket.clone().or(piped.socket),
                    cgroup_driver: cgroup_driver.map(|driver| driver.name().to_owned()).or(piped.cgroup_driver),
                })
            }
            Verb::Get { .. } | Verb::Check | Verb::Env { .. } | Verb::Unit { .. } | Verb::Undo(_) => {
                return Err(Error::failed("internal error: this verb edits no settings"));
            }
        })
    }

    fn kind(&self) -> Option<Kind> {
        match self {
            Operation::Metaserver | Operation::Runtime(_) => Some(Kind::EdgeCore),
            Operation::DynamicController => Some(Kind::CloudCore),
            Operation::Settings(_) | Operation::Logs(_) => None,
        }
    }

    fn requests(&self) -> &[Request] {
        match self {
            Operation::Settings(requests) => requests,
            _ => &[],
        }
    }

    fn is_logs(&self) -> bool {
        matches!(self, Operation::Logs(_))
    }

    fn resolve(&self, document: &Value, rules: Rules) -> Result<Requests> {
        match self {
            Operation::Settings(requests) => Ok(Requests { requests: requests.clone(), ..Requests::default() }),
            Operation::Logs(server) if rules.kind == Kind::EdgeCore => {
                feature::edge_logs(document, rules.version, server.as_deref())
            }
            Operation::Logs(server) => feature::cloud_logs(server.as_deref()),
            Operation::Metaserver => feature::metaserver(document, rules.version),
            Operation::DynamicController => feature::dynamic_controller(),
            Operation::Runtime(given) => feature::runtime(document, rules.version, given),
        }
    }
}

/// Refuses to enable cloudStream without the files that cloudcore then needs to start.
fn require_stream_files(host: &mut Host, file: &File, document: &Value, rules: Rules) -> Result<()> {
    let files = feature::stream_files(document, rules.version);
    if file.path.is_none() {
        host.report.note(&format!("cloudcore does not start without these files: {}", files.join(", ")));
        return Ok(());
    }
    let missing = facts::missing_files(host, &files)?;
    if missing.is_empty() || rules.force {
        return Ok(());
    }
    Err(Error::refused(format!("cannot enable logs: cloudcore would not start without {}", missing.join(", ")))
        .hint("create them first: edge-certgen stream --ip CLOUDCORE_IP"))
}

/// Refuses to switch edgecore to a runtime that is not there.
fn require_runtime(
    host: &mut Host,
    file: &File,
    (name, socket): &(RuntimeName, PathBuf),
    document: &Value,
    rules: Rules,
) -> Result<()> {
    if file.path.is_none() {
        host.report.note(&format!("edgecore starts no pod while nothing listens on {}", socket.display()));
        return Ok(());
    }
    if rules.force { Ok(()) } else { runtime::require(host, *name, socket, document, rules.version) }
}

/// Refuses an edit after which nothing shows which component the file is for.
fn require_kind(file: &File, is_entry: bool, edited: &Edited, rules: Rules) -> Result<()> {
    if rules.force || is_entry || !edited.changes.iter().any(|change| change.after.is_none()) {
        return Ok(());
    }
    let after = Document::parse(&edited.text).map_err(|error| plan::yaml_error("the result", &error))?;
    if edge_kubeedge::kind_of(after.value(), file.path.as_deref()).is_some() {
        return Ok(());
    }
    Err(Error::refused("cannot unset kind: nothing else shows that the file is a configuration of KubeEdge")
        .hint("--force unsets it anyway"))
}

/// Checks the result of an edit by the rules of `check`: refuses new errors, and returns new warnings. Problems that the
/// file already had are no reason to refuse.
fn judge_result(verb: &Verb, document: &Document<'_>, rules: Rules, edited: &Edited) -> Result<Vec<String>> {
    if edited.changes.is_empty() {
        return Ok(Vec::new());
    }
    let after = Document::parse(&edited.text).map_err(|error| plan::yaml_error("the result", &error))?;
    let mut new = check_document(rules.kind, rules.version, &after);
    new.retain(|finding| finding.severity != Severity::Note);
    if new.is_empty() {
        return Ok(Vec::new());
    }
    let known = check_document(rules.kind, rules.version, document);
    let same: HashSet<_> = known.iter().map(|old| (old.severity.word(), old.path(), old.message.as_str())).collect();
    new.retain(|new| !same.contains(&(new.severity.word(), new.path(), new.message.as_str())));
    // The same problem at another index, or in a section that was disabled before, is not a new one.
    let cause = |finding: &SettingFinding| {
        let keys: Vec<String> = finding.steps.iter().filter(|step| !step.starts_with('[')).cloned().collect();
        (keys, finding.message.split(';').next().unwrap_or_default().to_owned())
    };
    let causes: HashSet<_> = known.iter().map(cause).collect();
    let is_known = |new: &SettingFinding| causes.contains(&cause(new));
    let text = |finding: &SettingFinding| match finding.path().as_str() {
        "" => format!("the file {}", finding.message),
        path if finding.message.starts_with("is ") => format!("{path}: it {}", finding.message),
        path => format!("{path}: {}", finding.message),
    };
    let mut errors = new.iter().filter(|finding| finding.severity == Severity::Error && !is_known(finding));
    if let (Some(first), false) = (errors.next(), rules.force) {
        let action = if matches!(verb, Verb::Unset { .. }) { "unset" } else { "set" };
        let more = errors.count();
        let more = if more > 0 { format!(" (and {more} more)") } else { String::new() };
        return Err(Error::refused(format!("cannot {action} {}{more}", text(first))).hint("--force sets it anyway"));
    }
    Ok(new.iter().map(text).collect())
}

fn report(host: &mut Host, outer: &Document<'_>, rules: Rules, source: VersionSource, requests: &Requests) {
    match source {
        VersionSource::Given(_) => {}
        VersionSource::InFile(version) => host.report.note(&format!("KubeEdge {version}, from edgecoreVersion in the file")),
        VersionSource::InProgram(version) => {
            host.report.note(&format!("KubeEdge {version}, from the installed {}", rules.kind.program()));
        }
        VersionSource::Conflicting(one, other) => host.report.note(&format!(
            "the installed {} programs are of KubeEdge {one} and {other}: checked against all versions; \
             to check against one, use --kubeedge-version VERSION",
            rules.kind.program()
        )),
        VersionSource::Unknown => {
            host.report.note("the KubeEdge version is unknown: checked against all versions; to check against one, use --kubeedge-version VERSION")
        }
    }
    if outer.has_more_documents() {
        host.report.note("the file has more than one document: only the first is edited");
    }
    for note in &requests.notes {
        host.report.note(note);
    }
}
