//! What the real plugins refuse is an error of the check.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::network::{in_order, transcript};

/// Runs ADD of a plugin with a file as its configuration, in a namespace of its own.
const ADD: &str = r#"
    add() {
        ip netns add pod
        CNI_COMMAND=ADD CNI_CONTAINERID=c CNI_NETNS=/run/netns/pod CNI_IFNAME=eth0 CNI_PATH=/opt/cni/bin \
            "/opt/cni/bin/$1" < "$2" | tr -d '\n'
        echo; ip netns delete pod
    }
"#;

#[test]
fn check_finds_a_link_with_the_name_of_the_bridge() {
    let Some(said) = transcript(
        "cni_live_refused link",
        &format!(
            r#"{ADD}
        cni install --from-build "$NEW" > /dev/null
        cni conf bridge --subnet 10.85.0.0/16 > /dev/null
        echo '{{"cniVersion": "1.0.0", "name": "n", "type": "bridge", "isGateway": true, "ipam": {{"type": "host-local", "subnet": "10.85.0.0/16"}}}}' > one
        ip link add cni0 type veth peer name eth9
        add bridge one
        cni check
        ip link delete cni0
        add bridge one
        ip -o -d link show cni0 | grep -c bridge
        cni check
        "#
        ),
    ) else {
        return;
    };
    in_order(
        &said,
        &[
            "\\\"cni0\\\" already exists but is not a bridge",
            "10-edgeutils.conflist: error: the link cni0 exists and is not a bridge but of the kind veth: pods fail\n",
            "hint: set another name as \"bridge\" of the network, or run: ip link delete cni0\n",
            "exit 3\n",
            "1\n",
            "no problems found\nexit 0\n",
        ],
    );
}

