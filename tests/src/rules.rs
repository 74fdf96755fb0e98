//! Firewall rules of several programs on a private host: mount, network, UTS and PID namespaces with empty /run and
//! /var, /etc on an overlay, and the real iptables of both backends.

use std::fmt::Write;
use std::process::Command;

use crate::tool::{self, Ran};

/// `redirect` runs edge-redirect from where only root may write, and prints its exit code; `reset` edge-reset, for the
/// phase firewall.
const PRELUDE: &str = r#"
exec 2>&1
for dir in /run /var /mnt; do mount -t tmpfs -o size=256m,mode=755 tmpfs "$dir" || exit 99; done
mkdir /mnt/bin /mnt/up /mnt/work /run/netns
mount -t overlay overlay -o lowerdir=/etc,upperdir=/mnt/up,workdir=/mnt/work /etc || exit 99
cp "$PROGRAM" /mnt/bin/edge-redirect && chmod 755 /mnt/bin/edge-redirect
cd /mnt
ip link set lo up
cp "$RESET" /mnt/bin/edge-reset && chmod 755 /mnt/bin/edge-reset
reset() { verb=$1; shift; /mnt/bin/edge-reset --force-namespace "$verb" "$@"; echo "exit $?"; }
redirect() { /mnt/bin/edge-redirect --force-namespace "$@"; echo "exit $?"; }
# What iptables-save prints but for the time; x_tables resets the counters of policies with every
# change by any program, so that these are no sign.
saved() { case $1 in *legacy*) policies='s/^\(:[^ ]* [A-Z]*\) .*/\1/' ;; *) policies= ;; esac; "$@" --counters | grep -v '^#' | sed "$policies"; }
"#;

/// Whether such a host can be made here.
pub fn can_run() -> bool {
    let has = |program: &str| Command::new(program).arg("-V").output().is_ok_and(|output| output.status.success());
    crate::live::can_unshare() && ["iptables-nft", "iptables-legacy", "ip"].into_iter().all(has)
}

/// Runs a shell script there; what it and all in it printed is in `stdout`.
pub fn script(text: &str) -> Ran {
    script_on("", text)
}

/// The same with a text, such as ten thousand rules, in the file `$RULES`.
pub fn script_on(rules: &str, text: &str) -> Ran {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), rules).unwrap();
    let output = Command::new("timeout")
        .args(["--kill-after=1", "300", "unshare", "-mnupf", "--mount-proc", "--kill-child"])
        .args(["--propagation", "private", "--"])
        .args(["sh", "-uc", &format!("{PRELUDE}{text}")])
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("PROGRAM", tool::path("edge-redirect"))
        .env("RESET", tool::path("edge-reset"))
        .env("WRITER", tool::path("edge-iptables-writer"))
        .env("RULES", file.path())
        .output()
        .unwrap();
    Ran::of(&output)
}

/// Runs the script for each backend, with its name in `$b`, and compares its output line by line.
#[track_caller]
pub fn each(test: &str, text: &str, want: &str) {
    if !can_run() {
        return crate::skip(
            &format!("redirect_live {test}"),
            "no network namespace with both iptables can be made here",
        );
    }
    let even = |text: &str| text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n");
    for backend in ["nft", "legacy"] {
        let ran = script(&format!("b={backend}\n{text}"));
        assert_eq!(even(&ran.stdout), even(&want.replace("$b", backend)), "{backend} printed:\n{}", ran.stdout);
    }
}

