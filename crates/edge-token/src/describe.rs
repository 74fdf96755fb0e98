//! Finds out what a text is: a token, a Secret, a kubeconfig; and describes it without its secrets. Pure.

mod jwt;
mod kubeconfig;
mod secret;

use edge_host::Host;
use edge_kubeedge::token::{SecretText, Token, decoded, is_bootstrap_token, is_object};
use edge_pki::cert::Certificate;
use edge_pki::{subject, times};
use serde_json::json;

/// What is shown of a token or kubeconfig.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Description {
    /// What it is: `token of KubeEdge`, `service-account token`.
    pub kind: &'static str,
    /// Where it was found: the Secret, or the context of a kubeconfig; empty for a bare token.
    pub place: String,
    /// For whom it is.
    pub subject: String,
    /// When it expires, in seconds since 1970.
    pub expires: Option<i64>,
    /// Why it has no time at which it expires: `never`, or where that is known instead.
    pub no_expiry: &'static str,
    /// The CA that belongs to it: `sha256:HEX of the certificate`.
    pub ca: String,
    /// Other facts, in order.
    pub facts: Vec<(&'static str, String)>,
    /// What is wrong with it.
    pub problems: Vec<String>,
    /// The token itself.
    pub secret: Option<SecretText>,
}

/// Why a text could not be described, for `cannot read …: TEXT`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Why {
    /// What is wrong.
    pub text: String,
    /// What to do.
    pub hint: Option<&'static str>,
}

impl<T: std::fmt::Display> From<T> for Why {
    fn from(cause: T) -> Why {
        Why { text: cause.to_string(), hint: None }
    }
}

const SECRET_HINT: &str = "KubeEdge's token is in a Secret that cloudcore makes: kubectl get secret -n kubeedge tokensecret -o json | edge-token read";
const TWICE_HINT: &str = "decode it once first: base64 -d";

/// What a text contains: one description, or one for each Secret of a List or each user of a kubeconfig.
///
/// # Errors
/// What is wrong with it.
pub fn describe(text: &str) -> Result<Vec<Description>, Why> {
    if is_object(text) {
        return object(text);
    }
    let inner = decoded(text).map_err(|why| Why { hint: Some(TWICE_HINT), ..Why::from(why) })?;
    let Some(inner) = inner else { return bare(text).map(|one| vec![one]) };
    let mut all = if is_object(&inner) { object(&inner)? } else { vec![bare(&inner)?] };
    all.iter_mut().for_each(|one| one.facts.push(("encoding", "base64".to_owned())));
    Ok(all)
}

fn object(text: &str) -> Result<Vec<Description>, Why> {
    if kubeconfig::is_kubeconfig(text)? { kubeconfig::describe(text) } else { secret::describe(text) }
}

/// A token without anything around it.
fn bare(text: &str) -> Result<Description, Why> {
    let text = text.trim();
    if is_bootstrap_token(text) {
        let id = text.split('.').next().unwrap_or_default();
        return Ok(Description {
            kind: "bootstrap token",
            subject: format!("nodes that join the cluster (ID {id})"),
            no_expiry: "in its Secret: kubectl get secret -n kube-system bootstrap-token-ID -o json | edge-token read",
            secret: Some(SecretText::new(text)),
            ..Description::default()
        });
    }
    // A JWT begins with a brace in base64url, and a token of KubeEdge with a checksum.
    if text.starts_with("eyJ") {
        return jwt::describe(text).map_err(Why::from);
    }
    Token::parse(text).map(|token| kubeedge(&token)).map_err(|why| Why { hint: Some(SECRET_HINT), ..Why::from(why) })
}

/// A token of KubeEdge.
fn kubeedge(token: &Token) -> Description {
    Description {
        kind: "token of KubeEdge",
        subject: "edge nodes that join cloudcore".to_owned(),
        expires: token.expires,
        no_expiry: "never",
        ca: format!("sha256:{} of the certificate (DER)", token.ca_hash),
        secret: Some(token.whole()),
        ..Description::default()
    }
}

/// A CA certificate that is stored with a token.
fn ca_shown(certificate: &Certificate) -> String {
    let fingerprint = certificate.fingerprint().replace(':', "").to_ascii_lowercase();
    format!("sha256:{fingerprint} of the certificate (DER), {}", subject::shown(&certificate.subject))
}

impl Description {
    /// Whether it has expired.
    pub fn has_expired(&self, now: i64) -> bool {
        self.expires.is_some_and(|expires| now >= expires)
    }

    /// Why it cannot be used.
    pub fn warnings(&self, now: i64) -> Vec<String> {
        let mut all = self.problems.clone();
        if let Some(expires) = self.expires.filter(|_| self.has_expired(now)) {
            all.push(format!("the {} expired on {}", self.kind, times::rfc3339(expires)));
        }
        all
    }

    fn expiry_shown(&self, now: i64) -> String {
        let Some(expires) = self.expires else { return self.no_expiry.to_owned() };
        let span = span(expires.saturating_sub(now).saturating_abs());
        let relative = if self.has_expired(now) { format!("expired {span} ago") } else { format!("in {span}") };
        format!("{} ({relative})", times::rfc3339(expires))
    }

    /// Prints it as lines, or as a record.
    pub(crate) fn report(&self, host: &mut Host, source: &str, now: i64) {
        let place = if self.place.is_empty() { source } else { &self.place };
        host.report.line(&format!("{place}: a {}", self.kind));
        let expires = self.expiry_shown(now);
        let first = [("for", &self.subject), ("expires", &expires), ("CA", &self.ca)];
        let facts = self.facts.iter().map(|(name, value)| (*name, value));
        for (name, value) in first.into_iter().chain(facts).filter(|(_, value)| !value.is_empty()) {
            host.report.line(&format!("    {name:<12} {value}"));
        }
        let facts: serde_json::Map<_, _> =
            self.facts.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        host.report.record(
            "token",
            json!({"file": source, "place": self.place, "kind": self.kind, "for": self.subject,
                   "expires": self.expires.map(times::rfc3339), "expired": self.has_expired(now),
                   "seconds_left": self.expires.map(|expires| expires.saturating_sub(now)),
                   "ca": if self.ca.is_empty() { None } else { Some(&self.ca) }, "facts": facts}),
        );
    }
}

/// A span of seconds in its largest unit that has two or more of them.
fn span(seconds: i64) -> String {
    for (unit, length) in [("days", 86_400), ("hours", 3_600), ("minutes", 60)] {
        if seconds >= 2 * length {
            return format!("{} {unit}", seconds / length);
        }
    }
    if seconds == 1 { "1 second".to_owned() } else { format!("{seconds} seconds") }
}

#[cfg(test)]
mod tests;
