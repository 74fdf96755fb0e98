//! Reads OpenPGP certificates (RFC 9580): fingerprint and expiry, without gpg.
//!
//! Signatures are not verified here: a certificate is trusted by its fingerprint, which the caller knows, and apt
//! verifies what it signed. Expiry is read for a warning in time.

mod armor;
mod certificate;
mod packet;

use std::fmt;

use edge_host::{Error, Result};

pub use certificate::{Certificate, SelfSignature};

/// The fingerprint of a primary key: 20 bytes of version 4, 32 of version 6.
#[derive(Clone, PartialEq, Eq)]
pub struct Fingerprint(Vec<u8>);

impl Fingerprint {
    /// Hexadecimal; white space, case and a leading `0x` are ignored.
    pub fn parse(text: &str) -> Result<Fingerprint> {
        let bad = |why: &str| {
            Error::usage(format!("cannot use the fingerprint {text:?}: {why}"))
                .hint("pass the 40 hex digits that gpg --show-keys FILE prints; a key ID is too short to be safe")
        };
        let digits: Vec<char> = text.chars().filter(|c| !c.is_whitespace()).collect();
        let digits = if digits.starts_with(&['0', 'x']) { &digits[2..] } else { &digits[..] };
        let nibbles: Option<Vec<u8>> =
            digits.iter().map(|c| c.to_digit(16).and_then(|nibble| u8::try_from(nibble).ok())).collect();
        let nibbles = nibbles.ok_or_else(|| bad("it is not hexadecimal"))?;
        if ![40, 64].contains(&nibbles.len()) {
            return Err(bad(&format!("it has {} digits instead of 40 or 64", nibbles.len())));
        }
        Ok(Fingerprint(nibbles.chunks(2).map(|pair| pair.iter().fold(0, |byte, nibble| byte << 4 | nibble)).collect()))
    }

    /// The key id that signatures name: the last 8 bytes of version 4, the first of version 6.
    fn key_id(&self) -> &[u8] {
        if self.0.len() == 20 { &self.0[12..] } else { &self.0[..8] }
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02X}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Whether a key file is ASCII-armored; apt before 2.9 relies on the extension of its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `-----BEGIN PGP`: `.asc`.
    Armored,
    /// Packets as they are: `.gpg`.
    Binary,
}

impl Form {
    /// The extension that apt requires.
    pub fn extension(self) -> &'static str {
        match self {
            Form::Armored => "asc",
            Form::Binary => "gpg",
        }
    }
}

/// The certificates of a key file, at least one.
///
/// Fails on anything else: a page of a proxy, a private key, an incomplete download.
pub fn parse(bytes: &[u8]) -> Result<(Form, Vec<Certificate>), String> {
    let armored = armor::begins(bytes);
    let certificates = if armored {
        let blocks = armor::decode(bytes)?;
        let parsed: Result<Vec<_>, String> = blocks.iter().map(|block| certificate::parse(block)).collect();
        parsed?.concat()
    } else {
        certificate::parse(bytes).map_err(|cause| not_a_key(bytes).unwrap_or(cause))?
    };
    if certificates.is_empty() {
        return Err("it contains no key".to_owned());
    }
    Ok((if armored { Form::Armored } else { Form::Binary }, certificates))
}

/// What it is instead, if it is text.
fn not_a_key(bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes.get(..200).unwrap_or(bytes)).ok()?.trim();
    if text.is_empty() {
        return Some("it is empty".to_owned());
    }
    let first: String = text.lines().next()?.chars().take(40).filter(|c| !c.is_control()).collect();
    Some(format!("it is not an OpenPGP key, it begins with {first:?}"))
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::Index;

    use super::*;

    /// The body of a key, of a signature, or of anything.
    fn body() -> impl Strategy<Value = Vec<u8>> {
        let version = prop_oneof![Just(4_u8), Just(6), Just(3)];
        let key = (version, any::<[u8; 8]>()).prop_map(|(version, rest)| [&[version], rest.as_slice()].concat());
        let subpacket = (0_u8..6, 0_u8..40, any::<[u8; 4]>());
        let signature = (any::<[u8; 3]>(), vec(subpacket, 0..4)).prop_map(|(head, subpackets)| {
            let bytes = |(length, kind, value): &(u8, u8, [u8; 4])| [&[*length, *kind], value.as_slice()].concat();
            let hashed: Vec<u8> = subpackets.iter().flat_map(bytes).collect();
            let length = u16::try_from(hashed.len()).unwrap().to_be_bytes();
            [&[4], head.as_slice(), &length, &hashed, &[0, 0, 0, 0]].concat()
        });
        prop_oneof![key, signature, vec(any::<u8>(), 0..40)]
    }

    /// A packet of the new format or the old one.
    fn packet() -> impl Strategy<Value = Vec<u8>> {
        let tag = prop_oneof![4 => Just(6_u8), 2 => Just(14), 2 => Just(2), 1 => Just(13), 1 => 0_u8..16];
        (tag, body(), any::<bool>()).prop_map(|(tag, body, is_new)| {
            let first = if is_new { 0xc0 | tag } else { 0x80 | tag << 2 };
            [&[first, u8::try_from(body.len()).unwrap()], body.as_slice()].concat()
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2048))]

        #[test]
        fn parse_does_not_panic_on_packets(packets in vec(packet(), 0..5), at: Index, damage: u8, cut: Index) {
            let mut bytes = packets.concat();
            if let Ok((_, all)) = parse(&bytes) {
                prop_assert!(all.iter().all(|found| [40, 64].contains(&found.fingerprint.to_string().len())));
                prop_assert!(all.iter().all(|found| found.expires.is_none_or(|end| end >= found.created)));
                // A truncated file is invalid or has fewer keys; never another one.
                if let Ok((_, fewer)) = parse(&bytes[..cut.index(bytes.len() + 1)]) {
                    prop_assert!(fewer.iter().zip(&all).all(|(one, other)| one.fingerprint == other.fingerprint));
                }
            }
            if !bytes.is_empty() {
                let at = at.index(bytes.len());
                bytes[at] = damage;
            }
            let _ = parse(&bytes);
        }

        #[test]
        fn parse_does_not_panic_on_text(
            text in "(-----(BEGIN|END) PGP (PUBLIC|PRIVATE) KEY BLOCK-----\n|[A-Za-z0-9+/=]{0,8}|\n|: |\\PC){0,12}"
        ) {
            let _ = (parse(text.as_bytes()), Fingerprint::parse(&text));
        }
    }
}
