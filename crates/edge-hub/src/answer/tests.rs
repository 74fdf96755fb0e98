//! Answers in pieces of every size, and damaged ones.

use super::*;

/// Hands out one piece at a time.
struct Pieces<'a>(&'a [u8], usize);

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.1.min(self.0.len()).min(buffer.len());
        buffer[..length].copy_from_slice(&self.0[..length]);
        self.0 = &self.0[length..];
        Ok(length)
    }
}

fn of(text: &[u8], limit: usize) -> Result<Answer, Cause> {
    let whole = read(&mut Pieces(text, usize::MAX), limit);
    for size in [1, 2, 3, 7] {
        let again = read(&mut Pieces(text, size), limit);
        assert_eq!(format!("{again:?}"), format!("{whole:?}"));
    }
    whole
}

#[test]
fn answer_has_status_headers_and_body() {
    let date = "Date: Sat, 28 Nov 2026 16:20:00 GMT\r\n";
    let plain =
        format!("HTTP/1.1 401 Unauthorized\r\nContent-Type: text/plain\r\n{date}Content-Length: 5\r\n\r\nhello, more");
    let answer = of(plain.as_bytes(), 5).unwrap();
    assert_eq!((answer.status, answer.body.as_slice(), answer.date()), (401, b"hello".as_slice(), Some(1_795_882_800)));
    assert_eq!(answer.header("CONTENT-TYPE"), Some("text/plain"));
    let chunked =
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nA;x=y\r\n, the rest\r\n0\r\n\r\n";
    assert_eq!(of(chunked, 100).unwrap().text(), "hello, the rest");
    assert_eq!(of(b"HTTP/1.0 200 OK\r\n\r\nto the end", 100).unwrap().text(), "to the end");
    assert_eq!(of(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 100).unwrap().body, b"");
    let long = of(format!("HTTP/1.0 200 OK\r\n\r\na\n b\x01 {}", "x".repeat(300)).as_bytes(), 1000).unwrap();
    assert_eq!((long.line().len(), long.text().len()), (304, 200));
    assert!(long.line().starts_with("a b x"));
    let twice = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n";
    assert_eq!(of(twice, 100).unwrap().status, 204);
    let page = of(b"HTTP/1.1 200 OK\r\n\r\n\n <!DOCTYPE html><p>log in", 100).unwrap();
    assert!(page.is_html() && !answer.is_html());
}

#[test]
fn answer_that_is_damaged_or_too_large_is_an_error() {
    let cause = |text: &[u8]| match of(text, 10) {
        Ok(answer) => panic!("{answer:?}"),
        Err(Cause::Io(cause)) => format!("{:?}", cause.kind()),
        Err(other) => format!("{other:?}"),
    };
    for (text, want) in [
        ("", "UnexpectedEof"),
        ("SSH-2.0-OpenSSH\r\n", "NotHttp"),
        ("HTTP/1.1 2", "NotHttp"),
        ("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "NotHttp"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n", "TooLarge { limit: 10, status: 200 }"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort", "UnexpectedEof"),
        ("HTTP/1.1 500 Error\r\n\r\n12345678901", "TooLarge { limit: 10, status: 500 }"),
        ("HTTP/1.1 200 OK\r\n\r\n12345678901", "TooLarge { limit: 10, status: 200 }"),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nB\r\n12345678901",
            "TooLarge { limit: 10, status: 200 }",
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\n123456\r\n6\r\n",
            "TooLarge { limit: 10, status: 200 }",
        ),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n+1\r\n1\r\n", "NotHttp"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n123\r\n", "NotHttp"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n1", "UnexpectedEof"),
        ("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\nnot zip", "NotHttp"),
    ] {
        assert_eq!(cause(text.as_bytes()), want, "{text:?}");
    }
    let endless = format!("HTTP/1.1 200 OK\r\n{}", "X: y\r\n".repeat(5000));
    assert_eq!(cause(endless.as_bytes()), "NotHttp");
    let line = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{}", "1".repeat(5000));
    assert_eq!(cause(line.as_bytes()), "NotHttp");
}

#[test]
fn http_date_is_read_in_its_one_form() {
    assert_eq!(http_date("Thu, 01 Jan 1970 01:01:01 GMT"), Some(3661));
    for text in ["", "Thu, 01 Jan 1970 01:01:01", "Thursday, 01-Jan-70 01:01:01 GMT", "Thu, 01 Foo 1970 01:01:01 GMT"] {
        assert_eq!(http_date(text), None, "{text}");
    }
}

proptest::proptest! {
    #[test]
    fn read_ends_within_its_limit(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..400)) {
        let mut text = b"HTTP/1.1 200 OK\r\n".to_vec();
        text.extend(bytes);
        if let Ok(answer) = of(&text, 64) {
            proptest::prop_assert!(answer.body.len() <= 64);
        }
    }
}
