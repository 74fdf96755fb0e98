//! Reads the chains that an owner needs of a table of nf_tables, one by one.

use std::collections::HashSet;

use edge_host::{Cmd, Error, Exit, Result, SEARCH_PATH};

use crate::backend::Family;
use crate::connection::Conditions;
use crate::hidden::{Hidden, HiddenPart, REMARK};
use crate::listing::as_saved;
use crate::nft::{NftRule, chains, rules};
use crate::owner::Name;
use crate::save::Save;
use crate::scope::Scope;
use crate::words::{same_rule, words};

/// The limit of the output of nft: far more than the chains of the largest host.
const LARGEST: usize = 16 << 20;
/// The message of nft for a chain that does not exist.
const NO_CHAIN: &str = "No such file or directory";
/// The limit of chains that are followed; what the others do is unknown.
const MOST_FOLLOWED: usize = 64;
/// The limit of those that are followed for a part of the connections, such as those to an address.
const MOST_PARTLY: usize = 16;
/// A chain that every table of iptables has.
const EVERYWHERE: &str = "OUTPUT";

/// The chains that were read.
pub(crate) struct Shown {
    /// The table in the format of iptables-save.
    pub(crate) text: String,
    /// The chains of the scope that only nft could show.
    pub(crate) by_nft: Vec<String>,
}

/// The result of `iptables -S CHAIN`.
enum Listed {
    Lines {
        /// In the format of iptables-save.
        text: String,
        /// iptables reports base chains of nft that it does not show.
        has_remark: bool,
    },
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
    /// Reads the chains of the scope, each with iptables, or with nft if iptables cannot: what other chains contain
    /// costs nothing.
    ///
    /// Errors: exit 4 if neither can read one.
    pub(crate) fn read(&self, notes: &mut Vec<String>) -> Result<Shown> {
        let mut shown = Shown { text: format!("*{}\n", self.scope.table), by_nft: Vec::new() };
        let mut has_remark = false;
        for chain in &self.scope.chains {
            match self.list(chain)? {
                Listed::Lines { text, has_remark: has } => {
                    has_remark |= has;
                    if !text.is_empty() && !declares(&text, chain) {
                        let cause = format!("the output of {} -S {chain} has no chain {chain}", self.program);
                        return Err(self.refused(cause));
                    }
                    shown.text.push_str(if text.is_empty() { self.unused(chain)? } else { &text });
                }
                Listed::Absent => shown.text.push_str(self.unused(chain)?),
                Listed::Hidden => {
                    let (hidden, line) = (self.hidden(HiddenPart::Whole), self.nft_line("table", ""));
                    notes.push(format!("{}-save does not show {hidden}: see {line}", self.program));
                    shown.text.push_str(&self.by_nft(chain)?);
                    shown.by_nft.push(chain.clone());
                }
            }
        }
        let is_made = |chain: &&String| shown.text.contains(&format!("\n:{chain} - "));
        if let Some(chain) = self.scope.chains.iter().find(is_made) {
            return Err(self.not_hooked(chain));
        }
        if has_remark {
            let (hidden, line) = (self.hidden(HiddenPart::BaseChains), self.nft_line("table", ""));
            notes.push(format!("{}-save does not show {hidden}: see {line}", self.program));
            self.check(&self.scope.chains)?;
        }
        for chain in self.own()?.iter().filter(|chain| !self.scope.chains.contains(chain)) {
            // Most often it does not exist, and iptables before 1.8.11 does not distinguish that when it lists it.
            if shown.text.contains(chain.as_str()) || self.exists(chain)? {
                self.add_own(chain, &mut shown)?;
            }
        }
        self.follow(&mut shown)?;
        shown.text.push_str("COMMIT\n");
        Ok(shown)
    }

