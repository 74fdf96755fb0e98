//! `logs`.

use std::thread;

use edge_firewall::Family;
use edge_host::{Host, Outcome, Result};
use edge_hub::{Request as Sent, Tls, exchange};
use edge_pki::names::Name;

use crate::logs::judge::judge;
use crate::logs::request::Request;
use crate::probe::{MOST, deadline};
use crate::redirect::{Rules, family};

pub(crate) fn run(host: &mut Host, node: &str, pod: Option<&str>) -> Result<Outcome> {
    let request = Request::new(node, pod)?;
    host.must_be_live(
        "follow kubectl logs",
        "nothing of an image is connected",
        "run it on a host with an API server",
    )?;
    // The API server verifies no certificate here by default, and cloudcore requires none.
    let root = &host.root;
    let (result, rules) = thread::scope(|scope| {
        let rules = scope.spawn(|| Rules::read(root));
        let result = exchange(&request.node, Tls::UNVERIFIED, &Sent::get(&request.path), MOST, deadline());
        (result, rules.join().unwrap_or_else(|_| Rules::unread()))
    });
    let result = result.map(|found| found.answer.status);
    let address = if let Name::Ip(ip) = &request.node.host { Some(*ip) } else { None };
    let outgoing = rules.of(address.map_or(Family::V4, family), request.node.port, address);
    let (finding, hops) = judge(&request, &result, &outgoing);
    hops.iter().for_each(|hop| host.report.status(hop));
    Ok(host.report.findings(finding.as_ref()))
}
