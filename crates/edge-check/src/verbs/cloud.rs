//! `cloud`.

use std::path::Path;

use edge_host::{Error, Host, Outcome, Result, now};
use edge_objects::source;

use crate::cloud::{facts, judge};
use crate::cluster::Cluster;

/// What to pass to `--tunnelport`.
const RECORD: &str = "kubectl get configmap -n kubeedge tunnelport -o json | edge-check cloud --tunnelport -";

pub(crate) fn run(host: &mut Host, tunnelport: Option<&Path>) -> Result<Outcome> {
    host.must_be_live("check cloudcore", "nothing of an image listens", "run it on the host of cloudcore")?;
    let records = match tunnelport {
        Some(path) => {
            let source = source::stream(path).map_err(|error| error.hint(RECORD))?;
            let mut cluster = Cluster::default();
            cluster.read(&source)?;
            let none = || Error::cannot("use", &source.name, "it has no ConfigMap kubeedge/tunnelport").hint(RECORD);
            let recorded = cluster.recorded.ok_or_else(none)?;
            if recorded.is_empty() {
                return Err(Error::cannot("use", &source.name, "no cloudcore has recorded a port")
                    .hint("start cloudcore with cloudStream enabled, then run again"));
            }
            Some(recorded)
        }
        None => None,
    };
    let facts = facts::read(host, records.as_deref())?;
    let (findings, links) = judge::judge(&facts, now());
    links.iter().for_each(|link| host.report.status(link));
    Ok(host.report.findings(&findings))
}
