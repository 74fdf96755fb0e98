//! Plans a key pair: from facts and request to a plan. Keys and signatures are made when it is applied.

use std::cell::OnceCell;
use std::fmt;
use std::rc::Rc;

use edge_host::action::Bytes;
use edge_host::{Error, Inverse, Node, Plan, Result, ResultExt, State};
use edge_pki::cert::{Authority, Certificate};
use edge_pki::chain::{self, Problem};
use edge_pki::issue::{self, Contents};
use edge_pki::key::{Algorithm, PrivateKey};
use edge_pki::names::{self, Name};
use edge_pki::sign::Signer;
use edge_pki::{subject, times};

use crate::authority::Ready;
use crate::facts::{Pair, Read};
use crate::request::{KeyChoice, Request};

/// Mode bits that let other users read or replace a private key.
pub const TOO_OPEN: u32 = 0o027;
const CERTIFICATE_MODE: u32 = 0o644;
const KEY_MODE: u32 = 0o600;

/// What to do with a key pair.
#[derive(Debug, Clone)]
pub enum Decision {
    /// Keep both; at most the file of the key is corrected.
    Keep(Rewrite),
    /// Make a new certificate.
    Make {
        /// Why the existing one is not kept.
        why: String,
        /// Its private key.
        key: Key,
    },
}

/// The private key of a new certificate.
#[derive(Debug, Clone)]
pub enum Key {
    /// The existing one.
    Kept(PrivateKey, Rewrite),
    /// The one given with --key.
    Given(PrivateKey),
    /// A new one.
    New(Algorithm),
}

/// How the file of a private key that is kept must be corrected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rewrite {
    /// Not at all.
    No,
    /// Other users can read or replace it: its mode is changed, its content is not written.
    Mode(u32),
    /// The same key is written in the format that its program loads.
    Form,
}

impl fmt::Display for Rewrite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Rewrite::No => Ok(()),
            Rewrite::Mode(mode) => {
                write!(f, "{mode:04o} to {KEY_MODE:04o}: other users can read or replace the private key")
            }
            Rewrite::Form => f.write_str("the same private key, in the format that its program loads"),
        }
    }
}

/// Decides what to do with a certificate that a CA signs.
///
/// Errors: exit 1 where its key file cannot be used; it is only replaced with --new-key.
pub fn decide(
    pair: &Pair,
    request: &Request,
    given: Option<PrivateKey>,
    authorities: &[Certificate],
    now: i64,
) -> Result<Decision> {
    refuse_other_than_files(pair)?;
    let why = why_not(pair, request, given.as_ref(), now).or_else(|| why_not_signed(pair, request, authorities, now));
    if let Some(why) = why {
        return Ok(Decision::Make { why, key: key(pair, request, given)? });
    }
    Ok(keep(pair, request))
}

/// Decides what to do with the hub's CA.
///
/// Errors: exit 4 where a new key would lock out every edge node and --new-key is not given.
pub fn decide_authority(pair: &Pair, request: &Request, given: Option<PrivateKey>, now: i64) -> Result<Decision> {
    refuse_other_than_files(pair)?;
    let locked_out = |what: &str| {
        let shown = pair.key_path.display();
        Error::refused(format!("cannot make {}: {what}", pair.certificate_path.display())).hint(format!(
            "copy the right private key to {shown}; or make a new CA with --new-key, after which every edge node must join again"
        ))
    };
    if request.key == KeyChoice::Keep {
        match (&pair.certificate, &pair.key) {
            (Read::Valid(_) | Read::Invalid(_), Read::Absent) => return Err(locked_out("its private key is missing")),
            (Read::Valid(_), Read::Valid(key)) if !key.algorithm.is_ec() => {
                return Err(locked_out(&format!("cloudcore does not load {} keys for its CA", key.algorithm)));
            }
            (Read::Valid(_), Read::Valid(_)) if pair.matches() == Some(false) && !pair.is_half_renewed() => {
                return Err(locked_out("the private key beside it belongs to another certificate"));
            }
            _ => {}
        }
    }
    let is_ca = pair.certificate.valid().is_none_or(|certificate| certificate.authority == Authority::Yes);
    let why = why_not(pair, request, given.as_ref(), now)
        .or_else(|| (!is_ca).then(|| "it is not a CA certificate".to_owned()));
    match why {
        Some(why) => {
            let key = key(pair, request, given)?;
            let algorithm = match &key {
                Key::Kept(key, _) | Key::Given(key) => key.algorithm,
                Key::New(algorithm) => *algorithm,
            };
            if !algorithm.is_ec() {
                return Err(Error::usage(format!(
                    "cannot make rootCA with {algorithm}: cloudcore loads only ECDSA keys"
                ))
                .hint("use --key-type ecdsa-p256 or --key-type ecdsa-p384"));
            }
            Ok(Decision::Make { why, key })
        }
        None => Ok(keep(pair, request)),
    }
}

