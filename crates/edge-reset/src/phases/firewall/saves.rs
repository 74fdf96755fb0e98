//! What is removed, as it was read, beside the journal: for whoever misses something. It may be the only copy of a rule
//! that somebody added, so that an undo keeps it until everything in it is there again.

use std::collections::HashSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use edge_firewall::{Firewall, Save as Rules, missing, words};
use edge_host::action::Bytes;
use edge_host::{Editor, Error, FileSnapshot, Host, Inverse, Needed, Node, Plan, Result, ResultExt, Root, quoted};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::item::Item;

/// Their directory.
const DIR: &str = "/var/lib/edgeutils/edge-reset";
const SUFFIX: &str = "save";
/// Rules name addresses and ports.
const MODE: u32 = 0o600;
const KIND: &str = "reset-save";
/// What an undo can read.
pub(super) const LARGEST: u64 = edge_host::MAX_READ;
/// Commands that an undo prints.
const SHOWN: usize = 5;

/// Something as it was read.
pub(super) struct Save {
    path: PathBuf,
    was: FileSnapshot,
    text: String,
    origin: Origin,
}

/// What it is of, for the undo; the journal keeps it.
#[derive(Debug, Clone, Serialize, Deserialize)]
enum Origin {
    /// The output of this iptables-save.
    Rules {
        /// `iptables-nft`.
        program: String,
        /// Rules that nobody makes again: their table, chain and text.
        foreign: Vec<(String, String, String)>,
    },
    /// What this command restores from the file.
    Other(String),
}

/// All that there are.
pub(crate) fn all(host: &Host) -> Result<Vec<PathBuf>> {
    let names = host.root.list(Path::new(DIR))?;
    let all = names.into_iter().map(|name| Path::new(DIR).join(name));
    Ok(all.filter(|path| path.extension().is_some_and(|suffix| suffix == SUFFIX)).collect())
}

/// Finds names that are free.
pub(super) struct Saves<'h> {
    root: &'h Root,
    names: Vec<OsString>,
}

