//! Secrets: those with tokens by their type and keys, others by their keys alone.

use edge_kubeedge::token::{Secret, SecretText, TOKEN_KEY, Token, is_bootstrap_token, secrets};
use edge_pki::cert::bundle_from_pem;
use edge_pki::times;

use super::{Description, TWICE_HINT, Why, ca_shown, jwt, kubeedge};

const ACCOUNT_TYPE: &str = "kubernetes.io/service-account-token";
const BOOTSTRAP_TYPE: &str = "bootstrap.kubernetes.io/token";
const ACCOUNT_NAME: &str = "kubernetes.io/service-account.name";

/// The Secrets of a text. Errors: what is wrong with the first that is damaged.
pub(super) fn describe(text: &str) -> Result<Vec<Description>, Why> {
    let all = secrets(text)?;
    let several = all.len() > 1;
    let one = |secret: &Secret| {
        let described = of(secret).map_err(|why| match several {
            true => Why { text: format!("{}: {}", secret.title(), why.text), ..why },
            false => why,
        })?;
        Ok(Description { place: secret.title(), ..described })
    };
    all.iter().map(one).collect()
}

fn of(secret: &Secret) -> Result<Description, Why> {
    if secret.has(TOKEN_KEY) {
        let token = Token::of_secret(secret).map_err(|why| {
            let hint = matches!(why, edge_kubeedge::token::TokenError::EncodedTwice).then_some(TWICE_HINT);
            Why { hint, ..Why::from(why) }
        })?;
        return Ok(kubeedge(&token));
    }
    match secret.kind.as_str() {
        ACCOUNT_TYPE => account(secret),
        BOOTSTRAP_TYPE => bootstrap(secret),
        kind => Ok(Description {
            kind: "Secret without a token",
            no_expiry: "",
            facts: vec![("type", kind.to_owned()), ("keys", secret.keys().collect::<Vec<_>>().join(", "))],
            ..Description::default()
        }),
    }
}

fn account(secret: &Secret) -> Result<Description, Why> {
    if !secret.has("token") {
        let name = secret.annotations.get(ACCOUNT_NAME).map_or("", String::as_str);
        let text = format!("it has no token yet: Kubernetes adds one if the service account {name:?} exists");
        return Err(Why { text, hint: Some("list the accounts: kubectl get serviceaccount -n NAMESPACE") });
    }
    let token = secret.text("token")?;
    let mut described = jwt::describe(token.expose())?;
    if secret.has("ca.crt") {
        let certificates = bundle_from_pem(&secret.bytes("ca.crt")?).map_err(|why| format!("its ca.crt: {why}"))?;
        described.ca = certificates.iter().map(ca_shown).collect::<Vec<_>>().join("; ");
    }
    Ok(described)
}

fn bootstrap(secret: &Secret) -> Result<Description, Why> {
    let part = |key: &str| secret.text(key).map(|text| text.expose().trim().to_owned());
    let token = format!("{}.{}", part("token-id")?, part("token-secret")?);
    if !is_bootstrap_token(&token) {
        return Err(Why::from("its token-id and token-secret are not 6 and 16 lower-case letters and digits"));
    }
    let optional = |key: &str| part(key).unwrap_or_default();
    let expiration = optional("expiration");
    let expires = times::from_rfc3339(&expiration);
    if expires.is_none() && !expiration.is_empty() {
        return Err(Why::from("its expiration is not a time as in RFC 3339, such as 2026-01-02T03:04:05Z"));
    }
    let usages: Vec<&str> =
        [("usage-bootstrap-authentication", "authentication"), ("usage-bootstrap-signing", "signing")]
            .into_iter()
            .filter_map(|(key, usage)| (optional(key) == "true").then_some(usage))
            .collect();
    let facts = [
        ("usages", usages.join(", ")),
        ("groups", optional("auth-extra-groups")),
        ("description", optional("description")),
    ];
    Ok(Description {
        kind: "bootstrap token",
        subject: format!("nodes that join the cluster (ID {})", part("token-id")?),
        expires,
        no_expiry: "never",
        facts: facts.into_iter().filter(|(_, value)| !value.is_empty()).collect(),
        secret: Some(SecretText::new(token)),
        ..Description::default()
    })
}
