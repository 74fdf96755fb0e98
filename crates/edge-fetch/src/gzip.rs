//! Unpacks a single gzipped file into memory.

#![allow(clippy::disallowed_types, reason = "beside archives, the only reader of compressed files")]

use std::io::Read as _;

use flate2::read::MultiGzDecoder;

/// The content of a gzipped file; none if it is damaged, incomplete or larger than `limit` bytes.
#[must_use]
pub fn unzip(bytes: &[u8], limit: u64) -> Option<Vec<u8>> {
    let mut content = Vec::new();
    let read = MultiGzDecoder::new(bytes).take(limit.saturating_add(1)).read_to_end(&mut content).ok()?;
    (read as u64 <= limit).then_some(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unzip_is_bounded_and_refuses_damage() {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut encoder, &[b'x'; 5000]).unwrap();
        let zipped = encoder.finish().unwrap();
        assert_eq!(unzip(&zipped, 5000).map(|content| content.len()), Some(5000));
        assert_eq!(unzip(&zipped, 4999), None);
        assert_eq!(unzip(zipped.get(..zipped.len() - 3).unwrap(), 5000), None);
        assert_eq!(unzip(b"no", 10), None);
    }
}
