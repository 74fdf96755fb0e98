//! flannel.

use super::shapes::{FLANNEL, METRICS_SERVER, filter, list, only};

const ARGS: &str = "flannel --pod-subnet 10.233.64.0/18";

#[test]
fn flannel_changes_one_line_of_the_json_inside() {
    let ran = filter(FLANNEL, ARGS).expect(0);
    assert_eq!(ran.stdout, FLANNEL.replace("10.244.0.0/16", "10.233.64.0/18"));
    assert!(ran.stderr.contains("note: flannel reads net-conf.json when it starts: restart it if it runs already: kubectl rollout restart -n kube-flannel daemonset kube-flannel-ds\n"), "{}", ran.stderr);
    let again = filter(&ran.stdout, ARGS).expect(0);
    assert_eq!((again.stdout.as_str(), again.stderr.as_str()), (ran.stdout.as_str(), ""));
    let backend = filter(FLANNEL, "flannel --backend host-gw").expect(0);
    assert_eq!(backend.stdout, FLANNEL.replace("\"Type\": \"vxlan\"", "\"Type\": \"host-gw\""));
}

#[test]
fn flannel_takes_a_network_of_each_family() {
    let ran = filter(FLANNEL, "flannel --pod-subnet fd00:10::/56 --pod-subnet 10.1.0.0/16").expect(0);
    let map = only(&ran.stdout, "ConfigMap");
    let conf: serde_json::Value = serde_json::from_str(map["data"]["net-conf.json"].as_str().unwrap()).unwrap();
    assert_eq!(
        conf,
        serde_json::json!({"Network": "10.1.0.0/16", "Backend": {"Type": "vxlan"}, "EnableIPv6": true, "IPv6Network": "fd00:10::/56"})
    );
}

#[test]
fn flannel_edits_json_inside_json() {
    let text = list(FLANNEL, true);
    let after = filter(&text, ARGS).expect(0).stdout;
    assert_eq!(after, text.replace("10.244.0.0/16", "10.233.64.0/18"));
}

#[test]
fn flannel_refuses_networks_that_cannot_work() {
    for (args, code, message) in [
        (
            "flannel",
            2,
            "cannot change flannel: neither --pod-subnet nor --backend is given\nhint: edge-manifest flannel --pod-subnet 10.244.0.0/16\n",
        ),
        (
            "flannel --pod-subnet 10.244.1.0/16",
            2,
            "invalid value '10.244.1.0/16' for '--pod-subnet <CIDR>': it is not a valid CIDR: bits are set after the prefix; the network is 10.244.0.0/16",
        ),
        (
            "flannel --pod-subnet 10.244.0.0/33",
            2,
            "invalid value '10.244.0.0/33' for '--pod-subnet <CIDR>': it is not a valid CIDR: the prefix length must be 0 to 32",
        ),
        (
            "flannel --pod-subnet 10.96.0.0/16 --service-subnet 10.96.0.0/12",
            2,
            "cannot use --pod-subnet 10.96.0.0/16: it overlaps the network of the services, 10.96.0.0/12\n",
        ),
        (
            "flannel --pod-subnet 10.1.1.0/25",
            2,
            "cannot use --pod-subnet 10.1.1.0/25: it is smaller than /24, which a single node needs\n",
        ),
    ] {
        let ran = filter(FLANNEL, args).expect(code);
        assert!(ran.stdout.is_empty() && ran.stderr.contains(message), "{args}: {}", ran.stderr);
    }
    let long = FLANNEL.replace("\"Network\": \"10.244.0.0/16\"", "\"Network\": \"10.244.0.0/16\", \"SubnetLen\": 22");
    let ran = filter(&long, "flannel --pod-subnet 10.1.1.0/24").expect(4);
    assert!(ran.stderr.contains("ConfigMap kube-flannel/kube-flannel-cfg: 10.1.1.0/24 is smaller than the /22 for each node (SubnetLen in net-conf.json)"), "{}", ran.stderr);
}

#[test]
fn flannel_names_what_is_missing_or_broken() {
    let ran = filter(METRICS_SERVER, ARGS).expect(1);
    assert_eq!(
        ran.stderr,
        "edge-manifest: cannot change flannel in standard input: it has no ConfigMap with net-conf.json\nhint: pass kube-flannel.yml of the release\n"
    );
    let broken = FLANNEL.replace("\"Backend\": {", "\"Backend\": [");
    let ran = filter(&broken, ARGS).expect(1);
    assert!(ran.stdout.is_empty() && ran.stderr.contains("cannot edit standard input: line 9: ConfigMap kube-flannel/kube-flannel-cfg: net-conf.json: not valid YAML at line "), "{}", ran.stderr);
}
