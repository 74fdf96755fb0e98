//! Redacts credentials in URLs, also in URLs with an unencoded `@`, `/`, `?` or `:` in the password.
//!
//! If it is not clear whether something is a password, it is redacted.

use super::STRUCK;
use super::name::is_secret_parameter;

/// The end of a scheme.
const MARK: &str = "://";
/// Characters that end a URL in a text, besides white space.
const QUOTES: [char; 4] = ['"', '\'', '`', '<'];
/// Characters that may separate two URLs without a blank.
const BETWEEN: [char; 9] = [',', '|', ';', '=', '&', '?', '(', '[', '>'];
/// A user's name is shown up to this length; longer ones are tokens.
const MAX_USER: usize = 20;
/// Digests come after an `@`, as hosts do.
const DIGESTS: [&str; 2] = ["sha256:", "sha512:"];

/// A URL without its credentials and without the values of secret query parameters.
pub fn shown_url(url: &str) -> String {
    let mut shown = String::with_capacity(url.len());
    // White space and quotes may be part of the password.
    strike_piece(url, false, &mut shown);
    shown
}

/// Whether a URL has a user name or password in front of its host.
pub fn has_credentials(url: &str) -> bool {
    match url.split_once(MARK) {
        Some((_, rest)) => userinfo(rest).is_some(),
        None => bare_userinfo(url).is_some(),
    }
}

/// A text with `user:***@` for the credentials of every URL in it.
pub(crate) fn without_credentials(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    strike_line(text, &mut shown);
    shown
}

/// Adds a line with `user:***@` for the credentials of every URL in it.
pub(super) fn strike_line(line: &str, struck: &mut String) {
    strike(line, true, struck);
}

/// Adds a line, with `user:***@` for credentials or without them.
fn strike(line: &str, with_user: bool, struck: &mut String) {
    for chunk in line.split_inclusive(char::is_whitespace) {
        if has_quote_in_password(chunk) {
            strike_piece(chunk, with_user, struck);
        } else {
            chunk.split_inclusive(QUOTES).for_each(|piece| strike_piece(piece, with_user, struck));
        }
    }
}

/// Whether a quote is part of the password and does not end the URL.
fn has_quote_in_password(chunk: &str) -> bool {
    let Some((_, rest)) = chunk.split_once(MARK) else { return false };
    let Some(quote) = rest.find(QUOTES) else { return false };
    let authority = &rest[..rest.find(['/', '?', '#', '@']).unwrap_or(quote).min(quote)];
    let is_open = authority.len() == quote;
    let is_port = |port: &str| port.parse::<u16>().is_ok_and(|port| port > 0);
    is_open && authority.split_once(':').is_some_and(|(_, port)| !is_port(port)) && rest[quote..].contains('@')
}

/// Redacts one or more URLs without white space between them.
fn strike_piece(piece: &str, with_user: bool, struck: &mut String) {
    let body = piece.trim_end_matches(|c: char| c.is_whitespace() || QUOTES.contains(&c));
    let mut rest = body;
    let mut is_first = true;
    while !rest.is_empty() {
        let end = next_url(rest, is_first).unwrap_or(rest.len());
        let (one, more) = rest.split_at(end);
        strike_one(one, with_user, struck);
        rest = more;
        is_first = false;
    }
    struck.push_str(&piece[body.len()..]);
}

/// Where the second URL of `text` begins; what is before the first scheme belongs to the first.
fn next_url(text: &str, is_first: bool) -> Option<usize> {
    let mut marks = text.match_indices(MARK).map(|(at, _)| at);
    // The first mark of a URL is its own.
    let own = marks.next()?;
    if is_first && !text[..own].ends_with(|c: char| c.is_ascii_alphanumeric()) {
        return None;
    }
    marks.find_map(|at| {
        let begin = scheme_start(text, at);
        (begin < at && begin > own && text[..begin].ends_with(BETWEEN)).then_some(begin)
    })
}

/// Where the scheme that ends here begins.
fn scheme_start(text: &str, end: usize) -> usize {
    let is_scheme = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-.".contains(byte);
    // No scheme is longer; this limits the work.
    end - text.as_bytes()[..end].iter().rev().take(40).take_while(|byte| is_scheme(byte)).count()
}

