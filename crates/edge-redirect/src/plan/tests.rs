//! Facts as literals, plans as the scripts that they run.

use std::time::Duration;

use edge_firewall::{Backend, Family, Firewall, Seen};
use edge_host::Plan;
use edge_host::action::ActionKind;

use super::*;
use crate::wanted::Engine;

const EMPTY: &str = "*nat\n:PREROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n";
const DOCKER: &str = "*nat\n:PREROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:DOCKER - [0:0]\n[9:9] -A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER\nCOMMIT\n";
const JUMP: &str = "-p tcp -m addrtype ! --dst-type LOCAL -m comment --comment \"edgeutils: kubectl logs and exec\" -j EDGEUTILS-STREAM";

fn firewall(saves: &[(Backend, Family, &str)]) -> Firewall {
    let seen = |&(backend, family, text): &(Backend, Family, &str)| Seen {
        backend,
        family,
        restore: format!("{}-{backend}-restore", family.program()),
        text: text.to_owned(),
        notes: Vec::new(),
        unreadable: None,
    };
    Firewall::of(saves.iter().map(seen).collect(), Some(Backend::Nft))
}

fn goal(pairs: &[&str]) -> Goal {
    Goal {
        pairs: pairs.iter().map(|text| Pair::parse(text).unwrap()).collect(),
        reach: Reach::Output,
        engine: Engine::Auto,
        by_hand: HandMadeRules::Leave,
        lock_wait: Duration::from_secs(5),
    }
}

/// Each script with its program, without its frame.
fn scripts(plan: &Plan) -> String {
    let mut text = String::new();
    for action in &plan.actions {
        let ActionKind::Transaction(transaction) = &action.kind else { panic!("{action:?}") };
        text += &format!("{}\n", transaction.script.argv[0]);
        text += &action.details.iter().map(|line| format!("{line}\n")).collect::<String>();
    }
    text.replace(JUMP, "JUMP")
}

fn run(firewall: &Firewall, goal: &Goal) -> (String, Vec<String>) {
    let mut plan = Plan::new();
    rules(firewall, &firewall.views().unwrap(), goal, &mut plan).unwrap();
    (scripts(&plan), plan.notes)
}

const ADDED: &str = "\
:EDGEUTILS-STREAM - [0:0]
-A EDGEUTILS-STREAM -p tcp -m tcp --dport 10351 -j DNAT --to-destination 192.0.2.1:10003
-A OUTPUT JUMP
";

#[test]
fn rules_go_where_the_host_has_its_own() {
    use Backend::{Legacy, Nft};
    let goal = goal(&["10351=192.0.2.1:10003"]);
    let kubelet = format!("*mangle\n:OUTPUT ACCEPT [0:0]\n:KUBE-IPTABLES-HINT - [0:0]\nCOMMIT\n{DOCKER}");
    for (saves, engine, program) in [
        (vec![(Nft, Family::V4, "")], Engine::Auto, "iptables-nft-restore"),
        (vec![(Nft, Family::V4, EMPTY), (Legacy, Family::V4, DOCKER)], Engine::Auto, "iptables-legacy-restore"),
        (vec![(Nft, Family::V4, DOCKER), (Legacy, Family::V4, EMPTY)], Engine::Auto, "iptables-nft-restore"),
        (vec![(Nft, Family::V4, DOCKER), (Legacy, Family::V4, EMPTY)], Engine::Legacy, "iptables-legacy-restore"),
        // The kubelet's mark is in another table.
        (vec![(Nft, Family::V4, DOCKER), (Legacy, Family::V4, &kubelet)], Engine::Auto, "iptables-legacy-restore"),
        (vec![(Nft, Family::V4, DOCKER), (Legacy, Family::V4, DOCKER)], Engine::Auto, "iptables-nft-restore"),
    ] {
        let (got, _) = run(&firewall(&saves), &Goal { engine, ..goal.clone() });
        assert_eq!(got, format!("{program}\n{ADDED}"));
    }
    let only = firewall(&[(Nft, Family::V4, "")]);
    let error =
        rules(&only, &only.views().unwrap(), &Goal { engine: Engine::Legacy, ..goal }, &mut Plan::new()).unwrap_err();
    assert!(
        error.message().contains("cannot use --backend legacy: iptables-legacy-save is not on this host"),
        "{error}"
    );
}

