//! The virtual services of kube-proxy: those whose address is one of its link or in one of its sets. The link may be gone
//! already, as an earlier phase deletes it.

use std::collections::HashSet;
use std::net::IpAddr;
use std::path::Path;

use edge_host::{Cmd, Host, Result};
use edge_link::Snapshot;

use super::data::Data;
use super::{Job, Part, delete};
use crate::item::{Fate, Item};
use crate::phase::Phase;

/// Missing if the kernel has no virtual services.
const SERVICES: &str = "/proc/net/ip_vs";
const KINDS: [&str; 4] = ["TCP ", "UDP ", "SCTP ", "FWM "];
const PROGRAM: &str = "ipvsadm";
const SAVE: &str = "ipvsadm-save";
const IPSET: &str = "ipset";
/// The options that name a service by its address.
const BY_ADDRESS: [&str; 3] = ["-t", "-u", "--sctp-service"];

/// Reads them.
pub(super) fn read(host: &Host, data: &Data) -> Result<Part> {
    let mut part = Part::new();
    let table = host.root.read(Path::new(SERVICES))?.unwrap_or_default();
    let table = String::from_utf8_lossy(&table).into_owned();
    let has_services = table.lines().any(|line| KINDS.iter().any(|kind| line.starts_with(kind)));
    for rule in data.virtuals.iter().filter(|_| has_services) {
        let (link, sets) = &rule.own;
        let addresses = addresses(link, sets)?;
        if addresses.is_empty() {
            continue;
        }
        let item = Item::new(Phase::Firewall, "services", PROGRAM, &[PROGRAM.as_bytes()]);
        let named = format!("the virtual services of {link}");
        let item =
            Item { id: item.id, fingerprint: item.fingerprint, kind: "services", object: named, ..rule.like.clone() };
        let Ok(save) = Cmd::find(SAVE) else {
            let why = format!("{PROGRAM} is not installed");
            let hint = Some(format!("install {PROGRAM} and run again: apt-get install {PROGRAM}"));
            part.push((Item { is_leftover: true, hint, ..item.kept(why) }, None));
            continue;
        };
        let own = services(&save.arg("-n").run()?.stdout, &addresses);
        if own.is_empty() {
            continue;
        }
        let (count, s) = (own.len(), if own.len() == 1 { "" } else { "s" });
        let proofs = vec![format!("addresses of {link} or of its sets")];
        let item = Item { object: format!("{count} virtual service{s}"), proofs, ..item };
        let remove =
            move || own.iter().try_for_each(|service| Cmd::find(PROGRAM)?.arg("-D").args(service).run().map(|_| ()));
        let is_removed = item.fate == Fate::Remove;
        let work: Job = Box::new(move |plan, item| item.tag(delete(plan, item, Box::new(remove))));
        part.push((item, is_removed.then_some(work)));
    }
    Ok(part)
}

/// The addresses of a link, and those in sets.
fn addresses(link: &str, sets: &[String]) -> Result<HashSet<IpAddr>> {
    let snapshot = Snapshot::read()?;
    let mut addresses: HashSet<IpAddr> = HashSet::new();
    if let Some(link) = snapshot.links.iter().find(|one| one.name == link) {
        addresses.extend(snapshot.addresses_of(link.index).map(|address| address.address.addr()));
    }
    if let Ok(ipset) = Cmd::find(IPSET) {
        for set in sets {
            // A set that does not exist has no addresses.
            let output = ipset.clone().args(["save", set]).output()?;
            addresses.extend(members(&output.stdout));
        }
    }
    Ok(addresses)
}

/// The addresses in the output of `ipset save`: `add KUBE-CLUSTER-IP 10.96.0.1,tcp:443`.
fn members(text: &str) -> impl Iterator<Item = IpAddr> {
    let member = |line: &str| line.strip_prefix("add ")?.split(' ').nth(1)?.split(',').next()?.parse().ok();
    text.lines().filter_map(member)
}

/// The services with one of these addresses in the output of `ipvsadm-save -n`: option and address.
fn services(text: &str, addresses: &HashSet<IpAddr>) -> Vec<[String; 2]> {
    let service = |line: &str| {
        let mut words = line.split(' ');
        let (Some("-A"), Some(option), Some(service)) = (words.next(), words.next(), words.next()) else { return None };
        let (address, _) = service.rsplit_once(':')?;
        let address: IpAddr = address.trim_start_matches('[').trim_end_matches(']').parse().ok()?;
        (BY_ADDRESS.contains(&option) && addresses.contains(&address)).then(|| [option, service].map(str::to_owned))
    };
    text.lines().filter_map(service).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Output of ipvsadm-save 1.31 with services of keepalived and kube-proxy.
    const SAVED: &str = "-A -t 10.96.0.1:443 -s rr\n-a -t 10.96.0.1:443 -r 192.0.2.1:6443 -m -w 1\n-A -u 10.96.0.10:53 -s rr\n\
        -A -t 192.0.2.100:80 -s wlc -p 50\n-a -t 192.0.2.100:80 -r 10.96.0.1:80 -m -w 1\n-A -f 7 -s rr\n\
        -A -t [fd00:10:96::1]:443 -s rr\n";

    #[test]
    fn services_of_others_are_not_found() {
        let addresses: HashSet<IpAddr> = members(
            "create KUBE-CLUSTER-IP hash:ip,port family inet\nadd KUBE-CLUSTER-IP 10.96.0.1,tcp:443\n\
                add KUBE-6-CLUSTER-IP fd00:10:96::1,tcp:443\nadd X\n",
        )
        .chain(["10.96.0.10".parse().unwrap()])
        .collect();
        assert_eq!(addresses.len(), 3);
        let own = services(SAVED, &addresses);
        let shown: Vec<String> = own.iter().map(|service| service.join(" ")).collect();
        assert_eq!(shown, ["-t 10.96.0.1:443", "-u 10.96.0.10:53", "-t [fd00:10:96::1]:443"]);
        assert!(services(SAVED, &HashSet::new()).is_empty());
    }
}
