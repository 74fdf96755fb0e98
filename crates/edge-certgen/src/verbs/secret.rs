//! `edge-certgen secret` and `buildSecret`: print a key pair as the Secret that a program mounts.

use std::fmt::Write as _;
use std::path::Path;

use edge_host::{Common, Error, Host, Mode, Outcome, Result};
use edge_pki::cert::Certificate;
use edge_pki::encoding::without_keys;
use toml_edit::{Item, TableLike};

use super::make::{HubPair, make_by_hub};
use crate::catalog::{damaged, parse};
use crate::cli::{Options, Shape};
use crate::facts::{self, Read};
use crate::kind::Kind;
use crate::{cloudcore, request};

const SECRETS: &str = include_str!("../../data/secrets.toml");
/// The longest name of a namespace.
const MAX_NAMESPACE: usize = 63;

impl Shape {
    fn section(self) -> &'static str {
        match self {
            Shape::Cloudcore => "cloudcore",
            Shape::Chart => "chart",
            Shape::Metaserver => "metaserver",
        }
    }
}

pub(crate) fn run(
    host: &mut Host,
    common: &Common,
    options: &Options,
    shape: Shape,
    namespace: &str,
) -> Result<Outcome> {
    if common.json {
        return Err(Error::usage("cannot use --json with secret: it prints a YAML document for kubectl"));
    }
    let namespace_ok = !namespace.is_empty()
        && namespace.len() <= MAX_NAMESPACE
        && namespace.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
        && !namespace.starts_with('-')
        && !namespace.ends_with('-');
    if !namespace_ok {
        let shown: String = namespace.chars().flat_map(char::escape_debug).collect();
        return Err(Error::usage(format!(
            "cannot use the namespace \"{shown}\": it must have 1 to 63 lower-case letters, digits and hyphens"
        )));
    }
    let text = document(host, options, shape, namespace)?;
    host.report.document(text.as_bytes())?;
    Ok(Outcome::default())
}

/// `buildSecret` of certgen.sh: makes the edge key pair, then prints only its Secret on standard output.
pub(crate) fn build(host: &mut Host, common: &Common, options: &Options) -> Result<Outcome> {
    if common.json || common.dry_run {
        return Err(Error::usage("cannot use --json or --dry-run with buildSecret: it prints a YAML document")
            .hint("make it, then print it: edge-certgen genCertAndKey edge; then: edge-certgen secret cloudcore"));
    }
    host.report.result_to_stderr();
    let pair = HubPair { kind: &Kind::Edge, names: (Vec::new(), false), node: None, is_for_all: true };
    let outcome = make_by_hub(host, options, pair)?;
    debug_assert_eq!(host.mode, Mode::Apply);
    let text = document(host, options, Shape::Cloudcore, "kubeedge")?;
    host.report.document(text.as_bytes())?;
    Ok(outcome)
}

/// A section of secrets.toml.
struct Template {
    name: String,
    labels: Vec<(String, String)>,
    pair: String,
    authority: String,
    certificate: String,
    key: String,
}

fn template(shape: Shape) -> Result<Template> {
    let document = parse(SECRETS, "secrets.toml")?;
    let section = document.get(shape.section()).and_then(Item::as_table_like);
    section.and_then(of_section).ok_or_else(|| damaged("secrets.toml", shape.section()))
}

fn of_section(section: &dyn TableLike) -> Option<Template> {
    let text = |key: &str| section.get(key)?.as_str().map(str::to_owned);
    let labels = section.get("labels")?.as_table_like()?;
    Some(Template {
        name: text("name")?,
        labels: labels
            .iter()
            .map(|(key, value)| Some((key.to_owned(), value.as_str()?.to_owned())))
            .collect::<Option<_>>()?,
        pair: text("pair")?,
        authority: text("authority")?,
        certificate: text("certificate")?,
        key: text("key")?,
    })
}

fn document(host: &mut Host, options: &Options, shape: Shape, namespace: &str) -> Result<String> {
    let template = template(shape)?;
    let dirs = request::dirs(host, options)?;
    let kind = Kind::named(&template.pair)?;
    let pair = facts::pair(host, &dirs, &kind)?;
    let authority_path = if kind == Kind::Stream { dirs.stream_ca() } else { dirs.certificate(&Kind::Ca) };
    let shown = |path: &Path| host.root.display(path).display().to_string();
    let (certificate, key) = (shown(&pair.certificate_path), shown(&pair.key_path));
    let advertises = cloudcore::read(host).is_some_and(|(_, read)| read.is_ok_and(|found| !found.names.is_empty()));
    let make = || match kind {
        Kind::Stream if !advertises => "make it: edge-certgen stream --ip IP".to_owned(),
        Kind::Stream => "make it: edge-certgen stream".to_owned(),
        _ => format!("make it: edge-certgen genCertAndKey {}", kind.stem()),
    };
    let missing = |file: &str| Error::failed(format!("cannot read {file}: No such file or directory")).hint(make());
    require(&pair.certificate, &certificate, missing)?;
    require(&pair.key, &key, missing)?;
    if pair.matches() != Some(true) {
        return Err(Error::failed(format!("cannot make a Secret: {certificate} does not match the private key {key}"))
            .hint(format!("show the problems: edge-certgen check {}", kind.stem())));
    }
    // Old manifests of cloudcore mount this pair as that of its server.
    if shape == Shape::Cloudcore && pair.certificate.valid().is_some_and(|found| !found.is_for("serverAuth")) {
        let text = format!("cloudcore serves with {certificate}, and its extendedKeyUsage does not include serverAuth");
        host.report.warning(&text);
        host.report.hint("make it for both: edge-certgen genCertAndKey edge");
    }
    let authority = host.root.read(&authority_path)?.ok_or_else(|| missing(&shown(&authority_path)))?;
    Certificate::from_pem(&authority).map_err(|why| facts::unreadable(&shown(&authority_path), &why))?;
    // The entries of certificates must not contain a private key.
    let public = |bytes: &[u8], file: &str| without_keys(bytes).map_err(|why| facts::unreadable(file, &why));
    let entries = [
        (template.authority, public(&authority, &shown(&authority_path))?, shown(&authority_path)),
        (template.certificate, public(&pair.certificate_found.bytes, &certificate)?, certificate),
        (template.key, pair.key_found.bytes, key),
    ];
    let mut yaml =
        format!("apiVersion: v1\nkind: Secret\nmetadata:\n  name: {}\n  namespace: {namespace}\n", template.name);
    if !template.labels.is_empty() {
        yaml.push_str("  labels:\n");
    }
    for (key, value) in &template.labels {
        // Writing to a String cannot fail.
        let _ = writeln!(yaml, "    {key}: {value}");
    }
    yaml.push_str("type: Opaque\nstringData:\n");
    for (name, bytes, shown) in entries {
        let text = String::from_utf8(bytes).map_err(|_| facts::unreadable(&shown, "it is not valid UTF-8"))?;
        let _ = writeln!(yaml, "  {name}: |");
        for line in text.lines().map(str::trim_end).filter(|line| !line.is_empty()) {
            let _ = writeln!(yaml, "    {line}");
        }
    }
    Ok(yaml)
}

fn require<T>(read: &Read<T>, file: &str, missing: impl Fn(&str) -> Error) -> Result<()> {
    match read {
        Read::Valid(_) => Ok(()),
        Read::Absent => Err(missing(file)),
        Read::Invalid(why) => Err(facts::unreadable(file, why)),
    }
}
