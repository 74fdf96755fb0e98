//! metrics-server.

use serde_yaml::Value;

use super::shapes::{FLANNEL, METRICS_SERVER, filter, only, quiet};

fn pod(text: &str) -> Value {
    only(text, "Deployment")["spec"]["template"]["spec"].clone()
}

fn args(text: &str) -> Vec<String> {
    let args = pod(text)["containers"][0]["args"].clone();
    args.as_sequence().unwrap().iter().map(|word| word.as_str().unwrap().to_owned()).collect()
}

#[test]
fn metrics_server_moves_its_port_with_the_host_network() {
    let after = quiet(METRICS_SERVER, "metrics-server --control-plane");
    let pod = pod(&after);
    assert_eq!(pod["hostNetwork"], true);
    assert_eq!(
        args(&after),
        [
            "--cert-dir=/tmp",
            "--secure-port=4443",
            "--kubelet-preferred-address-types=InternalIP,ExternalIP,Hostname",
            "--kubelet-use-node-status-port",
            "--metric-resolution=15s",
            "--kubelet-insecure-tls"
        ]
    );
    assert_eq!(pod["containers"][0]["ports"][0]["containerPort"], 4443);
    let keys: Vec<&str> =
        pod["tolerations"].as_sequence().unwrap().iter().map(|one| one["key"].as_str().unwrap()).collect();
    assert_eq!(keys, ["node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master"]);
    let rolling = &only(&after, "Deployment")["spec"]["strategy"]["rollingUpdate"];
    assert_eq!((&rolling["maxSurge"], &rolling["maxUnavailable"]), (&0.into(), &1.into()));
    let term =
        &pod["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"][0];
    assert_eq!(term["matchExpressions"][0]["key"], "node-role.kubernetes.io/control-plane");
    assert_eq!(quiet(&after, "metrics-server --control-plane"), after);
    assert_eq!(filter(&after, "check").expect(0).stdout, "no problems found\n");
}

#[test]
fn metrics_server_runs_on_one_host_on_request() {
    let after = quiet(METRICS_SERVER, "metrics-server --host cloud-1");
    let expression =
        pod(&after)["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
            [0]["matchExpressions"][0]
            .clone();
    assert_eq!((&expression["key"], &expression["values"][0]), (&"kubernetes.io/hostname".into(), &"cloud-1".into()));
    assert_eq!(quiet(&after, "metrics-server --host cloud-1"), after);
    let ran = filter(METRICS_SERVER, "metrics-server").expect(0);
    assert_eq!(
        ran.stderr,
        "edge-manifest: note: it may run on an edge node, where it reaches no other one; --control-plane prevents that\n"
    );
    filter(METRICS_SERVER, "metrics-server --host a --control-plane").expect(2);
    let ran = filter(METRICS_SERVER, "metrics-server --host a_").expect(2);
    assert!(ran.stderr.contains("it is not a valid host name: expected 1 to 63 letters"), "{}", ran.stderr);
}

#[test]
fn metrics_server_keeps_what_fits() {
    let old = METRICS_SERVER
        .replace("--secure-port=10250", "--secure-port=4443")
        .replace("containerPort: 10250", "containerPort: 4443")
        .replace("    - --kubelet-use-node-status-port\n", "    - --kubelet-insecure-tls=false\n")
        .replace("metrics-server:v0.7.2", "metrics-server:v0.3.7")
        .replace("      nodeSelector:", "      tolerations:\n      - operator: Exists\n      nodeSelector:");
    let after = quiet(&old, "metrics-server --control-plane");
    assert_eq!(pod(&after)["tolerations"].as_sequence().unwrap().len(), 1);
    let args = args(&after);
    assert!(args.contains(&"--secure-port=4443".to_owned()) && args.contains(&"--kubelet-insecure-tls".to_owned()));
    assert!(
        !args.iter().any(|word| word.starts_with("--kubelet-use-node-status-port")),
        "v0.3 does not know it: {args:?}"
    );
    let numbered =
        METRICS_SERVER.replace("port: https", "port: 10250").replace("targetPort: https", "targetPort: 10250");
    let after = quiet(&numbered, "metrics-server --control-plane");
    assert!(!after.contains("10250"), "{after}");
}

#[test]
fn metrics_server_names_what_is_missing() {
    let ran = filter(FLANNEL, "metrics-server").expect(1);
    assert_eq!(
        ran.stderr,
        "edge-manifest: cannot change metrics-server in standard input: it has no Deployment metrics-server\nhint: pass components.yaml of the release\n"
    );
}
