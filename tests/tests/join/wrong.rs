//! Calls that are wrong: exit 2, and no part of a token in any message.

use edgeutils_tests::tool::Tool;

const HASH: &str = "7bfdb726c6194bae2e57625985a5b3f596d49c088944fdb5405e492fc24374e9";
const JWT: &str =
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJleHAiOjE3OTU5NzAzMzN9.w5EKPmyNFzD51EYE9FsqZTJ-1MBfCw8N-yM1w6Basso";

#[test]
fn token_in_the_arguments_is_refused_wherever_it_is_and_never_printed() {
    let token = format!("{HASH}.{JWT}");
    let calls: [&[&str]; 14] = [
        &["check", "--cloudcore", "192.0.2.1", "--token", &token],
        &["check", "--cloudcore", "192.0.2.1", "--token", JWT],
        &["check", "--cloudcore", "192.0.2.1", &token],
        &["check", &token],
        &[&token],
        &[JWT],
        &["check", &format!("--tokn={token}")],
        &["check", &format!("--{token}")],
        &["check", &format!("--token{token}")],
        &["check", &format!("--{JWT}")],
        &["check", &format!("-{token}")],
        &[&format!("--token{token}")],
        &["check", "--https-port", &token],
        &["check", "--cloudcore", "192.0.2.1", "--version", JWT],
    ];
    for args in calls {
        for json in [false, true] {
            let tool = Tool::new("edge-join").args(args);
            let ran = if json { tool.arg("--json") } else { tool }.run().expect(2);
            let said = format!("{}{}", ran.stdout, ran.stderr);
            let parts = JWT.split('.').chain([&JWT[..20], "w5EKPmyNFzD51EYE"]);
            assert!(parts.into_iter().all(|part| !said.contains(part)), "{args:?}: {said}");
            assert!(!said.contains(&HASH[..20]) && !said.contains(&JWT[..8]), "{args:?}: {said}");
        }
    }
}

#[test]
fn wrong_call_is_a_usage_error_with_what_was_expected() {
    for (args, want) in [
        ("check --cloudcore 192.0.2.1:10000", "it has a port"),
        ("check --cloudcore https://cloud.example", "it is a URL"),
        ("check --cloudcore *.example.com", "a wildcard is not the name of one host"),
        ("check --cloudcore 0.0.0.0", "unspecified"),
        ("check --cloudcore 192.0.2.1 --node-name Edge_1", "cannot use the node name \"Edge_1\""),
        ("check --cloudcore 192.0.2.1 --hub-port 10002", "cannot use port 10002 twice"),
        ("check --cloudcore 192.0.2.1 --https-port 0", "--https-port"),
        ("check --version 2.1", "2.1"),
        ("check --token=", "--token"),
    ] {
        let ran = Tool::new("edge-join").args(args.split(' ')).run().expect(2);
        assert!(ran.stderr.contains(want), "{args}: {}", ran.stderr);
    }
}

#[test]
fn file_of_a_token_that_is_not_there_is_not_named() {
    let ran = Tool::new("edge-join").args(["check", "--token", "/nonexistent/secret-name"]).run().expect(1);
    assert!(ran.stderr.contains("cannot read the file of --token: No such file"), "{}", ran.stderr);
    assert!(!ran.stderr.contains("secret-name"));
}

#[test]
fn check_is_of_the_running_system_alone() {
    let tree = edgeutils_tests::tree::Tree::new();
    let ran = Tool::new("edge-join").args(["check", "--force-root", "--root"]).arg(tree.path()).run().expect(4);
    assert!(ran.stderr.contains("cannot check with --root"), "{}", ran.stderr);
}
