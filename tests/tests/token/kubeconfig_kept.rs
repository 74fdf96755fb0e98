//! `kubeconfig`: what it cannot use, and sources of other forms.

use std::os::unix::fs::chown;

use edgeutils_tests::tool::Tool;
use edgeutils_tests::tree::assert_same;

use super::site::{ADMIN, CONFIG, Site};

#[test]
fn source_that_cannot_be_used_changes_nothing() {
    let site = Site::new();
    let good = site.tree.read(ADMIN);
    let expired = site.admin("ca", "old", -1);
    for (text, why) in [
        ("", "it has no context"),
        ("hello\n", "it is not a kubeconfig"),
        ("kind: Secret\n", "it is not a kubeconfig: its kind is \"Secret\""),
        ("a: [", "not valid YAML"),
        (
            &good.replace("current-context: kubernetes-admin@kubernetes", "current-context: other"),
            "\"other\" is not in its contexts",
        ),
        (&good.replace("server: ", "x: "), "its cluster kubernetes has no server"),
        (&good.replace("client-certificate-data: ", "client-certificate-data: x"), "its client certificate: "),
        (&expired, "its client certificate expired on "),
    ] {
        site.tree.write(ADMIN, text);
        let before = site.tree.snapshot();
        let ran = site.run("kubeconfig --user ubuntu").expect(1);
        assert!(
            ran.stderr.contains("etc/kubernetes/admin.conf: ") && ran.stderr.contains(why),
            "{why}: {}",
            ran.stderr
        );
        assert_same(&site.tree.snapshot(), &before, why);
    }
    assert!(site.run("kubeconfig --user ubuntu").stderr.contains("hint: renew it: kubeadm certs renew admin.conf"));
    std::fs::remove_file(site.tree.at(ADMIN)).unwrap();
    let ran = site.run("kubeconfig --user ubuntu").expect(1);
    assert!(ran.stderr.contains("hint: run this on a control plane host"), "{}", ran.stderr);
}

#[test]
fn user_that_cannot_be_used_changes_nothing() {
    let site = Site::new();
    for (user, code, why) in [
        ("nobody-else", 1, "cannot find the user \"nobody-else\""),
        ("lost", 1, "the home directory of lost does not exist"),
    ] {
        let ran = site.run(&format!("kubeconfig --user {user}")).expect(code);
        assert!(ran.stderr.contains(why), "{}", ran.stderr);
    }
    site.own("not: [valid");
    let before = site.tree.snapshot();
    let ran = site.run("kubeconfig --user ubuntu").expect(1);
    assert!(ran.stderr.contains("cannot edit") && ran.stderr.contains("not valid YAML"), "{}", ran.stderr);
    assert_same(&site.tree.snapshot(), &before, "a file that is not valid");
}

#[test]
fn directory_of_another_user_is_a_manual_step() {
    let site = Site::new();
    if site.owner.0 != 1234 {
        return edgeutils_tests::skip("directory_of_another_user_is_a_manual_step", "not run as root");
    }
    site.own("kind: Config\n");
    chown(site.tree.at("home/ubuntu/.kube"), Some(0), Some(0)).unwrap();
    chown(site.tree.at(CONFIG), Some(0), Some(0)).unwrap();
    let ran = site.run("kubeconfig --user ubuntu").expect(3);
    assert!(ran.stderr.contains("hint: chown 1234:2345 "), "{}", ran.stderr);
    assert_eq!(site.rights(CONFIG), (1234, 2345, 0o600));
    site.run("undo").expect(0);
    assert_eq!((site.tree.read(CONFIG), site.rights(CONFIG).0), ("kind: Config\n".into(), 0));
}

#[test]
fn files_that_the_source_names_are_copied() {
    let site = Site::new();
    let at = |name: &str| site.pki.at(name);
    let text = format!(
        "clusters: [{{name: c, cluster: {{server: 'https://a', certificate-authority: {}}}}}]\ncontexts: [{{name: x, context: {{cluster: c, user: u}}}}]\nusers: [{{name: u, user: {{client-certificate: admin.crt, client-key: {}}}}}]\n",
        at("ca.crt"),
        at("admin.key")
    );
    std::fs::write(at("source.conf"), text).unwrap();
    let file = at("source.conf");
    site.run(&format!("kubeconfig --user ubuntu --from {file}")).expect(0);
    let value: serde_json::Value = serde_yaml::from_str(&site.tree.read(CONFIG)).unwrap();
    let admin: serde_json::Value = serde_yaml::from_str(&site.tree.read(ADMIN)).unwrap();
    assert_eq!(value["users"][0]["user"], admin["users"][0]["user"]);
    let data = "certificate-authority-data";
    assert_eq!(value["clusters"][0]["cluster"][data], admin["clusters"][0]["cluster"][data]);
    assert_eq!(value["current-context"], "x");
}

#[test]
fn source_may_be_standard_input_and_context_be_chosen() {
    let site = Site::new();
    let source = "clusters: [{name: a, cluster: {server: 'https://a'}}]\nusers: [{name: u, user: {token: t}}]\ncontexts: [{name: one, context: {cluster: a, user: u}}, {name: two, context: {cluster: a, user: u, namespace: dev}}]\n";
    let run = |args: &[&str]| {
        Tool::new("edge-token")
            .arg("--root")
            .arg(site.tree.path())
            .args(["kubeconfig", "--user", "ubuntu", "--from", "-"])
            .args(args)
            .stdin(source)
            .run()
    };
    let ran = run(&[]).expect(1);
    assert!(
        ran.stderr.contains("it has several contexts") && ran.stderr.contains("--context one, --context two"),
        "{}",
        ran.stderr
    );
    run(&["--context", "two"]).expect(0);
    let value: serde_json::Value = serde_yaml::from_str(&site.tree.read(CONFIG)).unwrap();
    assert_eq!(
        value["contexts"],
        serde_json::json!([{"name": "two", "context": {"cluster": "a", "user": "u", "namespace": "dev"}}])
    );
    let ran = run(&["--context", "two", "--json"]).expect(0);
    assert!(ran.stdout.lines().last().unwrap().contains("\"changed\":false"), "{}", ran.stdout);
}

#[test]
fn null_lists_as_kubectl_writes_them_are_filled() {
    let site = Site::new();
    site.own("apiVersion: v1\nclusters: null\ncontexts: null\ncurrent-context: \"\"\nkind: Config\npreferences: {}\nusers: null\n");
    let before = site.tree.snapshot();
    site.run("kubeconfig --user ubuntu").expect(0);
    let value: serde_json::Value = serde_yaml::from_str(&site.tree.read(CONFIG)).unwrap();
    assert_eq!(value["current-context"], "kubernetes-admin@kubernetes");
    assert_eq!(value["users"].as_array().unwrap().len(), 1);
    site.run("undo").expect(0);
    assert_same(&site.tree.snapshot(), &before, "the undo");
}
