//! Rules of other programs are parsed without loss, and never moved, changed or reset; iptables confirms it.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use edge_firewall::{Line, Save, quote, words};
use edgeutils_tests::rules::{can_run, foreign, script, script_on};
use edgeutils_tests::skip;

fn can(test: &str) -> bool {
    if !can_run() {
        skip(&format!("firewall_live {test}"), "no network namespace with both iptables can be made here");
    }
    can_run()
}

/// Rules with every kind of word and quote.
const ODD: &str = r#"*nat
:OUTPUT ACCEPT [1:2]
:odd.chain_name - [0:0]
[3:4] -A OUTPUT -d 198.51.100.0/24 ! -o lo -p tcp -m multiport --dports 1,2:3 -m comment --comment "a \"b\" \\ \' -j c; # no comment, %1 é" -j odd.chain_name
[0:0] -A OUTPUT -m comment --comment plain -j RETURN
[0:0] -A OUTPUT
[5:6] -A odd.chain_name -m statistic --mode nth --every 3 --packet 0 -g odd.chain_name2
COMMIT
"#;

#[test]
fn save_is_parsed_without_loss() {
    if !can("lossless") {
        return;
    }
    let rules = foreign(400);
    for backend in ["nft", "legacy"] {
        let odd = ODD.replace("-g odd.chain_name2", "-j RETURN");
        let text = format!(
            "cat > odd <<'END'\n{odd}END\n\
             iptables-{backend}-restore --counters < $RULES && iptables-{backend}-restore --counters --noflush < odd && \
             iptables-{backend}-save --counters"
        );
        let printed = script_on(&rules, &text).expect(0).stdout;
        let save = Save::parse(&printed).unwrap();
        assert_eq!(save.to_string(), printed, "{backend}");
        assert!(save.tables.iter().flat_map(|table| table.rules()).count() > 400);

        // Each rule is the same for iptables after its words are parsed and quoted again.
        let mut again = String::new();
        for table in &save.tables {
            again += &format!("*{}\n", table.name);
            for line in &table.lines {
                again += &match line {
                    Line::Rule(rule) => {
                        let words: Vec<String> = words(rule.text).map(|word| quote(&word)).collect();
                        format!("{} -A {} {}\n", rule.counters.unwrap(), rule.chain, words.join(" "))
                    }
                    other => format!("{other}\n"),
                };
            }
            again += "COMMIT\n";
        }
        let text = format!("iptables-{backend}-restore --counters < $RULES && iptables-{backend}-save --counters");
        let judged = script_on(&again, &text).expect(0).stdout;
        let judged = Save::parse(&judged).unwrap();
        for table in &save.tables {
            // x_tables lists tables in the order of their first use.
            let other = judged.table(table.name).unwrap();
            assert_eq!(table.lines.len(), other.lines.len());
            for (line, other) in table.lines.iter().zip(&other.lines) {
                assert_eq!(line, other, "{backend} {}", table.name);
            }
        }
    }
}

#[test]
fn rules_of_other_programs_are_unchanged() {
    if !can("foreign rules") {
        return;
    }
    let rules = foreign(10_000);
    assert!(rules.lines().filter(|line| line.contains("-A ")).count() >= 10_000);
    for backend in ["nft", "legacy"] {
        // Our rules are added, changed, removed and restored.
        let text = format!(
            "
            iptables-{backend}-restore --counters < $RULES || exit 97
            saved iptables-{backend}-save > before
            foreign() {{ saved iptables-{backend}-save | grep -v EDGEUTILS-STREAM$ | grep -v -e '^:EDGEUTILS' -e '-A EDGEUTILS'; }}
            foreign > foreign-before
            echo $(grep -c -e -A before) rules
            redirect add 10351=192.0.2.1:10003 10352=192.0.2.2:10003 --from forward --backend {backend} | tail -1
            foreign | cmp foreign-before && saved iptables-{backend}-save | grep -c EDGEUTILS-STREAM
            redirect add 10352=192.0.2.9:10003 | tail -1
            foreign | cmp foreign-before
            redirect remove | tail -1
            saved iptables-{backend}-save | cmp before && echo after remove as before
            redirect undo | tail -1
            foreign | cmp foreign-before
            redirect undo > /dev/null; redirect undo | tail -1
            saved iptables-{backend}-save | cmp before && echo after undo as before
            "
        );
        let output = script_on(&rules, &text).stdout;
        let output: Vec<&str> = output.lines().filter(|line| !line.contains("note: ")).collect();
        let (count, rest) = output.split_first().unwrap();
        assert!(count.ends_with(" rules") && count.len() == "10013 rules".len(), "{count}");
        // The comment of another rule contains the name of our chain: one more line besides one chain, two rules and two jumps.
        assert_eq!(
            rest,
            ["exit 0", "6", "exit 0", "exit 0", "after remove as before", "exit 0", "exit 0", "after undo as before"],
            "{backend}"
        );
    }
}

#[test]
fn concurrent_writer_loses_no_rules() {
    if !can("concurrent writer") {
        return;
    }
    for backend in ["nft", "legacy"] {
        let text = format!(
            "
            \"$WRITER\" {backend} 150 & writer=$!
            ours=0
            while kill -0 $writer 2> /dev/null; do
                ours=$((ours+1))
                /mnt/bin/edge-redirect --force-namespace add 10351=192.0.2.$((ours % 200 + 1)):10003 --backend {backend} > output 2>&1 || cat output
                [ $((ours % 3)) != 0 ] || /mnt/bin/edge-redirect --force-namespace remove > output 2>&1 || cat output
            done
            wait $writer || echo theirs failed
            [ $ours -gt 3 ] || echo only $ours of ours
            redirect add 10351=192.0.2.1:10003 > /dev/null
            iptables-{backend}-save -t nat | grep -c -e '-A theirs'
            iptables-{backend}-save -t nat | grep -c -e '-j theirs'
            iptables-{backend}-save -t nat | grep -c -e '-j EDGEUTILS-STREAM' -e '-A EDGEUTILS-STREAM'
            "
        );
        let output = script(&text).stdout;
        let output: Vec<&str> = output.lines().filter(|line| !line.contains("note: ")).collect();
        assert_eq!(output, ["150 rules, 75 jumps", "150", "75", "2"], "{backend}");
    }
}
