//! Connections through the redirect: TLS servers of two cloudcores, reached by addresses that do not exist, from the
//! host and through it.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use edgeutils_tests::rules::{can_run, script};
use edgeutils_tests::skip;

/// A host with its default route to `cloud`, which has two cloudcores; `pod` has the host as its router.
/// `dial NAMESPACE ADDRESS` prints the server that answers over TLS.
const WORLD: &str = r#"
world() {
    ip netns add cloud && ip netns add pod || exit 99
    ip link add uplink type veth peer name eth0 netns cloud
    ip link add downlink type veth peer name eth0 netns pod
    cloud="ip netns exec cloud" pod="ip netns exec pod"
    $cloud ip link set lo up; $pod ip link set lo up
    for link in uplink downlink; do ip link set $link up; done
    $cloud ip link set eth0 up; $pod ip link set eth0 up
    ip addr add 192.0.2.100/24 dev uplink; ip -6 addr add 2001:db8::100/64 dev uplink nodad
    ip addr add 10.244.0.1/24 dev downlink; ip -6 addr add 2001:db8:244::1/64 dev downlink nodad
    for n in 1 2; do $cloud ip addr add 192.0.2.$n/24 dev eth0; $cloud ip -6 addr add 2001:db8::$n/64 dev eth0 nodad; done
    $pod ip addr add 10.244.0.7/24 dev eth0; $pod ip -6 addr add 2001:db8:244::7/64 dev eth0 nodad
    ip route add default via 192.0.2.1; ip -6 route add default via 2001:db8::1
    $pod ip route add default via 10.244.0.1; $pod ip -6 route add default via 2001:db8:244::1
    $cloud ip route add 10.244.0.0/24 via 192.0.2.100; $cloud ip -6 route add 2001:db8:244::/64 via 2001:db8::100
    echo 1 > /proc/sys/net/ipv4/ip_forward; echo 1 > /proc/sys/net/ipv6/conf/all/forwarding
    for n in 1 2; do
        serve "$cloud" cloud-$n 192.0.2.$n:10003; serve "$cloud" cloud-$n-v6 "[2001:db8::$n]:10003"
    done
    # A server on this host itself on the same port.
    serve "" local "*:10351"
    for n in 1 2 3 4 5 6 7 8 9 10; do
        [ "$(dial "" 192.0.2.1:10003)$(dial "" "[2001:db8::2]:10003")$(dial "" 127.0.0.1:10351)" = cloud-1cloud-2-v6local ] && return
        sleep 0.2
    done
    echo no servers; exit 98
}
serve() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj "/CN=$2" -keyout "$2.key" -out "$2.crt" 2> /dev/null
    $1 openssl s_server -quiet -accept "$3" -key "$2.key" -cert "$2.crt" > /dev/null 2>&1 < /dev/zero & servers="${servers-} $!"
}
dial() {
    answer=$($1 timeout 1 openssl s_client -connect "$2" < /dev/null 2>&1 | sed -n 's/^subject=CN *= *//p')
    echo "${answer:-nobody}"
}
"#;

fn world(test: &str, text: &str) -> Option<String> {
    if !can_run() {
        skip(&format!("redirect_live_tls {test}"), "no network namespace with both iptables can be made here");
        return None;
    }
    let ran = script(&format!("{WORLD}\nworld\n{text}\nkill $servers"));
    assert!(!ran.stdout.contains("no servers"), "{}", ran.stdout);
    Some(ran.stdout)
}

/// Connects to edge nodes that cannot be reached, and to this host itself.
const ASK: &str = r#"
ask() { for to in 10.99.0.7:10351 10.99.0.8:10352 "[2001:db8:99::7]:10351" 127.0.0.1:10351 192.0.2.100:10351 "[::1]:10351" 10.99.0.7:10353; do
    echo "$1 $to: $(dial "$2" "$to")"; done; }
"#;

#[test]
fn cloudcores_are_reached_through_addresses_that_do_not_exist() {
    for backend in ["nft", "legacy"] {
        let script = format!(
            "{ASK}
            ask before ''
            redirect add 10351=192.0.2.1:10003 10352=192.0.2.2:10003 '10351=[2001:db8::2]:10003' --backend {backend} > /dev/null
            ask after ''
            redirect status | grep -o '.*connection'
            redirect remove > /dev/null
            ask removed ''"
        );
        let Some(said) = world("reached", &script) else { return };
        let want = |when: &str, reached: [&str; 3]| {
            format!(
                "{when} 10.99.0.7:10351: {}\n{when} 10.99.0.8:10352: {}\n{when} [2001:db8:99::7]:10351: {}\n\
                 {when} 127.0.0.1:10351: local\n{when} 192.0.2.100:10351: local\n{when} [::1]:10351: local\n{when} 10.99.0.7:10353: nobody\n",
                reached[0], reached[1], reached[2]
            )
        };
        let counted = "redirect 10351 to 192.0.2.1:10003: active: from this host, 1 connection
redirect 10352 to 192.0.2.2:10003: active: from this host, 1 connection
redirect 10351 to [2001:db8::2]:10003: active: from this host, 1 connection
";
        let notes = "edge-redirect: note: the rules are lost on reboot; use --persist to restore them at boot\n";
        let nobody = ["nobody"; 3];
        let there = want("after", ["cloud-1", "cloud-2", "cloud-2-v6"]);
        let all = format!("{}{there}{counted}{}", want("before", nobody), want("removed", nobody));
        assert_eq!(said.replace(notes, ""), all, "{backend}");
    }
}

#[test]
fn forwarded_connections_are_redirected_on_request() {
    for backend in ["nft", "legacy"] {
        let text = format!(
            r#"
            redirect add 10351=192.0.2.1:10003 '10351=[2001:db8::2]:10003' --backend {backend} > /dev/null
            echo $(dial "$pod" 10.99.0.7:10351) $(dial "$pod" "[2001:db8:99::7]:10351") $(dial "" 10.99.0.7:10351)
            redirect add 10351=192.0.2.1:10003 '10351=[2001:db8::2]:10003' --from forward > /dev/null
            echo $(dial "$pod" 10.99.0.7:10351) $(dial "$pod" "[2001:db8:99::7]:10351") $(dial "" 10.99.0.7:10351)
            # The host's own addresses are not redirected from there either.
            echo $(dial "$pod" 10.244.0.1:10351) $(dial "$pod" 192.0.2.100:10351)
            redirect add 10351=192.0.2.1:10003 '10351=[2001:db8::2]:10003' --from output > /dev/null
            echo $(dial "$pod" 10.99.0.7:10351) $(dial "" 10.99.0.7:10351)
            "#
        );
        let Some(said) = world("forwarded", &text) else { return };
        let said: Vec<&str> = said.lines().filter(|line| !line.contains("note: ")).collect();
        assert_eq!(
            said,
            ["nobody nobody cloud-1", "cloud-1 cloud-2-v6 cloud-1", "local local", "nobody cloud-1"],
            "{backend}"
        );
    }
}
