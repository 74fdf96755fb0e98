//! Reads the chains that an owner needs of a table that iptables-save cannot show, one by one.

use edge_host::{Cmd, Error, Exit, Result, SEARCH_PATH};

use crate::backend::Family;
use crate::listing::as_saved;
use crate::nft::{NftChain, NftRule, chains, rules};
use crate::owner::{Name, Owner};
use crate::words::{same_rule, words};

/// The limit of the output of nft: far more than the chains of the largest host.
const LARGEST: usize = 16 << 20;
/// A chain that every table of iptables has.
const EVERYWHERE: &str = "OUTPUT";

/// The part of a table that must be readable before an owner's rules in it may be changed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Scope {
    /// The table.
    pub table: String,
    /// The owner of the rules that are read and changed.
    pub owner: Owner,
    /// Chains of the kernel that are read or changed.
    pub chains: Vec<String>,
    /// Chains of other owners that are read if they exist.
    pub others: Vec<String>,
    /// Rules that the owner may have in `chains`: chain and rule. nft does not show extensions of iptables completely,
    /// but iptables can check for a rule.
    pub placed: Vec<(String, String)>,
}

/// The chains that were read.
pub(crate) struct Shown {
    /// The table in the format of iptables-save.
    pub(crate) text: String,
    /// The chains that only nft could show.
    pub(crate) by_nft: Vec<String>,
}

/// The result of `iptables -S CHAIN`.
enum Listed {
    Lines(String),
    /// It contains rules that iptables cannot show or, before 1.8.11, does not exist.
    Hidden,
    Absent,
}

/// Reads the chains of one table.
pub(crate) struct Reader<'s> {
    /// `iptables-nft`.
    pub(crate) program: &'s str,
    pub(crate) family: Family,
    pub(crate) scope: &'s Scope,
}

