//! Interruptions: whenever a call ends, the next one gets to the same rules in both backends.

use edgeutils_tests::kill::{CHANGING, cannot_kill};

use super::rulesets::{FOREIGN, OURS};
use super::{can, run};

/// `world` has everything, `state` prints all rules without counters, and `clear` removes them. iptables-legacy changes
/// a table with setsockopt.
const PRELUDE: &str = r#"
world() {
    for b in nft legacy; do load $b foreign; load $b ours --noflush; done
    ipset create KUBE-CLUSTER-IP hash:ip,port; nft add table ip kube-proxy; nft add chain ip kube-proxy services
    iptables-nft -t nat -A OUTPUT -p tcp --dport 10350 -j DNAT --to-destination 192.0.2.1:10003
}
state() {
    for p in iptables ip6tables; do for b in nft legacy; do echo $p $b; $p-$b-save | sed '/^#/d; s/\[.*//'; done; done 2> /dev/null
    nft list tables | sort; ipset list -name
}
clear() {
    for p in iptables ip6tables; do for b in nft legacy; do for t in raw mangle nat filter; do
        $p-$b -t $t -F; $p-$b -t $t -X
    done; done; done 2> /dev/null
    iptables-legacy -P INPUT ACCEPT; nft delete table ip kube-proxy 2> /dev/null; ipset destroy; rm -rf /var/lib/edgeutils
}
one() { /mnt/bin/edge-reset --force-namespace apply --yes --only firewall "$@"; }
world; one > /dev/null 2>&1; state > want; clear
"#;

#[test]
fn killed_firewall_phase_gets_to_the_same_rules() {
    if !can("kill") || cannot_kill("reset_live_firewall kill") {
        return;
    }
    let kills = std::env::var("EDGEUTILS_KILLS").unwrap_or_else(|_| "2".to_owned());
    let printed = run(
        &[("foreign", FOREIGN), ("ours", OURS)],
        &format!(
            r#"{PRELUDE}
            calls={CHANGING},setsockopt
            world; strace -f -qq -o trace -e trace=$calls /mnt/bin/edge-reset --force-namespace apply --yes --only firewall > /dev/null 2>&1; clear
            sed 's/^[0-9]* *//; s/(.*//' trace | grep '^[a-z]' | sort | uniq -c > counts
            while read -r count call; do
                nth=1 step=$((count / {kills} + 1))
                while [ $nth -le $count ]; do
                    world
                    strace -f -qq -o /dev/null -e inject=$call:signal=SIGKILL:when=$nth /mnt/bin/edge-reset --force-namespace apply --yes --only firewall < /dev/null > out 2>&1
                    one < /dev/null > out 2>&1 || {{ echo "exit $? after a kill before $call $nth"; cat out; }}
                    state > got; cmp want got || {{ echo "differs after a kill before $call $nth"; diff want got; cat out; }}
                    clear; nth=$((nth + step)); echo killed
                done
            done < counts; echo end
            "#
        ),
    );
    let count = printed.matches("killed\n").count();
    assert!(count > 10 && printed == format!("{}end\n", "killed\n".repeat(count)), "{printed}");
}

#[test]
fn interrupted_firewall_phase_ends_a_transaction_and_resumes() {
    if !can("interrupt") || cannot_kill("reset_live_firewall interrupt") {
        return;
    }
    let printed = run(
        &[("foreign", FOREIGN), ("ours", OURS)],
        &format!(
            r#"{PRELUDE}
            cat > interrupt.py <<'END'
import os, signal, subprocess, sys, time
# In a process group of its own, as a shell has it: what the terminal sends reaches all of it.
ran = subprocess.Popen(sys.argv[2:], stdout=open("out", "w"), stderr=subprocess.STDOUT, preexec_fn=os.setpgrp)
for _ in range(1500):
    # Not strace itself.
    if subprocess.run(["pgrep", "-x", "-f", ".*" + sys.argv[1] + "-restore --noflush.*"], capture_output=True).stdout: break
    time.sleep(0.02)
time.sleep(0.3); os.killpg(ran.pid, signal.SIGINT); print("exit", ran.wait())
END
            for slow in nft:sendmsg legacy:setsockopt; do
                world
                # Each transaction takes seconds.
                python3 interrupt.py ${{slow%:*}} strace -f -qq -o /dev/null -e inject=${{slow#*:}}:delay_enter=1500000 /mnt/bin/edge-reset --force-namespace apply --yes --only firewall
                state > between; cmp -s want between && echo "nothing was left to do"
                one > out 2>&1; echo "exit $?"; state > got; cmp want got && echo same
                clear
            done
            "#
        ),
    );
    assert_eq!(printed.matches("exit 0\nsame\n").count(), 2, "{printed}");
    assert_eq!(printed.matches("exit 5\n").count(), 2, "{printed}");
    assert!(!printed.contains("nothing was left"), "{printed}");
}
