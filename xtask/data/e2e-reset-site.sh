#!/bin/sh
# Run at each boot by site.service: a site's own links, routes, namespaces, rules and sets, of the same kinds as those of
# Kubernetes.
set -eu

sysctl -qw net.ipv4.ip_forward=1
# The kernel makes tunl0 with the module, and keeps it as long.
modprobe ipip
ip link add dummy0 type dummy
ip address add 192.0.2.1/24 dev dummy0
ip link set dummy0 up
ip route add 203.0.113.0/24 via 192.0.2.2
ip link add wg0 type wireguard
wg genkey >/run/site.key
wg set wg0 private-key /run/site.key listen-port 51820
rm /run/site.key
ip address add 198.51.100.1/24 dev wg0
ip link set wg0 up
ip netns add site

# In every chain that a node's rules are in: nf_tables keeps an empty one for good.
for save in iptables ip6tables; do
    "$save-restore" --noflush <<'END'
*filter
:KUBE-SITE - [0:0]
-A INPUT -p tcp -m tcp --dport 22 -m comment --comment "before KUBE-FIREWALL" -j ACCEPT
-A FORWARD -j KUBE-SITE
-A OUTPUT -p tcp -m tcp --dport 25 -j DROP
-A KUBE-SITE -j RETURN
COMMIT
*nat
-A PREROUTING -p tcp -m tcp --dport 8022 -j REDIRECT --to-ports 22
-A OUTPUT -p tcp -m tcp --dport 8022 -j REDIRECT --to-ports 22
-A POSTROUTING -p tcp -m tcp --dport 8023 -j MASQUERADE
COMMIT
*mangle
-A FORWARD -p tcp -m tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu
COMMIT
END
done
nft -f - <<'END'
table inet site {
    chain input {
        type filter hook input priority 10; policy accept;
        tcp dport 10350 counter drop
    }
}
END
ipset create site hash:ip
ipset add site 192.0.2.9
