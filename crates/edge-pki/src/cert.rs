//! Certificates as they are read: what is needed for making and checking them.

use std::collections::HashSet;
use std::net::IpAddr;

use der::asn1::ObjectIdentifier;
use der::{Decode, Encode};
use ring::digest::{SHA256, digest};
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{BasicConstraints, ExtendedKeyUsage, KeyUsage, SubjectAltName, SubjectKeyIdentifier};

use crate::encoding::{self, CERTIFICATE};
use crate::key::{Algorithm, PrivateKey};
use crate::names::Name;
use crate::sign::{Signed, check};
use crate::subject::DistinguishedName;
use crate::{names, subject, times};

/// Without the decoder's own text, which is of no use to a user.
const DAMAGED: &str = "its certificate is damaged: it is not valid X.509";

/// A certificate.
#[derive(Debug, Clone)]
pub struct Certificate {
    /// Its subject.
    pub subject: DistinguishedName,
    /// The subject of the CA that signed it.
    pub issuer: DistinguishedName,
    /// Addresses and DNS names among its SANs.
    pub names: Vec<Name>,
    /// Other SANs, such as e-mail addresses and invalid names, as shown to users.
    pub odd_names: Vec<String>,
    /// The start of its validity, in seconds since 1970.
    pub not_before: i64,
    /// The end of its validity, in seconds since 1970.
    pub not_after: i64,
    /// Whether it may sign certificates.
    pub authority: Authority,
    /// Its extendedKeyUsage, by the names of OpenSSL; empty where it has none.
    pub usages: Vec<String>,
    /// The type of its public key, where it is supported.
    pub algorithm: Option<Algorithm>,
    /// Its public key (SubjectPublicKeyInfo, DER).
    pub public_key_info: Vec<u8>,
    /// Its subjectKeyIdentifier.
    pub key_identifier: Option<Vec<u8>>,
    /// The certificate in DER.
    pub der: Vec<u8>,
    point: Vec<u8>,
    signed: Vec<u8>,
    signature: Vec<u8>,
    signature_algorithm: ObjectIdentifier,
}

/// All of it is in its bytes.
impl PartialEq for Certificate {
    fn eq(&self, other: &Certificate) -> bool {
        self.der == other.der
    }
}

impl Eq for Certificate {}

/// Whether a certificate may sign certificates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Authority {
    /// It may.
    Yes,
    /// It is not a CA.
    No,
    /// It is a CA whose keyUsage does not allow signing certificates.
    NotForCertificates,
}

/// The certificates in the blocks of a PEM file, in order, each or why it cannot be read; at least one.
///
/// Errors: why there is none, without the name of the file.
pub fn each_from_pem(bytes: &[u8]) -> Result<Vec<Result<Certificate, String>>, String> {
    let blocks = encoding::blocks(bytes)?;
    let certificates = blocks.iter().filter(|block| block.label == CERTIFICATE);
    let all: Vec<_> = certificates.map(|block| Certificate::from_der(&block.der)).collect();
    if all.is_empty() {
        let label = blocks.first().map_or("", |block| block.label.as_str());
        return Err(format!("it contains no certificate, only {label}"));
    }
    Ok(all)
}

/// The certificates of a bundle of CAs, as Go reads one (`AppendCertsFromPEM`): damaged ones and those with headers in
/// their block are skipped, as long as there is another one. Duplicates are left out.
///
/// Errors: why there is none, without the name of the file.
pub fn bundle_from_pem(bytes: &[u8]) -> Result<Vec<Certificate>, String> {
    // For the reason, if there is no certificate.
    let each = each_from_pem(bytes)?;
    let blocks = encoding::blocks(bytes)?;
    let plain = blocks.iter().filter(|block| block.label == CERTIFICATE).map(|block| !block.has_headers);
    let (mut all, mut seen) = (Vec::new(), HashSet::new());
    let mut why = "its certificate has headers in its PEM block, and programs written in Go skip it".to_owned();
    for (read, is_plain) in each.into_iter().zip(plain) {
        match read {
            Ok(certificate) if is_plain => {
                if seen.insert(certificate.der.clone()) {
                    all.push(certificate);
                }
            }
            Ok(_) => {}
            Err(cause) => why = cause,
        }
    }
    if all.is_empty() { Err(why) } else { Ok(all) }
}

