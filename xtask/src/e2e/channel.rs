//! A conversation in lines of JSON over a Unix socket, each reply with a deadline: QMP and the guest agent.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use serde_json::{Value, json};

/// One side of a conversation.
#[derive(Debug)]
pub(super) struct Channel {
    stream: UnixStream,
    /// Received bytes that are not a complete line yet.
    pending: Vec<u8>,
    /// How many of them are known to contain no end of a line.
    searched: usize,
    who: &'static str,
}

impl Channel {
    /// Connects to QEMU's end; `who` is for messages.
    pub(super) fn connect(socket: &Path, who: &'static str) -> Result<Channel> {
        let stream = UnixStream::connect(socket).with_context(|| format!("cannot reach {who}"))?;
        stream.set_write_timeout(Some(Duration::from_secs(10))).with_context(|| format!("cannot reach {who}"))?;
        Ok(Channel { stream, pending: Vec::new(), searched: 0, who })
    }

    /// Sends a command and waits for the reply; events are skipped.
    pub(super) fn request(&mut self, command: &str, arguments: &Value, within: Duration) -> Result<Value> {
        let until = Instant::now() + within;
        self.send(&json!({"execute": command, "arguments": arguments}))?;
        loop {
            let message = self.receive(until).with_context(|| format!("no answer to {command}"))?;
            if let Some(answer) = message.get("return") {
                return Ok(answer.clone());
            }
            if let Some(error) = message.get("error") {
                let text = error.get("desc").and_then(Value::as_str).unwrap_or("an error without a text");
                bail!("{} refused {command}: {text}", self.who);
            }
        }
    }

    pub(super) fn send(&mut self, message: &Value) -> Result<()> {
        let line = format!("{message}\n");
        self.stream.write_all(line.as_bytes()).with_context(|| format!("cannot write to {}", self.who))
    }

    /// The next message. An incomplete line from before a reset is skipped.
    pub(super) fn receive(&mut self, until: Instant) -> Result<Value> {
        loop {
            while let Some(more) = self.pending.iter().skip(self.searched).position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.pending.drain(..=self.searched + more).collect();
                self.searched = 0;
                if let Ok(message) = serde_json::from_slice(&line) {
                    return Ok(message);
                }
            }
            self.searched = self.pending.len();
            self.fill(until)?;
        }
    }

    fn fill(&mut self, until: Instant) -> Result<()> {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            bail!("{} sent no reply in time", self.who);
        }
        self.stream.set_read_timeout(Some(left)).with_context(|| format!("cannot read from {}", self.who))?;
        let mut buffer = vec![0; 64 << 10];
        match self.stream.read(&mut buffer) {
            Ok(0) => Err(anyhow!("{} closed the connection", self.who)),
            Ok(count) => {
                self.pending.extend_from_slice(&buffer[..count]);
                Ok(())
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Ok(()),
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(()),
            Err(error) => Err(error).with_context(|| format!("cannot read from {}", self.who)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (Channel, UnixStream) {
        let (near, far) = UnixStream::pair().unwrap();
        (Channel { stream: near, pending: Vec::new(), searched: 0, who: "the far end" }, far)
    }

    #[test]
    fn noise_and_events_are_passed_over() {
        let (mut near, mut far) = pair();
        far.write_all(b"xx\xff half of a li\n{\"event\":\"RESET\"}\n{\"return\":{\"pid\":7}}\n").unwrap();
        let answer = near.request("guest-exec", &json!({}), Duration::from_secs(5)).unwrap();
        assert_eq!(answer["pid"], 7);
    }

    #[test]
    fn silence_ends_at_the_deadline_and_a_refusal_names_the_command() {
        let (mut near, mut far) = pair();
        let error = near.request("guest-ping", &json!({}), Duration::from_millis(50)).unwrap_err();
        assert_eq!(format!("{error:#}"), "no answer to guest-ping: the far end sent no reply in time");
        far.write_all(b"{\"error\":{\"desc\":\"not allowed\"}}\n").unwrap();
        let error = near.request("guest-exec", &json!({}), Duration::from_secs(5)).unwrap_err();
        assert_eq!(format!("{error:#}"), "the far end refused guest-exec: not allowed");
    }

    #[test]
    fn end_of_the_other_side_is_an_error_at_once() {
        let (mut near, far) = pair();
        drop(far);
        let error = near.receive(Instant::now() + Duration::from_secs(60)).unwrap_err();
        assert_eq!(error.to_string(), "the far end closed the connection");
    }
}