/// Nothing is made in place of a directory.
fn refuse_other_than_files(pair: &Pair) -> Result<()> {
    for (path, found) in [(&pair.certificate_path, &pair.certificate_found), (&pair.key_path, &pair.key_found)] {
        if let Some(hint) = pair.move_away(path, found) {
            let why = format!("it is {}, not a file", found.state.describe());
            return Err(Error::cannot("replace", path, why).hint(hint));
        }
    }
    Ok(())
}

fn keep(pair: &Pair, request: &Request) -> Decision {
    Decision::Keep(pair.key.valid().map_or(Rewrite::No, |key| rewrite(pair, key, request)))
}

/// Why the existing key pair is not kept, apart from its issuer.
fn why_not(pair: &Pair, request: &Request, given: Option<&PrivateKey>, now: i64) -> Option<String> {
    let certificate = match &pair.certificate {
        Read::Absent => return Some("new".to_owned()),
        Read::Invalid(why) => return Some(why.clone()),
        Read::Valid(certificate) => certificate,
    };
    match (&pair.key, pair.matches()) {
        (Read::Absent, _) => return Some("its private key is missing".to_owned()),
        (Read::Invalid(why), _) => return Some(format!("its private key cannot be used: {why}")),
        (Read::Valid(_), Some(true)) => {}
        (Read::Valid(_), _) if pair.is_half_renewed() => {
            return Some(
                "a renewal was interrupted: the private key is new, the certificate is of the previous key".to_owned(),
            );
        }
        (Read::Valid(_), _) => return Some("it does not match its private key".to_owned()),
    }
    if given.is_some_and(|given| !certificate.matches_key(given)) {
        return Some("it does not match the given private key".to_owned());
    }
    if let Some(requested) = request.algorithm.filter(|requested| certificate.algorithm != Some(*requested)) {
        return Some(format!("its key is {}, and {requested} is requested", certificate.key_shown()));
    }
    let missing = names::without(&request.names, &certificate.names);
    if !missing.is_empty() {
        return Some(format!("its SANs do not include {}", names::shown(&missing)));
    }
    if let Some(usage) = request.usages.iter().find(|usage| !certificate.is_for(usage)) {
        return Some(format!("its extendedKeyUsage does not include {usage}"));
    }
    if request.subject_must_be.as_ref().is_some_and(|requested| !subject::same(requested, &certificate.subject)) {
        return Some(format!("its subject is {}, and another one is requested", subject::shown(&certificate.subject)));
    }
    if now < certificate.not_before {
        return Some(format!("it is not valid before {}", times::date(certificate.not_before)));
    }
    let left = certificate.days_left(now);
    if now > certificate.not_after {
        return Some(format!("it expired on {}", times::date(certificate.not_after)));
    }
    if left <= i64::from(request.renew_before) {
        return Some(format!("it expires in {}", times::days(left)));
    }
    (request.replace && !pair.written.certificate).then(|| "--force".to_owned())
}