impl Certificate {
    /// The first certificate of a PEM file.
    ///
    /// Errors: why there is none, without the name of the file.
    pub fn from_pem(bytes: &[u8]) -> Result<Certificate, String> {
        each_from_pem(bytes)?.into_iter().next().unwrap_or_else(|| Err("it contains no certificate".to_owned()))
    }

    /// A certificate in DER.
    pub fn from_der(der: &[u8]) -> Result<Certificate, String> {
        let damaged = |_: der::Error| DAMAGED.to_owned();
        let parsed = x509_cert::Certificate::from_der(der).map_err(damaged)?;
        let tbs = parsed.tbs_certificate();
        let seconds =
            |time: &x509_cert::time::Time| i64::try_from(time.to_unix_duration().as_secs()).unwrap_or(i64::MAX);
        let is_ca = tbs.get_extension::<BasicConstraints>().map_err(damaged)?.is_some_and(|(_, basic)| basic.ca);
        let usage = tbs.get_extension::<KeyUsage>().map_err(damaged)?;
        let authority = match (is_ca, usage) {
            (false, _) => Authority::No,
            (true, Some((_, usage))) if !usage.key_cert_sign() => Authority::NotForCertificates,
            (true, _) => Authority::Yes,
        };
        let entries =
            tbs.get_extension::<SubjectAltName>().map_err(damaged)?.map(|(_, names)| names.0).unwrap_or_default();
        let (mut names, mut odd_names) = (Vec::new(), Vec::new());
        for entry in &entries {
            match name(entry) {
                Ok(name) => names.push(name),
                Err(odd) => odd_names.push(odd),
            }
        }
        let usages =
            tbs.get_extension::<ExtendedKeyUsage>().map_err(damaged)?.map(|(_, usages)| usages.0).unwrap_or_default();
        let key = tbs.subject_public_key_info();
        let curve = key.algorithm.parameters.as_ref().and_then(|any| any.decode_as::<ObjectIdentifier>().ok());
        let point = key.subject_public_key.raw_bytes();
        let bits = pkcs1::RsaPublicKeyRef::from_der(point).map_or(0, |key| crate::key::bits(key.modulus.as_bytes()));
        Ok(Certificate {
            subject: tbs.subject().clone().into(),
            issuer: tbs.issuer().clone().into(),
            names,
            odd_names,
            not_before: seconds(&tbs.validity().not_before),
            not_after: seconds(&tbs.validity().not_after),
            authority,
            usages: usages.iter().map(usage_name).collect(),
            algorithm: Algorithm::of(key.algorithm.oid, curve, bits),
            public_key_info: key.to_der().map_err(damaged)?,
            key_identifier: tbs
                .get_extension::<SubjectKeyIdentifier>()
                .map_err(damaged)?
                .map(|(_, identifier)| identifier.0.as_bytes().to_vec()),
            der: der.to_vec(),
            point: point.to_vec(),
            signed: signed_part(der).ok_or(DAMAGED)?.to_vec(),
            signature: parsed.signature().raw_bytes().to_vec(),
            signature_algorithm: parsed.signature_algorithm().oid,
        })
    }

    /// The raw public key, as [`crate::key::PrivateKey::with_public_of`] takes it.
    pub fn point(&self) -> &[u8] {
        &self.point
    }

    /// Whether it is the certificate of this private key.
    pub fn matches_key(&self, key: &PrivateKey) -> bool {
        key.public_key_info().is_some_and(|info| info == self.public_key_info)
    }

