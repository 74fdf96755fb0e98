//! Native nft rules and chains in the tables of iptables-nft, which iptables-save reports but cannot show.

use std::collections::HashSet;
use std::fmt;

use crate::save::{Line, Save};

/// The start of such a remark: "# Table `nat' is incompatible, use 'nft' tool."
pub(crate) const REMARK: &str = "# Table `";

/// A table that is not shown, or not completely.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hidden<'a> {
    /// Its name.
    pub table: &'a str,
    /// The part that is not shown.
    pub what: HiddenPart,
}

/// How much of a table is not shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HiddenPart {
    /// All of it.
    Whole,
    /// Base chains that nft made in addition to those of iptables (since iptables 1.8.8).
    BaseChains,
}

impl<'a> Save<'a> {
    /// The tables that iptables-save could not show, or not completely (iptables/xtables-save.c).
    ///
    /// Does not depend on the wording: a table that a remark names and that is not printed is hidden.
    pub fn hidden(&self) -> Vec<Hidden<'a>> {
        let inside = self.tables.iter().flat_map(|table| {
            let lines = table.lines.iter();
            let notes = lines.filter_map(|line| if let Line::Note(note) = line { Some(*note) } else { None });
            table.before.iter().copied().chain(notes)
        });
        let remarks =
            inside.chain(self.rest.iter().copied()).filter_map(|note| note.strip_prefix(REMARK)?.split_once('\''));
        let mut hidden: Vec<Hidden<'a>> = remarks.map(|(table, _)| Hidden { table, what: HiddenPart::Whole }).collect();
        if !hidden.is_empty() {
            let shown: HashSet<&str> = self.tables.iter().map(|table| table.name).collect();
            hidden
                .iter_mut()
                .filter(|hidden| shown.contains(hidden.table))
                .for_each(|hidden| hidden.what = HiddenPart::BaseChains);
        }
        hidden
    }
}

impl fmt::Display for Hidden<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.what {
            HiddenPart::Whole => write!(f, "table {}, which contains native nft rules", self.table),
            HiddenPart::BaseChains => write!(f, "base chains of nft in table {}", self.table),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_finds_tables_in_every_place_and_wording() {
        let table = "*filter\n:INPUT ACCEPT [0:0]\nCOMMIT\n# Completed on Thu\n";
        let whole = "# Table `nat' is incompatible, use 'nft' tool.\n";
        let other = "# Table `nat' kann nicht angezeigt werden\n";
        let base = "# Table `filter' contains incompatible base-chains, use 'nft' tool to list them.\n";
        let legacy = "# Warning: iptables-legacy tables present, use iptables-legacy-save to see them\n";
        let nat = Hidden { table: "nat", what: HiddenPart::Whole };
        let filter = Hidden { table: "filter", what: HiddenPart::BaseChains };
        for (text, want) in [
            (whole.to_owned(), vec![nat]),
            (other.to_owned(), vec![nat]),
            (format!("{whole}{table}"), vec![nat]),
            (format!("{table}{whole}{legacy}"), vec![nat]),
            (format!("{base}{table}{whole}"), vec![filter, nat]),
            (table.replace(":INPUT", &format!("{base}:INPUT")), vec![filter]),
            (format!("{legacy}{table}"), vec![]),
            // In a comment it is not a remark.
            (format!("*filter\n-A INPUT -m comment --comment \"a\n{whole}\"\nCOMMIT\n"), vec![]),
        ] {
            let save = Save::parse(&text).unwrap();
            assert_eq!(save.hidden(), want, "{text}");
        }
    }

    #[test]
    fn is_populated_with_a_hidden_table() {
        for text in ["# Table `nat' is incompatible, use 'nft' tool.\n", "# Table `raw' is incompatible\n"] {
            assert!(Save::parse(text).unwrap().is_populated(), "{text}");
        }
    }
}
