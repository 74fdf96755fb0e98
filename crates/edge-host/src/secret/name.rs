//! Decides by its name whether a value is a secret.
//!
//! A name is split into words first (camelCase, snake_case, kebab-case, SCREAMING_CASE, dots), so that
//! `monkey` and `author` are not taken for a key and an auth.

/// Words that make a name secret anywhere in it, unless a word of [`ABOUT`] follows.
const WORDS: &str = "\
    token tokens password passwords passwd passphrase passphrases passcode secret secrets psk credential \
    credentials creds cred bearer jwt dsn apikey apikeys authkey accesskey secretkey sharedkey privatekey \
    privatekeys clientsecret connectionstring pat hmac cookie cookies";
/// Words that do so only as the last of several: `DB_PASS`, but not `pass`.
const LAST_OF_SEVERAL: [&str; 7] = ["pass", "pwd", "pw", "seed", "salt", "pin", "sid"];
/// Pairs of words that make a name secret.
const PAIRS: &str = "\
    private-key api-key access-key secret-key shared-key encryption-key signing-key account-key session-key \
    auth-key certificate-key license-key master-key session-id webhook-url storage-key ssh-key api-keys private-keys \
    connection-string conn-string conn-str";
/// Endings of words that are written together: `mqttpassword`. No other English word ends like this.
const ENDINGS: &str = "\
    password passwords passwd passphrase secret token apikey accesskey secretkey privatekey credentials";
/// Words after a secret word if the value is only about the secret: `tokenFile`.
const ABOUT: &str = "\
    file files filename path paths dir directory name names namespace ref refs url uri urls endpoint type \
    types mode modes method methods kind enable enabled disable disabled duration ttl timeout expiry expires \
    expiration interval length len size count limit max min refresh period seconds minutes hours age port \
    host hostname server address issuer audience audiences scope scopes algorithm alg format version policy \
    required provider plugin backend webhook user username realm domain rotation cache";
/// Names of query parameters that are secret in a URL and harmless elsewhere.
const IN_QUERIES: [&str; 7] = ["sig", "signature", "key", "code", "sas", "assertion", "auth"];

/// Whether the value of this name is a secret.
///
/// `name` may be a key, a variable, an option or a dotted path in any case style. `mqttPassword`,
/// `DB_PASSWORD`, `api-key`, `modules.edgeHub.token` are; `tokenFile`, `tokenRefreshDuration`,
/// `authorization-mode`, `monkey`, `keyboard` are not.
pub fn is_secret_name(name: &str) -> bool {
    let words = words(name);
    let several = words.len() > 1;
    let Some(at) = (0..words.len()).rev().find(|at| is_secret_word(&words, *at, several)) else { return false };
    let pair = at + 1 < words.len() && is_pair(&words[at], &words[at + 1]);
    let rest = &words[at + 1 + usize::from(pair)..];
    // The id of an access key is not secret.
    let id = pair && rest.first().is_some_and(|word| word == "id");
    let is_about = rest.iter().any(|word| is_in(ABOUT, word)) || (is_auth(&words[at]) && !rest.is_empty());
    !id && !is_about
}

/// Whether the value of a query parameter is a secret.
pub(super) fn is_secret_parameter(name: &str) -> bool {
    let words = words(name);
    is_secret_name(name) || words.last().is_some_and(|word| IN_QUERIES.contains(&word.as_str()))
}

fn is_secret_word(words: &[String], at: usize, several: bool) -> bool {
    let word = words[at].as_str();
    let last = at + 1 == words.len();
    is_in(WORDS, word)
        || (is_auth(word) && last)
        || (several && last && LAST_OF_SEVERAL.contains(&word))
        || (!last && is_pair(word, &words[at + 1]))
        || ENDINGS.split(' ').any(|ending| word.ends_with(ending))
}

/// `auth` as the last word is a credential; before another word it only describes that.
fn is_auth(word: &str) -> bool {
    word == "auth"
}

fn is_pair(word: &str, next: &str) -> bool {
    PAIRS.split(' ').any(|pair| pair.split_once('-') == Some((word, next)))
}

fn is_in(list: &str, word: &str) -> bool {
    list.split(' ').any(|one| one == word)
}

/// The words of a name, in lower case.
fn words(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut word = String::new();
    let mut chars = name.chars().peekable();
    let mut before = ' ';
    while let Some(char) = chars.next() {
        // `APIKey` is two words, and so is `apiKey`.
        let next_is_lower = chars.peek().is_some_and(|next| next.is_lowercase());
        let begins = char.is_uppercase() && (before.is_lowercase() || before.is_numeric() || next_is_lower);
        if (begins || !char.is_alphabetic()) && !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
        if char.is_alphabetic() {
            word.extend(char.to_lowercase());
        }
        before = char;
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_secret_name_recognizes_every_case_style() {
        for name in [
            "token",
            "mqttPassword",
            "mqttpassword",
            "DB_PASSWORD",
            "DB_PASS",
            "MYSQL_PWD",
            "db-passwd",
            "passphrase",
            "apiKey",
            "apikey",
            "api_key",
            "api-key",
            "API_KEY",
            "APIKey",
            "X-Api-Key",
            "credentials",
            "awsCredential",
            "auth",
            "REDIS_AUTH",
            "bearer",
            "bearerToken",
            "accessKey",
            "AWS_SECRET_ACCESS_KEY",
            "AWS_SESSION_TOKEN",
            "secretKey",
            "clientSecret",
            "client_secret",
            "privateKey",
            "tlsPrivateKey",
            "PRIVATEKEY",
            "wifi_psk",
            "DATABASE_DSN",
            "ConnectionString",
            "modules.edgeHub.token",
            "--certificate-key",
            "--token",
            "password2",
            "oauth2Token",
            "tokenForEdge",
            "SECRETS",
        ] {
            assert!(is_secret_name(name), "{name}");
        }
    }

    #[test]
    fn is_secret_name_ignores_other_names() {
        for name in [
            "",
            "tokenFile",
            "token_file",
            "TOKEN-FILE",
            "tokenRefreshDuration",
            "tlsPrivateKeyFile",
            "passwordPath",
            "secretName",
            "imagePullSecretName",
            "tokenTTL",
            "author",
            "authors",
            "authority",
            "authorization",
            "authorization-mode",
            "authorizationMode",
            "authMode",
            "authType",
            "authentication",
            "monkey",
            "keyboard",
            "key",
            "keyfile",
            "hockey",
            "publicKey",
            "bypass",
            "compass",
            "pass",
            "passthrough",
            "PWD",
            "secretary",
            "tokenize",
            "tokenizer",
            "AWS_ACCESS_KEY_ID",
            "heartbeat",
            "пароль",
            "enable",
            "NO_PROXY",
            "string",
        ] {
            assert!(!is_secret_name(name), "{name}");
        }
    }

    #[test]
    fn is_secret_parameter_is_stricter() {
        for name in ["token", "access_token", "X-Amz-Signature", "sig", "key", "apikey"] {
            assert!(is_secret_parameter(name), "{name}");
        }
        for name in ["user", "page", "keyboard", "version"] {
            assert!(!is_secret_parameter(name), "{name}");
        }
    }
}
