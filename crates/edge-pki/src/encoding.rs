//! Reads and writes PEM blocks.

mod decode;

use pem::{EncodeConfig, LineEnding, Pem};

/// One block of a PEM file.
#[derive(Debug, Clone)]
pub struct Block {
    /// The label of BEGIN and END: `CERTIFICATE`.
    pub label: String,
    /// The content.
    pub der: Vec<u8>,
    /// Whether there are headers inside the block, before its content.
    pub has_headers: bool,
    /// Whether it is encrypted in the old way of OpenSSL, by such a header.
    pub has_encryption_header: bool,
}

const BEGIN: &[u8] = b"-----BEGIN ";
const END: &[u8] = b"-----END ";
const DASHES: &[u8] = b"-----";
/// Some editors write it at the beginning of a text.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The end of every label of a private key.
const PRIVATE_KEY: &[u8] = b"PRIVATE KEY-----";

/// The label of a certificate's block.
pub const CERTIFICATE: &str = "CERTIFICATE";

/// All blocks of a file that Go finds, in order; like Go, text between them and damaged blocks are skipped.
///
/// Errors: why there is none.
pub fn blocks(bytes: &[u8]) -> Result<Vec<Block>, String> {
    if bytes.is_empty() {
        return Err("it is empty".to_owned());
    }
    let found = decode::blocks(bytes);
    if !found.is_empty() {
        return Ok(found);
    }
    if let Some(why) = unseen(bytes) {
        return Err(format!("{why}, so programs written in Go find no PEM block"));
    }
    let contains = |marker: &[u8]| bytes.windows(marker.len()).any(|window| window == marker);
    Err(match (contains(BEGIN), contains(END)) {
        (false, _) => "it is not PEM",
        (true, false) => "its PEM block is incomplete: it has no END line",
        (true, true) => "its PEM block is damaged: it is not valid base64",
    }
    .to_owned())
}

/// How many blocks begin in a file that Go does not find: they are damaged, indented or incomplete.
pub fn skipped(bytes: &[u8]) -> usize {
    let begun = bytes.windows(BEGIN.len()).filter(|window| *window == BEGIN).count();
    begun.saturating_sub(blocks(bytes).map_or(0, |blocks| blocks.len()))
}

/// The same as text, for a finding.
pub fn skipped_text(count: usize) -> String {
    let blocks = if count == 1 { "1 PEM block".to_owned() } else { format!("{count} PEM blocks") };
    format!("programs skip {blocks} in it: damaged, incomplete or indented")
}

/// The label of a line that contains nothing but this marker; spaces may follow.
fn label<'l>(line: &'l [u8], marker: &[u8]) -> Option<&'l [u8]> {
    let label = line.trim_ascii_end().strip_prefix(marker)?.strip_suffix(DASHES)?;
    (!label.windows(DASHES.len()).any(|window| window == DASHES)).then_some(label)
}

/// Why Go does not find a block in what looks like PEM: Go, and so cloudcore and the apiserver, requires BEGIN
/// and END at the beginning of a line, and nothing else on it.
fn unseen(bytes: &[u8]) -> Option<&'static str> {
    for line in bytes.split(|byte| *byte == b'\n') {
        let find = |marker: &[u8]| line.windows(marker.len()).position(|window| window == marker);
        let Some((at, marker)) = [BEGIN, END].into_iter().find_map(|marker| Some((find(marker)?, marker))) else {
            continue;
        };
        if line.get(..at) == Some(BYTE_ORDER_MARK) {
            return Some("it has a byte order mark before its PEM block");
        }
        if at > 0 {
            return Some("its PEM block is indented, or has text before it on the same line");
        }
        if label(line, marker).is_none() {
            return Some("its PEM block has other text on the line of BEGIN or END");
        }
    }
    None
}

/// The public part of a certificate's file: all of it, or only the certificates where it contains anything else,
/// such as the private key.
///
/// Errors: why it has no PEM block.
pub fn without_keys(bytes: &[u8]) -> Result<Vec<u8>, String> {
    let blocks = blocks(bytes)?;
    let certificates: Vec<&Block> = blocks.iter().filter(|block| block.label == CERTIFICATE).collect();
    // An incomplete key is not a block, and still most of a key.
    let begins = bytes.windows(BEGIN.len()).filter(|window| *window == BEGIN).count();
    if certificates.len() == begins {
        return Ok(bytes.to_vec());
    }
    Ok(certificates.iter().map(|block| encode(CERTIFICATE, &block.der)).collect::<String>().into_bytes())
}

/// Whether the first block of a file is a certificate.
pub fn begins_with_certificate(bytes: &[u8]) -> bool {
    blocks(bytes).is_ok_and(|blocks| blocks.first().is_some_and(|block| block.label == CERTIFICATE))
}

/// Whether a file contains a private key, even an incomplete one.
pub fn contains_key(bytes: &[u8]) -> bool {
    bytes.windows(PRIVATE_KEY.len()).any(|window| window == PRIVATE_KEY)
}

/// A block as text, lines of 64 ending in a line feed.
pub fn encode(label: &str, der: &[u8]) -> String {
    pem::encode_config(&Pem::new(label, der), EncodeConfig::new().set_line_ending(LineEnding::LF))
}
