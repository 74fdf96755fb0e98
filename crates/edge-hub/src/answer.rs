//! Answers of HTTP/1.1 servers, read within limits: status, headers and body.

use std::io::{self, Read};

use edge_pki::times;

use crate::failure::{Failure, Stage};

/// The most bytes that status line and headers may have.
pub const MAX_HEAD: usize = 16 << 10;
const MAX_HEADERS: usize = 64;
/// The longest line with the size of a chunk.
const MAX_CHUNK_LINE: usize = 256;
/// The most characters of a body in a message.
const MAX_SHOWN: usize = 200;
const PIECE: usize = 8 << 10;
const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// An answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The headers, in order.
    pub headers: Vec<(String, String)>,
    /// The body, decompressed.
    pub body: Vec<u8>,
}

impl Answer {
    /// The value of the first header of this name, in any letter case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(other, _)| other.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// When the server sent it by its own clock, in seconds since 1970.
    pub fn date(&self) -> Option<i64> {
        http_date(self.header("date")?)
    }

    /// The whole body as text of one line, of printable characters alone: secrets are redacted in this, before it is cut.
    pub fn line(&self) -> String {
        let text = String::from_utf8_lossy(&self.body);
        let words: Vec<&str> = text.split_whitespace().collect();
        words.join(" ").chars().filter(|c| !c.is_control()).collect()
    }

    /// That line for messages: at most 200 characters. What may contain a secret is redacted in [`Answer::line`] first.
    pub fn text(&self) -> String {
        shortened(&self.line())
    }

    /// Whether the body is a page for a browser, as captive portals and proxies send it.
    pub fn is_html(&self) -> bool {
        let begin =
            String::from_utf8_lossy(self.body.get(..64.min(self.body.len())).unwrap_or_default()).to_lowercase();
        let begin = begin.trim_start_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
        let is_named = self.header("content-type").is_some_and(|kind| kind.to_ascii_lowercase().contains("html"));
        is_named || begin.starts_with("<!doctype html") || begin.starts_with("<html")
    }
}

/// The beginning of a text of a server, as long as a message may be.
pub fn shortened(text: &str) -> String {
    text.chars().take(MAX_SHOWN).collect()
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum Cause {
    Io(io::Error),
    NotHttp,
    TooLarge { limit: usize, status: u16 },
}

impl From<io::Error> for Cause {
    fn from(cause: io::Error) -> Cause {
        Cause::Io(cause)
    }
}

impl Cause {
    pub(crate) fn into_failure(self, stage: Stage) -> Failure {
        match self {
            Cause::Io(cause) => Failure::of_io(&cause, stage),
            Cause::NotHttp => Failure::NotHttp,
            Cause::TooLarge { limit, status } => Failure::TooLarge { limit, status },
        }
    }
}

/// Reads one answer.
pub(crate) fn read(from: &mut dyn Read, limit: usize) -> Result<Answer, Cause> {
    let mut input = Input { from, bytes: Vec::new(), at: 0, status: 0 };
    let mut answer = loop {
        let answer = head(&mut input)?;
        // 100 Continue and the like come before the answer itself.
        input.status = answer.status;
        if !(100..200).contains(&answer.status) {
            break answer;
        }
    };
    let is_chunked = answer.header("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked"));
    let length = match answer.header("content-length") {
        Some(length) => Some(length.parse::<usize>().map_err(|_| Cause::NotHttp)?),
        None => None,
    };
    answer.body = match length {
        _ if [204, 304].contains(&answer.status) => Vec::new(),
        _ if is_chunked => chunked(&mut input, limit)?,
        Some(length) if length > limit => return Err(input.too_large(limit)),
        Some(length) => input.exactly(length)?,
        None => input.rest(limit)?,
    };
    match answer.header("content-encoding") {
        Some(coding) if coding.eq_ignore_ascii_case("gzip") && !answer.body.is_empty() => {
            answer.body = edge_fetch::unzip(&answer.body, limit as u64).ok_or(Cause::NotHttp)?;
        }
        _ => {}
    }
    Ok(answer)
}

