//! Parses the output of `nft -j` for chains that iptables cannot show, as far as it is needed.

use serde::Deserialize;
use serde_json::Value;

/// A chain.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct NftChain {
    #[serde(default)]
    pub(crate) family: String,
    pub(crate) table: String,
    pub(crate) name: String,
    #[serde(default, rename = "type")]
    kind: Option<String>,
    /// The hook; none for a chain that is only reached by jumps.
    #[serde(default)]
    pub(crate) hook: Option<String>,
    #[serde(default)]
    pub(crate) prio: Option<i64>,
}

/// A rule, as far as it is understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NftRule {
    /// `[7:420]`, if it has a counter.
    pub(crate) counters: Option<String>,
    /// The chain that it jumps to.
    pub(crate) target: Option<String>,
    /// The rule in the words of iptables, with `-m nft`, and `--more` if it has conditions that are not understood.
    pub(crate) text: String,
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

/// The chains of the kernel of all tables in the output of `nft -j list chains`; none for other output.
pub(crate) fn hooks(json: &str) -> Option<Vec<NftChain>> {
    let document: Document = serde_json::from_str(json).ok()?;
    Some(document.nftables.into_iter().filter_map(|item| item.chain).filter(|chain| chain.hook.is_some()).collect())
}

/// The rules of a chain in the output of `nft -j list chain`, in order; none for other output.
pub(crate) fn rules(json: &str) -> Option<Vec<NftRule>> {
    let document: Document = serde_json::from_str(json).ok()?;
    Some(document.nftables.into_iter().filter_map(|item| item.rule).map(|rule| understood(&rule)).collect())
}

fn understood(rule: &Rule) -> NftRule {
    let find = |pointer: &str| rule.expr.iter().find_map(|expr| expr.pointer(pointer));
    let counters = find("/counter/packets").zip(find("/counter/bytes"));
    let (mut conditions, mut verdict, mut target) = (String::new(), None, None);
    let mut has_more = false;
    for expr in &rule.expr {
        let Some((kind, value)) = expr.as_object().and_then(|object| object.iter().next()) else { continue };
        match kind.as_str() {
            "counter" | "log" => {}
            "match" => match condition(value) {
                Some(condition) => conditions += &condition,
                None => has_more = true,
            },
            "accept" | "drop" | "return" | "redirect" | "masquerade" | "reject" => verdict = Some(kind.to_uppercase()),
            "jump" | "goto" => {
                target = value.get("target").and_then(Value::as_str).map(str::to_owned);
                verdict.clone_from(&target);
            }
            "dnat" => verdict = Some(dnat(value)),
            // What these do is unknown, such as targets of iptables.
            "xt" if value.get("type").and_then(Value::as_str) == Some("target") => verdict = Some(UNKNOWN.to_owned()),
            _ => has_more = true,
        }
    }
    let more = if has_more { " --more" } else { "" };
    let is_goto = rule.expr.iter().any(|expr| expr.get("goto").is_some());
    let jump = if is_goto { "-g" } else { "-j" };
    let verdict = match verdict {
        Some(verdict) => format!(" {jump} {verdict}"),
        None if has_more => format!(" -j {UNKNOWN}"),
        None => String::new(),
    };
    NftRule {
        counters: counters.map(|(packets, bytes)| format!("[{packets}:{bytes}]")),
        target,
        text: format!("{conditions}-m nft{more}{verdict}"),
        handle: rule.handle,
    }
}

/// The target of a rule whose target is unknown.
const UNKNOWN: &str = "nft";

/// A condition about the protocol or port of TCP, in the words of iptables.
fn condition(value: &Value) -> Option<String> {
    let at = |pointer: &str| value.pointer(pointer).and_then(Value::as_str);
    let negated = match at("/op")? {
        "==" => "",
        "!=" => "! ",
        _ => return None,
    };
    let right = value.get("right")?;
    if at("/left/meta/key") == Some("l4proto") || at("/left/payload/field") == Some("protocol") {
        return Some(format!("{negated}-p {} ", right.as_str()?));
    }
    if (at("/left/payload/protocol"), at("/left/payload/field")) != (Some("tcp"), Some("dport")) {
        return None;
    }
    if let Some(list) = right.get("set").and_then(Value::as_array) {
        let list: Vec<String> = list.iter().map(ports).collect::<Option<_>>()?;
        return Some(format!("-p tcp -m multiport {negated}--dports {} ", list.join(",")));
    }
    Some(format!("-p tcp -m tcp {negated}--dport {} ", ports(right)?))
}

