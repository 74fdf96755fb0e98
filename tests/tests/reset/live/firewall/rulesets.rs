//! Rules of many programs on one host, in the shapes that each of them writes.

/// Rules of ufw, firewalld, docker, fail2ban, tailscale, Podman's CNI and an administrator, some with names that look
/// like ours. Input for iptables-restore with `--counters`; without IPv6 addresses, so for both families.
pub(crate) const FOREIGN: &str = r#"*raw
:PREROUTING ACCEPT [5:300]
:OUTPUT ACCEPT [5:300]
[1:60] -A PREROUTING -m comment --comment "not cali:tVnHkvAo15HuiPy0" -j ACCEPT
COMMIT
*mangle
:PREROUTING ACCEPT [5:300]
:INPUT ACCEPT [5:300]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [5:300]
:POSTROUTING ACCEPT [5:300]
:LIBVIRT_PRT - [0:0]
[3:180] -A POSTROUTING -j LIBVIRT_PRT
[0:0] -A LIBVIRT_PRT -o virbr0 -p udp -m udp --dport 68 -j CHECKSUM --checksum-fill
COMMIT
*nat
:PREROUTING ACCEPT [11:660]
:INPUT ACCEPT [2:120]
:OUTPUT ACCEPT [70:4200]
:POSTROUTING ACCEPT [71:4260]
:DOCKER - [0:0]
:KUBE-MYOWN - [0:0]
:KUBE-SVC-mine - [0:0]
:ts-postrouting - [0:0]
[3:180] -A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
[4:240] -A PREROUTING -p tcp -m tcp --dport 8443 -j DNAT --to-destination 192.0.2.7:10003
[5:300] -A OUTPUT -m comment --comment "do not touch KUBE-SERVICES -j KUBE-SERVICES" -j KUBE-MYOWN
[0:0] -A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER
[1:60] -A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE
[2:120] -A POSTROUTING -j ts-postrouting
[2:120] -A POSTROUTING -m comment --comment "flanneld masquerade of mine" -j RETURN
[0:0] -A DOCKER ! -i docker0 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.17.0.2:80
[6:360] -A KUBE-MYOWN -p tcp -m tcp --dport 10350 -j RETURN
[7:420] -A KUBE-SVC-mine -j RETURN
[0:0] -A ts-postrouting -m mark --mark 0x40000/0xff0000 -j MASQUERADE
COMMIT
*filter
:INPUT DROP [4:240]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [9:540]
:DOCKER - [0:0]
:DOCKER-USER - [0:0]
:IN_public_allow - [0:0]
:calico-dhcp-x - [0:0]
:f2b-sshd - [0:0]
:ts-input - [0:0]
:ufw-user-input - [0:0]
[7:420] -A INPUT -p tcp -m multiport --dports 22 -j f2b-sshd
[2:120] -A INPUT -j ufw-user-input
[2:120] -A INPUT -j ts-input
[1:60] -A INPUT -j calico-dhcp-x
[8:480] -A INPUT -p tcp -m tcp --dport 22 -j ACCEPT
[0:0] -A INPUT -i lo -j ACCEPT
[0:0] -A FORWARD -j DOCKER-USER
[0:0] -A FORWARD -o docker0 -j DOCKER
[0:0] -A DOCKER -d 172.17.0.2/32 ! -i docker0 -o docker0 -p tcp -m tcp --dport 80 -j ACCEPT
[0:0] -A DOCKER-USER -j RETURN
[0:0] -A IN_public_allow -p tcp -m tcp --dport 22 -m conntrack --ctstate NEW,UNTRACKED -j ACCEPT
[0:0] -A calico-dhcp-x -p udp -m udp --dport 67 -j ACCEPT
[3:180] -A f2b-sshd -s 198.18.0.1/32 -j REJECT --reject-with icmp-port-unreachable
[0:0] -A ts-input -s 100.64.0.1/32 -i lo -j ACCEPT
[1:1] -A ufw-user-input -p tcp -m tcp --dport 443 -m comment --comment "dapp_Nginx%20HTTPS" -j ACCEPT
COMMIT
"#;

