//! JWTs: those of service accounts, and others.

use edge_kubeedge::token::{Jwt, JwtError, SecretText};
use edge_pki::times;
use serde_json::Value;

use super::Description;

/// The claims of tokens in Secrets, which Kubernetes before 1.24 made by itself.
const LEGACY_NAMESPACE: &str = "kubernetes.io/serviceaccount/namespace";
const LEGACY_NAME: &str = "kubernetes.io/serviceaccount/service-account.name";
const LEGACY_SECRET: &str = "kubernetes.io/serviceaccount/secret.name";
/// The claim of tokens that `kubectl create token` makes.
const BOUND: &str = "kubernetes.io";
const SUBJECT: &str = "system:serviceaccount:";
/// The longest value that is shown.
const MAX_SHOWN: usize = 200;

/// A JWT. Errors: the part of it that is damaged.
pub(super) fn describe(text: &str) -> Result<Description, JwtError> {
    let jwt = Jwt::parse(text)?;
    let subject = jwt.text("sub").unwrap_or_default();
    let account = match (jwt.text(LEGACY_NAMESPACE), jwt.text(LEGACY_NAME)) {
        (Some(namespace), Some(name)) => Some(format!("{namespace}/{name}")),
        _ => subject.strip_prefix(SUBJECT).map(|rest| rest.replacen(':', "/", 1)),
    };
    let mut facts = Vec::new();
    let mut fact = |name, value: String| {
        if !value.is_empty() {
            facts.push((name, value.chars().take(MAX_SHOWN).collect()));
        }
    };
    fact("issuer", jwt.text("iss").unwrap_or_default().to_owned());
    fact("audience", audience(&jwt));
    fact("issued", jwt.time("iat").map(times::rfc3339).unwrap_or_default());
    fact("bound to", bound_to(&jwt));
    fact("signed by", jwt.algorithm.clone());
    let mut problems = Vec::new();
    if jwt.algorithm == "HS256" && jwt.claims.len() == 1 && jwt.claims.contains_key("exp") {
        problems.push(
            "it may be the end of a token of KubeEdge, without the checksum of the CA and the dot before it".to_owned(),
        );
    }
    if let Some(begins) = jwt.time("nbf").filter(|begins| *begins > edge_host::now()) {
        problems.push(format!("it is not valid before {}", times::rfc3339(begins)));
    }
    Ok(Description {
        kind: if account.is_some() { "service-account token" } else { "JSON Web Token (JWT)" },
        subject: account.map_or_else(
            || subject.chars().take(MAX_SHOWN).collect(),
            |account| format!("the service account {account}"),
        ),
        expires: jwt.time("exp"),
        no_expiry: "never",
        facts,
        problems,
        secret: Some(SecretText::new(text.trim())),
        ..Description::default()
    })
}

fn audience(jwt: &Jwt) -> String {
    match jwt.claims.get("aud") {
        Some(Value::String(one)) => one.clone(),
        Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", "),
        _ => String::new(),
    }
}

/// The object with which the token ends.
fn bound_to(jwt: &Jwt) -> String {
    if let Some(secret) = jwt.text(LEGACY_SECRET) {
        return format!("the Secret {secret}");
    }
    let Some(Value::Object(claims)) = jwt.claims.get(BOUND) else { return String::new() };
    let objects = [("pod", "pod"), ("secret", "Secret"), ("node", "node")].into_iter().filter_map(|(key, shown)| {
        let name = claims.get(key)?.get("name")?.as_str()?;
        Some(format!("the {shown} {name}"))
    });
    objects.collect::<Vec<_>>().join(", ")
}
