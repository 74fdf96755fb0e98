//! The chain that cloudcore manages itself: only a redirect that is in effect counts.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use edgeutils_tests::rules::each;

/// `yaml TEXT` writes cloudcore.yaml; `chain` makes cloudcore's chain with its jumps, and `pair PORT IP` adds a redirect;
/// `add` prints exit code and the end of the error, and removes what it added.
pub(super) const PRELUDE: &str = r#"
yaml() { mkdir -p /etc/kubeedge/config; printf "$1" > /etc/kubeedge/config/cloudcore.yaml; }
nat() { iptables-$b -t nat "$@"; }
chain() { nat -N TUNNEL-PORT; for c in OUTPUT PREROUTING; do nat -A $c -m comment --comment 'kubeedge tunnel port' -j TUNNEL-PORT; done; }
pair() { nat -A TUNNEL-PORT -p tcp --dport $1 -j DNAT --to $2:10003; }
clear() { nat -F; nat -X; rm -rf /etc/edgeutils /var/lib/edgeutils; }
run() { /mnt/bin/edge-redirect --force-namespace "$@" > said 2> errors; code=$?
    echo "exit $code $(sed -n 's/.*cannot add [^ ]*: //p; s/.*warning: //p' errors) $(tail -1 said)" | sed 's/  */ /g; s/ $//'; }
add() { run add 10351=192.0.2.1:10003 --backend $b "$@"; }
"#;

