//! edge-redirect with real iptables of both backends, in private namespaces.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use edgeutils_tests::rules::each;

const JUMP: &str = "-p tcp -m addrtype ! --dst-type LOCAL -m comment --comment \"edgeutils: kubectl logs and exec\" -j EDGEUTILS-STREAM";

#[test]
fn add_is_idempotent_and_is_shown_removed_and_undone() {
    each(
        "made and undone",
        r"
        redirect add 10351=192.0.2.1:10003 --backend $b -n
        saved iptables-$b-save
        redirect add 10351=192.0.2.1:10003 --backend $b
        redirect add 10351=192.0.2.1:10003 --backend $b
        # Without --backend, existing rules are found.
        redirect add 10351=192.0.2.1:10003
        saved iptables-$b-save | grep -e -A
        redirect status
        redirect remove -n | tail -1
        redirect remove | tail -1
        redirect remove
        saved iptables-$b-save | grep -c -e EDGEUTILS
        redirect undo | tail -1
        saved iptables-$b-save | grep -e -A
        redirect undo | tail -1
        redirect undo
        saved iptables-$b-save | grep -c -e EDGEUTILS
        ",
        &format!(
            "edge-redirect: note: the rules are lost on reboot; use --persist to restore them at boot
            would run iptables-$b-restore --noflush --counters --wait=60: redirect 10351 to 192.0.2.1:10003  [undo: inverse]
            :EDGEUTILS-STREAM - [0:0]
            -A EDGEUTILS-STREAM -p tcp -m tcp --dport 10351 -j DNAT --to-destination 192.0.2.1:10003
            -A OUTPUT {JUMP}
            1 change would be made
            exit 3
            edge-redirect: note: the rules are lost on reboot; use --persist to restore them at boot
            ran iptables-$b-restore --noflush --counters --wait=60: redirect 10351 to 192.0.2.1:10003  [undo: inverse]
            :EDGEUTILS-STREAM - [0:0]
            -A EDGEUTILS-STREAM -p tcp -m tcp --dport 10351 -j DNAT --to-destination 192.0.2.1:10003
            -A OUTPUT {JUMP}
            1 change
            exit 0
            already up to date
            exit 0
            already up to date
            exit 0
            [0:0] -A OUTPUT {JUMP}
            [0:0] -A EDGEUTILS-STREAM -p tcp -m tcp --dport 10351 -j DNAT --to-destination 192.0.2.1:10003
            redirect 10351 to 192.0.2.1:10003: active: from this host, 0 connections so far, lost on reboot  (EDGEUTILS-STREAM, IPv4 $b)
            exit 0
            exit 3
            exit 0
            already up to date
            exit 0
            0
            exit 0
            [0:0] -A OUTPUT {JUMP}
            [0:0] -A EDGEUTILS-STREAM -p tcp -m tcp --dport 10351 -j DNAT --to-destination 192.0.2.1:10003
            exit 0
            nothing to undo
            exit 0
            0"
        ),
    );
}

#[test]
fn undo_refuses_a_run_before_a_later_change() {
    each(
        "order of undo",
        r"
        redirect add 10351=192.0.2.1:10003 --backend $b > /dev/null 2>&1
        redirect add 10352=192.0.2.2:10003 > /dev/null 2>&1
        redirect undo --id 1
        # As after a reboot: there are no rules to undo.
        iptables-$b -t nat -F; iptables-$b -t nat -X
        redirect undo
        saved iptables-$b-save | grep -c EDGEUTILS
        redirect undo
        saved iptables-$b-save | grep -c EDGEUTILS
        ",
        &format!(
            "edge-redirect: cannot undo the change of table nat of iptables-$b: EDGEUTILS-STREAM: run 2 of edge-redirect changed it later
            hint: undo that run first: edge-redirect undo --id 2; to keep the run: edge-redirect undo --id 1 --skip
            reverted 0 of 1 change of run 1
            exit 4
            ran iptables-$b-restore --noflush --counters --wait=60: previous state
            *nat
            :EDGEUTILS-STREAM - [0:0]
            -A EDGEUTILS-STREAM -p tcp -m tcp --dport 10351 -j DNAT --to-destination 192.0.2.1:10003
            [0:0] -A OUTPUT {JUMP}
            COMMIT
            reverted run 2
            exit 0
            3
            ran iptables-$b-restore --noflush --counters --wait=60: previous state
            *nat
            -D OUTPUT {JUMP}
            :EDGEUTILS-STREAM - [0:0]
            -X EDGEUTILS-STREAM
            COMMIT
            reverted run 1
            exit 0
            0"
        ),
    );
}

