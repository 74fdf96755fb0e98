//! host-local's leases against the ranges: one file for each address that is given away.

use edge_host::{Finding, Host, Result, ResultExt};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::conflist::Network;
use crate::range::Range;

const STAT: &str = "/proc/stat";
/// Of every hundred addresses, so many taken are worth a word.
const NEARLY_ALL: u128 = 90;

/// The leases of one network.
#[derive(Debug, Clone)]
pub(super) struct Leases {
    dir: PathBuf,
    addresses: Vec<(IpAddr, Age)>,
}

/// Whether the pod that an address was given to can still be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Age {
    /// From before this boot: no network namespace outlives one.
    Older,
    /// Of this boot, or nobody knows.
    Other,
}

/// Reads the leases of a network.
pub(super) fn leases(host: &Host, network: &Network) -> Result<Leases> {
    let dir = network.leases();
    let boot = if host.root.is_live() { boot(host)? } else { None };
    let mut addresses = Vec::new();
    for name in host.root.list(&dir)? {
        let Some(address) = name.to_str().and_then(|name| name.parse::<IpAddr>().ok()) else { continue };
        let Some(file) = host.root.open(&dir.join(&name))? else { continue };
        let time = file.metadata().and_then(|meta| meta.modified());
        let time = time.on("read", host.root.display(&dir.join(&name)))?;
        let is_older = boot.is_some_and(|boot| time < boot);
        addresses.push((address, if is_older { Age::Older } else { Age::Other }));
    }
    Ok(Leases { dir, addresses })
}

fn boot(host: &Host) -> Result<Option<SystemTime>> {
    let text = host.root.read(Path::new(STAT))?.unwrap_or_default();
    Ok(parse_boot(&String::from_utf8_lossy(&text)).map(|seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)))
}

fn parse_boot(stat: &str) -> Option<u64> {
    stat.lines().find_map(|line| line.strip_prefix("btime ")?.trim().parse().ok())
}

/// What is wrong with them.
pub(super) fn judge(network: &Network, leases: &Leases) -> Vec<Finding> {
    let ranges = network.ranges();
    let mut findings = Vec::new();
    let dir = leases.dir.as_path();
    let old = leases.addresses.iter().filter(|(_, age)| *age == Age::Older).count();
    // A clock that was wrong at boot makes a lease look older than it is: it is safe only without pods.
    let clean = format!("while no pod runs: remove the files of addresses in {}", dir.display());
    for range in &ranges {
        let used = leases.addresses.iter().filter(|(address, _)| range.holds(*address)).count() as u128;
        let capacity = range.capacity();
        let of_them = if old > 0 { format!("; {}", before_boot(old)) } else { String::new() };
        if used >= capacity {
            let text =
                format!("all {capacity} addresses of {} are given away: no new pod gets one{of_them}", range.subnet);
            findings.push(Finding::error(dir, text).hint(if old > 0 { clean.clone() } else { wider(range) }));
        } else if used * 100 >= capacity * NEARLY_ALL {
            let text = format!("{used} of {capacity} addresses of {} are given away{of_them}", range.subnet);
            findings.push(Finding::warning(dir, text).hint(if old > 0 { clean.clone() } else { wider(range) }));
        }
    }
    if old > 0 && findings.is_empty() {
        let text = format!("{}: taken for ever", before_boot(old));
        findings.push(Finding::warning(dir, text).hint(clean.clone()));
    }
    let strays: Vec<String> = leases
        .addresses
        .iter()
        .filter(|(address, _)| !ranges.iter().any(|range| range.subnet.contains(address)))
        .map(|(address, _)| address.to_string())
        .collect();
    if let (Some(first), false) = (strays.first(), ranges.is_empty()) {
        let which = match strays.len() {
            1 => format!("the lease of {first} is"),
            count => format!("{count} leases such as {first} are"),
        };
        let text = format!("{which} of no range of the network: it had another subnet");
        findings.push(Finding::warning(dir, text).hint(clean));
    }
    findings
}

fn before_boot(count: usize) -> String {
    let are = if count == 1 { "lease is" } else { "leases are" };
    format!("{count} {are} from before this boot and nobody's")
}

fn wider(range: &Range) -> String {
    format!("the network needs a wider subnet than {}: edge-cni conf bridge --subnet CIDR", range.subnet)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conflist::parse;

    fn findings(subnet: &str, leases: &[(&str, Age)]) -> Vec<String> {
        let text = format!(
            r#"{{"name": "n", "plugins": [{{"type": "bridge", "ipam": {{"type": "host-local", "subnet": "{subnet}"}}}}]}}"#
        );
        let addresses = leases.iter().map(|(address, age)| (address.parse().unwrap(), *age)).collect();
        let leases = Leases { dir: PathBuf::from("/x/n"), addresses };
        let found = judge(&parse(&text, "conflist").unwrap(), &leases);
        found.into_iter().map(|finding| format!("{:?}: {}", finding.severity, finding.text)).collect()
    }

    #[test]
    fn a_full_range_is_a_fault_and_tells_whose_the_leases_are() {
        let all: Vec<String> = (2..=6).map(|last| format!("10.0.0.{last}")).collect();
        let with = |age| all.iter().map(|address| (address.as_str(), age)).collect::<Vec<_>>();
        assert_eq!(
            findings("10.0.0.0/29", &with(Age::Other)),
            ["Fault: all 5 addresses of 10.0.0.0/29 are given away: no new pod gets one"]
        );
        assert_eq!(
            findings("10.0.0.0/29", &with(Age::Older)),
            [
                "Fault: all 5 addresses of 10.0.0.0/29 are given away: no new pod gets one; 5 leases are from before this boot and nobody's"
            ]
        );
        assert!(findings("10.0.0.0/24", &with(Age::Other)).is_empty());
        let many: Vec<String> = (2..=229).map(|last| format!("10.0.0.{last}")).collect();
        let many: Vec<_> = many.iter().map(|address| (address.as_str(), Age::Other)).collect();
        assert_eq!(
            findings("10.0.0.0/24", &many),
            ["Warning: 228 of 253 addresses of 10.0.0.0/24 are given away"],
            "nine of ten"
        );
        assert!(findings("10.0.0.0/24", &many[1..]).is_empty(), "fewer");
        assert_eq!(
            findings("10.0.0.0/24", &with(Age::Older)),
            ["Warning: 5 leases are from before this boot and nobody's: taken for ever"]
        );
        assert_eq!(
            findings("10.0.0.0/24", &[("10.0.0.2", Age::Older), ("10.9.0.1", Age::Other)]),
            [
                "Warning: 1 lease is from before this boot and nobody's: taken for ever",
                "Warning: the lease of 10.9.0.1 is of no range of the network: it had another subnet"
            ]
        );
    }

    #[test]
    fn leases_of_another_subnet_are_found() {
        assert_eq!(
            findings("10.0.0.0/24", &[("10.9.0.1", Age::Other), ("fd00::1", Age::Other)]),
            ["Warning: 2 leases such as 10.9.0.1 are of no range of the network: it had another subnet"]
        );
    }

    #[test]
    fn the_time_of_boot_is_read() {
        assert_eq!(parse_boot("cpu 1 2\nbtime 1700000000\nprocesses 1\n"), Some(1_700_000_000));
        assert_eq!(parse_boot("cpu 1 2\n"), None);
    }
}
