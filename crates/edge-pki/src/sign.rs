//! Signs with a CA's private key and checks signatures.

use der::asn1::ObjectIdentifier;
use rcgen::{
    PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519, PKCS_RSA_SHA256, PublicKeyData, SignatureAlgorithm,
};
use ring::rand::SystemRandom;
use ring::rsa::KeyPair as RsaKeyPair;
use ring::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256_SHA384_ASN1, ECDSA_P384_SHA256_ASN1,
    ECDSA_P384_SHA384_ASN1, ECDSA_P384_SHA384_ASN1_SIGNING, ED25519, EcdsaKeyPair, Ed25519KeyPair,
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PKCS1_SHA256,
    UnparsedPublicKey, VerificationAlgorithm,
};

use crate::key::{Algorithm, PrivateKey};

/// A key that can sign: its private and public key are known and match.
pub struct Signer {
    pair: Pair,
    public: Vec<u8>,
}

enum Pair {
    Rsa(Box<RsaKeyPair>),
    Ecdsa(EcdsaKeyPair, &'static SignatureAlgorithm),
    Ed25519(Ed25519KeyPair),
}

impl Signer {
    /// Errors: why the key cannot sign, without the name of the file.
    pub fn new(key: &PrivateKey) -> Result<Signer, String> {
        let public = key.public().ok_or("it does not contain its public key (openssl pkey adds it)")?.to_vec();
        let rejected = |cause: ring::error::KeyRejected| match cause.to_string().as_str() {
            "TooSmall" => "it has fewer than 2048 bits".to_owned(),
            "TooLarge" => "it has more than 4096 bits".to_owned(),
            _ => "it is damaged, or its private and public key do not match".to_owned(),
        };
        let pair = match key.algorithm {
            Algorithm::Rsa(_) => Pair::Rsa(Box::new(RsaKeyPair::from_der(key.secret()).map_err(rejected)?)),
            Algorithm::Ed25519 => {
                Pair::Ed25519(Ed25519KeyPair::from_seed_and_public_key(key.secret(), &public).map_err(rejected)?)
            }
            Algorithm::EcdsaP256 | Algorithm::EcdsaP384 => {
                let (signing, algorithm, size) = if key.algorithm == Algorithm::EcdsaP256 {
                    (&ECDSA_P256_SHA256_ASN1_SIGNING, &PKCS_ECDSA_P256_SHA256, 32)
                } else {
                    (&ECDSA_P384_SHA384_ASN1_SIGNING, &PKCS_ECDSA_P384_SHA384, 48)
                };
                // Some programs omit leading zeros.
                let mut number = vec![0; size];
                let start =
                    size.checked_sub(key.secret().len()).ok_or("its private number is too long for its curve")?;
                number.splice(start.., key.secret().iter().copied());
                let random = SystemRandom::new();
                let pair = EcdsaKeyPair::from_private_key_and_public_key(signing, &number, &public, &random);
                Pair::Ecdsa(pair.map_err(rejected)?, algorithm)
            }
            other @ Algorithm::EcdsaOther(_) => return Err(format!("signing with {other} keys is not supported")),
        };
        Ok(Signer { pair, public })
    }

    /// The signature of a message.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, String> {
        let random = SystemRandom::new();
        let failed = |_| "signing failed".to_owned();
        match &self.pair {
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).map_err(failed)?;
                Ok(signature)
            }
            Pair::Ecdsa(pair, _) => pair.sign(&random, message).map(|made| made.as_ref().to_vec()).map_err(failed),
            Pair::Ed25519(pair) => Ok(pair.sign(message).as_ref().to_vec()),
        }
    }
}

impl PublicKeyData for Signer {
    fn der_bytes(&self) -> &[u8] {
        &self.public
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        match &self.pair {
            Pair::Rsa(_) => &PKCS_RSA_SHA256,
            Pair::Ecdsa(_, algorithm) => algorithm,
            Pair::Ed25519(_) => &PKCS_ED25519,
        }
    }
}

