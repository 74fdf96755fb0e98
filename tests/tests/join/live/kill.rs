//! A kill before each system call that changes something: the same command completes the join, an undo restores the state
//! before, and no part of the token is left anywhere.

use edgeutils_tests::kill::{CHANGING, cannot_kill};

use super::machine::{JOIN, Machine};

/// Kills before each call. strace counts each name by itself. The programs of the test are not searched: they are large.
const KILLS: &str = r#"
set -u
reset() {
    edge-join --force-namespace undo >/dev/null 2>&1
    rm -rf /etc/kubeedge /usr/local/bin/edgecore /var/lib/edgeutils /etc/systemd/system/edgecore.service /etc/systemd/system/multi-user.target.wants
}
files() { find /etc/kubeedge /usr/local/bin/edgecore /etc/systemd/system/edgecore.service /etc/systemd/system/multi-user.target.wants/edgecore.service -printf '%p %m %y\n' 2>/dev/null | sort; }
reset
$STRACE -o /run/calls -e trace=$CHANGING $CALL >/dev/null 2>&1 || { echo "the call fails"; exit 1; }
files > /run/want
sed -n 's/^[0-9]* *\([a-z0-9_]*\)(.*/\1/p' /run/calls > /run/names
reset
kills=0; at=0
while read -r name; do
    at=$((at + 1))
    # Of the pieces of a large file the first and the last are enough.
    [ "$(sed -n "$((at > 1 ? at - 1 : 1))p;$((at + 1))p" /run/names | grep -cx "$name")" != 2 ] || continue
    nth=$(head -n $at /run/names | grep -cx "$name")
    $STRACE -o /dev/null -e inject=$name:signal=SIGKILL:when=$nth $CALL > /run/out 2>&1
    kills=$((kills + 1))
    left=$(grep -rlF --exclude=edge-join $PARTS /etc /usr/local/bin /var/lib/edgeutils /run/out 2>/dev/null)
    [ -z "$left" ] || { echo "after a kill before $name $nth a part of the token is in $left"; exit 1; }
    $CALL > /run/out 2>&1 || { echo "after a kill before $name $nth the same command fails:"; cat /run/out; exit 1; }
    files > /run/got
    cmp -s /run/want /run/got || { echo "after a kill before $name $nth:"; diff /run/want /run/got; exit 1; }
    openssl verify -CAfile /etc/kubeedge/ca/rootCA.crt /etc/kubeedge/certs/server.crt >/dev/null 2>&1 || { echo "$name $nth: the certificate is not signed by the CA"; exit 1; }
    [ "$(openssl x509 -in /etc/kubeedge/certs/server.crt -noout -pubkey)" = "$(openssl pkey -in /etc/kubeedge/certs/server.key -pubout)" ] || { echo "$name $nth: the key is not that of the certificate"; exit 1; }
    edge-join --force-namespace undo > /run/out 2>&1 || { echo "$name $nth: the undo fails:"; cat /run/out; exit 1; }
    [ -z "$(files | grep -v ' d$')" ] || { echo "$name $nth: after the undo there is"; files; exit 1; }
    reset
done < /run/names
echo "killed $kills times in $at calls"
"#;

#[test]
fn join_survives_a_kill_before_each_call() {
    let test = "join_survives_a_kill_before_each_call";
    if cannot_kill(test) {
        return;
    }
    let Some(machine) = Machine::boot(test) else { return };
    machine.serve("--version 1.23");
    let token = machine.systemd.read("/run/cloud/token");
    let parts: Vec<String> = token.trim().split('.').skip(1).map(|part| format!("-e {part}")).collect();
    let script = format!(
        "CHANGING={CHANGING}; STRACE='strace -qq -f'; CALL='{JOIN} --no-start --token /run/cloud/token'; PARTS='{}'\n{KILLS}",
        parts.join(" ")
    );
    let ran = machine.sh(&script).expect(0);
    let words: Vec<&str> = ran.stdout.split_whitespace().collect();
    let kills: usize = words[1].parse().unwrap();
    assert!(kills > 50, "{}", ran.stdout);
    machine.has_no_token(&[&ran]);
}
