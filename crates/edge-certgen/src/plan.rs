//! What is to be made: from what is there and what is wanted to a plan. Keys and signatures are made
//! when it is applied.

use std::cell::OnceCell;
use std::fmt;
use std::rc::Rc;

use edge_host::action::Bytes;
use edge_host::{Error, Inverse, Node, Plan, Result, ResultExt, State};

use crate::authority::Ready;
use crate::cert::{Authority, Certificate};
use crate::facts::{Pair, Read, belongs};
use crate::issue::{self, Request};
use crate::key::{Algorithm, PrivateKey};
use crate::names::{self, Name};
use crate::sign::{Signed, Signer};
use crate::wanted::{Existing, KeyWish, Wanted};
use crate::{subject, times};

/// Others may read it, or write it.
pub const TOO_OPEN: u32 = 0o027;
const CERTIFICATE_MODE: u32 = 0o644;
const KEY_MODE: u32 = 0o600;

/// What is to be done with a pair.
#[derive(Debug, Clone)]
pub enum Decision {
    /// Nothing but what is wrong with the key's file, if anything.
    Keep(Rewrite),
    /// A new certificate.
    Make {
        /// Why the one that is there does not do.
        why: String,
        /// For which key.
        key: Key,
    },
}

/// The key of a new certificate.
#[derive(Debug, Clone)]
pub enum Key {
    /// The one that is there.
    Kept(PrivateKey, Rewrite),
    /// The user's.
    Given(PrivateKey),
    /// One to be made.
    New(Algorithm),
}

/// Whether something is wrong with the file of a key that stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rewrite {
    /// Nothing is.
    No,
    /// Others can read or replace it: its mode is changed, and nothing is written.
    Mode(u32),
    /// The same key is written as its program loads it.
    Form,
}

impl fmt::Display for Rewrite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Rewrite::No => Ok(()),
            Rewrite::Mode(mode) => {
                write!(f, "{mode:04o} to {KEY_MODE:04o}: others can read or replace the private key")
            }
            Rewrite::Form => f.write_str("the same key, in the form that its program loads"),
        }
    }
}

/// What is to be done with a leaf.
///
/// Errors: exit 1 where its key file cannot be used and must not be replaced without being asked for.
pub fn decide(pair: &Pair, wanted: &Wanted, given: Option<PrivateKey>, ca: &Certificate, now: i64) -> Result<Decision> {
    if let Some(why) = why_not(pair, wanted, given.as_ref(), now).or_else(|| why_not_signed(pair, ca)) {
        return Ok(Decision::Make { why, key: key(pair, wanted, given)? });
    }
    Ok(keep(pair, wanted))
}

/// What is to be done with the hub's CA.
///
/// Errors: exit 4 where a new key would lock every edge node out and was not asked for.
pub fn decide_authority(pair: &Pair, wanted: &Wanted, given: Option<PrivateKey>, now: i64) -> Result<Decision> {
    let locked_out = |what: &str| {
        let shown = pair.key_path.display();
        Error::refused(format!("cannot make {}: {what}", pair.certificate_path.display())).hint(format!(
            "put the right key at {shown}; --new-key makes a new CA, and every edge node must join again"
        ))
    };
    if wanted.key == KeyWish::Keep {
        match (&pair.certificate, &pair.key) {
            (Read::Good(_) | Read::Bad(_), Read::Absent) => return Err(locked_out("its key is not there")),
            (Read::Good(_), Read::Good(key)) if !key.algorithm.is_ec() => {
                return Err(locked_out(&format!("cloudcore loads no {} key for its CA", key.algorithm)));
            }
            (Read::Good(_), Read::Good(_)) if pair.matches() == Some(false) && !pair.is_half_renewed() => {
                return Err(locked_out("the key beside it is another's"));
            }
            _ => {}
        }
    }
    let is_ca = pair.certificate.good().is_none_or(|certificate| certificate.authority == Authority::Yes);
    let why = why_not(pair, wanted, given.as_ref(), now).or_else(|| (!is_ca).then(|| "it is no CA".to_owned()));
    match why {
        Some(why) => {
            let key = key(pair, wanted, given)?;
            let algorithm = match &key {
                Key::Kept(key, _) | Key::Given(key) => key.algorithm,
                Key::New(algorithm) => *algorithm,
            };
            if !algorithm.is_ec() {
                return Err(Error::usage(format!(
                    "cannot make the hub's CA with {algorithm}: cloudcore loads ECDSA only"
                ))
                .hint("ecdsa-p256 or ecdsa-p384"));
            }
            Ok(Decision::Make { why, key })
        }
        None => Ok(keep(pair, wanted)),
    }
}

