//! The tables of nf_tables that programs have for themselves, which iptables does not show; and the removal of tables,
//! chains and rules with nft.

use std::fmt::Write;
use std::time::Duration;

use edge_host::action::Script;
use edge_host::{Cmd, Error, Result, SEARCH_PATH};
use serde::Deserialize;
use serde_json::Value;

use crate::earlier::{LIST_TABLES, PROGRAM, tables};
use crate::host::has_no_backend;

/// The limit of the output of nft.
const LARGEST: usize = 64 << 20;
const DEADLINE: Duration = Duration::from_secs(60);

/// A table with its chains and rules.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NftTable {
    /// `ip`, `ip6`, `inet`, `bridge`.
    pub family: String,
    /// Its name.
    pub name: String,
    /// The names of its chains.
    pub chains: Vec<String>,
    /// Its rules.
    pub rules: Vec<TableRule>,
}

/// A rule of such a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableRule {
    /// Its chain.
    pub chain: String,
    /// Its number for `nft delete rule`.
    pub handle: u64,
    /// Its comment.
    pub comment: Option<String>,
    /// The chain that it jumps to.
    pub target: Option<String>,
    /// It has a comment of iptables, which nft does not show.
    pub has_hidden_comment: bool,
}

#[derive(Deserialize)]
struct Document {
    nftables: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    #[serde(default)]
    table: Option<Named>,
    #[serde(default)]
    chain: Option<Named>,
    #[serde(default)]
    rule: Option<RuleItem>,
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

#[derive(Deserialize)]
struct RuleItem {
    chain: String,
    handle: u64,
    #[serde(default)]
    comment: Option<String>,
    #[serde(default)]
    expr: Vec<Value>,
}

/// Whether this host has nft.
pub fn has_nft() -> bool {
    which::which_in(PROGRAM, Some(SEARCH_PATH), "/").is_ok()
}

/// Family and name of every table; none without nft. A kernel without nf_tables has no tables.
///
/// Errors: nft fails, or its output is not understood.
pub fn nft_tables() -> Result<Option<Vec<(String, String)>>> {
    if !has_nft() {
        return Ok(None);
    }
    let cmd = Cmd::find(PROGRAM)?.args(LIST_TABLES).keep_output(LARGEST);
    let text = match cmd.run() {
        Err(error) if has_no_backend(&error) => return Ok(Some(Vec::new())),
        ran => ran?.stdout,
    };
    let found: Vec<(String, String)> =
        tables(&text).into_iter().map(|(family, name)| (family.to_owned(), name.to_owned())).collect();
    if found.is_empty() && !text.trim().is_empty() {
        return Err(Error::cannot("parse", format!("the output of {}", cmd.shown()), "it names no tables"));
    }
    Ok(Some(found))
}

impl NftTable {
    /// Reads one table with its chains and rules.
    ///
    /// Errors: also if it was removed in the meantime.
    pub fn read(family: &str, name: &str) -> Result<NftTable> {
        let cmd = Cmd::find(PROGRAM)?.args(["-j", "list", "table", family, name]).keep_output(LARGEST);
        let json = cmd.run()?.stdout;
        NftTable::parse(family, name, &json)
            .map_err(|error| Error::cannot("parse", format!("the output of {}", cmd.shown()), error.to_string()))
    }

    /// It as nft prints it, and `nft -f` reads it.
    pub fn text(&self) -> Result<String> {
        let cmd = Cmd::find(PROGRAM)?.args(["list", "table", &self.family, &self.name]).keep_output(LARGEST);
        Ok(cmd.run_whole()?.stdout)
    }

    fn parse(family: &str, name: &str, json: &str) -> serde_json::Result<NftTable> {
        let document: Document = serde_json::from_str(json)?;
        let mut table = NftTable { family: family.to_owned(), name: name.to_owned(), ..NftTable::default() };
        let mut is_named = false;
        for item in document.nftables {
            is_named |= item.table.is_some_and(|table| table.name == name);
            table.chains.extend(item.chain.map(|chain| chain.name));
            table.rules.extend(item.rule.map(|rule| {
                let jump = |expr: &Value| {
                    let verdict = expr.get("jump").or_else(|| expr.get("goto"))?;
                    verdict.get("target")?.as_str().map(str::to_owned)
                };
                let target = rule.expr.iter().find_map(jump);
                let is_comment = |expr: &Value| expr.pointer("/xt/name").and_then(Value::as_str) == Some("comment");
                let has_hidden_comment = rule.expr.iter().any(is_comment);
                let RuleItem { chain, handle, comment, .. } = rule;
                TableRule { chain, handle, comment, target, has_hidden_comment }
            }));
        }
        if is_named {
            return Ok(table);
        }
        Err(serde::de::Error::custom(format!("it has no table {name}")))
    }
}

/// Something that nft removes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NftRemoval {
    /// A table with everything in it.
    Table {
        /// Its family.
        family: String,
        /// Its name.
        name: String,
    },
    /// A chain with its rules; rules that jump to it must be removed before.
    Chain {
        /// The family of its table.
        family: String,
        /// Its table.
        table: String,
        /// Its name.
        name: String,
    },
    /// A rule.
    Rule {
        /// The family of its table.
        family: String,
        /// Its table.
        table: String,
        /// Its chain.
        chain: String,
        /// Its number.
        handle: u64,
    },
}

