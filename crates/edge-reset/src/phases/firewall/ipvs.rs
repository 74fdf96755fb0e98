//! The virtual services of kube-proxy: those whose address is one of its link or, with their port, in one of its sets, and
//! those on an address of this host whose port is in one of its sets of node ports. The link may be gone already, as an
//! earlier phase deletes it; the sets are destroyed only after the services.

use std::cell::Cell;
use std::collections::HashSet;
use std::net::IpAddr;
use std::path::Path;
use std::rc::Rc;

use edge_host::{Cmd, Error, Host, Result};
use edge_link::Snapshot;

use super::data::Data;
use super::saves::Saves;
use super::sets::is_absent;
use super::{Job, Part, delete};
use crate::item::{Fate, Item};
use crate::phase::Phase;

/// Missing if the kernel has no virtual services.
const SERVICES: &str = "/proc/net/ip_vs";
const KINDS: [&str; 4] = ["TCP ", "UDP ", "SCTP ", "FWM "];
const PROGRAM: &str = "ipvsadm";
const SAVE: &str = "ipvsadm-save";
const RESTORE: &str = "ipvsadm --restore <";
const LARGEST: usize = 64 << 20;
const IPSET: &str = "ipset";
/// The options that name a service by its address, with the protocol as sets name it.
const BY_ADDRESS: [(&str, &str); 3] = [("-t", "tcp"), ("-u", "udp"), ("--sctp-service", "sctp")];

/// Reads them.
///
/// `are_gone` is false from then on until those that are removed are gone: they are recognized by their sets.
pub(super) fn read(host: &Host, data: &Data, are_gone: &Rc<Cell<bool>>, saves: &mut Saves<'_>) -> Result<Part> {
    let mut part = Part::new();
    let table = host.root.read(Path::new(SERVICES))?.unwrap_or_default();
    if !has_services(&String::from_utf8_lossy(&table)) {
        return Ok(part);
    }
    for rule in &data.virtuals {
        let proofs = Proofs::read(&rule.own.link, &rule.own.sets, &rule.own.ports)?;
        if proofs == Proofs::default() {
            continue;
        }
        let item = Item::new(Phase::Firewall, "services", PROGRAM, &[PROGRAM.as_bytes()]);
        let named = format!("the virtual services of {}", rule.own.link);
        let item =
            Item { id: item.id, fingerprint: item.fingerprint, kind: "services", object: named, ..rule.like.clone() };
        let Ok(save) = Cmd::find(SAVE) else {
            let why = format!("{PROGRAM} is not installed");
            let hint = Some(format!("install {PROGRAM} and run again: apt-get install {PROGRAM}"));
            part.push((Item { is_leftover: true, hint, ..item.kept(why) }, None));
            continue;
        };
        let save = save.arg("-n").keep_output(LARGEST);
        let text = save.run_whole()?.stdout;
        // It ends with success also where it cannot read.
        if !text.starts_with("-A ") {
            let cause = format!("it names no service, and {SERVICES} does");
            return Err(Error::cannot("read", format!("the output of {}", save.shown()), cause));
        }
        let (own, kept) = services(&text, &proofs);
        if own.is_empty() {
            continue;
        }
        let (count, s) = (own.len(), if own.len() == 1 { "" } else { "s" });
        let proofs = vec![format!("addresses of {}, or addresses and ports of its sets", rule.own.link)];
        let item = Item { object: format!("{count} virtual service{s}"), proofs, ..item };
        if item.fate != Fate::Remove {
            part.push((item, None));
            continue;
        }
        let save = saves.of_other("ipvs", kept, RESTORE)?;
        are_gone.set(false);
        let (are_gone, copy) = (Rc::clone(are_gone), save.copy());
        let remove = move || {
            copy.must_exist()?;
            // The first error, after all were tried.
            let mut done = Ok(());
            for service in &own {
                let deleted = Cmd::find(PROGRAM)?.arg("-D").args(service).run().map(drop);
                done = done.and(deleted);
            }
            are_gone.set(done.is_ok());
            done
        };
        let work: Job = Box::new(move |plan, item| {
            save.plan(true, item, plan);
            item.tag(delete(plan, item, Box::new(remove)));
        });
        part.push((item, Some(work)));
    }
    Ok(part)
}

