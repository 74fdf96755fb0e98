//! `edge-certgen show`: prints certificates and private keys, and which ones match.

use std::path::{Path, PathBuf};

use edge_host::{Error, Host, Outcome, Result};
use edge_pki::cert::{Authority, Certificate, each_from_pem};
use edge_pki::encoding;
use edge_pki::key::{KeyError, PrivateKey};
use edge_pki::subject;

use crate::facts;
use crate::report::{all_names, certificate_record, end_shown, key_record};
use crate::request;

/// What a file contains.
enum Content {
    Certificates(Vec<Certificate>),
    Key(PrivateKey),
}

pub(crate) fn run(host: &mut Host, files: &[PathBuf]) -> Result<Outcome> {
    if files.iter().filter(|file| request::is_stdin(file)).count() > 1 {
        return Err(Error::usage("cannot use - twice: standard input can be read only once"));
    }
    let now = edge_host::now();
    let mut read = Vec::new();
    for file in files {
        read.push((facts::own_name(file), content(host, file)?));
    }
    let has_certificates = read.iter().any(|(_, content)| matches!(content, Content::Certificates(_)));
    for (name, content) in &read {
        match content {
            Content::Certificates(certificates) => {
                for certificate in certificates {
                    let key_file = read.iter().find_map(|(name, content)| match content {
                        Content::Key(key) if certificate.matches_key(key) => Some(name.as_str()),
                        _ => None,
                    });
                    show_certificate(host, name, certificate, key_file, now);
                }
            }
            Content::Key(key) => {
                let certificate_file = read.iter().find_map(|(name, content)| match content {
                    Content::Certificates(all) if all.iter().any(|certificate| certificate.matches_key(key)) => {
                        Some(name.as_str())
                    }
                    _ => None,
                });
                show_key(host, name, key, certificate_file, has_certificates);
            }
        }
    }
    Ok(Outcome::default())
}

fn content(host: &mut Host, file: &Path) -> Result<Content> {
    let name = facts::own_name(file);
    let path = if request::is_stdin(file) { file.to_path_buf() } else { request::absolute("FILE", file)? };
    let bytes = facts::own_file(&path)?
        .ok_or_else(|| Error::failed(format!("cannot read {name}: No such file or directory")))?;
    let why = match each_from_pem(&bytes) {
        Ok(each) if each.iter().any(Result::is_ok) => {
            let damaged = each.iter().filter(|read| read.is_err()).count() + encoding::skipped(&bytes);
            if damaged > 0 {
                host.report.warning(&format!("{name}: {}", encoding::skipped_text(damaged)));
            }
            return Ok(Content::Certificates(each.into_iter().flatten().collect()));
        }
        Ok(each) => each.into_iter().find_map(Result::err).unwrap_or_default(),
        Err(why) => why,
    };
    match PrivateKey::from_pem(&bytes) {
        Ok(key) => Ok(Content::Key(key)),
        // A file without any key was probably meant to be a certificate.
        Err(KeyError::Missing(_)) => Err(facts::unreadable(&name, &why)),
        Err(why) => Err(facts::unreadable(&name, &why.to_string())),
    }
}

fn show_certificate(host: &mut Host, name: &str, certificate: &Certificate, key_file: Option<&str>, now: i64) {
    let what = match certificate.authority {
        Authority::Yes => "a CA certificate",
        Authority::NotForCertificates => "a CA certificate whose keyUsage does not allow signing certificates",
        Authority::No => "a certificate",
    };
    let mut lines = vec![
        format!("{name}: {what}, {}", end_shown(certificate, now)),
        format!("    subject      {}", subject::shown(&certificate.subject)),
        format!("    issuer       {}", subject::shown(&certificate.issuer)),
    ];
    let names = all_names(certificate);
    if !names.is_empty() {
        lines.push(format!("    SANs         {}", names.join(", ")));
    }
    if !certificate.usages.is_empty() {
        lines.push(format!("    uses         {}", certificate.usages.join(", ")));
    }
    lines.push(format!(
        "    valid        {} to {}",
        edge_pki::times::rfc3339(certificate.not_before),
        edge_pki::times::rfc3339(certificate.not_after)
    ));
    let its = key_file.map_or_else(String::new, |file| format!(", private key in {file}"));
    lines.push(format!("    key          {}{its}", certificate.key_shown()));
    lines.push(format!("    sha256       {}", certificate.fingerprint()));
    for line in lines {
        host.report.line(&line);
    }
    certificate_record(host, name, certificate, key_file, now);
}

fn show_key(host: &mut Host, name: &str, key: &PrivateKey, certificate_file: Option<&str>, has_certificates: bool) {
    host.report.line(&format!("{name}: a private key, {}, {}", key.algorithm, key.form));
    match (certificate_file, has_certificates) {
        (Some(file), _) => host.report.line(&format!("    certificate  {file}")),
        (None, true) => host.report.line("    certificate  none of the given files"),
        (None, false) => {}
    }
    key_record(host, name, key, certificate_file);
}
