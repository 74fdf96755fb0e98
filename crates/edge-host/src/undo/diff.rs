//! A difference for people, with known secrets struck out.

use similar::{ChangeTag, TextDiff};

/// More lines than this say nothing more.
const MAX_LINES: usize = 40;
const STRUCK: &str = "***";
/// A line that holds one of these words as a key has its value struck out.
const SECRET_WORDS: [&str; 6] = ["token", "password", "passwd", "secret", "privatekey", "psk"];

/// Lines taken away (`-`) and added (`+`) since, secrets struck out.
pub(super) fn difference_of(before: &[u8], now: &[u8]) -> String {
    let (Ok(before), Ok(now)) = (std::str::from_utf8(before), std::str::from_utf8(now)) else {
        return "(binary content differs)".to_owned();
    };
    let (before, now) = (redact(before), redact(now));
    let diff = TextDiff::from_lines(&before, &now);
    let mut lines = Vec::new();
    for change in diff.iter_all_changes() {
        let sign = match change.tag() {
            ChangeTag::Delete => '-',
            ChangeTag::Insert => '+',
            ChangeTag::Equal => continue,
        };
        lines.push(format!("{sign} {}", change.value().trim_end_matches(['\n', '\r'])));
    }
    let more = lines.len().saturating_sub(MAX_LINES);
    lines.truncate(MAX_LINES);
    if more > 0 {
        lines.push(format!("({more} more lines)"));
    }
    lines.join("\n")
}

/// A text with the values of secret keys and the bodies of PEM blocks struck out.
pub fn redact(text: &str) -> String {
    let mut struck = String::with_capacity(text.len());
    let mut in_pem = false;
    for line in text.split_inclusive('\n') {
        let end = if line.ends_with('\n') { "\n" } else { "" };
        let begins = line.contains("-----BEGIN");
        let ends = line.contains("-----END");
        if in_pem || begins {
            in_pem = !ends;
            struck.push_str(STRUCK);
            struck.push_str(end);
            continue;
        }
        match secret_value(line) {
            Some(at) => {
                struck.push_str(&line[..at]);
                struck.push(' ');
                struck.push_str(STRUCK);
                struck.push_str(end);
            }
            None => struck.push_str(line),
        }
    }
    struck
}

/// Where the value begins in `key: value` or `key=value`, if the key names a secret and a value is there.
fn secret_value(line: &str) -> Option<usize> {
    let at = line.find([':', '='])? + 1;
    let key = line[..at].to_ascii_lowercase();
    let value = line[at..].trim();
    let is_path = value.starts_with('/');
    let names_secret = SECRET_WORDS.iter().any(|word| key.contains(word));
    (names_secret && !is_path && !value.is_empty() && value != "\"\"").then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_struck_out_and_paths_are_not() {
        let before = "token: abc.def\nmqttPassword=\"x\"\ntlsPrivateKeyFile: /etc/key\na: 1\n";
        let now = "token: other\nmqttPassword=\"y\"\ntlsPrivateKeyFile: /etc/key2\na: 2\n";
        assert_eq!(
            difference_of(before.as_bytes(), now.as_bytes()),
            "- tlsPrivateKeyFile: /etc/key\n- a: 1\n+ tlsPrivateKeyFile: /etc/key2\n+ a: 2"
        );
        let text = difference_of(
            b"",
            b"x\ntoken: abc\n-----BEGIN EC PRIVATE KEY-----\nMHcC\n-----END EC PRIVATE KEY-----\ny\n",
        );
        assert_eq!(text, "+ x\n+ token: ***\n+ ***\n+ ***\n+ ***\n+ y");
    }

    #[test]
    fn a_long_difference_is_cut() {
        let now = (0..100).map(|n| format!("{n}\n")).collect::<String>();
        assert!(difference_of(b"", now.as_bytes()).ends_with("(60 more lines)"));
    }
}