#[test]
fn adopt_replaces_unmanaged_rules_and_undo_restores_their_places() {
    each(
        "adopt",
        r"
        guide() { iptables-$b -t nat -A $1 -p tcp --dport 10350 -j DNAT --to 192.0.2.9:10003; }
        guide OUTPUT
        iptables-$b -t nat -A OUTPUT -d 198.51.100.0/24 -j ACCEPT
        guide OUTPUT; guide PREROUTING
        iptables-$b -t nat -A OUTPUT ! -o lo -p tcp --dport 10350 -j DNAT --to 192.0.2.9:10003 --persistent
        # Give them counters.
        iptables-$b-save --counters | sed 's/^\[0:0\] -A/[5:300] -A/' > counted
        iptables-$b-restore --counters < counted
        saved iptables-$b-save -t nat > before
        redirect status
        redirect add --cloudcore 192.0.2.1 --kubeedge-version v1.6.2 --adopt --from forward 2> /dev/null
        saved iptables-$b-save -t nat | grep -e '-A [OP]'
        redirect undo | tail -1
        saved iptables-$b-save -t nat | diff before - && echo as before
        ",
        &format!(
            "rule: unmanaged: in PREROUTING ($b): port 10350 to 192.0.2.9:10003; edge-redirect add 10350=192.0.2.9:10003 --from forward --adopt replaces it  (IPv4 $b)
            rule: unmanaged: in OUTPUT ($b), 2 times: port 10350 to 192.0.2.9:10003, also for connections to this host itself; edge-redirect add 10350=192.0.2.9:10003 --adopt replaces it  (IPv4 $b)
            rule: unmanaged: in OUTPUT ($b): port 10350 to 192.0.2.9:10003, also for connections to this host itself; not replaced, because it has other conditions  (IPv4 $b)
            exit 0
            ran iptables-$b-restore --noflush --counters --wait=60: redirect 10350 to 192.0.2.1:10003  [undo: inverse]
            -D PREROUTING -p tcp -m tcp --dport 10350 -j DNAT --to-destination 192.0.2.9:10003
            -D OUTPUT -p tcp -m tcp --dport 10350 -j DNAT --to-destination 192.0.2.9:10003
            -D OUTPUT -p tcp -m tcp --dport 10350 -j DNAT --to-destination 192.0.2.9:10003
            :EDGEUTILS-STREAM - [0:0]
            -A EDGEUTILS-STREAM -p tcp -m tcp --dport 10350 -j DNAT --to-destination 192.0.2.1:10003
            -A PREROUTING {JUMP}
            -A OUTPUT {JUMP}
            1 change, manual step required
            exit 3
            [0:0] -A PREROUTING {JUMP}
            [5:300] -A OUTPUT -d 198.51.100.0/24 -j ACCEPT
            [5:300] -A OUTPUT ! -o lo -p tcp -m tcp --dport 10350 -j DNAT --to-destination 192.0.2.9:10003 --persistent
            [0:0] -A OUTPUT {JUMP}
            exit 0
            as before"
        ),
    );
}

