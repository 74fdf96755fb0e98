//! Finds the rule that decides about new TCP connections to a port of another host.

use std::collections::HashMap;
use std::net::IpAddr;
use std::ops::RangeInclusive;

use crate::connection::{Applies, Conditions, Target};
use crate::owner::{Name, named};
use crate::save::{Line, Rule, Table};

/// The limit of chains within chains; the kernel's is 16.
const DEEPEST: usize = 20;
/// The limit of rules that are evaluated for one port.
const MOST_STEPS: usize = 1 << 20;

/// What the caller knows about a rule before it is evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// Nothing.
    Nothing,
    /// It will be removed.
    Gone,
    /// It decides; what it does is known.
    Decides,
}

/// A rule that decides, or may decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deciding<'t> {
    /// The rule.
    pub rule: Rule<'t>,
    /// What it does.
    pub verdict: Verdict<'t>,
}

/// What a rule does with the connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict<'t> {
    /// It redirects them to this address and port.
    Dnat(&'t str),
    /// Something else: it accepts them, or redirects them to this host.
    Other,
    /// Its chain could not be read.
    Unknown,
}

/// The rules that decide about a port.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Decision<'t> {
    /// The rule that decides about all connections that no earlier one took; none if no rule does.
    pub by: Option<Deciding<'t>>,
    /// Rules before it for a part of the connections, such as those to an address.
    pub partly: Vec<Deciding<'t>>,
}

/// A rule that redirects connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redirecting<'t> {
    /// The rule.
    pub rule: Rule<'t>,
    /// The address and port.
    pub to: &'t str,
    /// The ports that it is for.
    pub ports: Vec<RangeInclusive<u16>>,
}

/// The rules that new connections pass, from one chain of the kernel on.
#[derive(Debug, Clone)]
pub struct Path<'t> {
    base: &'t str,
    chains: HashMap<&'t str, Vec<Conditions<'t>>>,
    except: &'t [Name],
}

enum Flow {
    Continues,
    Returns,
    Decided,
}

struct Walk<'p, 't, K> {
    port: u16,
    address: Option<IpAddr>,
    known: K,
    steps: usize,
    path: &'p Path<'t>,
    decision: Decision<'t>,
}

/// The rules of each chain of a table, for the paths through it.
#[derive(Debug, Clone, Default)]
pub struct Chains<'t>(HashMap<&'t str, Vec<&'t [Line<'t>]>>);

impl<'t> Chains<'t> {
    /// The chains that a table declares; none without a table.
    pub fn of(table: Option<&'t Table<'t>>) -> Chains<'t> {
        let Some(table) = table else { return Chains::default() };
        let mut chains = Chains(table.chains().map(|chain| (chain.name, Vec::new())).collect());
        // The rules of a chain are usually printed together.
        for lines in table.lines.chunk_by(|a, b| chain_of(a) == chain_of(b)) {
            if let Some(rules) = lines.first().and_then(chain_of).and_then(|name| chains.0.get_mut(name)) {
                rules.push(lines);
            }
        }
        chains
    }

    fn rules(&self, chain: &str) -> impl Iterator<Item = &'t Rule<'t>> {
        let lines = self.0.get(chain).into_iter().flatten().flat_map(|lines| lines.iter());
        lines.filter_map(|line| if let Line::Rule(rule) = line { Some(rule) } else { None })
    }
}

/// The chain of a rule.
fn chain_of<'t>(line: &Line<'t>) -> Option<&'t str> {
    if let Line::Rule(rule) = line { Some(rule.chain) } else { None }
}

