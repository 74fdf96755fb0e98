//! `kubeconfig`: what is added to the file of a user.

use std::os::unix::fs::{PermissionsExt, symlink};

use edgeutils_tests::pki::shell;
use edgeutils_tests::tree::assert_same;

use super::site::{ADMIN, CONFIG, Site};

const OTHER: &str = "# mine\napiVersion: v1\nkind: Config\nclusters:\n  - name: home  # at home\n    cluster: {server: 'https://home:6443'}\nusers:\n  - name: me\n    user: {token: own}\ncontexts:\n  - name: home\n    context: {cluster: home, user: me}\ncurrent-context: home\n";

#[test]
fn new_file_belongs_to_the_user_and_an_undo_removes_it() {
    let site = Site::new();
    let before = site.tree.snapshot();
    let dry = site.run("kubeconfig --user ubuntu -n").expect(3);
    assert!(dry.stdout.contains("clusters: add kubernetes (https://192.0.2.1:6443)"), "{}", dry.stdout);
    assert_same(&site.tree.snapshot(), &before, "a dry run");
    let ran = site.run("kubeconfig --user ubuntu").expect(0);
    assert!(ran.stdout.ends_with("1 change\n"), "{}", ran.stdout);
    let (uid, gid) = site.owner;
    assert_eq!(site.rights(CONFIG), (uid, gid, 0o600));
    assert_eq!(site.rights("home/ubuntu/.kube"), (uid, gid, 0o700));
    let values = |path: &str| serde_yaml::from_str::<serde_yaml::Value>(&site.tree.read(path)).unwrap();
    assert_eq!(values(CONFIG), values(ADMIN));
    let again = site.run("kubeconfig --user ubuntu").expect(0);
    assert_eq!(again.stdout, "already up to date\n");
    site.run("undo").expect(0);
    assert_same(&site.tree.snapshot(), &before, "the undo");
}

#[test]
fn other_entries_and_bytes_stay() {
    let site = Site::new();
    site.own(OTHER);
    let before = site.tree.snapshot();
    let ran = site.run("kubeconfig --user ubuntu").expect(0);
    assert!(
        ran.stderr.contains("is still home; to use the new one: kubectl --context kubernetes-admin@kubernetes"),
        "{}",
        ran.stderr
    );
    let text = site.tree.read(CONFIG);
    for line in OTHER.lines() {
        assert!(text.contains(line), "{line}\n{text}");
    }
    assert!(text.contains("current-context: home\n"), "{text}");
    assert_eq!(site.rights(CONFIG).2, 0o600, "it was 0644");
    site.run("undo").expect(0);
    assert_same(&site.tree.snapshot(), &before, "the undo");
}