fn why_not_signed(pair: &Pair, request: &Request, authorities: &[Certificate], now: i64) -> Option<String> {
    let certificate = pair.certificate.valid()?;
    // A program that reads only the first block sends no other certificate.
    let sent = if request.loads.first_block_only { Vec::new() } else { pair.intermediates() };
    let Some(found) = chain::find(certificate, &sent, authorities, now) else {
        return Some(format!("it is signed by another CA: {}", subject::shown(&certificate.issuer)));
    };
    Some(match found.problem(now)? {
        Problem::Expired(ca) => {
            format!("its CA {} expired on {}", subject::shown(&ca.subject), times::date(ca.not_after))
        }
        Problem::NotYetValid(ca) => {
            format!("its CA {} is not valid before {}", subject::shown(&ca.subject), times::date(ca.not_before))
        }
        Problem::NotCa(ca) => format!("it is signed by {}, which is not a CA", subject::shown(&ca.subject)),
    })
}

fn key(pair: &Pair, request: &Request, given: Option<PrivateKey>) -> Result<Key> {
    let new = Key::New(request.algorithm.unwrap_or(Algorithm::EcdsaP256));
    if let Some(given) = given {
        sound(&given).on("use", "the given private key")?;
        let same = pair.key.valid().is_some_and(|key| key.public_key_info() == given.public_key_info());
        return Ok(match pair.key.valid().filter(|_| same) {
            Some(key) => Key::Kept(key.clone(), rewrite(pair, key, request)),
            None => Key::Given(given),
        });
    }
    // An interrupted renewal is completed with the key that it has made; the first one is kept for an undo.
    if request.key == KeyChoice::New && !pair.written.key && !pair.is_half_renewed() {
        return Ok(new);
    }
    let unusable = |why: &str| {
        let hint = pair.move_away(&pair.key_path, &pair.key_found);
        let hint =
            hint.unwrap_or_else(|| "replace it with --new-key, which keeps it with the extension .old".to_owned());
        Error::failed(format!("cannot use the private key {}: {why}", pair.key_path.display())).hint(hint)
    };
    match &pair.key {
        Read::Absent => Ok(new),
        Read::Invalid(why) => Err(unusable(why)),
        Read::Valid(key) if request.algorithm.is_some_and(|requested| requested != key.algorithm) => Ok(new),
        Read::Valid(key) => {
            sound(key).map_err(|why| unusable(&why))?;
            Ok(Key::Kept(key.clone(), rewrite(pair, key, request)))
        }
    }
}

/// Whether the private and the public key are known and match, for the types that can be checked.
fn sound(key: &PrivateKey) -> std::result::Result<(), String> {
    match key.algorithm {
        Algorithm::EcdsaOther(_) | Algorithm::Rsa(4097..) => match key.public_key_info() {
            Some(_) => Ok(()),
            None => Err("it does not contain its public key (openssl pkey adds it)".to_owned()),
        },
        _ => Signer::new(key).map(|_| ()),
    }
}

fn rewrite(pair: &Pair, key: &PrivateKey, request: &Request) -> Rewrite {
    if !request.loads.accepts(key) {
        return Rewrite::Form;
    }
    match pair.key_found.state {
        State::File { mode, .. } if mode & TOO_OPEN != 0 => Rewrite::Mode(mode),
        _ => Rewrite::No,
    }
}

/// The SANs of the existing certificate that the new one does not have.
fn lost(old: &Certificate, request: &Request) -> Vec<Name> {
    names::without(&old.names, &request.names)
}

