//! A difference for people, with known secrets struck out.

use std::time::Duration;

use similar::{ChangeTag, TextDiff};

/// More lines than this say nothing more.
const MAX_LINES: usize = 40;
const STRUCK: &str = "***";
/// A line that holds one of these words as a key has its value struck out.
const SECRET_WORDS: [&str; 6] = ["token", "password", "passwd", "secret", "privatekey", "psk"];

/// Two large files with nothing in common would take minutes to compare in full.
const PATIENCE: Duration = Duration::from_millis(500);
/// What YAML puts where a value's lines follow below.
const BLOCK_MARKS: [&str; 6] = ["|", ">", "|-", ">-", "|+", ">+"];

/// Lines taken away (`-`) and added (`+`) since, secrets struck out.
pub(super) fn difference_of(before: &[u8], now: &[u8]) -> String {
    let (Ok(before), Ok(now)) = (std::str::from_utf8(before), std::str::from_utf8(now)) else {
        return "(binary content differs)".to_owned();
    };
    let (before, now) = (redact(before), redact(now));
    let diff = TextDiff::configure().timeout(PATIENCE).diff_lines(&before, &now);
    let mut lines = Vec::new();
    for change in diff.iter_all_changes() {
        let sign = match change.tag() {
            ChangeTag::Delete => '-',
            ChangeTag::Insert => '+',
            ChangeTag::Equal => continue,
        };
        lines.push(format!("{sign} {}", change.value().trim_end_matches(['\n', '\r'])));
    }
    if lines.is_empty() {
        return "(only secrets differ)".to_owned();
    }
    let more = lines.len().saturating_sub(MAX_LINES);
    lines.truncate(MAX_LINES);
    if more > 0 {
        lines.push(format!("({more} more lines)"));
    }
    lines.join("\n")
}

/// A text with the values of secret keys, the bodies of PEM blocks and passwords in URLs struck out.
pub fn redact(text: &str) -> String {
    let mut struck = String::with_capacity(text.len());
    let mut in_pem = false;
    // Indentation of a secret key whose value stands in the lines below it.
    let mut block: Option<usize> = None;
    for line in text.split_inclusive('\n') {
        let end = if line.ends_with('\n') { "\n" } else { "" };
        let indent = line.len() - line.trim_start().len();
        block = block.filter(|outer| indent > *outer || line.trim().is_empty());
        let begins = line.contains("-----BEGIN");
        if in_pem || begins || block.is_some() {
            in_pem = (in_pem || begins) && !line.contains("-----END");
            struck.push_str(STRUCK);
            struck.push_str(end);
            continue;
        }
        match secret_value(line) {
            Some(at) => {
                if BLOCK_MARKS.contains(&line[at..].trim()) {
                    block = Some(indent);
                }
                struck.push_str(line[..at].trim_end());
                struck.push(' ');
                struck.push_str(STRUCK);
                struck.push_str(end);
            }
            None => without_password(line, &mut struck),
        }
    }
    struck
}

/// Where the value begins, if the line names a secret and a value follows: `key: v`, `key=v`,
/// `{"a": 1, "key": "v"}`, `--key v`.
fn secret_value(line: &str) -> Option<usize> {
    let lower = line.to_ascii_lowercase();
    let named = SECRET_WORDS.iter().flat_map(|word| lower.match_indices(word));
    let behind = named.filter_map(|(at, word)| {
        let name_end = at + word.len();
        let rest = &line[name_end..];
        let rest = rest.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || "_-.".contains(c));
        let is_flag = line[..at].rsplit([' ', '\t', '"']).next().is_some_and(|begin| begin.starts_with("--"));
        let separated = rest.trim_start_matches(['"', '\'', ' ', '\t']).starts_with([':', '=']);
        (separated || is_flag).then_some(line.len() - rest.len())
    });
    // A name of several words: `password of the broker: v`.
    let first = line.find([':', '=']).filter(|at| SECRET_WORDS.iter().any(|word| lower[..*at].contains(word)));
    behind.chain(first).filter_map(|at| value_from(line, at)).min()
}

/// Where a value begins behind its key; none where it is empty or the path of a file.
fn value_from(line: &str, at: usize) -> Option<usize> {
    let value = line[at..].trim_start_matches(['"', '\'', ' ', '\t', ':', '=']);
    (!value.trim().is_empty() && !value.starts_with('/')).then_some(line.len() - value.len())
}

/// Adds a line with `user:***@` for what stands so in URLs.
fn without_password(line: &str, struck: &mut String) {
    let mut rest = line;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        struck.push_str(before);
        let authority = &after[..after.find(['/', ' ', '"', '\'', '\n']).unwrap_or(after.len())];
        rest = after;
        if let Some((user, host)) = authority.rsplit_once('@') {
            let user = user.split_once(':').map_or(user, |(user, _)| user);
            struck.push_str(user);
            struck.push(':');
            struck.push_str(STRUCK);
            struck.push('@');
            rest = &after[authority.len() - host.len()..];
        }
    }
    struck.push_str(rest);
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
    fn secrets_are_struck_out_wherever_a_line_holds_them() {
        for (text, want) in [
            ("token: abc\n", "token: ***\n"),
            ("  token: \"abc\" # set\n", "  token: \" ***\n"),
            ("{\"a\": 1, \"token\": \"abc\"}", "{\"a\": 1, \"token\": \" ***"),
            ("ExecStart=/usr/bin/x --token abc --v 1\n", "ExecStart=/usr/bin/x --token ***\n"),
            ("a: mysql://root:pw@db:3306/x?u=http://u:v@h\n", "a: mysql://root:***@db:3306/x?u=http://u:***@h\n"),
            ("a: https://cache/x@1:2\n", "a: https://cache/x@1:2\n"),
            ("token: |\n  abc\n\n  def\nb: 1\n", "token: ***\n***\n***\n***\nb: 1\n"),
            ("token: \"\"\ntokenFile: /etc/token\n", "token: \"\"\ntokenFile: /etc/token\n"),
            ("cannot get the token from the cloud\n", "cannot get the token from the cloud\n"),
            ("-----BEGIN KEY-----\nx", "***\n***"),
            ("ключ: пароль\n", "ключ: пароль\n"),
        ] {
            assert_eq!(redact(text), want, "{text}");
        }
        assert_eq!(difference_of(b"token: a\n", b"token: b\n"), "(only secrets differ)");
    }

    #[test]
    fn large_files_without_a_common_line_take_no_minutes() {
        let text = |word: &str| (0..60_000).map(|n| format!("{word} {n}\n")).collect::<String>();
        let begin = std::time::Instant::now();
        assert!(difference_of(text("a").as_bytes(), text("b").as_bytes()).ends_with("more lines)"));
        assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
    }

    #[test]
    fn a_long_difference_is_cut() {
        let now = (0..100).map(|n| format!("{n}\n")).collect::<String>();
        assert!(difference_of(b"", now.as_bytes()).ends_with("(60 more lines)"));
    }
}
