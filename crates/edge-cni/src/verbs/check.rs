//! `edge-cni check`: what keeps the network from being ready, and what will.

mod leases;

use edge_conflist::judge::{self, Facts};
use edge_conflist::plugin::Ask;
use edge_host::{Finding, Host, Outcome, Result, Severity};

use crate::cli::CheckArgs;
use crate::conflist::{File, Network};
use crate::facts::{Networks, networks};
use crate::plugin::{self, Standing};
use crate::range::is_link_local;
use crate::request::absolute;
use crate::runtime::{Runtime, runtimes};
use crate::trial;

/// What a runtime says in nearly all of these cases.
const NOT_READY: &str = ": a runtime only says that the network is not ready";
/// What becomes of one that cannot be used where another can.
const PASSED_OVER: &str = ": CRI-O passes it over, and containerd gives no pod a network";
/// What is said where only pods meet it.
const READY: &str = ": CRI-O says that the network is ready, and pods fail";

/// Older runtimes ask for it by themselves, whatever the network says.
const LOOPBACK: &str = "loopback";

pub(crate) fn run(host: &mut Host, args: &CheckArgs) -> Result<Outcome> {
    for dir in [&args.bin_dir, &args.conf_dir] {
        absolute(dir)?;
    }
    trial::possible(host, args.live)?;
    let facts = judge::facts(host, &args.conf_dir, std::slice::from_ref(&args.bin_dir), Ask::Releases)?;
    let (mut findings, used) = judge::judge(&facts);
    // The one that is used has no errors so far: those there are belong to others before it.
    let none_passed_over = findings.iter().all(|finding| finding.severity != Severity::Error);
    for finding in findings.iter_mut().filter(|finding| finding.severity == Severity::Error) {
        finding.text.push_str(match used {
            _ if judge::is_unseen(finding) => READY,
            Some(_) => PASSED_OVER,
            None => NOT_READY,
        });
    }
    let mut tried = None;
    if let Some((file, network)) = used.and_then(|file| Some((file, file.content.as_ref().ok()?))) {
        if plugin::look(host, &args.bin_dir, LOOPBACK)? == Standing::Missing {
            let text =
                format!("there is no {LOOPBACK} in it, which containerd and CRI-O before 1.30 run for every pod");
            findings.push(Finding::warning(&args.bin_dir, text).hint("edge-cni install puts it there"));
        }
        findings.extend(against_runtimes(file, network, &runtimes(host)?));
        findings.extend(leases::judge(network, &leases::leases(host, network)?));
        if let Some(networks) = networks(host)? {
            findings.extend(against_host(file, network, &networks));
        }
        if args.live {
            let (found, text) = trial::run(host, &args.bin_dir, file, network)?;
            findings.extend(found);
            tried = text;
        }
    }
    if let Some(text) = tried {
        host.report.line(&text);
    }
    if let Some(file) = used.filter(|_| none_passed_over) {
        host.report.line(&summary(&facts, file));
    }
    Ok(host.report.findings(&findings))
}

/// The network that is used, with its plugins and their releases.
fn summary(facts: &Facts, file: &File) -> String {
    let Ok(network) = &file.content else { return file.path.display().to_string() };
    let mut programs = Vec::new();
    for (name, _) in network.programs() {
        let answer = facts.plugins.get(&name).and_then(|looked| looked.answer.as_ref()?.as_ref().ok());
        let release = answer.and_then(|answer| answer.release.clone());
        programs.push(release.map_or_else(|| name.clone(), |release| format!("{name} {release}")));
    }
    format!("{} ({}, with {})", file.path.display(), network.version_for(facts.reads), programs.join(", "))
}

/// The network against what calls its plugins.
fn against_runtimes(file: &File, network: &Network, runtimes: &[Runtime]) -> Vec<Finding> {
    // With several it is not known which one is used.
    let severity = if runtimes.len() == 1 { Severity::Error } else { Severity::Warning };
    let too_old = runtimes.iter().filter(|runtime| runtime.reads < network.version_for(runtime.reads));
    let finding = |runtime: &Runtime| {
        let text = format!(
            "{} reads at most {}, and the network asks for {}: it looks ready, and every pod fails",
            runtime.shown(),
            runtime.reads,
            network.version_for(runtime.reads)
        );
        let hint = format!("write it for that runtime: edge-cni conf bridge --cni-version {}", runtime.reads);
        Finding::new(severity, &file.path, text).at("cniVersion").hint(hint)
    };
    too_old.map(finding).collect()
}

/// The network against what the host has by now.
fn against_host(file: &File, network: &Network, networks: &Networks) -> Vec<Finding> {
    let Some(bridge) = network.bridge() else { return Vec::new() };
    let ranges = network.ranges();
    let mut findings = Vec::new();
    for range in &ranges {
        let foreign = networks.routes.iter().filter(|route| route.link.as_deref() != Some(bridge));
        for route in foreign.filter(|route| route.to.contains(&range.subnet)) {
            let link = route.link.as_ref().map(|link| format!(" through {link}")).unwrap_or_default();
            let text = format!("{} overlaps this host's route to {}{link}", range.subnet, route.to);
            findings.push(Finding::warning(&file.path, text).hint("pods take that traffic: choose another subnet"));
        }
    }
    for own in networks.addresses.iter().filter(|own| own.link == bridge) {
        let address = own.address.addr();
        let family = |subnet: &ipnet::IpNet| subnet.addr().is_ipv4() == address.is_ipv4();
        let mut subnets = ranges.iter().map(|range| range.subnet).filter(family).peekable();
        if is_link_local(address) || subnets.peek().is_none() || subnets.any(|subnet| subnet.contains(&address)) {
            continue;
        }
        let text =
            format!("{bridge} has the address {} of another network: bridge refuses to add a second one", own.address);
        let hint = format!("while no pod runs: ip link delete {bridge}");
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
    fn routes_and_addresses_of_another_network_are_found() {
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
            ["10.85.0.0/16 overlaps this host's route to 10.0.0.0/8 through tun0"]
        );
        assert_eq!(
            of(("10.88.0.0/16", "cni0"), "10.88.0.1/16"),
            ["cni0 has the address 10.88.0.1/16 of another network: bridge refuses to add a second one"]
        );
    }
}
