//! `account`: manifests for kubectl, which tests/cluster passes to a real API server.

use edgeutils_tests::tool::{Ran, Tool};

fn account(args: &str) -> Ran {
    Tool::new("edge-token").arg("account").args(args.split(' ')).run()
}

#[test]
fn account_prints_manifests_and_how_to_get_a_token() {
    let ran = account("k8sadmin -n kube-system --cluster-role cluster-admin").expect(0);
    assert_eq!(
        ran.stdout,
        "apiVersion: v1\nkind: ServiceAccount\nmetadata:\n  name: k8sadmin\n  namespace: kube-system\n---\n\
         apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata:\n  name: kube-system:k8sadmin:cluster-admin\n\
         roleRef:\n  apiGroup: rbac.authorization.k8s.io\n  kind: ClusterRole\n  name: cluster-admin\n\
         subjects:\n- kind: ServiceAccount\n  name: k8sadmin\n  namespace: kube-system\n"
    );
    assert_eq!(
        ran.stderr,
        "edge-token: warning: cluster-admin may do everything in the cluster, and so may everyone who has a token of k8sadmin\n\
         edge-token: hint: after kubectl apply, create a token: kubectl create token k8sadmin -n kube-system --duration 1h\n"
    );
}

#[test]
fn long_lived_account_has_a_secret() {
    let ran = account("ci -n build --role deployer,viewer --role viewer --long-lived").expect(0);
    let kinds: Vec<&str> = ran.stdout.lines().filter(|line| line.starts_with("kind: ")).collect();
    assert_eq!(kinds, ["kind: ServiceAccount", "kind: RoleBinding", "kind: RoleBinding", "kind: Secret"]);
    assert!(ran.stdout.ends_with(
        "kind: Secret\nmetadata:\n  name: ci-token\n  namespace: build\n  annotations:\n    kubernetes.io/service-account.name: ci\ntype: kubernetes.io/service-account-token\n"
    ));
    assert!(
        ran.stderr.contains("kubectl get secret ci-token -n build -o json | edge-token read --print"),
        "{}",
        ran.stderr
    );
    assert!(!ran.stderr.contains("warning"), "{}", ran.stderr);
}

#[test]
fn invalid_account_prints_nothing() {
    for (args, message) in [
        ("A --cluster-role view", "cannot use the name \"A\": expected lower-case letters"),
        ("a -n a.b --cluster-role view", "cannot use the namespace \"a.b\""),
        ("a --cluster-role x/y", "cannot use the role \"x/y\""),
        ("a", "required"),
        ("a --role view --json", "cannot use --json: standard output is the manifests"),
    ] {
        let ran = account(args).expect(2);
        assert!(!ran.stdout.contains("kind:") && ran.stderr.contains(message), "{args}: {}", ran.stderr);
    }
}
