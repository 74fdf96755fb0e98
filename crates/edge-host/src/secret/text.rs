//! Redacts texts: configuration files in any format, logs, messages of programs.

use super::name::is_secret_name;
use super::{STRUCK, url};

/// Beginning of a TOML string of several lines.
const TOML_MARKS: [&str; 2] = ["\"\"\"", "'''"];
/// Authentication schemes of HTTP.
const SCHEMES: [&str; 5] = ["basic", "bearer", "digest", "negotiate", "token"];
/// Most white space between an option and its value.
const MAX_GAP: usize = 200;

/// A text with `***` for the values of secret keys, PEM blocks and credentials in URLs.
pub fn redact(text: &str) -> String {
    let mut struck = String::with_capacity(text.len());
    let mut in_pem = false;
    // The mark that ends it.
    let mut in_string: Option<&str> = None;
    let mut is_continued = false;
    // Indentation of a secret key whose value is in the lines below it, and whether these can be items or keys.
    let mut block: Option<(usize, bool)> = None;
    for line in text.split_inclusive('\n') {
        let end = if line.ends_with('\n') { "\n" } else { "" };
        let body = line.trim_end_matches(['\n', '\r']);
        let indent = body.len() - body.trim_start().len();
        block = block.filter(|(outer, items)| is_below(body, indent, *outer, *items));
        let begins = body.contains("-----BEGIN");
        let mut whole = in_pem || begins || is_continued || in_string.is_some();
        in_pem = (in_pem || begins) && !body.contains("-----END");
        is_continued = is_continued && body.ends_with('\\');
        in_string = in_string.filter(|mark| !body.contains(mark));
        whole = whole || block.is_some_and(|(_, items)| !items || !has_key(body));
        if whole {
            struck.push_str(STRUCK);
            struck.push_str(end);
            continue;
        }
        let mut shown = String::with_capacity(body.len());
        url::strike_line(body, &mut shown);
        in_string = open_string(body);
        match secret_value(&shown) {
            Some(at) => {
                let value = shown[at..].trim();
                is_continued = body.ends_with('\\');
                block = block.or(Some((indent, value.starts_with(['{', '[']))));
                struck.push_str(shown[..at].trim_end());
                struck.push(' ');
                struck.push_str(STRUCK);
                struck.push_str(end);
            }
            None => {
                if is_open_key(body) {
                    block = block.or(Some((indent, true)));
                }
                struck.push_str(&shown);
                struck.push_str(&line[body.len()..]);
            }
        }
    }
    struck
}

/// Whether a line still belongs to the key that is indented by `outer`.
fn is_below(line: &str, indent: usize, outer: usize, items: bool) -> bool {
    let is_item = items && indent == outer && line.trim_start().starts_with("- ");
    indent > outer || line.trim().is_empty() || is_item
}

/// Whether a line has its own key, or nothing to redact.
fn has_key(line: &str) -> bool {
    let line = line.trim_start_matches([' ', '\t', '-']);
    let name = line.trim_start_matches(['"', '\'']);
    let end = name.find(|c: char| !is_name(c)).unwrap_or(name.len());
    let behind = name[end..].trim_start_matches(['"', '\'', ' ', '\t']);
    line.is_empty() || line.starts_with(['{', '}', ']', '#']) || (end > 0 && behind.starts_with([':', '=']))
}

/// Whether a line is a secret key with its value in the lines below.
fn is_open_key(line: &str) -> bool {
    let Some(name) = line.trim().strip_suffix(':') else { return false };
    let name = name.trim_start_matches(['-', ' ']).trim_matches(['"', '\'']);
    name.chars().all(is_name) && is_secret_name(name)
}

/// The mark that ends a secret string of several lines, where one begins here.
fn open_string(line: &str) -> Option<&'static str> {
    let mark = TOML_MARKS.into_iter().find(|mark| line.matches(mark).count() == 1)?;
    let (name, _) = line.split_once(['=', ':'])?;
    is_secret_name(name).then_some(mark)
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || "_-.".contains(c)
}