fn there(rules: &str) -> String {
    format!("*nat\n:PREROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:EDGEUTILS-STREAM - [0:0]\n{rules}COMMIT\n")
        .replace("JUMP", JUMP)
}

#[test]
fn what_is_in_order_is_left_and_what_moved_is_put_right() {
    let in_order = there(
        "[3:180] -A OUTPUT JUMP\n[2:120] -A EDGEUTILS-STREAM -p tcp -m tcp --dport 10351 -j DNAT --to-destination 192.0.2.1:10003\n",
    );
    let one = goal(&["10351=192.0.2.1:10003"]);
    assert_eq!(run(&firewall(&[(Backend::Nft, Family::V4, &in_order)]), &one).0, "");
    let other = goal(&["10351=192.0.2.2:10003"]);
    assert_eq!(
        run(&firewall(&[(Backend::Nft, Family::V4, &in_order)]), &other).0,
        "iptables-nft-restore\n:EDGEUTILS-STREAM - [0:0]\n-A EDGEUTILS-STREAM -p tcp -m tcp --dport 10351 -j DNAT --to-destination 192.0.2.2:10003\n"
    );
    // Named in the other backend: they are made there before they go here.
    let moved = Goal { engine: Engine::Legacy, ..one.clone() };
    let both = firewall(&[(Backend::Nft, Family::V4, &in_order), (Backend::Legacy, Family::V4, "")]);
    assert_eq!(
        run(&both, &moved).0,
        format!(
            "iptables-legacy-restore\n{ADDED}iptables-nft-restore\n-D OUTPUT JUMP\n:EDGEUTILS-STREAM - [0:0]\n-X EDGEUTILS-STREAM\n"
        )
    );
    let forward = Goal { reach: Reach::Forward, ..one };
    assert_eq!(
        run(&firewall(&[(Backend::Nft, Family::V4, &in_order)]), &forward).0,
        "iptables-nft-restore\n-A PREROUTING JUMP\n"
    );
}

#[test]
fn each_family_has_its_rules() {
    let both = firewall(&[(Backend::Nft, Family::V4, ""), (Backend::Nft, Family::V6, "")]);
    let (got, _) = run(&both, &goal(&["10351=192.0.2.1:10003", "10352=[2001:db8::1]:10003"]));
    let v6 = "ip6tables-nft-restore\n:EDGEUTILS-STREAM - [0:0]\n-A EDGEUTILS-STREAM -p tcp -m tcp --dport 10352 -j DNAT --to-destination [2001:db8::1]:10003\n-A OUTPUT JUMP\n";
    assert_eq!(got, format!("iptables-nft-restore\n{ADDED}{v6}"));
}

#[test]
fn rules_by_hand_are_told_of_and_replaced_on_request() {
    let guide = "-p tcp -m tcp --dport 10351 -j DNAT --to-destination 192.0.2.9:10003";
    let text = EMPTY.replace(
        "COMMIT",
        &format!("[1:60] -A PREROUTING {guide}\n[5:300] -A OUTPUT {guide}\n[0:0] -A OUTPUT {guide}\n[0:0] -A OUTPUT -s 10.0.0.0/8 {guide}\nCOMMIT"),
    );
    let firewall = firewall(&[(Backend::Nft, Family::V4, &text)]);
    let leave = goal(&["10351=192.0.2.1:10003"]);
    let (got, notes) = run(&firewall, &leave);
    assert_eq!(got, format!("iptables-nft-restore\n{ADDED}"));
    assert_eq!(
        notes,
        [
            "made by hand in PREROUTING (nft): port 10351 goes to 192.0.2.9:10003; --from forward --adopt replaces it",
            "made by hand in OUTPUT (nft), 2 times: port 10351 goes to 192.0.2.9:10003, connections to this host itself too; --adopt replaces it",
            "made by hand in OUTPUT (nft): port 10351 goes to 192.0.2.9:10003, connections to this host itself too; it has conditions of its own and is left to you",
        ]
    );
    let adopt = Goal { by_hand: HandMadeRules::Adopt, ..leave };
    let gone = format!("-D OUTPUT {guide}\n-D OUTPUT {guide}\n");
    assert_eq!(run(&firewall, &adopt).0, format!("iptables-nft-restore\n{gone}{ADDED}"));
    let (got, notes) = run(&firewall, &Goal { reach: Reach::Forward, ..adopt });
    assert!(got.contains(&format!("-D PREROUTING {guide}\n{gone}")) && notes.len() == 1, "{got}{notes:?}");
}

