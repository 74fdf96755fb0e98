//! Reports programs and files that CRI-O's configuration names and that do not exist or that CRI-O refuses.

use std::path::Path;

use edge_host::Result;

use super::{Finding, Severity};
use crate::config::Setting;
use crate::policy;
use crate::references::{Found, HookProblem, Reference, References, RuntimeFacts};
use crate::unit::UNIT;
use crate::version::Version;

const UNSTARTED: &str = "CRI-O does not start";
/// The default runtime since this minor version is crun, before it was runc (cri-o `pkg/config/config.go`, DefaultConfig).
const CRUN_SINCE: u32 = 31;
/// CRI-O ignores other runtimes than the default one that it cannot use since this minor version; before, it did not start.
const IGNORES_RUNTIMES: u32 = 21;
/// A runtime has its own monitor since this minor version.
const MONITOR_SINCE: u32 = 24;
/// CRI-O uses its own profile instead of one that does not exist since this minor version.
const OWN_PROFILE: u32 = 25;
const OCI: &str = "oci";
const CONMON: &str = "conmon";
const UNUSABLE: &str = "pods cannot start";
const INSTALL_RUNTIME: &str = "apt-get install crun";
const INSTALL: &str =
    "correct the path, or install what is missing; for a file of CRI-O: edge-crio install --version V";

/// Reports what `references` contains; `release` is the installed release, if it is known.
pub fn references(references: &References, release: Option<Version>) -> Result<Vec<Finding>> {
    let minor = release.map(|release| release.minor);
    let mut findings: Vec<Finding> =
        references.program.iter().filter_map(|one| missing(one, "ExecStart", Severity::Error, UNSTARTED)).collect();
    findings.extend(runtimes(references, minor));
    findings.extend(monitors(references, minor));
    if let Some(pinns) = &references.pinns {
        findings.extend(program(pinns, "crio.runtime.pinns_path", "pinns", Severity::Error, UNSTARTED));
    }
    for (key, file) in &references.files {
        let is_profile = *key == "crio.runtime.seccomp_profile";
        let (severity, consequence) = match minor.is_some_and(|minor| minor >= OWN_PROFILE) && is_profile {
            true => (Severity::Warning, "CRI-O uses its own profile instead"),
            false => (Severity::Error, UNSTARTED),
        };
        findings.extend(missing(file, key, severity, consequence));
    }
    findings.extend(references.relative.iter().map(|(key, setting)| {
        let text = format!("{:?} is not an absolute path: {UNSTARTED}", setting.value);
        at(setting, key, Severity::Error, text)
    }));
    findings.extend(references.invalid.iter().map(|(file, line, problem)| {
        let finding = Finding::error(file, format!("{problem}: {UNSTARTED}")).on_line(*line);
        finding.hint("repair it, or move it away")
    }));
    findings.extend(signature_policy(references, minor)?);
    for dir in references.hooks.iter() {
        if let (true, Some(setting)) = (dir.is_other, &dir.setting) {
            let text = format!("{} is not a directory: CRI-O ignores it, and its hooks do not run", dir.path.display());
            let finding = Finding::warning(&setting.file, text).on_line(Some(setting.line));
            findings.push(finding.at("crio.runtime.hooks_dir"));
        }
        findings.extend(dir.hooks.iter().map(|(file, problem)| {
            match problem {
                HookProblem::Invalid(problem) => Finding::error(file, format!("this hook {problem}: {UNSTARTED}"))
                    .hint("repair it, or move it out of the directory"),
                HookProblem::NoProgram(program) => {
                    Finding::warning(file, format!("{} does not exist: CRI-O ignores this hook", program.display()))
                }
            }
        }));
    }
    Ok(findings)
}