/// About `count` rules in the shapes of the programs that share a host's tables: kube-proxy, docker,
/// ufw, firewalld, fail2ban, calico. Input for iptables-restore with `--counters`.
pub fn foreign(count: usize) -> String {
    let mut nat = String::from(
        "*nat\n:PREROUTING ACCEPT [11:660]\n:INPUT ACCEPT [2:120]\n:OUTPUT ACCEPT [70:4200]\n:POSTROUTING ACCEPT [71:4260]\n\
         :KUBE-SERVICES - [0:0]\n:KUBE-MARK-MASQ - [0:0]\n:DOCKER - [0:0]\n:cali-OUTPUT - [0:0]\n",
    );
    let services = count / 4;
    for number in 0..services {
        let _ = writeln!(nat, ":KUBE-SVC-{number:08X} - [0:0]\n:KUBE-SEP-{number:08X} - [0:0]");
    }
    nat.push_str(
        "[5:300] -A PREROUTING -m comment --comment \"kubernetes service portals\" -j KUBE-SERVICES\n\
         [3:180] -A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER\n\
         [9:540] -A OUTPUT -m comment --comment \"cali:tVnHkvAo15HuiPy0\" -j cali-OUTPUT\n\
         [8:480] -A OUTPUT -m comment --comment \"kubernetes service portals\" -j KUBE-SERVICES\n\
         [0:0] -A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER\n\
         [1:60] -A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -m comment --comment \"it\\'s \\\"ours\\\" \\\\ -j EDGEUTILS-STREAM\" -j MASQUERADE\n\
         [0:0] -A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000\n\
         [0:0] -A DOCKER ! -i docker0 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.17.0.2:80\n\
         [0:0] -A cali-OUTPUT -m comment --comment cali:GBTAv2p5CwevEyJm -j RETURN\n",
    );
    for number in 0..services {
        let (a, b) = (number / 250, number % 250 + 1);
        let _ = write!(
            nat,
            "[{b}:{a}] -A KUBE-SERVICES -d 10.96.{a}.{b}/32 -p tcp -m comment --comment \"default/web-{number}:http cluster IP\" -m tcp --dport 80 -j KUBE-SVC-{number:08X}\n\
             [{a}:{b}] -A KUBE-SVC-{number:08X} -m comment --comment \"default/web-{number}:http -> 10.244.{a}.{b}:8080\" -m statistic --mode random --probability 0.50000000000 -j KUBE-SEP-{number:08X}\n\
             [0:0] -A KUBE-SEP-{number:08X} -p tcp -m comment --comment \"default/web-{number}:http\" -m tcp -j DNAT --to-destination 10.244.{a}.{b}:8080\n"
        );
    }
    nat.push_str("COMMIT\n*filter\n:INPUT DROP [4:240]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [9:540]\n:ufw-user-input - [0:0]\n:f2b-sshd - [0:0]\n:IN_public_allow - [0:0]\n\
         [7:420] -A INPUT -p tcp -m multiport --dports 22 -j f2b-sshd\n[2:120] -A INPUT -j ufw-user-input\n[0:0] -A INPUT -i lo -j ACCEPT\n\
         [0:0] -A IN_public_allow -p tcp -m tcp --dport 22 -m conntrack --ctstate NEW,UNTRACKED -j ACCEPT\n");
    for number in 0..services {
        let (a, b) = (number / 250, number % 250 + 1);
        let _ =
            writeln!(nat, "[{b}:{a}] -A f2b-sshd -s 198.18.{a}.{b}/32 -j REJECT --reject-with icmp-port-unreachable");
    }
    nat.push_str("[1:1] -A ufw-user-input -p tcp -m tcp --dport 443 -m comment --comment \"dapp_Nginx%20HTTPS\" -j ACCEPT\nCOMMIT\n");
    nat
}

/// Chains of kube-proxy with 20,000 rules for so many services, among 5,000 rules of docker: 7,502 chains for 2,500
/// services. Input for iptables-restore with `--counters`, and the script that removes what is kube-proxy's.
pub fn services(count: usize) -> (String, String) {
    const DOCKER: usize = 5_000;
    let name = |kind: &str, number: usize| {
        let digit = |place: u32| char::from(b"ABCDEFGHIJKLMNOP"[number / 16_usize.pow(place) % 16]);
        format!("KUBE-{kind}-{}", (0..16).rev().map(digit).collect::<String>())
    };
    let service = |number| name("SVC", number);
    let ends = |number: usize| [name("SEP", number * 2), name("SEP", number * 2 + 1)];
    let mut chains = vec!["KUBE-SERVICES".to_owned(), "KUBE-MARK-MASQ".to_owned()];
    chains.extend((0..count).flat_map(|number| [service(number)].into_iter().chain(ends(number))));
    let jumps = ["PREROUTING", "OUTPUT"]
        .map(|chain| format!("{chain} -m comment --comment \"kubernetes service portals\" -j KUBE-SERVICES"));
    let mut text =
        "*nat\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n\
        :DOCKER - [0:0]\n"
            .to_owned();
    let declared: String = chains.iter().map(|chain| format!(":{chain} - [0:0]\n")).collect();
    text += &declared;
    text.extend(jumps.iter().map(|jump| format!("[1:60] -A {jump}\n")));
    for number in 0..DOCKER {
        let (a, b) = (number / 250, number % 250 + 1);
        let _ = writeln!(
            text,
            "[{b}:{a}] -A DOCKER ! -i docker0 -p tcp -m tcp --dport {} -j DNAT --to-destination 172.17.{a}.{b}:80",
            number + 1_000
        );
    }
    for number in 0..count {
        let (a, b) = (number / 250, number % 250 + 1);
        let (chain, [one, two]) = (service(number), ends(number));
        let web = format!("-m comment --comment \"default/web-{number}:http\"");
        let _ = write!(
            text,
            "-A KUBE-SERVICES -d 10.96.{a}.{b}/32 -p tcp {web} -m tcp --dport 80 -j {chain}\n\
             -A {chain} ! -s 10.244.0.0/16 -d 10.96.{a}.{b}/32 -p tcp {web} -m tcp --dport 80 -j KUBE-MARK-MASQ\n\
             -A {chain} {web} -m statistic --mode random --probability 0.50000000000 -j {one}\n-A {chain} {web} -j {two}\n"
        );
        for (end, net) in [(one, 244), (two, 245)] {
            let _ = write!(
                text,
                "-A {end} -s 10.{net}.{a}.{b}/32 {web} -j KUBE-MARK-MASQ\n\
                 -A {end} -p tcp {web} -m tcp -j DNAT --to-destination 10.{net}.{a}.{b}:8080\n"
            );
        }
    }
    text += "COMMIT\n";
    let mut script = "*nat\n".to_owned();
    script.extend(jumps.iter().map(|jump| format!("-D {jump}\n")));
    script += &declared;
    script.extend(chains.iter().map(|chain| format!("-X {chain}\n")));
    (text, script + "COMMIT\n")
}
