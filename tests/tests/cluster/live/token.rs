//! What edge-token renders is applied, and the tokens and Secrets that the API server makes are described.

use std::thread::sleep;
use std::time::Duration;

use edgeutils_tests::cluster::for_test;
use edgeutils_tests::tool::{Ran, Tool};
use edgeutils_tests::tree::Tree;
use serde_json::Value;

fn token(args: &str, input: &str) -> Ran {
    Tool::new("edge-token").args(args.split(' ')).stdin(input).run()
}

#[test]
fn account_is_applied_and_its_tokens_are_described() {
    let Some(cluster) = for_test("account_is_applied_and_its_tokens_are_described") else { return };
    cluster.done("create namespace tokens", "");
    // A role with rules of its own: those of `view` are filled in by a controller that does not run here.
    let account = "account admin -n tokens --cluster-role system:node-proxier --role reader --long-lived";
    let manifests = token(account, "").expect(0).stdout;
    cluster.done("apply --validate=strict -f -", &manifests);
    assert!(!cluster.done("apply -f -", &manifests).contains("configured"), "a second apply changes nothing");
    // The API server takes a moment to know of a new binding.
    let question = "auth can-i list services -n default --as system:serviceaccount:tokens:admin";
    let is_allowed = || cluster.kubectl(&question.split(' ').collect::<Vec<_>>(), "").stdout == "yes\n";
    assert!(
        (0..100).any(|_| is_allowed() || {
            sleep(Duration::from_millis(200));
            false
        }),
        "{question}"
    );

    // The controller fills the Secret.
    let secret =
        cluster.eventually("get secret admin-token -n tokens -o json", |printed| printed.contains("\"token\":"));
    let ran = token("read", &secret).expect(0);
    for line in [
        "tokens/admin-token: a service-account token\n    for          the service account tokens/admin\n    expires      never\n",
        "    bound to     the Secret admin-token\n",
        " of the certificate (DER)",
    ] {
        assert!(ran.stdout.contains(line), "{line}{}", ran.stdout);
    }
    let yaml = cluster.done("get secret admin-token -n tokens -o yaml", "");
    assert_eq!(token("read", &yaml).expect(0).stdout, ran.stdout);
    let printed = token("read --print", &secret).expect(0).stdout;
    // As the account alone: the kubeconfig of the tests has a token of its own.
    let as_account = format!("--token {} auth whoami -o jsonpath={{.status.userInfo.username}}", printed.trim());
    let whoami = cluster.kubectl(&as_account.split(' ').collect::<Vec<_>>(), "");
    assert_eq!(whoami.expect(0).stdout, "system:serviceaccount:tokens:admin");

    let bound = cluster.done("create token admin -n tokens --duration 1h", "");
    let ran = token("read --json", &bound).expect(0);
    let record: Value = serde_json::from_str(ran.stdout.lines().next().unwrap()).unwrap();
    assert_eq!(
        (&record["kind"], &record["for"]),
        (&"service-account token".into(), &"the service account tokens/admin".into())
    );
    let left = record["seconds_left"].as_i64().unwrap();
    assert!((3500..=3600).contains(&left), "{left}");
    assert!(!ran.stdout.contains(bound.trim()), "{}", ran.stdout);
}

#[test]
fn names_that_edge_token_refuses_are_those_that_the_api_server_refuses() {
    let Some(cluster) = for_test("names_that_edge_token_refuses_are_those_that_the_api_server_refuses") else { return };
    cluster.done("create namespace names", "");
    for (name, role, is_valid) in [
        ("123", "view", true),
        ("a.b-c", "system:node", true),
        ("null", "a b", true),
        ("A", "view", false),
        ("a_b", "view", false),
        ("a..b", "view", false),
        ("-a", "view", false),
        ("a", "x/y", false),
        ("a", "x%y", false),
        ("a", "..", false),
    ] {
        let ours = Tool::new("edge-token").args(["account", name, "-n", "names", "--cluster-role", role]).run();
        assert_eq!(ours.code == 0, is_valid, "{name} {role}: {}", ours.stderr);
        let quoted = |text: &str| serde_json::to_string(text).unwrap();
        let by_hand = format!(
            "apiVersion: v1\nkind: ServiceAccount\nmetadata: {{name: {}, namespace: names}}\n---\napiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {{name: {}}}\nrules: []\n",
            quoted(name),
            quoted(role)
        );
        let manifests = if is_valid { ours.stdout } else { by_hand };
        let applied = cluster.kubectl(&["apply", "--dry-run=server", "-f", "-"], &manifests);
        assert_eq!(applied.code == 0, is_valid, "{name} {role}: {}", applied.stderr);
    }
}

#[test]
fn merged_kubeconfig_is_used_by_kubectl() {
    let Some(cluster) = for_test("merged_kubeconfig_is_used_by_kubectl") else { return };
    let raw = cluster.done("config view --raw -o yaml", "");
    let tree = Tree::new();
    let own = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(tree.path()).unwrap());
    tree.write("etc/passwd", format!("u:x:{own}:0::/home/u:/bin/sh\n"));
    tree.write("home/u/.kube/config", "apiVersion: v1\nkind: Config\nclusters: null\ncontexts: null\nusers: null\ncurrent-context: \"\"\npreferences: {}\n");
    let args = ["kubeconfig", "--user", "u", "--from", "-", "--name", "tested"];
    Tool::new("edge-token").arg("--root").arg(tree.path()).args(args).stdin(raw).run().expect(0);
    let file = tree.at("home/u/.kube/config");
    let option = format!("--kubeconfig {} get namespace default -o name", file.display());
    assert_eq!(cluster.done(&option, ""), "namespace/default\n");
    // kubectl writes the file in its own way, and the undo finds its entries in it.
    cluster
        .done(&format!("--kubeconfig {} config set-context other --cluster tested --user tested", file.display()), "");
    Tool::new("edge-token").arg("--root").arg(tree.path()).arg("undo").run().expect(0);
    let left = cluster.done(&format!("--kubeconfig {} config get-contexts -o name", file.display()), "");
    assert_eq!(left, "other\n");
}
