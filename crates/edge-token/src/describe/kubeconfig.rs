//! Kubeconfigs: one description for each context.

use edge_kubeedge::token::SecretText;
use edge_pki::subject;

use super::{Description, Why, ca_shown, jwt};
use crate::kubeconfig::{Access, Kubeconfig};

/// Whether a text is a kubeconfig. Errors: it is not valid YAML.
pub(super) fn is_kubeconfig(text: &str) -> Result<bool, Why> {
    // Whatever its version is.
    let value = edge_yaml::read(text).map_err(Why::from)?;
    let has = |key: &str| value.get(key).is_some();
    Ok(value.get("kind").and_then(edge_yaml::Value::as_str) == Some("Config") || (has("clusters") && has("users")))
}

/// Each context of a kubeconfig. Errors: it has none.
pub(super) fn describe(text: &str) -> Result<Vec<Description>, Why> {
    let config = Kubeconfig::parse(text)?;
    let current = config.current();
    let contexts = config.names("contexts");
    if contexts.is_empty() {
        return Err(Why::from("it is a kubeconfig without a context"));
    }
    let one = |name: &String| match config.access(name) {
        Ok(access) => of(name, &access, current == Some(name.as_str())),
        Err(why) => Ok(Description {
            kind: "context of a kubeconfig",
            place: name.clone(),
            problems: vec![format!("the context {name} cannot be used: {why}")],
            ..Description::default()
        }),
    };
    contexts.iter().map(one).collect()
}

fn of(name: &str, access: &Access, is_current: bool) -> Result<Description, Why> {
    let mut described = Description {
        kind: "context of a kubeconfig",
        place: name.to_owned(),
        subject: format!("the user {}", access.user_name),
        ca: access.authority().map(|ca| ca_shown(&ca)).unwrap_or_default(),
        ..Description::default()
    };
    if let Some(token) = access.token() {
        let secret = SecretText::new(token);
        // Not every token is a JWT.
        if let Ok(token) = jwt::describe(token) {
            (described.expires, described.no_expiry) = (token.expires, token.no_expiry);
            described.subject = token.subject;
            described.facts = token.facts;
        }
        described.secret = Some(secret);
    }
    match access.client_certificate() {
        Some(Ok(certificate)) => {
            described.expires = Some(certificate.not_after);
            described.subject = subject::shown(&certificate.subject);
        }
        Some(Err(why)) => described.problems.push(format!("the client certificate of {name}: {why}")),
        None => {}
    }
    described.facts.push(("server", access.server().to_owned()));
    if let Some(file) = access.file() {
        described.facts.push(("file", file.to_owned()));
    }
    if is_current {
        described.facts.push(("current", "yes".to_owned()));
    }
    Ok(described)
}