impl<'h> Saves<'h> {
    pub(super) fn read(host: &'h Host) -> Result<Saves<'h>> {
        Ok(Saves { root: &host.root, names: host.root.list(Path::new(DIR))? })
    }

    /// The output of `STEM-save`.
    pub(super) fn of_rules(&mut self, program: &str, text: String) -> Result<Save> {
        self.of(program, text, Origin::Rules { program: program.to_owned(), foreign: Vec::new() })
    }

    /// The output of another program, which `restore FILE` restores.
    ///
    /// Errors: exit 4 if it is too large to be kept.
    pub(super) fn of_other(&mut self, stem: &str, text: String, restore: &str) -> Result<Save> {
        if text.len() as u64 > LARGEST {
            return Err(Error::refused(format!(
                "cannot keep a copy of {stem}: it is larger than {} MiB",
                LARGEST >> 20
            )));
        }
        self.of(stem, text, Origin::Other(restore.to_owned()))
    }

    fn of(&mut self, stem: &str, text: String, origin: Origin) -> Result<Save> {
        let file = |number: usize| OsString::from(format!("{stem}.{number}.{SUFFIX}"));
        let mut number = 1;
        while self.names.contains(&file(number)) {
            number += 1;
        }
        self.names.push(file(number));
        let path = Path::new(DIR).join(file(number));
        let was = self.root.find_link(&path)?;
        Ok(Save { path, was, text, origin })
    }
}

/// A save that is written before something in it is removed.
#[derive(Debug, Clone)]
pub(super) struct Copy {
    path: PathBuf,
    size: u64,
}

impl Copy {
    /// Errors: it was not written, as on a full disk. Then nothing of it may be removed.
    pub(super) fn must_exist(&self) -> Result<()> {
        let file = Root::live()?.open(&self.path)?;
        let size = file.map(|file| file.metadata()).transpose().on("read", &self.path)?.map(|meta| meta.len());
        if size == Some(self.size) {
            return Ok(());
        }
        Err(Error::cannot("remove them without a copy in", &self.path, "it was not written"))
    }
}

impl Save {
    /// What must exist before something in it is removed.
    pub(super) fn copy(&self) -> Copy {
        Copy { path: self.path.clone(), size: self.text.len() as u64 }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Adds rules that nobody makes again.
    pub(super) fn add_foreign(&mut self, table: &str, rules: &[(String, String)]) {
        if let Origin::Rules { foreign, .. } = &mut self.origin {
            let rule = |(chain, rule): &(String, String)| (table.to_owned(), chain.clone(), rule.clone());
            foreign.extend(rules.iter().take(SHOWN).map(rule));
        }
    }

    /// Writes it; `is_lasting` says that something in it is removed for good.
    pub(super) fn plan(self, is_lasting: bool, item: &Item, plan: &mut Plan) {
        let Save { path, was, text, origin } = self;
        let (inverse, why) = if is_lasting {
            (Inverse::Keep { kind: KIND.to_owned(), data: json!(origin) }, "as it was read; it is kept until purge")
        } else {
            (Inverse::Whole, "as it was read")
        };
        let node = Node::File { content: Bytes::Known(text.into_bytes()), mode: MODE };
        item.tag(plan.write(path, was, node, inverse, why));
    }
}

/// Keeps a save while something in it is missing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Keeper;

impl Editor for Keeper {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn needs(&self, path: &Path, now: &[u8], data: &Value) -> Result<Option<Needed>> {
        let origin: Origin = serde_json::from_value(data.clone()).on("read", "the record of a save")?;
        let file = quoted(&path.display().to_string());
        let why = "its contents were not restored".to_owned();
        let look = format!("to see what was removed: less {file}");
        let (program, foreign) = match origin {
            Origin::Other(restore) => {
                let hints = vec![format!("to restore it: {restore} {file}")];
                return Ok(Some(Needed { why, hints }));
            }
            Origin::Rules { program, foreign } => (program, foreign),
        };
        let text = String::from_utf8_lossy(now);
        let Ok(then) = Rules::parse(&text) else { return Ok(Some(Needed { why, hints: vec![look] })) };
        let firewall = Firewall::read_whole(&Root::live()?)?;
        let seen = firewall.seen.iter().find(|seen| seen.restore.strip_suffix("-restore") == Some(&program));
        let now = seen.map_or_else(|| Ok(Rules::default()), |seen| seen.parse())?;
        let missing = missing(&now, &then);
        if missing.is_empty() {
            return Ok(None);
        }
        let is_missing = |(table, chain, rule): &&(String, String, String)| {
            missing.iter().any(|(of, placed)| of == table && placed.chain == *chain && placed.rule == *rule)
        };
        let (mut hints, mut made) = (vec![look], HashSet::new());
        for (table, chain, rule) in foreign.iter().filter(is_missing) {
            let has_chain = now.table(table).is_some_and(|table| table.chain(chain).is_some());
            // The command before makes it.
            let has_chain = has_chain || !made.insert((table, chain));
            hints.push(format!("to restore a rule of others: {}", command(&program, table, chain, rule, has_chain)));
        }
        let count = missing.len();
        let why = if count == 1 {
            "1 of its rules is missing".to_owned()
        } else {
            format!("{count} of its rules are missing")
        };
        Ok(Some(Needed { why, hints }))
    }
}

/// The command that appends a rule, in the words of a shell.
fn command(program: &str, table: &str, chain: &str, rule: &str, has_chain: bool) -> String {
    let rule: Vec<String> = words(rule).map(|word| quoted(&word)).collect();
    let (program, table, chain, rule) = (quoted(program), quoted(table), quoted(chain), rule.join(" "));
    let make = if has_chain { String::new() } else { format!("{program} -t {table} -N {chain} && ") };
    format!("{make}{program} -t {table} -A {chain} {rule}")
}
