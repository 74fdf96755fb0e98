//! The messages of the CRI that are used here, with the field numbers of api.proto. The decoder skips other fields.

use std::collections::HashMap;

/// Queries the version.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct VersionRequest {
    /// The version of the kubelet's own API, unused.
    #[prost(string, tag = "1")]
    pub(crate) version: String,
}

/// The runtime's name and version.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct VersionResponse {
    /// `0.1.0`, whatever the runtime.
    #[prost(string, tag = "1")]
    pub(crate) version: String,
    /// `cri-o`.
    #[prost(string, tag = "2")]
    pub(crate) runtime_name: String,
    /// `1.34.2`.
    #[prost(string, tag = "3")]
    pub(crate) runtime_version: String,
    /// `v1`.
    #[prost(string, tag = "4")]
    pub(crate) runtime_api_version: String,
}

/// Queries the status.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct StatusRequest {
    /// Include details of the runtime.
    #[prost(bool, tag = "1")]
    pub(crate) verbose: bool,
}

/// The status.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct StatusResponse {
    /// Its conditions.
    #[prost(message, optional, tag = "1")]
    pub(crate) status: Option<RuntimeStatus>,
    /// Details, if they were requested.
    #[prost(map = "string, string", tag = "2")]
    pub(crate) info: HashMap<String, String>,
}

/// Conditions.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct RuntimeStatus {
    /// RuntimeReady, NetworkReady and others.
    #[prost(message, repeated, tag = "1")]
    pub(crate) conditions: Vec<RuntimeCondition>,
}

/// One condition.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct RuntimeCondition {
    /// Its name.
    #[prost(string, tag = "1")]
    pub(crate) r#type: String,
    /// Whether it is met.
    #[prost(bool, tag = "2")]
    pub(crate) status: bool,
    /// The reason, as one word.
    #[prost(string, tag = "3")]
    pub(crate) reason: String,
    /// The reason, as text.
    #[prost(string, tag = "4")]
    pub(crate) message: String,
}

/// Queries all containers.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ListContainersRequest {}

/// All containers.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ListContainersResponse {
    /// The containers.
    #[prost(message, repeated, tag = "1")]
    pub(crate) containers: Vec<Container>,
}

/// A container.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Container {
    /// Its ID.
    #[prost(string, tag = "1")]
    pub(crate) id: String,
    /// Its name.
    #[prost(message, optional, tag = "3")]
    pub(crate) metadata: Option<ContainerMetadata>,
    /// Its state: 1 is running.
    #[prost(int32, tag = "6")]
    pub(crate) state: i32,
}

/// A container's name.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct ContainerMetadata {
    /// Its name in the pod.
    #[prost(string, tag = "1")]
    pub(crate) name: String,
}

/// Queries all sandboxes.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ListPodSandboxRequest {}

/// All sandboxes.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ListPodSandboxResponse {
    /// The sandboxes.
    #[prost(message, repeated, tag = "1")]
    pub(crate) items: Vec<PodSandbox>,
}

/// A sandbox.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct PodSandbox {
    /// Its ID.
    #[prost(string, tag = "1")]
    pub(crate) id: String,
    /// The pod.
    #[prost(message, optional, tag = "2")]
    pub(crate) metadata: Option<PodSandboxMetadata>,
    /// Its state: 0 is ready.
    #[prost(int32, tag = "3")]
    pub(crate) state: i32,
}

/// The pod of a sandbox.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct PodSandboxMetadata {
    /// Its name.
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    /// Its UID.
    #[prost(string, tag = "2")]
    pub(crate) uid: String,
    /// Its namespace.
    #[prost(string, tag = "3")]
    pub(crate) namespace: String,
}

/// Stops a sandbox.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct StopPodSandboxRequest {
    /// Its ID.
    #[prost(string, tag = "1")]
    pub(crate) pod_sandbox_id: String,
}

/// It is stopped.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct StopPodSandboxResponse {}

/// Removes a sandbox.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct RemovePodSandboxRequest {
    /// Its ID.
    #[prost(string, tag = "1")]
    pub(crate) pod_sandbox_id: String,
}

/// It is removed.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct RemovePodSandboxResponse {}

/// Queries all containers in a namespace of containerd.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct ContainerdListRequest {}

/// All containers in a namespace of containerd.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ContainerdListResponse {
    /// The containers.
    #[prost(message, repeated, tag = "1")]
    pub(crate) containers: Vec<ContainerdContainer>,
}

/// A container of containerd.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct ContainerdContainer {
    /// Its ID.
    #[prost(string, tag = "1")]
    pub(crate) id: String,
}

/// Queries the configuration, from Kubernetes 1.28 on.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct RuntimeConfigRequest {}

/// The configuration.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct RuntimeConfigResponse {
    /// On Linux.
    #[prost(message, optional, tag = "1")]
    pub(crate) linux: Option<LinuxRuntimeConfiguration>,
}

/// The configuration on Linux.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct LinuxRuntimeConfiguration {
    /// 0 is systemd, 1 is cgroupfs.
    #[prost(int32, tag = "1")]
    pub(crate) cgroup_driver: i32,
}

/// The state of a running container.
pub(crate) const RUNNING: i32 = 1;
/// The state of a sandbox that was not stopped.
pub(crate) const READY: i32 = 0;
/// The cgroup driver cgroupfs.
pub(crate) const CGROUPFS: i32 = 1;