/// Plugin, its keys, and the setting of the finding; none where the plugin accepts them.
const VALUES: [(&str, &str, Option<&str>); 47] = [
    ("bridge", r#""mtu": "1500""#, Some("mtu")),
    ("bridge", r#""mtu": 1500.0"#, Some("mtu")),
    ("bridge", r#""MTU": true"#, Some("mtu")),
    ("bridge", r#""mtu": 1400, "isGateway": null, "unknown": "x""#, None),
    ("bridge", r#""isGateway": "true""#, Some("isGateway")),
    ("bridge", r#""isDefaultGateway": 1"#, Some("isDefaultGateway")),
    ("bridge", r#""forceAddress": """#, Some("forceAddress")),
    ("bridge", r#""ipMasq": "false""#, Some("ipMasq")),
    ("bridge", r#""ipMasqBackend": 1"#, Some("ipMasqBackend")),
    ("bridge", r#""ipMasqBackend": "ipchains""#, None),
    ("bridge", r#""ipMasqBackend": "ipchains", "ipMasq": true"#, Some("ipMasqBackend")),
    ("bridge", r#""hairpinMode": "true""#, Some("hairpinMode")),
    ("bridge", r#""promiscMode": "true""#, Some("promiscMode")),
    ("bridge", r#""promiscMode": true, "hairpinMode": true"#, Some("promiscMode")),
    ("bridge", r#""promiscMode": false, "hairpinMode": true"#, None),
    ("bridge", r#""vlan": "5""#, Some("vlan")),
    ("bridge", r#""vlan": 4095"#, Some("vlan")),
    ("bridge", r#""vlanTrunk": {"id": 5}"#, Some("vlanTrunk")),
    ("bridge", r#""vlanTrunk": [{"id": "5"}]"#, Some("vlanTrunk[0].id")),
    ("bridge", r#""vlanTrunk": [{"id": 0}]"#, Some("vlanTrunk[0].id")),
    ("bridge", r#""vlanTrunk": [{"minID": 5}]"#, Some("vlanTrunk[0]")),
    ("bridge", r#""vlanTrunk": [{"minID": 5, "maxID": 3}]"#, Some("vlanTrunk[0].maxID")),
    ("bridge", r#""preserveDefaultVlan": 0"#, Some("preserveDefaultVlan")),
    ("bridge", r#""macspoofchk": "true""#, Some("macspoofchk")),
    ("bridge", r#""enabledad": "true""#, Some("enabledad")),
    ("bridge", r#""disableContainerInterface": "true""#, Some("disableContainerInterface")),
    ("bridge", r#""disableContainerInterface": true"#, Some("disableContainerInterface")),
    ("bridge", r#""portIsolation": "true""#, Some("portIsolation")),
    ("bridge", r#""bridge": 5"#, Some("bridge")),
    ("bridge", r#""bridge": "abcdefghijklmnop""#, Some("bridge")),
    ("bridge", r#""bridge": "abcdefghijklmno""#, None),
    ("bridge", r#""bridge": "a/b""#, Some("bridge")),
    ("host-local", r#""routes": [{"dst": "10.0.0.1"}]"#, Some("ipam.routes[0].dst")),
    ("host-local", r#""routes": [{"dst": 5}]"#, Some("ipam.routes[0].dst")),
    ("host-local", r#""routes": {"dst": "0.0.0.0/0"}"#, Some("ipam.routes")),
    ("host-local", r#""routes": [{"dst": "0.0.0.0/0", "gw": "x"}]"#, Some("ipam.routes[0].gw")),
    ("host-local", r#""routes": [{"dst": "0.0.0.0/0", "mtu": "1400"}]"#, Some("ipam.routes[0].mtu")),
    ("host-local", r#""routes": [{"dst": "0.0.0.0/0", "gw": ""}]"#, None),
    ("host-local", r#""dataDir": 5"#, Some("ipam.dataDir")),
    ("host-local", r#""resolvConf": true"#, Some("ipam.resolvConf")),
    ("portmap", r#""snat": "true""#, Some("snat")),
    ("portmap", r#""backend": "ipvs""#, Some("backend")),
    ("portmap", r#""conditionsV4": "-s 10.0.0.0/8""#, Some("conditionsV4")),
    ("portmap", r#""masqAll": "false""#, Some("masqAll")),
    ("portmap", r#""markMasqBit": 32"#, Some("markMasqBit")),
    ("portmap", r#""markMasqBit": 5, "externalSetMarkChain": "X""#, Some("externalSetMarkChain")),
    ("portmap", r#""snat": true, "markMasqBit": 31"#, None),
];

#[test]
fn check_refuses_the_values_that_the_plugins_refuse() {
    let mut text = format!("{ADD}\ncni install --from-build \"$NEW\" > /dev/null; mkdir -p /etc/cni/net.d\n");
    for (plugin, keys, _) in VALUES {
        let (of_plugin, of_ipam) = if plugin == "host-local" { ("", keys) } else { (keys, "") };
        let comma = |keys: &str| if keys.is_empty() { String::new() } else { format!(", {keys}") };
        let ipam = format!(r#", "ipam": {{"type": "host-local", "subnet": "10.85.0.0/16"{}}}"#, comma(of_ipam));
        let kind = if plugin == "portmap" { "portmap" } else { "bridge" };
        let (ipam, before) = if kind == "portmap" {
            ("", r#", "prevResult": {"cniVersion": "1.0.0", "ips": [{"address": "10.85.0.2/16"}]}"#)
        } else {
            (ipam.as_str(), "")
        };
        let own = format!(r#""type": "{kind}"{ipam}{}"#, comma(of_plugin));
        let head = r#""cniVersion": "1.0.0", "name": "n""#;
        text += &format!(
            r#"
            echo '{{{head}, {own}{before}}}' > one
            if add {kind} one | grep -q '"msg"'; then echo refused; else echo accepted; fi
            echo '{{{head}, "plugins": [{{{own}}}]}}' > /etc/cni/net.d/1.conflist
            cni check | tr '\n' '|'; echo
            ip link delete cni0 2> /dev/null; rm -rf /var/lib/cni
            "#
        );
    }
    let Some(said) = transcript("cni_live_refused values", &text) else { return };
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines.len(), VALUES.len() * 2, "{said}");
    for ((plugin, keys, setting), lines) in VALUES.iter().zip(lines.chunks(2)) {
        let verdict = if setting.is_some() { "refused" } else { "accepted" };
        let want = match setting {
            Some(setting) => format!("1.conflist: error: plugins[0].{setting}: "),
            None => "no problems found|exit 0|".to_owned(),
        };
        assert_eq!(lines[0], verdict, "{plugin} {keys}: {}", lines[1]);
        assert!(lines[1].contains(&want), "{plugin} {keys}: {}", lines[1]);
    }
}
