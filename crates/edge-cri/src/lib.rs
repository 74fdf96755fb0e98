//! The container runtime behind a CRI socket: its version and status, its containers, and the end of its pod sandboxes.
//!
//! CRI v1 is used, or v1alpha2 if v1 is not supported. Each call has a deadline of its own: a runtime that hangs costs
//! its caller no more than that.

mod client;
mod image;
mod messages;

use std::io;
use std::path::Path;
use std::time::Duration;

use edge_host::{Result, ResultExt};
use tonic::metadata::MetadataValue;
use tonic::{Code, Request};

use client::Client;
pub use image::reference_problem;
use messages::{
    CGROUPFS, ContainerdListRequest, ContainerdListResponse, ListContainersRequest, ListContainersResponse,
    ListPodSandboxRequest, ListPodSandboxResponse, READY, RUNNING, RemovePodSandboxRequest, RemovePodSandboxResponse,
    RuntimeConfigRequest, RuntimeConfigResponse, StatusRequest, StatusResponse, StopPodSandboxRequest,
    StopPodSandboxResponse, VersionRequest, VersionResponse,
};

/// containerd's own API.
const CONTAINERD_LIST: &str = "/containerd.services.containers.v1.Containers/List";
/// The namespace of containerd that has the containers of pods, and the header that names it.
const PODS: (&str, &str) = ("containerd-namespace", "k8s.io");

const QUERY: &str = "query the container runtime at";

/// The version and status of a runtime.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// `v1` or `v1alpha2`.
    pub api: String,
    /// `cri-o`.
    pub name: String,
    /// `1.34.2`.
    pub version: String,
    /// It is ready to run containers.
    pub runtime_ready: Condition,
    /// It is ready to set up the network of pods.
    pub network_ready: Condition,
    /// The cgroup driver in use, `systemd` or `cgroupfs`, if the runtime reports it (Kubernetes 1.28 and newer).
    pub driver: Option<&'static str>,
}

/// A condition in the status of a runtime.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Condition {
    /// The condition is met.
    pub is_met: bool,
    /// The runtime's message.
    pub message: String,
}

/// The sandbox of a pod: its namespaces and cgroup, with all of its containers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sandbox {
    /// Its ID.
    pub id: String,
    /// The name of the pod.
    pub name: String,
    /// The namespace of the pod.
    pub namespace: String,
    /// The UID of the pod.
    pub uid: String,
    /// It is ready: it has not been stopped.
    pub is_ready: bool,
}

/// Queries version and status.
///
/// Fails if nothing listens on the socket, if the answer is not CRI, and after `within`.
pub fn ask(socket: &Path, within: Duration) -> Result<Answer> {
    let answer = client::block_on(within, async {
        let mut client = Client::connect(socket, within).await?;
        let version: VersionResponse = client.call("Version", VersionRequest { version: String::new() }).await?;
        let status: StatusResponse = client.call("Status", StatusRequest { verbose: false }).await?;
        let conditions = status.status.unwrap_or_default().conditions;
        let condition = |name: &str| {
            let found = conditions.iter().find(|condition| condition.r#type == name);
            found.map(|found| Condition { is_met: found.status, message: found.message.clone() }).unwrap_or_default()
        };
        let config: Result<RuntimeConfigResponse, _> = client.call("RuntimeConfig", RuntimeConfigRequest {}).await;
        let driver = match config {
            Ok(config) => {
                config.linux.map(|linux| if linux.cgroup_driver == CGROUPFS { "cgroupfs" } else { "systemd" })
            }
            Err(status) if status.code() == Code::Unimplemented => None,
            Err(status) => return Err(status),
        };
        Ok(Answer {
            api: client.api().to_owned(),
            name: version.runtime_name,
            version: version.runtime_version,
            runtime_ready: condition("RuntimeReady"),
            network_ready: condition("NetworkReady"),
            driver,
        })
    });
    answer.on(QUERY, socket)
}

/// The names of the running containers. Fails as [`ask`].
pub fn running(socket: &Path, within: Duration) -> Result<Vec<String>> {
    let all: io::Result<ListContainersResponse> =
        client::call(socket, within, "ListContainers", ListContainersRequest {});
    let running = all.on(QUERY, socket)?.containers.into_iter().filter(|container| container.state == RUNNING);
    Ok(running.map(|container| container.metadata.map_or(container.id, |metadata| metadata.name)).collect())
}

/// The sandboxes of all pods, also those that were stopped; none if the server answers but does not support the CRI, such
/// as a containerd that is Docker's alone. Fails otherwise as [`ask`].
pub fn sandboxes(socket: &Path, within: Duration) -> Result<Option<Vec<Sandbox>>> {
    let all: io::Result<Option<ListPodSandboxResponse>> =
        client::call_unless(Code::Unimplemented, socket, within, "ListPodSandbox", ListPodSandboxRequest {});
    let sandbox = |sandbox: messages::PodSandbox| {
        let pod = sandbox.metadata.unwrap_or_default();
        let is_ready = sandbox.state == READY;
        Sandbox { id: sandbox.id, name: pod.name, namespace: pod.namespace, uid: pod.uid, is_ready }
    };
    Ok(all.on(QUERY, socket)?.map(|all| all.items.into_iter().map(sandbox).collect()))
}

/// How many containers of pods a containerd has whose CRI is disabled; none if it is not a containerd. Fails otherwise as
/// [`ask`].
pub fn containers_without_cri(socket: &Path, within: Duration) -> Result<Option<usize>> {
    let listed = client::block_on(within, async {
        let mut request = Request::new(ContainerdListRequest {});
        request.metadata_mut().insert(PODS.0, MetadataValue::from_static(PODS.1));
        let listed = Client::connect(socket, within).await?.unary(CONTAINERD_LIST, request).await;
        match listed {
            Err(status) if status.code() == Code::Unimplemented => Ok(None),
            listed => listed.map(|listed: ContainerdListResponse| Some(listed.containers.len())),
        }
    });
    listed.on(QUERY, socket)
}

/// Stops a sandbox: its containers end, and its network is deleted. One that is already stopped or removed is success.
///
/// Fails as [`ask`], and with the runtime's message.
pub fn stop_sandbox(socket: &Path, id: &str, within: Duration) -> Result<()> {
    let request = StopPodSandboxRequest { pod_sandbox_id: id.to_owned() };
    let done: io::Result<Option<StopPodSandboxResponse>> =
        client::call_unless(Code::NotFound, socket, within, "StopPodSandbox", request);
    done.map(drop).on("stop the pod sandbox", at(id, socket))
}

/// Removes a sandbox with its containers, which end if they still run. One that is already removed is success.
///
/// Fails as [`ask`], and with the runtime's message.
pub fn remove_sandbox(socket: &Path, id: &str, within: Duration) -> Result<()> {
    let request = RemovePodSandboxRequest { pod_sandbox_id: id.to_owned() };
    let done: io::Result<Option<RemovePodSandboxResponse>> =
        client::call_unless(Code::NotFound, socket, within, "RemovePodSandbox", request);
    done.map(drop).on("remove the pod sandbox", at(id, socket))
}

fn at(id: &str, socket: &Path) -> String {
    format!("{id} at {}", socket.display())
}

#[cfg(test)]
mod tests;