    /// Whether a client that connects to `host` accepts it: one of its SANs is that address or name, or a wildcard for it.
    pub fn is_valid_for(&self, host: &Name) -> bool {
        names::uncovered(std::slice::from_ref(host), &self.names).is_empty()
    }

    /// Whether it names `issuer` as its issuer.
    pub fn names_issuer(&self, issuer: &Certificate) -> bool {
        subject::same(&self.issuer, &issuer.subject)
    }

    /// Whether it names `issuer` as its issuer and was signed with the key of `issuer`.
    pub fn signed_by(&self, issuer: &Certificate) -> Signed {
        if !self.names_issuer(issuer) {
            return Signed::No;
        }
        check(self.signature_algorithm, issuer.algorithm, &issuer.point, &self.signed, &self.signature)
    }

    /// Whether its extendedKeyUsage includes `usage`; one without that extension may be used for all.
    pub fn is_for(&self, usage: &str) -> bool {
        self.usages.is_empty() || self.usages.iter().any(|other| other == usage || other == "any")
    }

    /// Whole days until it expires, negative once it has.
    pub fn days_left(&self, now: i64) -> i64 {
        times::days_left(now, self.not_after)
    }

    /// The SHA-256 fingerprint, as `openssl x509 -fingerprint -sha256` shows it.
    pub fn fingerprint(&self) -> String {
        let bytes = digest(&SHA256, &self.der);
        bytes.as_ref().iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":")
    }

    /// The SHA-256 of its public key (SubjectPublicKeyInfo), as `kubeadm join --discovery-token-ca-cert-hash` takes it
    /// after `sha256:`.
    pub fn public_key_hash(&self) -> String {
        digest(&SHA256, &self.public_key_info).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The type of its public key, as shown to users.
    pub fn key_shown(&self) -> String {
        self.algorithm.map_or_else(|| "of an unknown type".to_owned(), |algorithm| algorithm.to_string())
    }
}

/// The bytes that the signature is about (tbsCertificate).
fn signed_part(der: &[u8]) -> Option<&[u8]> {
    let outer = der::asn1::AnyRef::from_der(der).ok()?.value();
    let mut reader = der::SliceReader::new(outer).ok()?;
    der::Reader::tlv_bytes(&mut reader).ok()
}

fn name(entry: &GeneralName) -> Result<Name, String> {
    match entry {
        GeneralName::DnsName(name) => {
            crate::names::host("DNS", name.as_str()).map_err(|_| format!("DNS:{}", name.as_str()))
        }
        GeneralName::IpAddress(bytes) => {
            let bytes = bytes.as_bytes();
            let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
            let ip = v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from));
            ip.map(|ip| Name::Ip(ip.to_canonical())).map_err(|_| format!("IP of {} bytes", bytes.len()))
        }
        GeneralName::Rfc822Name(name) => Err(format!("email:{}", name.as_str())),
        GeneralName::UniformResourceIdentifier(name) => Err(format!("URI:{}", name.as_str())),
        GeneralName::DirectoryName(name) => Err(format!("DirName:{}", subject::shown(name.as_ref()))),
        _ => Err("other name".to_owned()),
    }
}

fn usage_name(oid: &ObjectIdentifier) -> String {
    match oid.to_string().as_str() {
        "1.3.6.1.5.5.7.3.1" => "serverAuth".to_owned(),
        "1.3.6.1.5.5.7.3.2" => "clientAuth".to_owned(),
        "2.5.29.37.0" => "any".to_owned(),
        other => other.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn from_pem_names_what_it_found_instead() {
        for (text, why) in [
            ("", "it is empty"),
            ("subject=x", "it is not PEM"),
            (
                "-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----\n",
                "no certificate, only EC PRIVATE KEY",
            ),
            ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "damaged"),
        ] {
            let said = Certificate::from_pem(text.as_bytes()).unwrap_err();
            assert!(said.contains(why), "{text}: {said}");
        }
    }

    proptest::proptest! {
        #[test]
        fn from_der_does_not_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..300)) {
            let _ = Certificate::from_der(&bytes);
        }
    }
}
