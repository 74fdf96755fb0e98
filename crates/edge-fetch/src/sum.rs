//! SHA-256 and SHA-512 checksums in hex, computed in pieces.

use std::fs::File;
use std::io::{self, Read, Seek, Write};

use edge_host::{Result, ResultExt};
use sha2::{Digest, Sha256, Sha512};

/// How many bytes are read between two calls of `stop`.
const PIECE: u64 = 1 << 20;

/// A reader that computes the checksum of what is read from it.
#[derive(Debug)]
pub struct Summed<R> {
    inner: R,
    sum: Sha256,
}

impl<R> Summed<R> {
    /// Computes the checksum of the rest of `inner`.
    pub fn new(inner: R) -> Summed<R> {
        Summed { inner, sum: Sha256::new() }
    }

    /// The checksum of the bytes that were read.
    pub fn finish(self) -> String {
        hex(&self.sum.finalize())
    }
}

impl<R: Read> Read for Summed<R> {
    fn read(&mut self, piece: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(piece)?;
        self.sum.update(&piece[..read]);
        Ok(read)
    }
}

/// The checksum and length of the rest of a reader.
pub fn sum_of(from: &mut dyn Read) -> io::Result<(String, u64)> {
    let mut summed = Summed::new(from);
    let size = io::copy(&mut summed, &mut io::sink())?;
    Ok((summed.finish(), size))
}

/// The checksum of a whole file, which is rewound afterwards. An error of `stop`, which is called in between, ends it.
pub fn checksum(file: &mut File, shown: &str, stop: &dyn Fn() -> Result<()>) -> Result<String> {
    file.rewind().on("read", shown)?;
    let mut summed = Summed::new(&mut *file);
    loop {
        stop()?;
        if io::copy(&mut summed.by_ref().take(PIECE), &mut io::sink()).on("read", shown)? == 0 {
            break;
        }
    }
    let sum = summed.finish();
    file.rewind().on("read", shown)?;
    Ok(sum)
}

/// The SHA-512 of a whole file, which is rewound afterwards. An error of `stop`, which is called in between, ends it.
pub fn sha512(file: &mut File, shown: &str, stop: &dyn Fn() -> Result<()>) -> Result<String> {
    file.rewind().on("read", shown)?;
    let (mut sum, mut piece) = (Sha512::new(), vec![0; 64 << 10]);
    loop {
        stop()?;
        match file.read(&mut piece) {
            Ok(0) => break,
            Ok(read) => sum.update(&piece[..read]),
            Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
            Err(cause) => return Err(cause).on("read", shown),
        }
    }
    file.rewind().on("read", shown)?;
    Ok(hex(&sum.finalize()))
}

/// A writer that computes the SHA-512 of what is written through it.
#[derive(Debug)]
pub struct Sha512Writer<W> {
    inner: W,
    sum: Sha512,
}

impl<W> Sha512Writer<W> {
    /// Writes to `inner`.
    pub fn new(inner: W) -> Sha512Writer<W> {
        Sha512Writer { inner, sum: Sha512::new() }
    }

    /// The inner writer, and the checksum of what it was given.
    pub fn finish(self) -> (W, String) {
        (self.inner, hex(&self.sum.finalize()))
    }
}

impl<W: Write> Write for Sha512Writer<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.sum.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Whether a text is a SHA-512 in hex.
pub fn is_sha512(text: &str) -> bool {
    text.len() == 128 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The checksum of bytes in memory.
pub fn sha256(bytes: impl AsRef<[u8]>) -> String {
    hex(&Sha256::digest(bytes))
}

/// Bytes as hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Whether a text is a SHA-256 in hex.
pub fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use edge_host::Error;

    use super::*;

    #[test]
    fn checksum_covers_all_bytes_and_stops_on_request() {
        let bytes = vec![7; (PIECE * 2 + 5) as usize];
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&bytes).unwrap();
        let want = sha256(&bytes);
        assert_eq!(checksum(&mut file, "x", &|| Ok(())).unwrap(), want);
        assert_eq!(sum_of(&mut file).unwrap(), (want.clone(), bytes.len() as u64), "from the beginning");
        assert!(checksum(&mut file, "x", &|| Err(Error::failed("stop"))).is_err());
        let long = sha512(&mut file, "x", &|| Ok(())).unwrap();
        assert_eq!(long, hex(&Sha512::digest(&bytes)));
        assert!(is_sha512(&long) && !is_sha512(&want) && !is_sha256(&long));
        assert!(sha512(&mut file, "x", &|| Err(Error::failed("stop"))).is_err());
        let mut writer = Sha512Writer::new(Vec::new());
        writer.write_all(&bytes).unwrap();
        assert_eq!(writer.finish(), (bytes, long));
    }
}
