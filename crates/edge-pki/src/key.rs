//! Private keys, in every format that OpenSSL and Go write.

mod parse;

pub(crate) use parse::bits;

use std::fmt;

use der::Encode;
use der::asn1::{AnyRef, BitStringRef, ObjectIdentifier, OctetStringRef};
use pkcs8::{AlgorithmIdentifierRef, PrivateKeyInfoRef, SubjectPublicKeyInfoRef};
use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair};
use sec1::{EcParameters, EcPrivateKey};

use crate::encoding;

pub(crate) const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
pub(crate) const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
pub(crate) const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
pub(crate) const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
pub(crate) const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");

/// The type of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// RSA, with the number of bits.
    Rsa(usize),
    /// ECDSA on P-256.
    EcdsaP256,
    /// ECDSA on P-384.
    EcdsaP384,
    /// ECDSA on another curve.
    EcdsaOther(ObjectIdentifier),
    /// Ed25519.
    Ed25519,
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Algorithm::Rsa(bits) => write!(f, "rsa-{bits}"),
            Algorithm::EcdsaP256 => f.write_str("ecdsa-p256"),
            Algorithm::EcdsaP384 => f.write_str("ecdsa-p384"),
            Algorithm::EcdsaOther(curve) if *curve == ObjectIdentifier::new_unwrap("1.3.132.0.35") => {
                f.write_str("ecdsa-p521")
            }
            Algorithm::EcdsaOther(curve) => write!(f, "ecdsa on curve {curve}"),
            Algorithm::Ed25519 => f.write_str("ed25519"),
        }
    }
}

impl Algorithm {
    /// The type of a public key, by its algorithm, curve and size; none if it is not supported.
    pub(crate) fn of(oid: ObjectIdentifier, curve: Option<ObjectIdentifier>, bits: usize) -> Option<Algorithm> {
        match (oid, curve) {
            (RSA_ENCRYPTION, _) => Some(Algorithm::Rsa(bits)),
            (EC_PUBLIC_KEY, Some(curve)) => Some(Algorithm::on_curve(curve)),
            (ED25519, _) => Some(Algorithm::Ed25519),
            _ => None,
        }
    }

    fn on_curve(curve: ObjectIdentifier) -> Algorithm {
        match curve {
            P256 => Algorithm::EcdsaP256,
            P384 => Algorithm::EcdsaP384,
            other => Algorithm::EcdsaOther(other),
        }
    }

    fn curve(self) -> Option<ObjectIdentifier> {
        match self {
            Algorithm::EcdsaP256 => Some(P256),
            Algorithm::EcdsaP384 => Some(P384),
            Algorithm::EcdsaOther(curve) => Some(curve),
            Algorithm::Rsa(_) | Algorithm::Ed25519 => None,
        }
    }

    /// Whether it is an ECDSA key, as the hub's CA must have.
    pub fn is_ec(self) -> bool {
        self.curve().is_some()
    }
}

/// The format of a private key file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `RSA PRIVATE KEY`.
    Pkcs1,
    /// `EC PRIVATE KEY`.
    Sec1,
    /// `PRIVATE KEY`.
    Pkcs8,
}

impl Form {
    /// The label of its PEM block.
    pub fn label(self) -> &'static str {
        match self {
            Form::Pkcs1 => "RSA PRIVATE KEY",
            Form::Sec1 => "EC PRIVATE KEY",
            Form::Pkcs8 => "PRIVATE KEY",
        }
    }
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Form::Pkcs1 => "PKCS#1",
            Form::Sec1 => "SEC1",
            Form::Pkcs8 => "PKCS#8",
        })
    }
}

/// Why a file has no private key that can be used, without the name of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyError {
    /// It contains no private key.
    Missing(String),
    /// The private key is encrypted.
    Encrypted,
    /// The private key is damaged or of an unsupported type.
    Unusable(String),
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeyError::Missing(why) | KeyError::Unusable(why) => f.write_str(why),
            KeyError::Encrypted => f.write_str("it is encrypted"),
        }
    }
}

/// A private key that was read or generated.
#[derive(Clone)]
pub struct PrivateKey {
    /// Its type.
    pub algorithm: Algorithm,
    /// The format that it was read from.
    pub form: Form,
    /// Whether it is the first PEM block of its file, the only one that cloudcore's hub decodes; EC PARAMETERS may
    /// come before it.
    pub is_first_block: bool,
    /// RSA: PKCS#1; EC: the number; Ed25519: the seed.
    secret: Vec<u8>,
    /// RSA: PKCS#1; EC: the point; Ed25519: the point. None where the file does not contain it.
    public: Option<Vec<u8>>,
}

/// Never shows the secret.
impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey({}, {})", self.algorithm, self.form)
    }
}

