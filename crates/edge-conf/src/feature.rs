//! What `enable` sets, by version: the knowledge that the install guides leave to the reader.

use edge_host::{Error, Result};
use edge_yaml::{Document, Path, Value};

use crate::address::{address, host_of, is_loopback};
use crate::schema::{Kind, Minor, Table};
use crate::wish::{Wish, parse_path};

/// The tunnel's port on cloudcore unless it was changed there.
const TUNNEL_PORT: u16 = 10004;
const DEFAULT_SOCKET: &str = "unix:///var/run/crio/crio.sock";
const DEFAULT_DRIVER: &str = "systemd";
/// CRI socket and image socket moved to the kubelet's own section here.
const SOCKET_MOVED: Minor = Minor::new(16);
/// From here there is no runtime other than a CRI one to choose.
const ALWAYS_CRI: Minor = Minor::new(18);
/// v1alpha2 begins here: the cgroup driver moved.
const V1ALPHA2: Minor = Minor::new(12);
/// The built-in edgeMesh was there up to this version, and clashes with metaServer's use.
const LAST_EDGEMESH: Minor = Minor::new(7);

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
pub fn edge_logs(document: &Document<'_>, server: Option<&str>) -> Result<Wishes> {
    let mut wishes = Wishes { wishes: vec![Wish::set("modules.edgeStream.enable", true)?], ..Wishes::default() };
    let server = match server {
        Some(server) => Some(address(server)?),
        None => {
            let own = text_at(document, "modules.edgeStream.server")?.unwrap_or_default();
            // The loopback address is what stands there before anyone has said where cloudcore is.
            if host_of(&own).is_some_and(|host| !is_loopback(host)) {
                None
            } else {
                let hub = text_at(document, "modules.edgeHub.websocket.server")?.unwrap_or_default();
                let host = host_of(&hub).filter(|host| !is_loopback(host)).ok_or_else(|| {
                    Error::usage("cannot tell where cloudcore is: neither edgeStream nor edgeHub names it")
                        .hint("edge-conf enable logs --server IP:10004")
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
    let hint = "on the edge nodes: edge-conf enable logs --server CLOUDCORE_IP:10004".to_owned();
    Ok(Wishes { wishes, hints: vec![hint], ..Wishes::default() })
}

/// The files that cloudcore wants before it starts with cloudStream on, as this file names them.
pub fn stream_files(document: &Document<'_>, version: Option<Minor>) -> Result<Vec<String>> {
    let table = Table::of(Kind::CloudCore);
    let version = version.unwrap_or_else(|| table.newest());
    let mut files = Vec::new();
    for key in ["tlsStreamCAFile", "tlsStreamCertFile", "tlsStreamPrivateKeyFile"] {
        let path = format!("modules.cloudStream.{key}");
        let default = || table.key(&path, version)?.default_in(version).map(|default| default.yaml.to_owned());
        files.extend(text_at(document, &path)?.filter(|file| !file.is_empty()).or_else(default));
    }
    Ok(files)
}

/// `enable metaserver`.
pub fn metaserver(document: &Document<'_>, version: Option<Minor>) -> Result<Wishes> {
    let mut wishes = vec![Wish::set("modules.metaManager.metaServer.enable", true)?];
    let has_edgemesh = match version {
        Some(version) => version <= LAST_EDGEMESH,
        None => value_at(document, "modules.edgeMesh")?.is_some(),
    };
    if has_edgemesh {
        wishes.push(Wish::set("modules.edgeMesh.enable", false)?);
    }
    let hint = "on the cloud side: edge-conf enable dynamic-controller".to_owned();
    Ok(Wishes { wishes, hints: vec![hint], ..Wishes::default() })
}

/// `enable dynamic-controller`.
pub fn dynamic_controller() -> Result<Wishes> {
    Ok(Wishes { wishes: vec![Wish::set("modules.dynamicController.enable", true)?], ..Wishes::default() })
}

/// `enable crio`: the keys moved at 1.12, 1.16 and 1.18.
pub fn crio(document: &Document<'_>, version: Option<Minor>, crio: &Crio) -> Result<Wishes> {
    let socket = endpoint(crio.socket.as_deref().unwrap_or(DEFAULT_SOCKET))?;
    let driver = crio.cgroup_driver.as_deref().unwrap_or(DEFAULT_DRIVER);
    let version = match version {
        Some(version) => version,
        None => era(document)?,
    };
    let mut wishes = Vec::new();
    if version < V1ALPHA2 {
        wishes.push(Wish::set("modules.edged.runtimeType", "remote")?);
    } else if version < ALWAYS_CRI {
        wishes.push(Wish::set("modules.edged.containerRuntime", "remote")?);
    }
    let sockets = if version < SOCKET_MOVED {
        ["modules.edged.remoteRuntimeEndpoint", "modules.edged.remoteImageEndpoint"]
    } else {
        [
            "modules.edged.tailoredKubeletConfig.containerRuntimeEndpoint",
            "modules.edged.tailoredKubeletConfig.imageServiceEndpoint",
        ]
    };
    for path in sockets {
        wishes.push(Wish::set(path, socket.as_str())?);
    }
    let driver_path = if version < V1ALPHA2 {
        "modules.edged.cgroupDriver"
    } else {
        "modules.edged.tailoredKubeletConfig.cgroupDriver"
    };
    wishes.push(Wish::set(driver_path, driver)?);
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

/// A version that stands for the keys of this file, where the version itself is unknown.
fn era(document: &Document<'_>) -> Result<Minor> {
    if text_at(document, "apiVersion")?.is_some_and(|text| text.ends_with("/v1alpha1")) {
        return Ok(Minor::new(V1ALPHA2.number() - 1));
    }
    if value_at(document, "modules.edged.tailoredKubeletConfig.containerRuntimeEndpoint")?.is_some() {
        // Only 1.18 and newer have it without the old key beside it.
        let old = value_at(document, "modules.edged.containerRuntime")?.is_some();
        return Ok(if old { SOCKET_MOVED } else { ALWAYS_CRI });
    }
    if value_at(document, "modules.edged.remoteRuntimeEndpoint")?.is_some() {
        return Ok(V1ALPHA2);
    }
    Err(Error::failed("cannot tell which keys this KubeEdge has for the container runtime: its version is unknown")
        .hint("edge-conf enable crio --kubeedge-version V"))
}

fn endpoint(socket: &str) -> Result<String> {
    let path = socket.strip_prefix("unix://").unwrap_or(socket);
    if !path.starts_with('/') || path.contains(char::is_whitespace) || path.contains(char::is_control) {
        return Err(Error::usage(format!("cannot use the socket {socket:?}: it is no absolute path"))
            .hint("such as unix:///var/run/crio/crio.sock"));
    }
    Ok(format!("unix://{path}"))
}

fn value_at(document: &Document<'_>, path: &str) -> Result<Option<Value>> {
    let path: Path = parse_path(path)?;
    let own = crate::spelling::spelled(document.value(), &crate::spelling::texts(&path));
    Ok(own.and_then(|path| document.get(&path)).filter(|value| !value.is_null()))
}

fn text_at(document: &Document<'_>, path: &str) -> Result<Option<String>> {
    Ok(value_at(document, path)?.and_then(|value| value.as_str().map(str::to_owned)))
}