impl<'t> Path<'t> {
    /// The rules from a chain of the kernel on, without chains that never decide about such connections.
    pub fn of(all: &Chains<'t>, base: &'t str, except: &'t [Name]) -> Path<'t> {
        let mut chains: HashMap<&'t str, Vec<Conditions<'t>>> = HashMap::new();
        let mut next: Vec<&str> = vec![base];
        while let Some(name) = next.pop() {
            let Some((&name, _)) = all.0.get_key_value(name).filter(|_| !chains.contains_key(name)) else { continue };
            let rules: Vec<Conditions<'t>> = all.rules(name).map(|rule| Conditions::of(rule, base)).collect();
            let targets = rules.iter().filter_map(|rule| rule.chain(except));
            next.extend(targets.filter_map(|name| all.0.get_key_value(name)).map(|(&name, _)| name));
            chains.insert(name, rules);
        }
        Path { base, chains, except }
    }

    /// The rules of a chain that redirect connections to an address; none if connections cannot get to the chain.
    pub fn redirecting(&self, chain: &str) -> Option<Vec<Redirecting<'t>>> {
        let redirecting = |conditions: &Conditions<'t>| {
            let Target::Dnat(_) = &conditions.target else { return None };
            let ports = conditions.named_ports();
            let is_ever =
                |range: &RangeInclusive<u16>| conditions.applies(Some(*range.start()), None) != Applies::Never;
            let ports: Vec<_> = ports.into_iter().filter(is_ever).collect();
            let rule = *conditions.rule();
            (!ports.is_empty()).then(|| Redirecting { rule, to: destination(&rule), ports })
        };
        Some(self.chains.get(chain)?.iter().filter_map(redirecting).collect())
    }

    /// The rule that decides about connections to this port.
    pub fn decide(&self, port: u16, known: impl Fn(&Rule<'t>) -> Known) -> Decision<'t> {
        self.decide_for(port, None, known)
    }

    /// The rule that decides about connections to this port of this address, if it is given.
    pub fn decide_for(&self, port: u16, address: Option<IpAddr>, known: impl Fn(&Rule<'t>) -> Known) -> Decision<'t> {
        let mut walk = Walk { port, address, known, steps: 0, path: self, decision: Decision::default() };
        walk.chain(self.base, false, false, 0);
        walk.decision
    }
}

impl<'t> Conditions<'t> {
    /// The chain whose rules decide next about such connections, if it is not one of the exceptions.
    pub(crate) fn chain(&self, except: &[Name]) -> Option<&str> {
        match &self.target {
            Target::Chain(name, _) if !named(except, name) => Some(name),
            _ => None,
        }
    }

    /// The chain to read before it is known what it does.
    pub(crate) fn follows(&self, except: &[Name]) -> Option<&str> {
        let applies = self.applies(None, None);
        self.chain(except).filter(|_| applies != Applies::Never)
    }

    /// Whether it is for this part of the connections only by conditions that are not about the port.
    pub(crate) fn is_by_others(&self) -> bool {
        self.applies(None, None) == Applies::Partly && !self.names_port()
    }
}

impl<'t, K: Fn(&Rule<'t>) -> Known> Walk<'_, 't, K> {
    /// Evaluates a chain: all of it, or the part of the connections that reaches it.
    fn chain(&mut self, name: &str, is_part: bool, names_port: bool, depth: usize) -> Flow {
        let path = self.path;
        let Some(rules) = path.chains.get(name) else { return Flow::Continues };
        for conditions in rules {
            self.steps += 1;
            match (self.known)(conditions.rule()) {
                Known::Gone => continue,
                Known::Decides if !is_part => return Flow::Decided,
                Known::Decides | Known::Nothing => {}
            }
            let is_part = match conditions.applies(Some(self.port), self.address) {
                Applies::Never => continue,
                Applies::Partly => true,
                Applies::Fully => is_part,
            };
            let names_port = names_port || conditions.names_port();
            let verdict = match &conditions.target {
                Target::Continues => continue,
                Target::Ends(name) if name == "RETURN" && depth > 0 => {
                    if is_part {
                        continue;
                    }
                    return Flow::Returns;
                }
                Target::Ends(_) => Verdict::Other,
                Target::Dnat(_) => Verdict::Dnat(destination(conditions.rule())),
                Target::Chain(name, is_goto) => {
                    if named(path.except, name) {
                        continue;
                    }
                    if !path.chains.contains_key(&**name) || depth == DEEPEST || self.steps > MOST_STEPS {
                        Verdict::Unknown
                    } else {
                        match self.chain(name, is_part, names_port, depth + 1) {
                            Flow::Decided => return Flow::Decided,
                            _ if !is_goto || is_part => continue,
                            _ if depth > 0 => return Flow::Returns,
                            _ => Verdict::Other,
                        }
                    }
                }
            };
            let deciding = Deciding { rule: *conditions.rule(), verdict };
            if !is_part {
                self.decision.by = Some(deciding);
                return Flow::Decided;
            }
            // A chain that was not read is left out if it is not known to be about the port: it may be one of very many.
            if names_port || verdict != Verdict::Unknown {
                self.decision.partly.push(deciding);
            }
        }
        Flow::Continues
    }
}

/// The value of `--to-destination`, which has no quotes.
fn destination<'t>(rule: &Rule<'t>) -> &'t str {
    let after = rule.text.rsplit_once("--to-destination ").map_or("", |(_, after)| after);
    after.split(' ').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::save::Save;

    const DNAT: &str = "-j DNAT --to-destination 192.0.2.1:10003";

    fn decided(rules: &str, known: impl Fn(&Rule<'_>) -> Known) -> (String, usize) {
        let made = ["A", "B", "KUBE-SERVICES"].map(|name| format!(":{name} - [0:0]\n")).concat();
        let rules: String = rules.split(';').map(|rule| format!("-A {}\n", rule.trim())).collect();
        let text = format!("*nat\n:OUTPUT ACCEPT [0:0]\n{made}{rules}COMMIT\n");
        let save = Save::parse(&text).unwrap();
        let except = [Name::Beginning("KUBE-".into())];
        let decision = Path::of(&Chains::of(save.table("nat")), "OUTPUT", &except).decide(10351, known);
        let by = decision.by.map(|by| format!("{} {}: {:?}", by.rule.chain, by.rule.text, by.verdict));
        (by.unwrap_or_default(), decision.partly.len())
    }

    #[test]
    fn first_rule_that_applies_decides() {
        let port = "-p tcp -m tcp --dport 10351";
        for (rules, want) in [
            (
                format!("OUTPUT -j LOG; OUTPUT {port} {DNAT}"),
                format!("OUTPUT {port} {DNAT}: Dnat(\"192.0.2.1:10003\")"),
            ),
            (
                format!("OUTPUT -p udp -j ACCEPT; OUTPUT {port} -j REDIRECT --to-ports 9"),
                format!("OUTPUT {port} -j REDIRECT --to-ports 9: Other"),
            ),
            (
                format!("OUTPUT -j A; OUTPUT {port} {DNAT}; A -j RETURN; A -j ACCEPT"),
                format!("OUTPUT {port} {DNAT}: Dnat(\"192.0.2.1:10003\")"),
            ),
            (
                format!("OUTPUT -j A; OUTPUT {port} {DNAT}; A -j B; B -p tcp -j ACCEPT"),
                "B -p tcp -j ACCEPT: Other".into(),
            ),
            (format!("OUTPUT -g A; OUTPUT {port} {DNAT}; A -p udp -j ACCEPT"), "OUTPUT -g A: Other".into()),
            (
                format!("OUTPUT -j A; OUTPUT {port} {DNAT}; A -g B; A -j ACCEPT; B -p udp -j ACCEPT"),
                format!("OUTPUT {port} {DNAT}: Dnat(\"192.0.2.1:10003\")"),
            ),
            (
                format!("OUTPUT -j KUBE-SERVICES; OUTPUT {port} {DNAT}; KUBE-SERVICES -j ACCEPT"),
                format!("OUTPUT {port} {DNAT}: Dnat(\"192.0.2.1:10003\")"),
            ),
            (format!("OUTPUT -j GONE; OUTPUT {port} {DNAT}"), "OUTPUT -j GONE: Unknown".into()),
            ("OUTPUT -j RETURN; OUTPUT -j ACCEPT".into(), "OUTPUT -j RETURN: Other".into()),
            ("OUTPUT -j A; A -j B; B -j A".into(), "B -j A: Unknown".into()),
            ("A -j ACCEPT".into(), String::new()),
        ] {
            assert_eq!(decided(&rules, |_| Known::Nothing), (want, 0), "{rules}");
        }
    }

    #[test]
    fn rules_for_a_part_are_listed() {
        let net = "-d 198.51.100.0/24";
        for (rules, want) in [
            (format!("OUTPUT {net} -p tcp -m tcp --dport 10351 -j A; A -j ACCEPT"), 1),
            (format!("OUTPUT {net} -j ACCEPT"), 1),
            (format!("OUTPUT {net} -j RETURN"), 1),
            (format!("OUTPUT {net} -j A; A -p tcp -j ACCEPT"), 1),
            ("OUTPUT -m iprange --dst-range 198.51.100.1-198.51.100.9 -j ACCEPT".to_owned(), 1),
            ("OUTPUT -m mark --mark 0x1 -j REDIRECT; OUTPUT -m time --timestart 08:00:00 -j ACCEPT".to_owned(), 2),
            // Of chains that do not take the port, and of services and containers.
            (format!("OUTPUT {net} -j A; A -p tcp -m tcp --dport 80 -j ACCEPT; A -j RETURN"), 0),
            (format!("OUTPUT {net} -p tcp -m tcp --dport 80 -j ACCEPT"), 0),
            (format!("OUTPUT {net} -p udp -j ACCEPT"), 0),
            (format!("OUTPUT {net} -j KUBE-SERVICES; KUBE-SERVICES -j ACCEPT"), 0),
            ("OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j A; A -j ACCEPT".to_owned(), 0),
            // Not read: it counts only if it names the port.
            (format!("OUTPUT {net} -j NOT-READ"), 0),
            (format!("OUTPUT {net} -p tcp -m tcp --dport 10351 -j NOT-READ"), 1),
        ] {
            let (by, partly) = decided(&format!("{rules}; OUTPUT -p tcp {DNAT}"), |_| Known::Nothing);
            assert!(by.starts_with("OUTPUT -p tcp -j DNAT") && partly == want, "{rules}: {by} {partly}");
        }
    }

    #[test]
    fn rules_that_redirect_are_listed_with_their_ports() {
        let list = |rules: &str| {
            let rules: String = rules.split(';').map(|rule| format!("-A {}\n", rule.trim())).collect();
            let text = format!("*nat\n:OUTPUT ACCEPT [0:0]\n:A - [0:0]\n{rules}COMMIT\n");
            let save = Save::parse(&text).unwrap();
            let found = Path::of(&Chains::of(save.table("nat")), "OUTPUT", &[]).redirecting("A");
            found.map(|found| found.into_iter().flat_map(|rule| rule.ports).collect::<Vec<_>>())
        };
        for (rule, want) in [
            ("-p tcp -m tcp --dport 10351", vec![10351..=10351]),
            ("-p tcp -m multiport --dports 22,10350:10351", vec![22..=22, 10350..=10351]),
            ("-s 10.0.0.0/8 -p tcp -m tcp --dport 10351", vec![10351..=10351]),
            ("-p tcp", vec![1..=65535]),
            ("-p udp -m udp --dport 10351", vec![]),
        ] {
            assert_eq!(list(&format!("OUTPUT -j A; A {rule} {DNAT}")), Some(want), "{rule}");
        }
        assert_eq!(list("OUTPUT -j A; A -p tcp -j ACCEPT"), Some(vec![]));
        assert_eq!(list(&format!("A -p tcp {DNAT}")), None);
    }

    #[test]
    fn known_rules_are_not_evaluated() {
        let rules = format!("OUTPUT -p tcp -j ACCEPT; OUTPUT -j A; OUTPUT -p tcp {DNAT}");
        let known = |target: &'static str, known| {
            move |rule: &Rule<'_>| if rule.text.ends_with(target) { known } else { Known::Nothing }
        };
        assert!(decided(&rules, known("ACCEPT", Known::Gone)).0.contains("DNAT"));
        assert_eq!(
            decided(&rules.replace("-p tcp -j ACCEPT", "-p udp -j ACCEPT"), known("-j A", Known::Decides)).0,
            ""
        );
    }
}