/// Where the first secret value begins: `key: v`, `key=v`, `{"a": 1, "key": "v"}`, `--key v`.
fn secret_value(line: &str) -> Option<usize> {
    let mut at = 0;
    while let Some(begin) = line[at..].find(is_name).map(|offset| at + offset) {
        let end = line[begin..].find(|c| !is_name(c)).map_or(line.len(), |offset| begin + offset);
        at = end;
        let name = &line[begin..end];
        let behind = &line[end..];
        let gap = behind.bytes().take(MAX_GAP).take_while(|byte| b"\"' \t]".contains(byte)).count();
        let separated = behind[gap..].starts_with([':', '=']) && !behind[gap..].starts_with("://");
        let is_option = name.starts_with("--") && gap > 0;
        if !separated && !is_option {
            continue;
        }
        let header = separated && name.to_ascii_lowercase().ends_with("authorization");
        if !header && !is_secret_name(name) {
            continue;
        }
        let value = value_from(line, end);
        if let Some(value) = value.filter(|value| is_secret(name, &line[*value..], header)) {
            return Some(value);
        }
    }
    // A name of several words: `password of the broker: v`.
    let first = line.find([':', '='])?;
    let is_spaced = line[..first].trim().contains(' ') && !line[first..].starts_with("://");
    let value = (is_spaced && is_secret_name(&line[..first])).then(|| value_from(line, first)).flatten()?;
    is_secret("", &line[value..], false).then_some(value)
}

/// Whether a value is redacted.
fn is_secret(name: &str, value: &str, header: bool) -> bool {
    if header {
        return value
            .split_once([' ', '\t'])
            .is_some_and(|(first, _)| SCHEMES.iter().any(|s| s.eq_ignore_ascii_case(first)));
    }
    // Redacted already as part of a URL, or not a secret.
    if let Some(behind) = value.strip_prefix(STRUCK) {
        return !behind.is_empty() && !behind.starts_with(['&', ';', '#', '"', '\'', '@']);
    }
    let bare = value.trim_end_matches(['"', '\'', ',', ' ', '}', ']', '\r']);
    let is_path = name.to_ascii_lowercase().ends_with("key") && is_path(bare);
    !is_path && !["", "true", "false", "null", "~", "{", "["].contains(&bare)
}

/// Whether this is a path, as the value of a key may be.
fn is_path(value: &str) -> bool {
    value.starts_with('/') && value[1..].contains('/') && !value.contains(['=', '+', ' '])
}

/// Where a value begins after its key; none if it is empty.
fn value_from(line: &str, at: usize) -> Option<usize> {
    let value = line[at..].trim_start_matches(['"', '\'', ' ', '\t', ':', '=', ']']);
    (!value.trim().is_empty()).then_some(line.len() - value.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redact_replaces_secrets_anywhere_in_a_line() {
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
            ("apiKey: abc\n", "apiKey: ***\n"),
            ("passphrase = \"abc\"\n", "passphrase = \" ***\n"),
            ("password: /abc\n", "password: ***\n"),
            ("privateKey: /etc/ssl/x.key\n", "privateKey: /etc/ssl/x.key\n"),
            ("credentials:\n- abc\n- def\nb: 1\n", "credentials:\n***\n***\nb: 1\n"),
            ("secret:\n  secretName: x\n  y\nb: 1\n", "secret:\n  secretName: x\n***\nb: 1\n"),
            ("password: \"abc\n  def\"\nb: 1\n", "password: \" ***\n***\nb: 1\n"),
            ("password = \"\"\"\nabc\n\"\"\"\nb = 1\n", "password = \"\"\"\n***\n***\nb = 1\n"),
            ("Authorization: Bearer abc\n", "Authorization: ***\n"),
            ("authorization:\n  mode: Webhook\n", "authorization:\n  mode: Webhook\n"),
            ("curl 'https://h/x?token=abc&y=1' failed\n", "curl 'https://h/x?token=***&y=1' failed\n"),
            ("Environment=\"A_TOKEN=x\\\ny\"\nb=1\n", "Environment=\"A_TOKEN= ***\n***\nb=1\n"),
            ("monkey: 1\nkeyboard: us\nauthor: me\n", "monkey: 1\nkeyboard: us\nauthor: me\n"),
            ("Server=h;Uid=u;Pwd=x;Password=y\n", "Server=h;Uid=u;Pwd=x;Password= ***\n"),
        ] {
            assert_eq!(redact(text), want, "{text}");
        }
    }

    #[test]
    fn redact_takes_linear_time() {
        for unit in
            ["token", "--token ", "tokenX", "a:b@", "://", "token ", "\"", "token:\n", "://u:", "=", "a=", "?a&"]
        {
            let time = |bytes: usize| {
                let text = unit.repeat(bytes / unit.len());
                let begin = std::time::Instant::now();
                assert!(!redact(&text).is_empty());
                begin.elapsed()
            };
            time(1 << 14);
            // More than once, as other programs take their share of the processor.
            let bound = |small| small * 12 + std::time::Duration::from_millis(300);
            assert!((0..4).any(|_| time(1 << 19) < bound(time(1 << 17))), "{unit:?}");
        }
    }
}