/// Whether a signature is valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signed {
    /// It is.
    Yes,
    /// It is not.
    No,
    /// The signature algorithm is not supported.
    Unknown,
}

/// Checks a signature with a public key.
pub fn check(
    algorithm: ObjectIdentifier,
    key: Option<Algorithm>,
    point: &[u8],
    message: &[u8],
    signature: &[u8],
) -> Signed {
    let algorithm = algorithm.to_string();
    let by: &'static dyn VerificationAlgorithm = match (algorithm.as_str(), key) {
        ("1.2.840.113549.1.1.11", Some(Algorithm::Rsa(2048..))) => &RSA_PKCS1_2048_8192_SHA256,
        ("1.2.840.113549.1.1.12", Some(Algorithm::Rsa(2048..))) => &RSA_PKCS1_2048_8192_SHA384,
        ("1.2.840.113549.1.1.13", Some(Algorithm::Rsa(2048..))) => &RSA_PKCS1_2048_8192_SHA512,
        ("1.2.840.10045.4.3.2", Some(Algorithm::EcdsaP256)) => &ECDSA_P256_SHA256_ASN1,
        ("1.2.840.10045.4.3.2", Some(Algorithm::EcdsaP384)) => &ECDSA_P384_SHA256_ASN1,
        ("1.2.840.10045.4.3.3", Some(Algorithm::EcdsaP256)) => &ECDSA_P256_SHA384_ASN1,
        ("1.2.840.10045.4.3.3", Some(Algorithm::EcdsaP384)) => &ECDSA_P384_SHA384_ASN1,
        ("1.3.101.112", Some(Algorithm::Ed25519)) => &ED25519,
        _ => return Signed::Unknown,
    };
    match UnparsedPublicKey::new(by, point).verify(message, signature) {
        Ok(()) => Signed::Yes,
        Err(_) => Signed::No,
    }
}

#[cfg(test)]
mod tests {
    use der::Encode;
    use sec1::{EcParameters, EcPrivateKey};

    use super::*;
    use crate::encoding;
    use crate::key::{P256, P384};

    #[test]
    fn signature_of_every_type_is_checked() {
        for (algorithm, oid) in [
            (Algorithm::EcdsaP256, "1.2.840.10045.4.3.2"),
            (Algorithm::EcdsaP384, "1.2.840.10045.4.3.3"),
            (Algorithm::Ed25519, "1.3.101.112"),
        ] {
            let key = PrivateKey::generate(algorithm).unwrap();
            let signer = Signer::new(&key).unwrap();
            let signature = signer.sign(b"message").unwrap();
            let oid = ObjectIdentifier::new(oid).unwrap();
            let checked = |message: &[u8]| check(oid, Some(algorithm), signer.der_bytes(), message, &signature);
            assert_eq!((checked(b"message"), checked(b"other")), (Signed::Yes, Signed::No), "{algorithm}");
            let other = ObjectIdentifier::new("1.2.3").unwrap();
            assert_eq!(check(other, Some(algorithm), signer.der_bytes(), b"", b""), Signed::Unknown);
        }
    }

    #[test]
    fn signer_accepts_a_number_without_its_leading_zeros() {
        for (algorithm, curve) in [(Algorithm::EcdsaP256, P256), (Algorithm::EcdsaP384, P384)] {
            // One in 256 begins with a zero.
            let keys = std::iter::repeat_with(|| PrivateKey::generate(algorithm).unwrap());
            let key = keys.take(10_000).find(|key| key.secret()[0] == 0).unwrap();
            let zeros = key.secret().iter().position(|byte| *byte != 0).unwrap();
            let short = EcPrivateKey {
                private_key: &key.secret()[zeros..],
                parameters: Some(EcParameters::NamedCurve(curve)),
                public_key: key.public(),
            };
            let pem = encoding::encode("EC PRIVATE KEY", &short.to_der().unwrap());
            let signer = Signer::new(&PrivateKey::from_pem(pem.as_bytes()).unwrap()).unwrap();
            assert_eq!(signer.der_bytes(), key.public().unwrap());
        }
    }
}
