//! The verbs that edit: input, rule, output.

use edge_host::{Common, Error, Exit, Host, Mode, Outcome, Result};
use serde_json::json;

use crate::cli::{Input, Verb};
use crate::facts;
use crate::request::PodSubnets;
use crate::rules::calico_vxlan::CalicoVxlan;
use crate::rules::flannel::Flannel;
use crate::rules::keep_off_edge::KeepOffEdge;
use crate::rules::metrics_server::{MetricsServer, Place};
use crate::rules::{Filtered, Rule, filter};

pub(crate) fn run(host: &mut Host, common: &Common, verb: Verb) -> Result<Outcome> {
    if common.json && !common.dry_run {
        return Err(Error::usage("cannot use --json without --dry-run: standard output is the edited manifests"));
    }
    let (mut rule, input) = rule(verb)?;
    let source = facts::manifests(&input.file)?;
    let filtered = filter(rule.as_mut(), &source.name, &source.text)?;
    filtered.notes.iter().for_each(|note| host.report.note(note));
    let changed = !filtered.changed.is_empty();
    if host.mode == Mode::DryRun {
        report(host, &source.name, &filtered);
        return Ok(Outcome { exit: if changed { Exit::Differs } else { Exit::Done }, changed, ..Outcome::default() });
    }
    host.report.document(filtered.text.as_bytes())?;
    Ok(Outcome { changed, ..Outcome::default() })
}

fn rule(verb: Verb) -> Result<(Box<dyn Rule>, Input)> {
    Ok(match verb {
        Verb::KeepOffEdge { kinds, also, input } => (Box::new(KeepOffEdge::new(&kinds, &also)), input),
        Verb::CalicoVxlan { mode, pod_subnets, input } => {
            (Box::new(CalicoVxlan::new(mode, PodSubnets::new(&pod_subnets, &[])?)), input)
        }
        Verb::Flannel { pod_subnets, service_subnets, backend, input } => {
            (Box::new(Flannel::new(PodSubnets::new(&pod_subnets, &service_subnets)?, backend)?), input)
        }
        Verb::MetricsServer { host, control_plane, input } => {
            let place = match host {
                Some(host) => Place::Host(host),
                None if control_plane => Place::ControlPlane,
                None => Place::Any,
            };
            (Box::new(MetricsServer::new(place)), input)
        }
        Verb::Check { .. } => return Err(Error::failed("internal error: this verb edits nothing")),
    })
}

/// What would be changed. Lines go to standard error, as standard output is for the manifests.
fn report(host: &mut Host, name: &str, filtered: &Filtered) {
    if !host.report.is_json() {
        host.report.result_to_stderr();
    }
    for object in &filtered.changed {
        host.report.line(&format!("would change {} ({name}, line {})", object.title, object.line));
        object.details.iter().for_each(|detail| host.report.line(&format!("    {detail}")));
        host.report.record(
            "action",
            json!({"do": "set", "object": object.title, "why": "", "details": object.details, "undo": "none",
                   "status": "planned"}),
        );
    }
    host.report.record("plan", json!({"actions": filtered.changed.len()}));
    host.report.count(filtered.changed.len());
}
