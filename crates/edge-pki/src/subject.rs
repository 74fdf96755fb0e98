//! The subject of a certificate, in the format of openssl's -subj.

use der::asn1::{Any, ObjectIdentifier};
use der::{Encode, Tag, Tagged};
use edge_host::{Error, Result};
use x509_cert::attr::AttributeTypeAndValue;
pub use x509_cert::name::RdnSequence as DistinguishedName;
use x509_cert::name::RelativeDistinguishedName;

/// An attribute of a subject: its short name, its OID and its maximal length.
struct Attribute {
    name: &'static str,
    oid: &'static str,
    max: usize,
    tag: Tag,
}

/// The lengths are those of RFC 5280, which OpenSSL enforces.
const ATTRIBUTES: &[Attribute] = &[
    Attribute { name: "CN", oid: "2.5.4.3", max: 64, tag: Tag::Utf8String },
    Attribute { name: "serialNumber", oid: "2.5.4.5", max: 64, tag: Tag::PrintableString },
    Attribute { name: "C", oid: "2.5.4.6", max: 2, tag: Tag::PrintableString },
    Attribute { name: "L", oid: "2.5.4.7", max: 128, tag: Tag::Utf8String },
    Attribute { name: "ST", oid: "2.5.4.8", max: 128, tag: Tag::Utf8String },
    Attribute { name: "street", oid: "2.5.4.9", max: 128, tag: Tag::Utf8String },
    Attribute { name: "O", oid: "2.5.4.10", max: 64, tag: Tag::Utf8String },
    Attribute { name: "OU", oid: "2.5.4.11", max: 64, tag: Tag::Utf8String },
    Attribute { name: "DC", oid: "0.9.2342.19200300.100.1.25", max: 63, tag: Tag::Ia5String },
    Attribute { name: "UID", oid: "0.9.2342.19200300.100.1.1", max: 256, tag: Tag::Utf8String },
    Attribute { name: "emailAddress", oid: "1.2.840.113549.1.9.1", max: 255, tag: Tag::Ia5String },
];

/// A subject from `/C=CN/O=KubeEdge/CN=name`; a backslash escapes a slash or backslash in a value.
///
/// Errors: exit 2 with the reason.
pub fn parse(text: &str) -> Result<DistinguishedName> {
    let wrong = |why: String| {
        Error::usage(format!("cannot use the subject {text:?}: {why}"))
            .hint("write it as for openssl: --subject /O=KubeEdge/CN=name")
    };
    let rest = text.strip_prefix('/').ok_or_else(|| wrong("it must begin with /".to_owned()))?;
    let mut subject = DistinguishedName::default();
    for part in split(rest) {
        let (name, value) = part.split_once('=').ok_or_else(|| wrong(format!("{part:?} is not NAME=VALUE")))?;
        let known = ATTRIBUTES.iter().find(|attribute| attribute.name.eq_ignore_ascii_case(name));
        let known = known.ok_or_else(|| {
            let all: Vec<&str> = ATTRIBUTES.iter().map(|attribute| attribute.name).collect();
            wrong(format!("{name:?} is not a known attribute: expected one of {}", all.join(", ")))
        })?;
        subject.push(attribute(known, value).map_err(wrong)?);
    }
    Ok(subject)
}

fn attribute(known: &Attribute, value: &str) -> std::result::Result<RelativeDistinguishedName, String> {
    let name = known.name;
    if value.is_empty() {
        return Err(format!("{name} is empty"));
    }
    if value.chars().count() > known.max {
        return Err(format!("{name} has more than {} characters", known.max));
    }
    if let Some(odd) = value.chars().find(|c| c.is_control()) {
        return Err(format!("{name} contains {odd:?}"));
    }
    if name == "C" && !(value.len() == 2 && value.bytes().all(|byte| byte.is_ascii_uppercase())) {
        return Err("C must be a country code of two capital letters".to_owned());
    }
    let printable = |c: char| c.is_ascii_alphanumeric() || " '()+,-./:=?".contains(c);
    if known.tag == Tag::PrintableString && !value.chars().all(printable)
        || known.tag == Tag::Ia5String && !value.is_ascii()
    {
        return Err(format!("{name} contains characters that are not allowed in it"));
    }
    let build = || {
        let value = Any::new(known.tag, value.as_bytes())?;
        let pair = AttributeTypeAndValue { oid: ObjectIdentifier::new(known.oid)?, value };
        RelativeDistinguishedName::try_from(vec![pair])
    };
    build().map_err(|_: der::Error| format!("{name} cannot be encoded"))
}