fn keep(pair: &Pair, wanted: &Wanted) -> Decision {
    Decision::Keep(pair.key.good().map_or(Rewrite::No, |key| rewrite(pair, key, wanted)))
}

/// Why the pair that is there does not do, apart from who signed it.
fn why_not(pair: &Pair, wanted: &Wanted, given: Option<&PrivateKey>, now: i64) -> Option<String> {
    let certificate = match &pair.certificate {
        Read::Absent => return Some("new".to_owned()),
        Read::Bad(why) => return Some(why.clone()),
        Read::Good(certificate) => certificate,
    };
    match (&pair.key, pair.matches()) {
        (Read::Absent, _) => return Some("its key is not there".to_owned()),
        (Read::Bad(why), _) => return Some(format!("its key cannot be used: {why}")),
        (Read::Good(_), Some(true)) => {}
        (Read::Good(_), _) if pair.is_half_renewed() => {
            return Some("a renewal was interrupted: the new key is there, its certificate is not".to_owned());
        }
        (Read::Good(_), _) => return Some("it is not for the key beside it".to_owned()),
    }
    if given.is_some_and(|given| !belongs(certificate, given)) {
        return Some("it is not for the key that is given".to_owned());
    }
    if let Some(asked) = wanted.algorithm.filter(|asked| certificate.algorithm != Some(*asked)) {
        return Some(format!("its key is {}, and {asked} is asked for", certificate.key_shown()));
    }
    let missing = names::without(&wanted.names, &certificate.names);
    if !missing.is_empty() {
        return Some(format!("it is not for {}", names::shown(&missing)));
    }
    if let Some(usage) = wanted.usages.iter().find(|usage| !certificate.is_for(usage)) {
        return Some(format!("it is not for {usage} (extendedKeyUsage)"));
    }
    if wanted.subject_must_be.as_ref().is_some_and(|asked| !subject::same(asked, &certificate.subject)) {
        return Some(format!("its subject is {}", subject::shown(&certificate.subject)));
    }
    if now < certificate.not_before {
        return Some(format!("it is not valid before {}", times::date(certificate.not_before)));
    }
    let left = certificate.days_left(now);
    if now > certificate.not_after {
        return Some(format!("it ended on {}", times::date(certificate.not_after)));
    }
    if left <= i64::from(wanted.renew_before) {
        return Some(format!("it has {} left", times::days(left)));
    }
    (wanted.existing == Existing::Replace && !pair.written.certificate).then(|| "--force".to_owned())
}

fn why_not_signed(pair: &Pair, ca: &Certificate) -> Option<String> {
    let certificate = pair.certificate.good()?;
    match certificate.signed_by(ca) {
        Signed::Yes | Signed::Unknown => None,
        Signed::No => Some(format!("another CA signed it: {}", subject::shown(&certificate.issuer))),
    }
}

fn key(pair: &Pair, wanted: &Wanted, given: Option<PrivateKey>) -> Result<Key> {
    let new = Key::New(wanted.algorithm.unwrap_or(Algorithm::EcdsaP256));
    if let Some(given) = given {
        sound(&given).on("use", "the key that is given")?;
        let same = pair.key.good().is_some_and(|key| key.public_key_info() == given.public_key_info());
        return Ok(match pair.key.good().filter(|_| same) {
            Some(key) => Key::Kept(key.clone(), rewrite(pair, key, wanted)),
            None => Key::Given(given),
        });
    }
    // Completing what was interrupted needs no third key, and the first one stays beside for an undo.
    if wanted.key == KeyWish::New && !pair.written.key && !pair.is_half_renewed() {
        return Ok(new);
    }
    let unusable = |why: &str| {
        let hint = match pair.key_found.state {
            State::File { .. } => "--new-key makes another one and keeps this one beside as .old",
            _ => "move it away; a key is a file of its own",
        };
        Error::failed(format!("cannot use the key {}: {why}", pair.key_path.display())).hint(hint)
    };
    match &pair.key {
        Read::Absent => Ok(new),
        Read::Bad(why) => Err(unusable(why)),
        Read::Good(key) if wanted.algorithm.is_some_and(|asked| asked != key.algorithm) => Ok(new),
        Read::Good(key) => {
            sound(key).map_err(|why| unusable(&why))?;
            Ok(Key::Kept(key.clone(), rewrite(pair, key, wanted)))
        }
    }
}