/// Rules of kubelet, kube-proxy, cloudcore, EdgeMesh, flannel, calico, node-local DNS and the CNI plugins, between those of
/// others. Input for iptables-restore with `--noflush`.
pub(crate) const OURS: &str = r#"*raw
:cali-PREROUTING - [0:0]
-I PREROUTING -m comment --comment "cali:6gwbT8clXdHdC1b1" -j cali-PREROUTING
-I OUTPUT -d 169.254.20.10/32 -p udp -m udp --dport 53 -m comment --comment "NodeLocal DNS Cache: skip conntrack" -j NOTRACK
-A cali-PREROUTING -m comment --comment "cali:XFX5xbM8B9qR10JG" -j MARK --set-xmark 0x0/0xf0000
COMMIT
*mangle
:KUBE-IPTABLES-HINT - [0:0]
:KUBE-KUBELET-CANARY - [0:0]
:KUBE-PROXY-CANARY - [0:0]
COMMIT
*nat
:KUBE-SERVICES - [0:0]
:KUBE-MARK-MASQ - [0:0]
:KUBE-POSTROUTING - [0:0]
:KUBE-SVC-ERIFXISQEP7F7OF4 - [0:0]
:KUBE-SEP-IT2ZTR26TO4XFPTO - [0:0]
:TUNNEL-PORT - [0:0]
:EDGE-MESH - [0:0]
:EDGE-MESH-TCP - [0:0]
:FLANNEL-POSTRTG - [0:0]
:KUBE-PORTALS-HOST - [0:0]
-I PREROUTING 1 -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-I PREROUTING 2 -p tcp -j EDGE-MESH
-I OUTPUT 1 -m comment --comment "kubeedge tunnel port" -j TUNNEL-PORT
-I OUTPUT 2 -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A OUTPUT -m comment --comment "handle ClusterIPs; NOTE: this must be before the NodePort rules" -j KUBE-PORTALS-HOST
-I POSTROUTING 2 -m comment --comment "kubernetes postrouting rules" -j KUBE-POSTROUTING
-I POSTROUTING 2 -m comment --comment "flanneld masq" -j FLANNEL-POSTRTG
-I POSTROUTING 2 -s 10.244.0.0/16 -m comment --comment "flanneld masq" -j RETURN
-A KUBE-MYOWN -j KUBE-MARK-MASQ
-A KUBE-SERVICES -d 10.96.0.10/32 -p tcp -m comment --comment "kube-system/kube-dns:dns-tcp cluster IP" -m tcp --dport 53 -j KUBE-SVC-ERIFXISQEP7F7OF4
-A KUBE-SVC-ERIFXISQEP7F7OF4 -m comment --comment "kube-system/kube-dns:dns-tcp -> 10.244.0.2:53" -j KUBE-SEP-IT2ZTR26TO4XFPTO
-A KUBE-SEP-IT2ZTR26TO4XFPTO -s 10.244.0.2/32 -j KUBE-MARK-MASQ
-A KUBE-SEP-IT2ZTR26TO4XFPTO -p tcp -m tcp -j DNAT --to-destination 10.244.0.2:53
-A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000
-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN
-A TUNNEL-PORT -p tcp -m tcp --dport 10351 -j DNAT --to-destination 192.0.2.1:10003
-A EDGE-MESH -d 10.96.0.0/12 -p tcp -m comment --comment "tcp service proxy" -j EDGE-MESH-TCP
-A EDGE-MESH-TCP -p tcp -j DNAT --to-destination :40001
-A FLANNEL-POSTRTG -m mark --mark 0x4000/0x4000 -m comment --comment "flanneld masq" -j RETURN
COMMIT
*filter
:KUBE-FIREWALL - [0:0]
:KUBE-FORWARD - [0:0]
:FLANNEL-FWD - [0:0]
:cali-FORWARD - [0:0]
-I INPUT 2 -j KUBE-FIREWALL
-I OUTPUT -j KUBE-FIREWALL
-I FORWARD 2 -m comment --comment "kubernetes forwarding rules" -j KUBE-FORWARD
-A FORWARD -m comment --comment "flanneld forward" -j FLANNEL-FWD
-A FORWARD -m comment --comment "cali:mp77cMpurHhyjLrM" -m mark --mark 0x10000/0x10000 -j ACCEPT
-I FORWARD -m comment --comment "cali:wUHhoiAYhphO9Mso" -j cali-FORWARD
-A KUBE-FIREWALL ! -s 127.0.0.0/8 -d 127.0.0.0/8 -m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT -j DROP
-A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP
-A FLANNEL-FWD -s 10.244.0.0/16 -m comment --comment "flanneld forward" -j ACCEPT
-A cali-FORWARD -m comment --comment "cali:vjrMJCRpqwy5oRoX" -j MARK --set-xmark 0x0/0xe0000
COMMIT
"#;

