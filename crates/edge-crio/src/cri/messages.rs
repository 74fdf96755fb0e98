//! The messages of the CRI that edge-crio uses, with the field numbers of api.proto. The decoder skips other fields.

use std::collections::HashMap;

/// Queries the version.
#[derive(Clone, PartialEq, prost::Message)]
pub struct VersionRequest {
    /// The version of the kubelet's own API, unused.
    #[prost(string, tag = "1")]
    pub version: String,
}

/// The runtime's name and version.
#[derive(Clone, PartialEq, prost::Message)]
pub struct VersionResponse {
    /// `0.1.0`, whatever the runtime.
    #[prost(string, tag = "1")]
    pub version: String,
    /// `cri-o`.
    #[prost(string, tag = "2")]
    pub runtime_name: String,
    /// `1.34.2`.
    #[prost(string, tag = "3")]
    pub runtime_version: String,
    /// `v1`.
    #[prost(string, tag = "4")]
    pub runtime_api_version: String,
}

/// Queries the status.
#[derive(Clone, PartialEq, prost::Message)]
pub struct StatusRequest {
    /// Include details of the runtime.
    #[prost(bool, tag = "1")]
    pub verbose: bool,
}

/// The status.
#[derive(Clone, PartialEq, prost::Message)]
pub struct StatusResponse {
    /// Its conditions.
    #[prost(message, optional, tag = "1")]
    pub status: Option<RuntimeStatus>,
    /// Details, if they were requested.
    #[prost(map = "string, string", tag = "2")]
    pub info: HashMap<String, String>,
}

/// Conditions.
#[derive(Clone, PartialEq, prost::Message)]
pub struct RuntimeStatus {
    /// RuntimeReady, NetworkReady and others.
    #[prost(message, repeated, tag = "1")]
    pub conditions: Vec<RuntimeCondition>,
}

/// One condition.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct RuntimeCondition {
    /// Its name.
    #[prost(string, tag = "1")]
    pub r#type: String,
    /// Whether it is met.
    #[prost(bool, tag = "2")]
    pub status: bool,
    /// The reason, as one word.
    #[prost(string, tag = "3")]
    pub reason: String,
    /// The reason, as text.
    #[prost(string, tag = "4")]
    pub message: String,
}

/// Queries all containers.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ListContainersRequest {}

/// All containers.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ListContainersResponse {
    /// The containers.
    #[prost(message, repeated, tag = "1")]
    pub containers: Vec<Container>,
}

/// A container.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Container {
    /// Its ID.
    #[prost(string, tag = "1")]
    pub id: String,
    /// Its name.
    #[prost(message, optional, tag = "3")]
    pub metadata: Option<ContainerMetadata>,
    /// Its state: 1 is running.
    #[prost(int32, tag = "6")]
    pub state: i32,
}

/// A container's name.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ContainerMetadata {
    /// Its name in the pod.
    #[prost(string, tag = "1")]
    pub name: String,
}

/// Queries the configuration, from Kubernetes 1.28 on.
#[derive(Clone, PartialEq, prost::Message)]
pub struct RuntimeConfigRequest {}

/// The configuration.
#[derive(Clone, PartialEq, prost::Message)]
pub struct RuntimeConfigResponse {
    /// On Linux.
    #[prost(message, optional, tag = "1")]
    pub linux: Option<LinuxRuntimeConfiguration>,
}

/// The configuration on Linux.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct LinuxRuntimeConfiguration {
    /// 0 is systemd, 1 is cgroupfs.
    #[prost(int32, tag = "1")]
    pub cgroup_driver: i32,
}

/// The state of a running container.
pub const RUNNING: i32 = 1;
/// The cgroup driver cgroupfs.
pub const CGROUPFS: i32 = 1;
