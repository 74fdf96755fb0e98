//! The output of iptables-save.

use edge_firewall::{Name, Owned, OwnedChain, Owner, Save, Shared, quote, same_rule, script, words};
use edge_host::Pattern;

use super::Target;

pub(super) const TARGET: Target = Target {
    name: "iptables_save",
    check,
    read,
    seeds: || {
        super::texts(&[
            "# Warning: iptables-legacy tables present, use iptables-legacy-save to see them\n*nat\n:PREROUTING ACCEPT [3:180]\n:OUTPUT ACCEPT [0:0]\n:EDGE - [0:0]\n[7:420] -A OUTPUT -m comment --comment \"ours \\\"x\\\"\" -j EDGE\n-A EDGE -p tcp -m tcp --dport 10351 -j DNAT --to-destination 192.0.2.1:10003\nCOMMIT\n# Completed\n",
            "*filter\n:INPUT DROP [0:0]\n-A INPUT -m comment --comment \"one\ntwo\" -j ACCEPT\n-A INPUT -g EDGE\nCOMMIT\n*nat\n:EDGE - [0:0]\nCOMMIT\n",
        ])
    },
    tokens: &[
        "*nat\n",
        "COMMIT\n",
        ":",
        "-A ",
        "OUTPUT",
        "EDGE",
        " - [0:0]\n",
        "[1:2] ",
        "[",
        "]",
        "\"",
        "\\",
        "\\\"",
        " -j ",
        " -m comment",
        " --comment ",
        "\n",
        "#",
        " ",
        "-p tcp -m tcp",
        "ours",
        "-D ",
        "'",
    ],
    growing: &[
        ("*nat\n", ":C{} - [0:0]\n", "COMMIT\n"),
        ("*nat\n", "-A OUTPUT -m comment --comment \"c {}\" -j C{}\n", "COMMIT\n"),
        ("*nat\n", "-A OUTPUT --comment \"a\n\" -j X\n", "COMMIT\n"),
        ("*nat\n-A OUTPUT ", "\"\" ", "\nCOMMIT\n"),
        ("*nat\n-A OUTPUT \"", "\n", "\"\nCOMMIT\n"),
        ("*nat\n-A OUTPUT ", "\"\n\" ", "\nCOMMIT\n"),
        ("", "*t{}\nCOMMIT\n", ""),
        ("", "#\n", ""),
        ("*nat\n-A OUTPUT ", "\\", "\nCOMMIT\n"),
        ("*nat\n", "-A OUTPUT -m comment --comment ours -j C{}\n", "COMMIT\n"),
        ("*nat\n:SHARED - [0:0]\n", "-A SHARED -m comment --comment cali:x{} -j C{}\n", "COMMIT\n"),
        ("*nat\n", ":EDGE{} - [0:0]\n-A EDGE{} -j ACCEPT\n", "COMMIT\n"),
    ],
};

fn owner() -> Owner {
    Owner {
        name: "fuzz".to_owned(),
        shared: vec![Shared {
            chains: vec!["SHARED".to_owned()],
            comments: vec![Pattern::beginning("shared")],
            rules: Vec::new(),
        }],
        comment_patterns: vec![Pattern::beginning("cali:")],
        chains: vec![Name::Exactly("EDGE".to_owned()), Name::Beginning("EDGE".to_owned())],
        comments: vec!["ours".to_owned()],
        rules: vec![("OUTPUT".to_owned(), "-p tcp -m tcp --dport 1 -j EDGE".to_owned())],
    }
}

fn read(data: &[u8]) {
    let text = super::text(data);
    let Ok(save) = Save::parse(&text) else { return };
    let owner = owner();
    for table in &save.tables {
        let owned = Owned::of(Some(table), &owner);
        let _ = script(table.name, Some(table), &owner, &owned);
        let _ = script(table.name, Some(table), &owner, &Owned::default());
    }
}

fn check(data: &[u8]) {
    let text = super::text(data);
    let Ok(save) = Save::parse(&text) else { return };
    assert_eq!(save.to_string(), text);
    let owner = owner();
    for table in &save.tables {
        for rule in table.rules() {
            let quoted: Vec<String> = words(rule.text).map(|word| quote(&word)).collect();
            assert!(same_rule(&quoted.join(" "), rule.text), "{}", rule.text);
        }
        let owned = Owned::of(Some(table), &owner);
        assert!(owned.same(&owned));
        let nothing = Owned::default();
        assert_eq!(script(table.name, Some(table), &owner, &owned), None, "the rules are in the desired state");
        let gone = script(table.name, Some(table), &owner, &nothing);
        assert_eq!(gone.is_none(), owned.chains.is_empty() && owned.placed.is_empty());
        // A chain more is made by a script that names no other one. No iptables-save prints a chain twice.
        let mut names: Vec<&str> = table.chains().map(|chain| chain.name).collect();
        names.sort_unstable();
        let is_twice = names.windows(2).any(|pair| pair[0] == pair[1]);
        let mut more = owned.clone();
        more.chains.push(OwnedChain { name: "EDGE-NEW".to_owned(), rules: vec!["-j ACCEPT".to_owned()] });
        if !is_twice && owned.chain("EDGE-NEW").is_none() {
            let script = script(table.name, Some(table), &owner, &more).expect("a chain is missing");
            let expected = format!("*{}\n:EDGE-NEW - [0:0]\n-A EDGE-NEW -j ACCEPT\nCOMMIT\n", table.name);
            assert_eq!(script, expected);
        }
    }
}
