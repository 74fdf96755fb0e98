//! Redacts command lines.

use super::name::is_secret_name;
use super::{STRUCK, redact, url};

/// Standard input: not a secret.
const STDIN: &str = "-";

/// The beginning of every JWT: a brace in base64.
const JWT: &str = "eyJ";
/// A checksum in hex has as many characters; tokens in base64 have more.
const LONG: usize = 64;
/// The first part of a JWT alone is longer.
const SHORTEST_JWT: usize = 24;

/// Whether an argument in a wrong place may be a token that was pasted: a JWT, or a long text of its characters.
pub(crate) fn may_be_token(argument: &str) -> bool {
    let value = argument.rsplit('=').find(|part| !part.is_empty()).unwrap_or(argument);
    // Dashes in front make it an option, not something else.
    let value = value.trim_start_matches('-');
    let is_of_token = |byte: u8| byte.is_ascii_alphanumeric() || b"+/_-.".contains(&byte);
    let is_long = value.len() >= LONG && !value.starts_with(['/', '.']) && value.bytes().all(is_of_token);
    // An option may be glued to it.
    let has_jwt = value.len() >= SHORTEST_JWT && value.contains(JWT);
    value.starts_with(JWT) || value.contains(".eyJ") || has_jwt || is_long
}

/// A command line with `***` for the value of each secret-looking name, as `NAME=VALUE`, `--option VALUE`,
/// `--option=VALUE` and in URLs.
pub(crate) fn redact_args(argv: &[String]) -> Vec<String> {
    let mut is_value = false;
    let mut shown = Vec::with_capacity(argv.len());
    for argument in argv {
        let is_option = argument.starts_with('-') && argument != STDIN;
        if std::mem::take(&mut is_value) && !argument.starts_with("--") {
            shown.push(if argument == STDIN { argument.clone() } else { STRUCK.to_owned() });
            continue;
        }
        shown.push(match argument.split_once('=') {
            Some((name, value)) if is_secret_name(name) && !["", STDIN].contains(&value) => format!("{name}={STRUCK}"),
            Some((name, value)) if !name.contains("://") => format!("{name}={}", one(value)),
            Some(_) => one(argument),
            None => {
                is_value = is_option && is_secret_name(argument);
                one(argument)
            }
        });
    }
    shown
}

/// One argument: a URL, or a text with names and values.
fn one(argument: &str) -> String {
    if argument.contains(['{', '\n', ':', '=']) {
        return redact(argument);
    }
    let mut shown = String::new();
    url::strike_line(argument, &mut shown);
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn may_be_token_is_true_for_tokens_in_every_encoding() {
        let hash = "7b".repeat(32);
        for token in
            [hash.as_str(), &format!("{hash}.eyJhbGciOiJIUzI1NiJ9.eyJ9.x"), "eyJhbGciOiJIUzI1NiJ9", &"Zm9v".repeat(40)]
        {
            for glued in ["--", "-", "--token", "--token=", "--x="] {
                assert!(may_be_token(&format!("{glued}{token}")), "{glued}{token}");
            }
            assert!(may_be_token(token), "{token}");
        }
        for other in [
            "frobnicate",
            "--tokn",
            "--keyJob",
            "/very/long/path/that/is/named/by/a/user/who/has/many/directories/on/it",
            "a b",
        ] {
            assert!(!may_be_token(other), "{other}");
        }
    }

    #[test]
    fn redact_args_replaces_secrets() {
        for (line, want) in [
            ("set modules.edgeHub.token=abc a.b=1", "set modules.edgeHub.token=*** a.b=1"),
            ("env DB_PASSWORD=abc LEVEL=1", "env DB_PASSWORD=*** LEVEL=1"),
            ("env DB_PASSWORD=-", "env DB_PASSWORD=-"),
            ("x --token abc --force", "x --token *** --force"),
            ("x --token=abc", "x --token=***"),
            ("x --token - y", "x --token - y"),
            ("x --token-file /etc/x", "x --token-file /etc/x"),
            ("x --no-auth --force", "x --no-auth --force"),
            ("install --proxy http://u:p@ss@h:1", "install --proxy http://u:***@h:1"),
            ("install --proxy=http://u:p@h:1", "install --proxy=http://u:***@h:1"),
            ("env HTTPS_PROXY=http://u:p@h:1", "env HTTPS_PROXY=http://u:***@h:1"),
            ("download https://h/x?sig=abc", "download https://h/x?sig=***"),
            ("secret chart", "secret chart"),
            ("set m={token:abc,a:1}", "set m={token: ***"),
        ] {
            let argv: Vec<String> = line.split(' ').map(str::to_owned).collect();
            assert_eq!(redact_args(&argv).join(" "), want);
        }
    }
}
