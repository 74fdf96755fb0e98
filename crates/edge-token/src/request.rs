//! What the user requested, validated by the rules of Kubernetes.

use edge_host::{Error, Result};
use edge_kubeedge::value::is_node_name;

use crate::cli::AccountArgs;

/// The longest name of a namespace (a DNS label).
const MAX_LABEL: usize = 63;
/// What is added to the name of an account for that of its Secret.
pub const SECRET_SUFFIX: &str = "-token";
/// The longest name of an object (a DNS subdomain).
const MAX_NAME: usize = 253;

/// A service account and its roles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// ClusterRoles, without duplicates.
    pub cluster_roles: Vec<String>,
    /// Roles of its namespace, without duplicates.
    pub roles: Vec<String>,
    /// Whether it gets a Secret with a token.
    pub long_lived: bool,
}

impl Account {
    /// Validates the arguments. Errors: exit 2 with what was expected.
    pub fn new(args: &AccountArgs) -> Result<Account> {
        let (name, namespace) = (&args.name, &args.namespace);
        let wrong = |what: &str, value: &str, why: &str| {
            let value: String = value.chars().take(80).flat_map(char::escape_debug).collect();
            Err(Error::usage(format!("cannot use the {what} \"{value}\": {why}")))
        };
        // A name of a service account is a DNS subdomain, as that of a node.
        if !is_node_name(name) {
            let why = "expected lower-case letters, digits, \"-\" and \".\", with a letter or digit at both ends of each part";
            return wrong("name", name, why);
        }
        if args.long_lived && name.len() + SECRET_SUFFIX.len() > MAX_NAME {
            let most = MAX_NAME - SECRET_SUFFIX.len();
            return wrong("name", name, &format!("with --long-lived it may have {most} characters at most"));
        }
        if !is_node_name(namespace) || namespace.contains('.') || namespace.len() > MAX_LABEL {
            let why = "expected up to 63 lower-case letters, digits and \"-\", with a letter or digit at both ends";
            return wrong("namespace", namespace, why);
        }
        for role in args.cluster_roles.iter().chain(&args.roles) {
            // Kubernetes' rule for names of roles (`ValidatePathSegmentName`).
            if role.is_empty() || role.contains(['/', '%']) || role == "." || role == ".." {
                return wrong("role", role, "the name of a role cannot be empty, . or .., or contain / or %");
            }
            if role.chars().any(char::is_control) {
                return wrong("role", role, "it has a control character");
            }
        }
        Ok(Account {
            name: name.clone(),
            namespace: namespace.clone(),
            cluster_roles: once(&args.cluster_roles),
            roles: once(&args.roles),
            long_lived: args.long_lived,
        })
    }
}

fn once(all: &[String]) -> Vec<String> {
    let mut seen = std::collections::BTreeSet::new();
    all.iter().filter(|name| seen.insert(*name)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(name: &str, namespace: &str, role: &str) -> AccountArgs {
        AccountArgs {
            name: name.to_owned(),
            namespace: namespace.to_owned(),
            cluster_roles: vec![role.to_owned(), role.to_owned()],
            roles: Vec::new(),
            long_lived: true,
            dry_run: false,
        }
    }

    #[test]
    fn account_accepts_what_kubernetes_accepts() {
        let account = Account::new(&args("a.b-1", "kube-system", "system:node")).unwrap();
        assert_eq!(account.cluster_roles, ["system:node"]);
        assert!(Account::new(&args(&"a".repeat(247), "a", "r")).is_ok());
        for (name, namespace, role, why) in [
            ("A", "a", "r", "cannot use the name \"A\": expected lower-case"),
            ("", "a", "r", "cannot use the name \"\""),
            ("a..b", "a", "r", "cannot use the name"),
            ("a\n", "a", "r", "cannot use the name \"a\\n\""),
            (&"a".repeat(248), "a", "r", "247 characters at most"),
            ("a", "a.b", "r", "cannot use the namespace"),
            ("a", &"a".repeat(64), "r", "cannot use the namespace"),
            ("a", "a", "", "the name of a role cannot be empty"),
            ("a", "a", "x/y", "the name of a role"),
            ("a", "a", "..", "the name of a role"),
            ("a", "a", "x\ny", "it has a control character"),
        ] {
            let error = Account::new(&args(name, namespace, role)).unwrap_err();
            assert!(error.message().contains(why) && error.exit() == edge_host::Exit::Usage, "{error}");
        }
    }
}
