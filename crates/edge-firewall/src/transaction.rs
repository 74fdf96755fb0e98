//! A change of rules as an action of edge-host, and its way back.

use std::collections::BTreeSet;
use std::time::Duration;

use edge_host::action::{Script, Transaction};
use edge_host::{Editor, Result, ResultExt, Root};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::backend::{Backend, Family};
use crate::host::{Firewall, View};
use crate::owned::Owned;
use crate::owner::Owner;
use crate::scope::Scope;
use crate::script::script;

const KIND: &str = "iptables";
/// Beyond the time that may be spent waiting for the lock.
const DEADLINE: Duration = Duration::from_secs(60);

/// What the journal keeps of a change.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    backend: Backend,
    family: Family,
    table: String,
    owner: Owner,
    /// What the owner had.
    before: Owned,
    /// Where the owner had or got rules among those of others: chain and rule. By them it finds its
    /// own where iptables cannot show the chain.
    #[serde(default)]
    placed: Vec<(String, String)>,
    lock_seconds: u64,
}

/// The change of a table that gives the owner what it shall have; `None` where it has that already.
///
/// `lock_wait` is how long iptables-restore waits for the lock of x_tables; nf_tables has none, and
/// its programs begin again by themselves where another change came in between.
pub fn transaction(
    view: &View<'_>,
    table: &str,
    owner: &Owner,
    wanted: &Owned,
    lock_wait: Duration,
) -> Result<Option<Transaction>> {
    let View { seen, save } = view;
    let Some(text) = script(table, save.table(table), owner, wanted) else { return Ok(None) };
    let before = Owned::of(save.table(table), owner);
    let placed = before.placed.iter().chain(&wanted.placed).map(|placed| (placed.chain.clone(), placed.rule.clone()));
    let kept = Kept {
        backend: seen.backend,
        family: seen.family,
        table: table.to_owned(),
        owner: owner.clone(),
        placed: placed.collect::<BTreeSet<_>>().into_iter().collect(),
        before,
        lock_seconds: lock_wait.as_secs(),
    };
    let object = format!("table {table} of {}-{}", seen.family.program(), seen.backend);
    let data = serde_json::to_value(&kept).on("record the change of", &object)?;
    Ok(Some(Transaction { script: restore(&seen.restore, text, lock_wait), object, kind: KIND.to_owned(), data }))
}

fn restore(program: &str, text: String, lock_wait: Duration) -> Script {
    let wait = format!("--wait={}", lock_wait.as_secs());
    let argv = [program, "--noflush", "--counters", &wait].map(str::to_owned).to_vec();
    Script { argv, text, deadline: DEADLINE + lock_wait }
}

/// Takes changes of rules back: the owner gets what it had, made out of what it has now.
#[derive(Debug, Clone, Copy)]
pub struct Rules;

impl Editor for Rules {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn revert_script(&self, data: &Value) -> Result<Option<Script>> {
        let kept: Kept = serde_json::from_value(data.clone()).on("undo", "a change of rules")?;
        let chains: BTreeSet<&String> = kept.placed.iter().map(|(chain, _)| chain).collect();
        let scope = Scope {
            table: kept.table.clone(),
            owner: kept.owner.clone(),
            chains: chains.into_iter().cloned().collect(),
            others: Vec::new(),
            placed: kept.placed.clone(),
        };
        let firewall = Firewall::read(&Root::live()?, &[kept.family], &scope)?;
        let backend = firewall.named(kept.backend, kept.family)?;
        let Some(seen) = firewall.get(backend, kept.family) else { return Ok(None) };
        if let Some(error) = &seen.unreadable {
            return Err(error.clone());
        }
        let save = seen.parse()?;
        let lock_wait = Duration::from_secs(kept.lock_seconds);
        let text = script(&kept.table, save.table(&kept.table), &kept.owner, &kept.before);
        Ok(text.map(|text| restore(&seen.restore, text, lock_wait)))
    }
}
