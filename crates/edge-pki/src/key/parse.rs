//! Reads private keys from PEM and DER.

use der::Decode;
use der::asn1::{ObjectIdentifier, OctetStringRef};
use pkcs1::RsaPrivateKeyRef;
use pkcs8::PrivateKeyInfoRef;
use ring::signature::{Ed25519KeyPair, KeyPair};
use sec1::{EcParameters, EcPrivateKey};

use super::{Algorithm, EC_PUBLIC_KEY, ED25519, Form, KeyError, PrivateKey, RSA_ENCRYPTION};
use crate::encoding::{self, Block};

const PARAMETERS: &str = "EC PARAMETERS";

pub(super) fn pem(bytes: &[u8]) -> Result<PrivateKey, KeyError> {
    let blocks = encoding::blocks(bytes).map_err(KeyError::Missing)?;
    let mut curve = None;
    for (index, block) in blocks.iter().enumerate() {
        let read = match block.label.as_str() {
            PARAMETERS => {
                curve = ObjectIdentifier::from_der(&block.der).ok();
                continue;
            }
            "ENCRYPTED PRIVATE KEY" => return Err(KeyError::Encrypted),
            _ if block.has_encryption_header => return Err(KeyError::Encrypted),
            "RSA PRIVATE KEY" => pkcs1(&block.der, Form::Pkcs1),
            "EC PRIVATE KEY" => sec1(&block.der, curve, Form::Sec1),
            "PRIVATE KEY" => pkcs8(&block.der),
            "OPENSSH PRIVATE KEY" => {
                Err("it is in OpenSSH's own format (convert it with ssh-keygen -p -m PEM)".to_owned())
            }
            _ => continue,
        };
        return read.map(|key| PrivateKey { is_first_block: index == 0, ..key }).map_err(KeyError::Unusable);
    }
    Err(KeyError::Missing(format!("it contains no private key, only {}", labels(&blocks))))
}

fn labels(blocks: &[Block]) -> String {
    let mut labels: Vec<&str> = blocks.iter().map(|block| block.label.as_str()).collect();
    labels.dedup();
    labels.join(", ")
}

fn damaged<E>(_: E) -> String {
    "its private key is damaged".to_owned()
}

fn pkcs1(der: &[u8], form: Form) -> Result<PrivateKey, String> {
    use der::Encode;
    let key = RsaPrivateKeyRef::from_der(der).map_err(damaged)?;
    let public = key.public_key().to_der().map_err(damaged)?;
    let algorithm = Algorithm::Rsa(bits(key.modulus.as_bytes()));
    Ok(PrivateKey { algorithm, form, is_first_block: true, secret: der.to_vec(), public: Some(public) })
}

/// The size of a number without leading zeros.
pub(crate) fn bits(number: &[u8]) -> usize {
    let number = number.iter().position(|byte| *byte != 0).and_then(|at| number.get(at..)).unwrap_or_default();
    number.len() * 8 - number.first().map_or(0, |first| first.leading_zeros() as usize)
}

fn sec1(der: &[u8], outside: Option<ObjectIdentifier>, form: Form) -> Result<PrivateKey, String> {
    let key = EcPrivateKey::from_der(der).map_err(damaged)?;
    let inside = key.parameters.and_then(EcParameters::named_curve);
    let curve = inside.or(outside).ok_or("it does not name the curve of its key")?;
    Ok(PrivateKey {
        algorithm: Algorithm::on_curve(curve),
        form,
        is_first_block: true,
        secret: key.private_key.to_vec(),
        public: key.public_key.map(<[u8]>::to_vec),
    })
}

pub(super) fn ed25519(seed: &[u8], form: Form) -> Result<PrivateKey, String> {
    let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(damaged)?;
    let public = Some(pair.public_key().as_ref().to_vec());
    Ok(PrivateKey { algorithm: Algorithm::Ed25519, form, is_first_block: true, secret: seed.to_vec(), public })
}

pub(super) fn pkcs8(der: &[u8]) -> Result<PrivateKey, String> {
    let info = PrivateKeyInfoRef::from_der(der).map_err(damaged)?;
    match info.algorithm.oid {
        RSA_ENCRYPTION => pkcs1(info.private_key.as_bytes(), Form::Pkcs8),
        EC_PUBLIC_KEY => {
            let curve = info.algorithm.parameters_oid().ok();
            sec1(info.private_key.as_bytes(), curve, Form::Pkcs8)
        }
        ED25519 => {
            let seed = <&OctetStringRef>::from_der(info.private_key.as_bytes()).map_err(damaged)?;
            ed25519(seed.as_bytes(), Form::Pkcs8)
        }
        other => Err(format!("its key type is not supported ({other})")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_counted_without_leading_zeros() {
        assert_eq!((bits(&[0, 0x80, 0]), bits(&[1]), bits(&[])), (16, 1, 0));
    }

    #[test]
    fn pem_names_what_it_found_instead_of_a_key() {
        for (text, why) in [
            ("", "it is empty"),
            ("hello", "it is not PEM"),
            ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "no private key, only CERTIFICATE"),
            ("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n", "encrypted"),
            (
                "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: DES-EDE3-CBC,00\n\nAAAA\n-----END RSA PRIVATE KEY-----\n",
                "encrypted",
            ),
            ("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "damaged"),
            ("-----BEGIN EC PRIVATE KEY-----\nAAAA\n", "its PEM block is incomplete: it has no END line"),
            ("-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n", "ssh-keygen"),
        ] {
            let said = pem(text.as_bytes()).unwrap_err().to_string();
            assert!(said.contains(why), "{text}: {said}");
        }
    }

    proptest::proptest! {
        #[test]
        fn parsers_do_not_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            let _ = pem(&bytes);
            let _ = pkcs8(&bytes);
            let _ = sec1(&bytes, None, Form::Sec1);
            let _ = pkcs1(&bytes, Form::Pkcs1);
        }
    }
}
