//! `cluster`.

use std::path::Path;

use edge_host::{Error, Exit, Host, Outcome, Result};
use edge_objects::source;

use crate::cluster::{Cluster, judge};

/// What to do about input that is too large, also because a List that was cut off cannot be read item by item.
const FEWER: &str = "check that the input is complete, and pass the nodes alone: kubectl get nodes -o json";

pub(crate) fn run(host: &mut Host, file: &Path, tunnelport: Option<&Path>) -> Result<Outcome> {
    if file == Path::new("-") && tunnelport == Some(file) {
        return Err(Error::usage("cannot read standard input twice: name a file for the nodes or for --tunnelport"));
    }
    let mut cluster = Cluster::default();
    let nodes = source::stream(file).map_err(of_nodes)?;
    cluster.read(&nodes).map_err(of_nodes)?;
    if let Some(path) = tunnelport {
        let record = source::stream(path)?;
        let mut other = Cluster::default();
        other.read(&record)?;
        let Some(recorded) = other.recorded else {
            let cause = "it has no ConfigMap kubeedge/tunnelport";
            return Err(Error::cannot("use", &record.name, cause)
                .hint("pass it: kubectl get configmap -n kubeedge tunnelport -o json"));
        };
        cluster.recorded.get_or_insert_default().extend(recorded);
    }
    Ok(host.report.findings(&judge::findings(&cluster, &nodes.name)))
}

fn of_nodes(error: Error) -> Error {
    if error.exit() == Exit::Refused { error.hint(FEWER) } else { error }
}
