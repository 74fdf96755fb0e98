//! `edge-certgen show`.

use std::path::{Path, PathBuf};

use edge_host::{Error, Host, Outcome, Result};

use crate::cert::{Authority, Certificate, all_from_pem};
use crate::facts::{self, belongs};
use crate::key::PrivateKey;
use crate::report::{all_names, certificate_record, end_shown, key_record};
use crate::{subject, wanted};

/// What a file holds.
enum Held {
    Certificates(Vec<Certificate>),
    Key(PrivateKey),
}

pub(crate) fn run(host: &mut Host, files: &[PathBuf]) -> Result<Outcome> {
    if files.iter().filter(|file| wanted::is_stdin(file)).count() > 1 {
        return Err(Error::usage("cannot take - twice: standard input is read once"));
    }
    let now = facts::now();
    let mut read = Vec::new();
    for file in files {
        read.push((facts::own_name(file), held(file)?));
    }
    for (name, held) in &read {
        match held {
            Held::Certificates(certificates) => {
                for certificate in certificates {
                    let key_file = read.iter().find_map(|(name, held)| match held {
                        Held::Key(key) if belongs(certificate, key) => Some(name.as_str()),
                        _ => None,
                    });
                    show_certificate(host, name, certificate, key_file, now);
                }
            }
            Held::Key(key) => {
                let certificate_file = read.iter().find_map(|(name, held)| match held {
                    Held::Certificates(all) if all.iter().any(|certificate| belongs(certificate, key)) => {
                        Some(name.as_str())
                    }
                    _ => None,
                });
                show_key(host, name, key, certificate_file, has_certificates(&read));
            }
        }
    }
    Ok(Outcome::default())
}

/// Whether there is a certificate that a key could have belonged to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Others {
    Certificates,
    None,
}

fn has_certificates(read: &[(String, Held)]) -> Others {
    let any = read.iter().any(|(_, held)| matches!(held, Held::Certificates(_)));
    if any { Others::Certificates } else { Others::None }
}

fn held(file: &Path) -> Result<Held> {
    let name = facts::own_name(file);
    let path = if wanted::is_stdin(file) { file.to_path_buf() } else { wanted::absolute("FILE", file)? };
    let bytes = facts::own_file(&path)?.ok_or_else(|| Error::failed(format!("cannot read {name}: it is not there")))?;
    let why = match all_from_pem(&bytes) {
        Ok(certificates) => return Ok(Held::Certificates(certificates)),
        Err(why) => why,
    };
    match PrivateKey::from_pem(&bytes) {
        Ok(key) => Ok(Held::Key(key)),
        // A file without any key is spoken of as the certificate that it may have been meant to be.
        Err(no_key) if no_key.contains("no private key") || no_key.contains("PEM") => {
            Err(facts::unreadable(&name, &why))
        }
        Err(why) => Err(facts::unreadable(&name, &why)),
    }
}

fn show_certificate(host: &mut Host, name: &str, certificate: &Certificate, key_file: Option<&str>, now: i64) {
    let what = match certificate.authority {
        Authority::Yes => "a CA certificate",
        Authority::NotForCertificates => "a CA certificate that may not sign certificates",
        Authority::No => "a certificate",
    };
    let mut lines = vec![
        format!("{name}: {what}, {}", end_shown(certificate, now)),
        format!("    subject      {}", subject::shown(&certificate.subject)),
        format!("    issuer       {}", subject::shown(&certificate.issuer)),
    ];
    let names = all_names(certificate);
    if !names.is_empty() {
        lines.push(format!("    names        {}", names.join(", ")));
    }
    if !certificate.usages.is_empty() {
        lines.push(format!("    uses         {}", certificate.usages.join(", ")));
    }
    lines.push(format!(
        "    valid        {} to {}",
        crate::times::rfc3339(certificate.not_before),
        crate::times::rfc3339(certificate.not_after)
    ));
    let its = key_file.map_or_else(String::new, |file| format!(", which is in {file}"));
    lines.push(format!("    key          {}{its}", certificate.key_shown()));
    lines.push(format!("    sha256       {}", certificate.fingerprint()));
    for line in lines {
        host.report.line(&line);
    }
    certificate_record(host, name, certificate, key_file, now);
}

fn show_key(host: &mut Host, name: &str, key: &PrivateKey, certificate_file: Option<&str>, others: Others) {
    host.report.line(&format!("{name}: a private key, {}, {}", key.algorithm, key.form));
    match (certificate_file, others) {
        (Some(file), _) => host.report.line(&format!("    certificate  {file}")),
        (None, Others::Certificates) => host.report.line("    certificate  none of these"),
        (None, Others::None) => {}
    }
    key_record(host, name, key, certificate_file);
}
