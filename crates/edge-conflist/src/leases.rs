//! Compares host-local's leases, one file for each address, with the ranges of the network.

use edge_host::{Error, Finding, Host, Result, ResultExt, State};
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::conflist::Network;
use crate::range::Range;

const STAT: &str = "/proc/stat";
/// The share of leased addresses that is worth a warning, in percent.
const NEARLY_ALL: u128 = 90;

/// The leases of one network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leases {
    dir: PathBuf,
    leases: Vec<Lease>,
    /// A file in the place of their directory, or of one above it.
    obstacle: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Lease {
    address: IpAddr,
    /// Written before the last boot: its pod cannot exist any more.
    is_stale: bool,
}

/// Reads the leases of a network.
pub fn leases(host: &Host, network: &Network) -> Result<Leases> {
    let dir = network.leases();
    let boot = if host.root.is_live() { boot(host)? } else { None };
    let mut leases = Vec::new();
    let names = match host.root.list(&dir) {
        Err(error) if is_below_a_file(&error) => {
            let obstacle = obstacle(host, &dir)?;
            return Ok(Leases { dir, leases, obstacle });
        }
        names => names?,
    };
    for name in names {
        let Some(address) = name.to_str().and_then(|name| name.parse::<IpAddr>().ok()) else { continue };
        let Some(file) = host.root.open(&dir.join(&name))? else { continue };
        let time = file.metadata().and_then(|meta| meta.modified());
        let time = time.on("read", host.root.display(&dir.join(&name)))?;
        leases.push(Lease { address, is_stale: boot.is_some_and(|boot| time < boot) });
    }
    Ok(Leases { dir, leases, obstacle: None })
}

fn is_below_a_file(error: &Error) -> bool {
    error.io_kind() == Some(io::ErrorKind::NotADirectory)
}

/// The first part of a path that is there and is not a directory.
fn obstacle(host: &Host, dir: &Path) -> Result<Option<PathBuf>> {
    let mut parts: Vec<&Path> = dir.ancestors().collect();
    parts.reverse();
    for part in parts {
        let state = host.root.find_large(part)?.state;
        if !matches!(state, State::Directory { .. } | State::Absent) {
            return Ok(Some(part.to_path_buf()));
        }
    }
    Ok(None)
}

fn boot(host: &Host) -> Result<Option<SystemTime>> {
    let text = host.root.read(Path::new(STAT))?.unwrap_or_default();
    Ok(parse_boot(&String::from_utf8_lossy(&text)).map(|seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)))
}

fn parse_boot(stat: &str) -> Option<u64> {
    stat.lines().find_map(|line| line.strip_prefix("btime ")?.trim().parse().ok())
}

/// The findings about them.
pub fn diagnose(network: &Network, leases: &Leases) -> Vec<Finding> {
    let ranges = network.ranges();
    let mut findings = Vec::new();
    let dir = leases.dir.as_path();
    if let Some(file) = &leases.obstacle {
        let text = "it is not a directory: host-local cannot write leases, and new pods get no address";
        let hint = "set \"dataDir\" of host-local to a directory, or move this file away";
        return vec![Finding::error(file, text).hint(hint)];
    }
    let stale = leases.leases.iter().filter(|lease| lease.is_stale).count();
    // A lease may only look stale, where the clock was wrong at boot: removing it is safe only without pods.
    let clean = format!("stop all pods and remove the files named after addresses in {}", dir.display());
    for range in &ranges {
        let used = leases.leases.iter().filter(|lease| range.contains(lease.address)).count() as u128;
        let capacity = range.capacity();
        let of_them = if stale > 0 { format!("; {}", describe_stale(stale)) } else { String::new() };
        if used >= capacity {
            let text = format!("all {capacity} addresses of {} are leased, new pods get none{of_them}", range.subnet);
            findings.push(Finding::error(dir, text).hint(if stale > 0 { clean.clone() } else { wider(range) }));
        } else if used * 100 >= capacity * NEARLY_ALL {
            let text = format!("{used} of {capacity} addresses of {} are leased{of_them}", range.subnet);
            findings.push(Finding::warning(dir, text).hint(if stale > 0 { clean.clone() } else { wider(range) }));
        }
    }
    if stale > 0 && findings.is_empty() {
        findings.push(Finding::warning(dir, describe_stale(stale)).hint(clean.clone()));
    }
    let strays: Vec<String> = leases
        .leases
        .iter()
        .filter(|lease| !ranges.iter().any(|range| range.subnet.contains(&lease.address)))
        .map(|lease| lease.address.to_string())
        .collect();
    if let (Some(first), false) = (strays.first(), ranges.is_empty()) {
        let which = match strays.len() {
            1 => format!("the lease of {first} is"),
            count => format!("{count} leases such as {first} are"),
        };
        let text = format!("{which} outside the network's ranges, from an earlier subnet");
        findings.push(Finding::warning(dir, text).hint(clean));
    }
    findings
}