/// The script for nft that removes all of these, or nothing.
///
/// Errors: a name that nft could not read.
pub fn nft_script(removals: &[NftRemoval]) -> Result<Script> {
    let [mut rules, mut flushes, mut chains, mut tables] = [const { String::new() }; 4];
    for removal in removals {
        let (family, table, chain) = match removal {
            NftRemoval::Table { family, name } => (family, name, None),
            NftRemoval::Chain { family, table, name: chain } | NftRemoval::Rule { family, table, chain, .. } => {
                (family, table, Some(chain))
            }
        };
        for name in [family, table].into_iter().chain(chain) {
            let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
            if name.is_empty() || !name.chars().all(is_plain) {
                return Err(Error::cannot(
                    "remove",
                    format!("{name:?} of {PROGRAM}"),
                    "its name has unusual characters",
                ));
            }
        }
        // Writing to a String cannot fail. Chains are flushed before the first is deleted, as they may jump to each other.
        let _ = match removal {
            NftRemoval::Rule { chain, handle, .. } => {
                writeln!(rules, "delete rule {family} {table} {chain} handle {handle}")
            }
            NftRemoval::Chain { name, .. } => {
                let _ = writeln!(chains, "delete chain {family} {table} {name}");
                writeln!(flushes, "flush chain {family} {table} {name}")
            }
            // Added first, so that it is not an error if the table is gone; `destroy` needs nft 1.0.8 and Linux 6.3.
            NftRemoval::Table { .. } => writeln!(tables, "add table {family} {table}\ndelete table {family} {table}"),
        };
    }
    let argv = [PROGRAM, "-f", "-"].map(str::to_owned).to_vec();
    Ok(Script { argv, text: rules + &flushes + &chains + &tables, deadline: DEADLINE })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What nft 1.0.6 printed for tables of the CNI plugins, without what is not read.
    const JSON: &str = r#"{"nftables": [{"metainfo": {"version": "1.0.6", "json_schema_version": 1}},
        {"table": {"family": "inet", "name": "cni_plugins_masquerade", "handle": 4}},
        {"chain": {"family": "inet", "table": "cni_plugins_masquerade", "name": "masq_checks", "handle": 1}},
        {"rule": {"family": "inet", "table": "cni_plugins_masquerade", "chain": "masq_checks", "handle": 5,
            "comment": "6fd94d501e58f0aa-287fc69eff0574a2, net: uplink, if: eth0, id: 0a1b", "expr": [{"match": {}}, {"masquerade": null}]}},
        {"rule": {"family": "inet", "table": "cni_plugins_masquerade", "chain": "postrouting", "handle": 9,
            "expr": [{"counter": null}, {"jump": {"target": "masq_checks"}}]}}]}"#;

    #[test]
    fn table_is_parsed_and_other_output_refused() {
        let table = NftTable::parse("inet", "cni_plugins_masquerade", JSON).unwrap();
        assert_eq!(table.chains, ["masq_checks"]);
        assert!(table.rules[0].comment.as_deref().unwrap().contains(", net: uplink, "));
        assert_eq!((table.rules[1].handle, table.rules[1].target.as_deref()), (9, Some("masq_checks")));
        for other in ["", "{}", "{\"nftables\": []}", &JSON.replace("\"handle\": 9", "\"handle\": true")] {
            assert!(NftTable::parse("inet", "cni_plugins_masquerade", other).is_err(), "{other}");
        }
    }

    #[test]
    fn script_removes_rules_first_and_refuses_names_that_are_not_plain() {
        let (family, table) = ("ip".to_owned(), "cni_hostport".to_owned());
        let removals = |name: &str| {
            [
                NftRemoval::Table { family: family.clone(), name: "flannel-ipv4".into() },
                NftRemoval::Chain { family: family.clone(), table: table.clone(), name: name.into() },
                NftRemoval::Rule { family: family.clone(), table: table.clone(), chain: "hostports".into(), handle: 7 },
            ]
        };
        assert_eq!(
            nft_script(&removals("a-b.c_1")).unwrap().text,
            "delete rule ip cni_hostport hostports handle 7\nflush chain ip cni_hostport a-b.c_1\n\
             delete chain ip cni_hostport a-b.c_1\nadd table ip flannel-ipv4\ndelete table ip flannel-ipv4\n"
        );
        for name in ["", "a b", "a\nflush ruleset", "a;b"] {
            assert!(nft_script(&removals(name)).is_err(), "{name}");
        }
    }
}
