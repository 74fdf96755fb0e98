//! `edge-conf set`, `unset` and `enable`: wishes, edits, one write.

use edge_host::{Common, Error, Exit, Host, Mode, Outcome, Result, apply};
use edge_kubeedge::{Kind, Known};
use edge_yaml::{Document, Value};

use super::{Opened, rules};
use crate::cli::{Feature, Options, Verb};
use crate::configmap;
use crate::facts::{self, File};
use crate::feature::{self, Crio, Wishes};
use crate::plan::{self, Within};
use crate::resolve::{Policy, Rules, unknown};
use crate::restart::{self, Check};
use crate::wish::{Wish, parse_path, parse_setting, piped_lines};

const STDIN: &str = "-";

pub(crate) fn run(host: &mut Host, common: &Common, options: &Options, verb: &Verb) -> Result<Outcome> {
    let asked = Asked::of(verb, options)?;
    let filter = facts::is_stdin(options.file.as_deref());
    if filter && common.json {
        return Err(Error::usage("cannot use --json with --file -: standard output is the edited document"));
    }
    if options.restart && (filter || !host.root.is_live()) {
        return Err(Error::usage("cannot use --restart here: only the files of this host have a running component"));
    }
    let file = if filter {
        facts::stdin_file()?
    } else {
        host.prepare_change()?;
        let path = match &options.file {
            Some(path) => path.clone(),
            None => facts::choose(host, asked.kind(), asked.wishes())?,
        };
        facts::read_file(host, &path)?
    };

    let name = file.name(host);
    let opened = Opened::of(&file, &name)?;
    let inner = opened.inner(&name)?;
    let document = inner.document();
    let (rules, known) = rules(host, options, &file, opened.entry.as_ref(), document)?;
    let merged = document.merged();
    let wishes = asked.resolve(&merged, rules)?;
    if asked.is_logs() && rules.kind == Kind::CloudCore {
        stream_files(host, &file, &merged, rules)?;
    }
    let edited = plan::edit(&opened.inner_name(&name), document, rules, &wishes.wishes)?;
    let whole = match &opened.entry {
        Some(_) if edited.changes.is_empty() => file.text.clone(),
        Some(entry) => {
            configmap::put_back(&opened.outer, entry, &edited.text).map_err(|error| plan::yaml_error(&name, &error))?
        }
        None => edited.text.clone(),
    };
    report(host, &opened.outer, rules, known, &wishes);
    unknown(document, rules, &wishes.wishes).iter().for_each(|note| host.report.note(note));

    if filter && host.mode == Mode::Apply {
        host.report.document(whole.as_bytes())?;
        return Ok(Outcome { changed: !edited.changes.is_empty(), ..Outcome::default() });
    }
    let within = if opened.entry.is_some() { Within::ConfigMap } else { Within::File(document) };
    let path = file.path.clone().unwrap_or_else(|| STDIN.into());
    let plan = plan::write(path.clone(), file.was.clone(), whole, &edited, within);
    let unit = format!("{}.service", rules.kind.program());
    if options.restart {
        restart::ready(host, &unit)?;
    }
    let outcome = apply(host, plan)?;
    if options.restart && !outcome.changed {
        host.report.hint(&format!("nothing was changed, so {unit} is not restarted"));
    }
    if !outcome.changed || outcome.exit != Exit::Done {
        return Ok(outcome);
    }
    if options.restart {
        restart::run(host, &unit, outcome, &Check::Settings { path: &path, edited: &edited })?;
    } else if host.root.is_live() && opened.entry.is_none() {
        host.report
            .hint(&format!("{} reads it when it starts: systemctl restart {unit}, or --restart", rules.kind.program()));
    }
    for hint in &wishes.hints {
        host.report.hint(hint);
    }
    Ok(outcome)
}

/// What the call asks for, with everything read that comes on standard input.
enum Asked {
    Settings(Vec<Wish>),
    Logs(Option<String>),
    Metaserver,
    DynamicController,
    Crio(Crio),
}