impl PrivateKey {
    /// A new key.
    ///
    /// Errors: where the random number generator fails, and for RSA, which is not supported.
    pub fn generate(algorithm: Algorithm) -> Result<PrivateKey, String> {
        let random = SystemRandom::new();
        let no_random = |_| "the random number generator of the system failed".to_owned();
        let ecdsa = match algorithm {
            Algorithm::EcdsaP256 => &ECDSA_P256_SHA256_ASN1_SIGNING,
            Algorithm::EcdsaP384 => &ECDSA_P384_SHA384_ASN1_SIGNING,
            Algorithm::Ed25519 => {
                let mut seed = vec![0; 32];
                random.fill(&mut seed).map_err(no_random)?;
                return parse::ed25519(&seed, Form::Pkcs8);
            }
            other => return Err(format!("making {other} keys is not supported")),
        };
        let made = EcdsaKeyPair::generate_pkcs8(ecdsa, &random).map_err(no_random)?;
        parse::pkcs8(made.as_ref())
    }

    /// The private key in a PEM file, in any format; other blocks are skipped.
    pub fn from_pem(bytes: &[u8]) -> Result<PrivateKey, KeyError> {
        parse::pem(bytes)
    }

    /// The public key as in a certificate (SubjectPublicKeyInfo, DER); none where it is not known.
    pub fn public_key_info(&self) -> Option<Vec<u8>> {
        let point = self.public.as_deref()?;
        let curve = self.algorithm.curve();
        let (oid, parameters) = match self.algorithm {
            Algorithm::Rsa(_) => (RSA_ENCRYPTION, Some(AnyRef::NULL)),
            Algorithm::Ed25519 => (ED25519, None),
            _ => (EC_PUBLIC_KEY, curve.as_ref().map(AnyRef::from)),
        };
        let subject_public_key = BitStringRef::from_bytes(point).ok()?;
        SubjectPublicKeyInfoRef { algorithm: AlgorithmIdentifierRef { oid, parameters }, subject_public_key }
            .to_der()
            .ok()
    }

    /// Takes the public key from a certificate where the file does not contain it.
    #[must_use]
    pub fn with_public_of(mut self, algorithm: Option<Algorithm>, point: &[u8]) -> PrivateKey {
        if self.public.is_none() && algorithm == Some(self.algorithm) {
            self.public = Some(point.to_vec());
        }
        self
    }

    pub(crate) fn secret(&self) -> &[u8] {
        &self.secret
    }

    pub(crate) fn public(&self) -> Option<&[u8]> {
        self.public.as_deref()
    }

    /// The format that every program of KubeEdge loads: SEC1 for EC, PKCS#1 for RSA, PKCS#8 for Ed25519.
    pub fn usual_form(&self) -> Form {
        match self.algorithm {
            Algorithm::Rsa(_) => Form::Pkcs1,
            Algorithm::Ed25519 => Form::Pkcs8,
            _ => Form::Sec1,
        }
    }

    /// The key as PEM in its usual format.
    pub fn to_pem(&self) -> Result<String, String> {
        let form = self.usual_form();
        let made = match self.algorithm {
            Algorithm::Rsa(_) => Ok(self.secret.clone()),
            Algorithm::Ed25519 => OctetStringRef::new(&self.secret).and_then(|seed| seed.to_der()).and_then(|inner| {
                let algorithm = AlgorithmIdentifierRef { oid: ED25519, parameters: None };
                PrivateKeyInfoRef::new(algorithm, OctetStringRef::new(&inner)?).to_der()
            }),
            _ => EcPrivateKey {
                private_key: &self.secret,
                parameters: self.algorithm.curve().map(EcParameters::NamedCurve),
                public_key: self.public.as_deref(),
            }
            .to_der(),
        };
        Ok(encoding::encode(form.label(), &made.map_err(|cause| format!("it cannot be encoded: {cause}"))?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_key_is_read_again() {
        for algorithm in [Algorithm::EcdsaP256, Algorithm::EcdsaP384, Algorithm::Ed25519] {
            let key = PrivateKey::generate(algorithm).unwrap();
            let text = key.to_pem().unwrap();
            assert!(text.starts_with(&format!("-----BEGIN {}-----\n", key.usual_form().label())), "{text}");
            let again = PrivateKey::from_pem(text.as_bytes()).unwrap();
            assert_eq!((again.algorithm, again.form, again.is_first_block), (algorithm, key.usual_form(), true));
            assert_eq!(again.public_key_info(), key.public_key_info());
            assert_eq!(again.to_pem().unwrap(), text);
            assert!(!format!("{again:?}").contains("secret"));
        }
    }

    #[test]
    fn generate_makes_another_key_each_time() {
        let key = || PrivateKey::generate(Algorithm::EcdsaP256).unwrap().public_key_info();
        assert_ne!(key(), key());
        assert!(PrivateKey::generate(Algorithm::Rsa(2048)).is_err());
    }
}
