//! Packets and signature subpackets (RFC 9580, 4.2 and 5.2).

/// A packet: its type and its body.
pub(super) struct Packet<'b> {
    pub(super) tag: u8,
    pub(super) body: &'b [u8],
}

/// All packets of a key file.
pub(super) fn packets(mut bytes: &[u8]) -> Result<Vec<Packet<'_>>, String> {
    let mut all = Vec::new();
    while let Some((&first, rest)) = bytes.split_first() {
        if first & 0x80 == 0 {
            return Err("it is not an OpenPGP key".to_owned());
        }
        let is_new = first & 0x40 != 0;
        let tag = if is_new { first & 0x3f } else { first >> 2 & 0x0f };
        let (length, rest) = if is_new { new_length(rest)? } else { old_length(first & 3, rest)? };
        let (body, rest) = split(rest, length)?;
        all.push(Packet { tag, body });
        bytes = rest;
    }
    Ok(all)
}

fn new_length(bytes: &[u8]) -> Result<(usize, &[u8]), String> {
    let (first, rest) = split(bytes, 1)?;
    match usize::from(first[0]) {
        short @ 0..192 => Ok((short, rest)),
        high @ 192..224 => {
            let (low, rest) = split(rest, 1)?;
            Ok(((high - 192) * 256 + usize::from(low[0]) + 192, rest))
        }
        255 => number(rest, 4),
        _ => Err("it has a packet with partial lengths, which keys do not have".to_owned()),
    }
}

fn old_length(kind: u8, bytes: &[u8]) -> Result<(usize, &[u8]), String> {
    match kind {
        0 => number(bytes, 1),
        1 => number(bytes, 2),
        2 => number(bytes, 4),
        _ => Err("it has a packet without a length, which keys do not have".to_owned()),
    }
}

/// The parts of a signature that are used here.
pub(super) struct Signature {
    /// Its type.
    pub(super) kind: u8,
    /// The number of the hash algorithm.
    pub(super) hash: u8,
    /// Seconds since 1970.
    pub(super) created: u64,
    /// Key ID of the issuer, if given.
    pub(super) issuer: Option<Vec<u8>>,
    /// Seconds after the creation of the key; 0 if it does not expire.
    pub(super) key_expires: u64,
    /// What the key may be used for, if given.
    pub(super) key_flags: Option<u8>,
}

const CREATED: u8 = 2;
const KEY_EXPIRES: u8 = 9;
const ISSUER: u8 = 16;
const KEY_FLAGS: u8 = 27;
const ISSUER_FINGERPRINT: u8 = 33;

/// A signature of version 4 or 6; none for older versions, which have no expiry.
pub(super) fn signature(body: &[u8]) -> Result<Option<Signature>, String> {
    let (head, rest) = split(body, 4)?;
    let width = match head[0] {
        4 => 2,
        6 => 4,
        _ => return Ok(None),
    };
    let (length, rest) = number(rest, width)?;
    let (hashed, rest) = split(rest, length)?;
    let (length, rest) = number(rest, width)?;
    let (unhashed, _) = split(rest, length)?;
    let mut signature =
        Signature { kind: head[1], hash: head[3], created: 0, issuer: None, key_expires: 0, key_flags: None };
    for (kind, value) in subpackets(hashed)? {
        match (kind, value) {
            (CREATED, value) => signature.created = seconds(value),
            (KEY_EXPIRES, value) => signature.key_expires = seconds(value),
            (KEY_FLAGS, [flags, ..]) => signature.key_flags = Some(*flags),
            _ => {}
        }
    }
    // The issuer may be in the unsigned part, as it is only a hint.
    for (kind, value) in subpackets(hashed)?.into_iter().chain(subpackets(unhashed)?) {
        match (kind, value) {
            (ISSUER, id) => signature.issuer = Some(id.to_vec()),
            (ISSUER_FINGERPRINT, [4, print @ ..]) if print.len() == 20 => signature.issuer = Some(print[12..].to_vec()),
            (ISSUER_FINGERPRINT, [6, print @ ..]) if print.len() == 32 => signature.issuer = Some(print[..8].to_vec()),
            _ => {}
        }
    }
    Ok(Some(signature))
}

fn subpackets(mut bytes: &[u8]) -> Result<Vec<(u8, &[u8])>, String> {
    let mut all = Vec::new();
    while !bytes.is_empty() {
        let (first, rest) = split(bytes, 1)?;
        let (length, rest) = match usize::from(first[0]) {
            short @ 0..192 => (short, rest),
            255 => number(rest, 4)?,
            high => {
                let (low, rest) = split(rest, 1)?;
                ((high - 192) * 256 + usize::from(low[0]) + 192, rest)
            }
        };
        let (body, rest) = split(rest, length)?;
        if let Some((kind, value)) = body.split_first() {
            // The highest bit (critical) matters only to verifiers.
            all.push((kind & 0x7f, value));
        }
        bytes = rest;
    }
    Ok(all)
}

/// Four bytes of seconds; 0 for anything else.
fn seconds(value: &[u8]) -> u64 {
    <[u8; 4]>::try_from(value).map_or(0, |bytes| u64::from(u32::from_be_bytes(bytes)))
}

pub(super) fn number(bytes: &[u8], width: usize) -> Result<(usize, &[u8]), String> {
    let (digits, rest) = split(bytes, width)?;
    Ok((digits.iter().fold(0, |number, byte| number << 8 | usize::from(*byte)), rest))
}

pub(super) fn split(bytes: &[u8], at: usize) -> Result<(&[u8], &[u8]), String> {
    bytes.split_at_checked(at).ok_or_else(|| "it is incomplete: the download was interrupted".to_owned())
}
