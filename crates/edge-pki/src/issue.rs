//! Makes new certificates. rcgen builds a draft; the subject of the CA is then copied in byte by byte, as clients
//! compare it, and the result is signed.

use der::asn1::{Any, BitString};
use der::{Decode, Encode};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod,
    KeyUsagePurpose, PublicKeyData, SanType, SerialNumber, SignatureAlgorithm, SigningKey,
};
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom, SystemRandom};
use x509_cert::spki::SubjectPublicKeyInfoOwned;

use crate::cert::Certificate;
use crate::encoding::{self, CERTIFICATE};
use crate::key::RSA_ENCRYPTION;
use crate::names::Name;
use crate::sign::Signer;
use crate::subject::DistinguishedName as Subject;
use crate::times;

/// How many seconds in the past a certificate begins, for clients whose clock is behind.
pub const BACKDATED: i64 = 300;
/// How many bytes of the key's hash identify it (RFC 7093, method 1).
const IDENTIFIER: usize = 20;
const SERIAL: usize = 16;

/// What a new certificate contains.
#[derive(Debug, Clone)]
pub struct Contents {
    /// Its subject.
    pub subject: Subject,
    /// Its SANs.
    pub names: Vec<Name>,
    /// Its extendedKeyUsage: `serverAuth`, `clientAuth`.
    pub usages: Vec<String>,
    /// When it is made, in seconds since 1970.
    pub now: i64,
    /// How many days it is valid.
    pub days: u32,
}

impl Contents {
    /// The end of its validity, in seconds since 1970.
    pub fn not_after(&self) -> i64 {
        self.now + i64::from(self.days) * times::DAY
    }
}

/// A certificate for a key, signed by a CA, as PEM.
///
/// Errors: why it could not be made; the request and the CA were checked before.
pub fn leaf(
    contents: &Contents,
    public_key_info: &[u8],
    authority: &Certificate,
    signer: &Signer,
) -> Result<String, String> {
    let mut params = params(contents, public_key_info)?;
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    let info =
        SubjectPublicKeyInfoOwned::from_der(public_key_info).map_err(|_| "its public key is damaged".to_owned())?;
    if info.algorithm.oid == RSA_ENCRYPTION {
        // TLS 1.2 without elliptic curves sends a secret encrypted to the key.
        params.key_usages.push(KeyUsagePurpose::KeyEncipherment);
    }
    params.is_ca = IsCa::ExplicitNoCa;
    let authority_identifier = match &authority.key_identifier {
        Some(identifier) => identifier.clone(),
        None => identifier(&authority.public_key_info)?,
    };
    signed(contents, &params, public_key_info, &authority.subject, authority_identifier, signer)
}

/// A CA that signs itself, as PEM.
///
/// Errors: why it could not be made.
pub fn authority(contents: &Contents, public_key_info: &[u8], signer: &Signer) -> Result<String, String> {
    let mut params = params(contents, public_key_info)?;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    signed(contents, &params, public_key_info, &contents.subject, identifier(public_key_info)?, signer)
}

fn params(contents: &Contents, public_key_info: &[u8]) -> Result<CertificateParams, String> {
    let time = |seconds| times::of(seconds).ok_or_else(|| format!("a certificate cannot contain the time {seconds}"));
    let mut serial = [0; SERIAL];
    SystemRandom::new().fill(&mut serial).map_err(|_| "the random number generator of the system failed")?;
    let mut params = CertificateParams::default();
    params.not_before = time(contents.now - BACKDATED)?;
    params.not_after = time(contents.not_after())?;
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    params.key_identifier_method = KeyIdMethod::PreSpecified(identifier(public_key_info)?);
    for name in &contents.names {
        params.subject_alt_names.push(match name {
            Name::Ip(ip) => SanType::IpAddress(*ip),
            Name::Dns(name) => {
                SanType::DnsName(name.as_str().try_into().map_err(|_| format!("{name} is not a valid name"))?)
            }
        });
    }
    for usage in &contents.usages {
        params.extended_key_usages.push(match usage.as_str() {
            "serverAuth" => ExtendedKeyUsagePurpose::ServerAuth,
            "clientAuth" => ExtendedKeyUsagePurpose::ClientAuth,
            other => return Err(format!("{other:?} is not a known extended key usage")),
        });
    }
    // A placeholder for the subject, which is set later: rcgen keeps each attribute of a name only once.
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "draft");
    Ok(params)
}

/// The subjectKeyIdentifier of a key: the first bytes of its hash.
fn identifier(public_key_info: &[u8]) -> Result<Vec<u8>, String> {
    let info =
        SubjectPublicKeyInfoOwned::from_der(public_key_info).map_err(|_| "its public key is damaged".to_owned())?;
    let hash = digest(&SHA256, info.subject_public_key.raw_bytes());
    Ok(hash.as_ref().get(..IDENTIFIER).unwrap_or_default().to_vec())
}

/// A signer for the draft, whose signature stays empty.
struct Draft<'a>(&'a Signer);

impl PublicKeyData for Draft<'_> {
    fn der_bytes(&self) -> &[u8] {
        self.0.der_bytes()
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        self.0.algorithm()
    }
}

impl SigningKey for Draft<'_> {
    fn sign(&self, _: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        Ok(Vec::new())
    }
}

fn signed(
    contents: &Contents,
    params: &CertificateParams,
    public_key_info: &[u8],
    issuer: &Subject,
    issuer_identifier: Vec<u8>,
    signer: &Signer,
) -> Result<String, String> {
    let mut of_issuer = CertificateParams::default();
    of_issuer.key_identifier_method = KeyIdMethod::PreSpecified(issuer_identifier);
    let draft = params.signed_by(&Draft(signer), &Issuer::new(of_issuer, Draft(signer)));
    let draft = draft.map_err(|cause| cause.to_string())?;
    let der = |cause: der::Error| cause.to_string();
    // Certificate and TBSCertificate (RFC 5280, 4.1), as the sequences of fields that they are.
    let mut certificate = Vec::<Any>::from_der(draft.der()).map_err(der)?;
    let [to_sign, _, signature] = certificate.as_mut_slice() else {
        return Err("the draft is not a certificate".to_owned());
    };
    let mut fields: Vec<Any> = to_sign.decode_as().map_err(der)?;
    let [_version, _serial, _algorithm, issuer_field, _validity, subject, key, ..] = fields.as_mut_slice() else {
        return Err("the draft is not a certificate".to_owned());
    };
    *issuer_field = Any::encode_from(issuer).map_err(der)?;
    *subject = Any::encode_from(&contents.subject).map_err(der)?;
    *key = Any::from_der(public_key_info).map_err(der)?;
    *to_sign = Any::encode_from(&fields).map_err(der)?;
    let signed = signer.sign(&to_sign.to_der().map_err(der)?)?;
    *signature = BitString::from_bytes(&signed).and_then(|bits| Any::encode_from(&bits)).map_err(der)?;
    Ok(encoding::encode(CERTIFICATE, &certificate.to_der().map_err(der)?))
}
