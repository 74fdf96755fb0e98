//! SIGKILL at any moment of an add with adoption and of a removal, of edge-redirect and of the program that it runs.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use edgeutils_tests::kill::can_kill;
use edgeutils_tests::rules::{can_run, script};
use edgeutils_tests::skip;

/// The rules before: an unrelated one, two of an installation guide, and their counters.
const START: &str = r#"
start() {
    iptables-$b -t nat -F; iptables-$b -t nat -X; rm -rf /var/lib/edgeutils /etc/edgeutils /etc/systemd/system/edge-redirect.service /etc/systemd/system/multi-user.target.wants/edge-redirect.service
    iptables-$b-restore --counters < start.rules
}
cat > start.rules <<'END'
*nat
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
[7:420] -A OUTPUT -p tcp -m tcp --dport 10351 -j DNAT --to-destination 192.0.2.9:10003
[8:480] -A OUTPUT -d 198.51.100.0/24 -j ACCEPT
[9:540] -A OUTPUT -p tcp -m tcp --dport 10351 -j DNAT --to-destination 192.0.2.9:10003
COMMIT
END
call() { /mnt/bin/edge-redirect --force-namespace $* > said 2>&1; }
# x_tables restores counters in a second system call: killed before it, they are lost.
rules_of() { if [ "$1" = setsockopt ]; then sed 's/^\[[0-9:]*\] //' $2; else cat $2; fi; }
rules() { saved iptables-$b-save -t nat > all; rules_of $1 all; }
"#;

/// One kill before each system call, of edge-redirect itself and with `-f` of the program that makes the rules. Afterwards
/// the same call resumes, and an undo restores the state before.
const KILLS: &str = r#"
kills=0
moment() {
    start; $before
    rules $1 > there-before
    if [ "$2" = theirs ]; then follow=-f; else follow=; fi
    strace $follow -qq -o /dev/null -e "inject=$1:signal=SIGKILL:when=$3" /mnt/bin/edge-redirect --force-namespace $verb > said 2>&1
    code=$?
    [ $code -ne 0 ] || return 1
    kills=$((kills+1))
    case $4 in
    again)
        call $verb || { echo "$1 $3 $2: again: $(cat said)"; return; }
        rules $1 > there; rules_of $1 wanted > want; cmp -s there want || { echo "$1 $3 $2: again:"; diff there want; }
        [ "$files" = "$(ls /etc/edgeutils 2>&1)" ] || echo "$1 $3 $2: files: $(ls /etc/edgeutils 2>&1)"
        call undo || { echo "$1 $3 $2: undo: $(cat said)"; return; } ;;
    undo)
        call undo || { echo "$1 $3 $2: undo: $(cat said)"; return; } ;;
    esac
    rules $1 > there; rules_of $1 start.saved > first
    # Nothing was begun: the undo reverted the run before, which only a removal has.
    cmp -s there there-before || cmp -s there first || { echo "$1 $3 $2: $4: not as before:"; diff there there-before; }
}
start; rules all > start.saved
start; $before; call $verb || cat said; rules all > wanted; files="$(ls /etc/edgeutils 2>&1)"
for calls in write fdatasync renameat wait4,waitid clone,clone3,vfork unlinkat; do
    for nth in 1 2 3 4 5 6 7 8 9 10 11 12; do
        moment $calls ours $nth again || break
        [ $((nth % 2)) = 0 ] || moment $calls ours $nth undo
    done
done
for nth in 1 2 3 4 5 6 7 8; do moment $theirs theirs $nth again || break; done
for nth in 1 2 3; do moment execve theirs $nth again || break; done
echo "$kills kills"
"#;

fn killed(verb: &str, before: &str) {
    if !(can_run() && can_kill()) {
        return skip(
            "redirect_live_kill",
            "no network namespace with both iptables can be made here, or strace cannot trace",
        );
    }
    // The system calls with which each backend changes the kernel.
    for (backend, theirs) in [("nft", "sendmsg,sendto"), ("legacy", "setsockopt")] {
        let verb = verb.replace("$b", backend);
        let ran = script(&format!("b={backend} theirs={theirs} verb='{verb}'\nbefore='{before}'\n{START}\n{KILLS}"));
        let last = ran.stdout.lines().last().unwrap_or_default();
        let kills: usize = last.strip_suffix(" kills").and_then(|count| count.parse().ok()).unwrap_or_default();
        assert!(kills > 25 && ran.stdout.lines().count() == 1, "{backend} {verb}:\n{}", ran.stdout);
    }
}

#[test]
fn add_that_was_killed_resumes_or_is_undone() {
    killed("add 10351=192.0.2.1:10003 --persist --adopt --backend $b", "true");
}

#[test]
fn removal_that_was_killed_resumes_or_is_undone() {
    killed("remove", "call add 10351=192.0.2.1:10003 --persist");
}
