//! Requests as Go's HTTP client sends them, because edgecore is written in Go.

use std::fmt;
use std::fmt::Write as _;

use crate::address::Address;

/// What edgecore's client calls itself (recorded from 1.18 and 1.23).
const USER_AGENT: &str = "Go-http-client/1.1";

/// A GET request. Its headers may contain a token, which `Debug` does not show.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    path: String,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Request({})", self.path)
    }
}

impl Request {
    /// GET of a path. Characters that a path cannot have are percent-encoded.
    pub fn get(path: &str) -> Request {
        let mut encoded = String::with_capacity(path.len());
        for byte in path.bytes() {
            if byte.is_ascii_graphic() && !b"\"<>\\^`{|}#".contains(&byte) {
                encoded.push(char::from(byte));
            } else {
                write!(encoded, "%{byte:02X}").ok();
            }
        }
        Request { path: encoded, headers: Vec::new(), body: Vec::new() }
    }

    /// Adds a header. A value that is not printable ASCII would end the header, and is left out: callers pass what they have
    /// validated.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: &str) -> Request {
        if value.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()) {
            self.headers.push((name, value.to_owned()));
        }
        self
    }

    /// Adds a body, as edgecore does even with GET.
    #[must_use]
    pub fn body(mut self, body: Vec<u8>) -> Request {
        self.body = body;
        self
    }

    /// As it is sent, in the order of Go's client.
    pub(crate) fn bytes(&self, to: &Address) -> Vec<u8> {
        let mut head = format!("GET {} HTTP/1.1\r\nHost: {to}\r\nUser-Agent: {USER_AGENT}\r\n", self.path);
        if !self.body.is_empty() {
            write!(head, "Content-Length: {}\r\n", self.body.len()).ok();
        }
        for (name, value) in &self.headers {
            write!(head, "{name}: {value}\r\n").ok();
        }
        head.push_str("Accept-Encoding: gzip\r\n\r\n");
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(&self.body);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_is_that_of_edgecore() {
        let to = Address::parse("--cloudcore", "192.0.2.2", 10002).unwrap();
        let sent = Request::get("/edge.crt")
            .header("Authorization", "Bearer JWT")
            .header("Nodename", "edge1")
            .header("Nodename", "edge1\r\nX: y")
            .body(b"CSR".to_vec());
        let want = "GET /edge.crt HTTP/1.1\r\nHost: 192.0.2.2:10002\r\nUser-Agent: Go-http-client/1.1\r\n\
                    Content-Length: 3\r\nAuthorization: Bearer JWT\r\nNodename: edge1\r\nAccept-Encoding: gzip\r\n\r\nCSR";
        assert_eq!(String::from_utf8(sent.bytes(&to)).unwrap(), want);
        assert_eq!(format!("{sent:?}"), "Request(/edge.crt)");
        let odd = String::from_utf8(Request::get("/node/a b\r\nü").bytes(&to)).unwrap();
        assert!(odd.starts_with("GET /node/a%20b%0D%0A%C3%BC HTTP/1.1\r\n"), "{odd}");
    }
}
