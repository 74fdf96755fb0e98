//! Answers of servers that edge-hub has not chosen: whatever they send, no more than the limit is kept, and the same bytes
//! are the same answer.

use super::{Target, texts};

const LIMIT: usize = 64 << 10;

pub(super) const TARGET: Target = Target {
    name: "http_answer",
    check,
    read,
    seeds: || {
        texts(&[
            "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nDate: Sat, 28 Nov 2026 16:20:00 GMT\r\nContent-Length: 5\r\n\r\nhello",
            "HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\nE\r\nNode not found\r\n0\r\n\r\n",
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 401 Unauthorized\r\n\r\ntoken is empty",
            "HTTP/1.1 302 Found\r\nLocation: https://example.com/\r\nContent-Length: 0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc",
        ])
    },
    tokens: &[
        "\r\n",
        "\r\n\r\n",
        "HTTP/1.1 ",
        "200",
        "Content-Length: ",
        "Transfer-Encoding: chunked\r\n",
        "Content-Encoding: gzip\r\n",
        "Date: ",
        ": ",
        "0\r\n",
        "5\r\n",
        "FFFFFFFFFFFFFFFF\r\n",
        ";",
        "<html>",
    ],
    growing: &[
        ("HTTP/1.1 200 OK\r\n\r\n", "x", ""),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "1\r\na\r\n", "0\r\n\r\n"),
        ("HTTP/1.1 200 OK\r\n", "X: y\r\n", "\r\n"),
        ("", "HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n"),
    ],
};

fn read(data: &[u8]) {
    edge_hub::fuzz::answer(data, usize::MAX >> 1);
}

fn check(data: &[u8]) {
    let Some(answer) = edge_hub::fuzz::answer(data, LIMIT) else { return };
    assert!(answer.body.len() <= LIMIT && answer.headers.len() <= 64);
    assert!(answer.text().chars().count() <= 200 && !answer.text().contains(char::is_control));
    assert_eq!(edge_hub::fuzz::answer(data, LIMIT), Some(answer.clone()));
    // Dates of other forms are none.
    assert!(
        answer.date().is_none()
            || answer.header("Date").is_some_and(|date| date.ends_with("GMT") || date.ends_with("GMT "))
    );
}
