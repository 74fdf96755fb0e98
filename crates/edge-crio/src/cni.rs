//! Why a runtime has no network. CRI-O always says that there is no configuration; its log knows more,
//! and the files tell it too.

use std::io::Read;
use std::time::Duration;

use edge_host::{Cmd, Host, Result};
use serde_json::Value;

use crate::config::Effective;
use crate::system::{Arch, System};

/// What libcni reads as a configuration.
const EXTENSIONS: [&str; 3] = ["conf", "conflist", "json"];
/// What a packager puts behind the name of a sample.
const DISABLED: &str = ".disabled";
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// Why there is no network, in the words of whoever must mend it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// The file or directory it is about.
    pub file: String,
    /// What is wrong.
    pub text: String,
    /// What to do.
    pub hint: String,
}

/// The causes, one for each configuration that does not work; none where some configuration does.
pub fn causes(host: &Host, config: &Effective, system: &System) -> Result<Vec<Cause>> {
    let dir = config.network_dir();
    let names = host.root.list(&dir)?;
    let mut causes = Vec::new();
    let mut disabled = Vec::new();
    for name in &names {
        let path = dir.join(name);
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        if path.to_string_lossy().ends_with(DISABLED) {
            disabled.push(path.display().to_string());
        }
        if !EXTENSIONS.contains(&extension) {
            continue;
        }
        // What cannot be read is a cause like any other, and not the end of the check.
        let found = match host.root.read(&path) {
            Ok(Some(text)) => fault(host, config, system, &String::from_utf8_lossy(&text))?,
            Ok(None) => Some(("it is a link to nothing".to_owned(), "mend or remove it".to_owned())),
            Err(error) => Some((error.message().to_owned(), "mend or remove it".to_owned())),
        };
        match found {
            None => return Ok(Vec::new()),
            Some((text, hint)) => causes.push(Cause { file: path.display().to_string(), text, hint }),
        }
    }
    if causes.is_empty() {
        let aside =
            if disabled.is_empty() { String::new() } else { format!("; {} is only a sample", disabled.join(", ")) };
        causes.push(Cause {
            file: dir.display().to_string(),
            text: format!("there is no network configuration in it{aside}"),
            hint: "edge-cni conf bridge --subnet CIDR writes one, unless a network add-on of the cluster will"
                .to_owned(),
        });
    }
    Ok(causes)
}

type Fault = Option<(String, String)>;

fn fault(host: &Host, config: &Effective, system: &System, text: &str) -> Result<Fault> {
    let more = || "edge-cni check says more".to_owned();
    let value: Value = match serde_json::from_str(text) {
        Ok(value) => value,
        Err(error) => return Ok(Some((format!("it is no JSON: {error}"), "mend or remove it".to_owned()))),
    };
    let version = value.get("cniVersion").and_then(Value::as_str).unwrap_or("0.1.0");
    let plugins = match value.get("plugins").and_then(Value::as_array) {
        Some(plugins) => plugins.clone(),
        None => vec![value.clone()],
    };
    let kind = |value: &Value| value.get("type").and_then(Value::as_str).map(str::to_owned);
    let mut wanted: Vec<String> = Vec::new();
    for plugin in &plugins {
        let Some(name) = kind(plugin) else {
            return Ok(Some(("it names no plugin".to_owned(), more())));
        };
        wanted.push(name);
        wanted.extend(plugin.get("ipam").and_then(kind));
    }
    for name in wanted {
        if let Some(fault) = plugin_fault(host, config, system, &name, version)? {
            return Ok(Some(fault));
        }
    }
    Ok(None)
}

fn plugin_fault(host: &Host, config: &Effective, system: &System, name: &str, version: &str) -> Result<Fault> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if name.is_empty() || name.starts_with('.') || !name.bytes().all(plain) {
        return Ok(Some((format!("{name:?} is no plugin's name"), "mend or remove it".to_owned())));
    }
    let dirs = config.plugin_dirs();
    for dir in &dirs {
        let path = dir.join(name);
        let Some(mut file) = host.root.open(&path)? else { continue };
        let shown = path.display();
        let mut header = Vec::new();
        // What cannot be read is no program.
        Read::by_ref(&mut file).take(20).read_to_end(&mut header).ok();
        match (Arch::of_program(&header), &system.arch) {
            (None, _) => {
                return Ok(Some((
                    format!("{shown} is no program"),
                    "edge-cni install puts the plugins in place".to_owned(),
                )));
            }
            (Some(is), Some(own)) if is != *own => {
                let hint = format!("edge-cni build --arch {}, and install that", own.go());
                return Ok(Some((format!("{shown} is for {is}, and this system is {own}"), hint)));
            }
            _ => {}
        }
        if !host.root.is_live() {
            return Ok(None);
        }
        // By its own name, which a program with several names goes by.
        let asked = Cmd::at(&path)
            .env("CNI_COMMAND", "VERSION")
            .stdin(r#"{"cniVersion":"0.4.0"}"#)
            .deadline(ANSWER_WITHIN)
            .run();
        let said = match asked {
            Ok(output) => output.stdout,
            Err(error) => {
                return Ok(Some((format!("{shown} does not run: {error}"), "edge-cni check says more".to_owned())));
            }
        };
        let supported = supported(&said);
        if !supported.iter().any(|supported| supported == version) {
            let newest = supported.last().map_or_else(|| "nothing".to_owned(), Clone::clone);
            return Ok(Some((
                format!("it is of CNI {version}, and {shown} is too old for that: it reads up to {newest}"),
                format!(
                    "newer plugins (edge-cni build, edge-cni install), or a configuration of CNI {newest} (edge-cni conf)"
                ),
            )));
        }
        return Ok(None);
    }
    Ok(Some((
        format!(
            "its plugin {name} is missing from {}",
            dirs.iter().map(|dir| dir.display().to_string()).collect::<Vec<_>>().join(", ")
        ),
        "edge-cni install puts the plugins in place".to_owned(),
    )))
}

fn supported(said: &str) -> Vec<String> {
    let value: Value = serde_json::from_str(said).unwrap_or_default();
    let list = value.get("supportedVersions").and_then(Value::as_array);
    list.into_iter().flatten().filter_map(|version| version.as_str().map(str::to_owned)).collect()
}
