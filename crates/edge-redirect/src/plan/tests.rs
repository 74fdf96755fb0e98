//! Facts are literals, and plans are compared as the scripts that they run.

use std::time::Duration;

use edge_firewall::{Backend, Family, Firewall, Seen};
use edge_host::Plan;
use edge_host::action::ActionKind;

use super::*;
use crate::request::BackendChoice;

const EMPTY: &str = "*nat\n:PREROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n";
const DOCKER: &str = "*nat\n:PREROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:DOCKER - [0:0]\n[9:9] -A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER\nCOMMIT\n";
const JUMP: &str = "-p tcp -m addrtype ! --dst-type LOCAL -m comment --comment \"edgeutils: kubectl logs and exec\" -j EDGEUTILS-STREAM";

fn firewall(saves: &[(Backend, Family, &str)]) -> Firewall {
    let seen = |&(backend, family, text): &(Backend, Family, &str)| Seen {
        earlier: Vec::new(),
        backend,
        family,
        restore: format!("{}-{backend}-restore", family.program()),
        text: text.to_owned(),
        notes: Vec::new(),
        unreadable: None,
    };
    Firewall::of(saves.iter().map(seen).collect(), Some(Backend::Nft))
}

fn goal(redirects: &[&str]) -> Goal {
    Goal {
        redirects: redirects.iter().map(|text| Redirect::parse(text).unwrap()).collect(),
        traffic: Traffic::Output,
        backend: BackendChoice::Auto,
        adopt: false,
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
fn rules_go_to_the_backend_of_the_host() {
    use Backend::{Legacy, Nft};
    let goal = goal(&["10351=192.0.2.1:10003"]);
    let kubelet = format!("*mangle\n:OUTPUT ACCEPT [0:0]\n:KUBE-IPTABLES-HINT - [0:0]\nCOMMIT\n{DOCKER}");
    for (saves, backend, program) in [
        (vec![(Nft, Family::V4, "")], BackendChoice::Auto, "iptables-nft-restore"),
        (vec![(Nft, Family::V4, EMPTY), (Legacy, Family::V4, DOCKER)], BackendChoice::Auto, "iptables-legacy-restore"),
        (vec![(Nft, Family::V4, DOCKER), (Legacy, Family::V4, EMPTY)], BackendChoice::Auto, "iptables-nft-restore"),
        (
            vec![(Nft, Family::V4, DOCKER), (Legacy, Family::V4, EMPTY)],
            BackendChoice::Legacy,
            "iptables-legacy-restore",
        ),
        // The mark of the kubelet is in another table.
        (
            vec![(Nft, Family::V4, DOCKER), (Legacy, Family::V4, &kubelet)],
            BackendChoice::Auto,
            "iptables-legacy-restore",
        ),
        (vec![(Nft, Family::V4, DOCKER), (Legacy, Family::V4, DOCKER)], BackendChoice::Auto, "iptables-nft-restore"),
    ] {
        let (got, _) = run(&firewall(&saves), &Goal { backend, ..goal.clone() });
        assert_eq!(got, format!("{program}\n{ADDED}"));
    }
    let only = firewall(&[(Nft, Family::V4, "")]);
    let error =
        rules(&only, &only.views().unwrap(), &Goal { backend: BackendChoice::Legacy, ..goal }, &mut Plan::new())
            .unwrap_err();
    assert!(error.message().contains("cannot use --backend legacy: iptables-legacy-save is not installed"), "{error}");
}

fn saved(rules: &str) -> String {
    format!("*nat\n:PREROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:EDGEUTILS-STREAM - [0:0]\n{rules}COMMIT\n")
        .replace("JUMP", JUMP)
}

#[test]
fn rules_change_only_what_differs() {
    let complete = saved(
        "[3:180] -A OUTPUT JUMP\n[2:120] -A EDGEUTILS-STREAM -p tcp -m tcp --dport 10351 -j DNAT --to-destination 192.0.2.1:10003\n",
    );
    let one = goal(&["10351=192.0.2.1:10003"]);
    assert_eq!(run(&firewall(&[(Backend::Nft, Family::V4, &complete)]), &one).0, "");
    let other = goal(&["10351=192.0.2.2:10003"]);
    assert_eq!(
        run(&firewall(&[(Backend::Nft, Family::V4, &complete)]), &other).0,
        "iptables-nft-restore\n:EDGEUTILS-STREAM - [0:0]\n-A EDGEUTILS-STREAM -p tcp -m tcp --dport 10351 -j DNAT --to-destination 192.0.2.2:10003\n"
    );
    // With the other backend they are added there before they are removed here.
    let moved = Goal { backend: BackendChoice::Legacy, ..one.clone() };
    let both = firewall(&[(Backend::Nft, Family::V4, &complete), (Backend::Legacy, Family::V4, "")]);
    assert_eq!(
        run(&both, &moved).0,
        format!(
            "iptables-legacy-restore\n{ADDED}iptables-nft-restore\n-D OUTPUT JUMP\n:EDGEUTILS-STREAM - [0:0]\n-X EDGEUTILS-STREAM\n"
        )
    );
    let forward = Goal { traffic: Traffic::Forward, ..one };
    assert_eq!(
        run(&firewall(&[(Backend::Nft, Family::V4, &complete)]), &forward).0,
        "iptables-nft-restore\n-A PREROUTING JUMP\n"
    );
}

#[test]
fn rules_are_made_for_each_family() {
    let both = firewall(&[(Backend::Nft, Family::V4, ""), (Backend::Nft, Family::V6, "")]);
    let (got, _) = run(&both, &goal(&["10351=192.0.2.1:10003", "10352=[2001:db8::1]:10003"]));
    let v6 = "ip6tables-nft-restore\n:EDGEUTILS-STREAM - [0:0]\n-A EDGEUTILS-STREAM -p tcp -m tcp --dport 10352 -j DNAT --to-destination [2001:db8::1]:10003\n-A OUTPUT JUMP\n";
    assert_eq!(got, format!("iptables-nft-restore\n{ADDED}{v6}"));
}

#[test]
fn unmanaged_rules_are_noted_and_replaced_with_adopt() {
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
            "unmanaged rule in PREROUTING (nft): port 10351 to 192.0.2.9:10003; --from forward --adopt replaces it",
            "unmanaged rule in OUTPUT (nft), 2 times: port 10351 to 192.0.2.9:10003, also for connections to this host itself; --adopt replaces it",
            "unmanaged rule in OUTPUT (nft): port 10351 to 192.0.2.9:10003, also for connections to this host itself; not replaced, because it has other conditions",
        ]
    );
    let adopt = Goal { adopt: true, ..leave };
    let gone = format!("-D OUTPUT {guide}\n-D OUTPUT {guide}\n");
    assert_eq!(run(&firewall, &adopt).0, format!("iptables-nft-restore\n{gone}{ADDED}"));
    let (got, notes) = run(&firewall, &Goal { traffic: Traffic::Forward, ..adopt });
    assert!(got.contains(&format!("-D PREROUTING {guide}\n{gone}")) && notes.len() == 1, "{got}{notes:?}");
}

