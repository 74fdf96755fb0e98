//! Reads which programs and files CRI-O's configuration refers to, and whether they exist.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use edge_host::{Host, Result, State};
use serde_json::Value;

use crate::bundle::EXECUTABLE;
use crate::config::{Current, RuntimeEntry, Setting, invalid_line};

/// What is at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// Nothing.
    Absent,
    /// A file.
    File {
        /// It has an executable bit.
        is_executable: bool,
    },
    /// A directory or something else.
    Other,
    /// It cannot be read: the cause.
    Unknown(String),
}

/// A program or file that the configuration names, or that CRI-O searches for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// The setting that names it; none if CRI-O searches for it.
    pub setting: Option<Setting>,
    /// Its path, or the name of the program that CRI-O searches for.
    pub path: PathBuf,
    /// What is there.
    pub found: Found,
}

/// A directory of hooks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HooksDir {
    /// The directory, by the setting that names it or by default.
    pub path: PathBuf,
    /// The setting.
    pub setting: Option<Setting<Vec<String>>>,
    /// It exists and is not a directory.
    pub is_other: bool,
    /// Its hooks that have a problem.
    pub hooks: Vec<(PathBuf, HookProblem)>,
}

/// Why a hook does not run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HookProblem {
    /// CRI-O does not start with this file: what is wrong with it.
    Invalid(String),
    /// Its program does not exist, and CRI-O ignores the hook.
    NoProgram(PathBuf),
}

/// A runtime, its program and its monitor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuntimeFacts {
    /// Its table.
    pub entry: RuntimeEntry,
    /// Its program.
    pub program: Reference,
    /// Its monitor.
    pub monitor: Reference,
    /// runtime_config_path, if it is set.
    pub config: Option<Reference>,
}