#[test]
fn add_yields_to_the_chain_of_cloudcore() {
    each(
        "TUNNEL-PORT",
        r#"
        iptables-$b -t nat -N TUNNEL-PORT
        iptables-$b -t nat -A OUTPUT -m comment --comment 'kubeedge tunnel port' -j TUNNEL-PORT
        iptables-$b -t nat -A TUNNEL-PORT -p tcp --dport 10351 -j DNAT --to 192.0.2.1:10003
        redirect add 10351=192.0.2.1:10003 --persist
        redirect --json add 10351=192.0.2.1:10003 | grep result
        ls /etc/edgeutils /var/lib/edgeutils/journal
        redirect status
        redirect add 10351=192.0.2.1:10003 --force | tail -1
        "#,
        "edge-redirect: note: cloudcore manages TUNNEL-PORT on this host ($b): 10351 to 192.0.2.1:10003; nothing is added for IPv4 without --force
        already up to date
        exit 0
        edge-redirect: note: cloudcore manages TUNNEL-PORT on this host ($b): 10351 to 192.0.2.1:10003; nothing is added for IPv4 without --force
        {\"changed\":false,\"exit\":0,\"reboot\":false,\"run\":null,\"type\":\"result\",\"v\":1}
        ls: cannot access '/etc/edgeutils': No such file or directory
        ls: cannot access '/var/lib/edgeutils/journal': No such file or directory
        chain TUNNEL-PORT: active: managed by cloudcore: 10351 to 192.0.2.1:10003  (IPv4 $b)
        exit 0
        edge-redirect: note: the rules are lost on reboot; use --persist to restore them at boot
        exit 0",
    );
}

#[test]
fn programs_run_only_if_needed() {
    // The programs that each call runs, in order; strace shows the targets of Debian's links.
    each(
        "programs",
        r#"
        iptables-$b -t nat -N theirs; ip6tables-$b -t nat -N theirs
        run() { strace -f -qq -e trace=execve -e signal=none -o trace /mnt/bin/edge-redirect --force-namespace "$@" > said 2>&1 || cat said
            sed -n 's/.*execve("\([^"]*\)", .* = 0$/\1/p' trace | xargs -n1 basename | tail -n +2 | grep -v -e "$other" | tr '\n' ' ' |
            sed 's/\(ip6*tables\)-nft \1-nft \1-nft /read-\1 /g; s/\(ip6*tables\)-legacy-save/read-\1/g; s/ nft/ /g; s/  */ /g'; echo; }
        # Of nf_tables three chains are read, and nft shows an empty one before rules are added to it.
        case $b in nft) other=^none ;; legacy) other=nft ;; esac
        run add 10351=192.0.2.1:10003
        run add 10351=192.0.2.1:10003
        run add 10351=192.0.2.1:10003 -n
        run remove; run remove
        "#,
        "read-iptables iptables-$b-restore read-iptables
        read-iptables
        read-iptables
        read-iptables read-ip6tables iptables-$b-restore
        read-iptables read-ip6tables",
    );
}

