//! The messages of the CRI that are asked here, field by field as its api.proto numbers them. What is
//! left out is skipped by the decoder.

use std::collections::HashMap;

/// Asks for the version.
#[derive(Clone, PartialEq, prost::Message)]
pub struct VersionRequest {
    /// The version of the kubelet's own API, unused.
    #[prost(string, tag = "1")]
    pub version: String,
}

/// Who answers.
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

/// Asks how the runtime is.
#[derive(Clone, PartialEq, prost::Message)]
pub struct StatusRequest {
    /// With the runtime's own details.
    #[prost(bool, tag = "1")]
    pub verbose: bool,
}

/// How the runtime is.
#[derive(Clone, PartialEq, prost::Message)]
pub struct StatusResponse {
    /// Its conditions.
    #[prost(message, optional, tag = "1")]
    pub status: Option<RuntimeStatus>,
    /// Details, where they were asked for.
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
    /// Whether it holds.
    #[prost(bool, tag = "2")]
    pub status: bool,
    /// In a word.
    #[prost(string, tag = "3")]
    pub reason: String,
    /// For people.
    #[prost(string, tag = "4")]
    pub message: String,
}

/// Asks for all containers.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ListContainersRequest {}

/// All containers.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ListContainersResponse {
    /// Each.
    #[prost(message, repeated, tag = "1")]
    pub containers: Vec<Container>,
}

/// A container.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Container {
    /// Its number.
    #[prost(string, tag = "1")]
    pub id: String,
    /// Its name.
    #[prost(message, optional, tag = "3")]
    pub metadata: Option<ContainerMetadata>,
    /// How it is: 1 is running.
    #[prost(int32, tag = "6")]
    pub state: i32,
}

/// A container's name.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ContainerMetadata {
    /// As in the pod.
    #[prost(string, tag = "1")]
    pub name: String,
}

/// Asks how the runtime is configured, from Kubernetes 1.28 on.
#[derive(Clone, PartialEq, prost::Message)]
pub struct RuntimeConfigRequest {}

/// How it is configured.
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

/// The state of a container that runs.
pub const RUNNING: i32 = 1;
/// The cgroup driver that is not systemd.
pub const CGROUPFS: i32 = 1;