/// Whether the kernel has any.
fn has_services(table: &str) -> bool {
    table.lines().any(|line| KINDS.iter().any(|kind| line.starts_with(kind)))
}

/// What shows that a service is kube-proxy's.
#[derive(Debug, Default, PartialEq, Eq)]
struct Proofs {
    addresses: HashSet<IpAddr>,
    /// Address, protocol and port.
    services: HashSet<(IpAddr, &'static str, u16)>,
    /// Protocol and port.
    ports: HashSet<(&'static str, u16)>,
    /// The addresses of this host, on which these ports are.
    local: HashSet<IpAddr>,
}

impl Proofs {
    fn read(link: &str, sets: &[String], port_sets: &[String]) -> Result<Proofs> {
        let snapshot = Snapshot::read()?;
        let mut proofs = Proofs::default();
        if let Some(link) = snapshot.links.iter().find(|one| one.name == link) {
            proofs.addresses.extend(snapshot.addresses_of(link.index).map(|address| address.address.addr()));
        }
        let Ok(ipset) = Cmd::find(IPSET) else { return Ok(proofs) };
        let save = |set: &String| {
            let cmd = ipset.clone().args(["save", set]).keep_output(LARGEST);
            match cmd.run_whole() {
                Err(error) if error.output().is_some_and(|output| is_absent(&output.stderr)) => Ok(String::new()),
                saved => saved.map(|output| output.stdout),
            }
        };
        for set in sets {
            proofs.services.extend(members(&save(set)?).filter_map(service));
        }
        for set in port_sets {
            proofs.add_ports(set, &save(set)?);
        }
        if !proofs.ports.is_empty() {
            proofs.local.extend(snapshot.addresses.iter().map(|address| address.address.addr()));
        }
        Ok(proofs)
    }

    /// Adds the ports of a set, whose name has the protocol: `KUBE-NODE-PORT-LOCAL-TCP`.
    fn add_ports(&mut self, set: &str, text: &str) {
        if let Some(protocol) = set.split('-').find_map(protocol) {
            self.ports.extend(members(text).filter_map(|port| Some((protocol, port.parse().ok()?))));
        }
    }

    fn has(&self, protocol: &'static str, address: IpAddr, port: u16) -> bool {
        self.addresses.contains(&address)
            || self.services.contains(&(address, protocol, port))
            || (self.ports.contains(&(protocol, port)) && self.local.contains(&address))
    }
}

fn protocol(name: &str) -> Option<&'static str> {
    BY_ADDRESS.iter().map(|(_, protocol)| *protocol).find(|one| one.eq_ignore_ascii_case(name))
}

/// The members in the output of `ipset save`: of `add KUBE-CLUSTER-IP 10.96.0.1,tcp:443` the last word.
fn members(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter_map(|line| line.strip_prefix("add ")?.split(' ').nth(1))
}

/// A member of a set with addresses and ports: `10.96.0.1,tcp:443`.
fn service(member: &str) -> Option<(IpAddr, &'static str, u16)> {
    let (address, rest) = member.split_once(',')?;
    let (of, port) = rest.split_once(':')?;
    Some((address.parse().ok()?, protocol(of)?, port.parse().ok()?))
}

/// The services in the output of `ipvsadm-save -n` that are kube-proxy's, by option and address; and their lines with those
/// of their servers.
fn services(text: &str, proofs: &Proofs) -> (Vec<[String; 2]>, String) {
    let (mut own, mut kept) = (Vec::new(), String::new());
    for line in text.lines() {
        let mut words = line.split(' ');
        let (Some(verb), Some(option), Some(service)) = (words.next(), words.next(), words.next()) else { continue };
        let is_own = || {
            let (address, port) = service.rsplit_once(':')?;
            let address: IpAddr = address.trim_start_matches('[').trim_end_matches(']').parse().ok()?;
            let (_, protocol) = BY_ADDRESS.iter().find(|(one, _)| *one == option)?;
            proofs.has(protocol, address, port.parse().ok()?).then_some(())
        };
        if is_own().is_none() {
            continue;
        }
        if verb == "-A" {
            own.push([option.to_owned(), service.to_owned()]);
        }
        kept.push_str(line);
        kept.push('\n');
    }
    (own, kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Output of ipvsadm-save 1.31 with services of keepalived and kube-proxy.
    const SAVED: &str = "-A -t 10.96.0.1:443 -s rr\n-a -t 10.96.0.1:443 -r 192.0.2.1:6443 -m -w 1\n-A -u 10.96.0.10:53 -s rr\n\
        -A -t 192.0.2.100:80 -s wlc -p 50\n-a -t 192.0.2.100:80 -r 10.96.0.1:80 -m -w 1\n-A -f 7 -s rr\n\
        -A -t [fd00:10:96::1]:443 -s rr\n-A -t 192.0.2.7:30080 -s rr -p 10800\n-a -t 192.0.2.7:30080 -r 10.244.0.2:80 -m -w 1\n\
        -A -u 192.0.2.7:30080 -s rr\n-A -t 10.96.0.1:8443 -s rr\n-A -t 192.0.2.100:30080 -s rr\n-A --sctp-service 192.0.2.7:30090 -s rr\n";

    fn proofs() -> Proofs {
        let mut proofs = Proofs::default();
        let text = "create KUBE-CLUSTER-IP hash:ip,port family inet\nadd KUBE-CLUSTER-IP 10.96.0.1,tcp:443\n\
            add KUBE-6-CLUSTER-IP fd00:10:96::1,tcp:443\nadd X\n";
        proofs.services.extend(members(text).filter_map(service));
        proofs.addresses.insert("10.96.0.10".parse().unwrap());
        proofs
    }

    fn shown(proofs: &Proofs) -> Vec<String> {
        services(SAVED, proofs).0.iter().map(|service| service.join(" ")).collect()
    }

    #[test]
    fn services_of_others_are_not_found() {
        assert_eq!(proofs().services.len(), 2);
        assert_eq!(shown(&proofs()), ["-t 10.96.0.1:443", "-u 10.96.0.10:53", "-t [fd00:10:96::1]:443"]);
        assert_eq!(
            services(SAVED, &proofs()).1,
            "-A -t 10.96.0.1:443 -s rr\n-a -t 10.96.0.1:443 -r 192.0.2.1:6443 -m -w 1\n-A -u 10.96.0.10:53 -s rr\n\
             -A -t [fd00:10:96::1]:443 -s rr\n"
        );
        assert!(shown(&Proofs::default()).is_empty());
    }

    #[test]
    fn services_of_node_ports_are_on_addresses_of_this_host() {
        let mut proofs = proofs();
        proofs.add_ports(
            "KUBE-NODE-PORT-TCP",
            "create KUBE-NODE-PORT-TCP bitmap:port range 0-65535\nadd KUBE-NODE-PORT-TCP 30080\n",
        );
        proofs.add_ports("KUBE-NODE-PORT-LOCAL-UDP", "add KUBE-NODE-PORT-LOCAL-UDP 30081\n");
        proofs.local.insert("192.0.2.7".parse().unwrap());
        assert_eq!(
            shown(&proofs),
            ["-t 10.96.0.1:443", "-u 10.96.0.10:53", "-t [fd00:10:96::1]:443", "-t 192.0.2.7:30080"]
        );
        proofs.local.clear();
        assert_eq!(shown(&proofs).len(), 3);
    }

    #[test]
    fn kernel_without_services_has_none() {
        let head = "IP Virtual Server version 1.2.1 (size=4096)\nProt LocalAddress:Port Scheduler Flags\n  -> RemoteAddress:Port Forward Weight ActiveConn InActConn\n";
        assert!(!has_services("") && !has_services(head));
        for line in ["TCP  0A600001:01BB rr ", "UDP  [fd00::1]:0035 rr ", "FWM  00000007 rr "] {
            assert!(
                has_services(&format!("{head}{line}\n  -> C0000201:192B      Masq    1      0          0\n")),
                "{line}"
            );
        }
    }
}