/// Whether a key's halves are there and belong together, as far as that can be told here.
fn sound(key: &PrivateKey) -> std::result::Result<(), String> {
    match key.algorithm {
        Algorithm::EcdsaOther(_) | Algorithm::Rsa(4097..) => match key.public_key_info() {
            Some(_) => Ok(()),
            None => Err("it does not hold its public half (openssl pkey adds it)".to_owned()),
        },
        _ => Signer::new(key).map(|_| ()),
    }
}

fn rewrite(pair: &Pair, key: &PrivateKey, wanted: &Wanted) -> Rewrite {
    if !wanted.loads.takes(key) {
        return Rewrite::Form;
    }
    match pair.key_found.state {
        State::File { mode, .. } if mode & TOO_OPEN != 0 => Rewrite::Mode(mode),
        _ => Rewrite::No,
    }
}

/// The names that a certificate has and its successor has not: whoever dials them would refuse it.
fn lost(old: &Certificate, wanted: &Wanted) -> Vec<Name> {
    names::without(&old.names, &wanted.names)
}

/// Adds what a decision asks for. `ready` is the CA that signs; none for one that signs itself.
pub fn plan(pair: Pair, wanted: &Wanted, decision: Decision, ready: Option<Ready>, now: i64, plan: &mut Plan) {
    let (why, key) = match decision {
        Decision::Keep(rewrite) => {
            if let Some(certificate) = pair.certificate.good() {
                let left = times::days(certificate.days_left(now));
                plan.note(format!("{} stays: it has {left} left", pair.certificate_path.display()));
            }
            if let Some(key) = pair.key.good() {
                write_again(&pair, key, &rewrite, plan);
            }
            return;
        }
        Decision::Make { why, key } => (why, key),
    };
    if let Some(lost) = pair.certificate.good().map(|old| lost(old, wanted)).filter(|lost| !lost.is_empty()) {
        let shown = names::shown(&lost);
        plan.note(format!(
            "{} will no longer be for {shown}: name them too to keep them",
            pair.certificate_path.display()
        ));
    }
    let cell = Rc::new(OnceCell::new());
    let first = plan.actions.len();
    let key_shown = pair.key_path.display().to_string();
    match key {
        Key::Kept(key, rewrite) => {
            write_again(&pair, &key, &rewrite, plan);
            // A cell that was just made is empty.
            let _ = cell.set(key);
        }
        Key::Given(key) => {
            let content = key.to_pem();
            let why = format!("the {} key that is given", key.algorithm);
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
    // A key without its certificate is of no use: neither gets its name before both are written.
    plan.actions.iter_mut().skip(first).for_each(|action| action.with_next = true);
    let request = Request {
        subject: wanted.subject.clone(),
        names: wanted.names.clone(),
        usages: wanted.usages.clone(),
        now,
        days: wanted.days,
    };
    let mut details = vec![format!("subject {}", subject::shown(&request.subject))];
    if !request.names.is_empty() {
        details.push(format!("names {}", names::shown(&request.names)));
    }
    let issuer = ready.as_ref().map_or(&request.subject, |ready| &ready.certificate.subject);
    details.push(format!("signed by {}, until {}", subject::shown(issuer), times::date(request.not_after())));
    let certificate_shown = pair.certificate_path.display().to_string();
    let made = Box::new(move || {
        let make = || {
            let key = cell.get().ok_or("its key was not made")?;
            let info = key.public_key_info().ok_or("its key has no public half")?;
            match &ready {
                Some(ready) => issue::leaf(&request, &info, &ready.certificate, &ready.signer),
                None => issue::authority(&request, &info, &Signer::new(key)?),
            }
        };
        make().map(String::into_bytes).map_err(|why: String| cannot_make(&certificate_shown, &why))
    });
    let node = Node::File { content: Bytes::Made(made), mode: CERTIFICATE_MODE };
    let action = plan.write(pair.certificate_path, pair.certificate_found, node, Inverse::Whole, why);
    action.details = details;
}

fn write_again(pair: &Pair, key: &PrivateKey, rewrite: &Rewrite, plan: &mut Plan) {
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
            Err(why) => plan.note(format!("{} stays as it is: {why}", pair.key_path.display())),
        },
    }
}

fn cannot_make(shown: &str, why: &str) -> Error {
    Error::failed(format!("cannot make {shown}: {why}"))
}