/// Adds the actions of a decision. `ready` is the CA that signs; none for one that signs itself.
pub fn plan(pair: Pair, request: &Request, decision: Decision, ready: Option<Ready>, now: i64, plan: &mut Plan) {
    let (why, key) = match decision {
        Decision::Keep(rewrite) => {
            if let Some(certificate) = pair.certificate.valid() {
                let left = times::days(certificate.days_left(now));
                plan.note(format!("{} is kept: it expires in {left}", pair.certificate_path.display()));
            }
            if let Some(key) = pair.key.valid() {
                rewrite_key(&pair, key, &rewrite, plan);
            }
            return;
        }
        Decision::Make { why, key } => (why, key),
    };
    if let Some(lost) = pair.certificate.valid().map(|old| lost(old, request)).filter(|lost| !lost.is_empty()) {
        let shown = names::shown(&lost);
        plan.note(format!(
            "{} will lose the SANs {shown}: pass them too to keep them",
            pair.certificate_path.display()
        ));
    }
    let cell = Rc::new(OnceCell::new());
    let first = plan.actions.len();
    let key_shown = pair.key_path.display().to_string();
    match key {
        Key::Kept(key, rewrite) => {
            rewrite_key(&pair, &key, &rewrite, plan);
            // The cell is new and empty.
            let _ = cell.set(key);
        }
        Key::Given(key) => {
            let content = key.to_pem();
            let why = format!("the given {} key", key.algorithm);
            let made = Box::new(move || content.map(String::into_bytes).map_err(|why| cannot_make(&key_shown, &why)));
            let node = Node::PrivateKey { content: Bytes::Made(made) };
            plan.write(&pair.key_path, pair.key_found.clone(), node, Inverse::Whole, why);
            let _ = cell.set(key);
        }
        Key::New(algorithm) => {
            let filled = Rc::clone(&cell);
            let made = Box::new(move || {
                let make = || {
                    let key = PrivateKey::generate(algorithm)?;
                    let text = key.to_pem()?;
                    filled.set(key).map_err(|_| "it was made twice".to_owned())?;
                    Ok(text.into_bytes())
                };
                make().map_err(|why: String| cannot_make(&key_shown, &why))
            });
            let node = Node::PrivateKey { content: Bytes::Made(made) };
            plan.write(&pair.key_path, pair.key_found.clone(), node, Inverse::Whole, format!("a new {algorithm} key"));
        }
    }
    // A key without its certificate is useless: neither is renamed into place before both are written.
    plan.actions.iter_mut().skip(first).for_each(|action| action.with_next = true);
    let contents = Contents {
        subject: request.subject.clone(),
        names: request.names.clone(),
        usages: request.usages.clone(),
        now,
        days: request.days,
    };
    let mut details = vec![format!("subject {}", subject::shown(&contents.subject))];
    if !contents.names.is_empty() {
        details.push(format!("SANs {}", names::shown(&contents.names)));
    }
    let issuer = ready.as_ref().map_or(&contents.subject, |ready| &ready.certificate.subject);
    details.push(format!("issuer {}, expires on {}", subject::shown(issuer), times::date(contents.not_after())));
    let certificate_shown = pair.certificate_path.display().to_string();
    let made = Box::new(move || {
        let make = || {
            let key = cell.get().ok_or("its private key was not made")?;
            let info = key.public_key_info().ok_or("its public key is not known")?;
            match &ready {
                Some(ready) => issue::leaf(&contents, &info, &ready.certificate, &ready.signer),
                None => issue::authority(&contents, &info, &Signer::new(key)?),
            }
        };
        make().map(String::into_bytes).map_err(|why: String| cannot_make(&certificate_shown, &why))
    });
    let node = Node::File { content: Bytes::Made(made), mode: CERTIFICATE_MODE };
    let action = plan.write(pair.certificate_path, pair.certificate_found, node, Inverse::Whole, why);
    action.details = details;
}

fn rewrite_key(pair: &Pair, key: &PrivateKey, rewrite: &Rewrite, plan: &mut Plan) {
    match rewrite {
        Rewrite::No => {}
        Rewrite::Mode(_) => {
            plan.chmod(&pair.key_path, pair.key_found.clone(), KEY_MODE, rewrite.to_string());
        }
        Rewrite::Form => match key.to_pem() {
            Ok(text) => {
                let node = Node::SameKey(text.into_bytes());
                plan.write(&pair.key_path, pair.key_found.clone(), node, Inverse::Whole, rewrite.to_string());
            }
            Err(why) => plan.note(format!("{} is kept as it is: {why}", pair.key_path.display())),
        },
    }
}

fn cannot_make(shown: &str, why: &str) -> Error {
    Error::failed(format!("cannot make {shown}: {why}"))
}
