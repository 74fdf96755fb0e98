//! edge-redirect where an engine cannot be read, or another program takes the rules away.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use edgeutils_tests::rules::each;

#[test]
fn engine_of_the_host_that_cannot_be_read_is_not_taken_for_empty() {
    each(
        "unreadable engine",
        r"
        # The engine that plain iptables stands for, and the other one.
        case $(iptables -V) in *nf_tables*) own=nft other=legacy ;; *) own=legacy other=nft ;; esac
        iptables-$own -t nat -N theirs; iptables-$other -t nat -N theirs
        mkdir sbin sbin-work && mount -t overlay overlay -o lowerdir=/usr/sbin,upperdir=sbin,workdir=sbin-work /usr/sbin
        broken() { rm /usr/sbin/iptables-$1-save; printf '#!/bin/sh
echo broken >&2; exit 1
' > /usr/sbin/iptables-$1-save; chmod 755 /usr/sbin/iptables-$1-save; }
        working=$(readlink /usr/sbin/iptables-$other-save)
        broken $other
        redirect add 10351=192.0.2.1:10003 -n | tail -1
        redirect status | sed 's/legacy/ENGINE/g; s/nft/ENGINE/g'
        # It may hold what is to be removed.
        redirect remove 2>&1 | sed 's/legacy/ENGINE/g; s/nft/ENGINE/g'
        ln -sf $working /usr/sbin/iptables-$other-save
        broken $own
        for call in 'add 10351=192.0.2.1:10003' status remove; do redirect $call 2>&1 | sed 's/legacy/ENGINE/; s/nft/ENGINE/'; done
        iptables-$other-save | grep -c EDGEUTILS
        ",
        "edge-redirect: note: the rules are gone after a reboot: --persist brings them back at each boot
        exit 3
        IPv4 ENGINE: not readable: cannot run iptables-ENGINE-save --counters: exit status: 1: broken
        exit 0
        edge-redirect: cannot tell what rules the backend ENGINE has for IPv4: cannot run iptables-ENGINE-save --counters: exit status: 1: broken
        exit 4
        edge-redirect: cannot run iptables-ENGINE-save --counters: exit status: 1: broken
        exit 1
        edge-redirect: cannot run iptables-ENGINE-save --counters: exit status: 1: broken
        exit 1
        edge-redirect: cannot run iptables-ENGINE-save --counters: exit status: 1: broken
        exit 1
        0",
    );
}

#[test]
fn rules_that_another_program_throws_away_at_once_are_missed() {
    each(
        "thrown away",
        r#"
        iptables-$b -t nat -N theirs
        mkdir sbin sbin-work && mount -t overlay overlay -o lowerdir=/usr/sbin,upperdir=sbin,workdir=sbin-work /usr/sbin
        real=/usr/sbin/$(readlink /usr/sbin/iptables-$b-restore)
        meanwhile() { rm -f /usr/sbin/iptables-$b-restore; printf '#!/bin/sh
%s iptables-restore "$@" && { %s; }
' $real "$1" > /usr/sbin/iptables-$b-restore; chmod 755 /usr/sbin/iptables-$b-restore; }
        said() { grep -v -e note: -e '^ran' -e '^    ' -e '^hint'; }
        meanwhile "iptables-$b -t nat -F; iptables-$b -t nat -X"
        redirect add 10351=192.0.2.1:10003 --backend $b 2>&1 | said
        meanwhile "iptables-$b -t nat -D OUTPUT 1"
        redirect add 10351=192.0.2.1:10003 --backend $b 2>&1 | said
        meanwhile true
        redirect add 10351=192.0.2.1:10003 --persist 2>&1 | said
        meanwhile "iptables-$b -t nat -F; iptables-$b -t nat -X"
        iptables-$b -t nat -F
        redirect restore 2>&1 | said
        "#,
        "edge-redirect: cannot find the IPv4 rules again that were just made with iptables-$b-restore: another program has replaced them
        exit 1
        edge-redirect: cannot find the IPv4 rules again that were just made with iptables-$b-restore: another program has replaced them
        exit 1
        wrote /etc/edgeutils/redirect.toml: for each boot  [undo: exact]
        wrote /etc/systemd/system/edge-redirect.service: runs edge-redirect restore  [undo: exact]
        linked /etc/systemd/system/multi-user.target.wants/edge-redirect.service: enables it  [undo: exact]
        4 changes
        exit 0
        edge-redirect: cannot find the IPv4 rules again that were just made with iptables-$b-restore: another program has replaced them
        exit 1",
    );
}

#[test]
fn save_that_prints_nothing_or_half_of_it_is_not_taken_for_empty() {
    each(
        "silent engine",
        r#"
        mkdir sbin sbin-work && mount -t overlay overlay -o lowerdir=/usr/sbin,upperdir=sbin,workdir=sbin-work /usr/sbin
        ln -sf /usr/sbin/iptables-$b /etc/alternatives/iptables
        real=/usr/sbin/$(readlink /usr/sbin/iptables-$b-save)
        says() { rm -f /usr/sbin/iptables-$b-save; printf '#!/bin/sh
set -- iptables-%s-save "$@"; %s
' $b "$1" > /usr/sbin/iptables-$b-save; chmod 755 /usr/sbin/iptables-$b-save; }
        jumps() { iptables-$b -t nat -S OUTPUT | grep -c 'j EDGEUTILS-STREAM'; }
        call() { /mnt/bin/edge-redirect --force-namespace "$@" > said 2>&1; code=$?; grep -q -e 'already up to date' -e 'none: edge' said && echo "$1 says that all is well"; [ $code = 0 ] || [ $code = 3 ] || echo "$1 fails"; }
        redirect add 10351=192.0.2.1:10003 --backend $b > none 2>&1
        calls() { call add 10351=192.0.2.1:10003 --backend $b; call add 10351=192.0.2.1:10003; call status; call remove -n; call undo -n; jumps; }
        for what in "$real \$@ | grep -v -e '^[*]nat' -e ^COMMIT" "$real \$@ | head -n 5" "$real \$@ | head -c 99" 'echo hello'; do
            says "$what"; calls
        done | sort | uniq -c | sed 's/^ *//'
        # nf_tables is asked in other words, and all works; x_tables names its tables, so that one is missed.
        says true; calls > said-blank
        case $b in nft) ! grep fails said-blank ;; legacy) ! grep -v fails said-blank | grep -v 1 ;; esac && grep -e remove.*well -e status.*well -e '^[0-9]' said-blank
        "#,
        "4 1
        8 add fails
        4 remove fails
        4 status fails
        4 undo fails
        1",
    );
}