    /// No lines, for a chain of the kernel that iptables shows nothing of because it was never used.
    ///
    /// Errors: exit 4 unless another command confirms that it has no rules.
    fn unused(&self, chain: &str) -> Result<&'static str> {
        let output = self.iptables()?.args(["-C", chain, "-j", "ACCEPT"]).output()?;
        if !output.status.success() && (output.stderr.contains("Bad rule") || is_missing(&output.stderr)) {
            return Ok("");
        }
        Err(self.refused(format!("{} -S {chain} shows nothing", self.program)))
    }

    /// Adds the chains that may decide about connections. One that cannot be read is left out.
    fn follow(&self, shown: &mut Shown) -> Result<()> {
        let Some(except) = &self.scope.follow_except else { return Ok(()) };
        let mut followed: HashSet<String> = HashSet::new();
        let (mut from, mut partly) = (0, 0);
        while from < shown.text.len() && followed.len() < MOST_FOLLOWED {
            let lines =
                format!("*t\n{}COMMIT\n", shown.text[from..].trim_start_matches(&format!("*{}\n", self.scope.table)));
            from = shown.text.len();
            let Ok(save) = Save::parse(&lines) else { break };
            for rule in save.tables.iter().flat_map(|table| table.rules()) {
                let conditions = Conditions::of(rule, rule.chain);
                let Some(name) = conditions.follows(except).filter(|name| !self.scope.owner.owns_chain(name)) else {
                    continue;
                };
                if self.scope.chains.iter().any(|chain| chain == name) || followed.contains(name) {
                    continue;
                }
                if conditions.is_by_others() {
                    if partly == MOST_PARTLY {
                        continue;
                    }
                    partly += 1;
                }
                followed.insert(name.to_owned());
                match self.list(name)? {
                    Listed::Lines { text, .. } => shown.text.push_str(&text),
                    // By nft, if it is installed and the chain exists.
                    Listed::Hidden => shown.text.push_str(&self.by_nft(name).unwrap_or_default()),
                    Listed::Absent => {}
                }
            }
        }
        Ok(())
    }

    /// Errors: exit 4 if one of these chains has another hook, so that iptables neither shows it nor can add to it. Without
    /// nft this is unknown, and iptables refuses to add.
    pub(crate) fn check(&self, names: &[String]) -> Result<()> {
        for name in names {
            let args = ["list", "chain", self.nft_family(), &self.scope.table, name];
            match self.nft(&args, |json| chains(json, &self.scope.table)) {
                Ok(known) if known.iter().flatten().any(|chain| !chain.is_hooked()) => {
                    return Err(self.not_hooked(name));
                }
                Err(error) if !error.message().contains(NO_CHAIN) => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    /// A chain with this name exists, but iptables uses another one.
    pub(crate) fn not_hooked(&self, chain: &str) -> Error {
        let cause = format!("chain {chain} of nft has another hook or priority than that of iptables");
        self.refused(cause).hint(format!("show it: {}", self.nft_line("chain", chain)))
    }

    fn add_own(&self, chain: &str, shown: &mut Shown) -> Result<()> {
        match self.list(chain)? {
            Listed::Lines { text, .. } => shown.text.push_str(&text),
            Listed::Hidden if self.exists(chain)? => {
                let cause = format!("chain {chain} contains native nft rules");
                let (show, flush) =
                    (self.nft_line("chain", chain), self.nft_line("chain", chain).replace("list", "flush"));
                return Err(self.refused(cause).hint(format!("show them: {show}; remove them and run again: {flush}")));
            }
            Listed::Hidden | Listed::Absent => {}
        }
        Ok(())
    }

    fn hidden(&self, what: HiddenPart) -> Hidden<'_> {
        Hidden { table: &self.scope.table, what }
    }

    fn refused(&self, cause: impl Into<String>) -> Error {
        let object = format!("table {} of {}", self.scope.table, self.program);
        Error::cannot("read", object, cause).with_exit(Exit::Refused)
    }

    fn iptables(&self) -> Result<Cmd> {
        let cmd = Cmd::find(self.program)?.args(["-t", &self.scope.table]).keep_output(LARGEST);
        Ok(self.scope.limit.on(cmd))
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
        let text = as_saved(&output.stdout)
            .map_err(|malformed| self.refused(format!("unexpected output of {}: {malformed}", cmd.shown())))?;
        Ok(Listed::Lines { text, has_remark: output.stdout.lines().any(|line| line.starts_with(REMARK)) })
    }

    /// The owner's chains. iptables can list a chain only by its whole name.
    fn own(&self) -> Result<Vec<String>> {
        let owner = &self.scope.owner;
        let whole = |name: &Name| name.exact().map(str::to_owned);
        if let Some(names) = owner.chains.iter().map(whole).collect() {
            return Ok(names);
        }
        let known = self.nft(&["list", "chains", self.nft_family()], |json| chains(json, &self.scope.table))?;
        let known = known.ok_or_else(|| self.needs_nft("its chains"))?;
        Ok(known.into_iter().map(|chain| chain.name).filter(|name| owner.owns_chain(name)).collect())
    }

    fn exists(&self, chain: &str) -> Result<bool> {
        // iptables looks for the target chain before it looks for such a rule.
        self.jumps_to(chain, EVERYWHERE, &self.scope.table)
    }

    /// Whether a table has a chain that rules of another chain could jump to.
    fn jumps_to(&self, chain: &str, from: &str, table: &str) -> Result<bool> {
        let cmd = self.scope.limit.on(Cmd::find(self.program)?.args(["-t", table, "-C", from, "-j", chain]));
        let output = cmd.output()?;
        if output.status.success() || output.stderr.contains("Bad rule") {
            return Ok(true);
        }
        if is_missing(&output.stderr) {
            return Ok(false);
        }
        cmd.succeeded(output).map(|_| true)
    }

    /// Which of these chains a table has, as a table of iptables-save.
    pub(crate) fn marks(&self, table: &str, names: &[&str]) -> Result<String> {
        let mut text = format!("*{table}\n");
        for name in names {
            if self.jumps_to(name, EVERYWHERE, table)? {
                text += &format!(":{name} - [0:0]\n");
            }
        }
        Ok(text + "COMMIT\n")
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
        let cmd = self.scope.limit.on(Cmd::find("nft")?.arg("-j").args(args).keep_output(LARGEST));
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
        let policy = if self.scope.chains.iter().any(|own| own == chain) { "ACCEPT" } else { "-" };
        let mut text = format!(":{chain} {policy} [0:0]\n");
        let mut own: Option<String> = None;
        for rule in &rules {
            let text_of_rule = match &rule.target {
                Some(target) if self.scope.owner.owns_chain(target) => {
                    if own.is_none() {
                        own = Some(self.placed(chain, target, rule)?);
                    }
                    own.clone().unwrap_or_default()
                }
                _ => rule.text.clone(),
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

/// Whether the lines of iptables-save contain the declaration of a chain.
fn declares(lines: &str, chain: &str) -> bool {
    lines.lines().any(|line| line.strip_prefix(':').and_then(|line| line.split(' ').next()) == Some(chain))
}

fn is_missing(message: &str) -> bool {
    ["does not exist", "No chain/target/match by that name", "Couldn't load target"]
        .iter()
        .any(|text| message.contains(text))
}
