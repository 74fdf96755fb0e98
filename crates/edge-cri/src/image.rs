//! Validates image references as container runtimes do: CRI-O does not start with an invalid pause image.

/// The problem of an image reference; none if it is valid.
///
/// Follows the grammar of `distribution/reference`; the answers in the test are those of its v0.6.0.
pub fn reference_problem(text: &str) -> Option<&'static str> {
    let (rest, digest) = match text.split_once('@') {
        Some((rest, digest)) => (rest, Some(digest)),
        None => (text, None),
    };
    if digest.is_some_and(|digest| !is_digest(digest)) {
        return Some("its digest is not valid");
    }
    // A colon before the last slash belongs to a port.
    let slash = rest.rfind('/').map_or(0, |at| at + 1);
    let (name, tag) = match rest[slash..].find(':') {
        Some(at) => (&rest[..slash + at], Some(&rest[slash + at + 1..])),
        None => (rest, None),
    };
    if tag.is_some_and(|tag| !is_tag(tag)) {
        return Some("its tag is not valid");
    }
    if name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit() && !byte.is_ascii_uppercase()) {
        return Some("an image ID cannot be pulled from a registry");
    }
    let (domain, path) = match name.split_once('/') {
        Some((first, rest)) if is_domain_like(first) => (Some(first), rest),
        _ => (None, name),
    };
    if domain.is_some_and(|domain| !is_domain(domain)) {
        return Some("its registry is not valid");
    }
    if path.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Some("its name contains capital letters");
    }
    if path.len() > 255 || !path.split('/').all(is_part) {
        return Some("its name is not valid");
    }
    None
}

fn is_digest(text: &str) -> bool {
    let hex = |text: &str, length| text.len() == length && text.bytes().all(|byte| b"0123456789abcdef".contains(&byte));
    match text.split_once(':') {
        Some(("sha256", sum)) => hex(sum, 64),
        Some(("sha384", sum)) => hex(sum, 96),
        Some(("sha512", sum)) => hex(sum, 128),
        _ => false,
    }
}

fn is_tag(text: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let first = text.bytes().next();
    first.is_some_and(word) && text.len() <= 128 && text.bytes().all(|byte| word(byte) || b".-".contains(&byte))
}

/// Whether the first part is a registry, and not part of a name in the default one.
fn is_domain_like(text: &str) -> bool {
    text == "localhost" || text.bytes().any(|byte| b".:".contains(&byte) || byte.is_ascii_uppercase())
}

fn is_domain(text: &str) -> bool {
    let end = text.rfind(']').unwrap_or(0);
    let (host, port) = match text[end..].find(':') {
        Some(at) => (&text[..end + at], Some(&text[end + at + 1..])),
        None => (text, None),
    };
    let label = |label: &str| {
        let known = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        known && !label.is_empty() && !label.starts_with('-') && !label.ends_with('-')
    };
    let is_host = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(inner) => !inner.is_empty() && inner.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b':'),
        None => host.split('.').all(label),
    };
    is_host && port.is_none_or(|port| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Whether the text is lower-case letters and digits, separated by `.`, `_`, `__` or any number of `-`.
fn is_part(text: &str) -> bool {
    let plain = |char: char| char.is_ascii_lowercase() || char.is_ascii_digit();
    let mut rest = text;
    loop {
        let word = rest.trim_start_matches(plain);
        if word.len() == rest.len() {
            return false;
        }
        if word.is_empty() {
            return true;
        }
        let after = match word.as_bytes() {
            [b'.', ..] => &word[1..],
            [b'_', b'_', ..] => &word[2..],
            [b'_', ..] => &word[1..],
            [b'-', ..] => word.trim_start_matches('-'),
            _ => return false,
        };
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reference_problem_agrees_with_the_go_library() {
        let number = "0".repeat(64);
        let digest = format!("r.example/pause@sha256:{number}");
        let both = format!("r.example/pause:3@sha256:{number}");
        let good = [
            "registry.k8s.io/pause:3.10",
            "a/b:1",
            "pause",
            "Foo/bar:1",
            "r.example:5000/p",
            "R.example/p:1",
            "localhost/p",
            "sha256:aa",
            "a__b",
            "a--b/c.d",
            "[::1]:5000/p",
            &digest,
            &both,
            "10.0.0.1/p:V1_x",
        ];
        for text in good {
            assert_eq!(reference_problem(text), None, "{text}");
        }
        let capitals = format!("a@sha256:{}", "A".repeat(64));
        let bad = [
            "",
            "r.example/pause@sha256:0000",
            "r.example/pause:",
            "r.example//pause",
            "a..b",
            "a___b",
            "a/b:.x",
            "/a",
            "a/",
            "-a/b",
            "a b",
            "r.example/Pause:1",
            "Pause",
            "r.example:x/p",
            "-r.example/p",
            "a@md5:00",
            "a:1:2",
            "a@",
            &number,
            &capitals,
            "https://r.example/p",
        ];
        for text in bad {
            assert!(reference_problem(text).is_some(), "{text}");
        }
    }
}