#[test]
fn undo_removes_only_its_entries_from_a_file_that_was_rewritten() {
    let site = Site::new();
    site.own(OTHER);
    site.run("kubeconfig --user ubuntu").expect(0);
    // As kubectl does it: sorted, without comments, another context.
    let mut value: serde_json::Value = serde_yaml::from_str(&site.tree.read(CONFIG)).unwrap();
    value["current-context"] = "kubernetes-admin@kubernetes".into();
    value["contexts"]
        .as_array_mut()
        .unwrap()
        .push(serde_json::json!({"name": "later", "context": {"cluster": "home", "user": "me"}}));
    site.own(&serde_yaml::to_string(&value).unwrap());
    let ran = site.run("undo").expect(0);
    assert!(
        ran.stdout.contains("revert-edit") || ran.stdout.contains("other changes in it are kept"),
        "{}",
        ran.stdout
    );
    let after: serde_json::Value = serde_yaml::from_str(&site.tree.read(CONFIG)).unwrap();
    let names = |list: &str| {
        after[list]
            .as_array()
            .unwrap()
            .iter()
            .map(|entry| entry["name"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        (names("clusters"), names("users"), names("contexts")),
        (vec!["home".into()], vec!["me".into()], vec!["home".into(), "later".into()])
    );
    assert_eq!((site.rights(CONFIG).0, site.rights(CONFIG).1), site.owner);
}

#[test]
fn entry_that_was_changed_since_is_not_removed() {
    let site = Site::new();
    site.own(OTHER);
    site.run("kubeconfig --user ubuntu").expect(0);
    site.own(&site.tree.read(CONFIG).replace("https://192.0.2.1:6443", "https://192.0.2.9:6443"));
    let before = site.tree.read(CONFIG);
    let ran = site.run("undo").expect(4);
    assert!(ran.stderr.contains("kubernetes in clusters was changed since"), "{}", ran.stderr);
    assert!(
        !ran.stderr.contains("PRIVATE") && !format!("{}{}", ran.stdout, ran.stderr).contains("LS0t"),
        "no key is shown: {}",
        ran.stderr
    );
    assert_eq!(site.tree.read(CONFIG), before);
}

#[test]
fn no_private_key_is_in_the_journal_or_the_output() {
    let site = Site::new();
    site.own(&site.admin("ca", "earlier", 10).replace("kubernetes", "earlier"));
    let ran = site.run("kubeconfig --user ubuntu").expect(0);
    for name in ["admin", "earlier"] {
        let key = shell(&format!("base64 -w0 {}", site.pki.at(&format!("{name}.key"))));
        // From its first random bytes on.
        let key = &key[60..120];
        assert!(!format!("{}{}", ran.stdout, ran.stderr).contains(key));
        for (path, bytes) in site.journal() {
            assert!(!String::from_utf8_lossy(&bytes).contains(key), "{}", path.display());
        }
        assert!(site.tree.read(CONFIG).contains(key));
    }
}

#[test]
fn expired_copy_is_renewed_and_a_newer_one_stays() {
    let site = Site::new();
    let expired = site.admin("ca", "old", -1);
    site.own(&expired);
    let before = site.tree.snapshot();
    let ran = site.run("kubeconfig --user ubuntu").expect(0);
    assert!(ran.stdout.contains("users: renew kubernetes-admin: expired on "), "{}", ran.stdout);
    let values = |path: &str| serde_yaml::from_str::<serde_yaml::Value>(&site.tree.read(path)).unwrap();
    assert_eq!(values(CONFIG), values(ADMIN));
    assert_eq!(site.run("kubeconfig --user ubuntu").expect(0).stdout, "already up to date\n");
    site.run("undo").expect(0);
    assert_same(&site.tree.snapshot(), &before, "the undo");
    let newer = site.admin("ca", "newer", 700);
    site.own(&newer);
    let ran = site.run("kubeconfig --user ubuntu").expect(0);
    assert!(
        ran.stderr.contains("the credentials of kubernetes-admin in") && ran.stderr.contains("are newer"),
        "{}",
        ran.stderr
    );
    assert_eq!(site.tree.read(CONFIG), newer);
}

#[test]
fn renewed_credentials_in_a_changed_file_stay() {
    let site = Site::new();
    site.own(&site.admin("ca", "old", -1));
    site.run("kubeconfig --user ubuntu").expect(0);
    let changed = format!("# changed\n{}", site.tree.read(CONFIG));
    site.own(&changed);
    let ran = site.run("undo").expect(4);
    assert!(
        ran.stderr.contains("the previous credentials of kubernetes-admin are kept only with the whole file"),
        "{}",
        ran.stderr
    );
    assert_eq!(site.tree.read(CONFIG), changed);
    site.run("undo --force").expect(0);
    assert!(site.tree.read("home/ubuntu/.kube/config.edgeutils-kept").starts_with("# changed"));
}

#[test]
fn name_of_another_cluster_is_refused_with_a_way_out() {
    let site = Site::new();
    site.pki.authority("other", "openssl ecparam -name prime256v1 -genkey -noout");
    let other = site.admin("other", "x", 365);
    for (own, why) in [
        (other.clone(), "cannot add the cluster kubernetes to"),
        (other.replace("192.0.2.1", "192.0.2.7"), "it has one of that name with the server https://192.0.2.7:6443"),
        (
            other
                .replace("name: kubernetes\n", "name: elsewhere\n")
                .replace("cluster: kubernetes\n", "cluster: elsewhere\n"),
            "cannot add the context",
        ),
        (
            other.replace("name: kubernetes\n", "name: elsewhere\n").replace("kubernetes-admin@kubernetes", "x"),
            "cannot add the user kubernetes-admin to",
        ),
    ] {
        site.own(&own);
        let before = site.tree.snapshot();
        let ran = site.run("kubeconfig --user ubuntu").expect(4);
        assert!(
            ran.stderr.contains(why) && ran.stderr.contains("choose another name: --name NAME"),
            "{why}: {}",
            ran.stderr
        );
        assert_same(&site.tree.snapshot(), &before, why);
        site.run("kubeconfig --user ubuntu --name edge-cluster").expect(0);
        let text = site.tree.read(CONFIG);
        assert_eq!(text.matches("name: edge-cluster\n").count(), 3, "{text}");
        site.run("undo").expect(0);
        assert_eq!(site.tree.read(CONFIG), own);
    }
}

#[test]
fn rights_alone_are_corrected() {
    let site = Site::new();
    site.run("kubeconfig --user ubuntu").expect(0);
    std::fs::set_permissions(site.tree.at(CONFIG), PermissionsExt::from_mode(0o644)).unwrap();
    let ran = site.run("kubeconfig --user ubuntu").expect(0);
    assert!(ran.stdout.contains("mode 0644 -> 0600"), "{}", ran.stdout);
    assert_eq!(site.rights(CONFIG).2, 0o600);
}

#[test]
fn link_of_the_user_is_refused() {
    for (link, target) in [("home/ubuntu/.kube", "/etc"), ("home/ubuntu/.kube/config", "/etc/config")] {
        let site = Site::new();
        std::fs::create_dir_all(site.tree.at(link).parent().unwrap()).unwrap();
        symlink(target, site.tree.at(link)).unwrap();
        let before = site.tree.snapshot();
        for args in ["kubeconfig --user ubuntu", "kubeconfig --user ubuntu -n"] {
            let ran = site.run(args).expect(4);
            assert!(ran.stderr.contains("a part of its path is a symbolic link"), "{}", ran.stderr);
            assert_same(&site.tree.snapshot(), &before, link);
        }
    }
}

#[test]
fn undo_follows_no_link_that_the_user_made_since() {
    let site = Site::new();
    site.own(OTHER);
    site.run("kubeconfig --user ubuntu").expect(0);
    let text = site.tree.read(CONFIG);
    std::fs::rename(site.tree.at("home/ubuntu/.kube"), site.tree.at("home/ubuntu/moved")).unwrap();
    site.tree.write("root/.kube/config", &text);
    symlink("/root/.kube", site.tree.at("home/ubuntu/.kube")).unwrap();
    for args in ["undo", "undo --force"] {
        let ran = site.run(args).expect(4);
        assert!(ran.stderr.contains("a part of its path is a symbolic link"), "{}", ran.stderr);
        assert_eq!(site.tree.read("root/.kube/config"), text);
    }
}
