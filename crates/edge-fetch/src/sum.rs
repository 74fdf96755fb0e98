//! SHA-256 checksums, in pieces and in hex.

use std::io::{self, Read};

use sha2::{Digest, Sha256};

const PIECE: usize = 64 << 10;

/// The checksum and length of what is left in a reader.
pub fn sum_of(from: &mut dyn Read) -> io::Result<(String, u64)> {
    let mut sum = Sha256::new();
    let mut piece = vec![0; PIECE];
    let mut size = 0;
    loop {
        match from.read(&mut piece) {
            Ok(0) => return Ok((hex(&sum.finalize()), size)),
            Ok(count) => {
                sum.update(&piece[..count]);
                size += count as u64;
            }
            Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
            Err(cause) => return Err(cause),
        }
    }
}

/// Bytes as hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Whether a text is a SHA-256 in hex.
pub fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}