#[test]
fn host_that_cannot_be_changed_is_reported_and_unchanged() {
    each(
        "bad hosts",
        r"
        iptables-$b -t nat -N theirs; saved iptables-$b-save > before
        setpriv --reuid 65534 --clear-groups /mnt/bin/edge-redirect status; echo exit $?
        setpriv --reuid 65534 --clear-groups /mnt/bin/edge-redirect --force-namespace add 1=192.0.2.1:1; echo exit $?
        saved iptables-$b-save | diff before -; [ ! -e /var/lib ] || echo traces
        setpriv --reuid 65534 --clear-groups /mnt/bin/edge-redirect add 1=192.0.2.1:1 -n; echo exit $?
        # The lock of x_tables is held: reported after the wait, nothing changed; nf_tables has no lock.
        if [ $b = legacy ]; then
            flock --no-fork /run/xtables.lock sleep 60 & holder=$!
            while flock --nonblock /run/xtables.lock true; do sleep 0.05; done
            redirect add 1=192.0.2.1:1 --lock-wait 1 > out 2> said; tail -1 out; rm -r /var/lib/edgeutils; grep -c 'xtables lock' said; kill $holder
        else echo exit 1; echo 1; fi
        saved iptables-$b-save | grep -c EDGEUTILS
        mount -t tmpfs tmpfs /usr/sbin; mount --bind /usr/sbin /sbin 2> /dev/null
        redirect add 1=192.0.2.1:1
        redirect status
        # The files for the next boot are still removed.
        mkdir -p /etc/edgeutils && printf 'redirect = [\04210351=192.0.2.1:10003\042]\n' > /etc/edgeutils/redirect.toml
        redirect restore 2>&1 | head -1
        redirect status
        redirect remove
        ls /etc/edgeutils
        ",
        "edge-redirect: cannot read the IPv4 rules: not run as root
        hint: run it as root (sudo)
        exit 1
        edge-redirect: cannot change this host: not run as root
        hint: run it with sudo, or see what it would do with --dry-run
        exit 1
        edge-redirect: cannot read the IPv4 rules: not run as root
        hint: run it as root (sudo)
        exit 1
        exit 1
        1
        0
        edge-redirect: cannot find the program iptables-save in /usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin
        hint: install iptables: apt-get install iptables
        exit 1
        rules: unknown: iptables is not installed: no live rules are read or changed
        exit 0
        edge-redirect: cannot find the program iptables-save in /usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin
        redirect 10351 to 192.0.2.1:10003: unknown: iptables is not installed  (/etc/edgeutils/redirect.toml)
        unit edge-redirect.service: disabled: the redirects are not restored at boot; edge-redirect check shows how to enable it
        rules: unknown: iptables is not installed: no live rules are read or changed
        exit 0
        edge-redirect: note: iptables is not installed: no live rules are read or changed
        removed /etc/edgeutils/redirect.toml: no redirects left  [undo: exact]
        removed /etc/edgeutils: the directory is empty  [undo: exact]
        2 changes
        exit 0
        ls: cannot access '/etc/edgeutils': No such file or directory",
    );
}

#[test]
fn restore_writes_no_journal_and_takes_no_lock() {
    each(
        "restore",
        r"
        redirect restore
        redirect add 10351=192.0.2.1:10003 '10352=[2001:db8::1]:10003' --persist --from forward --backend $b > /dev/null
        saved iptables-$b-save > before; saved ip6tables-$b-save > before6
        redirect restore
        iptables-$b -t nat -F; ip6tables-$b -t nat -F; ip6tables-$b -t nat -X
        redirect status | sed 's/ .*(/ (/'
        redirect restore -n | tail -1
        rm /var/lib/edgeutils/lock
        redirect restore | tail -1
        ls /var/lib/edgeutils/lock; ls /var/lib/edgeutils/journal | grep -c jsonl
        saved iptables-$b-save | diff before - && saved ip6tables-$b-save | diff before6 - && echo as before
        # A redirect that was removed from the file is removed by restore.
        sed -i /10352/d /etc/edgeutils/redirect.toml
        redirect restore | tail -1; redirect status | grep -c 10352
        echo 'redirect = 1' > /etc/edgeutils/redirect.toml; redirect restore
        ",
        "edge-redirect: cannot restore: /etc/edgeutils/redirect.toml does not exist
        hint: create it: edge-redirect add PORT=IP:PORT --persist
        exit 1
        already up to date
        exit 0
        chain (EDGEUTILS-STREAM, IPv4 $b)
        redirect (/etc/edgeutils/redirect.toml)
        redirect (/etc/edgeutils/redirect.toml)
        unit (/etc/edgeutils/redirect.toml)
        exit 0
        exit 3
        exit 0
        ls: cannot access '/var/lib/edgeutils/lock': No such file or directory
        1
        as before
        exit 0
        0
        edge-redirect: cannot read /etc/edgeutils/redirect.toml: redirect is not a list
        hint: fix the file or remove it: redirect = [\"10351=192.0.2.1:10003\"]
        exit 1",
    );
}