fn runtimes(references: &References, minor: Option<u32>) -> Vec<Finding> {
    const KEY: &str = "crio.runtime.default_runtime";
    let own = minor.map(|minor| if minor >= CRUN_SINCE { "crun" } else { "runc" });
    let set = references.default_runtime.as_ref();
    let default = set.map(|setting| setting.value.as_str()).or(own);
    let mut findings = Vec::new();
    for (name, runtime) in &references.runtimes {
        let RuntimeFacts { entry, program: own, config, .. } = runtime;
        let key = |key: &str| format!("crio.runtime.runtimes.{name}.{key}");
        let is_default = default == Some(name);
        let (severity, consequence) = match is_default || minor.is_some_and(|minor| minor < IGNORES_RUNTIMES) {
            true => (Severity::Error, UNSTARTED.to_owned()),
            false => {
                (Severity::Warning, format!("CRI-O ignores the runtime {name}, and pods that use it cannot start"))
            }
        };
        // It has the program of the default runtime, which is reported there.
        let inherits = entry.inherits && !is_default;
        if !inherits {
            let finding = program(own, &key("runtime_path"), name, severity, &consequence);
            findings.extend(finding.map(|finding| match own.setting {
                Some(_) => finding,
                None => Finding { file: entry.file.display().to_string(), line: Some(entry.line), ..finding },
            }));
        }
        if let Some(config) = config {
            findings.extend(missing(config, &key("runtime_config_path"), severity, &consequence));
        }
    }
    match (default.filter(|name| !references.runtimes.contains_key(*name)), set) {
        (Some(name), Some(setting)) if own.is_none_or(|own| own != name) && !(own.is_none() && is_own(name)) => {
            let text = format!("there is no [crio.runtime.runtimes.{name}] for the runtime {name:?}: {UNSTARTED}");
            let names: Vec<&str> = references.runtimes.keys().map(String::as_str).collect();
            let hint = match names.is_empty() {
                true => "add the table with its runtime_path, or remove the line to use the default".to_owned(),
                false => {
                    format!("use one that is defined ({}), or add the table with its runtime_path", names.join(", "))
                }
            };
            findings.push(at(setting, KEY, Severity::Error, text).hint(hint));
        }
        (Some(name), _) => {
            let own = references.own_runtimes.get(name);
            let finding = own.and_then(|own| program(own, KEY, name, Severity::Error, UNSTARTED));
            findings.extend(finding.map(|finding| match set {
                Some(setting) => at(setting, KEY, finding.severity, finding.text),
                None => finding,
            }));
        }
        (None, _) => findings.extend(no_own_runtime(references)),
    }
    findings
}

/// The default runtime of an unknown release is crun or runc.
fn no_own_runtime(references: &References) -> Option<Finding> {
    let is_missing = |(name, own): (&String, &Reference)| {
        !references.runtimes.contains_key(name) && matches!(own.found, Found::Absent | Found::Other)
    };
    (!references.own_runtimes.is_empty() && references.own_runtimes.iter().all(is_missing)).then(|| {
        let text = format!("CRI-O's PATH has neither crun nor runc: {UNSTARTED}");
        Finding::error(UNIT, text).hint(format!("install one of them: {INSTALL_RUNTIME}"))
    })
}

/// The default runtime of some version, which CRI-O defines itself.
fn is_own(name: &str) -> bool {
    ["crun", "runc"].contains(&name)
}

/// CRI-O requires the monitor of every runtime whose containers it monitors with conmon.
fn monitors(references: &References, minor: Option<u32>) -> Vec<Finding> {
    if let Some(conmon) = &references.conmon {
        return program(conmon, "crio.runtime.conmon", CONMON, Severity::Error, UNSTARTED).into_iter().collect();
    }
    let own = references.own_conmon.as_ref();
    let searched = || own.and_then(|own| program(own, "crio.runtime.conmon", CONMON, Severity::Error, UNSTARTED));
    let mut findings: Vec<Finding> = Vec::new();
    let oci = references.runtimes.iter().filter(|(_, runtime)| ["", OCI].contains(&runtime.entry.kind.as_str()));
    let mut has_own = false;
    for (name, RuntimeFacts { monitor, .. }) in oci {
        if monitor.setting.is_some() && minor.is_none_or(|minor| minor >= MONITOR_SINCE) {
            let key = format!("crio.runtime.runtimes.{name}.monitor_path");
            findings.extend(program(monitor, &key, CONMON, Severity::Error, UNSTARTED));
        } else {
            has_own = true;
        }
    }
    if has_own || references.runtimes.is_empty() {
        findings.extend(searched());
    }
    findings
}

