//! `edge-reset scan`: what is on the host, and what would be done with it.

use edge_host::{Exit, Host, Mode, Outcome, Result};

use crate::cli::ScanArgs;
use crate::context::Context;
use crate::item::{Fate, Item};
use crate::phase::Phase;
use crate::phases;
use crate::request::Request;

pub(crate) fn run(host: &mut Host, args: &ScanArgs) -> Result<Outcome> {
    // What a phase before would do is then not taken for done.
    host.mode = Mode::DryRun;
    let context = Context::read(host, Request::of(&args.choice, true, host.root.is_live())?)?;
    let mut context = phases::with_pods(host, context);
    let (mut exit, mut items) = (Exit::Done, Vec::new());
    for phase in context.request.phases.clone() {
        match phases::read(phase, host, &context) {
            Ok(facts) => {
                items.extend(facts.iter().flat_map(|facts| facts.items().to_vec()));
                if phase == Phase::Pods {
                    context.pods_remain = phases::pods_remain(
                        items.iter().filter(|item| item.phase == phase && item.fate != Fate::Remove),
                    );
                }
            }
            // The others are shown anyway.
            Err(error) => {
                context.pods_remain |= phase == Phase::Pods;
                exit = exit.worst(error.exit());
                host.report.error(&error);
            }
        }
    }
    for item in &items {
        item.report(&mut host.report);
        if let Some(hint) = item.hint.as_ref().filter(|_| item.fate == Fate::Keep) {
            host.report.hint(&format!("to remove {}: {hint}", item.object));
        }
    }
    if exit == Exit::Done {
        host.report.line(&summary(&items));
    }
    Ok(Outcome { exit, ..Outcome::default() })
}

fn summary(items: &[Item]) -> String {
    let count = |fate| items.iter().filter(|item| item.fate == fate).count();
    match items.len() {
        0 => "nothing of KubeEdge, Kubernetes or CNI was found".to_owned(),
        _ => {
            format!("{} to remove, {} to keep, {} refused", count(Fate::Remove), count(Fate::Keep), count(Fate::Refuse))
        }
    }
}