#[test]
fn add_refuses_what_cloudcore_should_redirect_and_does_not() {
    let text = r#"
        yaml 'modules:\n  iptablesManager:\n    enable: true\n    mode: internal\n'
        here='cloudcore manages TUNNEL-PORT on this host'
        add | sed "s/(.*)/FILE/"
        chain; add | sed "s/(.*)/FILE/"; add -n | sed "s/(.*)/FILE/"
        pair 10352 192.0.2.1; add | sed "s/(.*)/FILE/"; run --json add 10351=192.0.2.1:10003 --backend $b | sed 's/.*exit\(.*\)/\1/'
        nat -F TUNNEL-PORT; pair 10351 192.0.2.9; add | sed "s/(.*)/FILE/"; redirect status | head -1; redirect check
        ls /etc/edgeutils /var/lib/edgeutils/journal
        # With --force it is added, and cloudcore's rule still comes first.
        add --force
        nat -F TUNNEL-PORT; pair 10351 192.0.2.1
        add; redirect status | head -1
        # Our own redirect is in effect.
        nat -F TUNNEL-PORT; add
        clear; chain; pair 10351 192.0.2.1; add
        run --json add 10351=192.0.2.1:10003
        add --from forward; nat -D PREROUTING 1; add --from forward | sed "s/(.*)/FILE/"
        clear; redirect check; redirect status
        "#;
    each(
        "managed",
        &format!("{PRELUDE}{text}"),
        "exit 4 cloudcore manages TUNNEL-PORT on this host FILE, and no rule of OUTPUT jumps to it
        exit 4 cloudcore manages TUNNEL-PORT on this host FILE, and the chain has no redirects
        exit 4 cloudcore manages TUNNEL-PORT on this host FILE, and the chain has no redirects
        exit 4 cloudcore manages TUNNEL-PORT on this host FILE, and the chain redirects only 10352 to 192.0.2.1:10003
        \":4,\"reboot\":false,\"run\":null,\"type\":\"result\",\"v\":1}
        exit 4 cloudcore manages TUNNEL-PORT on this host FILE, and the chain redirects 10351 to 192.0.2.9:10003
        chain TUNNEL-PORT: active: managed by cloudcore: 10351 to 192.0.2.9:10003  (IPv4 $b)
        no problems found
        exit 0
        ls: cannot access '/etc/edgeutils': No such file or directory
        ls: cannot access '/var/lib/edgeutils/journal': No such file or directory
        exit 3 10351=192.0.2.1:10003 has no effect: shadowed by -A TUNNEL-PORT -p tcp -m tcp --dport 10351 -j DNAT --to-destination 192.0.2.9:10003 1 change, manual step required
        exit 0 already up to date
        redirect 10351 to 192.0.2.1:10003: active: from this host, 0 connections so far, lost on reboot  (EDGEUTILS-STREAM, IPv4 $b)
        exit 0 already up to date
        exit 0 already up to date
        exit 0 {\"changed\":false,\"exit\":0,\"reboot\":false,\"run\":null,\"type\":\"result\",\"v\":1}
        exit 0 already up to date
        exit 4 cloudcore manages TUNNEL-PORT on this host FILE, and no rule of PREROUTING jumps to it
        /etc/kubeedge/config/cloudcore.yaml: error: modules.iptablesManager: cloudcore manages TUNNEL-PORT on this host, but no rule of OUTPUT jumps to it
        hint: restart cloudcore: systemctl restart cloudcore
        1 problem found
        exit 3
        chain TUNNEL-PORT: missing: managed by cloudcore once it runs; no rule jumps to it now  (/etc/kubeedge/config/cloudcore.yaml)
        exit 0",
    );
}

#[test]
fn add_adds_what_cloudcore_does_not_manage() {
    let text = r#"
        # Turned off, external, and no file: of a cloudcore in a pod or on another host. If it is invalid, that is unknown.
        for text in 'modules: {iptablesManager: {enable: false}}' 'modules: {IptablesManager: {mode: external}}' 'modules: [' none; do
            clear; yaml "$text"; [ "$text" != none ] || rm /etc/kubeedge/config/cloudcore.yaml
            add
            clear; chain; add
            clear; chain; pair 10352 192.0.2.1; add
            clear; chain; pair 10351 192.0.2.1; add
            clear; chain; pair 10351 192.0.2.9; add
        done | sed 's/(.*)/FILE/' | sort | uniq -c | sed 's/^ *//'
        clear; yaml 'modules: {iptablesManager: {enable: false}}'
        # The address of this host and a version prove nothing.
        ip link add v0 type veth peer name v1; ip link set v0 up; ip addr add 192.0.2.1/24 dev v0
        run add --cloudcore 192.0.2.1 --kubeedge-version 1.18.3 --backend $b
        redirect status | head -1
        clear; rm /etc/kubeedge/config/cloudcore.yaml
        run add --cloudcore 192.0.2.1 --kubeedge-version 1.8.2 --backend $b
        "#;
    each(
        "not managed",
        &format!("{PRELUDE}{text}"),
        "11 exit 0 1 change
        2 exit 0 already up to date
        3 exit 3 10351=192.0.2.1:10003 has no effect: shadowed by -A TUNNEL-PORT -p tcp -m tcp --dport 10351 -j DNAT --to-destination 192.0.2.9:10003 1 change, manual step required
        4 exit 4 it is unknown whether cloudcore manages TUNNEL-PORT on this host FILE
        exit 0 1 change
        redirect 10351 to 192.0.2.1:10003: active: from this host, 0 connections so far, lost on reboot  (EDGEUTILS-STREAM, IPv4 $b)
        exit 0 1 change",
    );
}

#[test]
fn unreadable_configuration_of_cloudcore_decides_nothing() {
    let text = r#"
        { yaml 'modules: ['; chain; pair 10351 192.0.2.1
        add; add -n; tail -1 errors; redirect status | head -1; redirect check
        nat -F TUNNEL-PORT; redirect check
        # What exists may persist.
        add --force; add --persist; redirect status | grep chain
        clear; redirect status; redirect check; run add 10351=192.0.2.1:10003 --backend $b; grep note: errors | head -1
        clear; chain; rm /etc/kubeedge/config/cloudcore.yaml; mkdir /etc/kubeedge/config/cloudcore.yaml; add
        rmdir /etc/kubeedge/config/cloudcore.yaml; yaml 'a: \377'; add; } 2>&1 | PLAIN
        "#;
    each(
        "unreadable",
        &format!("{PRELUDE}{text}").replace("PLAIN", "sed s,/etc/kubeedge/config/cloudcore.yaml,FILE,g"),
        r#"exit 4 it is unknown whether cloudcore manages TUNNEL-PORT on this host (FILE: not valid YAML at line 1, column 10: a value is missing after "[")
        exit 4 it is unknown whether cloudcore manages TUNNEL-PORT on this host (FILE: not valid YAML at line 1, column 10: a value is missing after "[")
        hint: correct that file and run again, or add the redirect now with --force
        chain TUNNEL-PORT: active: it is unknown whether cloudcore manages it (FILE: not valid YAML at line 1, column 10: a value is missing after "["): 10351 to 192.0.2.1:10003  (IPv4 $b)
        FILE: warning: it is unknown whether cloudcore manages TUNNEL-PORT itself (FILE: not valid YAML at line 1, column 10: a value is missing after "[")
        hint: correct that file
        no errors, 1 warning
        exit 0
        table nat of iptables-$b: error: TUNNEL-PORT: cloudcore has added no ports to this chain
        hint: add a redirect: edge-redirect add PORT=IP:PORT --force --persist
        FILE: warning: it is unknown whether cloudcore manages TUNNEL-PORT itself (FILE: not valid YAML at line 1, column 10: a value is missing after "[")
        hint: correct that file
        2 problems found
        exit 3
        exit 0 1 change
        exit 0 3 changes
        chain TUNNEL-PORT: inactive: it is unknown whether cloudcore manages it (FILE: not valid YAML at line 1, column 10: a value is missing after "["): no ports yet  (IPv4 $b)
        chain TUNNEL-PORT: unknown: it is unknown whether cloudcore manages it (FILE: not valid YAML at line 1, column 10: a value is missing after "[")
        unit edge-redirect.service: enabled: it restores the redirects at boot  (/etc/edgeutils/redirect.toml)
        exit 0
        /etc/edgeutils/redirect.toml: error: no redirects are configured
        hint: edge-redirect add PORT=IP:PORT --persist
        FILE: warning: it is unknown whether cloudcore manages TUNNEL-PORT itself (FILE: not valid YAML at line 1, column 10: a value is missing after "[")
        hint: correct that file
        2 problems found
        exit 3
        exit 0 1 change
        edge-redirect: note: it is unknown whether cloudcore manages TUNNEL-PORT on this host (FILE: not valid YAML at line 1, column 10: a value is missing after "[")
        exit 4 it is unknown whether cloudcore manages TUNNEL-PORT on this host (cannot read FILE: it is a directory, not a file)
        exit 4 it is unknown whether cloudcore manages TUNNEL-PORT on this host (FILE: not valid UTF-8)"#,
    );
}

#[test]
fn chain_proves_that_cloudcore_without_the_key_manages_it() {
    let text = r#"
        yaml 'modules: {cloudStream: {enable: true}}'
        add; clear; chain; add | sed "s/(.*)/FILE/"; redirect check
        pair 10351 192.0.2.9; add | sed "s/(.*)/FILE/"; redirect status | head -1
        "#;
    each(
        "no key",
        &format!("{PRELUDE}{text}"),
        "exit 0 1 change
        exit 4 cloudcore manages TUNNEL-PORT on this host FILE, and the chain has no redirects
        table nat of iptables-$b: error: TUNNEL-PORT: cloudcore has added no ports to this chain
        hint: restart cloudcore: systemctl restart cloudcore
        1 problem found
        exit 3
        exit 4 cloudcore manages TUNNEL-PORT on this host FILE, and the chain redirects 10351 to 192.0.2.9:10003
        chain TUNNEL-PORT: active: managed by cloudcore: 10351 to 192.0.2.9:10003  (IPv4 $b)",
    );
}

#[test]
fn check_accepts_an_empty_chain_that_is_not_needed() {
    let text = r#"
        empty() { redirect check | grep -c 'no ports to this chain'; }
        for text in 'enable: false' 'mode: external' none; do
            clear; yaml "modules: {iptablesManager: {$text}}"; [ "$text" != none ] || rm /etc/kubeedge/config/cloudcore.yaml
            chain; redirect check | head -2; add; empty
        done
        "#;
    each(
        "empty chain",
        &format!("{PRELUDE}{text}"),
        "table nat of iptables-$b: note: TUNNEL-PORT: the chain is empty and left by cloudcore, which does not manage it now (/etc/kubeedge/config/cloudcore.yaml: modules.iptablesManager.enable is false)
        /etc/edgeutils/redirect.toml: error: no redirects are configured
        exit 0 1 change
        0
        table nat of iptables-$b: error: TUNNEL-PORT: cloudcore has added no ports to this chain
        hint: add a redirect: edge-redirect add PORT=IP:PORT --persist
        exit 0 1 change
        0
        table nat of iptables-$b: error: TUNNEL-PORT: cloudcore has added no ports to this chain
        hint: add a redirect: edge-redirect add PORT=IP:PORT --persist
        exit 0 1 change
        0",
    );
}

#[test]
fn running_cloudcore_names_its_configuration() {
    let text = r#"
        yaml 'modules: {iptablesManager: {enable: true}}'
        printf 'modules: {iptablesManager: {mode: external}}\n' > other.yaml
        cp /bin/sh /mnt/bin/cloudcore
        mkfifo /mnt/hold; exec 9<>/mnt/hold
        /mnt/bin/cloudcore -c 'read line; :' --config=/mnt/other.yaml <&9 &
        until grep -q other.yaml /proc/$!/cmdline; do sleep 0.02; done
        add; kill $!; wait $! 2> /dev/null
        clear; add | sed 's/ (.*//'
        "#;
    each(
        "running",
        &format!("{PRELUDE}{text}"),
        "exit 0 1 change
        exit 4 cloudcore manages TUNNEL-PORT on this host",
    );
}
