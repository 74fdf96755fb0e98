//! `account`.

use edge_host::{Common, Error, Host, Outcome, Result, quoted};

use crate::account::render;
use crate::cli::AccountArgs;
use crate::request::Account;

/// The role that may do everything.
const CLUSTER_ADMIN: &str = "cluster-admin";

pub(crate) fn run(host: &mut Host, common: &Common, args: &AccountArgs) -> Result<Outcome> {
    if common.json {
        return Err(Error::usage("cannot use --json: standard output is the manifests"));
    }
    let account = Account::new(args)?;
    host.report.document(render(&account).as_bytes())?;
    if account.cluster_roles.iter().any(|role| role == CLUSTER_ADMIN) {
        host.report.warning(&format!(
            "{CLUSTER_ADMIN} may do everything in the cluster, and so may everyone who has a token of {}",
            account.name
        ));
    }
    let (name, namespace) = (quoted(&account.name), quoted(&account.namespace));
    host.report.hint(&if account.long_lived {
        format!("after kubectl apply, print the token: kubectl get secret {name}-token -n {namespace} -o json | edge-token read --print")
    } else {
        format!("after kubectl apply, create a token: kubectl create token {name} -n {namespace} --duration 1h")
    });
    Ok(Outcome::default())
}
