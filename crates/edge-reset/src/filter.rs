//! `--plan`: only what is in an earlier plan, and unchanged since, is removed.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use edge_host::{Error, MAX_READ, Result, ResultExt};
use serde_json::Value;

use crate::item::Item;
use crate::phase::Phase;

const STDIN: &str = "-";

/// The items of a plan: their fingerprints by id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Filter {
    items: BTreeMap<String, String>,
    /// Whether something is moved to the trash.
    has_trash: bool,
}

/// What a plan says of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is in the plan.
    Planned,
    /// Another one of its name is in the plan.
    Changed,
    /// It is not in the plan.
    New,
}

/// Reads a plan; - is standard input.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>> {
    let reader: Box<dyn Read> = if path == Path::new(STDIN) {
        Box::new(io::stdin())
    } else {
        // A path on this host even with --root.
        Box::new(File::open(path).on("read", path)?)
    };
    let mut bytes = Vec::new();
    let shown = if path == Path::new(STDIN) { Path::new("standard input") } else { path };
    let read = reader.take(MAX_READ + 1).read_to_end(&mut bytes).on("read", shown)?;
    if read as u64 > MAX_READ {
        return Err(Error::cannot("read", shown, format!("it is larger than {} MiB", MAX_READ >> 20)));
    }
    Ok(bytes)
}

impl Filter {
    /// Reads the records that `apply -n --json` prints.
    ///
    /// Errors: exit 1 where it is not a whole plan.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Filter> {
        let bad = |cause: &str| {
            Error::failed(format!("cannot read the plan: {cause}"))
                .hint("make one: edge-reset apply -n --json > plan.jsonl")
        };
        let text = std::str::from_utf8(bytes).map_err(|_| bad("it is not UTF-8"))?;
        let (mut items, mut is_whole, mut has_trash) = (BTreeMap::new(), false, false);
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            let record: Value = serde_json::from_str(line).map_err(|_| bad("a line is not a JSON record"))?;
            let field = |name: &str| record.get(name).and_then(Value::as_str);
            match field("type") {
                Some("action") => {
                    let (Some(id), Some(fingerprint)) = (field("id"), field("fingerprint")) else {
                        return Err(bad("it is not a plan of edge-reset: an action has no id"));
                    };
                    items.insert(id.to_owned(), fingerprint.to_owned());
                    has_trash |= field("do") == Some("trash");
                }
                Some("plan") => is_whole = true,
                Some(_) => {}
                None => return Err(bad("a line is not a record of edge-reset")),
            }
        }
        if is_whole { Ok(Filter { items, has_trash }) } else { Err(bad("its end is missing")) }
    }

    /// Refuses to delete at once what the plan moves to the trash.
    pub(crate) fn allows(&self, to_trash: bool) -> Result<()> {
        if to_trash || !self.has_trash {
            return Ok(());
        }
        Err(Error::refused("cannot apply the plan with --no-trash: it moves directories to the trash")
            .hint("omit --no-trash, or make the plan with it"))
    }

    pub(crate) fn verdict(&self, item: &Item) -> Verdict {
        match self.items.get(&item.id) {
            Some(fingerprint) if *fingerprint == item.fingerprint => Verdict::Planned,
            Some(_) => Verdict::Changed,
            None => Verdict::New,
        }
    }

    /// How many items of a phase are in the plan and not on the host any more.
    pub(crate) fn gone(&self, phase: Phase, items: &[Item]) -> usize {
        let prefix = format!("{phase}/");
        let ids = self.items.keys().filter(|id| id.starts_with(&prefix));
        ids.filter(|id| !items.iter().any(|item| item.id == **id)).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plan_has_id_and_fingerprint_of_each_item() {
        let item = |name: &str, identity: &[u8]| Item::new(Phase::Links, "bridge", name, &[identity]);
        let [same, changed, new] = [item("a", b"1"), item("b", b"2"), item("c", b"3")];
        let fingerprint = &same.fingerprint;
        let plan = format!(
            "{{\"type\":\"action\",\"id\":\"links/a\",\"fingerprint\":\"{fingerprint}\"}}\n\
             {{\"type\":\"action\",\"id\":\"links/b\",\"fingerprint\":\"x\"}}\n\
             {{\"type\":\"action\",\"id\":\"links/d\",\"fingerprint\":\"x\"}}\n{{\"type\":\"plan\",\"actions\":3}}\n"
        );
        let filter = Filter::parse(plan.as_bytes()).unwrap();
        assert_eq!(filter.verdict(&same), Verdict::Planned);
        assert_eq!(filter.verdict(&changed), Verdict::Changed);
        assert_eq!(filter.verdict(&new), Verdict::New);
        assert_eq!(filter.gone(Phase::Links, &[same, changed, new]), 1);
        let cut = plan.rfind("{\"type\":\"plan\"").unwrap();
        for bad in [&plan[..cut], "", "x", "[]", "{}", "{\"type\":\"action\",\"do\":\"write\"}"] {
            assert!(Filter::parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
