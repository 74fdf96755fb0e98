//! The settings that `enable` changes for each feature, by KubeEdge version.

use std::path::PathBuf;

use edge_host::{Error, Result};
use edge_kubeedge::address::Address;
use edge_kubeedge::hub;
use edge_kubeedge::runtime::{Keys, implied_version};
use edge_kubeedge::schema::Table;
use edge_kubeedge::settings::{Settings, plain, written};
use edge_kubeedge::stream::TUNNEL_PORT;
use edge_kubeedge::value::ValueKind;
use edge_kubeedge::{Kind, Minor};
use edge_yaml::Value;

use crate::check::rules::mapped;
use crate::request::Request;

const SERVER: &str = "modules.edgeStream.server";
/// The built-in edgeMesh of old versions, which conflicts with metaServer.
const EDGEMESH: &str = "modules.edgeMesh.enable";

/// A container runtime that edgecore can be switched to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RuntimeName {
    /// CRI-O.
    #[default]
    Crio,
    /// containerd.
    Containerd,
}

impl RuntimeName {
    /// The name of the feature, and of the program and its unit.
    pub fn feature(self) -> &'static str {
        match self {
            RuntimeName::Crio => "crio",
            RuntimeName::Containerd => "containerd",
        }
    }

    /// Its default socket and cgroup driver.
    fn defaults(self) -> (&'static str, &'static str) {
        match self {
            RuntimeName::Crio => ("unix:///var/run/crio/crio.sock", "systemd"),
            RuntimeName::Containerd => ("unix:///run/containerd/containerd.sock", "cgroupfs"),
        }
    }
}

/// The settings of a container runtime that were given.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RuntimeSettings {
    /// The runtime.
    pub name: RuntimeName,
    /// Its socket.
    pub socket: Option<String>,
    /// Its cgroup driver.
    pub cgroup_driver: Option<String>,
}

/// Requests, with the notes and hints to print.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Requests {
    /// The settings to change.
    pub requests: Vec<Request>,
    /// The source of a value that the user did not give.
    pub notes: Vec<String>,
    /// What may be wrong with such a value.
    pub warnings: Vec<String>,
    /// What remains to do elsewhere.
    pub hints: Vec<String>,
    /// The container runtime that edgecore is switched to, and its socket.
    pub runtime: Option<(RuntimeName, PathBuf)>,
}

/// `enable logs` in edgecore.yaml.
pub fn edge_logs(document: &Value, version: Option<Minor>, server: Option<&str>) -> Result<Requests> {
    let enable = Request::set("modules.edgeStream.enable", true)?;
    let mut requests = Requests { requests: vec![enable], ..Requests::default() };
    let settings = Settings::new(Kind::EdgeCore, version, document);
    let own = settings.written(SERVER).and_then(plain).unwrap_or_default();
    let server = match server {
        Some(server) => {
            ValueKind::Dial(TUNNEL_PORT).check(server).map_err(|cause| {
                Error::usage(format!("cannot use --server: {cause}")).hint(format!(
                    "for example: --server 192.0.2.1:{TUNNEL_PORT} or --server [2001:db8::1]:{TUNNEL_PORT}"
                ))
            })?;
            server.to_owned()
        }
        // The default configuration has a loopback address, which is not that of cloudcore.
        None if is_cloudcores(&own) => return Ok(requests),
        None => {
            let (server, note, warning) = server_of_hub(&settings)?;
            requests.notes.push(note);
            requests.warnings.extend(warning);
            server
        }
    };
    requests.requests.push(Request::set(SERVER, server)?);
    Ok(requests)
}

fn is_cloudcores(server: &str) -> bool {
    ValueKind::Dial(TUNNEL_PORT).check(server).is_ok()
        && Address::parse(server).is_ok_and(|address| !address.is_loopback())
}

/// The tunnel at the address of the hub in use, with a note on its source, and a warning where its port is not certain.
fn server_of_hub(settings: &Settings<'_>) -> Result<(String, String, Option<String>)> {
    let hint = format!("edge-conf enable logs --server IP:{TUNNEL_PORT}");
    let refused = |why: String| Error::refused(format!("cannot enable logs: {why}")).hint(hint.clone());
    let hub = match hub::in_use(settings) {
        Ok(hub) => hub,
        Err(why) => return Err(refused(format!("the address of cloudcore is unknown: {why}"))),
    };
    let address = hub.address().map_err(|why| refused(format!("{}: {why}", hub.path)))?;
    let Some(address) = address else {
        return Err(
            Error::usage("cannot enable logs: the address of cloudcore is not set in edgeStream or edgeHub").hint(hint)
        );
    };
    if address.is_loopback() {
        let (path, host, port) = (hub.path, address.host, address.port);
        return Err(refused(format!("{path} is {host}:{port}, which is this host and not cloudcore")));
    }
    let server = format!("{}:{TUNNEL_PORT}", address.host);
    let note = format!("using server {server}, with the host of {}", hub.path);
    let warning = (address.port != hub.usual_port).then(|| mapped(&hub, address.port));
    Ok((server, note, warning))
}