fn ports(value: &Value) -> Option<String> {
    if let Some(port) = value.as_u64() {
        return Some(port.to_string());
    }
    let [first, last] = value.get("range")?.as_array()?.as_slice() else { return None };
    Some(format!("{}:{}", first.as_u64()?, last.as_u64()?))
}

fn dnat(value: &Value) -> String {
    let to = value.get("addr").and_then(Value::as_str).zip(value.get("port").and_then(Value::as_u64));
    let Some((address, port)) = to else { return UNKNOWN.to_owned() };
    let address = if address.contains(':') { format!("[{address}]") } else { address.to_owned() };
    format!("DNAT --to-destination {address}:{port}")
}

impl NftChain {
    /// Whether it translates addresses.
    pub(crate) fn is_nat(&self) -> bool {
        self.kind.as_deref() == Some("nat")
    }

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
        assert_eq!(rules[0].text, "-p tcp -m tcp --dport 10350 -m nft -j DNAT --to-destination [2001:db8::2]:10003");
        assert_eq!((rules[0].counters.as_deref(), rules[0].target.as_deref()), (Some("[1:2]"), None));
        assert_eq!((rules[1].target.as_deref(), rules[1].handle), (Some("X"), 10));
        assert_eq!(rules[1].text, "-m nft --more -j X");
        let text = "-m nft -j MASQUERADE".to_owned();
        assert_eq!(rules[2], NftRule { counters: None, target: None, text, handle: 11 });
        let chains = chains(json, "nat").unwrap();
        assert!(chains[0].is_hooked());
        assert!(!NftChain { prio: Some(-90), ..chains[0].clone() }.is_hooked());
        assert!(!NftChain { hook: None, ..chains[0].clone() }.is_hooked());
        assert!(NftChain { hook: None, name: "mine".into(), ..chains[0].clone() }.is_hooked());
    }

    #[test]
    fn rules_have_the_words_of_iptables() {
        let port = |right: &str| {
            format!(
                r#"{{"match": {{"op": "==", "left": {{"payload": {{"protocol": "tcp", "field": "dport"}}}}, "right": {right}}}}}"#
            )
        };
        for (expr, want) in [
            (format!("{}, {{\"accept\": null}}", port("{\"range\": [1, 9]}")), "-p tcp -m tcp --dport 1:9 -m nft -j ACCEPT"),
            (format!("{}, {{\"redirect\": {{\"port\": 9}}}}", port("{\"set\": [1, {\"range\": [3, 9]}]}")), "-p tcp -m multiport --dports 1,3:9 -m nft -j REDIRECT"),
            (format!("{}, {{\"return\": null}}", port("\"@named\"")), "-m nft --more -j RETURN"),
            (r#"{"match": {"op": "==", "left": {"meta": {"key": "l4proto"}}, "right": "udp"}}, {"goto": {"target": "X"}}"#.to_owned(), "-p udp -m nft -g X"),
            (r#"{"counter": {"packets": 0, "bytes": 0}}, {"log": {"prefix": "x"}}"#.to_owned(), "-m nft"),
            (r#"{"xt": {"type": "target", "name": "REDIRECT"}}"#.to_owned(), "-m nft -j nft"),
            (r#"{"vmap": {}}"#.to_owned(), "-m nft --more -j nft"),
        ] {
            let json = format!(r#"{{"nftables": [{{"rule": {{"handle": 1, "expr": [{expr}]}}}}]}}"#);
            assert_eq!(rules(&json).unwrap()[0].text, want);
        }
    }

    #[test]
    fn rules_refuses_other_output() {
        for text in ["", "[]", "{\"nftables\": 1}", "table ip nat {\n}\n", "{\"nftables\": [{\"rule\": {}}]}"] {
            assert!(rules(text).is_none(), "{text}");
        }
    }
}
