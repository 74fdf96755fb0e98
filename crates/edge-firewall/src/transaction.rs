//! A change of rules as an action of edge-host, and its undo.

use std::collections::BTreeSet;
use std::time::Duration;

use edge_host::action::{Script, Transaction};
use edge_host::{Editor, Result, ResultExt, Root};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::backend::{Backend, Family};
use crate::host::{Firewall, View};
use crate::limit::Limit;
use crate::owned::Owned;
use crate::owner::Owner;
use crate::read::Seen;
use crate::scope::Scope;
use crate::script::script;

const KIND: &str = "iptables";
/// In addition to the time for waiting for the lock.
const DEADLINE: Duration = Duration::from_secs(60);

/// The record of a change in the journal.
#[derive(Debug, Serialize, Deserialize)]
struct RuleChange {
    backend: Backend,
    family: Family,
    table: String,
    owner: Owner,
    /// What the owner had before.
    before: Owned,
    /// Rules of the owner in the chains of other owners, before or after: chain and rule. They identify its rules if iptables
    /// cannot show the chain.
    #[serde(default)]
    placed: Vec<(String, String)>,
    lock_seconds: u64,
}

/// The change of a table to what the owner should have; `None` if nothing differs.
///
/// `lock_wait` is how long iptables-restore waits for the lock of x_tables. nf_tables has no lock, and its programs retry
/// after a concurrent change.
pub fn transaction(
    view: &View<'_>,
    table: &str,
    owner: &Owner,
    desired: &Owned,
    lock_wait: Duration,
) -> Result<Option<Transaction>> {
    let View { seen, save } = view;
    let Some(text) = script(table, save.table(table), owner, desired) else { return Ok(None) };
    let before = Owned::of(save.table(table), owner);
    let placed = before.placed.iter().chain(&desired.placed).map(|placed| (placed.chain.clone(), placed.rule.clone()));
    let change = RuleChange {
        backend: seen.backend,
        family: seen.family,
        table: table.to_owned(),
        owner: owner.clone(),
        placed: placed.collect::<BTreeSet<_>>().into_iter().collect(),
        before,
        lock_seconds: lock_wait.as_secs(),
    };
    let object = object(table, seen, owner);
    let data = serde_json::to_value(&change).on("record", format!("the change of {object}"))?;
    Ok(Some(Transaction { script: restore(&seen.restore, text, lock_wait), object, kind: KIND.to_owned(), data }))
}

/// What a change touches. A record of an older version names the table alone, which overlaps with the change of any owner.
fn object(table: &str, seen: &Seen, owner: &Owner) -> String {
    let part = if owner.name.is_empty() { String::new() } else { format!("#{}", owner.name) };
    format!("table {table} of {}-{}{part}", seen.family.program(), seen.backend)
}

/// The script for a program.
pub(crate) fn restore(program: &str, text: String, lock_wait: Duration) -> Script {
    let wait = format!("--wait={}", lock_wait.as_secs());
    let argv = [program, "--noflush", "--counters", &wait].map(str::to_owned).to_vec();
    Script { argv, text, deadline: DEADLINE + lock_wait }
}

/// Reverts changes of rules: changes what the owner has now to what it had before.
#[derive(Debug, Clone, Copy)]
pub struct Rules;

impl Editor for Rules {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn revert_script(&self, data: &Value) -> Result<Option<Script>> {
        let change: RuleChange = serde_json::from_value(data.clone()).on("read", "the record of a change of rules")?;
        let chains: BTreeSet<&String> = change.placed.iter().map(|(chain, _)| chain).collect();
        let scope = Scope {
            table: change.table.clone(),
            owner: change.owner.clone(),
            chains: chains.into_iter().cloned().collect(),
            follow_except: None,
            placed: change.placed.clone(),
            limit: Limit::default(),
        };
        let firewall = Firewall::read(&Root::live()?, &[change.family], &scope)?;
        let backend = firewall.named(change.backend, change.family)?;
        let Some(seen) = firewall.get(backend, change.family) else { return Ok(None) };
        if let Some(error) = &seen.unreadable {
            return Err(error.clone());
        }
        let save = seen.parse()?;
        let lock_wait = Duration::from_secs(change.lock_seconds);
        let text = script(&change.table, save.table(&change.table), &change.owner, &change.before);
        Ok(text.map(|text| restore(&seen.restore, text, lock_wait)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::owned::OwnedChain;
    use crate::owner::Name;

    const SAVE: &str = "*nat\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n";

    #[test]
    fn transaction_names_its_owner_and_old_records_are_reverted() {
        let seen = Seen {
            backend: Backend::Nft,
            family: Family::V4,
            restore: "iptables-nft-restore".into(),
            text: SAVE.into(),
            notes: Vec::new(),
            earlier: Vec::new(),
            unreadable: None,
        };
        let view = View { seen: &seen, save: seen.parse().unwrap() };
        let desired = Owned { chains: vec![OwnedChain { name: "A".into(), rules: Vec::new() }], placed: Vec::new() };
        for (name, want) in [("", "table nat of iptables-nft"), ("A", "table nat of iptables-nft#A")] {
            let owner = Owner { name: name.into(), chains: vec![Name::Exactly("A".into())], ..Owner::default() };
            let made = transaction(&view, "nat", &owner, &desired, Duration::ZERO).unwrap().unwrap();
            assert_eq!(made.object, want);
            let read: RuleChange = serde_json::from_value(made.data).unwrap();
            assert_eq!(read.owner, owner);
        }
        let old = r#"{"backend":"nft","family":"v4","table":"nat","owner":{"chains":[{"exactly":"EDGEUTILS-STREAM"}],
            "comments":[],"rules":[]},"before":{"chains":[],"placed":[]},"placed":[],"lock_seconds":60}"#;
        assert!(serde_json::from_str::<RuleChange>(old).is_ok());
    }
}
