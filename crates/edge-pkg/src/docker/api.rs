//! The answer of dockerd on its socket: two requests over HTTP, as the program docker is a package of its own.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use edge_host::{Error, Result, ResultExt, visible};
use serde_json::Value;

/// More than the longest answer.
const MAX_ANSWER: u64 = 16 << 20;

/// What dockerd reports.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Answer {
    /// Its version.
    pub version: String,
    /// Its cgroup driver.
    pub driver: String,
    /// The mirrors of Docker Hub that it uses.
    pub mirrors: Vec<String>,
    /// The registries that it uses without a trusted certificate.
    pub insecure: Vec<String>,
    /// Containers keep running while it is down.
    pub has_live_restore: bool,
    /// The names of running containers.
    pub running: Vec<String>,
}

/// Queries dockerd.
pub fn ask(socket: &Path, within: Duration) -> Result<Answer> {
    let info = get(socket, "/info", within)?;
    let containers = get(socket, "/containers/json", within)?;
    let text = |value: &Value| value.as_str().map(visible).map(String::from).unwrap_or_default();
    let list = |value: &Value| value.as_array().into_iter().flatten().map(text).collect::<Vec<_>>();
    let registries = &info["RegistryConfig"];
    let hosts = registries["IndexConfigs"].as_object().into_iter().flatten();
    let insecure = hosts.filter(|(_, index)| index["Secure"] == Value::Bool(false)).map(|(name, _)| name.clone());
    let containers = containers.as_array().ok_or_else(|| unexpected(socket, "the list of containers is missing"))?;
    let name = |container: &Value| text(&container["Names"][0]).trim_start_matches('/').to_owned();
    let answer = Answer {
        version: text(&info["ServerVersion"]),
        driver: text(&info["CgroupDriver"]),
        mirrors: list(&registries["Mirrors"]),
        insecure: insecure.chain(list(&registries["InsecureRegistryCIDRs"])).collect(),
        has_live_restore: info["LiveRestoreEnabled"] == Value::Bool(true),
        running: containers.iter().map(name).collect(),
    };
    match answer.version.is_empty() {
        true => Err(unexpected(socket, "its version is missing")),
        false => Ok(answer),
    }
}

fn unexpected(socket: &Path, why: &str) -> Error {
    Error::cannot("query dockerd at", socket, why)
}

fn get(socket: &Path, path: &str, within: Duration) -> Result<Value> {
    let on = "query dockerd at";
    let mut stream = UnixStream::connect(socket).on(on, socket)?;
    stream.set_read_timeout(Some(within)).on(on, socket)?;
    stream.set_write_timeout(Some(within)).on(on, socket)?;
    // The server of 1.0 closes the connection after the answer, and does not send it in chunks.
    stream.write_all(format!("GET {path} HTTP/1.0\r\nHost: docker\r\n\r\n").as_bytes()).on(on, socket)?;
    let mut bytes = Vec::new();
    stream.take(MAX_ANSWER).read_to_end(&mut bytes).on(on, socket)?;
    let text = String::from_utf8_lossy(&bytes);
    let (head, body) = text.split_once("\r\n\r\n").ok_or_else(|| unexpected(socket, "no valid HTTP answer"))?;
    let status = head.lines().next().unwrap_or_default();
    if status.split(' ').nth(1) != Some("200") {
        return Err(unexpected(socket, &format!("it answers {}", visible(status))));
    }
    serde_json::from_str(body).map_err(|_| unexpected(socket, "the answer is not valid JSON"))
}
