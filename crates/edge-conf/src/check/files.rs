//! The files that cloudcore needs to start, by their settings.

use super::{SettingFinding, Severity};
use edge_host::Result;
use edge_kubeedge::settings::Settings;
use edge_kubeedge::{Kind, Minor};
use edge_yaml::Value;

/// Files of which cloudcore needs both or neither: it ends with "Both of ca and caKey should be specified!"
/// (kubeedge v1.4 to v1.23 `cloud/pkg/cloudhub/config`).
const PAIRS: [(&str, &str); 2] = [("tlsCAFile", "tlsCAKeyFile"), ("tlsCertFile", "tlsPrivateKeyFile")];
/// The files of `kubectl logs`; those of the tunnel may be missing (`ValidateModuleCloudStream`).
const STREAM: [&str; 3] = ["tlsStreamCAFile", "tlsStreamCertFile", "tlsStreamPrivateKeyFile"];

/// Checks the files that a configuration names; `exists` tells whether one exists, and fails where that is unknown.
///
/// `is_here` is false where another host may use the configuration.
pub(crate) fn check_files(
    version: Option<Minor>,
    document: &Value,
    is_here: bool,
    exists: &dyn Fn(&str) -> Result<bool>,
) -> Vec<SettingFinding> {
    let settings = Settings::new(Kind::CloudCore, version, document);
    let mut findings = Vec::new();
    let severity = if is_here { Severity::Error } else { Severity::Warning };
    let found = |path: &str, severity, message: String| {
        let steps: Vec<&str> = path.split('.').collect();
        SettingFinding::new(severity, &steps, message)
    };
    let file = |path: &str| settings.in_force(path).filter(|file| !file.is_empty());
    let mut state = |path: &str, file: &str| match exists(file) {
        Ok(exists) => Some(exists),
        Err(cause) => {
            findings.push(found(path, Severity::Note, format!("it is unknown whether {file} exists: {cause}")));
            None
        }
    };
    let mut problems = Vec::new();
    if settings.is_on("modules.cloudStream.enable") {
        for key in STREAM {
            let path = format!("modules.cloudStream.{key}");
            let Some(file) = file(&path) else { continue };
            if state(&path, &file) == Some(false) {
                let message = format!("{file} does not exist; cloudcore does not start");
                problems.push(found(&path, severity, message).hint("create it: edge-certgen stream --ip CLOUDCORE_IP"));
            }
        }
    }
    if settings.is_on("modules.cloudHub.enable") {
        for (one, other) in PAIRS {
            let (one, other) = (format!("modules.cloudHub.{one}"), format!("modules.cloudHub.{other}"));
            let (Some(first), Some(second)) = (file(&one), file(&other)) else { continue };
            let (path, there, missing) = match (state(&one, &first), state(&other, &second)) {
                (Some(true), Some(false)) => (other, first, second),
                (Some(false), Some(true)) => (one, second, first),
                _ => continue,
            };
            let message =
                format!("{missing} does not exist, but {there} does; cloudcore does not start with one of them");
            problems.push(found(&path, severity, message));
        }
    }
    findings.extend(problems);
    findings
}
