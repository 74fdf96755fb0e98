//! edge-cri and a real gRPC server with the messages of Kubernetes.

use std::time::{Duration, Instant};

use edge_cri::{Sandbox, ask, remove_sandbox, running, sandboxes, stop_sandbox};
use edgeutils_tests::cri::Runtime;
use edgeutils_tests::live::cannot_unshare;
use edgeutils_tests::skip;

const WITHIN: Duration = Duration::from_secs(20);

fn start(test: &str, api: &str) -> Option<Runtime> {
    if cannot_unshare(test) {
        return None;
    }
    Runtime::start(api).map_err(|reason| skip(test, &reason)).ok()
}

#[test]
fn sandboxes_are_listed_stopped_and_removed_in_both_versions() {
    for (api, driver) in [("v1", Some("systemd")), ("v1alpha2", None)] {
        let Some(runtime) = start("libraries cri", api) else { return };
        let socket = runtime.socket();
        let answer = ask(&socket, WITHIN).unwrap();
        assert_eq!((answer.api.as_str(), answer.name.as_str(), answer.driver), (api, "cri-o", driver));
        assert_eq!(sandboxes(&socket, WITHIN).unwrap().unwrap(), []);

        runtime.sandbox("a1", "default nginx 1234-5678");
        runtime.sandbox("b2", "kube-system proxy 9abc stopped");
        let sandbox = |id: &str, namespace: &str, name: &str, uid: &str, is_ready| Sandbox {
            id: id.to_owned(),
            name: name.to_owned(),
            namespace: namespace.to_owned(),
            uid: uid.to_owned(),
            is_ready,
        };
        let mut want = [
            sandbox("a1", "default", "nginx", "1234-5678", true),
            sandbox("b2", "kube-system", "proxy", "9abc", false),
        ];
        assert_eq!(sandboxes(&socket, WITHIN).unwrap().unwrap(), want);
        stop_sandbox(&socket, "a1", WITHIN).unwrap();
        want[0].is_ready = false;
        assert_eq!(sandboxes(&socket, WITHIN).unwrap().unwrap(), want);
        for id in ["a1", "b2"] {
            remove_sandbox(&socket, id, WITHIN).unwrap();
        }
        assert_eq!(sandboxes(&socket, WITHIN).unwrap().unwrap(), []);
        // Removed in the meantime, by someone else.
        stop_sandbox(&socket, "a1", WITHIN).unwrap();
        remove_sandbox(&socket, "a1", WITHIN).unwrap();
        assert_eq!(runtime.calls(), "stop a1\nremove a1\nremove b2\nstop a1\nremove a1\n");
    }
}

#[test]
fn sandbox_that_hangs_costs_no_more_than_its_deadline() {
    let Some(runtime) = start("libraries cri", "v1") else { return };
    let socket = runtime.socket();
    runtime.sandbox("a1", "default nginx 1 hang");
    runtime.sandbox("b2", "default nginx 2 stuck");
    let begin = Instant::now();
    let at = |verb: &str, id: &str| format!("cannot {verb} the pod sandbox {id} at {}: ", socket.display());
    let error = stop_sandbox(&socket, "a1", Duration::from_secs(1)).unwrap_err();
    assert_eq!(error.to_string(), at("stop", "a1") + "no answer within 1 s");
    assert!(begin.elapsed() < WITHIN);
    let cause = "failed to destroy network for sandbox \"b2\": plugin type=\"bridge\" failed (delete)";
    assert_eq!(stop_sandbox(&socket, "b2", WITHIN).unwrap_err().to_string(), at("stop", "b2") + cause);
    assert_eq!(remove_sandbox(&socket, "b2", WITHIN).unwrap_err().to_string(), at("remove", "b2") + cause);
    remove_sandbox(&socket, "a1", WITHIN).unwrap();
    assert_eq!(runtime.sandboxes(), ["b2"]);
}

#[test]
fn server_without_the_cri_is_an_error() {
    let Some(runtime) = start("libraries cri", "none") else { return };
    let socket = runtime.socket();
    runtime.sandbox("a1", "default nginx 1");
    let cause = "it does not support the CRI";
    let query = format!("cannot query the container runtime at {}: {cause}", socket.display());
    assert_eq!(ask(&socket, WITHIN).unwrap_err().to_string(), query);
    assert_eq!(running(&socket, WITHIN).unwrap_err().to_string(), query);
    assert_eq!(sandboxes(&socket, WITHIN).unwrap(), None);
    assert!(remove_sandbox(&socket, "a1", WITHIN).unwrap_err().to_string().ends_with(cause));
    assert_eq!(runtime.sandboxes(), ["a1"]);
}
