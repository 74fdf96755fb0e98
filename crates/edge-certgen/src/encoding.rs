//! PEM blocks in and out.

use pem::{EncodeConfig, LineEnding, Pem};

/// One block of a PEM file.
#[derive(Debug, Clone)]
pub(crate) struct Block {
    pub(crate) label: String,
    pub(crate) der: Vec<u8>,
    /// Encrypted in the way of old OpenSSL: a header inside the block.
    pub(crate) has_encryption_header: bool,
}

const BEGIN: &[u8] = b"-----BEGIN ";
const END: &[u8] = b"-----END ";
const DASHES: &[u8] = b"-----";
/// What some editors write in front of a text.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Every label of a private key ends so.
const PRIVATE_KEY: &[u8] = b"PRIVATE KEY-----";

pub(crate) const CERTIFICATE: &str = "CERTIFICATE";

/// All blocks of a file, in order; text between them is passed over, as every loader does.
pub(crate) fn blocks(bytes: &[u8]) -> Result<Vec<Block>, String> {
    if bytes.is_empty() {
        return Err("it is empty".to_owned());
    }
    if let Some(why) = unseen(bytes) {
        return Err(format!("{why}, and programs in Go find no PEM there"));
    }
    let found = pem::parse_many(bytes).map_err(|cause| format!("it is damaged PEM: {cause}"))?;
    if found.is_empty() {
        let begins = bytes.windows(BEGIN.len()).any(|window| window == BEGIN);
        return Err(if begins { "its PEM is cut off" } else { "it is not PEM" }.to_owned());
    }
    Ok(found.into_iter().map(block).collect())
}

/// What keeps a loader from a block that our library finds: Go's, and so cloudcore's and the
/// apiserver's, wants BEGIN and END at the beginning of a line, and nothing else on it.
fn unseen(bytes: &[u8]) -> Option<&'static str> {
    for line in bytes.split(|byte| *byte == b'\n') {
        let find = |marker: &[u8]| line.windows(marker.len()).position(|window| window == marker);
        let Some((at, marker)) = [BEGIN, END].into_iter().find_map(|marker| Some((find(marker)?, marker))) else {
            continue;
        };
        if line.get(..at) == Some(BYTE_ORDER_MARK) {
            return Some("a byte order mark stands before its PEM");
        }
        if at > 0 {
            return Some("its PEM is indented, or there is text before it on a line");
        }
        let label = line.trim_ascii_end().strip_prefix(marker).and_then(|rest| rest.strip_suffix(DASHES));
        if label.is_none_or(|label| label.windows(DASHES.len()).any(|window| window == DASHES)) {
            return Some("its PEM has something beside BEGIN or END on the same line");
        }
    }
    None
}

/// What a certificate's file holds for everybody to read: all of it, or, where anything but certificates
/// stands in it, such as the private key, the certificates alone.
pub(crate) fn without_keys(bytes: &[u8]) -> Result<Vec<u8>, String> {
    let blocks = blocks(bytes)?;
    let certificates: Vec<&Block> = blocks.iter().filter(|block| block.label == CERTIFICATE).collect();
    // A key that is cut off is no block, and still most of a key.
    let begins = bytes.windows(BEGIN.len()).filter(|window| *window == BEGIN).count();
    if certificates.len() == begins {
        return Ok(bytes.to_vec());
    }
    Ok(certificates.iter().map(|block| encode(CERTIFICATE, &block.der)).collect::<String>().into_bytes())
}

/// Whether the first block of a file is a certificate.
pub(crate) fn begins_with_certificate(bytes: &[u8]) -> bool {
    blocks(bytes).is_ok_and(|blocks| blocks.first().is_some_and(|block| block.label == CERTIFICATE))
}

/// Whether a private key stands in a file, even a part of one.
pub(crate) fn holds_key(bytes: &[u8]) -> bool {
    bytes.windows(PRIVATE_KEY.len()).any(|window| window == PRIVATE_KEY)
}

fn block(pem: Pem) -> Block {
    let has_encryption_header = pem.headers().get("Proc-Type").is_some_and(|kind| kind.contains("ENCRYPTED"));
    Block { label: pem.tag().to_owned(), has_encryption_header, der: pem.into_contents() }
}

/// A block as text, lines of 64 ending in a line feed.
pub(crate) fn encode(label: &str, der: &[u8]) -> String {
    pem::encode_config(&Pem::new(label, der), EncodeConfig::new().set_line_ending(LineEnding::LF))
}
