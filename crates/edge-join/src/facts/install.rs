//! What a join would change on this host: the CA and the pair, edgecore, its unit and its configuration.

use std::path::{Path, PathBuf};

use edge_host::{Error, Host, Result, State};
use edge_kubeedge::settings::Settings;
use edge_kubeedge::unit::config_in_use;
use edge_kubeedge::{Kind, Minor};
use edge_pki::cert::Certificate;
use edge_pki::key::{Algorithm, PrivateKey};
use edge_pki::subject;
use edge_systemd::{Scope, UnitFacts, Units, startup};
use edge_yaml::{Document, Value};

use crate::certificate::judge;
use crate::plan::unit::{UNIT, UNIT_FILE};
use crate::plan::{HostFacts, PairFiles, Target};
use crate::program::{INSTALLED, version_of};

const CA: &str = "modules.edgeHub.tlsCaFile";
const CERTIFICATE: &str = "modules.edgeHub.tlsCertFile";
const KEY: &str = "modules.edgeHub.tlsPrivateKeyFile";
/// The first version that asks for another certificate where that of the node does not name it (kubeedge v1.21
/// `certmanager.go`).
const CHECKS_NAME: Minor = Minor::new(21);

/// What is on the host.
#[derive(Debug, Clone)]
pub struct Install {
    /// For the plan.
    pub facts: HostFacts,
    /// The version of the installed edgecore; none if there is no program, the inner one if it is not known.
    pub version: Option<Option<String>>,
    /// The program that the unit starts; none without a unit.
    pub starts: Option<String>,
}

/// Reads it, for a version.
pub fn read(host: &Host, version: Minor) -> Result<Install> {
    let root = &host.root;
    let path = config_in_use(root, Kind::EdgeCore)?.path;
    let found = root.find(&path)?;
    let text = String::from_utf8_lossy(&found.bytes).into_owned();
    // What is not YAML is refused when it is edited.
    let document = Document::parse(&text).map(|document| document.as_go()).unwrap_or(Value::Null);
    let settings = Settings::new(Kind::EdgeCore, Some(version), &document);
    let target = |key: &str| -> Result<Target> {
        let path = settings.text(key).map(str::to_owned).or_else(|| settings.default(key).map(str::to_owned));
        let path = PathBuf::from(path.unwrap_or_default());
        if !path.is_absolute() {
            let what = format!("cannot use {key} = {:?}: expected an absolute path", path.display().to_string());
            return Err(Error::refused(what).hint("set it right in edgecore.yaml, or remove it there"));
        }
        Ok(Target { found: root.find(&path)?, path })
    };
    let pair = PairFiles { ca: target(CA)?, key: target(KEY)?, certificate: target(CERTIFICATE)? };
    let program = root.find_large(Path::new(INSTALLED))?;
    let version = match root.entry_kind(Path::new(INSTALLED))? {
        None => None,
        Some(_) => Some(match root.open(Path::new(INSTALLED))? {
            Some(file) => version_of(file, INSTALLED)?,
            None => None,
        }),
    };
    let unit = UnitFacts::read(root, UNIT)?;
    let starts = unit.file.is_some().then(|| started(host)).transpose()?.flatten();
    let is_active = unit.has_systemd && unit.file.is_some() && {
        let state = startup::state(UNIT)?;
        // Between two attempts systemd waits, and a start ends that.
        state.active == "active"
    };
    let unit_file = root.find_link(Path::new(UNIT_FILE))?;
    let facts = HostFacts { pair, program, config: Target { path, found }, unit_file, unit, new_unit: None, is_active };
    Ok(Install { facts, version, starts })
}

/// The program that the unit starts.
fn started(host: &Host) -> Result<Option<String>> {
    let units = Units::read(&host.root, Scope::Now)?;
    let settings = units.settings(&units.find(UNIT)?)?;
    let words = settings.exec_start_words(&settings.whole_environment(&host.root)?);
    Ok(words.first().map(|word| word.text.trim_start_matches(['-', '@', ':', '+', '!']).to_owned()))
}

/// The pair on the host, if it can be used.
#[derive(Debug, Clone)]
pub enum Pair {
    /// There is none.
    Absent,
    /// It can be used.
    Good {
        /// The CA.
        ca: Box<Certificate>,
    },
    /// It cannot be used, and why.
    Unusable(String),
}

/// Judges the pair as edgecore of this version does, for this node.
pub fn pair(files: &PairFiles, name: &str, version: Minor, now: i64) -> Pair {
    let all = [&files.ca, &files.key, &files.certificate];
    if all.iter().all(|file| file.found.state == State::Absent) {
        return Pair::Absent;
    }
    if let Some(file) = all.iter().find(|file| !matches!(file.found.state, State::File { .. })) {
        return Pair::Unusable(format!("{} is {}", file.path.display(), file.found.state.describe()));
    }
    let why = |file: &Target, why: &str| Pair::Unusable(format!("{}: {why}", file.path.display()));
    let ca = match Certificate::from_pem(&files.ca.found.bytes) {
        Ok(ca) => ca,
        Err(cause) => return why(&files.ca, &cause),
    };
    let certificate = match Certificate::from_pem(&files.certificate.found.bytes) {
        Ok(certificate) => certificate,
        Err(cause) => return why(&files.certificate, &cause),
    };
    let key = match PrivateKey::from_pem(&files.key.found.bytes) {
        Ok(key) => key,
        Err(cause) => return why(&files.key, &cause.to_string()),
    };
    if let Err(cause) = judge(&certificate, &key, &ca, None, now) {
        return why(&files.certificate, &cause);
    }
    let names = subject::values(&certificate.subject, "CN");
    if version >= CHECKS_NAME && !names.contains(&format!("system:node:{name}")) {
        let shown = subject::shown(&certificate.subject);
        return why(&files.certificate, &format!("it is for {shown}, and not for this node"));
    }
    Pair::Good { ca: Box::new(ca) }
}

/// A key that is there without its certificate, as after a kill between both: it is used, so that no copy of it is left.
pub fn lone_key(files: &PairFiles) -> Option<PrivateKey> {
    const OWN: (u32, u32) = (0o600, 0);
    let key = PrivateKey::from_pem(&files.key.found.bytes).ok()?;
    let is_own = matches!(files.key.found.state, State::File { mode, uid, .. } if (mode, uid) == OWN);
    let is_usual = key.algorithm == Algorithm::EcdsaP256 && key.to_pem().ok()?.as_bytes() == files.key.found.bytes;
    let has_certificate = Certificate::from_pem(&files.certificate.found.bytes).is_ok_and(|one| one.matches_key(&key));
    (is_own && is_usual && !has_certificate).then_some(key)
}
