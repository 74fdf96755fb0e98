//! `edge-certgen secret` and buildSecret: a pair as the Secret that a program mounts.

use std::fmt::Write as _;
use std::path::Path;

use edge_host::{Common, Error, Host, Mode, Outcome, Result};
use toml_edit::{Item, TableLike};

use crate::cert::Certificate;
use crate::cli::{Options, Shape};
use crate::encoding::without_keys;
use crate::facts::{self, Read};
use crate::kind::{Kind, damaged, parse};
use crate::wanted;

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
        return Err(Error::usage("cannot print the Secret as records: it is a document (kubectl takes it as it is)"));
    }
    let namespace_ok = !namespace.is_empty()
        && namespace.len() <= MAX_NAMESPACE
        && namespace.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
        && !namespace.starts_with('-')
        && !namespace.ends_with('-');
    if !namespace_ok {
        let shown: String = namespace.chars().flat_map(char::escape_debug).collect();
        return Err(Error::usage(format!("cannot take the namespace {shown}: Kubernetes has no such name")));
    }
    let text = document(host, options, shape, namespace)?;
    host.report.document(text.as_bytes())?;
    Ok(Outcome::default())
}

/// certgen.sh's buildSecret: the edge pair, then its Secret on a standard output that holds nothing else.
pub(crate) fn build(host: &mut Host, common: &Common, options: &Options) -> Result<Outcome> {
    if common.json || common.dry_run {
        return Err(Error::usage("cannot combine buildSecret with --json or --dry-run: it prints a document")
            .hint("edge-certgen edge, then edge-certgen secret cloudcore"));
    }
    host.report.result_to_stderr();
    let outcome = super::make::make_by_hub(host, options, &Kind::Edge, Vec::new(), None)?;
    debug_assert_eq!(host.mode, Mode::Apply);
    let text = document(host, options, Shape::Cloudcore, "kubeedge")?;
    host.report.document(text.as_bytes())?;
    Ok(outcome)
}

/// What a section of secrets.toml says.
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

fn document(host: &Host, options: &Options, shape: Shape, namespace: &str) -> Result<String> {
    let template = template(shape)?;
    let dirs = wanted::dirs(host, options)?;
    let kind = Kind::named(&template.pair)?;
    let pair = facts::pair(host, &dirs, &kind)?;
    let authority_path = if kind == Kind::Stream { dirs.stream_ca() } else { dirs.certificate(&Kind::Ca) };
    let shown = |path: &Path| host.root.display(path).display().to_string();
    let (certificate, key) = (shown(&pair.certificate_path), shown(&pair.key_path));
    let make = || format!("edge-certgen {} makes it", kind.stem());
    let missing = |file: &str| Error::failed(format!("cannot read {file}: it is not there")).hint(make());
    good(&pair.certificate, &certificate, missing)?;
    good(&pair.key, &key, missing)?;
    if pair.matches() != Some(true) {
        return Err(Error::failed(format!("cannot make a Secret: {certificate} is not for the key {key}"))
            .hint(format!("edge-certgen verify {} says more", kind.stem())));
    }
    let authority = host.root.read(&authority_path)?.ok_or_else(|| missing(&shown(&authority_path)))?;
    Certificate::from_pem(&authority).map_err(|why| facts::unreadable(&shown(&authority_path), &why))?;
    // Whoever reads a certificate must not find a key beside it.
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
        let text = String::from_utf8(bytes).map_err(|_| facts::unreadable(&shown, "it is not text"))?;
        let _ = writeln!(yaml, "  {name}: |");
        for line in text.lines().map(str::trim_end).filter(|line| !line.is_empty()) {
            let _ = writeln!(yaml, "    {line}");
        }
    }
    Ok(yaml)
}

fn good<T>(read: &Read<T>, file: &str, missing: impl Fn(&str) -> Error) -> Result<()> {
    match read {
        Read::Good(_) => Ok(()),
        Read::Absent => Err(missing(file)),
        Read::Bad(why) => Err(facts::unreadable(file, why)),
    }
}