/// The parts between slashes, unescaped.
fn split(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (c, parts.last_mut()) {
            ('\\', Some(part)) => part.extend(chars.next()),
            ('/', _) => parts.push(String::new()),
            (c, Some(part)) => part.push(c),
            (_, None) => {}
        }
    }
    parts
}

/// The subject that KubeEdge 1.16 and later require of an edge node's certificate.
pub fn of_node(name: &str) -> Result<DistinguishedName> {
    parse(&format!("/O=system:nodes/CN=system:node:{}", name.replace('\\', "\\\\").replace('/', "\\/")))
}

/// A name as shown to users: `CN=kubernetes`, in the order of the certificate.
pub fn shown(name: &DistinguishedName) -> String {
    let mut parts = Vec::new();
    for rdn in name.iter() {
        let values = rdn.iter().map(|pair| {
            let oid = pair.oid.to_string();
            let known = ATTRIBUTES.iter().find(|attribute| attribute.oid == oid);
            let value: String = text(&pair.value).chars().flat_map(escaped).collect();
            format!("{}={value}", known.map_or(oid.as_str(), |attribute| attribute.name))
        });
        parts.push(values.collect::<Vec<_>>().join("+"));
    }
    parts.join(", ")
}

fn escaped(c: char) -> Vec<char> {
    if c.is_control() { c.escape_default().collect() } else { vec![c] }
}

fn text(value: &Any) -> String {
    match value.tag() {
        Tag::BmpString => {
            let units: Vec<u16> = value
                .value()
                .chunks(2)
                .map(|pair| pair.iter().fold(0, |unit, byte| unit << 8 | u16::from(*byte)))
                .collect();
            String::from_utf16_lossy(&units)
        }
        Tag::TeletexString => value.value().iter().map(|byte| char::from(*byte)).collect(),
        _ => String::from_utf8_lossy(value.value()).into_owned(),
    }
}

/// The values of an attribute, such as `CN`, in the order of the certificate.
pub fn values(name: &DistinguishedName, attribute: &str) -> Vec<String> {
    let oid = ATTRIBUTES.iter().find(|known| known.name == attribute).map(|known| known.oid);
    let pairs =
        name.iter().flat_map(|rdn| rdn.iter()).filter(|pair| oid.is_some_and(|oid| pair.oid.to_string() == oid));
    pairs.map(|pair| text(&pair.value)).collect()
}

/// Whether two names have the same bytes, as clients compare them.
pub fn same(a: &DistinguishedName, b: &DistinguishedName) -> bool {
    matches!((a.to_der(), b.to_der()), (Ok(a), Ok(b)) if a == b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subject_is_parsed_and_shown() {
        let name = parse("/C=CN/ST=Zhejiang/O=Kube Edge/OU=a/OU=b/CN=x\\/y").unwrap();
        assert_eq!(shown(&name), "C=CN, ST=Zhejiang, O=Kube Edge, OU=a, OU=b, CN=x/y");
        assert_eq!(shown(&of_node("edge-1").unwrap()), "O=system:nodes, CN=system:node:edge-1");
        assert!(same(&name, &name) && !same(&name, &of_node("a").unwrap()));
        assert_eq!(
            (values(&name, "OU"), values(&name, "CN")),
            (vec!["a".to_owned(), "b".to_owned()], vec!["x/y".to_owned()])
        );
        assert!(values(&name, "DC").is_empty() && values(&name, "none").is_empty());
    }

    #[test]
    fn parse_refuses_an_invalid_subject() {
        for (text, why) in [
            ("CN=x", "must begin with /"),
            ("/CN", "is not NAME=VALUE"),
            ("/", "is not NAME=VALUE"),
            ("/X=y", "is not a known attribute"),
            ("/C=CHN", "more than 2"),
            ("/C=cn", "two capital letters"),
            ("/CN=", "CN is empty"),
            ("/CN=a\nb", "contains '\\n'"),
            ("/DC=ä", "not allowed"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.message().contains(why), "{text:?}: {error}");
        }
        assert!(parse(&format!("/CN={}", "x".repeat(65))).is_err());
    }
}