fn strike_one(one: &str, with_user: bool, struck: &mut String) {
    let (front, rest, user) = match one.find(MARK) {
        Some(at) => {
            let rest = &one[at + MARK.len()..];
            (&one[..at + MARK.len()], rest, userinfo(rest))
        }
        None => {
            // `proxy=user:password@host:3128`.
            let at = one.find('=').map_or(0, |at| at + 1);
            match bare_userinfo(&one[at..]) {
                Some(end) => (&one[..at], &one[at..], Some(end)),
                None => return struck.push_str(one),
            }
        }
    };
    struck.push_str(front);
    let Some(at) = user else { return parameters(rest, struck) };
    if with_user {
        match shown_user(&rest[..at]) {
            Some(user) => struck.push_str(&format!("{user}:{STRUCK}@")),
            None if front.starts_with("ssh") && !rest[..at].contains(':') => struck.push_str(&rest[..=at]),
            None => struck.push_str(&format!("{STRUCK}@")),
        }
    }
    parameters(&rest[at + 1..], struck);
}

/// The user name, if it is not a token.
fn shown_user(userinfo: &str) -> Option<&str> {
    let (user, password) = userinfo.split_once(':')?;
    let is_name = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    // Tokens of GitHub are user names without a password, or with this one.
    let is_token = password.is_empty() || password == "x-oauth-basic";
    (!user.is_empty() && user.len() <= MAX_USER && user.chars().all(is_name) && !is_token).then_some(user)
}

/// Where the `@` after the credentials is, in the text after `scheme://`.
fn userinfo(rest: &str) -> Option<usize> {
    let last = rest.rfind('@')?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let authority = &rest[..end];
    match authority.rfind('@') {
        // Without a password the first one ends the name, and what follows is a path.
        Some(at) if !authority[..at].contains(':') => Some(at),
        Some(_) => Some(last),
        None => is_password_split(authority, rest, last).then_some(last),
    }
}

/// Whether `user:pa` is before a `/` of the password, and not a host with a port.
fn is_password_split(authority: &str, rest: &str, last: usize) -> bool {
    if authority.starts_with('[') && authority.contains(']') {
        return false;
    }
    let Some((host, port)) = authority.split_once(':') else { return false };
    let is_port = port.parse::<u16>().is_ok_and(|port| port > 0);
    if !is_port {
        return true;
    }
    // `me:12/34@host.example`: a user has no dots, and a host has some.
    !host.contains('.') && host != "localhost" && is_host(&rest[last + 1..], true)
}

/// Where the `@` is in `user:password@host`, without a scheme.
fn bare_userinfo(text: &str) -> Option<usize> {
    let at = text.rfind('@')?;
    let (user, password) = text[..at].split_once(':')?;
    let host = &text[at + 1..];
    let is_name = !user.contains(['/', '@', '=', '[']) && !password.is_empty();
    (is_name && is_host(host, false) && !DIGESTS.iter().any(|digest| host.starts_with(digest))).then_some(at)
}

/// Whether this begins with a host; if `clearly`, it must have a dot, a port or brackets.
fn is_host(text: &str, clearly: bool) -> bool {
    let end = text.find(['/', '?', '#']).unwrap_or(text.len());
    let place = &text[..end];
    if place.starts_with('[') {
        return place.contains(']');
    }
    let (host, port) = place.split_once(':').unwrap_or((place, ""));
    let is_valid = |c: char| c.is_alphanumeric() || "-._".contains(c);
    let valid = !host.is_empty() && host.chars().all(is_valid) && port.chars().all(|c| c.is_ascii_digit());
    // A version such as v1.2.3 ends in a number; a host name does not.
    let is_named = host.rsplit_once('.').is_some_and(|(_, top)| top.chars().all(char::is_alphabetic) && top.len() > 1);
    let is_address = host.parse::<std::net::Ipv4Addr>().is_ok();
    valid && (!clearly || is_named || is_address || host == "localhost" || !port.is_empty())
}

