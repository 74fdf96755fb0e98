//! `check`: the order is that of a join, so that the first finding is the first cause.

use edge_host::{Finding, Host, Outcome, Result, socket_owners};
use edge_kubeedge::Minor;
use edge_kubeedge::token::Token;
use edge_pki::cert::Certificate;

use crate::cli::CheckArgs;
use crate::facts::host::HostFacts;
use crate::request::{self, Cloud, Request};
use crate::{diagnose, facts};

pub(crate) fn run(host: &mut Host, args: &CheckArgs) -> Result<Outcome> {
    let request = Request::new(&args.connection, request::CHECK)?;
    host.must_be_live("check", "a join is of the running system", "run it on the host that is to join")?;
    let token = request.token.as_ref().map(facts::token::read).transpose()?;
    let now = edge_host::now();
    let here = facts::host::read(&host.root, args.version)?;
    let node = request.node_name.clone().or_else(|| request::own_node_name(&here.name));
    let mut all: Vec<Finding> = token.as_ref().and_then(diagnose::token::form).into_iter().collect();
    let token = token.and_then(std::result::Result::ok);
    match &request.cloud {
        Some(cloud) => all.extend(of_cloud(cloud, token.as_ref(), &here, node.as_deref(), now)),
        None => all.extend(diagnose::token::time(token.as_ref(), now, None)),
    }
    if node.is_none() {
        all.extend(diagnose::host::node_name(&here.name));
    }
    all.extend(of_host(host, &here, args.version, node.as_deref())?);
    Ok(host.report.findings(&all))
}

/// The checks of cloudcore: what follows from the first finding is not asked for.
fn of_cloud(cloud: &Cloud, token: Option<&Token>, here: &HostFacts, node: Option<&str>, now: i64) -> Vec<Finding> {
    let facts = facts::cloud::read(cloud, edge_host::now);
    let mut all = diagnose::token::time(token, now, facts.ahead);
    all.extend(diagnose::cloud::ports(cloud, &facts));
    all.extend(diagnose::cloud::authority(cloud, &facts));
    let Some(served) = facts.authority() else { return all };
    if let Some(finding) = token.and_then(|token| diagnose::token::authority(token, &served)) {
        all.push(finding);
        return all;
    }
    // Without a token the CA that is installed decides; without both, whether the server's certificate is of its own CA.
    let ca: &Certificate = here.ca.as_ref().filter(|_| token.is_none()).unwrap_or(&served);
    let Some(node) = node else {
        // Whether it can be trusted is known without a name.
        let failure = facts::cloud::verified(cloud, ca, now).err();
        all.extend(failure.map(|failure| diagnose::cloud::server(cloud, &failure)));
        return all;
    };
    let is_joined = diagnose::host::own_certificate(here, Some(node));
    all.extend(diagnose::cloud::asked(cloud, facts::cloud::node(cloud, ca, None, node, now), node, is_joined));
    all
}

/// The checks of this host, which a join makes too.
pub(super) fn of_host(host: &Host, here: &HostFacts, given: Option<Minor>, node: Option<&str>) -> Result<Vec<Finding>> {
    let mut all: Vec<Finding> = diagnose::host::name(here).into_iter().collect();
    all.extend(diagnose::host::processes(here));
    all.extend(diagnose::host::second(here));
    let needed = diagnose::host::needed_ports(&here.config);
    let is_needed = |port: u16| needed.iter().any(|(other, _)| *other == port);
    let taken: Vec<_> = here.listening.iter().filter(|socket| is_needed(socket.local.port())).copied().collect();
    let owners = socket_owners(&host.root, &taken)?;
    all.extend(diagnose::host::ports(here, &owners));
    if let Some(runtime) = facts::runtime::read(&here.config) {
        all.extend(diagnose::runtime::runtime(&runtime, here.config.version));
    }
    all.extend(diagnose::host::leftovers(here, given, node));
    all.extend(diagnose::host::memory(here));
    Ok(all)
}
