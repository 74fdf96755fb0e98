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