#[test]
fn only_named_ports_are_removed() {
    let two = there(
        "[0:0] -A OUTPUT JUMP\n-A EDGEUTILS-STREAM -p tcp -m tcp --dport 10351 -j DNAT --to-destination 192.0.2.1:10003\n-A EDGEUTILS-STREAM -p tcp -m tcp --dport 10352 -j DNAT --to-destination 192.0.2.2:10003\n",
    );
    let firewall = firewall(&[(Backend::Nft, Family::V4, &two)]);
    let views = firewall.views().unwrap();
    let run = |ports: &[u16]| {
        let mut plan = Plan::new();
        assert!(remove(None, &views, ports, Duration::ZERO, &mut plan).unwrap().is_none());
        (scripts(&plan), plan.notes)
    };
    let all = "iptables-nft-restore\n-D OUTPUT JUMP\n:EDGEUTILS-STREAM - [0:0]\n-X EDGEUTILS-STREAM\n";
    assert_eq!(run(&[]).0, all);
    assert_eq!(run(&[10351, 10352]).0, all);
    assert_eq!(
        run(&[10351]).0,
        "iptables-nft-restore\n:EDGEUTILS-STREAM - [0:0]\n-A EDGEUTILS-STREAM -p tcp -m tcp --dport 10352 -j DNAT --to-destination 192.0.2.2:10003\n"
    );
    assert_eq!(run(&[7]), (String::new(), vec!["port 7 is not redirected".to_owned()]));
}

#[test]
fn where_cloudcore_keeps_its_chain_nothing_is_added_for_ipv4() {
    let kept = "*nat\n:OUTPUT ACCEPT [0:0]\n:TUNNEL-PORT - [0:0]\n-A OUTPUT -m comment --comment \"kubeedge tunnel port\" -j TUNNEL-PORT\n-A TUNNEL-PORT -p tcp -m tcp --dport 10351 -j DNAT --to-destination 192.0.2.1:10003\nCOMMIT\n";
    let firewall = firewall(&[(Backend::Legacy, Family::V4, kept), (Backend::Nft, Family::V6, "")]);
    let views = firewall.views().unwrap();
    let wanted = |pairs: &[&str], kept| Wanted {
        pairs: goal(pairs).pairs,
        reach: None,
        engine: Engine::Auto,
        persist: Persist::Yes,
        by_hand: HandMadeRules::Leave,
        kept,
        lock_wait: Duration::ZERO,
    };
    let mut plan = Plan::new();
    assert!(add(None, &views, &wanted(&["10351=192.0.2.1:10003"], Kept::Yield), &mut plan).unwrap().is_none());
    assert_eq!(
        plan.notes,
        [
            "cloudcore keeps TUNNEL-PORT here itself (legacy): 10351 to 192.0.2.1:10003; nothing is added for IPv4 (--force adds it)"
        ]
    );
    let both = ["10351=192.0.2.1:10003", "10351=[2001:db8::1]:10003"];
    let (goal, stored) = add(None, &views, &wanted(&both, Kept::Yield), &mut Plan::new()).unwrap().unwrap();
    assert_eq!(goal.pairs.len(), 1);
    assert_eq!(stored.unwrap().pairs, goal.pairs);
    assert_eq!(add(None, &views, &wanted(&both, Kept::Add), &mut Plan::new()).unwrap().unwrap().0.pairs.len(), 2);
}
