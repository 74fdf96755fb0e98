//! Redacts command lines.

use super::name::is_secret_name;
use super::{STRUCK, redact, url};

/// Standard input: not a secret.
const STDIN: &str = "-";

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