/// Podman's and a pod's parts of the same chains of the CNI plugins; the second is what is left without the pod.
pub(crate) const CNI: &str = r#"*nat
:CNI-HOSTPORT-DNAT - [0:0]
:CNI-HOSTPORT-MASQ - [0:0]
:CNI-HOSTPORT-SETMARK - [0:0]
:CNI-DN-11111aaaaa22222bbbbb3 - [0:0]
:CNI-DN-ffffffaaaaa22222bbbbb - [0:0]
:CNI-0123456789abcdef01234567 - [0:0]
:CNI-fedcba9876543210fedcba98 - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j CNI-HOSTPORT-DNAT
-A OUTPUT -m addrtype --dst-type LOCAL -j CNI-HOSTPORT-DNAT
-A POSTROUTING -m comment --comment "CNI portfwd requiring masquerade" -j CNI-HOSTPORT-MASQ
-A POSTROUTING -s 10.88.0.2/32 -m comment --comment "name: \"podman\" id: \"aaaa0123456789\"" -j CNI-0123456789abcdef01234567
-A POSTROUTING -s 10.85.0.2/32 -m comment --comment "name: \"pods\" id: \"bbbb0123456789\"" -j CNI-fedcba9876543210fedcba98
-A CNI-0123456789abcdef01234567 -d 10.88.0.0/16 -m comment --comment "name: \"podman\" id: \"aaaa0123456789\"" -j ACCEPT
-A CNI-0123456789abcdef01234567 ! -d 224.0.0.0/4 -m comment --comment "name: \"podman\" id: \"aaaa0123456789\"" -j MASQUERADE
-A CNI-fedcba9876543210fedcba98 -d 10.85.0.0/16 -m comment --comment "name: \"pods\" id: \"bbbb0123456789\"" -j ACCEPT
-A CNI-HOSTPORT-DNAT -p tcp -m comment --comment "dnat name: \"podman\" id: \"aaaa0123456789\"" -m multiport --dports 8081 -j CNI-DN-11111aaaaa22222bbbbb3
-A CNI-HOSTPORT-DNAT -p tcp -m comment --comment "dnat name: \"pods\" id: \"bbbb0123456789\"" -m multiport --dports 8082 -j CNI-DN-ffffffaaaaa22222bbbbb
-A CNI-HOSTPORT-MASQ -m mark --mark 0x2000/0x2000 -j MASQUERADE
-A CNI-HOSTPORT-SETMARK -m comment --comment "CNI portfwd masquerade mark" -j MARK --set-xmark 0x2000/0x2000
-A CNI-DN-11111aaaaa22222bbbbb3 -s 10.88.0.2/32 -p tcp -m tcp --dport 8081 -j CNI-HOSTPORT-SETMARK
-A CNI-DN-11111aaaaa22222bbbbb3 -p tcp -m tcp --dport 8081 -j DNAT --to-destination 10.88.0.2:80
-A CNI-DN-ffffffaaaaa22222bbbbb -s 10.85.0.2/32 -p tcp -m tcp --dport 8082 -j CNI-HOSTPORT-SETMARK
-A CNI-DN-ffffffaaaaa22222bbbbb -p tcp -m tcp --dport 8082 -j DNAT --to-destination 10.85.0.2:80
COMMIT
*filter
:CNI-FORWARD - [0:0]
:CNI-ADMIN - [0:0]
-A FORWARD -m comment --comment "CNI firewall plugin rules" -j CNI-FORWARD
-A CNI-FORWARD -m comment --comment "CNI firewall plugin admin overrides" -j CNI-ADMIN
-A CNI-FORWARD -d 10.88.0.2/32 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A CNI-FORWARD -s 10.88.0.2/32 -j ACCEPT
-A CNI-FORWARD -d 10.85.0.2/32 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A CNI-FORWARD -s 10.85.0.2/32 -j ACCEPT
COMMIT
"#;
