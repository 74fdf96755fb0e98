//! edge-redirect if a backend cannot be read, or another program removes the rules.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use edgeutils_tests::rules::each;

#[test]
fn unreadable_backend_is_not_assumed_to_be_empty() {
    each(
        "unreadable backend",
        r"
        # The backend that plain iptables uses, and the other one.
        case $(iptables -V) in *nf_tables*) own=nft other=legacy ;; *) own=legacy other=nft ;; esac
        iptables-$own -t nat -N theirs; iptables-$other -t nat -N theirs
        mkdir sbin sbin-work && mount -t overlay overlay -o lowerdir=/usr/sbin,upperdir=sbin,workdir=sbin-work /usr/sbin
        broken() { rm /usr/sbin/iptables-$1-save; printf '#!/bin/sh
echo broken >&2; exit 1
' > /usr/sbin/iptables-$1-save; chmod 755 /usr/sbin/iptables-$1-save; }
        working=$(readlink /usr/sbin/iptables-$other-save)
        broken $other
        redirect add 10351=192.0.2.1:10003 -n | tail -1
        redirect status | sed 's/legacy/BACKEND/g; s/nft/BACKEND/g'
        # It may contain rules to remove.
        redirect remove 2>&1 | sed 's/legacy/BACKEND/g; s/nft/BACKEND/g'
        ln -sf $working /usr/sbin/iptables-$other-save
        broken $own
        for call in 'add 10351=192.0.2.1:10003' status remove; do redirect $call 2>&1 | sed 's/legacy/BACKEND/; s/nft/BACKEND/'; done
        iptables-$other-save | grep -c EDGEUTILS
        ",
        "edge-redirect: note: the rules are lost on reboot; use --persist to restore them at boot
        exit 3
        rules of IPv4 BACKEND: unknown: cannot run iptables-BACKEND-save --counters: exit status: 1: broken
        exit 0
        edge-redirect: cannot read the IPv4 rules of backend BACKEND: cannot run iptables-BACKEND-save --counters: exit status: 1: broken
        exit 4
        edge-redirect: cannot run iptables-BACKEND-save --counters: exit status: 1: broken
        exit 1
        edge-redirect: cannot run iptables-BACKEND-save --counters: exit status: 1: broken
        exit 1
        edge-redirect: cannot run iptables-BACKEND-save --counters: exit status: 1: broken
        exit 1
        0",
    );
}

#[test]
fn rules_that_another_program_removes_at_once_are_reported() {
    each(
        "removed at once",
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
        "edge-redirect: cannot verify the IPv4 rules made with iptables-$b-restore: another program has replaced them
        exit 1
        edge-redirect: cannot verify the IPv4 rules made with iptables-$b-restore: another program has replaced them
        exit 1
        wrote /etc/edgeutils/redirect.toml: redirects for each boot  [undo: exact]
        wrote /etc/systemd/system/edge-redirect.service: restores the redirects at boot  [undo: exact]
        linked /etc/systemd/system/multi-user.target.wants/edge-redirect.service: enables edge-redirect.service  [undo: exact]
        4 changes
        exit 0
        edge-redirect: cannot verify the IPv4 rules made with iptables-$b-restore: another program has replaced them
        exit 1",
    );
}

#[test]
fn empty_or_incomplete_output_is_not_assumed_to_be_empty() {
    each(
        "silent backend",
        r#"
        mkdir sbin sbin-work && mount -t overlay overlay -o lowerdir=/usr/sbin,upperdir=sbin,workdir=sbin-work /usr/sbin
        ln -sf /usr/sbin/iptables-$b /etc/alternatives/iptables
        # The program that reads rules: all tables, or one chain.
        case $b in nft) name=iptables-nft ;; legacy) name=iptables-legacy-save ;; esac
        multi=/usr/sbin/$(readlink /usr/sbin/$name) real="$multi $name"
        says() { rm -f /usr/sbin/$name; printf '#!/bin/sh
%s
' "$1" > /usr/sbin/$name; chmod 755 /usr/sbin/$name; }
        jumps() { $multi iptables-$b -t nat -S OUTPUT | grep -c 'j EDGEUTILS-STREAM'; }
        call() { /mnt/bin/edge-redirect --force-namespace "$@" > said 2>&1; code=$?; grep -q -e 'already up to date' -e 'none: add' said && echo "$1 claims success"; [ $code = 0 ] || [ $code = 3 ] || echo "$1 fails"; }
        redirect add 10351=192.0.2.1:10003 --backend $b > none 2>&1
        calls() { call add 10351=192.0.2.1:10003 --backend $b; call add 10351=192.0.2.1:10003; call status; call remove -n; call undo -n; jumps; }
        case $b in
            nft) set -- "$real \"\$@\" | grep -v -e ^-P" "$real \"\$@\" | head -c 9" 'echo hello' "$real \"\$@\" | sed s/^-P/-X/" ;;
            legacy) set -- "$real \$@ | grep -v -e '^[*]nat' -e ^COMMIT" "$real \$@ | head -n 5" "$real \$@ | head -c 99" 'echo hello' ;;
        esac
        # status reports an unreadable chain of nf_tables as unknown.
        for what in "$@"; do says "$what"; calls; done | grep -v 'status fails' | sort | uniq -c | sed 's/^ *//'
        says true; calls > said-blank
        ! grep -v fails said-blank | grep -v 1
        "#,
        "4 1
        8 add fails
        4 remove fails
        4 undo fails",
    );
}
