//! The output of iptables-save: tables, chains and rules, parsed without loss.

use std::fmt;

use crate::words::{end_of_quote, words};

/// The whole output of one iptables-save.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Save<'a> {
    /// The tables, in the order of the output.
    pub tables: Vec<Table<'a>>,
    /// Comments and blank lines after the last table.
    pub rest: Vec<&'a str>,
}

/// One table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table<'a> {
    /// Comments and blank lines before it.
    pub before: Vec<&'a str>,
    /// Its name: `nat`, `filter`.
    pub name: &'a str,
    /// The lines between its name and its `COMMIT`.
    pub lines: Vec<Line<'a>>,
}

/// A line of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line<'a> {
    /// The declaration of a chain.
    Chain(Chain<'a>),
    /// A rule, at the end of its chain.
    Rule(Rule<'a>),
    /// A comment or a blank line.
    Note(&'a str),
}

/// The declaration of a chain: `:OUTPUT ACCEPT [7:420]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chain<'a> {
    /// Its name.
    pub name: &'a str,
    /// The policy; `-` for a chain that a user made.
    pub policy: &'a str,
    /// Packets and bytes, as printed.
    pub counters: Option<&'a str>,
}

/// A rule: `[7:420] -A OUTPUT -p tcp -j ACCEPT`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule<'a> {
    /// Packets and bytes, as printed with `--counters`.
    pub counters: Option<&'a str>,
    /// Its chain.
    pub chain: &'a str,
    /// Everything after the chain: matches and target.
    pub text: &'a str,
}

/// Output that is not of iptables-save, or incomplete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong with the line.
    pub what: &'static str,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.what)
    }
}

impl<'a> Save<'a> {
    /// Reads the output of iptables-save, with or without counters, of either backend and family.
    ///
    /// Errors: [`Malformed`] for any other line, or a table without an end.
    pub fn parse(text: &'a str) -> Result<Save<'a>, Malformed> {
        let mut save = Save::default();
        let mut open: Option<Table<'a>> = None;
        let (mut rest, mut number) = (text, 0);
        while !rest.is_empty() {
            number += 1;
            let fail = |what| Malformed { line: number, what };
            let (line, after) = split_line(rest).ok_or_else(|| fail("the output is incomplete"))?;
            rest = after;
            match (&mut open, line.bytes().next()) {
                (Some(table), None | Some(b'#')) => table.lines.push(Line::Note(line)),
                (None, None | Some(b'#')) => save.rest.push(line),
                (None, Some(b'*')) => {
                    let before = std::mem::take(&mut save.rest);
                    open = Some(Table { before, name: &line[1..], lines: Vec::new() });
                }
                (Some(table), Some(b':')) => {
                    table.lines.push(Line::Chain(chain(line).ok_or_else(|| fail("not a valid chain"))?));
                }
                (Some(table), Some(b'-' | b'[')) => {
                    table.lines.push(Line::Rule(rule(line).ok_or_else(|| fail("not a valid rule"))?));
                }
                (Some(_), _) if line == "COMMIT" => save.tables.extend(open.take()),
                (Some(_), _) => return Err(fail("unexpected line in a table")),
                (None, _) => return Err(fail("unexpected line outside of a table")),
            }
            number += line.matches('\n').count();
        }
        if open.is_some() {
            return Err(Malformed { line: number, what: "the table does not end with COMMIT" });
        }
        Ok(save)
    }

    /// The table of this name.
    pub fn table(&self, name: &str) -> Option<&Table<'a>> {
        self.tables.iter().find(|table| table.name == name)
    }

    /// Whether anything was added: a rule, a chain, another policy than ACCEPT, or something that iptables cannot show.
    pub fn is_populated(&self) -> bool {
        !self.hidden().is_empty()
            || self.tables.iter().any(|table| {
                table.rules().next().is_some()
                    || table.chains().any(|chain| chain.is_made() || chain.policy != "ACCEPT")
            })
    }
}

/// The first line, and the text after its line break. A quoted comment may contain line breaks.
pub(crate) fn split_line(text: &str) -> Option<(&str, &str)> {
    let mut end = text.find('\n')?;
    if text.starts_with(['-', '[']) {
        let mut from = 0;
        while let Some(open) = text[from..end].find('"').map(|at| from + at) {
            let close = open + 1 + end_of_quote(&text[open + 1..])?;
            from = close + 1;
            if close > end {
                end = close + text[close..].find('\n')?;
            }
        }
    }
    Some((&text[..end], &text[end + 1..]))
}

