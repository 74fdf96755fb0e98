//! What `enable` sets, by version: the knowledge that the install guides leave to the reader.

use edge_host::{Error, Result};
use edge_kubeedge::address::{self, host_of, is_loopback};
use edge_kubeedge::runtime::{Keys, era};
use edge_kubeedge::schema::Table;
use edge_kubeedge::settings::{Settings, written};
use edge_kubeedge::stream::TUNNEL_PORT;
use edge_kubeedge::{Kind, Minor};
use edge_yaml::Value;

use crate::wish::Wish;

const DEFAULT_SOCKET: &str = "unix:///var/run/crio/crio.sock";
const DEFAULT_DRIVER: &str = "systemd";
/// The built-in edgeMesh of old versions, which conflicts with the use of metaServer.
const EDGEMESH: &str = "modules.edgeMesh.enable";

/// Where the CRI settings come from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Crio {
    /// CRI-O's socket.
    pub socket: Option<String>,
    /// CRI-O's cgroup driver.
    pub cgroup_driver: Option<String>,
}

/// A set of wishes with what there is to say about them.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Wishes {
    /// What shall be so.
    pub wishes: Vec<Wish>,
    /// Where a value was found that the user did not give.
    pub notes: Vec<String>,
    /// What is left to do elsewhere.
    pub hints: Vec<String>,
}

/// `enable logs` in edgecore.yaml.
pub fn edge_logs(document: &Value, server: Option<&str>) -> Result<Wishes> {
    let mut wishes = Wishes { wishes: vec![Wish::set("modules.edgeStream.enable", true)?], ..Wishes::default() };
    let server = match server {
        Some(server) => {
            address::check(server).map_err(|cause| {
                Error::usage(format!("cannot use --server {server:?}: {cause}"))
                    .hint(format!("such as 192.0.2.1:{TUNNEL_PORT} or [2001:db8::1]:{TUNNEL_PORT}"))
            })?;
            Some(server.to_owned())
        }
        None => {
            let own = text_at(document, "modules.edgeStream.server").unwrap_or_default();
            // The loopback address is what stands there before anyone has said where cloudcore is.
            if host_of(own).is_some_and(|host| !is_loopback(host)) {
                None
            } else {
                let hub = text_at(document, "modules.edgeHub.websocket.server").unwrap_or_default();
                let host = host_of(hub).filter(|host| !is_loopback(host)).ok_or_else(|| {
                    Error::usage("cannot tell where cloudcore is: neither edgeStream nor edgeHub names it")
                        .hint(format!("edge-conf enable logs --server IP:{TUNNEL_PORT}"))
                })?;
                let server = format!("{host}:{TUNNEL_PORT}");
                wishes.notes.push(format!("server {server}: the host of modules.edgeHub.websocket.server"));
                Some(server)
            }
        }
    };
    if let Some(server) = server {
        wishes.wishes.push(Wish::set("modules.edgeStream.server", server)?);
    }
    Ok(wishes)
}

/// `enable logs` in cloudcore.yaml.
pub fn cloud_logs(server: Option<&str>) -> Result<Wishes> {
    if server.is_some() {
        return Err(Error::usage("cannot use --server: it belongs to edgecore.yaml, and this is cloudcore.yaml"));
    }
    let wishes = vec![Wish::set("modules.cloudStream.enable", true)?];
    let hint = format!("on the edge nodes: edge-conf enable logs --server CLOUDCORE_IP:{TUNNEL_PORT}");
    Ok(Wishes { wishes, hints: vec![hint], ..Wishes::default() })
}

/// The files that cloudcore needs before it starts with cloudStream on, as this file names them.
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
pub fn metaserver(document: &Value, version: Option<Minor>) -> Result<Wishes> {
    let mut wishes = vec![Wish::set("modules.metaManager.metaServer.enable", true)?];
    let has_edgemesh = match version {
        Some(version) => Table::of(Kind::EdgeCore).home(EDGEMESH, version).is_some(),
        None => written(document, "modules.edgeMesh").is_some(),
    };
    if has_edgemesh {
        wishes.push(Wish::set(EDGEMESH, false)?);
    }
    let hint = "on the cloud side: edge-conf enable dynamic-controller".to_owned();
    Ok(Wishes { wishes, hints: vec![hint], ..Wishes::default() })
}

/// `enable dynamic-controller`.
pub fn dynamic_controller() -> Result<Wishes> {
    Ok(Wishes { wishes: vec![Wish::set("modules.dynamicController.enable", true)?], ..Wishes::default() })
}

/// `enable crio`: the keys moved at 1.12, 1.16 and 1.18.
pub fn crio(document: &Value, version: Option<Minor>, crio: &Crio) -> Result<Wishes> {
    let socket = endpoint(crio.socket.as_deref().unwrap_or(DEFAULT_SOCKET))?;
    let driver = crio.cgroup_driver.as_deref().unwrap_or(DEFAULT_DRIVER);
    let version = version.or_else(|| era(document)).ok_or_else(|| {
        Error::failed("cannot tell which keys this KubeEdge has for the container runtime: its version is unknown")
            .hint("edge-conf enable crio --kubeedge-version V")
    })?;
    let keys = Keys::of(version);
    let mut wishes = Vec::new();
    if let Some(path) = &keys.runtime_type {
        wishes.push(Wish::set(path, "remote")?);
    }
    for path in [&keys.endpoint, &keys.image_endpoint] {
        wishes.push(Wish::set(path, socket.as_str())?);
    }
    wishes.push(Wish::set(&keys.cgroup_driver, driver)?);
    Ok(Wishes { wishes, ..Wishes::default() })
}

/// Settings piped from `edge-crio settings`: `socket=S`, `cgroupDriver=D`.
pub fn crio_settings(lines: &[&str]) -> Result<Crio> {
    let mut crio = Crio::default();
    for line in lines {
        let (name, value) = line.split_once('=').unwrap_or((line, ""));
        match name.trim() {
            "socket" => crio.socket = Some(value.trim().to_owned()),
            "cgroupDriver" => crio.cgroup_driver = Some(value.trim().to_owned()),
            _ => {
                return Err(Error::failed(format!("cannot use the line {line:?} of standard input"))
                    .hint("the lines are socket=unix:///… and cgroupDriver=systemd or cgroupfs"));
            }
        }
    }
    Ok(crio)
}

fn endpoint(socket: &str) -> Result<String> {
    let path = socket.strip_prefix("unix://").unwrap_or(socket);
    if !path.starts_with('/') || path.contains(char::is_whitespace) || path.contains(char::is_control) {
        return Err(Error::usage(format!("cannot use the socket {socket:?}: it is no absolute path"))
            .hint("such as unix:///var/run/crio/crio.sock"));
    }
    Ok(format!("unix://{path}"))
}

fn text_at<'a>(document: &'a Value, path: &str) -> Option<&'a str> {
    written(document, path).and_then(Value::as_str)
}
