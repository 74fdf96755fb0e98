//! What each call says of a socket without a CRI behind it.

use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::thread;
use std::time::Instant;

use super::*;

const WITHIN: Duration = Duration::from_secs(1);

fn socket() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    (dir, path)
}

/// The text of each call's error.
fn errors(socket: &Path) -> Vec<String> {
    [
        ask(socket, WITHIN).map(drop),
        running(socket, WITHIN).map(drop),
        sandboxes(socket, WITHIN).map(drop),
        stop_sandbox(socket, "id", WITHIN),
        remove_sandbox(socket, "id", WITHIN),
    ]
    .into_iter()
    .map(|done| done.unwrap_err().to_string())
    .collect()
}

/// What every call says of a socket with this problem.
fn assert_errors(socket: &Path, cause: &str) {
    let query = format!("cannot query the container runtime at {}: {cause}", socket.display());
    let changed = |verb: &str| format!("cannot {verb} the pod sandbox id at {}: {cause}", socket.display());
    assert_eq!(errors(socket), [query.clone(), query.clone(), query, changed("stop"), changed("remove")]);
}

#[test]
fn call_fails_where_no_socket_is() {
    let (_dir, path) = socket();
    assert_errors(&path, "No such file or directory (os error 2)");
}

#[test]
fn call_fails_where_nobody_listens() {
    let (_dir, path) = socket();
    drop(UnixListener::bind(&path).unwrap());
    assert_errors(&path, "Connection refused (os error 111)");
}

#[test]
fn call_ends_with_its_deadline() {
    let (_dir, path) = socket();
    let _listener = UnixListener::bind(&path).unwrap();
    let begin = Instant::now();
    assert_errors(&path, "no answer within 1 s");
    assert!(begin.elapsed() < 3 * 5 * WITHIN, "{:?}", begin.elapsed());
}

#[test]
fn call_fails_where_the_answer_is_not_a_cri() {
    let (_dir, path) = socket();
    let listener = UnixListener::bind(&path).unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
            // Until the other side is done.
            let _ = stream.read_to_end(&mut Vec::new());
        }
    });
    assert_errors(&path, "no valid gRPC answer: connection error detected: frame with invalid size");
}