fn signature_policy(references: &References, minor: Option<u32>) -> Result<Option<Finding>> {
    const KEY: &str = "crio.image.signature_policy";
    const CONSEQUENCE: &str = "CRI-O cannot pull images";
    let Some((reference, text)) = &references.policy else { return Ok(None) };
    let path = reference.path.display();
    let create =
        || format!("to accept all images: echo '{{\"default\":[{{\"type\":\"insecureAcceptAnything\"}}]}}' > {path}");
    match (&reference.found, &reference.setting) {
        (Found::Absent, None) => {
            let text = format!("the file does not exist, and {KEY} names no other: {CONSEQUENCE}");
            return Ok(Some(Finding::error(&reference.path, text).hint(create())));
        }
        (Found::Absent, Some(setting)) => {
            let text = format!("{path} does not exist: {CONSEQUENCE}");
            return Ok(Some(at(setting, KEY, Severity::Error, text).hint(create())));
        }
        _ => {}
    }
    let Some(text) = text else {
        let finding = match &reference.found {
            Found::Unknown(cause) => Finding::new(Severity::Note, &reference.path, cause.clone()),
            _ => Finding::error(&reference.path, format!("it cannot be read as a policy: {CONSEQUENCE}")),
        };
        return Ok(Some(finding));
    };
    let problem = policy::problem(text, minor)?;
    Ok(problem.map(|problem| {
        Finding::error(&reference.path, format!("the policy {problem}: {CONSEQUENCE}"))
            .hint("correct it, see containers-policy.json(5)")
    }))
}

/// Reports a program that does not exist or is not executable.
fn program(reference: &Reference, key: &str, name: &str, severity: Severity, consequence: &str) -> Option<Finding> {
    let path = reference.path.display();
    // CRI-O runs conmon when it starts; of the others it only checks that they exist.
    let is_run = reference.found == Found::Absent || name == CONMON;
    let consequence = if is_run { consequence } else { UNUSABLE };
    match (&reference.found, &reference.setting) {
        (Found::File { is_executable: true }, _) => None,
        (Found::File { .. }, Some(setting)) => {
            let text = format!("{path} is not executable: {consequence}");
            Some(at(setting, key, severity, text).hint(format!("make it executable: chmod 755 {path}")))
        }
        (_, Some(_)) => missing(reference, key, severity, consequence),
        (Found::Unknown(cause), None) => Some(Finding::new(Severity::Note, &reference.path, cause.clone())),
        (_, None) => {
            let text = format!("is not set, and there is no program {name} in CRI-O's PATH: {consequence}");
            let finding = Finding::new(severity, UNIT, text).at(key);
            Some(finding.hint("install the same version again: edge-crio install --version V"))
        }
    }
}

/// Reports a file that does not exist.
fn missing(reference: &Reference, key: &str, severity: Severity, consequence: &str) -> Option<Finding> {
    let setting = reference.setting.as_ref()?;
    let path = reference.path.display();
    match &reference.found {
        Found::File { .. } => None,
        Found::Absent => {
            Some(at(setting, key, severity, format!("{path} does not exist: {consequence}")).hint(INSTALL))
        }
        Found::Other => Some(at(setting, key, severity, format!("{path} is not a file: {consequence}")).hint(INSTALL)),
        Found::Unknown(cause) => {
            Some(at(setting, key, Severity::Note, format!("it is unknown whether {path} exists: {cause}")))
        }
    }
}

fn at(setting: &Setting, key: &str, severity: Severity, text: impl Into<String>) -> Finding {
    Finding::new(severity, Path::new(&setting.file), text).on_line(Some(setting.line)).at(key)
}
