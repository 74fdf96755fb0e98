//! The machine's only server: files of one directory over HTTP, one connection on standard input and output. With the
//! files of [`super::container::ContainerImage::publish`] it is a registry.

use std::io::{BufRead, Write};
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result};

use super::container::MANIFEST;

/// Limit for a request before its empty line.
const REQUEST_LIMIT: usize = 16 << 10;

/// Answers requests until the other side ends.
pub(super) fn serve(dir: &Path, mut input: impl BufRead, mut output: impl Write) -> Result<()> {
    while let Some(head) = head(&mut input)? {
        let answer = answer(dir, &head);
        output.write_all(&answer).and_then(|()| output.flush()).context("cannot answer")?;
        if !head.to_ascii_lowercase().contains("http/1.1\r\n") {
            break;
        }
    }
    Ok(())
}

/// One request's lines, none at the end of the connection.
fn head(input: &mut impl BufRead) -> Result<Option<String>> {
    let mut head = String::new();
    loop {
        let before = head.len();
        let count = input.read_line(&mut head).context("cannot read a request")?;
        if count == 0 || head.len() > REQUEST_LIMIT {
            return Ok(None);
        }
        if head.get(before..).is_some_and(|line| line.trim_end().is_empty()) {
            return Ok(Some(head));
        }
    }
}

fn answer(dir: &Path, head: &str) -> Vec<u8> {
    let mut words = head.split_whitespace();
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let body = file(dir, target).and_then(|path| {
        let index = path.join("index");
        std::fs::read(if index.is_file() { index } else { path }).ok()
    });
    // Runtimes choose by the type how they read a manifest, and need none for other files.
    let kind = if target.contains("/manifests/") { format!("Content-Type: {MANIFEST}\r\n") } else { String::new() };
    let (status, body) = match (method, body) {
        ("GET" | "HEAD", Some(body)) => ("200 OK", body),
        ("GET" | "HEAD", None) => ("404 Not Found", Vec::new()),
        _ => ("405 Method Not Allowed", Vec::new()),
    };
    let mut answer = format!("HTTP/1.1 {status}\r\n{kind}Content-Length: {}\r\n\r\n", body.len()).into_bytes();
    if method != "HEAD" {
        answer.extend_from_slice(&body);
    }
    answer
}

/// The file below `dir` that a target names; none outside of it.
fn file(dir: &Path, target: &str) -> Option<PathBuf> {
    let path = percent_decoded(target.split('?').next()?)?;
    let path = Path::new(path.strip_prefix('/')?);
    let is_inside = path.components().all(|part| matches!(part, Component::Normal(_)));
    is_inside.then(|| dir.join(path))
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = [rest.next()?, rest.next()?];
            bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(request: &str) -> String {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("repo")).unwrap();
        std::fs::write(dir.path().join("repo/In~Release"), "signed").unwrap();
        let mut output = Vec::new();
        serve(dir.path(), request.as_bytes(), &mut output).unwrap();
        String::from_utf8(output).unwrap()
    }

    #[test]
    fn server_answers_two_requests_on_one_connection() {
        let answers =
            response("GET /repo/In%7eRelease HTTP/1.1\r\nHost: x\r\n\r\nHEAD /repo/In~Release HTTP/1.1\r\n\r\n");
        let ok = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n";
        assert_eq!(answers, format!("{ok}signed{ok}"));
    }

    #[test]
    fn server_sends_the_index_of_a_directory_and_the_type_of_a_manifest() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("v2/x/manifests")).unwrap();
        std::fs::write(dir.path().join("v2/index"), "{}").unwrap();
        std::fs::write(dir.path().join("v2/x/manifests/1"), "m").unwrap();
        let mut output = Vec::new();
        let requests = b"GET /v2/ HTTP/1.1\r\n\r\nGET /v2/x/manifests/1?ns=docker.io HTTP/1.1\r\n\r\n";
        serve(dir.path(), &requests[..], &mut output).unwrap();
        let ok = "HTTP/1.1 200 OK\r\n";
        let expected =
            format!("{ok}Content-Length: 2\r\n\r\n{{}}{ok}Content-Type: {MANIFEST}\r\nContent-Length: 1\r\n\r\nm");
        assert_eq!(String::from_utf8(output).unwrap(), expected);
    }

    #[test]
    fn server_refuses_what_is_missing_outside_or_not_a_read() {
        for target in ["/repo/nothing", "/../etc/passwd", "/repo/%2e%2e/%2e%2e/etc/passwd", "//etc/passwd", "/repo"] {
            assert!(response(&format!("GET {target} HTTP/1.1\r\n\r\n")).starts_with("HTTP/1.1 404"), "{target}");
        }
        assert!(response("PUT /repo/x HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 405"));
    }

    #[test]
    fn server_does_not_answer_half_a_request() {
        assert_eq!(response("GET /repo/In~Release HTTP/1.1\r\n"), "");
    }
}
