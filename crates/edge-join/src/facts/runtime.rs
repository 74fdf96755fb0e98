//! The container runtime that edgecore would use, and what it answers.

use std::path::Path;
use std::time::Duration;

use edge_cri::Answer;
use edge_host::Error;
use edge_kubeedge::Kind;
use edge_kubeedge::runtime::{Runtime, is_same_socket, runtime};
use edge_kubeedge::settings::Settings;

use super::host::Config;

/// Short, as it is asked after cloudcore: a runtime that works answers in milliseconds.
const WITHIN: Duration = Duration::from_secs(2);
const UNIX: &str = "unix://";
/// Other runtimes that may be installed.
const KNOWN: [&str; 2] = ["/run/containerd/containerd.sock", "/run/crio/crio.sock"];

/// The runtime of a configuration.
#[derive(Debug, Clone)]
pub struct RuntimeFacts {
    /// What the configuration says.
    pub setting: Runtime,
    /// Its socket, with the default of the version.
    pub socket: String,
    /// What it answers.
    pub answer: Result<Answer, Error>,
    /// Whether edgecore.yaml exists, so that it can be edited.
    pub has_config: bool,
    /// Another socket that exists, where this one does not.
    pub other: Option<&'static str>,
}

/// Asks the runtime; none if edgecore runs no pods or uses Docker without the CRI.
pub fn read(config: &Config) -> Option<RuntimeFacts> {
    let setting = runtime(&config.document, config.version)?;
    if setting.uses_docker {
        return None;
    }
    let settings = Settings::new(Kind::EdgeCore, config.version, &config.document);
    let endpoint = setting.endpoint.clone().or_else(|| settings.in_force(&setting.keys.endpoint))?;
    let socket = endpoint.strip_prefix(UNIX).unwrap_or(&endpoint).to_owned();
    let exists = |path: &str| Path::new(path).exists();
    let other =
        KNOWN.into_iter().find(|path| !is_same_socket(path, &socket) && exists(path)).filter(|_| !exists(&socket));
    let answer = edge_cri::ask(Path::new(&socket), WITHIN);
    Some(RuntimeFacts { setting, socket, answer, has_config: config.exists, other })
}