#[test]
fn only_named_ports_are_removed() {
    let two = saved(
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

/// A table with cloudcore's own chain.
fn tunnel_port(rules: &str) -> String {
    format!(
        "*nat\n:PREROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:TUNNEL-PORT - [0:0]\n-A OUTPUT -m comment --comment \"kubeedge tunnel port\" -j TUNNEL-PORT\n{rules}COMMIT\n"
    )
}

const PAIR: &str = "-A TUNNEL-PORT -p tcp -m tcp --dport 10351 -j DNAT --to-destination 192.0.2.1:10003\n";

fn request(redirects: &[&str], force: bool) -> Request {
    Request {
        redirects: goal(redirects).redirects,
        version: None,
        traffic: None,
        backend: BackendChoice::Auto,
        persist: true,
        adopt: false,
        force,
        lock_wait: Duration::ZERO,
    }
}

fn managed() -> Manager {
    Manager::Cloudcore("/etc/kubeedge/config/cloudcore.yaml".into())
}

#[test]
fn add_leaves_to_cloudcore_what_its_chain_redirects() {
    let kept = tunnel_port(PAIR);
    let firewall = firewall(&[(Backend::Legacy, Family::V4, &kept), (Backend::Nft, Family::V6, "")]);
    let views = firewall.views().unwrap();
    let add = |redirects: &[&str], manager: &Manager, force, plan: &mut Plan| {
        add(None, &views, manager, &request(redirects, force), plan).unwrap()
    };
    let both = ["10351=192.0.2.1:10003", "10351=[2001:db8::1]:10003"];
    for manager in [managed(), Manager::Elsewhere(String::new())] {
        let mut plan = Plan::new();
        assert!(add(&both[..1], &manager, false, &mut plan).is_none());
        assert_eq!(
            plan.notes,
            [
                "cloudcore manages TUNNEL-PORT on this host (legacy): 10351 to 192.0.2.1:10003; nothing is added for IPv4 without --force"
            ]
        );
        let (goal, stored) = add(&both, &manager, false, &mut Plan::new()).unwrap();
        assert_eq!(goal.redirects.len(), 1);
        assert_eq!(stored.unwrap().redirects, goal.redirects);
        assert_eq!(add(&both, &manager, true, &mut Plan::new()).unwrap().0.redirects.len(), 2);
    }
    // A leftover chain redirects only until the next boot.
    let left = Manager::Nobody("it is turned off".to_owned());
    assert_eq!(add(&both, &left, false, &mut Plan::new()).unwrap().0.redirects.len(), 2);
}

#[test]
fn add_refuses_what_cloudcore_should_redirect_and_does_not() {
    let jump = "-A OUTPUT -m comment --comment \"kubeedge tunnel port\" -j TUNNEL-PORT\n";
    for (text, cause) in [
        (EMPTY.to_owned(), "no rule of OUTPUT jumps to it"),
        (tunnel_port(PAIR).replace(jump, ""), "no rule of OUTPUT jumps to it"),
        (tunnel_port(""), "the chain has no redirects"),
        (tunnel_port(&PAIR.replace("10351", "10352")), "the chain redirects only 10352 to 192.0.2.1:10003"),
        (tunnel_port(&PAIR.replace("192.0.2.1", "192.0.2.9")), "the chain redirects 10351 to 192.0.2.9:10003"),
        (
            tunnel_port(PAIR).replace(jump, &format!("-A OUTPUT -p tcp -j ACCEPT\n{jump}")),
            "its redirect is shadowed by -A OUTPUT -p tcp -j ACCEPT",
        ),
        (
            tunnel_port(&format!("{}{PAIR}", PAIR.replace("192.0.2.1", "192.0.2.9"))),
            "the chain redirects 10351 to 192.0.2.9:10003",
        ),
    ] {
        let firewall = firewall(&[(Backend::Nft, Family::V4, &text)]);
        let views = firewall.views().unwrap();
        let add = |manager: &Manager, force| {
            add(None, &views, manager, &request(&["10351=192.0.2.1:10003"], force), &mut Plan::new())
        };
        let error = add(&managed(), false).unwrap_err();
        assert!(error.message().ends_with(cause), "{error}");
        assert_eq!(error.exit(), edge_host::Exit::Refused);
        assert!(add(&managed(), true).unwrap().is_some());
        for other in [Manager::Elsewhere("mode".into()), Manager::Nobody("off".into())] {
            assert!(add(&other, false).unwrap().is_some(), "{text}");
        }
    }
    // Our own rule is in effect.
    let own = saved(
        "-A OUTPUT JUMP\n-A EDGEUTILS-STREAM -p tcp -m tcp --dport 10351 -j DNAT --to-destination 192.0.2.1:10003\n",
    );
    let firewall = firewall(&[(Backend::Nft, Family::V4, &own)]);
    let views = firewall.views().unwrap();
    let request = request(&["10351=192.0.2.1:10003"], false);
    assert!(add(None, &views, &managed(), &request, &mut Plan::new()).unwrap().is_some());
}

#[test]
fn shadows_are_found_before_and_after_the_change() {
    let rule = |text: &str| EMPTY.replace("COMMIT", &format!("-A OUTPUT {text}\nCOMMIT"));
    let own = "-A EDGEUTILS-STREAM -p tcp -m tcp --dport 10351 -j DNAT --to-destination 192.0.2.1:10003\n";
    for (text, adopt, want) in [
        (
            rule("-p tcp -m tcp --dport 10351 -j REDIRECT --to-ports 9"),
            false,
            "-A OUTPUT -p tcp -m tcp --dport 10351 -j REDIRECT --to-ports 9",
        ),
        (
            rule("-p tcp -m multiport --dports 7,10300:10400 -j ACCEPT"),
            false,
            "-A OUTPUT -p tcp -m multiport --dports 7,10300:10400 -j ACCEPT",
        ),
        (
            rule("-p tcp -m tcp --dport 10351 -j DNAT --to-destination 192.0.2.9:10003"),
            false,
            "-A OUTPUT -p tcp -m tcp --dport 10351 -j DNAT --to-destination 192.0.2.9:10003",
        ),
        (rule("-p tcp -m tcp --dport 10351 -j DNAT --to-destination 192.0.2.9:10003"), true, ""),
        (rule("-p tcp -m tcp --dport 10351 -j DNAT --to-destination 192.0.2.1:10003"), false, ""),
        (rule("-d 198.51.100.0/24 -p tcp -m tcp --dport 10351 -j ACCEPT"), false, ""),
        (rule("-m addrtype --dst-type LOCAL -j ACCEPT"), false, ""),
        (saved(&format!("-A OUTPUT JUMP\n-A OUTPUT -j ACCEPT\n{own}")), false, ""),
        (saved(&format!("-A OUTPUT -j ACCEPT\n-A OUTPUT JUMP\n{own}")), false, "-A OUTPUT -j ACCEPT"),
    ] {
        let firewall = firewall(&[(Backend::Nft, Family::V4, &text)]);
        let views = firewall.views().unwrap();
        let goal = Goal { adopt, ..goal(&["10351=192.0.2.1:10003"]) };
        let planned = rules(&firewall, &views, &goal, &mut Plan::new()).unwrap();
        let (found, unknown) = shadows(&views, &goal, &planned);
        assert_eq!(found.first().map(|shadow| shadow.by.shown()).unwrap_or_default(), want, "{text}");
        assert!(unknown.is_empty());
    }
    // Which backend comes first is unknown.
    let other = rule("-p tcp -m tcp --dport 10351 -j ACCEPT");
    let firewall = firewall(&[(Backend::Nft, Family::V4, EMPTY), (Backend::Legacy, Family::V4, &other)]);
    let views = firewall.views().unwrap();
    let goal = Goal { backend: BackendChoice::Nft, ..goal(&["10351=192.0.2.1:10003"]) };
    let planned = rules(&firewall, &views, &goal, &mut Plan::new()).unwrap();
    let (found, unknown) = shadows(&views, &goal, &planned);
    assert!(found.is_empty() && unknown[0].1.contains("--dport 10351 -j ACCEPT in backend legacy may come first"));
}

#[test]
fn adopt_command_gives_all_rules_of_a_port_one_address() {
    let guide = |port: &str, to: &str| format!("-p tcp -m tcp --dport {port} -j DNAT --to-destination {to}:10003");
    let text = EMPTY.replace(
        "COMMIT",
        &format!(
            "-A PREROUTING {0}\n-A OUTPUT {1}\n-A OUTPUT {2}\n-A OUTPUT -s 10.0.0.0/8 {1}\n-A OUTPUT {3}\nCOMMIT",
            guide("10350", "192.0.2.8"),
            guide("10350", "192.0.2.9"),
            guide("10350", "192.0.2.7"),
            guide("10351", "192.0.2.9")
        ),
    );
    let firewall = firewall(&[(Backend::Nft, Family::V4, &text)]);
    let views = firewall.views().unwrap();
    let all = unmanaged(views[0].save.table(TABLE), |_| true);
    let commands = |own: &[&str]| -> Vec<String> {
        let own = goal(own).redirects;
        all.iter().map(|rule| adopt_command(rule, &all, &own).unwrap_or_default()).collect()
    };
    assert_eq!(
        commands(&[]),
        [
            "edge-redirect add 10350=192.0.2.9:10003 --from forward --adopt",
            "edge-redirect add 10350=192.0.2.9:10003 --adopt",
            "edge-redirect add 10350=192.0.2.9:10003 --adopt",
            "",
            "edge-redirect add 10351=192.0.2.9:10003 --adopt",
        ]
    );
    // A port that is redirected keeps its address.
    let own = commands(&["10351=192.0.2.1:10003", "10350=[2001:db8::1]:10003"]);
    assert_eq!(own[4], "edge-redirect add 10351=192.0.2.1:10003 --adopt");
    assert_eq!(own[1], "edge-redirect add 10350=192.0.2.9:10003 --adopt");
}
