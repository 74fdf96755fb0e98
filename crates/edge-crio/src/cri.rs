//! Queries a container runtime over its CRI socket: with CRI v1, or v1alpha2 if v1 is not supported.

pub mod messages;

use std::path::Path;
use std::time::Duration;

use edge_host::{Error, Result, ResultExt};
use tonic::client::Grpc;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};
use tonic_prost::ProstCodec;

use crate::config::Driver;
use messages::{
    CGROUPFS, ListContainersRequest, ListContainersResponse, RUNNING, RuntimeConfigRequest, RuntimeConfigResponse,
    StatusRequest, StatusResponse, VersionRequest, VersionResponse,
};

/// The API's versions, the newest first.
const APIS: [&str; 2] = ["v1", "v1alpha2"];
/// The size limit of an answer.
const MAX_ANSWER: usize = 16 << 20;

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
    /// The cgroup driver in use, if the runtime reports it (Kubernetes 1.28 and newer).
    pub driver: Option<Driver>,
}

/// A condition in the status of a runtime.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Condition {
    /// The condition is met.
    pub is_met: bool,
    /// The runtime's message.
    pub message: String,
}

/// Queries version and status.
///
/// Fails if nothing listens on the socket, if the answer is not CRI, and after `within`.
pub fn ask(socket: &Path, within: Duration) -> Result<Answer> {
    block_on(socket, within, async {
        let mut client = Client::connect(socket, within).await?;
        let version: VersionResponse = client.call("Version", VersionRequest { version: String::new() }).await?;
        let status: StatusResponse = client.call("Status", StatusRequest { verbose: false }).await?;
        let conditions = status.status.unwrap_or_default().conditions;
        let condition = |name: &str| {
            let found = conditions.iter().find(|condition| condition.r#type == name);
            found.map(|found| Condition { is_met: found.status, message: found.message.clone() }).unwrap_or_default()
        };
        let config: Result<RuntimeConfigResponse, Status> = client.call("RuntimeConfig", RuntimeConfigRequest {}).await;
        let driver = match config {
            Ok(config) => config
                .linux
                .map(|linux| if linux.cgroup_driver == CGROUPFS { Driver::Cgroupfs } else { Driver::Systemd }),
            Err(status) if status.code() == Code::Unimplemented => None,
            Err(status) => return Err(status),
        };
        Ok(Answer {
            api: client.api.to_owned(),
            name: version.runtime_name,
            version: version.runtime_version,
            runtime_ready: condition("RuntimeReady"),
            network_ready: condition("NetworkReady"),
            driver,
        })
    })
}

/// The names of the running containers.
pub fn running(socket: &Path, within: Duration) -> Result<Vec<String>> {
    block_on(socket, within, async {
        let mut client = Client::connect(socket, within).await?;
        let all: ListContainersResponse = client.call("ListContainers", ListContainersRequest {}).await?;
        let running = all.containers.into_iter().filter(|container| container.state == RUNNING);
        Ok(running.map(|container| container.metadata.map_or(container.id, |metadata| metadata.name)).collect())
    })
}

/// `2 containers are running`.
pub fn containers_running(number: usize) -> String {
    if number == 1 { "1 container is running".to_owned() } else { format!("{number} containers are running") }
}

fn block_on<T>(socket: &Path, within: Duration, work: impl Future<Output = Result<T, Status>>) -> Result<T> {
    const QUERY: &str = "query the container runtime at";
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().on(QUERY, socket)?;
    let done = runtime.block_on(async { tokio::time::timeout(within, work).await });
    match done {
        Ok(answer) => answer.map_err(|status| cause_of(&status)).on(QUERY, socket),
        Err(_) => Err(Error::cannot(QUERY, socket, format!("no answer within {} s", within.as_secs()))),
    }
}

/// The innermost cause; the outer ones only name layers of the library.
fn cause_of(status: &Status) -> String {
    let mut cause: Option<&dyn std::error::Error> = std::error::Error::source(status);
    let mut text = status.message().to_owned();
    while let Some(inner) = cause {
        text = inner.to_string();
        cause = inner.source();
    }
    if text.is_empty() { format!("{:?}", status.code()) } else { text }
}

struct Client {
    grpc: Grpc<Channel>,
    api: &'static str,
    is_api_known: bool,
}

impl Client {
    async fn connect(socket: &Path, within: Duration) -> Result<Client, Status> {
        let text = socket.to_str().ok_or_else(|| Status::unavailable("its path is not UTF-8"))?;
        let endpoint = Endpoint::from_shared(format!("unix://{text}"))
            .map_err(|error| Status::unavailable(error.to_string()))?
            .connect_timeout(within);
        let channel = endpoint.connect().await.map_err(|error| Status::from_error(Box::new(error)))?;
        Ok(Client { grpc: Grpc::new(channel).max_decoding_message_size(MAX_ANSWER), api: APIS[0], is_api_known: false })
    }

    /// One call; the first one finds out which version of the API is supported.
    async fn call<Q, A>(&mut self, method: &str, request: Q) -> Result<A, Status>
    where
        Q: prost::Message + Clone + Default + 'static,
        A: prost::Message + Default + 'static,
    {
        if self.is_api_known {
            return self.call_in(self.api, method, request).await;
        }
        let mut last = Status::unimplemented("it does not support the CRI");
        for api in APIS {
            match self.call_in(api, method, request.clone()).await {
                Err(status) if status.code() == Code::Unimplemented => last = status,
                done => {
                    self.api = api;
                    self.is_api_known = true;
                    return done;
                }
            }
        }
        Err(last)
    }

    async fn call_in<Q, A>(&mut self, api: &str, method: &str, request: Q) -> Result<A, Status>
    where
        Q: prost::Message + Default + 'static,
        A: prost::Message + Default + 'static,
    {
        self.grpc.ready().await.map_err(|error| Status::from_error(Box::new(error)))?;
        let path = format!("/runtime.{api}.RuntimeService/{method}");
        let path = path.parse().map_err(|_| Status::internal("invalid method"))?;
        let answer = self.grpc.unary(Request::new(request), path, ProstCodec::default()).await?;
        Ok(answer.into_inner())
    }
}