/// Adds the rest after the credentials, with secret parameters redacted.
fn parameters(rest: &str, struck: &mut String) {
    let at = rest.find(['?', '#']).map_or(rest.len(), |at| at + 1);
    struck.push_str(&rest[..at]);
    for parameter in rest[at..].split_inclusive(['&', ';', '#', '?']) {
        let body = parameter.trim_end_matches(['&', ';', '#', '?']);
        match body.split_once('=') {
            Some((name, value)) if !value.is_empty() && is_secret_parameter(name) => {
                struck.push_str(&format!("{name}={STRUCK}"));
                struck.push_str(&parameter[body.len()..]);
            }
            _ => struck.push_str(parameter),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> String {
        let mut struck = String::new();
        strike_line(text, &mut struck);
        struck
    }

    #[test]
    fn shown_url_redacts_credentials_of_unusual_urls() {
        for (url, shown, removed) in [
            ("https://me:secret@a.example/x", "https://me:***@a.example/x", "https://a.example/x"),
            ("https://me:s@cr@t@a.example/x", "https://me:***@a.example/x", "https://a.example/x"),
            ("https://me:sec/ret@a.example/x", "https://me:***@a.example/x", "https://a.example/x"),
            ("https://me:s/e@c/r@a.example/x", "https://me:***@a.example/x", "https://a.example/x"),
            ("https://me:s?e#c@a.example/x", "https://me:***@a.example/x", "https://a.example/x"),
            ("https://me:a:b:c@a.example", "https://me:***@a.example", "https://a.example"),
            ("https://me:12/34@a.example/x", "https://me:***@a.example/x", "https://a.example/x"),
            ("https://me:p%40%2f@a.example/x", "https://me:***@a.example/x", "https://a.example/x"),
            ("https://me:a://b@a.example/x", "https://me:***@a.example/x", "https://a.example/x"),
            ("https://me:a\"b'c@a.example/x", "https://me:***@a.example/x", "https://a.example/x"),
            ("https://:secret@a.example/", "https://***@a.example/", "https://a.example/"),
            ("https://ghp_secret@a.example/", "https://***@a.example/", "https://a.example/"),
            ("https://secret:x-oauth-basic@a.example/", "https://***@a.example/", "https://a.example/"),
            ("https://secret:@a.example/", "https://***@a.example/", "https://a.example/"),
            ("http://u:secret@[2001:db8::1]:3128/", "http://u:***@[2001:db8::1]:3128/", "http://[2001:db8::1]:3128/"),
            ("u:s@cret@proxy:3128", "u:***@proxy:3128", "proxy:3128"),
            (
                "https://a.example/?token=secret&x=1",
                "https://a.example/?token=***&x=1",
                "https://a.example/?token=***&x=1",
            ),
            ("https://a.example/?x=1&sig=secret", "https://a.example/?x=1&sig=***", "https://a.example/?x=1&sig=***"),
            (
                "https://a.example/?X-Amz-Signature=s",
                "https://a.example/?X-Amz-Signature=***",
                "https://a.example/?X-Amz-Signature=***",
            ),
            (
                "https://a.example/#access_token=s",
                "https://a.example/#access_token=***",
                "https://a.example/#access_token=***",
            ),
        ] {
            assert_eq!(line(url), shown, "{url}");
            assert_eq!(shown_url(url), removed, "{url}");
            assert!(has_credentials(url) != (shown == removed), "{url}");
        }
    }

    #[test]
    fn shown_url_redacts_passwords_with_white_space() {
        assert_eq!(shown_url("http://me:se cret@a.example"), "http://a.example");
        assert_eq!(
            line("use http://me:p@ss@a.example or http://b.example"),
            "use http://me:***@a.example or http://b.example"
        );
    }

    #[test]
    fn strike_line_keeps_other_texts() {
        for text in [
            "https://a.example/x@y",
            "https://cache/x@1:2",
            "https://cache:3142/x@1.2.3",
            "http://localhost:4873/@scope/name",
            "http://[::1]:80/x@y",
            "https://a.example/?user=me@b.example",
            "pause:3.9@sha256:abcdef",
            "github.com/x/y@v1.2.3: reading go.mod",
            "registry.example/x:1@sha256:ab",
            "root@host:/path",
            "user@1000.service",
            "ssh://git@a.example/x",
            "a://",
            "://",
            "@",
            "ключ://x",
        ] {
            assert_eq!(line(text), text);
        }
    }

    #[test]
    fn strike_line_redacts_every_url() {
        for (text, want) in [
            ("get http://u:s@h/a and http://v:t@i/b", "get http://u:***@h/a and http://v:***@i/b"),
            ("GOPROXY=https://u:s@h,https://v:t@i|direct", "GOPROXY=https://u:***@h,https://v:***@i|direct"),
            ("proxy=user:p@ss@host:3128", "proxy=user:***@host:3128"),
            ("mysql://root:pw@db:3306/x?u=http://u:v@h", "mysql://root:***@db:3306/x?u=http://u:***@h"),
            ("Get \"https://u:s@h/x\": dial tcp", "Get \"https://u:***@h/x\": dial tcp"),
        ] {
            assert_eq!(line(text), want);
        }
    }
}
