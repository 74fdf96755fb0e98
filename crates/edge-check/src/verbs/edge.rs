//! `edge`.

use std::thread;

use edge_host::{Host, Outcome, Result, now};

use crate::edge::judge::{self, Facts};
use crate::edge::{config, local, pair, probes, resources};

pub(crate) fn run(host: &mut Host) -> Result<Outcome> {
    host.must_be_live("check the way to cloudcore", "nothing of an image is connected", "run it on the node")?;
    let config = match config::read(host)? {
        Ok(config) => config,
        Err(findings) => return Ok(host.report.findings(&findings)),
    };
    let join = config.join();
    let pair = pair::load(host, &config.files, &join)?;
    let is_other = config.tunnel.is_some() && config.tunnel_files != config.files;
    let tunnel_pair = is_other.then(|| pair::load(host, &config.tunnel_files, &join)).transpose()?;
    let for_tunnel = tunnel_pair.as_ref().unwrap_or(&pair);
    let root = &host.root;
    let (probes, unit) = thread::scope(|scope| {
        let unit = scope.spawn(|| local::unit(root));
        let probes = probes::all(&config, pair.as_ref().ok(), for_tunnel.as_ref().ok());
        (probes, unit.join().unwrap_or(Ok(local::Unit::Unknown)))
    });
    let listens: Vec<u16> = config.ports.iter().map(|(port, _)| *port).collect();
    let connects: Vec<u16> = [&config.hub, &config.tunnel].into_iter().flatten().map(|to| to.port).collect();
    // After the probes, whose own connections are closed by now.
    let local = local::read(&host.root, unit?, &listens, &connects)?;
    let (shortages, has) = resources::judge(host, &config.directories)?;
    let facts = Facts { config, pair, tunnel_pair, probes, local, now: now() };
    let verdict = judge::judge(&facts);
    if shortages.is_empty() {
        host.report.status(&edge_host::StatusLine::new("host", "ok", has));
    }
    verdict.links.iter().for_each(|link| host.report.status(link));
    Ok(host.report.findings(verdict.findings.iter().chain(&shortages)))
}
