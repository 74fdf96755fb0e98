//! The removal of everything that an owner has in a table, for good: its chains are not recorded.

use std::fmt::Write;
use std::time::Duration;

use edge_host::action::Script;
use edge_host::{Cmd, Result, Root};

use crate::owned::{Owned, Placed};
use crate::owner::Owner;
use crate::read::Seen;
use crate::save::Table;
use crate::transaction::restore;

/// How often the rules are read again after another program changed them in between.
const ATTEMPTS: usize = 3;

/// What a removal removes from a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removal {
    /// The table.
    pub table: String,
    /// The chains.
    pub chains: Vec<String>,
    /// The number of rules in these chains.
    pub rules: usize,
    /// The rules in the chains of other owners.
    pub placed: Vec<Placed>,
    /// The input for `iptables-restore --noflush`, which names nothing else.
    ///
    /// A restore of the whole table would be faster with nf_tables, but takes counters and rules of others back to the
    /// time of the save, and deletes the native nft rules in the table, which iptables does not show.
    text: String,
}

impl Removal {
    /// What the owner has in a table; `None` if that is nothing.
    pub fn of(table: &Table<'_>, owner: &Owner) -> Option<Removal> {
        let (owned, rules) = Owned::without_rules(table, owner);
        if owned.chains.is_empty() && owned.placed.is_empty() {
            return None;
        }
        let mut text = format!("*{}\n", table.name);
        // A chain can be deleted only without jumps to it. Writing to a String cannot fail.
        for placed in &owned.placed {
            let _ = writeln!(text, "-D {} {}", placed.chain, placed.rule);
        }
        for chain in &owned.chains {
            let _ = writeln!(text, ":{} - [0:0]", chain.name);
        }
        for chain in &owned.chains {
            let _ = writeln!(text, "-X {}", chain.name);
        }
        text.push_str("COMMIT\n");
        Some(Removal {
            table: table.name.to_owned(),
            chains: owned.chains.into_iter().map(|chain| chain.name).collect(),
            rules,
            placed: owned.placed,
            text,
        })
    }

    /// The script for the backend in which the table was seen.
    pub fn script(&self, seen: &Seen, lock_wait: Duration) -> Script {
        restore(&seen.restore, self.text.clone(), lock_wait)
    }
}

/// Removes what the owner has in a table; if that fails because another program changed it in between, what it has then.
///
/// `seen` needs no text. Errors: that of the last attempt.
pub fn remove(root: &Root, seen: &Seen, removal: Removal, owner: &Owner, lock_wait: Duration) -> Result<()> {
    let table = removal.table.clone();
    let mut script = restore(&seen.restore, removal.text, lock_wait);
    let mut attempt = 1;
    loop {
        let failed = match Cmd::of_script(&script)?.run() {
            Ok(_) => return Ok(()),
            Err(error) => error,
        };
        if attempt == ATTEMPTS {
            return Err(failed);
        }
        attempt += 1;
        let now = seen.whole_again(root)?;
        let save = now.parse()?;
        let Some(again) = save.table(&table).and_then(|table| Removal::of(table, owner)) else { return Ok(()) };
        if again.text == script.text {
            return Err(failed);
        }
        script.text = again.text;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::owner::Name;
    use crate::save::Save;
    use crate::script::script;

    #[test]
    fn removal_is_the_script_to_nothing() {
        let text = "*nat\n:OUTPUT ACCEPT [0:0]\n:OWN - [0:0]\n:OTHER - [0:0]\n[1:2] -A OUTPUT -p tcp -j OWN\n\
            [1:2] -A OUTPUT -j OTHER\n-A OTHER -j OWN\n-A OWN -j RETURN\n-A OWN -j OTHER\nCOMMIT\n";
        let save = Save::parse(text).unwrap();
        let table = save.table("nat").unwrap();
        let owner = Owner { chains: vec![Name::Exactly("OWN".into())], ..Owner::default() };
        let removal = Removal::of(table, &owner).unwrap();
        assert_eq!(Some(&removal.text), script("nat", Some(table), &owner, &Owned::default()).as_ref());
        assert_eq!((removal.chains, removal.rules), (vec!["OWN".to_owned()], 2));
        assert_eq!(removal.placed.iter().map(|placed| placed.chain.as_str()).collect::<Vec<_>>(), ["OUTPUT", "OTHER"]);
        let nobody = Owner { chains: vec![Name::Exactly("OUTPUT".into())], ..Owner::default() };
        assert_eq!(Removal::of(table, &nobody), None);
    }
}
