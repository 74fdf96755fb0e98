//! Rules that redirect a TCP port to an address, such as those of installation guides.

use std::borrow::Cow;

use crate::words::words;

/// A rule that redirects a TCP port to an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dnat<'r> {
    /// The port.
    pub port: u16,
    /// Where to, as it is written: `192.0.2.1:10003`.
    pub to: Cow<'r, str>,
    /// It has no other conditions than those of installation guides: a port, and perhaps that it is not for this host.
    pub is_plain: bool,
    /// It also redirects connections to this host itself.
    pub includes_local: bool,
}

impl<'r> Dnat<'r> {
    /// Reads a rule without its chain; none if it is another one.
    pub fn of(rule: &'r str) -> Option<Dnat<'r>> {
        if !rule.contains("DNAT") {
            return None;
        }
        let mut words = words(rule).peekable();
        let (mut port, mut to, mut is_dnat, mut is_tcp) = (None, None, false, false);
        let (mut is_plain, mut includes_local, mut negated) = (true, true, false);
        while let Some(word) = words.next() {
            if word == "!" {
                negated = true;
                continue;
            }
            // Some options have no value and some have two; a comment may look like an option.
            let is_value = |other: &Cow<'_, str>| word == "--comment" || !other.starts_with('-') && other != "!";
            let value = words.next_if(is_value).unwrap_or_default();
            match (&*word, &*value, negated) {
                ("-p", "tcp", false) => is_tcp = true,
                ("-m", "tcp" | "addrtype", _) => {}
                ("-m", "comment", _) | ("--comment", _, false) => {}
                ("--dport", ..) if !negated => port = value.parse().ok(),
                ("-j", "DNAT", _) => is_dnat = true,
                ("--to-destination", ..) => to = Some(value),
                ("-d", "127.0.0.0/8", true) | ("-d", "::1/128", true) | ("--dst-type", "LOCAL", true) => {
                    includes_local = false;
                }
                _ => is_plain = false,
            }
            negated = false;
        }
        (is_dnat && is_tcp).then_some(Dnat { port: port?, to: to?, is_plain, includes_local })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dnat_is_plain_without_other_conditions() {
        for (rule, want) in [
            ("-p tcp -m tcp --dport 10350 -j DNAT --to-destination 192.0.2.1:10003", Some((true, true))),
            (
                "! -d 127.0.0.0/8 -p tcp -m tcp --dport 10350 -j DNAT --to-destination 192.0.2.1:10003",
                Some((true, false)),
            ),
            ("-s 10.0.0.0/8 -p tcp -m tcp --dport 10350 -j DNAT --to-destination 192.0.2.1:10003", Some((false, true))),
            ("-p udp -m udp --dport 10350 -j DNAT --to-destination 192.0.2.1:10003", None),
            ("-p tcp -m tcp --dport 10350 -m comment --comment DNAT -j ACCEPT", None),
        ] {
            assert_eq!(Dnat::of(rule).map(|rule| (rule.is_plain, rule.includes_local)), want, "{rule}");
        }
    }
}