impl Asked {
    fn of(verb: &Verb, options: &Options) -> Result<Asked> {
        let twice = || -> Result<String> {
            if facts::is_stdin(options.file.as_deref()) {
                return Err(Error::usage("cannot read standard input twice: --file - and - for the settings"));
            }
            facts::read_stdin()
        };
        Ok(match verb {
            Verb::Set { settings } if settings.iter().any(|text| text == STDIN) => {
                if settings.len() > 1 {
                    return Err(Error::usage("cannot mix - with settings: give all of them on standard input"));
                }
                let text = twice()?;
                Asked::Settings(piped_lines(&text)?.into_iter().map(parse_setting).collect::<Result<_>>()?)
            }
            Verb::Set { settings } => {
                Asked::Settings(settings.iter().map(|text| parse_setting(text)).collect::<Result<_>>()?)
            }
            Verb::Unset { paths } => {
                let unset = |text: &String| Ok(Wish::Unset { path: parse_path(text)? });
                Asked::Settings(paths.iter().map(unset).collect::<Result<_>>()?)
            }
            Verb::Enable(Feature::Logs { server }) => Asked::Logs(server.clone()),
            Verb::Enable(Feature::Metaserver) => Asked::Metaserver,
            Verb::Enable(Feature::DynamicController) => Asked::DynamicController,
            Verb::Enable(Feature::Crio { socket, cgroup_driver, stdin }) => {
                let piped = match stdin {
                    Some(_) => feature::crio_settings(&piped_lines(&twice()?)?)?,
                    None => Crio::default(),
                };
                // The command line has the last word.
                Asked::Crio(Crio {
                    socket: socket.clone().or(piped.socket),
                    cgroup_driver: cgroup_driver.map(|driver| driver.name().to_owned()).or(piped.cgroup_driver),
                })
            }
            Verb::Get { .. } | Verb::Check | Verb::Env { .. } | Verb::Undo(_) => {
                return Err(Error::failed("internal error: this verb edits no settings"));
            }
        })
    }

    fn kind(&self) -> Option<Kind> {
        match self {
            Asked::Metaserver | Asked::Crio(_) => Some(Kind::EdgeCore),
            Asked::DynamicController => Some(Kind::CloudCore),
            Asked::Settings(_) | Asked::Logs(_) => None,
        }
    }

    fn wishes(&self) -> &[Wish] {
        match self {
            Asked::Settings(wishes) => wishes,
            _ => &[],
        }
    }

    fn is_logs(&self) -> bool {
        matches!(self, Asked::Logs(_))
    }

    fn resolve(&self, document: &Value, rules: Rules) -> Result<Wishes> {
        match self {
            Asked::Settings(wishes) => Ok(Wishes { wishes: wishes.clone(), ..Wishes::default() }),
            Asked::Logs(server) if rules.kind == Kind::EdgeCore => feature::edge_logs(document, server.as_deref()),
            Asked::Logs(server) => feature::cloud_logs(server.as_deref()),
            Asked::Metaserver => feature::metaserver(document, rules.version),
            Asked::DynamicController => feature::dynamic_controller(),
            Asked::Crio(crio) => feature::crio(document, rules.version, crio),
        }
    }
}

/// cloudcore with cloudStream on does not start without these files.
fn stream_files(host: &mut Host, file: &File, document: &Value, rules: Rules) -> Result<()> {
    let files = feature::stream_files(document, rules.version);
    if file.path.is_none() {
        host.report.note(&format!("cloudcore will not start unless these are there: {}", files.join(", ")));
        return Ok(());
    }
    let missing = facts::missing(host, &files)?;
    if missing.is_empty() || rules.policy == Policy::Force {
        return Ok(());
    }
    Err(Error::refused(format!("cannot enable logs: cloudcore would not start, as it has no {}", missing.join(", ")))
        .hint("make them first: edge-certgen stream --ip CLOUDCORE_IP"))
}

fn report(host: &mut Host, outer: &Document<'_>, rules: Rules, known: Known, wishes: &Wishes) {
    match known {
        Known::Given(_) => {}
        Known::InFile(version) => host.report.note(&format!("KubeEdge {version}, by edgecoreVersion in the file")),
        Known::InProgram(version) => {
            host.report.note(&format!("KubeEdge {version}, by the installed {}", rules.kind.program()));
        }
        Known::Disputed(one, other) => host.report.note(&format!(
            "one installed {} is of KubeEdge {one} and another of {other}: checked against all; \
             --kubeedge-version V is stricter",
            rules.kind.program()
        )),
        Known::Nowhere => {
            host.report.note("the KubeEdge version is unknown: checked against all; --kubeedge-version V is stricter")
        }
    }
    if outer.has_more_documents() {
        host.report.note("there is more than one document: only the first is edited");
    }
    for note in &wishes.notes {
        host.report.note(note);
    }
}
