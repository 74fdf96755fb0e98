//! Finds PEM blocks as Go does (`encoding/pem`, `Decode`), step by step: what it does not find, cloudcore and the API
//! server do not load.

use std::collections::HashMap;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{GeneralPurpose, GeneralPurposeConfig};

use super::Block;

const BEGIN: &[u8] = b"-----BEGIN ";
/// Unlike BEGIN, which may be at the very beginning of a file.
const END: &[u8] = b"\n-----END ";
const DASHES: &[u8] = b"-----";

/// The blocks of a file, in order.
pub(super) fn blocks(bytes: &[u8]) -> Vec<Block> {
    let (mut blocks, mut rest) = (Vec::new(), bytes);
    while let Some((block, after)) = next(rest) {
        blocks.push(block);
        rest = after;
    }
    blocks
}

/// The next block, and what follows it.
fn next(mut rest: &[u8]) -> Option<(Block, &[u8])> {
    loop {
        // The first END, and the last BEGIN before it: a BEGIN without END is skipped.
        let end = position(rest, END)?;
        let after_end = rest.get(end + END.len()..)?;
        let before = rest.get(..end)?;
        let begin = before.windows(BEGIN.len()).rposition(|window| window == BEGIN);
        let is_at_line_start =
            |begin: &usize| begin.checked_sub(1).is_none_or(|previous| before.get(previous) == Some(&b'\n'));
        if let Some(found) =
            begin.filter(is_at_line_start).and_then(|begin| block(rest.get(begin + BEGIN.len()..=end)?, after_end))
        {
            return Some(found);
        }
        rest = after_end;
    }
}

/// The block between `BEGIN ` and the line of END, and what follows it. None where Go skips it.
fn block<'b>(text: &[u8], after_end: &'b [u8]) -> Option<(Block, &'b [u8])> {
    let (first, mut content) = line(text);
    let label = first.strip_suffix(DASHES)?;
    let mut headers = HashMap::new();
    while !content.is_empty() {
        let (text, rest) = line(content);
        let Some(colon) = text.iter().position(|byte| *byte == b':') else { break };
        let (key, value) = text.split_at_checked(colon)?;
        headers.insert(key.trim_ascii(), value.get(1..)?.trim_ascii());
        content = rest;
    }
    // Without an empty line or content after them, the line of END would be one of them.
    if content.is_empty() && !headers.is_empty() {
        return None;
    }
    let trailer = after_end.strip_prefix(label)?.strip_prefix(DASHES)?;
    let (other, after) = line(trailer);
    if !other.is_empty() {
        return None;
    }
    // Like Go, with the bits of the last character that are not used.
    let engine = GeneralPurpose::new(&STANDARD, GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true));
    let text: Vec<u8> = content.iter().copied().filter(|byte| !b" \t\r\n".contains(byte)).collect();
    let is_encrypted = |kind: &&[u8]| position(kind, b"ENCRYPTED").is_some();
    let block = Block {
        label: String::from_utf8_lossy(label).into_owned(),
        der: engine.decode(text).ok()?,
        has_headers: !headers.is_empty(),
        has_encryption_header: headers.get(b"Proc-Type".as_slice()).is_some_and(is_encrypted),
    };
    Some((block, after))
}

fn position(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).position(|window| window == part)
}

/// The first line without spaces at its end, and what follows it.
fn line(bytes: &[u8]) -> (&[u8], &[u8]) {
    let length = bytes.iter().position(|byte| *byte == b'\n');
    let (line, rest) = match length.and_then(|length| bytes.split_at_checked(length)) {
        Some((line, rest)) => (line.strip_suffix(b"\r").unwrap_or(line), rest.get(1..).unwrap_or_default()),
        None => (bytes, [].as_slice()),
    };
    let blank = line.iter().rev().take_while(|byte| b" \t".contains(byte)).count();
    (line.get(..line.len() - blank).unwrap_or_default(), rest)
}
