//! `edge-cni check`: finds what keeps the network from being ready, or soon will.

mod leases;

use edge_conflist::diagnose::{self, Facts, diagnose};
use edge_host::{Finding, Host, Outcome, Result, Severity};

use crate::cli::CheckArgs;
use crate::conflist::{File, Network};
use crate::facts::{Networks, networks};
use crate::plugin::{self, PluginFile};
use crate::range::is_link_local;
use crate::request::absolute;
use crate::runtime::{Runtime, runtimes};
use crate::trial;

/// The effect where no network is usable.
const NOT_READY: &str = ": the runtime only reports that the network is not ready";
/// The effect where a later network is usable.
const SKIPPED: &str = ": CRI-O skips it, and with containerd no pod gets a network";
/// The effect of an error that only pods run into.
const READY: &str = ": CRI-O reports that the network is ready, but pods fail";

/// Older runtimes run it for every pod, whatever the configuration names.
const LOOPBACK: &str = "loopback";

pub(crate) fn run(host: &mut Host, args: &CheckArgs) -> Result<Outcome> {
    for dir in [&args.bin_dir, &args.conf_dir] {
        absolute(dir)?;
    }
    trial::require_possible(host, args.live)?;
    let facts = diagnose::facts(host, &args.conf_dir, std::slice::from_ref(&args.bin_dir), true)?;
    let (mut findings, used) = diagnose(&facts);
    // The network that is used has no errors, so these belong to networks before it.
    let none_skipped = findings.iter().all(|finding| finding.severity != Severity::Error);
    for finding in findings.iter_mut().filter(|finding| finding.severity == Severity::Error) {
        finding.text.push_str(match used {
            _ if diagnose::is_pod_error(finding) => READY,
            Some(_) => SKIPPED,
            None => NOT_READY,
        });
    }
    let mut summary_of_trial = None;
    if let Some((file, network)) = used.and_then(|file| Some((file, file.content.as_ref().ok()?))) {
        if plugin::inspect(host, &args.bin_dir, LOOPBACK)? == PluginFile::Missing {
            let text =
                format!("the plugin {LOOPBACK} is missing, which containerd and CRI-O before 1.30 run for every pod");
            findings.push(
                Finding::warning(&args.bin_dir, text).hint("install the plugins: edge-cni install --archive FILE"),
            );
        }
        findings.extend(against_runtimes(file, network, &runtimes(host)?));
        findings.extend(leases::diagnose(network, &leases::leases(host, network)?));
        if let Some(networks) = networks(host)? {
            findings.extend(against_host(file, network, &networks));
        }
        if args.live {
            let (found, text) = trial::run(host, &args.bin_dir, file, network)?;
            findings.extend(found);
            summary_of_trial = text;
        }
    }
    if let Some(text) = summary_of_trial {
        host.report.line(&text);
    }
    if let Some(file) = used.filter(|_| none_skipped) {
        host.report.line(&summary(&facts, file));
    }
    Ok(host.report.findings(&findings))
}

/// The network that is used, its version, and its plugins with their releases.
fn summary(facts: &Facts, file: &File) -> String {
    let Ok(network) = &file.content else { return file.path.display().to_string() };
    let mut programs = Vec::new();
    for (name, _) in network.programs() {
        let answer = facts.plugins.get(&name).and_then(|plugin| plugin.answer.as_ref()?.as_ref().ok());
        let release = answer.and_then(|answer| answer.release.clone());
        programs.push(release.map_or_else(|| name.clone(), |release| format!("{name} {release}")));
    }
    format!("{} ({}, with {})", file.path.display(), network.version_for(facts.runtime_newest), programs.join(", "))
}

/// Compares the network with the runtimes.
fn against_runtimes(file: &File, network: &Network, runtimes: &[Runtime]) -> Vec<Finding> {
    // With several runtimes it is unknown which one is used.
    let severity = if runtimes.len() == 1 { Severity::Error } else { Severity::Warning };
    let too_old = runtimes.iter().filter(|runtime| runtime.newest < network.version_for(runtime.newest));
    let finding = |runtime: &Runtime| {
        let text = format!(
            "{} supports CNI versions up to {}, but the network requires {}: it is reported ready, and every pod fails",
            runtime.shown(),
            runtime.newest,
            network.version_for(runtime.newest)
        );
        let hint = format!("write it again: edge-cni conf bridge --subnet CIDR --cni-version {}", runtime.newest);
        Finding::new(severity, &file.path, text).at("cniVersion").hint(hint)
    };
    too_old.map(finding).collect()
}

/// Compares the network with the host's routes and addresses.
fn against_host(file: &File, network: &Network, networks: &Networks) -> Vec<Finding> {
    let Some(bridge) = network.bridge() else { return Vec::new() };
    let ranges = network.ranges();
    let mut findings = Vec::new();
    for range in &ranges {
        let foreign = networks.routes.iter().filter(|route| route.link.as_deref() != Some(bridge));
        for route in foreign.filter(|route| route.to.contains(&range.subnet)) {
            let link = route.link.as_ref().map(|link| format!(" on {link}")).unwrap_or_default();
            let text =
                format!("{} overlaps this host's route to {}{link}: pods receive that traffic", range.subnet, route.to);
            findings.push(
                Finding::warning(&file.path, text).hint("choose another subnet: edge-cni conf bridge --subnet CIDR"),
            );
        }
    }
    for own in networks.addresses.iter().filter(|own| own.link == bridge) {
        let address = own.address.addr();
        let family = |subnet: &ipnet::IpNet| subnet.addr().is_ipv4() == address.is_ipv4();
        let mut subnets = ranges.iter().map(|range| range.subnet).filter(family).peekable();
        if is_link_local(address) || subnets.peek().is_none() || subnets.any(|subnet| subnet.contains(&address)) {
            continue;
        }
        let text = format!(
            "{bridge} has the address {} of another network, to which the plugin adds no second one",
            own.address
        );
        let hint = format!("stop all pods and run: ip link delete {bridge}");
        findings.push(Finding::error(&file.path, text).hint(hint));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conflist::parse;
    use crate::facts::{Address, Route};

    #[test]
    fn against_host_finds_routes_and_addresses_of_other_networks() {
        let text = r#"{"name": "n", "plugins": [{"type": "bridge", "ipam": {"type": "host-local", "subnet": "10.85.0.0/16"}}]}"#;
        let file = File { path: "/x".into(), content: parse(text, "conflist") };
        let of = |route: (&str, &str), address: &str| {
            let routes = vec![Route { to: route.0.parse().unwrap(), link: Some(route.1.to_owned()) }];
            let addresses = vec![Address { address: address.parse().unwrap(), link: "cni0".to_owned() }];
            let found = against_host(&file, file.content.as_ref().unwrap(), &Networks { routes, addresses });
            found.into_iter().map(|finding| finding.text).collect::<Vec<_>>()
        };
        assert!(of(("10.85.0.0/16", "cni0"), "10.85.0.1/16").is_empty());
        assert!(of(("10.85.7.7/32", "veth1"), "fe80::1/64").is_empty());
        assert_eq!(
            of(("10.0.0.0/8", "tun0"), "10.85.0.1/16"),
            ["10.85.0.0/16 overlaps this host's route to 10.0.0.0/8 on tun0: pods receive that traffic"]
        );
        assert_eq!(
            of(("10.88.0.0/16", "cni0"), "10.88.0.1/16"),
            ["cni0 has the address 10.88.0.1/16 of another network, to which the plugin adds no second one"]
        );
    }
}
