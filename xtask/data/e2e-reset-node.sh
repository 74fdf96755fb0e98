#!/bin/sh
# What KubeEdge, kube-proxy (ipvs), flannel, EdgeMesh and node-local DNS make in the kernel of an edge node; the pods are
# edgecore's own work.
set -eu

# EdgeMesh and node-local DNS.
ip link add edgemesh0 type bridge
ip address add 169.254.96.16/32 dev edgemesh0
ip link set edgemesh0 up
ip link add nodelocaldns type dummy
ip address add 169.254.20.10/32 dev nodelocaldns
ip link set nodelocaldns up

# flannel, with every backend: a node that was changed from one to the other.
mkdir -p /run/flannel
printf 'FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_SUBNET=10.244.1.1/24\nFLANNEL_MTU=1420\nFLANNEL_IPMASQ=true\n' >/run/flannel/subnet.env
ip link add flannel-wg type wireguard
ip address add 10.244.1.0/32 dev flannel-wg
ip link set flannel-wg up
ip route add 10.244.3.0/24 dev flannel-wg
ip link add flannel.1 type vxlan id 1 local 10.0.2.15 dstport 8472 nolearning
ip link set flannel.1 up
ip link add flannel.ipip type ipip local 10.0.2.15
ip link set flannel.ipip up
ip address add 10.244.1.0/32 dev tunl0
ip link set tunl0 up
ip route add 10.244.2.0/24 via 10.0.2.2

# kube-proxy: virtual services of a cluster IP and of a port on the node.
ip link add kube-ipvs0 type dummy
ip address add 10.96.0.1/32 dev kube-ipvs0
ipset create KUBE-CLUSTER-IP hash:ip,port
ipset add KUBE-CLUSTER-IP 10.96.0.1,tcp:443
ipset create KUBE-LOOP-BACK hash:ip,port,ip
ipset create KUBE-6-CLUSTER-IP hash:ip,port family inet6
ipset create KUBE-NODE-PORT-TCP bitmap:port range 0-65535
ipset add KUBE-NODE-PORT-TCP 30080
for service in 10.96.0.1:443 10.0.2.15:30080; do
    ipvsadm -A -t "$service" -s rr
    ipvsadm -a -t "$service" -r 192.0.2.7:6443 -m
done
sysctl -qw net.ipv4.conf.all.route_localnet=1
for save in iptables ip6tables; do
    "$save-restore" --noflush <<'END'
*mangle
:KUBE-IPTABLES-HINT - [0:0]
:KUBE-KUBELET-CANARY - [0:0]
COMMIT
*filter
:KUBE-FIREWALL - [0:0]
:KUBE-KUBELET-CANARY - [0:0]
:KUBE-FORWARD - [0:0]
:KUBE-NODE-PORT - [0:0]
:FLANNEL-FWD - [0:0]
-A INPUT -j KUBE-FIREWALL
-A OUTPUT -j KUBE-FIREWALL
-A INPUT -m comment --comment "kubernetes health check rules" -j KUBE-NODE-PORT
-A FORWARD -m comment --comment "kubernetes forwarding rules" -j KUBE-FORWARD
-A FORWARD -m comment --comment "flanneld forward" -j FLANNEL-FWD
-A KUBE-FORWARD -m mark --mark 0x4000/0x4000 -j ACCEPT
COMMIT
*nat
:KUBE-KUBELET-CANARY - [0:0]
:KUBE-MARK-MASQ - [0:0]
:KUBE-POSTROUTING - [0:0]
:KUBE-SERVICES - [0:0]
:KUBE-PORTALS-HOST - [0:0]
-A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A OUTPUT -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A OUTPUT -j KUBE-PORTALS-HOST
-A POSTROUTING -m comment --comment "kubernetes postrouting rules" -j KUBE-POSTROUTING
-A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000
-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN
COMMIT
END
done
iptables-restore --noflush <<'END'
*filter
-A KUBE-FIREWALL ! -s 127.0.0.0/8 -d 127.0.0.0/8 -m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT -j DROP
-A OUTPUT -s 169.254.20.10/32 -p udp -m udp --sport 53 -m comment --comment "NodeLocal DNS Cache: allow DNS traffic" -j ACCEPT
COMMIT
*nat
:FLANNEL-POSTRTG - [0:0]
-A POSTROUTING -m comment --comment "flanneld masq" -j FLANNEL-POSTRTG
-A FLANNEL-POSTRTG -s 10.244.0.0/16 ! -d 224.0.0.0/4 -j MASQUERADE
-A KUBE-POSTROUTING -m set --match-set KUBE-LOOP-BACK dst,dst,src -j MASQUERADE
-A KUBE-SERVICES -m set --match-set KUBE-CLUSTER-IP dst,dst -j KUBE-MARK-MASQ
COMMIT
END
