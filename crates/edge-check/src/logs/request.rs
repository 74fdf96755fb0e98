//! What is asked: the node as the API server sees it, and the container whose log is requested.

use edge_host::{Error, Result};
use edge_hub::Address;
use edge_kubeedge::address::Address as Written;
use edge_kubeedge::value::is_node_name;

/// What metrics-server asks of each node: cloudcore finds the node by its address.
const SUMMARY: &str = "/stats/summary?only_cpu_and_memory=true";

/// A request of the API server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    /// The node: its InternalIP, and the port in its status.
    pub(crate) node: Address,
    /// Path and query.
    pub(crate) path: String,
    /// Whether it is for the log of a container.
    pub(crate) is_for_pod: bool,
}

impl Request {
    /// Validates the options. Errors: exit 2 with what was expected.
    pub(crate) fn new(node: &str, pod: Option<&str>) -> Result<Request> {
        let usage = |text: String, hint: &str| Err(Error::usage(text).hint(hint));
        let written = match Written::parse(node) {
            Ok(written) => written,
            Err(why) => {
                let hint = "expected IP:PORT, such as 198.51.100.7:10351: kubectl get node NAME -o json has InternalIP and kubeletEndpoint";
                return usage(format!("cannot use --node {node:?}: {why}"), hint);
            }
        };
        let node = Address::parse("--node", written.host, written.port)?;
        let Some(pod) = pod else { return Ok(Request { node, path: SUMMARY.to_owned(), is_for_pod: false }) };
        let parts: Vec<&str> = pod.split('/').collect();
        match parts.as_slice() {
            [namespace, name, container] if parts.iter().all(|part| is_node_name(part)) => {
                // One line, as it is not printed.
                let path = format!("/containerLogs/{namespace}/{name}/{container}?limitBytes=1024&tailLines=1");
                Ok(Request { node, path, is_for_pod: true })
            }
            _ => usage(
                format!("cannot use --pod {pod:?}: expected NAMESPACE/POD/CONTAINER"),
                "for example default/nginx/nginx",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_is_that_of_the_api_server() {
        let of = |pod| Request::new("198.51.100.7:10351", pod).unwrap();
        assert_eq!((of(None).node.to_string().as_str(), of(None).path.as_str()), ("198.51.100.7:10351", SUMMARY));
        assert_eq!(of(Some("a/b/c")).path, "/containerLogs/a/b/c?limitBytes=1024&tailLines=1");
        for node in ["198.51.100.7", "x", "198.51.100.7:0", "[fd00::1]", "<IP>:10351", ""] {
            assert_eq!(Request::new(node, None).unwrap_err().exit(), edge_host::Exit::Usage, "{node}");
        }
        for pod in ["a", "a/b", "a/b/c/d", "a//c", "a/../c", "a/b/C", "a/b/c?x"] {
            let error = Request::new("[fd00::1]:10351", Some(pod)).unwrap_err();
            assert!(error.message().contains("expected NAMESPACE/POD/CONTAINER"), "{pod}: {error}");
        }
    }
}