/// Everything that the configuration refers to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct References {
    /// The program that the unit starts.
    pub program: Option<Reference>,
    /// default_runtime.
    pub default_runtime: Option<Setting>,
    /// The runtimes by name.
    pub runtimes: BTreeMap<String, RuntimeFacts>,
    /// crio.runtime.conmon, if it is set: it takes precedence over each monitor_path.
    pub conmon: Option<Reference>,
    /// The conmon that CRI-O finds by itself.
    pub own_conmon: Option<Reference>,
    /// crun and runc, as CRI-O finds them by themselves.
    pub own_runtimes: BTreeMap<String, Reference>,
    /// pinns.
    pub pinns: Option<Reference>,
    /// Further files that CRI-O loads, with the key that names each.
    pub files: Vec<(&'static str, Reference)>,
    /// The policy of signatures, with its text.
    pub policy: Option<(Reference, Option<String>)>,
    /// The directories of hooks.
    pub hooks: Vec<HooksDir>,
    /// Settings that must be an absolute path and are not.
    pub relative: Vec<(&'static str, Setting)>,
    /// Files that CRI-O loads and that are not valid, with the problem and the line, if it is known.
    pub invalid: Vec<(PathBuf, Option<usize>, &'static str)>,
}

/// The policy that CRI-O uses if none is configured.
const POLICY: &str = "/etc/containers/policy.json";
const HOOKS_DIR: &str = "/usr/share/containers/oci/hooks.d";
/// Files that are read if they are configured.
const FILES: [&str; 2] = ["crio.runtime.seccomp_profile", "crio.runtime.blockio_config_file"];
/// Files that are read if stream_enable_tls is set.
const TLS_FILES: [&str; 3] = ["crio.api.stream_tls_cert", "crio.api.stream_tls_key", "crio.api.stream_tls_ca"];
/// The configuration of registries: a file and a directory.
const REGISTRIES: (&str, &str) = ("/etc/containers/registries.conf", "/etc/containers/registries.conf.d");
const ABSOLUTE: [&str; 3] = ["crio.log_dir", "crio.image.signature_policy_dir", "crio.image.namespaced_auth_dir"];
/// More files are not read; CRI-O has no limit.
const MAX_HOOKS: usize = 1000;

impl References {
    /// Reads them from the host. A running CRI-O has found the programs that it searches for, also where its search path
    /// is not that of its unit.
    pub fn read(host: &Host, config: &Current, is_running: bool) -> Result<References> {
        let merged = &config.merged;
        let named = |setting: Setting| Reference {
            path: Path::new("/").join(&setting.value),
            found: look(host, &Path::new("/").join(&setting.value)),
            setting: Some(setting),
        };
        let searched = |name: &str| {
            let places = config.options.program_dirs().map(|dir| dir.join(name));
            let all = places.map(|path| (look(host, &path), path));
            let of = |found, path| Reference { setting: None, path, found };
            // A file that is not executable is passed over.
            let program = all.into_iter().find(|(found, _)| match found {
                Found::File { is_executable } => *is_executable,
                Found::Unknown(_) => true,
                Found::Absent | Found::Other => false,
            });
            let missing = if is_running { Found::File { is_executable: true } } else { Found::Absent };
            program.map_or_else(|| of(missing, PathBuf::from(name)), |(found, path)| of(found, path))
        };
        let conmon = merged.text("crio.runtime.conmon").map(named);
        let mut runtimes = BTreeMap::new();
        for (name, entry) in &merged.runtimes {
            let program = entry.path.clone().map_or_else(|| searched(name), named);
            let monitor = entry.monitor.clone().map_or_else(|| searched(CONMON), named);
            let config = entry.config.clone().map(named);
            runtimes.insert(name.clone(), RuntimeFacts { entry: entry.clone(), program, monitor, config });
        }
        let tls = merged.flag("crio.api.stream_enable_tls").unwrap_or_default();
        let files = FILES.iter().chain(TLS_FILES.iter().filter(|_| tls));
        let files = files.filter_map(|key| Some((*key, named(merged.text(key)?)))).collect();
        let relative = ABSOLUTE.iter().filter_map(|key| Some((*key, merged.text(key)?)));
        // systemd searches for a program without a directory in its own path.
        let program = config.options.program.clone().map(|setting| match setting.value.contains('/') {
            true => named(setting),
            false => Reference { setting: Some(setting.clone()), ..searched(&setting.value) },
        });
        Ok(References {
            program,
            default_runtime: merged.text("crio.runtime.default_runtime"),
            runtimes,
            conmon,
            own_conmon: Some(searched(CONMON)),
            own_runtimes: OWN_RUNTIMES.iter().map(|name| ((*name).to_owned(), searched(name))).collect(),
            pinns: Some(merged.text("crio.runtime.pinns_path").map_or_else(|| searched("pinns"), named)),
            files,
            policy: Some(policy(host, config)?),
            hooks: hooks(host, config)?,
            invalid: invalid(host, config),
            relative: relative.filter(|(_, setting)| !setting.value.starts_with('/')).collect(),
        })
    }
}

const CONMON: &str = "conmon";
const OWN_RUNTIMES: [&str; 2] = ["crun", "runc"];

fn look(host: &Host, path: &Path) -> Found {
    match host.root.open(path) {
        Ok(None) => Found::Absent,
        Ok(Some(file)) => match file.metadata() {
            Ok(meta) => Found::File { is_executable: meta.permissions().mode() & EXECUTABLE != 0 },
            Err(_) => Found::Unknown("its mode cannot be read".to_owned()),
        },
        Err(error) => match host.root.find(path).map(|found| found.state) {
            Ok(State::Absent) => Found::Absent,
            Ok(State::Directory { .. } | State::Other) => Found::Other,
            _ => Found::Unknown(error.to_string()),
        },
    }
}

/// The text as Go reads JSON: bytes that are not UTF-8 are replaced.
fn text_of(host: &Host, path: &Path) -> Option<String> {
    Some(String::from_utf8_lossy(&host.root.read(path).ok()??).into_owned())
}

/// The seccomp profile and the files of registries that CRI-O cannot parse.
fn invalid(host: &Host, config: &Current) -> Vec<(PathBuf, Option<usize>, &'static str)> {
    let mut all = Vec::new();
    let profile = config.merged.text("crio.runtime.seccomp_profile").map(|one| Path::new("/").join(one.value));
    if let Some((path, text)) = profile.and_then(|path| Some((path.clone(), text_of(host, &path)?)))
        && let Err(error) = serde_json::from_str::<Value>(&text)
    {
        all.push((path, Some(error.line()), "this profile is not valid JSON"));
    }
    let names = host.root.list(Path::new(REGISTRIES.1)).unwrap_or_default();
    let files = names.iter().map(|name| Path::new(REGISTRIES.1).join(name));
    let files = files.filter(|file| file.extension().is_some_and(|end| end == "conf"));
    for file in std::iter::once(PathBuf::from(REGISTRIES.0)).chain(files) {
        let line = text_of(host, &file).and_then(|text| invalid_line(&text));
        all.extend(line.map(|line| (file, Some(line), "the file is not valid TOML")));
    }
    all
}

fn policy(host: &Host, config: &Current) -> Result<(Reference, Option<String>)> {
    let setting = config.merged.text("crio.image.signature_policy");
    let path = setting.as_ref().map_or_else(|| PathBuf::from(POLICY), |setting| Path::new("/").join(&setting.value));
    let reference = Reference { setting, found: look(host, &path), path };
    let text = text_of(host, &reference.path);
    Ok((reference, text))
}

fn hooks(host: &Host, config: &Current) -> Result<Vec<HooksDir>> {
    let setting = config.merged.list("crio.runtime.hooks_dir");
    let names = setting.as_ref().map_or_else(|| vec![HOOKS_DIR.to_owned()], |setting| setting.value.clone());
    let mut all = Vec::new();
    for name in names.iter().filter(|name| !name.is_empty()) {
        let path = Path::new("/").join(name);
        let is_other = matches!(host.root.find(&path).map(|found| found.state), Ok(State::File { .. } | State::Other));
        let names = if is_other { Vec::new() } else { host.root.list(&path).unwrap_or_default() };
        let files =
            names.iter().map(|name| path.join(name)).filter(|file| file.extension().is_some_and(|x| x == "json"));
        let hooks = files.take(MAX_HOOKS).filter_map(|file| {
            let problem = hook_problem(&text_of(host, &file)?, &|program| look(host, program) == Found::Absent)?;
            Some((file, problem))
        });
        let hooks = hooks.collect();
        all.push(HooksDir { path, setting: setting.clone(), is_other, hooks });
    }
    Ok(all)
}

/// The problem of a hook (oci-hooks(5); containers/common `pkg/hooks`): version 1.0.0 has a program in `hook.path`, the
/// older 0.1.0 in `hook`.
fn hook_problem(text: &str, is_missing: &dyn Fn(&Path) -> bool) -> Option<HookProblem> {
    let invalid = |what: &str| Some(HookProblem::Invalid(what.to_owned()));
    let hook: Value = match serde_json::from_str(text) {
        Ok(hook) => hook,
        Err(error) => {
            return invalid(&format!("is not valid JSON at line {}, column {}", error.line(), error.column()));
        }
    };
    let (program, stages) = match hook.get("version").map_or(Some(""), Value::as_str) {
        Some("1.0.0") => (hook.get("hook").and_then(|hook| hook.get("path")), hook.get("stages")),
        Some("" | "0.1.0") => (hook.get("hook"), hook.get("stages").or(hook.get("stage"))),
        Some(other) => return invalid(&format!("has the unknown version {other:?} of hooks")),
        None => return invalid("has a version that is not a string"),
    };
    if !stages.is_some_and(Value::is_array) {
        return invalid("has no list of stages");
    }
    let Some(program) = program.and_then(Value::as_str).filter(|program| !program.is_empty()) else {
        return invalid("names no program");
    };
    is_missing(Path::new(program)).then(|| HookProblem::NoProgram(PathBuf::from(program)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hook_problem_distinguishes_what_keeps_crio_from_starting() {
        let of = |text: &str| hook_problem(text, &|program| program == Path::new("/gone"));
        let new =
            |path: &str| format!(r#"{{"version": "1.0.0", "hook": {{"path": "{path}"}}, "stages": ["prestart"]}}"#);
        assert_eq!(of(&new("/there")), None);
        assert_eq!(of(&new("/gone")), Some(HookProblem::NoProgram("/gone".into())));
        assert_eq!(of(r#"{"hook": "/gone", "stage": ["prestart"]}"#), Some(HookProblem::NoProgram("/gone".into())));
        for (text, want) in [
            ("{", "is not valid JSON at line 1, column 1"),
            (r#"{"version": "2.0.0"}"#, "has the unknown version \"2.0.0\" of hooks"),
            (r#"{"version": "1.0.0", "hook": {"path": "/a"}}"#, "has no list of stages"),
            (r#"{"version": "1.0.0", "hook": {}, "stages": []}"#, "names no program"),
        ] {
            assert_eq!(of(text), Some(HookProblem::Invalid(want.to_owned())), "{text}");
        }
    }
}