fn chain(line: &str) -> Option<Chain<'_>> {
    let mut parts = line[1..].splitn(3, ' ');
    let (name, policy) = (parts.next()?, parts.next()?);
    (!name.is_empty()).then_some(Chain { name, policy, counters: parts.next() })
}

fn rule(line: &str) -> Option<Rule<'_>> {
    let (counters, line) = match line.strip_prefix('[') {
        Some(rest) => {
            let (counters, after) = line.split_at(rest.find("] ")? + 2);
            (Some(counters), &after[1..])
        }
        None => (None, line),
    };
    let (chain, text) = match line.strip_prefix("-A ")?.split_once(' ') {
        Some((_, "")) => return None,
        Some(parts) => parts,
        None => (&line[3..], ""),
    };
    (!chain.is_empty()).then_some(Rule { counters, chain, text })
}

impl<'a> Table<'a> {
    /// Its chains.
    pub fn chains(&self) -> impl Iterator<Item = &Chain<'a>> {
        self.lines.iter().filter_map(|line| if let Line::Chain(chain) = line { Some(chain) } else { None })
    }

    /// Its rules.
    pub fn rules(&self) -> impl Iterator<Item = &Rule<'a>> {
        self.lines.iter().filter_map(|line| if let Line::Rule(rule) = line { Some(rule) } else { None })
    }

    /// The chain of this name.
    pub fn chain(&self, name: &str) -> Option<&Chain<'a>> {
        self.chains().find(|chain| chain.name == name)
    }
}

impl Chain<'_> {
    /// Whether a user made it; the others are chains of the kernel.
    pub fn is_made(&self) -> bool {
        self.policy == "-"
    }
}

impl Rule<'_> {
    /// Its target: a chain or a verdict.
    pub fn target(&self) -> Option<String> {
        self.value_of(&["-j", "-g"])
    }

    /// Its comment.
    pub fn comment(&self) -> Option<String> {
        self.value_of(&["--comment"])
    }

    fn value_of(&self, options: &[&str]) -> Option<String> {
        let mut words = words(self.text);
        while let Some(word) = words.next() {
            if options.contains(&&*word) {
                return words.next().map(std::borrow::Cow::into_owned);
            }
            // A comment may look like an option.
            if word == "--comment" {
                words.next();
            }
        }
        None
    }
}

impl fmt::Display for Save<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for table in &self.tables {
            for note in &table.before {
                writeln!(f, "{note}")?;
            }
            writeln!(f, "*{}", table.name)?;
            for line in &table.lines {
                writeln!(f, "{line}")?;
            }
            writeln!(f, "COMMIT")?;
        }
        self.rest.iter().try_for_each(|note| writeln!(f, "{note}"))
    }
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Line::Chain(chain) => {
                write!(f, ":{} {}", chain.name, chain.policy)?;
                chain.counters.map_or(Ok(()), |counters| write!(f, " {counters}"))
            }
            Line::Rule(rule) => {
                if let Some(counters) = rule.counters {
                    write!(f, "{counters} ")?;
                }
                write!(f, "-A {}", rule.chain)?;
                if rule.text.is_empty() { Ok(()) } else { write!(f, " {}", rule.text) }
            }
            Line::Note(note) => f.write_str(note),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::quote;
    use proptest::prelude::*;

    /// What iptables-nft-save 1.8.9 printed, with its remarks and counters.
    const NAT: &str = r#"# Warning: iptables-legacy tables present, use iptables-legacy-save to see them