/// Status line and headers.
fn head(input: &mut Input<'_>) -> Result<Answer, Cause> {
    loop {
        let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut parsed = httparse::Response::new(&mut headers);
        let unread = input.bytes.get(input.at..).unwrap_or_default();
        match parsed.parse(unread) {
            Ok(httparse::Status::Complete(length)) => {
                let headers = parsed.headers.iter();
                let headers = headers.map(|one| (one.name.to_owned(), String::from_utf8_lossy(one.value).into_owned()));
                let answer =
                    Answer { status: parsed.code.unwrap_or_default(), headers: headers.collect(), body: Vec::new() };
                input.at += length;
                return Ok(answer);
            }
            Ok(httparse::Status::Partial) if unread.len() < MAX_HEAD => {
                if input.more()? == 0 {
                    let is_empty = input.bytes.len() == input.at;
                    return Err(if is_empty {
                        io::Error::from(io::ErrorKind::UnexpectedEof).into()
                    } else {
                        Cause::NotHttp
                    });
                }
            }
            Ok(httparse::Status::Partial) | Err(_) => return Err(Cause::NotHttp),
        }
    }
}

fn chunked(input: &mut Input<'_>, limit: usize) -> Result<Vec<u8>, Cause> {
    let mut body = Vec::new();
    loop {
        let line = input.line()?;
        let size = String::from_utf8_lossy(&line).split(';').next().unwrap_or_default().trim().to_owned();
        let is_hex = !size.is_empty() && size.bytes().all(|byte| byte.is_ascii_hexdigit());
        let size = usize::from_str_radix(&size, 16).ok().filter(|_| is_hex).ok_or(Cause::NotHttp)?;
        if size == 0 {
            return Ok(body);
        }
        if size > limit - body.len() {
            return Err(input.too_large(limit));
        }
        body.extend(input.exactly(size)?);
        if !input.line()?.is_empty() {
            return Err(Cause::NotHttp);
        }
    }
}

/// What came and is not used yet.
struct Input<'r> {
    from: &'r mut dyn Read,
    bytes: Vec<u8>,
    at: usize,
    /// Of the answer that is read.
    status: u16,
}

impl Input<'_> {
    fn too_large(&self, limit: usize) -> Cause {
        Cause::TooLarge { limit, status: self.status }
    }

    /// Reads another piece; 0 at the end.
    fn more(&mut self) -> io::Result<usize> {
        self.bytes.drain(..self.at);
        self.at = 0;
        let mut piece = [0; PIECE];
        let read = self.from.read(&mut piece)?;
        self.bytes.extend_from_slice(piece.get(..read).unwrap_or_default());
        Ok(read)
    }

    fn must_have_more(&mut self) -> io::Result<()> {
        if self.more()? == 0 { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
    }

    fn exactly(&mut self, length: usize) -> io::Result<Vec<u8>> {
        while self.bytes.len() - self.at < length {
            self.must_have_more()?;
        }
        let taken = self.bytes.get(self.at..self.at + length).unwrap_or_default().to_vec();
        self.at += length;
        Ok(taken)
    }

    fn rest(&mut self, limit: usize) -> Result<Vec<u8>, Cause> {
        while self.bytes.len() - self.at <= limit {
            if self.more()? == 0 {
                return Ok(self.bytes.split_off(self.at));
            }
        }
        Err(self.too_large(limit))
    }

    /// A line of the chunked coding, without its end.
    fn line(&mut self) -> Result<Vec<u8>, Cause> {
        loop {
            let unread = self.bytes.get(self.at..).unwrap_or_default();
            if let Some(end) = unread.windows(2).position(|pair| pair == b"\r\n") {
                let line = unread.get(..end).unwrap_or_default().to_vec();
                self.at += end + 2;
                return Ok(line);
            }
            if unread.len() > MAX_CHUNK_LINE {
                return Err(Cause::NotHttp);
            }
            self.must_have_more()?;
        }
    }
}

/// The time of a `Date` header in the form that servers must send: `Sat, 28 Nov 2026 16:20:00 GMT`.
pub fn http_date(text: &str) -> Option<i64> {
    let (_, rest) = text.trim().split_once(", ")?;
    let parts: Vec<&str> = rest.split(' ').collect();
    let [day, month, year, time, "GMT"] = parts.as_slice() else { return None };
    let month = MONTHS.iter().position(|name| name == month)? + 1;
    times::from_rfc3339(&format!("{year}-{month:02}-{day}T{time}Z"))
}

#[cfg(test)]
mod tests;