fn describe_stale(count: usize) -> String {
    let leases = if count == 1 { "lease" } else { "leases" };
    format!("{count} {leases} from before the last boot will not be released")
}

fn wider(range: &Range) -> String {
    format!("use a larger subnet than {}: edge-cni conf bridge --subnet CIDR", range.subnet)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conflist::parse;

    fn findings(subnet: &str, leases: &[(&str, bool)]) -> Vec<String> {
        let text = format!(
            r#"{{"name": "n", "plugins": [{{"type": "bridge", "ipam": {{"type": "host-local", "subnet": "{subnet}"}}}}]}}"#
        );
        let lease =
            |(address, is_stale): &(&str, bool)| Lease { address: address.parse().unwrap(), is_stale: *is_stale };
        let leases = Leases { dir: PathBuf::from("/x/n"), leases: leases.iter().map(lease).collect(), obstacle: None };
        let found = diagnose(&parse(&text, "conflist").unwrap(), &leases);
        found.into_iter().map(|finding| format!("{:?}: {}", finding.severity, finding.text)).collect()
    }

    #[test]
    fn diagnose_reports_full_ranges_and_stale_leases() {
        let all: Vec<String> = (2..=6).map(|last| format!("10.0.0.{last}")).collect();
        let with = |is_stale| all.iter().map(|address| (address.as_str(), is_stale)).collect::<Vec<_>>();
        assert_eq!(
            findings("10.0.0.0/29", &with(false)),
            ["Error: all 5 addresses of 10.0.0.0/29 are leased, new pods get none"]
        );
        assert_eq!(
            findings("10.0.0.0/29", &with(true)),
            [
                "Error: all 5 addresses of 10.0.0.0/29 are leased, new pods get none; 5 leases from before the last boot will not be released"
            ]
        );
        assert!(findings("10.0.0.0/24", &with(false)).is_empty());
        let many: Vec<String> = (2..=229).map(|last| format!("10.0.0.{last}")).collect();
        let many: Vec<_> = many.iter().map(|address| (address.as_str(), false)).collect();
        assert_eq!(
            findings("10.0.0.0/24", &many),
            ["Warning: 228 of 253 addresses of 10.0.0.0/24 are leased"],
            "nine of ten"
        );
        assert!(findings("10.0.0.0/24", &many[1..]).is_empty(), "fewer");
        assert_eq!(
            findings("10.0.0.0/24", &with(true)),
            ["Warning: 5 leases from before the last boot will not be released"]
        );
        assert_eq!(
            findings("10.0.0.0/24", &[("10.0.0.2", true), ("10.9.0.1", false)]),
            [
                "Warning: 1 lease from before the last boot will not be released",
                "Warning: the lease of 10.9.0.1 is outside the network's ranges, from an earlier subnet"
            ]
        );
    }

    #[test]
    fn diagnose_reports_leases_of_another_subnet() {
        assert_eq!(
            findings("10.0.0.0/24", &[("10.9.0.1", false), ("fd00::1", false)]),
            ["Warning: 2 leases such as 10.9.0.1 are outside the network's ranges, from an earlier subnet"]
        );
    }

    #[test]
    fn parse_boot_reads_btime() {
        assert_eq!(parse_boot("cpu 1 2\nbtime 1700000000\nprocesses 1\n"), Some(1_700_000_000));
        assert_eq!(parse_boot("cpu 1 2\n"), None);
    }
}
