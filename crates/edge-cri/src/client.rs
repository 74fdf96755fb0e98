//! A connection to a CRI socket: gRPC over a Unix socket, with one deadline for all that a caller does on it.

use std::error::Error;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::time::Duration;

use tonic::client::Grpc;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};
use tonic_prost::ProstCodec;

/// The API's versions, the newest first.
const APIS: [&str; 2] = ["v1", "v1alpha2"];
/// The size limit of an answer.
const MAX_ANSWER: usize = 16 << 20;

/// A connection.
pub(crate) struct Client {
    grpc: Grpc<Channel>,
    api: &'static str,
    is_api_known: bool,
}

/// Waits for `work`, and no longer than `within`; the error is the cause alone, and of the kind `TimedOut` without an
/// answer.
pub(crate) fn block_on<T>(within: Duration, work: impl Future<Output = Result<T, Status>>) -> io::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match runtime.block_on(async { tokio::time::timeout(within, work).await }) {
        Ok(answer) => answer.map_err(|status| io::Error::other(cause_of(&status))),
        Err(_) => Err(io::Error::new(ErrorKind::TimedOut, format!("no answer within {} s", within.as_secs()))),
    }
}

/// One call on a connection of its own.
pub(crate) fn call<Q, A>(socket: &Path, within: Duration, method: &str, request: Q) -> io::Result<A>
where
    Q: prost::Message + Clone + Default + 'static,
    A: prost::Message + Default + 'static,
{
    block_on(within, async { Client::connect(socket, within).await?.call(method, request).await })
}

/// The same; none if the answer is this error.
pub(crate) fn call_unless<Q, A>(
    error: Code,
    socket: &Path,
    within: Duration,
    method: &str,
    request: Q,
) -> io::Result<Option<A>>
where
    Q: prost::Message + Clone + Default + 'static,
    A: prost::Message + Default + 'static,
{
    block_on(within, async {
        match Client::connect(socket, within).await?.call(method, request).await {
            Err(status) if status.code() == error => Ok(None),
            done => done.map(Some),
        }
    })
}

impl Client {
    pub(crate) async fn connect(socket: &Path, within: Duration) -> Result<Client, Status> {
        let text = socket.to_str().ok_or_else(|| Status::unavailable("its path is not UTF-8"))?;
        let endpoint = Endpoint::from_shared(format!("unix://{text}"))
            .map_err(|error| Status::unavailable(error.to_string()))?
            .connect_timeout(within);
        let channel = endpoint.connect().await.map_err(|error| Status::from_error(Box::new(error)))?;
        Ok(Client { grpc: Grpc::new(channel).max_decoding_message_size(MAX_ANSWER), api: APIS[0], is_api_known: false })
    }

    /// The version of the API, known from the first answer on.
    pub(crate) fn api(&self) -> &'static str {
        self.api
    }

    /// One call; the first one finds out which version of the API is supported.
    pub(crate) async fn call<Q, A>(&mut self, method: &str, request: Q) -> Result<A, Status>
    where
        Q: prost::Message + Clone + Default + 'static,
        A: prost::Message + Default + 'static,
    {
        if self.is_api_known {
            return self.call_in(self.api, method, request).await;
        }
        for api in APIS {
            match self.call_in(api, method, request.clone()).await {
                Err(status) if status.code() == Code::Unimplemented => {}
                done => {
                    self.api = api;
                    self.is_api_known = true;
                    return done;
                }
            }
        }
        Err(Status::unimplemented("it does not support the CRI"))
    }

    async fn call_in<Q, A>(&mut self, api: &str, method: &str, request: Q) -> Result<A, Status>
    where
        Q: prost::Message + Default + 'static,
        A: prost::Message + Default + 'static,
    {
        self.unary(&format!("/runtime.{api}.RuntimeService/{method}"), Request::new(request)).await
    }

    /// One call of any service.
    pub(crate) async fn unary<Q, A>(&mut self, path: &str, request: Request<Q>) -> Result<A, Status>
    where
        Q: prost::Message + Default + 'static,
        A: prost::Message + Default + 'static,
    {
        self.grpc.ready().await.map_err(|error| Status::from_error(Box::new(error)))?;
        let path = path.parse().map_err(|_| Status::internal("invalid method"))?;
        let answer = self.grpc.unary(request, path, ProstCodec::default()).await?;
        Ok(answer.into_inner())
    }
}

/// The innermost cause; the outer ones only name layers of the library.
fn cause_of(status: &Status) -> String {
    let mut innermost: Option<&(dyn Error + 'static)> = None;
    let mut next = status.source();
    while let Some(cause) = next {
        innermost = Some(cause);
        next = cause.source();
    }
    match innermost {
        // One of the system; the library has others, such as that of a stream which the other side has closed.
        Some(cause) if cause.downcast_ref::<io::Error>().is_some_and(|cause| cause.raw_os_error().is_some()) => {
            cause.to_string()
        }
        // Such as an HTTP/1 server: "frame with invalid size".
        Some(cause) => format!("no valid gRPC answer: {cause}"),
        None if status.message().is_empty() => format!("{:?}", status.code()),
        None => status.message().to_owned(),
    }
}
