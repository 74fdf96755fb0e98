//! Parses the output of `nft -j` for chains that iptables cannot show, as far as it is needed.

use serde::Deserialize;
use serde_json::Value;

/// A chain.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct NftChain {
    table: String,
    pub(crate) name: String,
    /// The hook; none for a chain that is only reached by jumps.
    #[serde(default)]
    pub(crate) hook: Option<String>,
    #[serde(default)]
    prio: Option<i64>,
}

/// A rule, as far as it is understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NftRule {
    /// `[7:420]`, if it has a counter.
    pub(crate) counters: Option<String>,
    /// The chain that it jumps to.
    pub(crate) target: Option<String>,
    /// A TCP port that it redirects, and the destination: `192.0.2.1:10003`.
    pub(crate) dnat: Option<(u64, String)>,
    /// Its number for `nft delete rule`.
    pub(crate) handle: u64,
}

#[derive(Deserialize)]
struct Document {
    nftables: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    #[serde(default)]
    chain: Option<NftChain>,
    #[serde(default)]
    rule: Option<Rule>,
}

#[derive(Deserialize)]
struct Rule {
    #[serde(default)]
    handle: u64,
    expr: Vec<Value>,
}

/// The chains of a table in the output of `nft -j list chains`; none for other output.
pub(crate) fn chains(json: &str, table: &str) -> Option<Vec<NftChain>> {
    let document: Document = serde_json::from_str(json).ok()?;
    let chains = document.nftables.into_iter().filter_map(|item| item.chain);
    Some(chains.filter(|chain| chain.table == table).collect())
}

/// The rules of a chain in the output of `nft -j list chain`, in order; none for other output.
pub(crate) fn rules(json: &str) -> Option<Vec<NftRule>> {
    let document: Document = serde_json::from_str(json).ok()?;
    Some(document.nftables.into_iter().filter_map(|item| item.rule).map(|rule| understood(&rule)).collect())
}

fn understood(rule: &Rule) -> NftRule {
    let find = |pointer: &str| rule.expr.iter().find_map(|expr| expr.pointer(pointer));
    let counters = find("/counter/packets").zip(find("/counter/bytes"));
    let target = find("/jump/target").or_else(|| find("/goto/target"));
    let is_port = |expr: &&Value| {
        let at = |pointer: &str| expr.pointer(pointer).and_then(Value::as_str);
        let field = (at("/match/left/payload/protocol"), at("/match/left/payload/field"));
        at("/match/op") == Some("==") && field == (Some("tcp"), Some("dport"))
    };
    let port = rule.expr.iter().find(is_port).and_then(|expr| expr.pointer("/match/right")?.as_u64());
    let to = find("/dnat/addr").and_then(Value::as_str).zip(find("/dnat/port").and_then(Value::as_u64));
    NftRule {
        counters: counters.map(|(packets, bytes)| format!("[{packets}:{bytes}]")),
        target: target.and_then(Value::as_str).map(str::to_owned),
        dnat: port.zip(to).map(|(port, (address, to))| {
            let address = if address.contains(':') { format!("[{address}]") } else { address.to_owned() };
            (port, format!("{address}:{to}"))
        }),
        handle: rule.handle,
    }
}

impl NftChain {
    /// Whether iptables-nft uses it as the chain of this name in table nat (`xtables_ipv4` of iptables/nft.c); true for names
    /// that are not chains of the kernel.
    pub(crate) fn is_hooked(&self) -> bool {
        let (hook, prio) = match (self.table.as_str(), self.name.as_str()) {
            ("nat", "PREROUTING") => ("prerouting", -100),
            ("nat", "OUTPUT") => ("output", -100),
            ("nat", "INPUT") => ("input", 100),
            ("nat", "POSTROUTING") => ("postrouting", 100),
            _ => return true,
        };
        self.hook.as_deref() == Some(hook) && self.prio == Some(prio)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_and_chains_are_parsed() {
        let json = r#"{"nftables": [{"metainfo": {"version": "1.0.6", "json_schema_version": 1}},
            {"chain": {"family": "ip", "table": "nat", "name": "OUTPUT", "handle": 3, "type": "nat", "hook": "output", "prio": -100, "policy": "accept"}},
            {"rule": {"family": "ip", "table": "nat", "chain": "OUTPUT", "handle": 5, "expr": [
                {"match": {"op": "==", "left": {"payload": {"protocol": "tcp", "field": "dport"}}, "right": 10350}},
                {"counter": {"packets": 1, "bytes": 2}}, {"dnat": {"addr": "2001:db8::2", "port": 10003}}]}},
            {"rule": {"family": "ip", "table": "nat", "chain": "OUTPUT", "handle": 10, "expr": [
                {"xt": {"type": "match", "name": "addrtype"}}, {"counter": {"packets": 0, "bytes": 0}}, {"jump": {"target": "X"}}]}},
            {"rule": {"family": "ip", "table": "nat", "chain": "OUTPUT", "handle": 11, "expr": [{"masquerade": null}]}}]}"#;
        let rules = rules(json).unwrap();
        assert_eq!(rules[0].dnat, Some((10350, "[2001:db8::2]:10003".to_owned())));
        assert_eq!((rules[0].counters.as_deref(), rules[0].target.as_deref()), (Some("[1:2]"), None));
        assert_eq!((rules[1].target.as_deref(), rules[1].handle), (Some("X"), 10));
        assert_eq!(rules[2], NftRule { counters: None, target: None, dnat: None, handle: 11 });
        let chains = chains(json, "nat").unwrap();
        assert!(chains[0].is_hooked());
        assert!(!NftChain { prio: Some(-90), ..chains[0].clone() }.is_hooked());
        assert!(!NftChain { hook: None, ..chains[0].clone() }.is_hooked());
        assert!(NftChain { hook: None, name: "mine".into(), ..chains[0].clone() }.is_hooked());
    }

    #[test]
    fn rules_refuses_other_output() {
        for text in ["", "[]", "{\"nftables\": 1}", "table ip nat {\n}\n", "{\"nftables\": [{\"rule\": {}}]}"] {
            assert!(rules(text).is_none(), "{text}");
        }
    }
}