/// `enable logs` in cloudcore.yaml.
pub fn cloud_logs(server: Option<&str>) -> Result<Requests> {
    if server.is_some() {
        return Err(Error::usage("cannot use --server with cloudcore.yaml: it is a setting of edgecore.yaml"));
    }
    let requests = vec![Request::set("modules.cloudStream.enable", true)?];
    let hint = format!("on the edge nodes, use edge-conf enable logs --server CLOUDCORE_IP:{TUNNEL_PORT}");
    Ok(Requests { requests, hints: vec![hint], ..Requests::default() })
}

/// The files without which cloudcore does not start while cloudStream is enabled, by their settings in this file.
pub fn stream_files(document: &Value, version: Option<Minor>) -> Vec<String> {
    let settings = Settings::new(Kind::CloudCore, version, document);
    let file = |key: &str| {
        let path = format!("modules.cloudStream.{key}");
        let own = settings.text(&path).filter(|file| !file.is_empty());
        own.or_else(|| settings.default(&path)).map(str::to_owned)
    };
    ["tlsStreamCAFile", "tlsStreamCertFile", "tlsStreamPrivateKeyFile"].into_iter().filter_map(file).collect()
}

/// `enable metaserver`.
pub fn metaserver(document: &Value, version: Option<Minor>) -> Result<Requests> {
    let mut requests = vec![Request::set("modules.metaManager.metaServer.enable", true)?];
    let has_edgemesh = match version {
        Some(version) => Table::of(Kind::EdgeCore).home(EDGEMESH, version).is_some(),
        None => written(document, "modules.edgeMesh").is_some(),
    };
    if has_edgemesh {
        requests.push(Request::set(EDGEMESH, false)?);
    }
    let hint = "on the cloud side, use edge-conf enable dynamic-controller".to_owned();
    Ok(Requests { requests, hints: vec![hint], ..Requests::default() })
}

/// `enable dynamic-controller`.
pub fn dynamic_controller() -> Result<Requests> {
    Ok(Requests { requests: vec![Request::set("modules.dynamicController.enable", true)?], ..Requests::default() })
}

/// `enable crio` and `enable containerd`: the keys moved in 1.12, 1.16 and 1.18.
pub fn runtime(document: &Value, version: Option<Minor>, given: &RuntimeSettings) -> Result<Requests> {
    let (default_socket, default_driver) = given.name.defaults();
    let socket = endpoint(given.socket.as_deref().unwrap_or(default_socket), default_socket)?;
    let driver = given.cgroup_driver.as_deref().unwrap_or(default_driver);
    let known = version.or_else(|| implied_version(document)).ok_or_else(|| {
        let feature = given.name.feature();
        Error::failed(format!(
            "cannot enable {feature}: the KubeEdge version is unknown, and the keys differ between versions"
        ))
        .hint(format!("edge-conf enable {feature} --kubeedge-version 1.23; replace 1.23 by the version of edgecore"))
    })?;
    let keys = Keys::of(known);
    let mut requests = Requests::default();
    if version.is_none() {
        requests.notes.push(format!(
            "using the keys of KubeEdge {known}, which follow from apiVersion and the keys in the file; if another \
             version reads it, use --kubeedge-version VERSION"
        ));
    }
    if let Some(path) = &keys.runtime_type {
        requests.requests.push(Request::set(path, "remote")?);
    }
    for path in [&keys.endpoint, &keys.image_endpoint] {
        requests.requests.push(Request::set(path, socket.as_str())?);
    }
    requests.requests.push(Request::set(&keys.cgroup_driver, driver)?);
    requests.runtime = socket.strip_prefix("unix://").map(|path| (given.name, path.into()));
    Ok(requests)
}

/// Settings piped from `edge-crio settings` or `edge-pkg settings`: `socket=S`, `cgroupDriver=D`.
pub fn runtime_settings(lines: &[&str], runtime: RuntimeName) -> Result<RuntimeSettings> {
    let mut given = RuntimeSettings { name: runtime, ..RuntimeSettings::default() };
    for line in lines {
        let (name, value) = line.split_once('=').unwrap_or((line, ""));
        match name.trim() {
            "socket" => given.socket = Some(value.trim().to_owned()),
            "cgroupDriver" => given.cgroup_driver = Some(value.trim().to_owned()),
            _ => {
                return Err(Error::failed(format!("cannot use standard input: unexpected line {line:?}"))
                    .hint(format!("use lines such as socket={} and cgroupDriver=systemd", runtime.defaults().0)));
            }
        }
    }
    Ok(given)
}

/// A socket with or without unix://, as the setting names it.
fn endpoint(socket: &str, example: &str) -> Result<String> {
    let endpoint = format!("unix://{}", socket.strip_prefix("unix://").unwrap_or(socket));
    match ValueKind::Cri.check(&endpoint) {
        Ok(()) => Ok(endpoint),
        Err(_) => Err(Error::usage(format!("cannot use socket {socket:?}: it is not an absolute path"))
            .hint(format!("for example: --socket {example}"))),
    }
}
