//! OpenPGP certificates, in packets and in ASCII armour. The first byte of an input decides whether the rest is
//! taken as it is or put into armour first.

use edge_apt::openpgp::{Certificate, Form, parse};

use super::Target;

pub(super) const TARGET: Target = Target {
    name: "openpgp",
    check,
    read,
    seeds,
    tokens: &[
        "-----BEGIN PGP PUBLIC KEY BLOCK-----\n",
        "\n-----END PGP PUBLIC KEY BLOCK-----\n",
        "-----BEGIN PGP ",
        "\n",
        "\n\n",
        "=",
        ": ",
        "Version: x\n",
        "\u{1}",
        "\u{4}",
        "\u{6}",
        "\u{2}",
        "\u{1b}",
        "\u{9}",
        "\u{21}",
        "AAAA",
        "\u{0}\u{0}",
    ],
    growing: &[
        ("\u{0}", "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmQ==\n-----END PGP PUBLIC KEY BLOCK-----\n", ""),
        ("\u{0}-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n", "AAAA\n", "-----END PGP PUBLIC KEY BLOCK-----\n"),
        ("\u{0}-----BEGIN PGP PUBLIC KEY BLOCK-----\n", "a: b\n", "\nAAAA\n-----END PGP PUBLIC KEY BLOCK-----\n"),
        ("\u{0}", "-----BEGIN PGP PUBLIC KEY BLOCK-----\n", ""),
        ("\u{0}", "\n", "-----BEGIN PGP PUBLIC KEY BLOCK-----"),
    ],
};

/// A packet of the new format.
fn packet(tag: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).expect("a short body").to_be_bytes();
    [&[0xc0 | tag, 255], length.as_slice(), body].concat()
}

fn key(version: u8, created: u32) -> Vec<u8> {
    [&[version], created.to_be_bytes().as_slice(), &[22, 9, 0x2b, 6, 1, 4, 1, 0xda, 0x47, 0x0f, 1, 1, 0, 0x40]].concat()
}

/// A signature with its time, the usage and expiry of the key, and its issuer.
fn signature(kind: u8, created: u32, expires: u32) -> Vec<u8> {
    let hashed = [
        [5, 2].as_slice(),
        &created.to_be_bytes(),
        &[2, 27, 3, 5, 9],
        &expires.to_be_bytes(),
        &[9, 16, 1, 2, 3, 4, 5, 6, 7, 8],
    ]
    .concat();
    let length = u16::try_from(hashed.len()).expect("a short one").to_be_bytes();
    [&[4, kind, 22, 10], length.as_slice(), &hashed, &[0, 0, 0xab, 0xcd, 0, 1, 1]].concat()
}

fn seeds() -> Vec<Vec<u8>> {
    let whole = [
        packet(6, &key(4, 1_700_000_000)),
        packet(13, b"Edge <edge@example.invalid>"),
        packet(2, &signature(0x13, 1_700_000_000, 0)),
        packet(14, &key(4, 1_700_000_001)),
        packet(2, &signature(0x18, 1_700_000_001, 86400)),
    ]
    .concat();
    let other = [packet(6, &key(6, 1)), packet(2, &signature(0x20, 2, 1))].concat();
    let two = [whole.clone(), other.clone()].concat();
    let armored = armored(&two);
    let bare: Vec<Vec<u8>> = vec![whole, other, two, armored];
    (0..2).flat_map(|first| bare.iter().map(move |seed| [&[first], seed.as_slice()].concat())).collect()
}

fn armored(bytes: &[u8]) -> Vec<u8> {
    let text = pem_like(bytes);
    format!("-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n{text}-----END PGP PUBLIC KEY BLOCK-----\n").into_bytes()
}

/// Base64 in lines.
fn pem_like(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for (number, three) in bytes.chunks(3).enumerate() {
        let bits = three.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
        for place in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * place) & 63) as usize];
            text.push(if place > three.len() { '=' } else { char::from(digit) });
        }
        if number % 16 == 15 {
            text.push('\n');
        }
    }
    text.push('\n');
    text
}

/// How the rest is read, by the first byte.
fn file(data: &[u8]) -> Vec<u8> {
    match data.split_first() {
        Some((first, rest)) if first % 2 == 1 => armored(rest),
        Some((_, rest)) => rest.to_vec(),
        None => Vec::new(),
    }
}

fn read(data: &[u8]) {
    let _ = parse(&file(data));
}

fn fingerprints(certificates: &[Certificate]) -> Vec<String> {
    certificates.iter().map(|certificate| certificate.fingerprint.to_string()).collect()
}

fn check(data: &[u8]) {
    let bytes = file(data);
    let Ok((form, all)) = parse(&bytes) else { return };
    assert!(!all.is_empty());
    for one in &all {
        assert!([40, 64].contains(&one.fingerprint.to_string().len()));
        assert!(one.expires.is_none_or(|end| end >= one.created), "{one:?}");
    }
    if form == Form::Binary {
        // In armour it is the same.
        let (form, again) = parse(&armored(&bytes)).expect("the same packets");
        assert_eq!((form, fingerprints(&again)), (Form::Armored, fingerprints(&all)));
        // Cut off it is less, never something else.
        let cut = bytes.len() * usize::from(data[0]) / 256;
        if let Ok((Form::Binary, fewer)) = parse(&bytes[..cut]) {
            let (fewer, all) = (fingerprints(&fewer), fingerprints(&all));
            assert!(all.starts_with(&fewer), "{fewer:?} {all:?}");
        }
    } else {
        // Appended once more, both are read.
        let twice = [bytes.as_slice(), b"\n", &bytes].concat();
        let (_, twice) = parse(&twice).expect("two blocks");
        assert_eq!(fingerprints(&twice), [fingerprints(&all), fingerprints(&all)].concat());
    }
}
