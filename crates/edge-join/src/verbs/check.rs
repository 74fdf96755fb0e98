//! `check`.

use edge_host::{Finding, Host, Outcome, Result};
use edge_kubeedge::token::Token;

use crate::cli::CheckArgs;
use crate::diagnose;
use crate::facts;
use crate::request::{Cloud, Request};

pub(crate) fn run(host: &mut Host, args: &CheckArgs) -> Result<Outcome> {
    let request = Request::new(&args.connection)?;
    host.must_be_live("check", "a join is of the running system", "run it on the host that is to join")?;
    let token = request.token.as_ref().map(facts::token::read).transpose()?;
    let now = facts::now();
    let mut all: Vec<Finding> = token.as_ref().and_then(diagnose::token::form).into_iter().collect();
    let token = token.and_then(Result::ok);
    match &request.cloud {
        Some(cloud) => {
            all.extend(of_cloud(cloud, token.as_ref(), request.node_name.as_deref().unwrap_or_default(), now))
        }
        None => all.extend(diagnose::token::time(token.as_ref(), now, None)),
    }
    Ok(host.report.findings(&all))
}

/// The checks of cloudcore: what follows from the first finding is not asked for.
fn of_cloud(cloud: &Cloud, token: Option<&Token>, node: &str, now: i64) -> Vec<Finding> {
    let facts = facts::cloud::read(cloud, facts::now);
    let mut all = diagnose::token::time(token, now, facts.ahead);
    all.extend(diagnose::cloud::ports(cloud, &facts));
    all.extend(diagnose::cloud::authority(cloud, &facts));
    let Some(ca) = facts.authority() else { return all };
    if let Some(finding) = token.and_then(|token| diagnose::token::authority(token, &ca)) {
        all.push(finding);
        return all;
    }
    match facts::cloud::node(cloud, &ca, None, node, now) {
        Ok(exchange) => all.extend(diagnose::cloud::node(cloud, &exchange, node, false)),
        Err(failure) => all.push(diagnose::cloud::server(cloud, &failure)),
    }
    all
}