impl Reader<'_> {
    /// Reads the chains of the scope, each with iptables, or with nft if iptables cannot.
    ///
    /// Errors: exit 4 if neither can read one.
    pub(crate) fn read(&self) -> Result<Shown> {
        let known = self.nft_chains()?;
        self.check_hooks(known.as_deref())?;
        let mut shown = Shown { text: format!("*{}\n", self.scope.table), by_nft: Vec::new() };
        for chain in &self.scope.chains {
            self.add(chain, &mut shown)?;
        }
        for chain in self.own(known.as_deref())?.iter().filter(|chain| !self.scope.chains.contains(chain)) {
            if self.exists(chain, known.as_deref())? {
                self.add(chain, &mut shown)?;
            }
        }
        for chain in &self.scope.others {
            if self.exists(chain, known.as_deref())? {
                self.add(chain, &mut shown)?;
            }
        }
        shown.text.push_str("COMMIT\n");
        Ok(shown)
    }

    /// Whether the owner has chains in the table, whatever iptables-save printed.
    pub(crate) fn has_own(&self) -> Result<bool> {
        for name in &self.scope.owner.chains {
            if let Name::Exactly(name) = name
                && self.exists(name, None)?
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Errors: exit 4 if one of the chains has another hook, so that iptables neither shows it nor can add to it. Without nft
    /// this is unknown, and iptables refuses to add.
    pub(crate) fn check(&self) -> Result<()> {
        self.check_hooks(self.nft_chains()?.as_deref())
    }

    fn check_hooks(&self, known: Option<&[NftChain]>) -> Result<()> {
        let is_odd = |chain: &&NftChain| self.scope.chains.contains(&chain.name) && !chain.is_hooked();
        known.and_then(|known| known.iter().find(is_odd)).map_or(Ok(()), |chain| Err(self.not_hooked(&chain.name)))
    }

    /// A chain with this name exists, but iptables uses another one.
    pub(crate) fn not_hooked(&self, chain: &str) -> Error {
        let cause = format!("chain {chain} of nft has another hook or priority than that of iptables");
        self.refused(cause).hint(format!("show it: {}", self.nft_line("chain", chain)))
    }

    fn add(&self, chain: &str, shown: &mut Shown) -> Result<()> {
        match self.list(chain)? {
            Listed::Lines(lines) => shown.text.push_str(&lines),
            Listed::Absent => {}
            Listed::Hidden if self.scope.owner.owns_chain(chain) => {
                let cause = format!("chain {chain} contains native nft rules");
                let (show, flush) =
                    (self.nft_line("chain", chain), self.nft_line("chain", chain).replace("list", "flush"));
                return Err(self.refused(cause).hint(format!("show them: {show}; remove them and run again: {flush}")));
            }
            Listed::Hidden => {
                shown.text.push_str(&self.by_nft(chain)?);
                shown.by_nft.push(chain.to_owned());
            }
        }
        Ok(())
    }

    fn refused(&self, cause: impl Into<String>) -> Error {
        let object = format!("table {} of {}", self.scope.table, self.program);
        Error::cannot("read", object, cause).with_exit(Exit::Refused)
    }

    fn iptables(&self) -> Result<Cmd> {
        Ok(Cmd::find(self.program)?.args(["-t", &self.scope.table]).keep_output(LARGEST))
    }

    fn list(&self, chain: &str) -> Result<Listed> {
        let cmd = self.iptables()?.args(["-v", "-S", chain]);
        let output = cmd.output()?;
        if !output.status.success() {
            return match &output.stderr {
                message if message.contains("incompatible") => Ok(Listed::Hidden),
                message if is_missing(message) => Ok(Listed::Absent),
                _ => cmd.succeeded(output).map(|_| Listed::Absent),
            };
        }
        let lines = as_saved(&output.stdout)
            .map_err(|malformed| self.refused(format!("unexpected output of {}: {malformed}", cmd.shown())))?;
        Ok(Listed::Lines(lines))
    }

    /// The owner's chains. iptables can list a chain only by its whole name.
    fn own(&self, known: Option<&[NftChain]>) -> Result<Vec<String>> {
        let owner = &self.scope.owner;
        match known {
            Some(known) => {
                Ok(known.iter().filter(|chain| owner.owns_chain(&chain.name)).map(|chain| chain.name.clone()).collect())
            }
            None => owner
                .chains
                .iter()
                .map(|name| match name {
                    Name::Exactly(name) => Ok(name.clone()),
                    Name::Beginning(_) => Err(self.needs_nft("its chains")),
                })
                .collect(),
        }
    }

    fn exists(&self, chain: &str, known: Option<&[NftChain]>) -> Result<bool> {
        if let Some(known) = known {
            return Ok(known.iter().any(|other| other.name == chain));
        }
        // iptables looks for the target chain before it looks for such a rule.
        let cmd = self.iptables()?.args(["-C", EVERYWHERE, "-j", chain]);
        let output = cmd.output()?;
        if output.status.success() || output.stderr.contains("Bad rule") {
            return Ok(true);
        }
        if is_missing(&output.stderr) {
            return Ok(false);
        }
        cmd.succeeded(output).map(|_| true)
    }

    /// The table's chains; none where the program nft is not on this host.
    fn nft_chains(&self) -> Result<Option<Vec<NftChain>>> {
        self.nft(&["list", "chains", self.nft_family()], |json| chains(json, &self.scope.table))
    }

    fn nft_family(&self) -> &'static str {
        match self.family {
            Family::V4 => "ip",
            Family::V6 => "ip6",
        }
    }

    /// The command that shows a thing of this table.
    pub(crate) fn nft_line(&self, what: &str, name: &str) -> String {
        let line = format!("nft list {what} {} {} {name}", self.nft_family(), self.scope.table);
        line.trim_end().to_owned()
    }

    fn nft<T>(&self, args: &[&str], read: impl Fn(&str) -> Option<T>) -> Result<Option<T>> {
        if which::which_in("nft", Some(SEARCH_PATH), "/").is_err() {
            return Ok(None);
        }
        let cmd = Cmd::find("nft")?.arg("-j").args(args).keep_output(LARGEST);
        let output = cmd.run().map_err(|error| self.refused(error.message()))?;
        let read = read(&output.stdout).ok_or_else(|| self.refused(format!("unexpected output of {}", cmd.shown())))?;
        Ok(Some(read))
    }

    fn needs_nft(&self, what: &str) -> Error {
        self.refused(format!("iptables cannot show {what}, and nft is not installed"))
            .hint("install nftables: apt-get install nftables")
    }

    /// A chain of another owner as nft shows it. Only the owner's rules in it are exact; the others are placeholders, which no
    /// script names.
    fn by_nft(&self, chain: &str) -> Result<String> {
        let args = ["list", "chain", self.nft_family(), &self.scope.table, chain];
        let rules = self.nft(&args, rules)?.ok_or_else(|| self.needs_nft(&format!("chain {chain}")))?;
        let mut text = format!(":{chain} ACCEPT [0:0]\n");
        let mut own: Option<String> = None;
        for rule in &rules {
            let text_of_rule = match &rule.target {
                Some(target) if self.scope.owner.owns_chain(target) => {
                    if own.is_none() {
                        own = Some(self.placed(chain, target, rule)?);
                    }
                    own.clone().unwrap_or_default()
                }
                Some(target) => format!("-m nft -j {target}"),
                None => rule.dnat.as_ref().map_or_else(
                    || "-m nft".to_owned(),
                    |(port, to)| format!("-p tcp -m tcp --dport {port} -m nft -j DNAT --to-destination {to}"),
                ),
            };
            text += &format!("{} -A {chain} {text_of_rule}\n", rule.counters.as_deref().unwrap_or("[0:0]"));
        }
        Ok(text)
    }

    /// The owner's rule that jumps to its chain from here, confirmed by iptables.
    ///
    /// Several jumps are assumed to be equal: `-D` fails for one that is not, and nothing is changed.
    fn placed(&self, chain: &str, target: &str, rule: &NftRule) -> Result<String> {
        let candidates = self.scope.placed.iter().filter(|(place, _)| place == chain);
        let mut tried: Vec<&str> = Vec::new();
        for (_, text) in candidates {
            if tried.iter().any(|other| same_rule(other, text)) {
                continue;
            }
            tried.push(text);
            let cmd = self.iptables()?.args(["-C", chain]).args(words(text).map(|word| word.into_owned()));
            if cmd.output()?.status.success() {
                return Ok(text.clone());
            }
        }
        let delete = self.nft_line("rule", chain).replace("list", "delete");
        let cause = format!("an unknown rule in chain {chain} jumps to {target}");
        Err(self.refused(cause).hint(format!("delete it and run again: {delete} handle {}", rule.handle)))
    }
}

fn is_missing(message: &str) -> bool {
    ["does not exist", "No chain/target/match by that name", "Couldn't load target"]
        .iter()
        .any(|text| message.contains(text))
}
