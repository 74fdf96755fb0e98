//! Certificate signing requests (PKCS#10), as edgecore sends them to cloudcore.

use der::asn1::{BitString, Null, ObjectIdentifier, SetOfVec};
use der::{Any, Decode, Encode};
use x509_cert::name::Name;
use x509_cert::request::{CertReq, CertReqInfo, Version};
use x509_cert::spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};

use crate::key::{Algorithm, PrivateKey};
use crate::sign::Signer;
use crate::subject::DistinguishedName;

const SHA256_WITH_RSA: &str = "1.2.840.113549.1.1.11";
const ECDSA_WITH_SHA256: &str = "1.2.840.10045.4.3.2";
const ECDSA_WITH_SHA384: &str = "1.2.840.10045.4.3.3";
const ED25519: &str = "1.3.101.112";

/// A request for a certificate with this subject and no extensions, signed with the key that it is for, in DER.
///
/// Errors: why the key cannot sign, without the name of its file.
pub fn make(subject: &DistinguishedName, key: &PrivateKey) -> Result<Vec<u8>, String> {
    let signer = Signer::new(key)?;
    let public_key = key.public_key_info().ok_or("it does not contain its public key")?;
    let (oid, parameters) = match key.algorithm {
        Algorithm::Rsa(_) => (SHA256_WITH_RSA, Some(Any::from(Null))),
        Algorithm::EcdsaP256 => (ECDSA_WITH_SHA256, None),
        Algorithm::EcdsaP384 => (ECDSA_WITH_SHA384, None),
        Algorithm::Ed25519 => (ED25519, None),
        other @ Algorithm::EcdsaOther(_) => return Err(format!("signing with {other} keys is not supported")),
    };
    let encoded = |cause: der::Error| format!("the request cannot be encoded: {cause}");
    let info = CertReqInfo {
        version: Version::V1,
        subject: subject.to_der().and_then(|der| Name::from_der(&der)).map_err(encoded)?,
        public_key: SubjectPublicKeyInfoOwned::from_der(&public_key).map_err(encoded)?,
        attributes: SetOfVec::new(),
    };
    let signature = signer.sign(&info.to_der().map_err(encoded)?)?;
    let oid = ObjectIdentifier::new(oid).map_err(|cause| encoded(cause.into()))?;
    let algorithm = AlgorithmIdentifierOwned { oid, parameters };
    let signature = BitString::from_bytes(&signature).map_err(encoded)?;
    CertReq { info, algorithm, signature }.to_der().map_err(encoded)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sign::{Signed, check};
    use crate::subject;

    #[test]
    fn request_has_the_subject_and_is_signed_by_its_key() {
        let subject = subject::parse("/C=CN/ST=Zhejiang/L=Hangzhou/O=system:nodes/CN=system:node:edge1").unwrap();
        for algorithm in [Algorithm::EcdsaP256, Algorithm::EcdsaP384, Algorithm::Ed25519] {
            let key = PrivateKey::generate(algorithm).unwrap();
            let request = CertReq::from_der(&make(&subject, &key).unwrap()).unwrap();
            assert!(subject::same(request.info.subject.as_ref(), &subject));
            assert_eq!(request.info.public_key.to_der().unwrap(), key.public_key_info().unwrap());
            let point = request.info.public_key.subject_public_key.raw_bytes();
            let signature = request.signature.raw_bytes();
            let checked = |message: &[u8]| check(request.algorithm.oid, Some(algorithm), point, message, signature);
            assert_eq!(checked(&request.info.to_der().unwrap()), Signed::Yes, "{algorithm}");
            assert_eq!(checked(b"other"), Signed::No, "{algorithm}");
        }
    }

    #[test]
    fn request_of_a_p256_key_is_as_large_as_that_of_edgecore() {
        // edgecore's is 294 bytes for this subject; each of the two numbers of a signature has one byte more or less.
        let subject = subject::parse("/C=CN/ST=Zhejiang/L=Hangzhou/O=system:nodes/CN=system:node:edge1").unwrap();
        let length = make(&subject, &PrivateKey::generate(Algorithm::EcdsaP256).unwrap()).unwrap().len();
        assert!((285..=297).contains(&length), "{length}");
    }
}
