//! ASCII armor (RFC 9580, 6.2): base64 between two lines, with or without a checksum.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

const BEGIN: &str = "-----BEGIN PGP ";
const BEGIN_KEY: &str = "-----BEGIN PGP PUBLIC KEY BLOCK-----";
const END_KEY: &str = "-----END PGP PUBLIC KEY BLOCK-----";

/// Whether the first line that is not empty begins one.
pub(super) fn begins(bytes: &[u8]) -> bool {
    let start = bytes.iter().position(|byte| !byte.is_ascii_whitespace()).unwrap_or(bytes.len());
    bytes[start..].starts_with(BEGIN.as_bytes())
}

/// The bytes of each block.
pub(super) fn decode(bytes: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "its armor is not text".to_owned())?;
    let mut blocks = Vec::new();
    let mut lines = text.lines().map(str::trim);
    while let Some(line) = lines.by_ref().find(|line| line.starts_with(BEGIN)) {
        if line != BEGIN_KEY {
            let what = line.trim_start_matches(BEGIN).trim_end_matches('-').to_lowercase();
            return Err(format!("it contains a {what}, not a public key"));
        }
        let mut inside = Vec::new();
        loop {
            match lines.next() {
                Some(END_KEY) => break,
                Some(line) => inside.push(line),
                None => return Err("its last block is incomplete: the download was interrupted".to_owned()),
            }
        }
        blocks.push(block(&inside)?);
    }
    Ok(blocks)
}

fn block(lines: &[&str]) -> Result<Vec<u8>, String> {
    // Headers such as `Version:` end at an empty line; without headers that line is often missing.
    let headers = lines.iter().take_while(|line| line.contains(": ")).count();
    let body: Vec<&str> = lines[headers..].iter().copied().filter(|line| !line.is_empty()).collect();
    let (checksum, base64): (Vec<&str>, Vec<&str>) = body.iter().partition(|line| line.starts_with('='));
    let bytes = STANDARD.decode(base64.concat()).map_err(|_| "its armor is damaged".to_owned())?;
    if let Some(checksum) = checksum.first() {
        let expected = STANDARD.decode(&checksum[1..]).map_err(|_| "its checksum is damaged".to_owned())?;
        if expected != crc24(&bytes).to_be_bytes()[1..] {
            return Err("its checksum is wrong: the file is damaged".to_owned());
        }
    }
    Ok(bytes)
}

/// RFC 9580, 6.1.1.
fn crc24(bytes: &[u8]) -> u32 {
    const INIT: u32 = 0x00B7_04CE;
    const POLYNOMIAL: u32 = 0x0186_4CFB;
    bytes.iter().fold(INIT, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte) << 16, |crc, _| {
            let crc = crc << 1;
            if crc & 0x0100_0000 == 0 { crc } else { crc ^ POLYNOMIAL }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn armored(body: &str) -> String {
        format!("{BEGIN_KEY}\nComment: x\n\n{body}\n{END_KEY}\n")
    }

    #[test]
    fn decode_accepts_blocks_with_and_without_checksum() {
        let sum = STANDARD.encode(&crc24(b"hello").to_be_bytes()[1..]);
        let good = armored(&format!("aGVs\nbG8=\n={sum}"));
        let bare = format!("{BEGIN_KEY}\r\naGVsbG8=\r\n{END_KEY}\r\n");
        assert_eq!(decode(format!("{good}{bare}").as_bytes()).unwrap(), [b"hello", b"hello"]);
    }

    #[test]
    fn decode_refuses_damaged_blocks() {
        let cases = [
            (armored("aGVsbG8=\n=AAAA"), "checksum is wrong"),
            (armored("aGVsb!8="), "armor is damaged"),
            (format!("{BEGIN_KEY}\n\naGVsbG8=\n"), "interrupted"),
            ("-----BEGIN PGP PRIVATE KEY BLOCK-----\n".to_owned(), "private key block, not a public key"),
        ];
        for (text, why) in cases {
            let said = decode(text.as_bytes()).unwrap_err();
            assert!(said.contains(why), "{said}");
        }
    }

    #[test]
    fn decode_takes_linear_time() {
        let time = |blocks: usize| {
            let text = format!("{BEGIN_KEY}\naGVsbG8=\n{END_KEY}\n").repeat(blocks);
            let begin = std::time::Instant::now();
            assert_eq!(decode(text.as_bytes()).unwrap().len(), blocks);
            begin.elapsed()
        };
        let (small, large) = (time(5_000), time(30_000));
        assert!(large < small * 20 + std::time::Duration::from_millis(500), "{small:?} and {large:?}");
    }

    #[test]
    fn crc24_is_that_of_the_standard() {
        // The value of an empty body, and of nine digits as in the catalogues of checksums.
        assert_eq!(crc24(b""), 0x00B7_04CE);
        assert_eq!(crc24(b"123456789"), 0x0021_CF02);
    }
}
