//! What an owner needs to see of a table that iptables-save cannot show, read chain by chain.

use edge_host::{Cmd, Error, Result, SEARCH_PATH};

use crate::backend::Family;
use crate::listing::as_saved;
use crate::nft::{NftChain, NftRule, chains, rules};
use crate::owner::{Name, Owner};
use crate::words::{same_rule, words};

/// What is kept of the output of nft: far more than the chains of the largest host.
const LARGEST: usize = 16 << 20;
/// A chain that every table of iptables has.
const EVERYWHERE: &str = "OUTPUT";

/// The part of one table that must be readable before an owner's rules may be changed there.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Scope {
    /// The table.
    pub table: String,
    /// Whose rules are read and changed.
    pub owner: Owner,
    /// The kernel's chains that are read or changed.
    pub chains: Vec<String>,
    /// Chains of others that are read where they are there.
    pub others: Vec<String>,
    /// Rules that the owner may have in `chains`: chain and rule. nft does not show an extension of
    /// iptables word by word, but iptables can be asked for a rule.
    pub placed: Vec<(String, String)>,
}

/// What was read chain by chain.
pub(crate) struct Shown {
    /// The table as iptables-save would print it.
    pub(crate) text: String,
    /// The chains that only nft could show.
    pub(crate) by_nft: Vec<String>,
}

/// What `iptables -S CHAIN` answers.
enum Listed {
    Lines(String),
    /// It holds what iptables cannot show, or (before 1.8.11) it is not there.
    Hidden,
    Absent,
}

/// The programs for one table.
pub(crate) struct Reader<'s> {
    /// `iptables-nft`.
    pub(crate) program: &'s str,
    pub(crate) family: Family,
    pub(crate) scope: &'s Scope,
}

impl Reader<'_> {
    /// Reads the chains of the scope, each by iptables, or by nft where iptables cannot.
    ///
    /// Errors: exit 4 where one can be read by neither.
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

    /// Whether the owner has chains there, whatever iptables-save printed.
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

    /// Fails where one of the scope's chains is there under a hook of its own, so that iptables
    /// neither shows it nor can add to it. Without nft it cannot be told, and iptables refuses to add.
    pub(crate) fn check(&self) -> Result<()> {
        self.check_hooks(self.nft_chains()?.as_deref())
    }

    fn check_hooks(&self, known: Option<&[NftChain]>) -> Result<()> {
        let is_odd = |chain: &&NftChain| self.scope.chains.contains(&chain.name) && !chain.is_hooked();
        known.and_then(|known| known.iter().find(is_odd)).map_or(Ok(()), |chain| Err(self.not_hooked(&chain.name)))
    }

    /// A chain of this name is there, and iptables uses another one.
    pub(crate) fn not_hooked(&self, chain: &str) -> Error {
        let fail = format!("{}: nft has a chain {chain} there that is not the one iptables adds to", self.cannot());
        Error::refused(fail).hint(format!("show it: {}", self.nft_line("chain", chain)))
    }

    fn add(&self, chain: &str, shown: &mut Shown) -> Result<()> {
        match self.list(chain)? {
            Listed::Lines(lines) => shown.text.push_str(&lines),
            Listed::Absent => {}
            Listed::Hidden if self.scope.owner.owns_chain(chain) => {
                let fail = format!("{}: chain {chain} holds native nft rules", self.cannot());
                let (show, flush) =
                    (self.nft_line("chain", chain), self.nft_line("chain", chain).replace("list", "flush"));
                return Err(Error::refused(fail).hint(format!("show them: {show}; remove them and run again: {flush}")));
            }
            Listed::Hidden => {
                shown.text.push_str(&self.by_nft(chain)?);
                shown.by_nft.push(chain.to_owned());
            }
        }
        Ok(())
    }

    fn cannot(&self) -> String {
        format!("cannot read table {} of {}", self.scope.table, self.program)
    }

    fn iptables(&self) -> Result<Cmd> {
        Ok(Cmd::find(self.program)?.args(["-t", &self.scope.table]).keep_output(LARGEST))
    }

    fn list(&self, chain: &str) -> Result<Listed> {
        let cmd = self.iptables()?.args(["-v", "-S", chain]);
        let output = cmd.output()?;
        if !output.status.success() {
            return match &output.stderr {
                said if said.contains("incompatible") => Ok(Listed::Hidden),
                said if is_missing(said) => Ok(Listed::Absent),
                _ => cmd.succeeded(output).map(|_| Listed::Absent),
            };
        }
        let lines = as_saved(&output.stdout).map_err(|malformed| {
            Error::refused(format!("{}: {} printed something else: {malformed}", self.cannot(), cmd.shown()))
        })?;
        Ok(Listed::Lines(lines))
    }

    /// The owner's chains, which iptables can be asked for by whole names only.
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
        // Before it looks for such a rule, iptables looks for the chain that it leads to.
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
        let refused = |cause: String| Error::refused(format!("{}: {cause}", self.cannot()));
        let output = cmd.run().map_err(|error| refused(error.to_string()))?;
        let read =
            read(&output.stdout).ok_or_else(|| refused(format!("the output of {} is not understood", cmd.shown())))?;
        Ok(Some(read))
    }

    fn needs_nft(&self, what: &str) -> Error {
        Error::refused(format!(
            "{}: iptables cannot show {what}, and the program nft is not on this host",
            self.cannot()
        ))
        .hint("install nftables (Debian, Ubuntu: apt-get install nftables) and run again")
    }

    /// A chain of others as nft shows it. Only the owner's rules in it are what they are; each of the
    /// others is a place holder, which no script ever names.
    fn by_nft(&self, chain: &str) -> Result<String> {
        let args = ["list", "chain", self.nft_family(), &self.scope.table, chain];
        let rules = self.nft(&args, rules)?.ok_or_else(|| self.needs_nft(&format!("chain {chain}")))?;
        let mut text = format!(":{chain} ACCEPT [0:0]\n");
        let mut own: Option<String> = None;
        for rule in &rules {
            let said = match &rule.target {
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
            text += &format!("{} -A {chain} {said}\n", rule.counters.as_deref().unwrap_or("[0:0]"));
        }
        Ok(text)
    }

    /// The rule by which the owner leads to its chain from here, confirmed by iptables.
    ///
    /// Where it stands there several times, they are taken for equal: `-D` fails on one that is not,
    /// and nothing is changed.
    fn placed(&self, chain: &str, target: &str, rule: &NftRule) -> Result<String> {
        let candidates = self.scope.placed.iter().filter(|(place, _)| place == chain);
        let mut asked: Vec<&str> = Vec::new();
        for (_, text) in candidates {
            if asked.iter().any(|other| same_rule(other, text)) {
                continue;
            }
            asked.push(text);
            let cmd = self.iptables()?.args(["-C", chain]).args(words(text).map(|word| word.into_owned()));
            if cmd.output()?.status.success() {
                return Ok(text.clone());
            }
        }
        let delete = self.nft_line("rule", chain).replace("list", "delete");
        let fail = format!("{}: in chain {chain} a rule that is not known leads to {target}", self.cannot());
        Err(Error::refused(fail).hint(format!("delete it and run again: {delete} handle {}", rule.handle)))
    }
}

fn is_missing(said: &str) -> bool {
    ["does not exist", "No chain/target/match by that name", "Couldn't load target"]
        .iter()
        .any(|text| said.contains(text))
}
