//! A certificate: primary key, subkeys, and their self-signatures.

use sha1::{Digest, Sha1};
use sha2::Sha256;

use super::Fingerprint;
use super::packet::{Packet, Signature, packets, signature, split};

const SIGNATURE: u8 = 2;
const SECRET_KEY: u8 = 5;
const PUBLIC_KEY: u8 = 6;
const USER_ID: u8 = 13;
const PUBLIC_SUBKEY: u8 = 14;
const USER_ATTRIBUTE: u8 = 17;

const KEY_REVOCATION: u8 = 0x20;
const SUBKEY_BINDING: u8 = 0x18;
const SUBKEY_REVOCATION: u8 = 0x28;
const DIRECT: u8 = 0x1f;
const CERTIFICATIONS: std::ops::RangeInclusive<u8> = 0x10..=0x13;
const MAY_SIGN: u8 = 0x02;
/// The number of SHA-1 among the hash algorithms; MD5 is before it.
const SHA1: u8 = 2;

/// A public key with its names, as a repository gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// Of the primary key.
    pub fingerprint: Fingerprint,
    /// The first name in it, such as `isv:cri-o OBS Project <…>`; empty if there is none.
    pub user: String,
    /// Seconds since 1970.
    pub created: u64,
    /// When it can no longer sign a repository, in seconds since 1970; none if it does not expire.
    pub expires: Option<u64>,
    /// Whether its owner revoked it.
    pub revoked: bool,
    /// The hash of its self-signature.
    pub self_signature: SelfSignature,
}

/// Whether the newest self-signature of a key is accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SelfSignature {
    /// Its hash is accepted by every verifier.
    Sound,
    /// SHA-1 or older: not accepted by sqv, the verifier of apt since Debian 13, since February 2026.
    Sha1,
    /// There is none; gpg and sqv do not accept such a key.
    Missing,
}

/// A key packet with its newest self-signature.
struct Key {
    created: u64,
    newest: Option<Signature>,
    revoked: bool,
}

impl Key {
    fn expires(&self) -> Option<u64> {
        let lasts = self.newest.as_ref().map_or(0, |newest| newest.key_expires);
        (lasts != 0).then(|| self.created.saturating_add(lasts))
    }

    fn may_sign(&self) -> bool {
        self.newest.as_ref().and_then(|newest| newest.key_flags).is_none_or(|flags| flags & MAY_SIGN != 0)
    }

    fn learn(&mut self, signature: Signature) {
        if self.newest.as_ref().is_none_or(|newest| newest.created <= signature.created) {
            self.newest = Some(signature);
        }
    }
}

/// All certificates of a file of packets.
pub(super) fn parse(bytes: &[u8]) -> Result<Vec<Certificate>, String> {
    let packets = packets(bytes)?;
    let mut all = Vec::new();
    let mut rest = packets.as_slice();
    while let Some((first, more)) = rest.split_first() {
        match first.tag {
            PUBLIC_KEY => {
                let end = more.iter().position(|packet| packet.tag == PUBLIC_KEY).unwrap_or(more.len());
                all.push(certificate(first, &more[..end])?);
                rest = &more[end..];
            }
            SECRET_KEY => return Err("it contains a private key, not a public key".to_owned()),
            _ => return Err("it does not begin with a public key".to_owned()),
        }
    }
    Ok(all)
}

fn certificate(primary: &Packet<'_>, packets: &[Packet<'_>]) -> Result<Certificate, String> {
    let (fingerprint, created) = identify(primary.body)?;
    let mut user = None;
    let mut key = Key { created, newest: None, revoked: false };
    let mut subkeys: Vec<Key> = Vec::new();
    for packet in packets {
        match packet.tag {
            USER_ID => {
                user = user.or_else(|| Some(String::from_utf8_lossy(packet.body).replace(char::is_control, "?")))
            }
            PUBLIC_SUBKEY => subkeys.push(Key { created: identify(packet.body)?.1, newest: None, revoked: false }),
            SIGNATURE => {
                let Some(signature) = signature(packet.body)? else { continue };
                // Signatures of others do not set the dates of the key.
                if signature.issuer.as_deref() != Some(fingerprint.key_id()) {
                    continue;
                }
                match (signature.kind, subkeys.last_mut()) {
                    (KEY_REVOCATION, _) => key.revoked = true,
                    (SUBKEY_REVOCATION, Some(subkey)) => subkey.revoked = true,
                    (SUBKEY_BINDING, Some(subkey)) => subkey.learn(signature),
                    (DIRECT, _) => key.learn(signature),
                    (kind, _) if CERTIFICATIONS.contains(&kind) => key.learn(signature),
                    _ => {}
                }
            }
            USER_ATTRIBUTE => {}
            SECRET_KEY => return Err("it contains a private key, not a public key".to_owned()),
            _ => {}
        }
    }
    let self_signature = match &key.newest {
        Some(newest) if newest.hash <= SHA1 => SelfSignature::Sha1,
        Some(_) => SelfSignature::Sound,
        None => SelfSignature::Missing,
    };
    Ok(Certificate {
        fingerprint,
        user: user.unwrap_or_default(),
        created,
        expires: last_signature(&key, &subkeys),
        revoked: key.revoked,
        self_signature,
    })
}

/// Until when any of its keys may sign; none can after the primary key has expired.
fn last_signature(key: &Key, subkeys: &[Key]) -> Option<u64> {
    if key.may_sign() {
        return key.expires();
    }
    let signing = subkeys.iter().filter(|subkey| !subkey.revoked && subkey.newest.is_some() && subkey.may_sign());
    // One that does not expire outlasts all others.
    let ends: Option<Vec<u64>> = signing.map(Key::expires).collect();
    let of_subkeys = ends.and_then(|ends| ends.into_iter().max());
    match (key.expires(), of_subkeys) {
        (Some(primary), Some(subkey)) => Some(primary.min(subkey)),
        (one, other) => one.or(other),
    }
}

/// Fingerprint and creation of a key packet (RFC 9580, 5.5.4).
fn identify(body: &[u8]) -> Result<(Fingerprint, u64), String> {
    let (head, _) = split(body, 5)?;
    let created = head[1..].iter().fold(0, |time, byte| time << 8 | u64::from(*byte));
    let length = u32::try_from(body.len()).map_err(|_| "it is too large for a key".to_owned())?;
    let fingerprint = match head[0] {
        4 => {
            let length = u16::try_from(length).map_err(|_| "it is too large for a key".to_owned())?;
            Sha1::new().chain_update([0x99]).chain_update(length.to_be_bytes()).chain_update(body).finalize().to_vec()
        }
        6 => {
            Sha256::new().chain_update([0x9b]).chain_update(length.to_be_bytes()).chain_update(body).finalize().to_vec()
        }
        version => return Err(format!("it is a key of version {version}, which apt does not support")),
    };
    Ok((Fingerprint(fingerprint), created))
}
