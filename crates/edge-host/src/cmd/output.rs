//! Reads what a program prints to the end, and keeps the part of it that is shown.

use std::io::Read;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Instant;

/// Reads a pipe to its end, keeps the first `keep` bytes, and signals when it is closed.
pub(super) fn collect(
    pipe: Option<impl Read + Send + 'static>,
    keep: usize,
    closed: Sender<()>,
) -> Option<Receiver<Vec<u8>>> {
    let mut pipe = pipe?;
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let mut kept = 0;
        let mut buffer = [0; 16384];
        while let Ok(count) = pipe.read(&mut buffer) {
            if count == 0 {
                break;
            }
            let piece = &buffer[..count.min(keep - kept)];
            kept += piece.len();
            // After the program has ended nobody receives it; it is still read, so that a daemon that it left
            // running does not block.
            sender.send(piece.to_vec()).ok();
        }
        // The receiver may be gone already.
        closed.send(()).ok();
    });
    Some(receiver)
}

/// What was read until the pipe was closed, or until this time: a daemon that the program left running may keep it
/// open forever.
pub(super) fn collected(pieces: Option<&Receiver<Vec<u8>>>, until: Instant) -> String {
    let mut bytes = Vec::new();
    if let Some(pieces) = pieces {
        while let Ok(piece) = pieces.recv_timeout(until.saturating_duration_since(Instant::now())) {
            bytes.extend(piece);
        }
    }
    // Rulesets have megabytes: they are copied only if they are not UTF-8.
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// The lines of the last `max` bytes of a text, without the rest of a line that was cut off in front.
pub(super) fn tail(text: &str, max: usize) -> Vec<&str> {
    let text = text.trim();
    let mut from = text.len().saturating_sub(max);
    while !text.is_char_boundary(from) {
        from += 1;
    }
    if from > 0 && !text[..from].ends_with('\n') {
        from += text[from..].find('\n').unwrap_or(0);
    }
    text[from..].lines().map(str::trim).filter(|line| !line.is_empty()).collect()
}
