//! Renders a service account, the bindings of its roles, and a Secret with a token. Pure.

use std::fmt::Write as _;

use crate::request::{Account, SECRET_SUFFIX};

/// The manifests, as documents of YAML.
pub fn render(account: &Account) -> String {
    let (name, namespace) = (text(&account.name), text(&account.namespace));
    let mut out =
        format!("apiVersion: v1\nkind: ServiceAccount\nmetadata:\n  name: {name}\n  namespace: {namespace}\n");
    let bindings = account.cluster_roles.iter().map(|role| ("ClusterRole", role));
    for (kind, role) in bindings.chain(account.roles.iter().map(|role| ("Role", role))) {
        // The role of a binding cannot be changed afterwards, and the names of ClusterRoleBindings are those of the whole
        // cluster: so all three are in the name.
        let binding = text(&format!("{}:{}:{role}", account.namespace, account.name));
        let place = if kind == "Role" { format!("\n  namespace: {namespace}") } else { String::new() };
        // Writing to a string cannot fail.
        let _ = write!(
            out,
            "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: {kind}Binding\nmetadata:\n  name: {binding}{place}\n\
             roleRef:\n  apiGroup: rbac.authorization.k8s.io\n  kind: {kind}\n  name: {}\n\
             subjects:\n- kind: ServiceAccount\n  name: {name}\n  namespace: {namespace}\n",
            text(role)
        );
    }
    if account.long_lived {
        let secret = text(&format!("{}{SECRET_SUFFIX}", account.name));
        let _ = write!(
            out,
            "---\napiVersion: v1\nkind: Secret\nmetadata:\n  name: {secret}\n  namespace: {namespace}\n  annotations:\n    \
             kubernetes.io/service-account.name: {name}\ntype: kubernetes.io/service-account-token\n"
        );
    }
    out
}

/// A text as a value of YAML: in quotes unless every parser reads it as text.
fn text(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | ':');
    let is_word = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"]
        .iter()
        .any(|word| text.eq_ignore_ascii_case(word));
    if text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(is_plain)
        && !text.ends_with(':')
        && !is_word
    {
        return text.to_owned();
    }
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(name: &str, long_lived: bool) -> Account {
        Account {
            name: name.to_owned(),
            namespace: "kube-system".to_owned(),
            cluster_roles: vec!["cluster-admin".to_owned()],
            roles: vec!["a b".to_owned()],
            long_lived,
        }
    }

    #[test]
    fn render_has_account_bindings_and_secret() {
        let all = render(&account("admin", true));
        let kinds: Vec<&str> = all.lines().filter(|line| line.starts_with("kind: ")).collect();
        let want = ["kind: ServiceAccount", "kind: ClusterRoleBinding", "kind: RoleBinding", "kind: Secret"];
        assert_eq!(kinds, want);
        assert!(all.contains("  name: kube-system:admin:cluster-admin\nroleRef:"), "{all}");
        assert!(all.contains("  name: \"kube-system:admin:a b\"\n  namespace: kube-system\nroleRef:"), "{all}");
        assert!(!render(&account("admin", false)).contains("Secret"));
    }

    #[test]
    fn names_that_look_like_other_values_are_quoted() {
        for name in ["123", "1e3", "true", "null", "no", "0x1f"] {
            let all = render(&account(name, true));
            let first = edge_yaml::read(all.split("---\n").next().unwrap()).unwrap();
            assert_eq!(first["metadata"]["name"].as_str(), Some(name), "{all}");
        }
    }
}