# Generated by iptables-nft-save v1.8.9 (nf_tables) on Sat Nov 21 04:40:08 2026
*nat
:PREROUTING ACCEPT [3:180]
:OUTPUT ACCEPT [0:0]
:KUBE-SERVICES - [0:0]
[7:420] -A OUTPUT -m comment --comment "kubernetes \"service\" -j portals" -j KUBE-SERVICES
[0:0] -A KUBE-SERVICES -m comment --comment nothing
-A KUBE-SERVICES
COMMIT
# Completed on Sat Nov 21 04:40:08 2026
"#;

    #[test]
    fn parse_and_display_are_lossless() {
        let save = Save::parse(NAT).unwrap();
        assert_eq!(save.to_string(), NAT);
        let table = save.table("nat").unwrap();
        assert!(table.chain("KUBE-SERVICES").unwrap().is_made() && !table.chain("OUTPUT").unwrap().is_made());
        let rules: Vec<&Rule<'_>> = table.rules().collect();
        assert_eq!(rules[0].target().as_deref(), Some("KUBE-SERVICES"));
        assert_eq!(rules[0].comment().as_deref(), Some("kubernetes \"service\" -j portals"));
        assert_eq!((rules[0].counters, rules[2].text), (Some("[7:420]"), ""));
        assert!(rules[1].target().is_none());
        assert!(save.is_populated() && save.table("filter").is_none());
    }

    #[test]
    fn is_populated_ignores_empty_tables() {
        for (text, populated) in [
            ("", false),
            ("*nat\n:OUTPUT ACCEPT [1:2]\nCOMMIT\n", false),
            ("*filter\n:INPUT DROP [0:0]\nCOMMIT\n", true),
            ("*nat\n:OUTPUT ACCEPT [0:0]\n:X - [0:0]\nCOMMIT\n", true),
            ("*nat\n:OUTPUT ACCEPT [0:0]\n-A OUTPUT\nCOMMIT\n", true),
        ] {
            assert_eq!(Save::parse(text).unwrap().is_populated(), populated, "{text}");
        }
    }

    #[test]
    fn parse_refuses_other_and_incomplete_output() {
        for (text, line, what) in [
            ("*nat\n:OUTPUT ACCEPT [0:0]\n", 2, "does not end with COMMIT"),
            ("*nat\n:OUTPUT ACC", 2, "incomplete"),
            ("hello\n", 1, "outside of a table"),
            ("*nat\nhello\nCOMMIT\n", 2, "in a table"),
            ("*nat\n-D OUTPUT -j X\nCOMMIT\n", 2, "not a valid rule"),
            ("*nat\n[0:0 -A OUTPUT\nCOMMIT\n", 2, "not a valid rule"),
            ("*nat\n:\nCOMMIT\n", 2, "not a valid chain"),
            ("*nat\n-A OUTPUT --comment \"open\nCOMMIT\n", 2, "incomplete"),
            ("-A OUTPUT -j X\n", 1, "outside of a table"),
        ] {
            let malformed = Save::parse(text).unwrap_err();
            assert_eq!(malformed.line, line, "{text}");
            assert!(malformed.to_string().contains(what), "{text}: {malformed}");
        }
    }

    #[test]
    fn parse_keeps_line_breaks_in_comments() {
        let text = "*nat\n-A A --comment \"one\ntwo \\\" \nCOMMIT\" --comment \"x\ny\" -j B\n-A A -j C\nCOMMIT\n";
        let save = Save::parse(text).unwrap();
        let rules: Vec<&Rule<'_>> = save.tables[0].rules().collect();
        assert_eq!(rules.len(), 2);
        assert_eq!(rules[0].comment().as_deref(), Some("one\ntwo \" \nCOMMIT"));
        assert_eq!(rules[0].target().as_deref(), Some("B"));
        assert_eq!(save.to_string(), text);
    }

    fn line() -> impl Strategy<Value = String> {
        let word = "[A-Za-z0-9!./:,_-]{1,12}";
        let counters = prop::option::of("[0-9]{1,6}:[0-9]{1,6}");
        let spec = prop::collection::vec(prop_oneof![word.prop_map(String::from), ".*".prop_map(|c| quote(&c))], 0..8);
        prop_oneof![
            "[ -~]{0,20}".prop_map(|text| format!("#{text}")),
            ("[A-Za-z0-9_-]{1,28}", "-|ACCEPT|DROP", "[0-9]{1,9}:[0-9]{1,9}")
                .prop_map(|(name, policy, counters)| format!(":{name} {policy} [{counters}]")),
            (counters, "[A-Za-z0-9_-]{1,28}", spec).prop_map(|(counters, chain, spec)| {
                let counters = counters.map(|counters| format!("[{counters}] ")).unwrap_or_default();
                format!("{counters}-A {chain} {}", spec.join(" ")).trim_end_matches(' ').to_owned()
            }),
        ]
    }

    proptest! {
        #[test]
        fn display_prints_what_parse_read(tables in prop::collection::vec(prop::collection::vec(line(), 0..20), 0..4)) {
            let mut text = String::new();
            for (number, lines) in tables.iter().enumerate() {
                text += &format!("# Generated\n*table{number}\n{}\nCOMMIT\n# Completed\n", lines.join("\n"));
            }
            let save = Save::parse(&text).unwrap();
            prop_assert_eq!(&save.to_string(), &text);
            prop_assert_eq!(save.tables.len(), tables.len());
        }

        #[test]
        fn parse_never_panics(text in "[-*:#\\[\\]\"\\\\A-C 0-9\n]{0,80}") {
            if let Ok(save) = Save::parse(&text) {
                prop_assert_eq!(&save.to_string(), &text);
            }
        }
    }
}
