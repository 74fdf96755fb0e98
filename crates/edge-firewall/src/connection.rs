//! The conditions of a rule, as far as they decide about new TCP connections to a port of another host.

use std::borrow::Cow;
use std::net::IpAddr;
use std::ops::RangeInclusive;

use crate::save::Rule;
use crate::words::words;

/// How many of the connections a rule applies to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Applies {
    /// None.
    Never,
    /// Some, by a condition that is not about the port; or the condition is unknown.
    Partly,
    /// All.
    Fully,
}

/// What a rule does with them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target<'r> {
    /// The next rule decides.
    Continues,
    /// The rule decides: `ACCEPT`, `RETURN`, `REDIRECT`.
    Ends(Cow<'r, str>),
    /// The rule decides: it redirects to this address and port, as it is written.
    Dnat(Cow<'r, str>),
    /// The rules of a chain decide; without a way back after `-g`.
    Chain(Cow<'r, str>, bool),
}

/// A rule, parsed once for any number of ports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Conditions<'r> {
    rule: Rule<'r>,
    others: Applies,
    /// Lists of ports, all of which must match; with `true` those that are not listed match.
    ports: Vec<(bool, Vec<RangeInclusive<u16>>)>,
    /// Prefixes of the address that is connected to, all of which must match; with `true` those outside match.
    destinations: Vec<(bool, IpAddr, u8)>,
    pub(crate) target: Target<'r>,
}

/// Targets after which the next rule is evaluated.
const CONTINUES: [&str; 24] = [
    "AUDIT",
    "CHECKSUM",
    "CLASSIFY",
    "CONNMARK",
    "CONNSECMARK",
    "CT",
    "DSCP",
    "ECN",
    "HL",
    "HMARK",
    "IDLETIMER",
    "LED",
    "LOG",
    "MARK",
    "NFLOG",
    "NOTRACK",
    "RATEEST",
    "SECMARK",
    "SET",
    "SYNPROXY",
    "TCPMSS",
    "TOS",
    "TRACE",
    "TTL",
];
/// Targets that decide.
const ENDS: [&str; 13] = [
    "ACCEPT",
    "DROP",
    "MASQUERADE",
    "MIRROR",
    "NETMAP",
    "NFQUEUE",
    "QUEUE",
    "REDIRECT",
    "REJECT",
    "RETURN",
    "SAME",
    "SNAT",
    "TPROXY",
];
/// Extensions whose options are understood here, or have no condition.
const UNDERSTOOD: [&str; 8] = ["addrtype", "comment", "conntrack", "multiport", "nft", "state", "tcp", "udp"];
const ANYWHERE: [&str; 2] = ["0.0.0.0/0", "::/0"];
/// The chain of the kernel for connections of programs on this host.
const OUTPUT: &str = "OUTPUT";

impl<'r> Conditions<'r> {
    /// Parses a rule that is reached from this chain of the kernel.
    pub(crate) fn of(rule: &Rule<'r>, base: &str) -> Conditions<'r> {
        let mut found = Conditions {
            rule: *rule,
            others: Applies::Fully,
            ports: Vec::new(),
            destinations: Vec::new(),
            target: Target::Continues,
        };
        let mut words = words(rule.text).peekable();
        let mut negated = false;
        while let Some(word) = words.next() {
            match &*word {
                "!" => {
                    negated = true;
                    continue;
                }
                "-j" | "-g" => {
                    let name = words.next().unwrap_or_default();
                    found.target = target(name, word == "-g", words);
                    break;
                }
                _ => {}
            }
            // A comment may look like an option.
            let value = words.next_if(|next| word == "--comment" || is_value(next)).unwrap_or_default();
            let second = words.next_if(|next| word == "--tcp-flags" && is_value(next)).unwrap_or_default();
            found.add(&word, &value, &second, negated, base == OUTPUT);
            while words.next_if(is_value).is_some() {}
            negated = false;
        }
        found
    }

    fn add(&mut self, option: &str, value: &str, second: &str, negated: bool, is_output: bool) {
        let known = |matches: bool| if matches == negated { Applies::Never } else { Applies::Fully };
        let listed = |all: &[&str]| value.split(',').any(|one| all.contains(&one));
        let applies = match option {
            "--dport" | "--dports" | "--ports" => {
                self.ports.push((negated, value.split(',').filter_map(range).collect()));
                Applies::Fully
            }
            // Of every connection.
            "--sport" | "--sports" if value.split(',').filter_map(range).any(|range| is_every_port(&range)) => {
                known(true)
            }
            "-p" => known(["tcp", "6", "all", "0"].contains(&value)),
            "-m" if UNDERSTOOD.contains(&value) => Applies::Fully,
            "--comment" => Applies::Fully,
            "--tcp-flags" => known(is_first_packet(value, second)),
            "--dst-type" => known(listed(&["UNICAST"])),
            "--src-type" if is_output => known(listed(&["LOCAL"])),
            "--ctstate" | "--state" => known(listed(&["NEW"])),
            "-d" | "-s" if ANYWHERE.contains(&value) => known(true),
            // From and to this host itself.
            "-d" if !is_loopback(value) => match prefix(value) {
                Some((ip, length)) => {
                    self.destinations.push((negated, ip, length));
                    Applies::Fully
                }
                None => Applies::Partly,
            },
            "-d" => loopback(is_loopback(value), negated),
            "-s" => loopback(is_loopback(value), negated),
            "-o" | "-i" => loopback(value == "lo", negated),
            _ => Applies::Partly,
        };
        self.others = self.others.min(applies);
    }

    /// How many of the connections to this port it applies to; without a port to any. Of an address that is not given a
    /// rule for some addresses applies to a part.
    pub(crate) fn applies(&self, port: Option<u16>, address: Option<IpAddr>) -> Applies {
        let others = self.destinations.iter().fold(self.others, |others, (negated, ip, length)| {
            others.min(match address {
                None => Applies::Partly,
                Some(address) if is_within(address, *ip, *length) != *negated => Applies::Fully,
                Some(_) => Applies::Never,
            })
        });
        let Some(port) = port else { return others };
        let matches = |(negated, list): &(bool, Vec<RangeInclusive<u16>>)| {
            list.iter().any(|range| range.contains(&port)) != *negated
        };
        if self.ports.iter().all(matches) { others } else { Applies::Never }
    }

    /// Whether it has a condition about the port.
    pub(crate) fn names_port(&self) -> bool {
        self.ports.iter().any(|(negated, _)| !negated)
    }

    /// The ports of its first condition about them; all if it has none.
    pub(crate) fn named_ports(&self) -> Vec<RangeInclusive<u16>> {
        let named = self.ports.iter().find(|(negated, _)| !negated);
        named.map_or_else(|| vec![1..=u16::MAX], |(_, list)| list.clone())
    }

    pub(crate) fn rule(&self) -> &Rule<'r> {
        &self.rule
    }
}

#[expect(clippy::ptr_arg, reason = "it is given to next_if")]
fn is_value(word: &Cow<'_, str>) -> bool {
    !word.starts_with('-') && word != "!"
}

fn is_loopback(address: &str) -> bool {
    address.starts_with("127.") || address.starts_with("::1")
}

/// `10.0.0.0/8`, `198.51.100.7`; none with a mask that is not a prefix.
fn prefix(text: &str) -> Option<(IpAddr, u8)> {
    let (ip, length) = text.split_once('/').map_or((text, None), |(ip, length)| (ip, Some(length)));
    let ip: IpAddr = ip.parse().ok()?;
    let longest = if ip.is_ipv4() { 32 } else { 128 };
    let length = length.map_or(Some(longest), |length| length.parse().ok())?;
    (length <= longest).then_some((ip, length))
}

fn is_within(address: IpAddr, ip: IpAddr, length: u8) -> bool {
    let bits = |ip: IpAddr| match ip {
        IpAddr::V4(ip) => (u128::from(ip.to_bits()) << 96, 32),
        IpAddr::V6(ip) => (ip.to_bits(), 128),
    };
    let ((own, longest), (other, of)) = (bits(address), bits(ip));
    let differs = own ^ other;
    longest == of && (length == 0 || differs >> (128 - u32::from(length)) == 0)
}

fn loopback(is_loopback: bool, negated: bool) -> Applies {
    match (is_loopback, negated) {
        (true, true) => Applies::Fully,
        (true, false) => Applies::Never,
        _ => Applies::Partly,
    }
}

/// `10351`, `10300:10400`, `:1024`.
fn range(text: &str) -> Option<RangeInclusive<u16>> {
    let Some((first, last)) = text.split_once(':') else {
        let port = text.parse().ok()?;
        return Some(port..=port);
    };
    let bound = |text: &str, default| if text.is_empty() { Some(default) } else { text.parse().ok() };
    Some(bound(first, 0)?..=bound(last, u16::MAX)?)
}

fn is_every_port(range: &RangeInclusive<u16>) -> bool {
    *range.start() <= 1 && *range.end() == u16::MAX
}

/// Whether the first packet of a connection, which has only SYN, matches.
fn is_first_packet(mask: &str, flags: &str) -> bool {
    let has = |list: &str, flag: &str| list.split(',').any(|one| one == flag || one == "ALL");
    let others = ["FIN", "RST", "PSH", "ACK", "URG"].iter().any(|flag| has(mask, flag) && has(flags, flag));
    !others && has(mask, "SYN") == has(flags, "SYN")
}

fn target<'r>(name: Cow<'r, str>, is_goto: bool, options: impl Iterator<Item = Cow<'r, str>>) -> Target<'r> {
    if is_goto {
        return Target::Chain(name, true);
    }
    match &*name {
        "DNAT" => {
            let mut options = options.skip_while(|word| word != "--to-destination");
            Target::Dnat(options.nth(1).unwrap_or_default())
        }
        "" => Target::Continues,
        name if CONTINUES.contains(&name) => Target::Continues,
        known if ENDS.contains(&known) => Target::Ends(name),
        _ => Target::Chain(name, false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applies(text: &str, base: &str) -> Applies {
        Conditions::of(&Rule { counters: None, chain: base, text }, base).applies(Some(10351), None)
    }

    #[test]
    fn conditions_about_the_port_are_exact() {
        use Applies::{Fully, Never};
        for (text, want) in [
            ("", Fully),
            ("-p tcp", Fully),
            ("-p udp", Never),
            ("! -p udp -j ACCEPT", Fully),
            ("-p tcp -m tcp --dport 10351", Fully),
            ("-p tcp -m tcp --dport 10350", Never),
            ("-p tcp -m tcp ! --dport 10350", Fully),
            ("-p tcp -m tcp ! --dport 10351", Never),
            ("-p tcp -m tcp --dport 10300:10400", Fully),
            ("-p tcp -m tcp --dport :10350", Never),
            ("-p tcp -m tcp --dport 10351:", Fully),
            ("-p tcp -m multiport --dports 22,10351", Fully),
            ("-p tcp -m multiport --dports 22,10300:10400", Fully),
            ("-p tcp -m multiport ! --dports 22,10351", Never),
            ("-p tcp -m multiport --ports 10351", Fully),
            ("-p tcp -m tcp --dport 10351 --tcp-flags FIN,SYN,RST,ACK SYN -j X", Fully),
            ("-p tcp -m tcp --tcp-flags SYN,ACK SYN,ACK", Never),
            ("-p tcp -m tcp ! --tcp-flags FIN,SYN,RST,ACK SYN", Never),
            ("-m comment --comment \"-p udp\" -j X", Fully),
            ("-p tcp -m tcp --sport 1:65535", Fully),
            ("-p tcp -m tcp ! --sport 0:65535", Never),
        ] {
            assert_eq!(applies(text, "OUTPUT"), want, "{text}");
        }
    }

    #[test]
    fn conditions_about_anything_else_apply_partly_or_never() {
        use Applies::{Fully, Never, Partly};
        for (text, output, prerouting) in [
            ("-m addrtype --dst-type LOCAL", Never, Never),
            ("-m addrtype ! --dst-type LOCAL", Fully, Fully),
            ("-m addrtype --src-type LOCAL", Fully, Partly),
            ("-d 127.0.0.0/8", Never, Never),
            ("! -d ::1/128", Fully, Fully),
            ("-d 10.0.0.0/8", Partly, Partly),
            ("! -s 10.0.0.0/8", Partly, Partly),
            ("-o lo", Never, Never),
            ("! -o lo", Fully, Fully),
            ("-o eth0", Partly, Partly),
            ("-m conntrack --ctstate NEW,RELATED", Fully, Fully),
            ("-m conntrack --ctstate ESTABLISHED", Never, Never),
            ("-m owner --uid-owner 0", Partly, Partly),
            ("-m set --match-set x dst", Partly, Partly),
            ("-p tcp -m nft --dport 10351", Fully, Fully),
            ("-p tcp -m nft --more --dport 10351", Partly, Partly),
            ("-p tcp -m tcp --sport 7", Partly, Partly),
        ] {
            assert_eq!((applies(text, "OUTPUT"), applies(text, "PREROUTING")), (output, prerouting), "{text}");
        }
    }

    #[test]
    fn destination_is_decided_for_an_address() {
        use Applies::{Fully, Never, Partly};
        let of = |text: &str, address: &str| {
            let rule = Rule { counters: None, chain: "OUTPUT", text };
            Conditions::of(&rule, "OUTPUT").applies(Some(10351), Some(address.parse().unwrap()))
        };
        for (text, address, want) in [
            ("-d 198.51.100.0/24", "198.51.100.7", Fully),
            ("-d 198.51.100.0/24", "198.51.101.7", Never),
            ("! -d 198.51.100.0/24", "198.51.100.7", Never),
            ("! -d 198.51.100.0/24", "198.51.101.7", Fully),
            ("-d 198.51.100.7/32", "198.51.100.7", Fully),
            ("-d 198.51.100.7/32 -o eth0", "198.51.100.7", Partly),
            ("-d 198.51.100.0/255.0.255.0", "198.51.100.7", Partly),
            ("-d 2001:db8::/32", "2001:db8:1::1", Fully),
            ("-d 2001:db8::/32", "2001:db9::1", Never),
        ] {
            assert_eq!(of(text, address), want, "{text} {address}");
        }
    }
}
