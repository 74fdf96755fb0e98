//! `logs`: the last hop that answers.

use super::world::finds;

const NODE: &str = "\"$CHECK\" logs --node 198.51.100.7:10351";

#[test]
fn logs_follow_the_request_to_edgecore_and_print_none_of_its_answer() {
    let test = "logs_follow_the_request_to_edgecore_and_print_none_of_its_answer";
    for pod in ["", " --pod default/edge1.nginx/nginx"] {
        let Some(shown) = finds(test, &format!("cloud; edge; redirect; {NODE}{pod}"), 0, &[]) else { return };
        assert!(shown.starts_with("redirect: ok: port 10351 to 192.0.2.1:10003\ncloudcore: ok: it answers\ntunnel: ok: the node is connected\nedgecore: ok: it has sent"), "{shown}");
        assert!(!shown.contains("the answer to"), "{shown}");
    }
}

#[test]
fn logs_name_the_last_hop_that_answers() {
    let test = "logs_name_the_last_hop_that_answers";
    finds(
        test,
        &format!("cloud; edge; {NODE}"),
        3,
        &["redirect: error: no rule of this host redirects port 10351: connections go to the node itself, and "],
    );
    finds(
        test,
        &format!("cloud --mode no-stream; edge; redirect; {NODE}"),
        3,
        &["cloudcore: error: 192.0.2.1:10003, to which the port is redirected: the connection is refused"],
    );
    finds(
        test,
        &format!("cloud; edge; redirect 10351 198.51.100.9:10003; {NODE}"),
        3,
        &[
            "cloudcore: error: 198.51.100.9:10003, to which the port is redirected: the connection is not answered in time",
        ],
    );
    finds(
        test,
        &format!("cloud; redirect; {NODE}"),
        3,
        &["tunnel: error: cloudcore has no tunnel to the node 198.51.100.7"],
    );
    finds(
        test,
        &format!("cloud; export EDGECORE_STANDIN=no-kubelet; edge; redirect; {NODE}"),
        3,
        &["edgecore: error: nothing comes through the tunnel"],
    );
    // The HTTPS port instead of the stream port.
    finds(
        test,
        &format!("cloud; redirect 10351 192.0.2.1:10002; {NODE}"),
        3,
        &[
            "198.51.100.7:10351: error: what answers (status 404) is not the stream server of cloudcore: the port is redirected to 192.0.2.1:10002",
        ],
    );
}
